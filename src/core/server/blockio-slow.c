// SPDX-License-Identifier: GPL-2.0
/*
 * Requests for block devices that have to wait, on the export's workqueue:
 * reading, changing and writing back blocks for requests that do not fit
 * them, and ranges that take many commands.
 */
#include <linux/uio.h>

#include "blockio.h"

/* Zeroed or erased at once, before asking whether it is still wanted. */
#define RANGE_BYTES	((u64)SZ_128M)

static int bounce_blocks(struct blockio_store *store, u64 offset, u32 length,
			 blk_opf_t opf)
{
	struct bio bio;
	u32 at, n;
	int err;

	lockdep_assert_held(&store->bounce_mutex);

	bio_init(&bio, store->bdev, store->bounce_vecs, BOUNCE_PAGES, opf);
	bio.bi_iter.bi_sector = offset >> SECTOR_SHIFT;
	for (at = 0; at < length; at += n) {
		n = min_t(u32, length - at, PAGE_SIZE);
		__bio_add_page(&bio, store->bounce[at >> PAGE_SHIFT], n, 0);
	}
	err = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return err;
}

static void copy_to_bounce(struct blockio_store *store, u32 at, u32 length,
			   struct iov_iter *from)
{
	struct page *page;
	u32 skip, n;

	for (; length; length -= n, at += n) {
		page = store->bounce[at >> PAGE_SHIFT];
		skip = offset_in_page(at);
		n = min_t(u32, length, PAGE_SIZE - skip);
		if (from)
			copy_page_from_iter(page, skip, n, from);
		else
			memset(page_address(page) + skip, 0, n);
	}
}

static void copy_from_bounce(struct blockio_store *store, u32 at, u32 length,
			     struct iov_iter *to)
{
	u32 skip, n;

	for (; length; length -= n, at += n) {
		skip = offset_in_page(at);
		n = min_t(u32, length, PAGE_SIZE - skip);
		copy_page_to_iter(store->bounce[at >> PAGE_SHIFT], skip, n, to);
	}
}

/* How much is written at once: the rest of a block, or many whole blocks */
static u32 write_step(const struct blockio_store *store, u64 offset, u64 length)
{
	u32 block = store->block_mask + 1;
	u32 skip = offset & store->block_mask;

	if (skip || length < block)
		return min_t(u64, length, block - skip);
	return min_t(u64, round_down(length, block), BOUNCE_BYTES);
}

static int change_block(struct blockio_store *store, u64 offset, u32 length,
			struct iov_iter *from, blk_opf_t opf)
{
	u32 skip = offset & store->block_mask;
	u32 block = store->block_mask + 1;
	int err;

	percpu_down_write(&store->blocks->lock);
	err = bounce_blocks(store, offset - skip, block, REQ_OP_READ);
	if (!err) {
		copy_to_bounce(store, skip, length, from);
		err = bounce_blocks(store, offset - skip, block, opf);
	}
	percpu_up_write(&store->blocks->lock);
	return err;
}

static int write_blocks(struct blockio_store *store, u64 offset, u32 length,
			struct iov_iter *from, blk_opf_t opf)
{
	int err;

	copy_to_bounce(store, 0, length, from);
	percpu_down_read(&store->blocks->lock);
	err = bounce_blocks(store, offset, length, opf);
	percpu_up_read(&store->blocks->lock);
	return err;
}

/*
 * Writes any bytes, or zeroes where @from is NULL. Others may write meanwhile,
 * but for the time in which part of a block is changed.
 */
static int write_bytes(struct blockio_store *store, u64 offset, u64 length,
		       struct iov_iter *from, blk_opf_t opf)
{
	int err = 0;
	u32 n;

	for (; length && !err; offset += n, length -= n) {
		n = write_step(store, offset, length);
		mutex_lock(&store->bounce_mutex);
		err = n & store->block_mask ?
			change_block(store, offset, n, from, opf) :
			write_blocks(store, offset, n, from, opf);
		mutex_unlock(&store->bounce_mutex);
	}
	return err;
}

static int read_bytes(struct blockio_store *store, u64 offset, u64 length,
		      struct iov_iter *to)
{
	u32 skip, n, span;
	int err = 0;

	mutex_lock(&store->bounce_mutex);
	for (; length; offset += n, length -= n) {
		skip = offset & store->block_mask;
		n = min_t(u64, length, BOUNCE_BYTES - skip);
		span = ALIGN(skip + n, store->block_mask + 1);
		err = bounce_blocks(store, offset - skip, span, REQ_OP_READ);
		if (err)
			break;
		copy_from_bounce(store, skip, n, to);
	}
	mutex_unlock(&store->bounce_mutex);
	return err;
}

static int read_misfit(struct blockio_store *store, struct unbd_io *io)
{
	struct iov_iter to;

	iov_iter_bvec(&to, ITER_DEST, io->bvec, io->nr_bvec, io->length);
	return read_bytes(store, io->offset, io->length, &to);
}

static int write_misfit(struct blockio_store *store, struct unbd_io *io)
{
	struct iov_iter from;

	iov_iter_bvec(&from, ITER_SOURCE, io->bvec, io->nr_bvec, io->length);
	return write_bytes(store, io->offset, io->length, &from,
			   blockio_transfer_opf(io));
}

