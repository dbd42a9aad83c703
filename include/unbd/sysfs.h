/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who may write to the files that the two cores have in sysfs. All inline, so
 * that each logs under its own name: pr_fmt() is that of the includer.
 */
#ifndef UNBD_SYSFS_H
#define UNBD_SYSFS_H

#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/kobject.h>
#include <linux/printk.h>
#include <linux/sysfs.h>

/**
 * unbd_may_order() - whether the writer of a file may give orders
 * @file: name of the file, for the log
 *
 * The files' modes let in whoever is called root, also in a container or a
 * unit that has nothing else of root's.
 *
 * Context: Process context.
 * Return: 0, or -EPERM, which has been logged.
 */
static inline int unbd_may_order(const char *file)
{
	if (capable(CAP_SYS_ADMIN))
		return 0;
	pr_err_ratelimited("%s: CAP_SYS_ADMIN is needed (%d)\n", file, -EPERM);
	return -EPERM;
}

static inline ssize_t unbd_show_object(struct kobject *kobj,
				       struct attribute *attr, char *page)
{
	return kobj_sysfs_ops.show(kobj, attr, page);
}

static inline ssize_t unbd_store_object(struct kobject *kobj,
					struct attribute *attr,
					const char *page, size_t count)
{
	int err = unbd_may_order(attr->name);

	return err ? err : kobj_sysfs_ops.store(kobj, attr, page, count);
}

/* Of directories whose files are kobj_attributes */
static const struct sysfs_ops unbd_object_ops __maybe_unused = {
	.show	= unbd_show_object,
	.store	= unbd_store_object,
};

#endif
