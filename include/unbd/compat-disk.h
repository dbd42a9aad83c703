/* SPDX-License-Identifier: GPL-2.0 */
/* Included by <unbd/compat.h>: disks that we make. */
#ifndef UNBD_COMPAT_DISK_H
#define UNBD_COMPAT_DISK_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>

/* UNBD_BDEV_OPEN() - make @op, for block_device_operations.open, of fn(disk) */
/* UNBD_BDEV_RELEASE() - likewise for .release */
#ifdef HAVE_BDOPS_TAKE_GENDISK
#define UNBD_BDEV_OPEN(op, fn)						\
static int op(struct gendisk *disk, blk_mode_t mode)			\
{									\
	return fn(disk);						\
}
#define UNBD_BDEV_RELEASE(op, fn)					\
static void op(struct gendisk *disk)					\
{									\
	fn(disk);							\
}
#else
#define UNBD_BDEV_OPEN(op, fn)						\
static int op(struct block_device *bdev, fmode_t mode)			\
{									\
	return fn(bdev->bd_disk);					\
}
#define UNBD_BDEV_RELEASE(op, fn)					\
static void op(struct gendisk *disk, fmode_t mode)			\
{									\
	fn(disk);							\
}
#endif

#ifndef HAVE_ADD_DISK_RETURNS_INT
static inline int __must_check
compat_device_add_disk(struct device *parent, struct gendisk *disk,
		       const struct attribute_group **groups)
{
	device_add_disk(parent, disk, groups);
	return 0;
}

#define device_add_disk		compat_device_add_disk
#define add_disk(disk)		compat_device_add_disk(NULL, disk, NULL)
#endif

/**
 * struct unbd_disk_limits - what a disk of ours can do
 * @logical_block_size: bytes
 * @physical_block_size: bytes
 * @io_min: bytes
 * @io_opt: bytes, 0 when there is no such size
 * @max_hw_sectors: of one request
 * @max_sectors: what requests are merged up to, unless the user wants more or
 *	@max_hw_sectors is less
 * @max_segments: of one request
 * @max_segment_size: bytes
 * @virt_boundary_mask: where pieces of memory may begin and end within a
 *	request, 0 for anywhere; wants a @max_segment_size of UINT_MAX
 * @max_discard_sectors: of one discard, 0 when not understood
 * @discard_granularity: bytes
 * @max_secure_erase_sectors: 0 when not understood
 * @max_write_zeroes_sectors: 0 when not understood
 * @dma_alignment: mask for the address and length of every piece of memory,
 *	0 for the block layer's default
 * @write_cache: flushes are needed and understood
 * @fua: REQ_FUA is understood
 * @rotational: seeks are slow
 * @stable_writes: data must not change while it is written
 * @poll: there are polled queues
 *
 * The names of struct queue_limits, which older kernels cannot be given.
 */
struct unbd_disk_limits {
	unsigned int logical_block_size;
	unsigned int physical_block_size;
	unsigned int io_min;
	unsigned int io_opt;
	unsigned int max_hw_sectors;
	unsigned int max_sectors;
	unsigned short max_segments;
	unsigned int max_segment_size;
	unsigned int virt_boundary_mask;
	unsigned int max_discard_sectors;
	unsigned int discard_granularity;
	unsigned int max_secure_erase_sectors;
	unsigned int max_write_zeroes_sectors;
	unsigned int dma_alignment;
	bool write_cache;
	bool fua;
	bool rotational;
	bool stable_writes;
	bool poll;
};

/* Cache, FUA and so on are limits from v6.11 on, flags of the queue before. */
#ifdef HAVE_QUEUE_LIMITS_FEATURES
static inline void compat_set_feature(struct queue_limits *to,
				      blk_features_t feature, bool on)
{
	if (on)
		to->features |= feature;
	else
		to->features &= ~feature;
}

static inline void compat_fill_fua(struct queue_limits *to, bool fua)
{
	compat_set_feature(to, BLK_FEAT_FUA, fua);
}

