/* SPDX-License-Identifier: GPL-2.0 */
/* Included by <unbd/compat.h>: block devices, from both sides. */
#ifndef UNBD_COMPAT_BLOCK_H
#define UNBD_COMPAT_BLOCK_H

#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/sched/mm.h>
#ifdef HAVE_LINUX_BLK_PLUG_H
#include <linux/blk_plug.h>
#endif

/* <linux/blk_types.h> */

#ifndef HAVE_BLK_OPF_T
typedef unsigned int blk_opf_t;
#endif

/* v6.11; what SCSI makes of an illegal request stands in on older ones. */
#ifndef BLK_STS_INVAL
#define BLK_STS_INVAL	BLK_STS_TARGET
#endif

/* <linux/bio.h> */

#ifndef HAVE_BIO_MAX_SEGS
#define BIO_MAX_VECS	256U

static inline unsigned int bio_max_segs(unsigned int nr_segs)
{
	return min(nr_segs, BIO_MAX_VECS);
}
#endif

#ifndef HAVE_BIO_ALLOC_TAKES_BDEV
static inline struct bio *compat_bio_prepare(struct bio *bio,
					     struct block_device *bdev,
					     blk_opf_t opf)
{
	if (bio && bdev)
		bio_set_dev(bio, bdev);
	if (bio)
		bio->bi_opf = opf;
	return bio;
}

static inline struct bio *compat_bio_alloc(struct block_device *bdev,
					   unsigned short nr_vecs,
					   blk_opf_t opf, gfp_t gfp)
{
	return compat_bio_prepare(bio_alloc(gfp, nr_vecs), bdev, opf);
}

static inline struct bio *
compat_bio_alloc_bioset(struct block_device *bdev, unsigned short nr_vecs,
			blk_opf_t opf, gfp_t gfp, struct bio_set *bs)
{
	return compat_bio_prepare(bio_alloc_bioset(gfp, nr_vecs, bs), bdev,
				  opf);
}

#define bio_alloc		compat_bio_alloc
#define bio_alloc_bioset	compat_bio_alloc_bioset
#endif

#ifndef HAVE_BIO_INIT_TAKES_BDEV
static inline void compat_bio_init(struct bio *bio, struct block_device *bdev,
				   struct bio_vec *table,
				   unsigned short max_vecs, blk_opf_t opf)
{
	bio_init(bio, table, max_vecs);
	if (bdev)
		bio_set_dev(bio, bdev);
	bio->bi_opf = opf;
}

#define bio_init		compat_bio_init
#endif

/* <linux/bvec.h> */

#ifndef HAVE_BVEC_SET_PAGE
static inline void bvec_set_page(struct bio_vec *bv, struct page *page,
				 unsigned int len, unsigned int offset)
{
	bv->bv_page = page;
	bv->bv_len = len;
	bv->bv_offset = offset;
}
#endif

#ifndef HAVE_BVEC_KMAP_LOCAL
/* The first page of it. */
static inline void *bvec_kmap_local(struct bio_vec *bv)
{
	return kmap_local_page(bv->bv_page) + bv->bv_offset;
}
#endif

/* unbd_bvec_iter_offset() - bytes of the current bio_vec already done */
static inline unsigned int unbd_bvec_iter_offset(const struct bvec_iter *iter)
{
#ifdef HAVE_BVEC_ITER_BI_OFFSET
	return iter->bi_offset;
#else
	return iter->bi_bvec_done;
#endif
}

/* <linux/blkdev.h>: a device that the kernel uses */

/**
 * struct unbd_bdev - a block device that is open
 * @bdev: the device
 */
struct unbd_bdev {
	struct block_device *bdev;

	/* private: */
#ifdef HAVE_BDEV_FILE_OPEN_BY_PATH
	struct file *file;
#elif defined(HAVE_BDEV_OPEN_BY_PATH)
	struct bdev_handle *handle;
#elif defined(HAVE_BLKDEV_GET_TAKES_HOPS)
	void *holder;
#else
	fmode_t mode;
#endif
};

