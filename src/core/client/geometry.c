// SPDX-License-Identifier: GPL-2.0
/*
 * What a disk is and can do: what its first path promised for as long as it
 * lasts, and what all of its paths have in common, which changes as they come
 * and go.
 *
 * One over RDMA takes requests as large as a chunk of the server's memory, one
 * over TCP 32 MiB; one of shared memory knows no FUA.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/blkdev.h>
#include <linux/sizes.h>

#include "client.h"

/*
 * What one request may have a server do before it can answer. More of them make
 * more progress.
 */
#define MOST_DATA	SZ_4M
#define MOST_RANGE	SZ_64M

/* The block layer counts the bytes of one request in 32 bits. */
static unsigned int to_sectors(u64 bytes)
{
	return min_t(u64, bytes, UINT_MAX) >> SECTOR_SHIFT;
}

static unsigned int range_of(const struct unbd_geometry *g, u64 bytes)
{
	return to_sectors(min_t(u64, bytes,
				max_t(u32, MOST_RANGE, g->discard_granularity)));
}

/**
 * unbd_disk_fill_limits() - say in the block layer's terms what a disk can do
 * @dev: its device, dev->mutex is held
 * @lim: gets it
 */
void unbd_disk_fill_limits(struct unbd_device *dev,
			   struct unbd_disk_limits *lim)
{
	const struct unbd_geometry *g = &dev->geometry;

	lockdep_assert_held(&dev->mutex);

	lim->logical_block_size = g->logical_block_size;
	lim->physical_block_size = g->physical_block_size;
	lim->io_min = g->io_min ? g->io_min : g->physical_block_size;
	lim->io_opt = g->io_opt;
	lim->max_hw_sectors = to_sectors(g->max_io);
	lim->max_sectors = to_sectors(MOST_DATA);
	lim->max_segments = g->max_segments ?
		min_t(u32, g->max_segments, USHRT_MAX) : USHRT_MAX;
	lim->max_segment_size = UINT_MAX;
	lim->virt_boundary_mask = g->virt_boundary;
	lim->max_discard_sectors = range_of(g, g->max_discard);
	lim->discard_granularity = g->discard_granularity;
	lim->max_secure_erase_sectors = range_of(g, g->max_secure_erase);
	lim->max_write_zeroes_sectors = range_of(g, g->max_write_zeroes);
	lim->write_cache = g->features & UNBD_FEAT_WRITE_CACHE;
	lim->fua = g->features & UNBD_FEAT_FUA;
	lim->rotational = g->features & UNBD_FEAT_ROTATIONAL;
	lim->poll = dev->nr_poll_queues;
}

/**
 * unbd_device_restacked() - have the disk's limits follow dev->geometry
 * @dev: the device
 *
 * Any context. Not done at once: who changes limits of a queue may have to
 * wait for requests, which may be waiting for a path.
 */
void unbd_device_restacked(struct unbd_device *dev)
{
	queue_work(unbd_split_wq, &dev->split_work);
}

/* What a disk does not promise for as long as it lasts */
static void copy_limits(struct unbd_geometry *disk,
			const struct unbd_geometry *path)
{
	disk->max_io = path->max_io;
	disk->max_segments = path->max_segments;
	disk->virt_boundary = path->virt_boundary;
	disk->max_discard = path->max_discard;
	disk->discard_granularity = path->discard_granularity;
	disk->max_secure_erase = path->max_secure_erase;
	disk->max_write_zeroes = path->max_write_zeroes;
	disk->features &= ~UNBD_FEAT_FUA;
	disk->features |= path->features & UNBD_FEAT_FUA;
}

/* Leave of them what a further path can do, too. */
static void narrow_limits(struct unbd_geometry *disk,
			  const struct unbd_geometry *path)
{
	disk->max_io = min(disk->max_io, path->max_io);
	disk->max_segments = min_not_zero(disk->max_segments,
					  path->max_segments);
	disk->virt_boundary |= path->virt_boundary;
	disk->max_discard = min(disk->max_discard, path->max_discard);
	disk->discard_granularity = max(disk->discard_granularity,
					path->discard_granularity);
	disk->max_secure_erase = min(disk->max_secure_erase,
				     path->max_secure_erase);
	disk->max_write_zeroes = min(disk->max_write_zeroes,
				     path->max_write_zeroes);
	disk->features &= path->features | ~UNBD_FEAT_FUA;
}

static bool same_limits(const struct unbd_geometry *a,
			const struct unbd_geometry *b)
{
	return a->max_io == b->max_io &&
	       a->max_segments == b->max_segments &&
	       a->virt_boundary == b->virt_boundary &&
	       a->max_discard == b->max_discard &&
	       a->discard_granularity == b->discard_granularity &&
	       a->max_secure_erase == b->max_secure_erase &&
	       a->max_write_zeroes == b->max_write_zeroes &&
	       a->features == b->features;
}

static void stack_limits(struct unbd_device *dev, struct unbd_geometry *disk)
{
	int idx = srcu_read_lock(&dev->srcu);
	struct unbd_leg *leg = NULL;
	bool any = false;

	while ((leg = unbd_next_leg(dev, leg))) {
		if (!leg->known)
			continue;
		if (any)
			narrow_limits(disk, &leg->adopted);
		else
			copy_limits(disk, &leg->adopted);
		any = true;
	}
	srcu_read_unlock(&dev->srcu, idx);
}