static inline void compat_fill_features(struct queue_limits *to,
					const struct unbd_disk_limits *from)
{
	compat_set_feature(to, BLK_FEAT_WRITE_CACHE, from->write_cache);
	compat_set_feature(to, BLK_FEAT_ROTATIONAL, from->rotational);
	compat_set_feature(to, BLK_FEAT_STABLE_WRITES, from->stable_writes);
	compat_set_feature(to, BLK_FEAT_POLL, from->poll);
}

static inline void compat_apply_fua(struct request_queue *q, bool fua)
{
}

static inline void compat_apply_features(struct request_queue *q,
					 const struct unbd_disk_limits *limits)
{
}
#else
static inline void compat_set_flag(struct request_queue *q, unsigned int flag,
				   bool on)
{
	if (on)
		blk_queue_flag_set(flag, q);
	else
		blk_queue_flag_clear(flag, q);
}

static inline void compat_fill_fua(struct queue_limits *to, bool fua)
{
}

static inline void compat_fill_features(struct queue_limits *to,
					const struct unbd_disk_limits *from)
{
}

static inline void compat_apply_fua(struct request_queue *q, bool fua)
{
	compat_set_flag(q, QUEUE_FLAG_FUA, fua);
}

static inline void compat_apply_features(struct request_queue *q,
					 const struct unbd_disk_limits *limits)
{
	blk_queue_write_cache(q, limits->write_cache, limits->fua);
	compat_set_flag(q, QUEUE_FLAG_NONROT, !limits->rotational);
	compat_set_flag(q, QUEUE_FLAG_STABLE_WRITES, limits->stable_writes);
}
#endif

#ifdef HAVE_BLK_MQ_ALLOC_DISK_TAKES_LIMITS
/* What may change while a disk is there */
static inline void
compat_fill_request_limits(struct queue_limits *to,
			   const struct unbd_disk_limits *from)
{
	to->max_hw_sectors = from->max_hw_sectors;
	to->max_segments = from->max_segments;
	to->virt_boundary_mask = from->virt_boundary_mask;
	to->max_hw_discard_sectors = from->max_discard_sectors;
	to->discard_granularity = from->discard_granularity;
	to->max_secure_erase_sectors = from->max_secure_erase_sectors;
	to->max_write_zeroes_sectors = from->max_write_zeroes_sectors;
	compat_fill_fua(to, from->fua);
}

static inline void compat_fill_limits(struct queue_limits *to,
				      const struct unbd_disk_limits *from)
{
	compat_fill_request_limits(to, from);
	to->logical_block_size = from->logical_block_size;
	to->physical_block_size = from->physical_block_size;
	to->io_min = from->io_min;
	to->io_opt = from->io_opt;
	to->max_segment_size = from->max_segment_size;
	if (from->dma_alignment)
		to->dma_alignment = from->dma_alignment;
	compat_fill_features(to, from);
}

static inline struct gendisk *
compat_disk_alloc(struct blk_mq_tag_set *set,
		  const struct unbd_disk_limits *limits, void *queuedata)
{
	struct queue_limits lim = {};
	struct gendisk *disk;

	compat_fill_limits(&lim, limits);
	/* As if the user had raised max_sectors_kb. */
	lim.max_user_sectors = limits->max_sectors;
	disk = blk_mq_alloc_disk(set, &lim, queuedata);
	if (!IS_ERR(disk))
		compat_apply_features(disk->queue, limits);
	return disk;
}