/*
 * unbd_open_bdev() opens the block device @path, a name in the caller's mount
 * namespace, for writing, too, if it is to be @writable. @holder is who wants
 * to be the only one, NULL to share. Process context, may sleep. Returns 0 or
 * -errno (-ENOTBLK, -EBUSY when another holder has it, -EROFS or -EACCES).
 *
 * unbd_open_bdev_nr() opens the one with the number @nr, to read and to share.
 *
 * unbd_close_bdev() undoes either, without I/O in flight.
 */
#ifdef HAVE_BDEV_FILE_OPEN_BY_PATH
static inline int unbd_open_bdev(struct unbd_bdev *b, const char *path,
				 bool writable, void *holder)
{
	b->file = bdev_file_open_by_path(path, BLK_OPEN_READ |
					 (writable ? BLK_OPEN_WRITE : 0),
					 holder, NULL);
	if (IS_ERR(b->file))
		return PTR_ERR(b->file);
	b->bdev = file_bdev(b->file);
	return 0;
}

static inline int unbd_open_bdev_nr(struct unbd_bdev *b, dev_t nr)
{
	b->file = bdev_file_open_by_dev(nr, BLK_OPEN_READ, NULL, NULL);
	return PTR_ERR_OR_ZERO(b->file);
}

static inline void unbd_close_bdev(struct unbd_bdev *b)
{
	bdev_fput(b->file);
}
#elif defined(HAVE_BDEV_OPEN_BY_PATH)
static inline int unbd_open_bdev(struct unbd_bdev *b, const char *path,
				 bool writable, void *holder)
{
	b->handle = bdev_open_by_path(path, BLK_OPEN_READ |
				      (writable ? BLK_OPEN_WRITE : 0),
				      holder, NULL);
	if (IS_ERR(b->handle))
		return PTR_ERR(b->handle);
	b->bdev = b->handle->bdev;
	return 0;
}

static inline int unbd_open_bdev_nr(struct unbd_bdev *b, dev_t nr)
{
	b->handle = bdev_open_by_dev(nr, BLK_OPEN_READ, NULL, NULL);
	return PTR_ERR_OR_ZERO(b->handle);
}

static inline void unbd_close_bdev(struct unbd_bdev *b)
{
	bdev_release(b->handle);
}
#elif defined(HAVE_BLKDEV_GET_TAKES_HOPS)
static inline int unbd_open_bdev(struct unbd_bdev *b, const char *path,
				 bool writable, void *holder)
{
	b->holder = holder;
	b->bdev = blkdev_get_by_path(path, BLK_OPEN_READ |
				     (writable ? BLK_OPEN_WRITE : 0),
				     holder, NULL);
	return PTR_ERR_OR_ZERO(b->bdev);
}

static inline int unbd_open_bdev_nr(struct unbd_bdev *b, dev_t nr)
{
	b->holder = NULL;
	b->bdev = blkdev_get_by_dev(nr, BLK_OPEN_READ, NULL, NULL);
	return PTR_ERR_OR_ZERO(b->bdev);
}

static inline void unbd_close_bdev(struct unbd_bdev *b)
{
	blkdev_put(b->bdev, b->holder);
}
#else
static inline int unbd_open_bdev(struct unbd_bdev *b, const char *path,
				 bool writable, void *holder)
{
	b->mode = FMODE_READ;
	if (writable)
		b->mode |= FMODE_WRITE;
	if (holder)
		b->mode |= FMODE_EXCL;
	b->bdev = blkdev_get_by_path(path, b->mode, holder);
	return PTR_ERR_OR_ZERO(b->bdev);
}

static inline int unbd_open_bdev_nr(struct unbd_bdev *b, dev_t nr)
{
	b->mode = FMODE_READ;
	b->bdev = blkdev_get_by_dev(nr, b->mode, NULL);
	return PTR_ERR_OR_ZERO(b->bdev);
}

static inline void unbd_close_bdev(struct unbd_bdev *b)
{
	blkdev_put(b->bdev, b->mode);
}
#endif

#ifdef HAVE_GENHD_FL_NO_PART
#define UNBD_DISK_UNSCANNED	GENHD_FL_NO_PART
#else
#define UNBD_DISK_UNSCANNED	GENHD_FL_NO_PART_SCAN
#endif

/*
 * unbd_disk_scan() has the partitions of a disk found that was added with the
 * flag UNBD_DISK_UNSCANNED. Reads from the disk, for as long as that takes.
 */
