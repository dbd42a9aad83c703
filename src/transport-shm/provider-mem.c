// SPDX-License-Identifier: GPL-2.0
/*
 * The provider "mem": physical memory that the firmware or the command line
 * (memmap=64M$0x100000000) keeps from the kernel, and that another machine of
 * the same hypervisor has, too. mem@0x100000000/NAME is a region in the memory
 * from there on.
 */
#include <linux/ioport.h>
#include <linux/kernel.h>
#include <linux/mm.h>

#include <unbd/parse.h>

#include "provider.h"
#include "window.h"

/* What the kernel does not use by itself, in /proc/iomem */
static const unsigned long kinds[] = {
	IORES_DESC_RESERVED,
	IORES_DESC_PERSISTENT_MEMORY,
	IORES_DESC_PERSISTENT_MEMORY_LEGACY,
};

static int look_at(struct resource *res, void *arg)
{
	struct shm_window_source *source = arg;

	/* It is cut off in front, at the address asked for. */
	if (res->start == source->start)
		source->size = resource_size(res);
	return 1;
}

/* How much memory there is from source->start on */
static void find_size(struct shm_window_source *source)
{
	unsigned int i;

	source->size = 0;
	for (i = 0; i < ARRAY_SIZE(kinds) && !source->size; i++)
		walk_iomem_res_desc(kinds[i], IORESOURCE_MEM, source->start,
				    -1, source, look_at);
}

static int claim(struct shm_window_source *source, char *why, size_t len)
{
	if (request_mem_region(source->start, source->size, "unbd-shm"))
		return 0;
	return unbd_why(why, len, -EBUSY, "the memory at %pa is in use",
			&source->start);
}

static void release(struct shm_window_source *source)
{
	release_mem_region(source->start, source->size);
}

static int mem_open(struct shm_region *region,
		    const struct shm_region_name *name, char *why, size_t len)
{
	struct shm_window_source source = {
		.claim = claim,
		.release = release,
	};
	u64 start;

	if (kstrtou64(name->place, 0, &start) ||
	    start != (phys_addr_t)start || !PAGE_ALIGNED(start))
		return unbd_why(why, len, -EINVAL,
				"\"%.32s\" is not the physical address of a page, as 0x100000000",
				name->place);
	source.start = start;
	find_size(&source);
	if (!source.size)
		return unbd_why(why, len, -ENODEV,
				"no memory at %pa is reserved, see /proc/iomem",
				&source.start);
	return shm_window_open(region, name, &source, why, len);
}

struct shm_provider shm_mem_provider = {
	.owner = THIS_MODULE,
	.name = "mem",
	.open = mem_open,
	.close = shm_window_close,
	.page = shm_window_page,
};
