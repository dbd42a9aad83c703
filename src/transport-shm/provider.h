/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where shared memory comes from: the contract between the two ends of the
 * block protocol and what has the memory, a provider.
 *
 * A provider offers regions by name. Whoever has written to a channel's region
 * notifies it; whoever reads from it may watch it. Where there are no
 * notifications, readers look from time to time.
 */
#ifndef UNBD_SHM_PROVIDER_H
#define UNBD_SHM_PROVIDER_H

#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/types.h>

#include <unbd/compat.h>
#include <unbd/proto/muenblock.h>

#include "options.h"

/**
 * enum shm_region_kind - what a region is for
 * @SHM_REGION_REQUEST: channel of the client
 * @SHM_REGION_RESPONSE: channel of the server
 * @SHM_REGION_BUFFER: data
 */
enum shm_region_kind {
	SHM_REGION_REQUEST,
	SHM_REGION_RESPONSE,
	SHM_REGION_BUFFER,
};

/**
 * struct shm_region - an open region
 * @provider: who has it
 * @kind: what it is used for
 * @wants_pages: struct pages are of use, see the provider's page()
 * @addr: where it is mapped, aligned to a page
 * @size: bytes
 * @polled: notifications do not arrive, a reader has to look
 * @local: the peer runs in this kernel
 * @bell: the provider's: where it is written how to notify the reader
 * @priv: the provider's
 */
struct shm_region {
	const struct shm_provider *provider;
	enum shm_region_kind kind;
	bool wants_pages;
	void *addr;
	size_t size;
	bool polled;
	bool local;
	u32 *bell;
	void *priv;
};

/**
 * struct shm_watch - wants to know when something was written to a region
 * @entry: the provider's
 * @notified: called in any context; must not sleep
 */
struct shm_watch {
	struct list_head entry;
	void (*notified)(struct shm_watch *watch);
};

/**
 * struct shm_provider - what has regions
 * @owner: module
 * @name: in front of the '@' or the '/' of a region's name
 * @open: find the region and map it; fills in addr, size, polled and priv.
 *	May sleep. -errno with the reason in @why.
 * @close: undo it. May sleep.
 * @page: the struct page behind a place of the region; NULL, or returning
 *	NULL, where there is none
 * @notify: tell the readers. Process context, may sleep.
 * @watch: begin to report; NULL where all regions are polled
 * @unwatch: cease; afterwards no report is under way
 *
 * A region may be open more than once, by either end.
 */
struct shm_provider {
	struct module *owner;
	const char *name;
	int (*open)(struct shm_region *region,
		    const struct shm_region_name *name, char *why, size_t len);
	void (*close)(struct shm_region *region);
	struct page *(*page)(struct shm_region *region, size_t offset);
	void (*notify)(struct shm_region *region);
	void (*watch)(struct shm_region *region, struct shm_watch *watch);
	void (*unwatch)(struct shm_region *region, struct shm_watch *watch);

	/* private: */
	struct list_head entry;
};

/**
 * struct shm_regions - what a connection consists of
 * @request: channel that the client writes
 * @response: channel that the server writes
 * @buffer: data
 */
struct shm_regions {
	struct shm_region request;
	struct shm_region response;
	struct shm_region buffer;
};

int shm_register_provider(struct shm_provider *provider);
void shm_unregister_provider(struct shm_provider *provider);

int shm_regions_open(struct shm_regions *regions,
		     const struct shm_connection_option *o, bool wants_pages,
		     char *why, size_t len);
void shm_regions_close(struct shm_regions *regions);

static inline void shm_region_notify(struct shm_region *region)
{
	if (!region->polled)
		region->provider->notify(region);
}

static inline struct page *shm_region_page(struct shm_region *region,
					   size_t offset)
{
	if (!region->provider->page)
		return NULL;
	return region->provider->page(region, offset);
}

/* More than a disk can have under way */
#define SHM_MOST_BUFFER_MIB	1024

/**
 * shm_region_bytes() - how large a region is to be that is made
 * @kind: what it is for
 * @mib: what has been asked for as the size of a buffer, in MiB
 */
static inline size_t shm_region_bytes(enum shm_region_kind kind,
				      unsigned int mib)
{
	switch (kind) {
	case SHM_REGION_REQUEST:
		return MUENBLOCK_REQUEST_REGION;
	case SHM_REGION_RESPONSE:
		return MUENBLOCK_RESPONSE_REGION;
	default:
		return (size_t)clamp(mib, 1U, SHM_MOST_BUFFER_MIB + 0U) << 20;
	}
}

/* provider-loop.c */
extern struct shm_provider shm_loop_provider;

/* provider-mem.c */
extern struct shm_provider shm_mem_provider;

/* provider-ivshmem.c */
extern struct shm_provider shm_ivshmem_provider;

#endif