static inline int
compat_disk_update_limits(struct gendisk *disk,
			  const struct unbd_disk_limits *limits,
			  unsigned int *user_max_sectors)
{
	struct request_queue *q = disk->queue;
	struct queue_limits lim = queue_limits_start_update(q);

	compat_fill_request_limits(&lim, limits);
	compat_apply_fua(q, limits->fua);
	return queue_limits_commit_update(q, &lim);
}
#else
static inline void
compat_apply_discard(struct request_queue *q,
		     const struct unbd_disk_limits *limits)
{
	blk_queue_max_discard_sectors(q, limits->max_discard_sectors);
	q->limits.discard_granularity = limits->discard_granularity;
#ifdef HAVE_BLKDEV_ISSUE_SECURE_ERASE
	blk_queue_max_secure_erase_sectors(q, limits->max_secure_erase_sectors);
#else
	compat_set_flag(q, QUEUE_FLAG_DISCARD, limits->max_discard_sectors);
	compat_set_flag(q, QUEUE_FLAG_SECERASE,
			limits->max_discard_sectors &&
			limits->max_secure_erase_sectors >=
			limits->max_discard_sectors);
#endif
}

/*
 * What requests are merged up to. These kernels have one number for what they
 * do and what the user wants, and narrow it with the rest.
 */
static inline unsigned int
compat_max_sectors(const struct request_queue *q,
		   const struct unbd_disk_limits *limits,
		   unsigned int user_max_sectors)
{
	return min(user_max_sectors ? user_max_sectors : limits->max_sectors,
		   q->limits.max_hw_sectors);
}

static inline void
compat_apply_limits(struct request_queue *q,
		    const struct unbd_disk_limits *limits)
{
	blk_queue_logical_block_size(q, limits->logical_block_size);
	blk_queue_physical_block_size(q, limits->physical_block_size);
	blk_queue_io_min(q, limits->io_min);
	blk_queue_io_opt(q, limits->io_opt);
	blk_queue_max_hw_sectors(q, limits->max_hw_sectors);
	q->limits.max_sectors = compat_max_sectors(q, limits, 0);
	blk_queue_max_segments(q, limits->max_segments);
	blk_queue_max_segment_size(q, limits->max_segment_size);
	if (limits->virt_boundary_mask)
		blk_queue_virt_boundary(q, limits->virt_boundary_mask);
	compat_apply_discard(q, limits);
	blk_queue_max_write_zeroes_sectors(q, limits->max_write_zeroes_sectors);
	if (limits->dma_alignment)
		blk_queue_dma_alignment(q, limits->dma_alignment);
	compat_apply_features(q, limits);
}

#ifdef HAVE_BLK_MQ_ALLOC_DISK
static inline struct gendisk *compat_alloc_disk(struct blk_mq_tag_set *set,
						void *queuedata)
{
	return blk_mq_alloc_disk(set, queuedata);
}
#else
static inline struct gendisk *compat_alloc_disk(struct blk_mq_tag_set *set,
						void *queuedata)
{
	struct request_queue *q = blk_mq_init_queue(set);
	struct gendisk *disk;

	if (IS_ERR(q))
		return ERR_CAST(q);
	disk = alloc_disk(0);
	if (!disk) {
		blk_cleanup_queue(q);
		return ERR_PTR(-ENOMEM);
	}
	q->queuedata = queuedata;
	disk->queue = q;
	disk->flags |= GENHD_FL_EXT_DEVT;
	return disk;
}
#endif

static inline struct gendisk *
compat_disk_alloc(struct blk_mq_tag_set *set,
		  const struct unbd_disk_limits *limits, void *queuedata)
{
	struct gendisk *disk;

	/* The newer kernels check for themselves. */
	if (limits->logical_block_size > PAGE_SIZE)
		return ERR_PTR(-EINVAL);
	disk = compat_alloc_disk(set, queuedata);
	if (!IS_ERR(disk))
		compat_apply_limits(disk->queue, limits);
	return disk;
}

