/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that is not this kernel's own, mapped: for providers that have one
 * piece of it, and the names of a directory page.
 */
#ifndef UNBD_SHM_WINDOW_H
#define UNBD_SHM_WINDOW_H

#include <linux/types.h>

#include "provider.h"

/**
 * struct shm_window_source - where a piece of memory comes from
 * @start: physical address
 * @size: bytes
 * @owner: the provider's
 * @notifies: readers of regions with names can be notified
 * @claim: called before the memory is mapped: make sure that nobody else uses
 *	it. May set another @owner and @notifies. May sleep. -errno with the
 *	reason in @why.
 * @release: undo it, when nothing of the memory is open any more. May sleep.
 */
struct shm_window_source {
	phys_addr_t start;
	size_t size;
	void *owner;
	bool notifies;
	int (*claim)(struct shm_window_source *source, char *why, size_t len);
	void (*release)(struct shm_window_source *source);
};

int shm_window_open(struct shm_region *region,
		    const struct shm_region_name *name,
		    const struct shm_window_source *source,
		    char *why, size_t len);

void *shm_window_owner(const struct shm_region *region);

/* These are a provider's close and page. */
void shm_window_close(struct shm_region *region);
struct page *shm_window_page(struct shm_region *region, size_t offset);

#endif
