// SPDX-License-Identifier: GPL-2.0
/*
 * Block devices as storage, by bios that carry the caller's own pages.
 *
 * What the device does by itself begins in the caller's context and ends in
 * the bio's completion. Three things go to the export's workqueue instead:
 * work that takes many commands (erasing, zeroing without the device's help),
 * what has to be flushed afterwards, and requests that do not fit the
 * device's blocks.
 *
 * Those last ones read a block, change part of it and write it back. Whatever
 * somebody else writes to that block in between would be lost; so all changes
 * of the device hold store->blocks shared while they are under way, and
 * read-modify-write holds it exclusively, for one block at a time. The semaphore
 * is a per-CPU one: while everybody writes whole blocks it costs an increment
 * and a decrement.
 */
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "backend-bdev.h"

/* One is enough to make progress. */
#define BIOS_RESERVED	16

/*
 * A request is let go of in another context than it began in, which is more
 * than lockdep can follow; file systems tell it the same about freezing.
 */
static void hand_over_blocks(struct bdev_store *store, struct bdev_io *b)
{
	percpu_rwsem_release(&store->blocks, _THIS_IP_);
	b->shared = true;
}

/**
 * bdev_share_blocks() - a request is about to change whole blocks
 * @store: the device
 * @b: the request; bdev_done() lets go of the blocks
 *
 * May wait for a read-modify-write that is under way.
 */
void bdev_share_blocks(struct bdev_store *store, struct bdev_io *b)
{
	percpu_down_read(&store->blocks);
	hand_over_blocks(store, b);
}

static bool try_share_blocks(struct bdev_store *store, struct bdev_io *b)
{
	if (!percpu_down_read_trylock(&store->blocks))
		return false;
	hand_over_blocks(store, b);
	return true;
}

static void let_go_of_blocks(struct bdev_store *store, struct bdev_io *b)
{
	if (!b->shared)
		return;
	b->shared = false;
	percpu_rwsem_acquire(&store->blocks, true, _THIS_IP_);
	percpu_up_read(&store->blocks);
}

static bool changes_blocks(const struct unbd_io *io)
{
	return io->op != UNBD_IO_READ && io->op != UNBD_IO_FLUSH &&
		io->op != UNBD_IO_PREFETCH;
}

/* Is there anything in the page cache of what a request has changed? */
static bool is_cached(const struct bdev_store *store, const struct unbd_io *io)
{
	return READ_ONCE(store->cache->nrpages) &&
		filemap_range_has_page(store->cache, io->offset,
				       io->offset + io->length - 1);
}

/* What somebody here has changed and not written yet stays. */
static void drop_cached_work(struct work_struct *work)
{
	struct bdev_io *b = container_of(work, struct bdev_io, work);
	struct unbd_io *io = bdev_io_of(b);
	struct bdev_store *store = io->export->backend;
	pgoff_t first = io->offset >> PAGE_SHIFT;
	pgoff_t last = (io->offset + io->length - 1) >> PAGE_SHIFT;

	invalidate_inode_pages2_range(store->cache, first, last);
	unbd_io_done(io, b->error);
}

/**
 * bdev_done() - a request is through
 * @io: the request; not to be touched afterwards
 * @error: 0 or -errno
 *
 * Any context. Who reads the device on this machine when the client has been
 * told gets what it has written.
 */
