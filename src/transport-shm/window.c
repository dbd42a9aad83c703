// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is not this kernel's own, mapped. A piece of it is mapped once,
 * however many of its regions are open.
 */
#define pr_fmt(fmt) "unbd-shm: " fmt

#include <linux/delay.h>
#include <linux/io.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include <unbd/parse.h>

#include "directory.h"
#include "window.h"

static unsigned int new_buffer_mib = 16;
module_param(new_buffer_mib, uint, 0644);
MODULE_PARM_DESC(new_buffer_mib,
		 "size of a buffer that is made in a directory, in MiB, if there is as much left (default 16)");

/* A buffer may have less than was wanted, channels may not. */
#define LEAST_BUFFER	0x10000

/* How long a live peer may take to write an entry, in looks and ms each */
#define LOOKS		100
#define LOOK_MS		5

/**
 * struct window - a piece of memory that is mapped
 * @entry: in the list of all
 * @source: where it is from
 * @users: regions of it that are open
 * @addr: where it is mapped
 * @pages: has struct pages, so that I/O can go straight there
 * @pgmap: the kernel's, for them
 */
struct window {
	struct list_head entry;
	struct shm_window_source source;
	unsigned int users;
	void *addr;
	bool pages;
	struct dev_pagemap pgmap;
};

static DEFINE_MUTEX(windows_mutex);	/* which there are, their users */
static LIST_HEAD(windows);

#ifdef CONFIG_ZONE_DEVICE
static void *map_pages(struct window *w)
{
	const struct shm_window_source *from = &w->source;

	if (!IS_ALIGNED(from->start | from->size, memremap_compat_align()))
		return NULL;
	w->pgmap.type = MEMORY_DEVICE_GENERIC;
	w->pgmap.range.start = from->start;
	w->pgmap.range.end = from->start + from->size - 1;
	w->pgmap.nr_range = 1;
	return memremap_pages(&w->pgmap, NUMA_NO_NODE);
}

static void unmap_pages(struct window *w)
{
	memunmap_pages(&w->pgmap);
}
#else
static void *map_pages(struct window *w)
{
	return NULL;
}

static void unmap_pages(struct window *w)
{
}
#endif

/* Pages cost a 64th of the memory: none are made for who does not use them. */
static int map_window(struct window *w, bool wants_pages,
		      char *why, size_t len)
{
	const struct shm_window_source *from = &w->source;

	w->addr = wants_pages ? map_pages(w) : NULL;
	if (IS_ERR(w->addr))
		pr_warn("no pages for %zu bytes at %pa: %pe; data will be copied\n",
			from->size, &from->start, w->addr);
	w->pages = !IS_ERR_OR_NULL(w->addr);
	if (!w->pages)
		w->addr = memremap(from->start, from->size, MEMREMAP_WB);
	if (w->addr)
		return 0;
	return unbd_why(why, len, -ENOMEM, "cannot map %zu bytes at %pa",
			from->size, &from->start);
}

static void unmap_window(struct window *w)
{
	if (w->pages)
		unmap_pages(w);
	else
		memunmap(w->addr);
}

/*
 * On x86 a mapping that is asked for as cached is made another way, without a
 * word, if the firmware has declared the address space to be that of devices.
 */
static bool is_cached(const struct window *w)
{
#ifdef CONFIG_X86
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)w->addr, &level);

	/* Both bits are in the same place in entries of all levels. */
	return !pte || !(pte_flags(*pte) & (_PAGE_PWT | _PAGE_PCD));
#else
	return true;
#endif
}

static struct window *new_window(const struct shm_window_source *source,
				 bool wants_pages, char *why, size_t len)
{
	struct window *w = kzalloc(sizeof(*w), GFP_KERNEL);
	int err;

	if (!w)
		return ERR_PTR(-ENOMEM);
	w->source = *source;
	err = source->claim(&w->source, why, len);
	if (err)
		goto free;
	err = map_window(w, wants_pages, why, len);
	if (err)
		goto release;
	list_add_tail(&w->entry, &windows);
	return w;

release:
	source->release(&w->source);
free:
	kfree(w);
	return ERR_PTR(err);
}

static void put_window(struct window *w)
{
	lockdep_assert_held(&windows_mutex);

	if (--w->users)
		return;
	list_del(&w->entry);
	unmap_window(w);
	w->source.release(&w->source);
	kfree(w);
}

static struct window *find_window(phys_addr_t start)
{
	struct window *w;

	lockdep_assert_held(&windows_mutex);

	list_for_each_entry(w, &windows, entry)
		if (w->source.start == start)
			return w;
	return NULL;
}

static const u32 dir_kinds[] = {
	[SHM_REGION_REQUEST] = SHM_DIR_REQUEST,
	[SHM_REGION_RESPONSE] = SHM_DIR_RESPONSE,
	[SHM_REGION_BUFFER] = SHM_DIR_BUFFER,
};