/* Writes a piece of nothing, as long as the table of zeroes is. */
static int write_zeroes(struct blockio_store *store, u64 offset, u32 length)
{
	struct bio bio;
	int err;

	bio_init(&bio, store->bdev, NULL, 0, REQ_OP_WRITE | REQ_SYNC);
	bio.bi_iter.bi_sector = offset >> SECTOR_SHIFT;
	bio.bi_io_vec = unbd_zeroes;
	bio.bi_vcnt = DIV_ROUND_UP(length, PAGE_SIZE);
	bio.bi_iter.bi_size = length;
	bio_set_flag(&bio, BIO_CLONED);
	err = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return err;
}

/*
 * blkdev_issue_zeroout() would write zeroes by itself, but first it would ask
 * a device again that has said it cannot, each time with a line in the log.
 */
static int zero_step(struct blockio_store *store, const struct unbd_io *io,
		     u64 offset, u64 length)
{
	unsigned int flags = BLKDEV_ZERO_NOFALLBACK;
	int err = -EOPNOTSUPP;
	u32 n;

	if (io->flags & UNBD_IO_NO_UNMAP)
		flags |= BLKDEV_ZERO_NOUNMAP;
	if (blockio_can_zero(store, io)) {
		err = blkdev_issue_zeroout(store->bdev, offset >> SECTOR_SHIFT,
					   length >> SECTOR_SHIFT, GFP_NOIO,
					   flags);
		if (err == -EOPNOTSUPP)
			blockio_cannot_zero(store, io);
	}
	if (!err || io->flags & UNBD_IO_FAST_ONLY)
		return err;
	for (err = 0; length && !err; offset += n, length -= n) {
		n = min_t(u64, length, UNBD_ZERO_VECS * PAGE_SIZE);
		err = write_zeroes(store, offset, n);
	}
	return err;
}

static int range_step(struct blockio_store *store, const struct unbd_io *io,
		      u64 offset, u64 length)
{
	sector_t sector = offset >> SECTOR_SHIFT;
	sector_t nr = length >> SECTOR_SHIFT;

	switch (io->op) {
	case UNBD_IO_DISCARD:
		return blkdev_issue_discard(store->bdev, sector, nr, GFP_NOIO);
	case UNBD_IO_SECURE_ERASE:
		return blkdev_issue_secure_erase(store->bdev, sector, nr,
						 GFP_NOIO);
	default:
		return zero_step(store, io, offset, length);
	}
}

static int do_range(struct blockio_store *store, struct unbd_io *io, u64 offset,
		    u64 length)
{
	struct blockio *b = blockio(io);
	int err = 0;
	u64 n;

	if (!b->shared)
		blockio_share_blocks(store, b);
	for (; length && !err; offset += n, length -= n) {
		if (unbd_io_unwanted(io))
			return -ESHUTDOWN;
		n = min(length, RANGE_BYTES);
		err = range_step(store, io, offset, n);
	}
	return err;
}

/* Zeroes what is left and right of the blocks that are zeroed as a whole. */
static int zero_edges(struct blockio_store *store, const struct unbd_io *io,
		      u64 offset, u64 length)
{
	u64 end = io->offset + io->length;
	int err;

	if (!length)
		return write_bytes(store, io->offset, io->length, NULL,
				   REQ_OP_WRITE | REQ_SYNC);
	err = write_bytes(store, io->offset, offset - io->offset, NULL,
			  REQ_OP_WRITE | REQ_SYNC);
	if (err)
		return err;
	return write_bytes(store, offset + length, end - offset - length, NULL,
			   REQ_OP_WRITE | REQ_SYNC);
}

static int do_zeroes(struct blockio_store *store, struct unbd_io *io)
{
	u64 offset, length;
	int err = 0;

	if (io->flags & UNBD_IO_FAST_ONLY && !blockio_can_zero(store, io))
		return -EOPNOTSUPP;
	blockio_whole_units(io, store->block_mask + 1, &offset, &length);
	if (!blockio_fits_blocks(store, io))
		err = zero_edges(store, io, offset, length);
	return err ? err : do_range(store, io, offset, length);
}

static int do_discard(struct blockio_store *store, struct unbd_io *io)
{
	u64 offset, length;

	if (!bdev_max_discard_sectors(store->bdev) ||
	    !blockio_whole_units(io, blockio_discard_unit(store), &offset,
				 &length))
		return 0;
	return do_range(store, io, offset, length);
}

static int do_secure_erase(struct blockio_store *store, struct unbd_io *io)
{
	/* Half a block cannot be erased, and must not be claimed to be. */
	if (!blockio_fits_blocks(store, io))
		return -EINVAL;
	return do_range(store, io, io->offset, io->length);
}

/**
 * blockio_slow_work() - carry out a request that has to wait
 * @work: in &struct blockio
 */
void blockio_slow_work(struct work_struct *work)
{
	struct blockio *b = container_of(work, struct blockio, work);
	struct unbd_io *io = blockio_io(b);
	struct blockio_store *store = io->export->backend;
	int err = 0;

	switch (io->op) {
	case UNBD_IO_READ:
		blockio_done(io, read_misfit(store, io));
		return;
	case UNBD_IO_WRITE:
		if (!blockio_fits_device(store, io)) {
			blockio_done(io, write_misfit(store, io));
			return;
		}
		blockio_share_blocks(store, b);
		blockio_start_transfer(store, io);
		return;
	case UNBD_IO_DISCARD:
		err = do_discard(store, io);
		break;
	case UNBD_IO_SECURE_ERASE:
		err = do_secure_erase(store, io);
		break;
	case UNBD_IO_WRITE_ZEROES:
		err = do_zeroes(store, io);
		break;
	default:
		break;
	}
	if (!err && io->flags & UNBD_IO_FUA)
		err = blkdev_issue_flush(store->bdev);
	blockio_done(io, err);
}