static inline int unbd_disk_scan(struct gendisk *disk)
{
	struct unbd_bdev b;
	int err;

	disk->flags &= ~UNBD_DISK_UNSCANNED;
	set_bit(GD_NEED_PART_SCAN, &disk->state);
	err = unbd_open_bdev_nr(&b, disk_devt(disk));
	if (!err)
		unbd_close_bdev(&b);
	return err;
}

static inline struct address_space *unbd_bdev_cache(struct unbd_bdev *b)
{
#ifdef HAVE_BDEV_FILE_OPEN_BY_PATH
	return b->file->f_mapping;
#else
	return b->bdev->bd_inode->i_mapping;
#endif
}

#ifndef HAVE_BDEV_NR_BYTES
static inline loff_t bdev_nr_bytes(struct block_device *bdev)
{
	return i_size_read(bdev->bd_inode);
}
#endif

#ifndef HAVE_BDEV_WRITE_CACHE
static inline bool bdev_write_cache(struct block_device *bdev)
{
	return test_bit(QUEUE_FLAG_WC, &bdev_get_queue(bdev)->queue_flags);
}

static inline bool bdev_fua(struct block_device *bdev)
{
	return blk_queue_fua(bdev_get_queue(bdev));
}
#endif

#ifndef HAVE_BDEV_ROT
static inline bool bdev_rot(struct block_device *bdev)
{
	return !blk_queue_nonrot(bdev_get_queue(bdev));
}
#endif

#ifndef HAVE_BDEV_MAX_DISCARD_SECTORS
static inline unsigned int bdev_max_discard_sectors(struct block_device *bdev)
{
	struct request_queue *q = bdev_get_queue(bdev);

	return blk_queue_discard(q) ? q->limits.max_discard_sectors : 0;
}

static inline unsigned int bdev_discard_granularity(struct block_device *bdev)
{
	return bdev_get_queue(bdev)->limits.discard_granularity;
}
#endif

#ifndef HAVE_BLKDEV_ISSUE_SECURE_ERASE
static inline unsigned int
bdev_max_secure_erase_sectors(struct block_device *bdev)
{
	struct request_queue *q = bdev_get_queue(bdev);

	return blk_queue_secure_erase(q) ? q->limits.max_discard_sectors : 0;
}

static inline int blkdev_issue_secure_erase(struct block_device *bdev,
					    sector_t sector, sector_t nr_sects,
					    gfp_t gfp)
{
	return blkdev_issue_discard(bdev, sector, nr_sects, gfp,
				    BLKDEV_DISCARD_SECURE);
}
#endif

#ifndef HAVE_BLKDEV_ISSUE_DISCARD_NO_FLAGS
static inline int compat_issue_discard(struct block_device *bdev,
				       sector_t sector, sector_t nr_sects,
				       gfp_t gfp)
{
	return blkdev_issue_discard(bdev, sector, nr_sects, gfp, 0);
}

#define blkdev_issue_discard	compat_issue_discard
#endif

#ifndef HAVE_BLKDEV_ISSUE_FLUSH_NO_GFP
static inline int compat_issue_flush(struct block_device *bdev)
{
	return blkdev_issue_flush(bdev, GFP_NOIO);
}

#define blkdev_issue_flush	compat_issue_flush
#endif

/**
 * unbd_disk_flush() - flush a disk of ours
 * @disk: disk that has been added; nobody needs to have it open
 *
 * Waits. Return: 0 or -errno.
 */
static inline int unbd_disk_flush(struct gendisk *disk)
{
#ifdef HAVE_DISK_PART0_BDEV
	return blkdev_issue_flush(disk->part0);
#else
	struct bio *bio = bio_alloc(NULL, 0, REQ_OP_WRITE | REQ_PREFLUSH,
				    GFP_NOIO);
	int err;

	bio->bi_disk = disk;
	err = submit_bio_wait(bio);
	bio_put(bio);
	return err;
#endif
}

/* <linux/blkdev.h>: a disk that we make */

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
 * @max_sectors: what requests are merged up to, unless the user wants more
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

