// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is not this kernel's own, mapped.
 */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include <unbd/parse.h>
#include <unbd/proto/muenblock.h>

#include "directory.h"
#include "window.h"

static unsigned int new_buffer_mib = 16;
module_param(new_buffer_mib, uint, 0644);
MODULE_PARM_DESC(new_buffer_mib,
		 "size of a buffer that is made in a directory, in MiB, if there is as much left (default 16)");

#define MOST_MIB	1024
#define LEAST_BUFFER	0x10000

/* How long a live peer may take to write an entry, in looks and ms each */
#define LOOKS		100
#define LOOK_MS		5

/* Directories are searched by one at a time, in this kernel. */
static DEFINE_MUTEX(directory_mutex);

#ifdef CONFIG_ZONE_DEVICE
static void *map_pages(struct shm_window *w)
{
	if (!IS_ALIGNED(w->start | w->size, memremap_compat_align()))
		return NULL;
	w->pgmap.type = MEMORY_DEVICE_GENERIC;
	w->pgmap.range.start = w->start;
	w->pgmap.range.end = w->start + w->size - 1;
	w->pgmap.nr_range = 1;
	return memremap_pages(&w->pgmap, NUMA_NO_NODE);
}

static void unmap_pages(struct shm_window *w)
{
	memunmap_pages(&w->pgmap);
}
#else
static void *map_pages(struct shm_window *w)
{
	return NULL;
}

static void unmap_pages(struct shm_window *w)
{
}
#endif

/**
 * shm_window_map() - map memory, with struct pages where possible
 * @w: start and size are set, the rest is zero
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0, or -ENOMEM.
 */
int shm_window_map(struct shm_window *w, char *why, size_t len)
{
	w->addr = map_pages(w);
	w->pages = !IS_ERR_OR_NULL(w->addr);
	if (!w->pages)
		w->addr = memremap(w->start, w->size, MEMREMAP_WB);
	if (w->addr)
		return 0;
	return unbd_why(why, len, -ENOMEM,
			"cannot map %zu bytes at %pa", w->size, &w->start);
}

/**
 * shm_window_unmap() - undo shm_window_map()
 * @w: window of which nothing is in use
 */
void shm_window_unmap(struct shm_window *w)
{
	if (w->pages)
		unmap_pages(w);
	else
		memunmap(w->addr);
}

/**
 * shm_window_cached() - is the memory mapped as memory should be?
 * @w: window
 *
 * On x86 a mapping that is asked for as cached is made another way, without a
 * word, if the firmware has declared the address space to be that of devices.
 */
bool shm_window_cached(const struct shm_window *w)
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

/**
 * shm_window_page() - the struct page of a place, or NULL
 * @w: window
 * @addr: place in its mapping
 */
struct page *shm_window_page(const struct shm_window *w, const void *addr)
{
	return w->pages ? virt_to_page(addr) : NULL;
}

/* ------------------------------------------------------------------ */
/* Regions of it                                                      */

static const u32 dir_kinds[] = {
	[SHM_REGION_REQUEST] = SHM_DIR_REQUEST,
	[SHM_REGION_RESPONSE] = SHM_DIR_RESPONSE,
	[SHM_REGION_BUFFER] = SHM_DIR_BUFFER,
};

static void set_sizes(struct shm_dir_query *q, enum shm_region_kind kind)
{
	unsigned int mib = READ_ONCE(new_buffer_mib);

	switch (kind) {
	case SHM_REGION_REQUEST:
		q->wanted = MUENBLOCK_REQUEST_REGION;
		q->least = q->wanted;
		break;
	case SHM_REGION_RESPONSE:
		q->wanted = MUENBLOCK_RESPONSE_REGION;
		q->least = q->wanted;
		break;
	default:
		q->wanted = (u64)clamp(mib, 1U, MOST_MIB + 0U) << 20;
		q->least = LEAST_BUFFER;
	}
}

static int search(struct shm_dir *dir, struct shm_dir_query *q)
{
	unsigned int looks = 0, stuck = SHM_DIR_ENTRIES;
	unsigned int most = SHM_DIR_ENTRIES * LOOKS;
	int err;

	while ((err = shm_dir_find(dir, q)) == -EAGAIN && most--) {
		if (q->stuck != stuck)
			looks = 0;
		stuck = q->stuck;
		if (++looks >= LOOKS)
			shm_dir_give_up(dir, stuck);
		else
			msleep(LOOK_MS);
	}
	return err;
}

static int find_named(struct shm_window *w, struct shm_dir_query *q,
		      char *why, size_t len)
{
	int err = shm_dir_begin(w->addr);

	if (err)
		return unbd_why(why, len, err,
				"the memory has other contents; its first 4096 bytes must be zeros for a directory to be made");
	mutex_lock(&directory_mutex);
	err = search(w->addr, q);
	mutex_unlock(&directory_mutex);
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

/**
 * shm_window_region() - fill in a region of a window
 * @w: window that is mapped
 * @region: kind is set; addr, size and polled will be
 * @name: a part of the window, or a name of its directory
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0 or -errno.
 */
int shm_window_region(struct shm_window *w, struct shm_region *region,
		      const struct shm_region_name *name,
		      char *why, size_t len)
{
	struct shm_dir_query q = {
		.name = name->name,
		.kind = dir_kinds[region->kind],
		.total = w->size,
		.offset = name->offset,
		.size = name->length,
	};
	int err = 0;

	set_sizes(&q, region->kind);
	if (w->size < SHM_DIR_BYTES)
		return unbd_why(why, len, -EINVAL, "%zu bytes are too few",
				w->size);
	if (!name->length)
		err = find_named(w, &q, why, len);
	if (err)
		return err;
	if (!PAGE_ALIGNED(q.offset) || q.offset >= w->size ||
	    q.size > w->size - q.offset)
		return unbd_why(why, len, -EINVAL,
				"+%#llx+%#llx is not a part, from a page on, of %#zx bytes",
				q.offset, q.size, w->size);
	region->addr = w->addr + q.offset;
	region->size = q.size;
	region->polled = true;
	return 0;
}
