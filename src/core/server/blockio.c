// SPDX-License-Identifier: GPL-2.0
/*
 * Requests at a block device, by bios that carry the caller's own pages.
 *
 * What the device does by itself begins in the caller's context and ends in
 * the bio's completion. The rest is blockio-slow.c's: it reads a block,
 * changes part of it and writes it back, for instance. Whatever somebody else
 * writes to that block in between would be lost; so all changes of the device,
 * by whichever export of it, hold store->blocks->lock shared while they are
 * under way, and read-modify-write holds it exclusively, for one block at a
 * time. The semaphore is a per-CPU one: while everybody writes whole blocks it
 * costs an increment and a decrement.
 */
#include <linux/pagemap.h>

#include "blockio.h"

/*
 * A request is let go of in another context than it began in, which is more
 * than lockdep can follow; file systems tell it the same about freezing.
 */
static void hand_over_blocks(struct blockio_store *store, struct blockio *b)
{
	percpu_rwsem_release(&store->blocks->lock, _THIS_IP_);
	b->shared = true;
}

/**
 * blockio_share_blocks() - a request is about to change whole blocks
 * @store: the device
 * @b: the request; blockio_done() lets go of the blocks
 *
 * May wait for a read-modify-write that is under way.
 */
void blockio_share_blocks(struct blockio_store *store, struct blockio *b)
{
	percpu_down_read(&store->blocks->lock);
	hand_over_blocks(store, b);
}

static bool try_share_blocks(struct blockio_store *store, struct blockio *b)
{
	if (!percpu_down_read_trylock(&store->blocks->lock))
		return false;
	hand_over_blocks(store, b);
	return true;
}

static void let_go_of_blocks(struct blockio_store *store, struct blockio *b)
{
	if (!b->shared)
		return;
	b->shared = false;
	percpu_rwsem_acquire(&store->blocks->lock, true, _THIS_IP_);
	percpu_up_read(&store->blocks->lock);
}

static bool changes_blocks(const struct unbd_io *io)
{
	return io->op != UNBD_IO_READ && io->op != UNBD_IO_FLUSH &&
		io->op != UNBD_IO_PREFETCH;
}

/* Is there anything in the page cache of what a request has changed? */
static bool is_cached(const struct blockio_store *store,
		      const struct unbd_io *io)
{
	return READ_ONCE(store->cache->nrpages) &&
		filemap_range_has_page(store->cache, io->offset,
				       io->offset + io->length - 1);
}

/* What somebody here has changed and not written yet stays. */
static void drop_cached_work(struct work_struct *work)
{
	struct blockio *b = container_of(work, struct blockio, work);
	struct unbd_io *io = blockio_io(b);
	struct blockio_store *store = io->export->backend;
	pgoff_t first = io->offset >> PAGE_SHIFT;
	pgoff_t last = (io->offset + io->length - 1) >> PAGE_SHIFT;

	invalidate_inode_pages2_range(store->cache, first, last);
	unbd_io_done(io, b->error);
}

/**
 * blockio_done() - a request is through
 * @io: the request; not to be touched afterwards
 * @error: 0 or -errno
 *
 * Any context. Who reads the device on this machine when the client has been
 * told gets what it has written.
 */
void blockio_done(struct unbd_io *io, int error)
{
	struct blockio_store *store = io->export->backend;
	struct blockio *b = blockio(io);

	let_go_of_blocks(store, b);
	if (!changes_blocks(io) || !is_cached(store, io)) {
		unbd_io_done(io, error);
		return;
	}
	b->error = error;
	INIT_WORK(&b->work, drop_cached_work);
	queue_work(io->export->wq, &b->work);
}

/**
 * blockio_can_zero() - may the device know how to zero by itself?
 * @store: the device
 * @io: WRITE_ZEROES
 */
bool blockio_can_zero(const struct blockio_store *store,
		      const struct unbd_io *io)
{
	bool keep = io->flags & UNBD_IO_NO_UNMAP;

	return bdev_write_zeroes_sectors(store->bdev) &&
		!READ_ONCE(store->cannot_zero[keep]);
}

/**
 * blockio_cannot_zero() - it has said that it does not
 * @store: the device
 * @io: WRITE_ZEROES that it refused
 */
void blockio_cannot_zero(struct blockio_store *store, const struct unbd_io *io)
{
	bool keep = io->flags & UNBD_IO_NO_UNMAP;

	WRITE_ONCE(store->cannot_zero[keep], true);
}

static void blockio_put(struct unbd_io *io)
{
	struct blockio *b = blockio(io);

	if (!atomic_dec_and_test(&b->pending))
		return;
	if (io->op != UNBD_IO_WRITE_ZEROES || !b->error ||
	    unbd_io_would_wait(io, b->error)) {
		blockio_done(io, b->error);
		return;
	}
	/* Some devices find out only when asked; the work writes zeroes. */
	if (b->error == -EOPNOTSUPP)
		blockio_cannot_zero(io->export->backend, io);
	/* All workers may be waiting for these blocks: it takes them again. */
	let_go_of_blocks(io->export->backend, b);
	queue_work(io->export->wq, &b->work);
}