void bdev_done(struct unbd_io *io, int error)
{
	struct bdev_store *store = io->export->backend;
	struct bdev_io *b = bdev_io(io);

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
 * bdev_can_zero() - may the device know how to zero by itself?
 * @store: the device
 * @io: WRITE_ZEROES
 */
bool bdev_can_zero(const struct bdev_store *store, const struct unbd_io *io)
{
	bool keep = io->flags & UNBD_IO_NO_UNMAP;

	return bdev_write_zeroes_sectors(store->bdev) &&
		!READ_ONCE(store->cannot_zero[keep]);
}

/**
 * bdev_cannot_zero() - it has said that it does not
 * @store: the device
 * @io: WRITE_ZEROES that it refused
 */
void bdev_cannot_zero(struct bdev_store *store, const struct unbd_io *io)
{
	bool keep = io->flags & UNBD_IO_NO_UNMAP;

	WRITE_ONCE(store->cannot_zero[keep], true);
}

static void bdev_put(struct unbd_io *io)
{
	struct bdev_io *b = bdev_io(io);

	if (!atomic_dec_and_test(&b->pending))
		return;
	if (io->op != UNBD_IO_WRITE_ZEROES || !b->error ||
	    unbd_io_would_wait(io, b->error)) {
		bdev_done(io, b->error);
		return;
	}
	/* Some devices find out only when asked; the work writes zeroes. */
	if (b->error == -EOPNOTSUPP)
		bdev_cannot_zero(io->export->backend, io);
	/* All workers may be waiting for these blocks: it takes them again. */
	let_go_of_blocks(io->export->backend, b);
	queue_work(io->export->wq, &b->work);
}

static void bdev_bio_end(struct bio *bio)
{
	struct unbd_io *io = bio->bi_private;
	struct bdev_io *b = bdev_io(io);

	if (bio->bi_status)
		cmpxchg(&b->error, 0, blk_status_to_errno(bio->bi_status));
	if (bio == &b->bio)
		bio_uninit(bio);
	else
		bio_put(bio);
	bdev_put(io);
}

static struct bio *first_bio(struct bdev_store *store, struct unbd_io *io,
			     u64 offset, blk_opf_t opf)
{
	struct bio *bio = &bdev_io(io)->bio;

	if (io->flags & UNBD_IO_NOWAIT && bdev_nowait(store->bdev))
		opf |= REQ_NOWAIT;
	bio_init(bio, store->bdev, NULL, 0, opf);
	bio->bi_iter.bi_sector = offset >> SECTOR_SHIFT;
	bio->bi_private = io;
	bio->bi_end_io = bdev_bio_end;
	return bio;
}

static struct bio *further_bio(struct bdev_store *store, struct unbd_io *io,
			       u64 offset, blk_opf_t opf)
{
	struct bio *bio;

	bio = bio_alloc_bioset(store->bdev, 0, opf, GFP_NOIO, &store->bios);
	bio->bi_iter.bi_sector = offset >> SECTOR_SHIFT;
	bio->bi_private = io;
	bio->bi_end_io = bdev_bio_end;
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
 * bdev_transfer_opf() - operation and flags of a bio that carries data
 * @io: READ or WRITE
 */
blk_opf_t bdev_transfer_opf(const struct unbd_io *io)
{
	if (io->op == UNBD_IO_READ)
		return REQ_OP_READ;
	return REQ_OP_WRITE | REQ_SYNC | REQ_IDLE |
		(io->flags & UNBD_IO_FUA ? REQ_FUA : 0);
}

/* Holds the request until all bios are sent: the last may come back before. */
static void start_large(struct bdev_store *store, struct unbd_io *io)
{
	struct bdev_io *b = bdev_io(io);
	blk_opf_t opf = bdev_transfer_opf(io);
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
	bdev_put(io);
}

/**
 * bdev_start_transfer() - read or write whole blocks
 * @store: the device
 * @io: READ, or a WRITE that has its blocks
 *
 * Process context. The request may be done before this returns.
 */
void bdev_start_transfer(struct bdev_store *store, struct unbd_io *io)
{
	struct bio *bio;

	if (io->nr_bvec > BIO_MAX_VECS) {
		start_large(store, io);
		return;
	}
	atomic_set(&bdev_io(io)->pending, 1);
	bio = first_bio(store, io, io->offset, bdev_transfer_opf(io));
	bio_borrow_vecs(bio, io->bvec, io->nr_bvec);
	submit_bio(bio);
}

static void start_flush(struct bdev_store *store, struct unbd_io *io)
{
	if (!bdev_write_cache(store->bdev)) {
		bdev_done(io, 0);
		return;
	}
	atomic_set(&bdev_io(io)->pending, 1);
	submit_bio(first_bio(store, io, 0, REQ_OP_WRITE | REQ_PREFLUSH));
}

static void start_range(struct bdev_store *store, struct unbd_io *io,
			u64 offset, u32 length, blk_opf_t opf)
{
	struct bio *bio;

	atomic_set(&bdev_io(io)->pending, 1);
	bio = first_bio(store, io, offset, opf);
	bio->bi_iter.bi_size = length;
	submit_bio(bio);
}

/**
 * bdev_whole_units() - the part of a request that whole units make up
 * @io: the request
 * @unit: bytes, not always a power of two
 * @offset: where that part begins
 * @length: its bytes
 *
 * Return: whether there is any.
 */
bool bdev_whole_units(const struct unbd_io *io, u32 unit, u64 *offset,
		      u64 *length)
{
	u64 start = DIV64_U64_ROUND_UP(io->offset, unit) * unit;
	u64 end = div64_u64(io->offset + io->length, unit) * unit;

	*offset = start;
	*length = end > start ? end - start : 0;
	return *length;
}

/**
 * bdev_discard_unit() - what the device discards at least, in bytes
 * @store: the device
 */
u32 bdev_discard_unit(struct bdev_store *store)
{
	return max(bdev_discard_granularity(store->bdev),
		   store->block_mask + 1);
}

static void start_discard(struct bdev_store *store, struct unbd_io *io)
{
	u64 offset, length;

	if (bdev_whole_units(io, bdev_discard_unit(store), &offset, &length))
		start_range(store, io, offset, length, REQ_OP_DISCARD);
	else
		bdev_done(io, 0);
}

static void start_zeroes(struct bdev_store *store, struct unbd_io *io)
{
	start_range(store, io, io->offset, io->length, REQ_OP_WRITE_ZEROES |
		    (io->flags & UNBD_IO_NO_UNMAP ? REQ_NOUNMAP : 0));
}

/**
 * bdev_fits_blocks() - does a request begin and end with a block?
 * @store: the device
 * @io: the request
 */
bool bdev_fits_blocks(const struct bdev_store *store,
		      const struct unbd_io *io)
{
	return !((io->offset | io->length) & store->block_mask);
}

/**
 * bdev_fits_device() - can the device take a request's memory as it is?
 * @store: the device
 * @io: READ or WRITE
 */
bool bdev_fits_device(const struct bdev_store *store,
		      const struct unbd_io *io)
{
	u32 offsets = 0, lengths = 0;
	unsigned int i;

	if (!bdev_fits_blocks(store, io))
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

static bool starts_at_once(struct bdev_store *store, const struct unbd_io *io)
{
	bool flush_after = io->flags & UNBD_IO_FUA &&
		bdev_write_cache(store->bdev);

	switch (io->op) {
	case UNBD_IO_READ:
	case UNBD_IO_WRITE:
		return bdev_fits_device(store, io);
	case UNBD_IO_DISCARD:
		return !flush_after &&
			fits_command(io, bdev_max_discard_sectors(store->bdev));
	case UNBD_IO_WRITE_ZEROES:
		return !flush_after && bdev_fits_blocks(store, io) &&
			bdev_can_zero(store, io) &&
			fits_command(io, bdev_write_zeroes_sectors(store->bdev));
	case UNBD_IO_SECURE_ERASE:
		return false;
	case UNBD_IO_FLUSH:
	case UNBD_IO_PREFETCH:
		break;
	}
	return true;
}

static void bdev_submit(struct unbd_export *export, struct unbd_io *io)
{
	struct bdev_store *store = export->backend;
	struct bdev_io *b = bdev_io(io);

	b->error = 0;
	b->shared = false;
	/* Someone has switched the cache on, and the clients do not know. */
	if (store->stable && changes_blocks(io) &&
	    bdev_write_cache(store->bdev))
		io->flags |= UNBD_IO_FUA;
	INIT_WORK(&b->work, bdev_slow_work);
	if (!starts_at_once(store, io) ||
	    (changes_blocks(io) && !try_share_blocks(store, b))) {
		queue_work(export->wq, &b->work);
		return;
	}
	switch (io->op) {
	case UNBD_IO_READ:
	case UNBD_IO_WRITE:
		bdev_start_transfer(store, io);
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
		bdev_done(io, 0);
	}
}

static u64 bdev_size(struct unbd_export *export)
{
	struct bdev_store *store = export->backend;

	return bdev_nr_bytes(store->bdev);
}

static void bdev_info(struct unbd_export *export, struct unbd_export_info *info)
{
	struct bdev_store *store = export->backend;
	struct block_device *bdev = store->bdev;

	info->min_io = store->block_mask + 1;
	info->preferred_io = max_t(u32, bdev_physical_block_size(bdev), SZ_4K);
	info->optimal_io = bdev_io_opt(bdev);
	/* Zeroing always works, if need be by writing zeroes. */
	info->features = UNBD_EXPORT_WRITE_ZEROES | UNBD_EXPORT_FAST_ZERO;
	if (bdev_rot(bdev))
		info->features |= UNBD_EXPORT_ROTATIONAL;
	if (!store->stable)
		info->features |= UNBD_EXPORT_WRITE_CACHE;
	if (bdev_max_discard_sectors(bdev)) {
		info->features |= UNBD_EXPORT_DISCARD;
		info->discard_granularity = bdev_discard_unit(store);
	}
	if (bdev_max_secure_erase_sectors(bdev))
		info->features |= UNBD_EXPORT_SECURE_ERASE;
	if (bdev_stable_writes(bdev))
		info->features |= UNBD_EXPORT_STABLE_WRITES;
}

static void free_store(struct bdev_store *store)
{
	unsigned int i;

	for (i = 0; i < BOUNCE_PAGES; i++)
		if (store->bounce[i])
			__free_page(store->bounce[i]);
	bioset_exit(&store->bios);
	percpu_free_rwsem(&store->blocks);
	kfree(store);
}

static struct bdev_store *alloc_store(void)
{
	struct bdev_store *store = kzalloc(sizeof(*store), GFP_KERNEL);
	unsigned int i;

	if (!store)
		return NULL;
	mutex_init(&store->bounce_mutex);
	if (percpu_init_rwsem(&store->blocks))
		goto free;
	if (bioset_init(&store->bios, BIOS_RESERVED, 0, 0))
		goto rwsem;
	for (i = 0; i < BOUNCE_PAGES; i++) {
		store->bounce[i] = alloc_page(GFP_KERNEL);
		if (!store->bounce[i]) {
			free_store(store);
			return NULL;
		}
	}
	return store;

rwsem:
	percpu_free_rwsem(&store->blocks);
free:
	kfree(store);
	return NULL;
}

static void bdev_close(struct unbd_export *export)
{
	struct bdev_store *store = export->backend;

	/* What others have read meanwhile, and still hold, is from before. */
	if (!unbd_export_read_only(export))
		invalidate_bdev(store->bdev);
	unbd_close_bdev(&store->dev);
	free_store(store);
}

static const struct unbd_backend_ops bdev_backend_ops = {
	.kind = "block device",
	.close = bdev_close,
	.size = bdev_size,
	.info = bdev_info,
	.submit = bdev_submit,
};

/* For all migration exports, so that they do not keep each other out */
static const char migration_holder[] = "unbd migration";
/* For all that clients have made; they are counted instead. */
static const char adhoc_holder[] = "unbd by name";

/**
 * unbd_bdev_is_same() - do two exports have the same block device behind them?
 * @a: an export with open storage
 * @b: another one
 */
bool unbd_bdev_is_same(const struct unbd_export *a, const struct unbd_export *b)
{
	const struct bdev_store *x = a->backend;
	const struct bdev_store *y = b->backend;

	return a->ops == &bdev_backend_ops && b->ops == &bdev_backend_ops &&
		x->bdev == y->bdev;
}

static void *holder_for(struct unbd_export *export)
{
	if (unbd_export_read_only(export))
		return NULL;
	if (export->adhoc)
		return (void *)adhoc_holder;
	if (export->access_mode == UNBD_ACCESS_MIGRATION)
		return (void *)migration_holder;
	return export;
}

static int open_device(struct unbd_export *export, struct bdev_store *store,
		       char *why, size_t len)
{
	const char *path = export->device_path;
	bool writable = !unbd_export_read_only(export);
	int err;

	err = unbd_open_bdev(&store->dev, path, writable, holder_for(export));
	if (!err) {
		store->bdev = store->dev.bdev;
		store->cache = unbd_bdev_cache(&store->dev);
		store->stable = !bdev_write_cache(store->bdev);
		return 0;
	}
	/* What the block layer says of writing to a read-only device */
	if (err == -EACCES && writable)
		err = -EROFS;
	switch (err) {
	case -EBUSY:
		return unbd_why(why, len, err,
				"%.120s is mounted or otherwise in use", path);
	case -EROFS:
		return unbd_why(why, len, err,
				"%.120s can only be read; try access_mode=ro",
				path);
	case -ENXIO:
	case -ENODEV:
	case -ENOMEDIUM:
		return unbd_why(why, len, err,
				"%.120s: no device behind it", path);
	default:
		return unbd_why(why, len, err, "%.120s cannot be opened", path);
	}
}

static int check_device(struct unbd_export *export, struct bdev_store *store,
			char *why, size_t len)
{
	const char *path = export->device_path;
	u32 block = bdev_logical_block_size(store->bdev);

	if (!unbd_export_read_only(export) && bdev_read_only(store->bdev))
		return unbd_why(why, len, -EROFS,
				"%.120s can only be read; try access_mode=ro",
				path);
	if (bdev_is_zoned(store->bdev))
		return unbd_why(why, len, -EOPNOTSUPP,
				"%.120s is a zoned device", path);
	if (block > BOUNCE_BYTES)
		return unbd_why(why, len, -EOPNOTSUPP,
				"%.120s has blocks of %u bytes", path, block);
	store->block_mask = block - 1;
	store->memory_mask = SECTOR_SIZE - 1;
	store->memory_mask |= queue_dma_alignment(bdev_get_queue(store->bdev));
	return 0;
}

/**
 * unbd_bdev_open_backend() - put a block device behind an export
 * @export: export with its device_path and access_mode
 * @why: one sentence on error
 * @len: its size
 *
 * Return: 0; -EBUSY when the device is in use and would be written, -EROFS,
 * or another -errno.
 */
int unbd_bdev_open_backend(struct unbd_export *export, char *why, size_t len)
{
	struct bdev_store *store = alloc_store();
	int err;

	if (!store)
		return unbd_why(why, len, -ENOMEM, "no memory");
	err = open_device(export, store, why, len);
	if (err)
		goto free;
	err = check_device(export, store, why, len);
	if (err)
		goto close;
	/*
	 * Bios go past the page cache. What somebody wrote to the device and
	 * left there must not overwrite our clients' data some day.
	 */
	err = sync_blockdev(store->bdev);
	if (err) {
		snprintf(why, len, "%.120s cannot be written back",
			 export->device_path);
		goto close;
	}
	invalidate_bdev(store->bdev);
	export->backend = store;
	export->ops = &bdev_backend_ops;
	return 0;

close:
	unbd_close_bdev(&store->dev);
free:
	free_store(store);
	return err;
}
