/* SPDX-License-Identifier: GPL-2.0 */
/* Included by <unbd/compat.h>: everything but block devices and sockets. */
#ifndef UNBD_COMPAT_LIB_H
#define UNBD_COMPAT_LIB_H

#include <linux/device.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/kernel.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/percpu-rwsem.h>
#include <linux/random.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

/* <linux/device.h> */

#ifndef HAVE_CLASS_CREATE_1ARG
static inline struct class *compat_class_create(struct module *owner,
						const char *name)
{
	return class_create(owner, name);
}

#undef class_create
#define class_create(name)	compat_class_create(THIS_MODULE, name)
#endif

/* <linux/export.h>, <linux/module.h> */

/*
 * EXPORT_SYMBOL_UNBD() - export a symbol to the other unbd modules, which
 * say MODULE_IMPORT_NS("UNBD").
 */
#ifdef HAVE_NS_IS_STRING
#define EXPORT_SYMBOL_UNBD(sym)		EXPORT_SYMBOL_NS_GPL(sym, "UNBD")
#else
#define EXPORT_SYMBOL_UNBD(sym)		EXPORT_SYMBOL_NS_GPL(sym, UNBD)
#undef MODULE_IMPORT_NS
#define MODULE_IMPORT_NS(ns)		MODULE_INFO(import_ns, ns)
#endif

/* <linux/fs.h> */

/* UNBD_KI_COMPLETE() - make @op, for kiocb.ki_complete, of fn(iocb, ret) */
#ifdef HAVE_KI_COMPLETE_2ARG
#define UNBD_KI_COMPLETE(op, fn)					\
static void op(struct kiocb *iocb, long ret)				\
{									\
	fn(iocb, ret);							\
}
#else
#define UNBD_KI_COMPLETE(op, fn)					\
static void op(struct kiocb *iocb, long ret, long ret2)			\
{									\
	fn(iocb, ret);							\
}
#endif

/* <linux/highmem.h> */

#ifndef HAVE_KMAP_LOCAL_PAGE
#ifdef CONFIG_HIGHMEM
/* Unlike the real one this must not be held while sleeping. */
#define kmap_local_page(page)	kmap_atomic(page)
#define kunmap_local(addr)	kunmap_atomic(addr)
#else
static inline void *kmap_local_page(struct page *page)
{
	return page_address(page);
}

static inline void kunmap_local(const void *addr)
{
}
#endif
#endif

/* <linux/kobject.h> */

#ifndef HAVE_KOBJ_TYPE_CONST
#define kobject_init(kobj, ktype)					\
	kobject_init(kobj, (struct kobj_type *)(ktype))
#define kobject_init_and_add(kobj, ktype, parent, ...)			\
	kobject_init_and_add(kobj, (struct kobj_type *)(ktype),		\
			     parent, __VA_ARGS__)
#endif

/* <linux/percpu-rwsem.h> */

#ifndef HAVE_PERCPU_RWSEM_RELEASE_2ARG
#define percpu_rwsem_release(sem, ip)	percpu_rwsem_release(sem, true, ip)
#endif

/* <linux/random.h> */

#ifndef HAVE_GET_RANDOM_U32_BELOW
/* Biased by ceil / 2^32, which back-off and tests do not mind. */
static inline u32 get_random_u32_below(u32 ceil)
{
	return (u32)(((u64)get_random_u32() * ceil) >> 32);
}
#endif

/* <linux/string.h> */

#ifndef HAVE_STRSCPY_2ARG
#define compat_strscpy2(dst, src)					\
	strscpy(dst, src, sizeof(dst) + __must_be_array(dst))
#define compat_strscpy3(dst, src, size)	strscpy(dst, src, size)
#define strscpy(dst, ...)						\
	CONCATENATE(compat_strscpy, COUNT_ARGS(dst, __VA_ARGS__))	\
	(dst, __VA_ARGS__)
#endif

/* <linux/sysfs.h> */

/* UNBD_BIN_READ() - make @op, for bin_attribute.read, of fn(buf, at, size) */
#ifdef HAVE_BIN_ATTRIBUTE_CONST
#define UNBD_BIN_READ(op, fn)						\
static ssize_t op(struct file *file, struct kobject *kobj,		\
		  const struct bin_attribute *attr, char *buf,		\
		  loff_t at, size_t size)				\
{									\
	return fn(buf, at, size);					\
}
#else
#define UNBD_BIN_READ(op, fn)						\
static ssize_t op(struct file *file, struct kobject *kobj,		\
		  struct bin_attribute *attr, char *buf, loff_t at,	\
		  size_t size)						\
{									\
	return fn(buf, at, size);					\
}
#endif

/* <linux/timer.h> */

#ifndef HAVE_TIMER_CONTAINER_OF
#define timer_container_of(var, callback_timer, timer_fieldname)	\
	from_timer(var, callback_timer, timer_fieldname)
#endif

#ifndef HAVE_TIMER_DELETE
#define timer_delete(timer)		del_timer(timer)
#endif

/* <linux/unaligned.h> */

#ifdef HAVE_LINUX_UNALIGNED_H
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

/* <linux/workqueue.h> */

#ifndef HAVE_WQ_PERCPU
#define WQ_PERCPU			0
#endif

#ifndef HAVE_SYSTEM_DFL_WQ
#define system_percpu_wq		system_wq
#define system_dfl_wq			system_unbound_wq
#endif

#endif /* UNBD_COMPAT_LIB_H */