static void blockio_bio_end(struct bio *bio)
{
	struct unbd_io *io = bio->bi_private;
	struct blockio *b = blockio(io);

	if (bio->bi_status)
		cmpxchg(&b->error, 0, blk_status_to_errno(bio->bi_status));
	if (bio == &b->bio)
		bio_uninit(bio);
	else
		bio_put(bio);
	blockio_put(io);
}

static struct bio *first_bio(struct blockio_store *store, struct unbd_io *io,
			     u64 offset, blk_opf_t opf)
{
	struct bio *bio = &blockio(io)->bio;

	if (io->flags & UNBD_IO_NOWAIT && bdev_nowait(store->bdev))
		opf |= REQ_NOWAIT;
	bio_init(bio, store->bdev, NULL, 0, opf);
	bio->bi_iter.bi_sector = offset >> SECTOR_SHIFT;
	bio->bi_private = io;
	bio->bi_end_io = blockio_bio_end;
	return bio;
}

static struct bio *further_bio(struct blockio_store *store, struct unbd_io *io,
			       u64 offset, blk_opf_t opf)
{
	struct bio *bio;

	bio = bio_alloc_bioset(store->bdev, 0, opf, GFP_NOIO, &store->bios);
	bio->bi_iter.bi_sector = offset >> SECTOR_SHIFT;
	bio->bi_private = io;
	bio->bi_end_io = blockio_bio_end;
	return bio;
}

/* Lends part of the request's table to a bio; returns its bytes. */
static u32 bio_borrow_vecs(struct bio *bio, struct bio_vec *vecs,
			   unsigned int nr)
{
	unsigned int i;

	bio->bi_io_vec = vecs;
	bio->bi_vcnt = nr;
	bio_set_flag(bio, BIO_CLONED);
	for (i = 0; i < nr; i++)
		bio->bi_iter.bi_size += vecs[i].bv_len;
	return bio->bi_iter.bi_size;
}

/**
 * blockio_transfer_opf() - operation and flags of a bio that carries data
 * @io: READ or WRITE
 */
blk_opf_t blockio_transfer_opf(const struct unbd_io *io)
{
	if (io->op == UNBD_IO_READ)
		return REQ_OP_READ;
	return REQ_OP_WRITE | REQ_SYNC | REQ_IDLE |
		(io->flags & UNBD_IO_FUA ? REQ_FUA : 0);
}

/* Holds the request until all bios are sent: the last may come back before. */
static void start_large(struct blockio_store *store, struct unbd_io *io)
{
	struct blockio *b = blockio(io);
	blk_opf_t opf = blockio_transfer_opf(io);
	struct bio_vec *vecs = io->bvec;
	unsigned int left = io->nr_bvec;
	u64 offset = io->offset;
	struct blk_plug plug;
	struct bio *bio;
	unsigned int nr;

	atomic_set(&b->pending, 1);
	blk_start_plug(&plug);
	while (left) {
		nr = bio_max_segs(left);
		bio = left == io->nr_bvec ?
			first_bio(store, io, offset, opf) :
			further_bio(store, io, offset, opf);
		offset += bio_borrow_vecs(bio, vecs, nr);
		vecs += nr;
		left -= nr;
		atomic_inc(&b->pending);
		submit_bio(bio);
	}
	blk_finish_plug(&plug);
	blockio_put(io);
}

/**
 * blockio_start_transfer() - read or write whole blocks
 * @store: the device
 * @io: READ, or a WRITE that has its blocks
 *
 * Process context. The request may be done before this returns.
 */
void blockio_start_transfer(struct blockio_store *store, struct unbd_io *io)
{
	struct bio *bio;

	if (io->nr_bvec > BIO_MAX_VECS) {
		start_large(store, io);
		return;
	}
	atomic_set(&blockio(io)->pending, 1);
	bio = first_bio(store, io, io->offset, blockio_transfer_opf(io));
	bio_borrow_vecs(bio, io->bvec, io->nr_bvec);
	submit_bio(bio);
}

static void start_flush(struct blockio_store *store, struct unbd_io *io)
{
	if (!bdev_write_cache(store->bdev)) {
		blockio_done(io, 0);
		return;
	}
	atomic_set(&blockio(io)->pending, 1);
	submit_bio(first_bio(store, io, 0, REQ_OP_WRITE | REQ_PREFLUSH));
}

static void start_range(struct blockio_store *store, struct unbd_io *io,
			u64 offset, u32 length, blk_opf_t opf)
{
	struct bio *bio;

	atomic_set(&blockio(io)->pending, 1);
	bio = first_bio(store, io, offset, opf);
	bio->bi_iter.bi_size = length;
	submit_bio(bio);
}