#ifdef HAVE_QUEUE_LIMITS_FEATURES
static inline void compat_set_feature(struct queue_limits *to,
				      blk_features_t feature, bool on)
{
	if (on)
		to->features |= feature;
	else
		to->features &= ~feature;
}

/* What may become less while a disk is there */
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
	compat_set_feature(to, BLK_FEAT_FUA, from->fua);
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
	compat_set_feature(to, BLK_FEAT_WRITE_CACHE, from->write_cache);
	compat_set_feature(to, BLK_FEAT_ROTATIONAL, from->rotational);
	compat_set_feature(to, BLK_FEAT_STABLE_WRITES, from->stable_writes);
	compat_set_feature(to, BLK_FEAT_POLL, from->poll);
}

static inline struct gendisk *
compat_disk_alloc(struct blk_mq_tag_set *set,
		  const struct unbd_disk_limits *limits, void *queuedata)
{
	struct queue_limits lim = {};

	compat_fill_limits(&lim, limits);
	/* As if the user had raised max_sectors_kb. */
	lim.max_user_sectors = limits->max_sectors;
	return blk_mq_alloc_disk(set, &lim, queuedata);
}

static inline int
compat_disk_narrow_limits(struct gendisk *disk,
			  const struct unbd_disk_limits *limits)
{
	struct request_queue *q = disk->queue;
	struct queue_limits lim = queue_limits_start_update(q);

	compat_fill_request_limits(&lim, limits);
	return queue_limits_commit_update(q, &lim);
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

static inline void
compat_apply_limits(struct request_queue *q,
		    const struct unbd_disk_limits *limits)
{
	blk_queue_logical_block_size(q, limits->logical_block_size);
	blk_queue_physical_block_size(q, limits->physical_block_size);
	blk_queue_io_min(q, limits->io_min);
	blk_queue_io_opt(q, limits->io_opt);
	blk_queue_max_hw_sectors(q, limits->max_hw_sectors);
	q->limits.max_sectors = limits->max_sectors;
	blk_queue_max_segments(q, limits->max_segments);
	blk_queue_max_segment_size(q, limits->max_segment_size);
	if (limits->virt_boundary_mask)
		blk_queue_virt_boundary(q, limits->virt_boundary_mask);
	compat_apply_discard(q, limits);
	blk_queue_max_write_zeroes_sectors(q, limits->max_write_zeroes_sectors);
	if (limits->dma_alignment)
		blk_queue_dma_alignment(q, limits->dma_alignment);
	blk_queue_write_cache(q, limits->write_cache, limits->fua);
	compat_set_flag(q, QUEUE_FLAG_NONROT, !limits->rotational);
	compat_set_flag(q, QUEUE_FLAG_STABLE_WRITES, limits->stable_writes);
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
compat_disk_narrow_limits(struct gendisk *disk,
			  const struct unbd_disk_limits *limits)
{
	struct request_queue *q = disk->queue;
	unsigned int max_sectors = q->limits.max_sectors;

	blk_queue_max_hw_sectors(q, limits->max_hw_sectors);
	q->limits.max_sectors = min(max_sectors, limits->max_hw_sectors);
	blk_queue_max_segments(q, limits->max_segments);
	if (limits->virt_boundary_mask)
		blk_queue_virt_boundary(q, limits->virt_boundary_mask);
	compat_apply_discard(q, limits);
	blk_queue_max_write_zeroes_sectors(q, limits->max_write_zeroes_sectors);
	compat_set_flag(q, QUEUE_FLAG_FUA, limits->fua);
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
 * unbd_disk_narrow_limits() - have a disk's requests be smaller from now on
 * @disk: disk of unbd_disk_alloc()
 * @limits: what it was made with or less, of sizes, pieces and FUA; nothing
 *	else is looked at
 *
 * May sleep until whoever else changes limits of the queue is done, but does
 * not wait for requests: those that were made before stay as they are.
 *
 * Return: 0, or -EINVAL for limits that make no sense to this kernel.
 */
static inline int
unbd_disk_narrow_limits(struct gendisk *disk,
			const struct unbd_disk_limits *limits)
{
	return compat_disk_narrow_limits(disk, limits);
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

/* <linux/blk-mq.h> */

#ifndef HAVE_BLK_MQ_F_SHOULD_MERGE
#define BLK_MQ_F_SHOULD_MERGE		0
#endif

#ifndef HAVE_BLK_MQ_F_NO_SCHED_BY_DEFAULT
#define BLK_MQ_F_NO_SCHED_BY_DEFAULT	0
#endif

#ifndef HAVE_FREEZE_RETURNS_MEMFLAGS
static inline unsigned int compat_freeze_queue(struct request_queue *q)
{
	blk_mq_freeze_queue(q);
	return memalloc_noio_save();
}

static inline void compat_unfreeze_queue(struct request_queue *q,
					 unsigned int memflags)
{
	memalloc_noio_restore(memflags);
	blk_mq_unfreeze_queue(q);
}

#define blk_mq_freeze_queue	compat_freeze_queue
#define blk_mq_unfreeze_queue	compat_unfreeze_queue
#endif

/* UNBD_MQ_TIMEOUT() - make @op, for blk_mq_ops.timeout, of fn(rq) */
#ifdef HAVE_TIMEOUT_HAS_RESERVED
#define UNBD_MQ_TIMEOUT(op, fn)						\
static enum blk_eh_timer_return op(struct request *rq, bool reserved)	\
{									\
	return fn(rq);							\
}
#else
#define UNBD_MQ_TIMEOUT(op, fn)						\
static enum blk_eh_timer_return op(struct request *rq)			\
{									\
	return fn(rq);							\
}
#endif

/* UNBD_MQ_POLL() - make @op, for blk_mq_ops.poll, of fn(hctx) */
#ifdef HAVE_POLL_HAS_BATCH
#define UNBD_MQ_POLL(op, fn)						\
static int op(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *iob)	\
{									\
	return fn(hctx);						\
}
#else
#define UNBD_MQ_POLL(op, fn)						\
static int op(struct blk_mq_hw_ctx *hctx)				\
{									\
	return fn(hctx);						\
}
#endif

#ifndef HAVE_BLK_RQ_MAP_SG_2ARG
static inline int compat_rq_map_sg(struct request *rq, struct scatterlist *sg)
{
	return blk_rq_map_sg(rq->q, rq, sg);
}

#define blk_rq_map_sg		compat_rq_map_sg
#endif

/* UNBD_MQ_MAP_QUEUES() - make @op, for blk_mq_ops.map_queues, of fn(set) */
#ifdef HAVE_MAP_QUEUES_RETURNS_INT
#define UNBD_MQ_MAP_QUEUES(op, fn)					\
static int op(struct blk_mq_tag_set *set)				\
{									\
	fn(set);							\
	return 0;							\
}
#else
#define UNBD_MQ_MAP_QUEUES(op, fn)					\
static void op(struct blk_mq_tag_set *set)				\
{									\
	fn(set);							\
}
#endif

/*
 * UNBD_MQ_INIT_REQUEST() - make @op, for blk_mq_ops.init_request, of
 * fn(set, rq, hctx_idx, numa_node)
 */
#ifdef HAVE_INIT_REQUEST_NUMA_SIGNED
#define UNBD_MQ_INIT_REQUEST(op, fn)					\
static int op(struct blk_mq_tag_set *set, struct request *rq,		\
	      unsigned int hctx_idx, int numa_node)			\
{									\
	return fn(set, rq, hctx_idx, numa_node);			\
}
#else
#define UNBD_MQ_INIT_REQUEST(op, fn)					\
static int op(struct blk_mq_tag_set *set, struct request *rq,		\
	      unsigned int hctx_idx, unsigned int numa_node)		\
{									\
	return fn(set, rq, hctx_idx, numa_node);			\
}
#endif

/*
 * UNBD_MQ_BUSY_ITER() - make @op, for blk_mq_tagset_busy_iter(), of
 * fn(rq, data)
 */
#ifdef HAVE_BUSY_ITER_HAS_RESERVED
#define UNBD_MQ_BUSY_ITER(op, fn)					\
static bool op(struct request *rq, void *data, bool reserved)		\
{									\
	return fn(rq, data);						\
}
#else
#define UNBD_MQ_BUSY_ITER(op, fn)					\
static bool op(struct request *rq, void *data)				\
{									\
	return fn(rq, data);						\
}
#endif

#endif /* UNBD_COMPAT_BLOCK_H */
