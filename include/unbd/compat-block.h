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

#ifndef HAVE_BDEV_NOWAIT
static inline bool bdev_nowait(struct block_device *bdev)
{
	return blk_queue_nowait(bdev_get_queue(bdev));
}
#endif

#ifndef HAVE_BDEV_STABLE_WRITES
static inline bool bdev_stable_writes(struct block_device *bdev)
{
	return blk_queue_stable_writes(bdev_get_queue(bdev));
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