static int search(struct shm_dir *dir, struct shm_dir_query *q)
{
	unsigned int looks = 0, entry = SHM_DIR_ENTRIES;
	unsigned int most = SHM_DIR_ENTRIES * LOOKS;
	int err;

	while ((err = shm_dir_find(dir, q)) == -EAGAIN && most--) {
		if (q->entry != entry)
			looks = 0;
		entry = q->entry;
		if (++looks >= LOOKS)
			shm_dir_give_up(dir, entry);
		else
			msleep(LOOK_MS);
	}
	return err;
}

static int find_named(struct window *w, struct shm_dir_query *q,
		      char *why, size_t len)
{
	int err;

	if (strlen(q->name) >= SHM_DIR_NAME)
		return unbd_why(why, len, -ENAMETOOLONG,
				"a name in a directory has %u bytes at most",
				SHM_DIR_NAME - 1);
	err = shm_dir_begin(w->addr);
	if (err)
		return unbd_why(why, len, err,
				"the memory has other contents; its first 4096 bytes must be zeros for a directory to be made");
	err = search(w->addr, q);
	switch (err) {
	case 0:
		return 0;
	case -EINVAL:
		return unbd_why(why, len, err, "%.32s has another purpose",
				q->name);
	case -ENOSPC:
		return unbd_why(why, len, err,
				"no room is left for %.32s, see new_buffer_mib",
				q->name);
	default:
		return unbd_why(why, len, err,
				"the directory is being changed all the time");
	}
}

static int find_part(struct window *w, struct shm_region *region,
		     const struct shm_region_name *name, char *why, size_t len)
{
	const size_t wanted = shm_region_bytes(region->kind,
					       READ_ONCE(new_buffer_mib));
	const size_t total = w->source.size;
	struct shm_dir_query q = {
		.name = name->name,
		.kind = dir_kinds[region->kind],
		.total = total,
		.offset = name->offset,
		.size = name->length,
		.wanted = wanted,
		.least = region->kind == SHM_REGION_BUFFER ? LEAST_BUFFER :
			wanted,
	};
	int err = 0;

	if (total < SHM_DIR_BYTES)
		return unbd_why(why, len, -EINVAL, "%zu bytes are too few",
				total);
	if (!name->length)
		err = find_named(w, &q, why, len);
	if (err)
		return err;
	if (!PAGE_ALIGNED(q.offset) || q.offset >= total ||
	    q.size > total - q.offset)
		return unbd_why(why, len, -EINVAL,
				"+%#llx+%#llx is not a part, from a page on, of %#zx bytes",
				q.offset, q.size, total);
	region->addr = w->addr + q.offset;
	region->size = q.size;
	if (!name->length)
		region->bell = &((struct shm_dir *)w->addr)->entries[q.entry].bell;
	region->polled = !w->source.notifies || !region->bell;
	region->priv = w;
	return 0;
}

static void complain_if_uncached(const struct window *w,
				 const struct shm_region *region,
				 const struct shm_region_name *name)
{
	if (!is_cached(w))
		pr_warn("%s@%s: the memory is mapped uncached, which may be very slow; the firmware has its %zu MiB below 4 GiB: give it 4096 MiB or more, or boot with nopat\n",
			region->provider->name, name->place,
			w->source.size >> 20);
}

/**
 * shm_window_open() - open a region of a piece of memory
 * @region: provider, kind and wants_pages are set; the rest will be
 * @name: a part of the memory, or a name of its directory
 * @source: the memory; claimed and mapped unless it is already
 * @why: reason of a failure
 * @len: size of @why
 *
 * Process context, may sleep. Return: 0 or -errno.
 */
int shm_window_open(struct shm_region *region,
		    const struct shm_region_name *name,
		    const struct shm_window_source *source,
		    char *why, size_t len)
{
	struct window *w;
	int err;

	mutex_lock(&windows_mutex);
	w = find_window(source->start);
	if (!w) {
		w = new_window(source, region->wants_pages, why, len);
		if (!IS_ERR(w))
			complain_if_uncached(w, region, name);
	}
	err = PTR_ERR_OR_ZERO(w);
	if (!err) {
		w->users++;
		err = find_part(w, region, name, why, len);
		if (err)
			put_window(w);
	}
	mutex_unlock(&windows_mutex);
	return err;
}

/**
 * shm_window_close() - close a region
 * @region: opened by shm_window_open()
 *
 * Process context, may sleep.
 */
void shm_window_close(struct shm_region *region)
{
	mutex_lock(&windows_mutex);
	put_window(region->priv);
	mutex_unlock(&windows_mutex);
}

/**
 * shm_window_owner() - what the provider has set when it claimed the memory
 * @region: opened by shm_window_open()
 */
void *shm_window_owner(const struct shm_region *region)
{
	const struct window *w = region->priv;

	return w->source.owner;
}

/**
 * shm_window_page() - the struct page of a place, or NULL
 * @region: opened by shm_window_open()
 * @offset: bytes
 */
struct page *shm_window_page(struct shm_region *region, size_t offset)
{
	const struct window *w = region->priv;

	return w->pages ? virt_to_page(region->addr + offset) : NULL;
}
