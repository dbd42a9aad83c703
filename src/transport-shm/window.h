/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that is not this kernel's own, mapped: for providers that have one
 * piece of it, and the names of a directory page.
 */
#ifndef UNBD_SHM_WINDOW_H
#define UNBD_SHM_WINDOW_H

#include <linux/list.h>
#include <linux/memremap.h>
#include <linux/types.h>

#include "provider.h"

/**
 * struct shm_window - a piece of memory
 * @start: physical address
 * @size: bytes
 * @addr: where it is mapped
 * @pages: has struct pages, so that I/O can go straight there
 * @pgmap: the kernel's, for them
 */
struct shm_window {
	phys_addr_t start;
	size_t size;
	void *addr;
	bool pages;
	struct dev_pagemap pgmap;
};

int shm_window_map(struct shm_window *w, char *why, size_t len);
void shm_window_unmap(struct shm_window *w);
bool shm_window_cached(const struct shm_window *w);
struct page *shm_window_page(const struct shm_window *w, const void *addr);
int shm_window_region(struct shm_window *w, struct shm_region *region,
		      const struct shm_region_name *name,
		      char *why, size_t len);

#endif