static inline int
compat_disk_update_limits(struct gendisk *disk,
			  const struct unbd_disk_limits *limits,
			  unsigned int *user_max_sectors)
{
	struct request_queue *q = disk->queue;
	unsigned int max_sectors = q->limits.max_sectors;

	/* Not what it was left at: the user has set it. */
	if (max_sectors != compat_max_sectors(q, limits, *user_max_sectors))
		*user_max_sectors = max_sectors;
	blk_queue_max_hw_sectors(q, limits->max_hw_sectors);
	q->limits.max_sectors = compat_max_sectors(q, limits,
						   *user_max_sectors);
	blk_queue_max_segments(q, limits->max_segments);
	blk_queue_virt_boundary(q, limits->virt_boundary_mask);
	compat_apply_discard(q, limits);
	blk_queue_max_write_zeroes_sectors(q, limits->max_write_zeroes_sectors);
	compat_apply_fua(q, limits->fua);
	return 0;
}
#endif

/**
 * unbd_disk_alloc() - make a disk with a queue
 * @set: tags
 * @limits: what it can do
 * @queuedata: request_queue.queuedata
 *
 * Sleeps. Name, operations, private data and capacity are the caller's; the
 * device number is dynamic and there is room for partitions. A major number of
 * our own would not do: LVM takes no disks but those whose it knows by name.
 *
 * Return: the disk, or ERR_PTR(): -EINVAL for limits that make no sense to
 * this kernel, -ENOMEM.
 */
static inline struct gendisk *
unbd_disk_alloc(struct blk_mq_tag_set *set,
		const struct unbd_disk_limits *limits, void *queuedata)
{
	return compat_disk_alloc(set, limits, queuedata);
}

/**
 * unbd_disk_update_limits() - change what a disk's requests may be
 * @disk: disk of unbd_disk_alloc()
 * @limits: as it was made with, but for sizes, pieces and FUA; nothing else is
 *	looked at
 * @user_max_sectors: 0 at first, then as it was left: where kernels do not know
 *	any more what the user wants when a disk has done less for a while
 *
 * May sleep until whoever else changes limits of the queue is done, but does
 * not wait for requests: those that were made before stay as they are.
 *
 * Return: 0, or -EINVAL for limits that make no sense to this kernel.
 */
static inline int
unbd_disk_update_limits(struct gendisk *disk,
			const struct unbd_disk_limits *limits,
			unsigned int *user_max_sectors)
{
	return compat_disk_update_limits(disk, limits, user_max_sectors);
}

/**
 * unbd_bio_submit_again() - submit a bio that was in a request before
 * @bio: taken out of it by blk_steal_bios()
 *
 * May sleep for a tag. Nobody polls for it any more, and it is too late to
 * say that it would have to wait.
 */
static inline void unbd_bio_submit_again(struct bio *bio)
{
#ifdef REQ_POLLED
	bio->bi_opf &= ~REQ_POLLED;
	bio->bi_cookie = BLK_QC_T_NONE;
#else
	bio->bi_opf &= ~REQ_HIPRI;
#endif
	bio->bi_opf &= ~REQ_NOWAIT;
	submit_bio_noacct(bio);
}

/**
 * unbd_disk_kill() - fail all I/O on a disk that is about to be deleted
 * @disk: disk that was added
 *
 * For what cannot wait for its users: del_gendisk() does not write back any
 * more. Requests in flight are still to be completed by the driver.
 */
static inline void unbd_disk_kill(struct gendisk *disk)
{
#ifdef HAVE_BLK_MARK_DISK_DEAD
	blk_mark_disk_dead(disk);
#else
	blk_set_queue_dying(disk->queue);
	set_capacity(disk, 0);
#endif
}

/**
 * unbd_disk_put() - drop the reference of unbd_disk_alloc()
 * @disk: disk that was deleted, or was never added
 *
 * The tag set may be freed afterwards, even if someone has the disk open.
 */
static inline void unbd_disk_put(struct gendisk *disk)
{
#ifdef HAVE_BLK_CLEANUP_DISK
	blk_cleanup_disk(disk);
#else
#ifndef HAVE_ADD_DISK_RETURNS_INT
	blk_cleanup_queue(disk->queue);
	/* add_disk() would have given it a number and the queue to the disk. */
	if (!disk->major)
		disk->queue = NULL;
#endif
	put_disk(disk);
#endif
}

#endif /* UNBD_COMPAT_DISK_H */