/**
 * unbd_device_stack_limits() - have a disk do what all of its paths can
 * @dev: the device, dev->mutex is held
 *
 * Paths that are away for a while count, those that have never been there do
 * not. The disk of a device without any stays as it is.
 */
void unbd_device_stack_limits(struct unbd_device *dev)
{
	struct unbd_geometry old = dev->geometry;

	lockdep_assert_held(&dev->mutex);

	stack_limits(dev, &dev->geometry);
	if (same_limits(&old, &dev->geometry))
		return;
	/* Requests may be too much for a leg from now on. */
	WRITE_ONCE(dev->restacked, true);
	if (!dev->disk || READ_ONCE(dev->removing))
		return;
	pr_info("unbd%u: requests of %u bytes at most%s, as its paths have it\n",
		dev->index, dev->geometry.max_io,
		dev->geometry.features & UNBD_FEAT_FUA ? "" : " and no FUA");
	unbd_device_restacked(dev);
}

/**
 * unbd_size_of() - what a disk has of its export
 * @dev: the device
 * @leg: leg that knows the export
 *
 * Return: bytes, in whole blocks of the disk: another protocol may tell of a
 * part of one.
 */
u64 unbd_size_of(const struct unbd_device *dev, const struct unbd_leg *leg)
{
	return round_down(leg->geometry.size,
			  dev->geometry.logical_block_size);
}

/*
 * A disk may grow, and the server that it is at says so. One that is asked for
 * the first time and has more is taken for the server of another disk.
 */
static int compare_size(struct unbd_device *dev, const struct unbd_leg *leg,
			char *why, size_t len)
{
	u64 size = unbd_size_of(dev, leg);

	if (size < dev->geometry.size)
		return unbd_why(why, len, -EMEDIUMTYPE,
				"export has %llu bytes, unbd%u has %llu", size,
				dev->index, dev->geometry.size);
	if (!leg->known && size != dev->server_size)
		return unbd_why(why, len, -EMEDIUMTYPE,
				"export has %llu bytes, that of unbd%u has %llu: not the same, or it has grown",
				size, dev->index, dev->server_size);
	return 0;
}

/*
 * The block layer does not flush a disk that was made without a write cache.
 * Only a protocol that cannot say that there is none may claim one.
 */
static bool has_got_cache(const struct unbd_device *dev,
			  const struct unbd_leg *leg)
{
	u32 features = leg->geometry.features;

	return leg->known && features & UNBD_FEAT_WRITE_CACHE &&
	       !(features & UNBD_FEAT_STABLE) &&
	       !((dev->geometry.features | leg->adopted.features) &
		 UNBD_FEAT_WRITE_CACHE);
}

/* What the first leg promised to users of the disk must stay true. */
static int compare_geometry(struct unbd_device *dev,
			    const struct unbd_leg *leg, char *why, size_t len)
{
	const struct unbd_geometry *disk = &dev->geometry;
	const struct unbd_geometry *g = &leg->geometry;

	if (g->logical_block_size > disk->logical_block_size) {
		snprintf(why, len, "export has blocks of %u bytes, unbd%u has %u",
			 g->logical_block_size, dev->index,
			 disk->logical_block_size);
		return -EMEDIUMTYPE;
	}
	if (disk->features & UNBD_FEAT_WRITE_CACHE &&
	    !(g->features & (UNBD_FEAT_WRITE_CACHE | UNBD_FEAT_FLUSH))) {
		snprintf(why, len, "export has lost flush, unbd%u relies on it",
			 dev->index);
		return -EMEDIUMTYPE;
	}
	if (has_got_cache(dev, leg)) {
		snprintf(why, len, "export has got a write cache, unbd%u does not flush",
			 dev->index);
		return -EMEDIUMTYPE;
	}
	if (g->features & UNBD_FEAT_READ_ONLY && !unbd_device_read_only(dev)) {
		snprintf(why, len, "export has become read-only, unbd%u is not",
			 dev->index);
		return -EROFS;
	}
	return 0;
}

static void heed_cache(struct unbd_device *dev, const struct unbd_leg *leg)
{
	if (!(leg->geometry.features & UNBD_FEAT_MULTI_QUEUE))
		WRITE_ONCE(dev->one_leg, true);
	if (dev->one_leg && !leg->known && dev->nr_legs > 1)
		pr_notice("%s: unbd%u: the server does not say that its connections share a cache: one path at a time\n",
			  leg->path->name, dev->index);
}

/**
 * unbd_device_adopt() - take a leg's geometry, or check it against the disk's
 * @dev: the device
 * @leg: leg that has just been attached
 * @why: gets the reason of a refusal
 * @len: size of @why
 *
 * Return: 0, -EMEDIUMTYPE or -EROFS when it is not the disk that was mapped.
 */
int unbd_device_adopt(struct unbd_device *dev, struct unbd_leg *leg,
		      char *why, size_t len)
{
	int err = 0;

	mutex_lock(&dev->mutex);
	if (dev->nr_queues) {
		err = compare_size(dev, leg, why, len);
		if (!err)
			err = compare_geometry(dev, leg, why, len);
	} else {
		dev->geometry = leg->geometry;
		dev->nr_queues = leg->nr_queues;
		dev->nr_poll_queues = leg->nr_poll_queues;
	}
	if (!err) {
		dev->server_size = unbd_size_of(dev, leg);
		heed_cache(dev, leg);
		leg->adopted = leg->geometry;
		leg->known = true;
		unbd_device_stack_limits(dev);
	}
	mutex_unlock(&dev->mutex);
	return err;
}