/**
 * blockio_whole_units() - the part of a request that whole units make up
 * @io: the request
 * @unit: bytes, not always a power of two
 * @offset: where that part begins
 * @length: its bytes
 *
 * Return: whether there is any.
 */
bool blockio_whole_units(const struct unbd_io *io, u32 unit, u64 *offset,
			 u64 *length)
{
	u64 start = DIV64_U64_ROUND_UP(io->offset, unit) * unit;
	u64 end = div64_u64(io->offset + io->length, unit) * unit;

	*offset = start;
	*length = end > start ? end - start : 0;
	return *length;
}

/**
 * blockio_discard_unit() - what the device discards at least, in bytes
 * @store: the device
 */
u32 blockio_discard_unit(struct blockio_store *store)
{
	return max(bdev_discard_granularity(store->bdev),
		   store->block_mask + 1);
}

static void start_discard(struct blockio_store *store, struct unbd_io *io)
{
	u64 offset, length;

	if (blockio_whole_units(io, blockio_discard_unit(store), &offset,
				&length))
		start_range(store, io, offset, length, REQ_OP_DISCARD);
	else
		blockio_done(io, 0);
}

static void start_zeroes(struct blockio_store *store, struct unbd_io *io)
{
	start_range(store, io, io->offset, io->length, REQ_OP_WRITE_ZEROES |
		    (io->flags & UNBD_IO_NO_UNMAP ? REQ_NOUNMAP : 0));
}

/**
 * blockio_fits_blocks() - does a request begin and end with a block?
 * @store: the device
 * @io: the request
 */
bool blockio_fits_blocks(const struct blockio_store *store,
			 const struct unbd_io *io)
{
	return !((io->offset | io->length) & store->block_mask);
}

/**
 * blockio_fits_device() - can the device take a request's memory as it is?
 * @store: the device
 * @io: READ or WRITE
 */
bool blockio_fits_device(const struct blockio_store *store,
			 const struct unbd_io *io)
{
	u32 offsets = 0, lengths = 0;
	unsigned int i;

	if (!blockio_fits_blocks(store, io))
		return false;
	for (i = 0; i < io->nr_bvec; i++) {
		offsets |= io->bvec[i].bv_offset;
		lengths |= io->bvec[i].bv_len;
	}
	return !(offsets & store->memory_mask) &&
		!(lengths & store->block_mask);
}

/* Can the device do it with one command? */
static bool fits_command(const struct unbd_io *io, unsigned int max_sectors)
{
	return io->length <= (u64)min(max_sectors,
				      UINT_MAX >> SECTOR_SHIFT) << SECTOR_SHIFT;
}

static bool starts_at_once(struct blockio_store *store,
			   const struct unbd_io *io)
{
	bool flush_after = io->flags & UNBD_IO_FUA &&
		bdev_write_cache(store->bdev);

	switch (io->op) {
	case UNBD_IO_READ:
	case UNBD_IO_WRITE:
		return blockio_fits_device(store, io);
	case UNBD_IO_DISCARD:
		return !flush_after &&
			fits_command(io, bdev_max_discard_sectors(store->bdev));
	case UNBD_IO_WRITE_ZEROES:
		return !flush_after && blockio_fits_blocks(store, io) &&
			blockio_can_zero(store, io) &&
			fits_command(io,
				     bdev_write_zeroes_sectors(store->bdev));
	case UNBD_IO_SECURE_ERASE:
		return false;
	case UNBD_IO_FLUSH:
	case UNBD_IO_PREFETCH:
		break;
	}
	return true;
}

/* By the device itself, which will say when it is done */
static void start(struct blockio_store *store, struct unbd_io *io)
{
	switch (io->op) {
	case UNBD_IO_READ:
	case UNBD_IO_WRITE:
		blockio_start_transfer(store, io);
		break;
	case UNBD_IO_FLUSH:
		start_flush(store, io);
		break;
	case UNBD_IO_DISCARD:
		start_discard(store, io);
		break;
	case UNBD_IO_WRITE_ZEROES:
		start_zeroes(store, io);
		break;
	default:
		/* A bio has no cache that could be filled before. */
		blockio_done(io, 0);
	}
}

/**
 * blockio_start() - begin what the device does by itself
 * @store: the device
 * @io: the request, with its work; that runs, too, when the device refuses
 *
 * Process context, does not wait. Return: whether blockio_done() will be
 * called; otherwise blockio_slow_work() has to do it, as it needs several
 * commands, has to be flushed afterwards, does not fit the blocks, or has to
 * wait for them.
 */
bool blockio_start(struct blockio_store *store, struct unbd_io *io)
{
	struct blockio *b = blockio(io);

	b->error = 0;
	b->shared = false;
	/* Someone has switched the cache on, and the clients do not know. */
	if (store->stable && changes_blocks(io) &&
	    bdev_write_cache(store->bdev))
		io->flags |= UNBD_IO_FUA;
	if (!starts_at_once(store, io) ||
	    (changes_blocks(io) && !try_share_blocks(store, b)))
		return false;
	start(store, io);
	return true;
}
