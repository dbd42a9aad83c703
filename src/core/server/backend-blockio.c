// SPDX-License-Identifier: GPL-2.0
/*
 * Block devices as storage: how one is opened, what it is, and who takes its
 * requests.
 */
#include <linux/slab.h>

#include "blockio.h"

/* One is enough to make progress. */
#define BIOS_RESERVED	16

static void blockio_submit(struct unbd_export *export, struct unbd_io *io)
{
	struct blockio *b = blockio(io);

	/* The device may also refuse later what it has begun. */
	INIT_WORK(&b->work, blockio_slow_work);
	if (!blockio_start(export->backend, io))
		queue_work(export->wq, &b->work);
}

static u64 blockio_size(struct unbd_export *export)
{
	struct blockio_store *store = export->backend;

	return bdev_nr_bytes(store->bdev);
}

static void blockio_info(struct unbd_export *export,
			 struct unbd_export_info *info)
{
	struct blockio_store *store = export->backend;
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
		info->discard_granularity = blockio_discard_unit(store);
	}
	if (bdev_max_secure_erase_sectors(bdev))
		info->features |= UNBD_EXPORT_SECURE_ERASE;
	if (bdev_stable_writes(bdev))
		info->features |= UNBD_EXPORT_STABLE_WRITES;
}

static void free_store(struct blockio_store *store)
{
	unsigned int i;

	for (i = 0; i < BOUNCE_PAGES; i++)
		if (store->bounce[i])
			__free_page(store->bounce[i]);
	bioset_exit(&store->bios);
	kfree(store);
}

static struct blockio_store *alloc_store(void)
{
	struct blockio_store *store = kzalloc(sizeof(*store), GFP_KERNEL);
	unsigned int i;

	if (!store)
		return NULL;
	mutex_init(&store->bounce_mutex);
	if (bioset_init(&store->bios, BIOS_RESERVED, 0, 0)) {
		kfree(store);
		return NULL;
	}
	for (i = 0; i < BOUNCE_PAGES; i++) {
		store->bounce[i] = alloc_page(GFP_KERNEL);
		if (!store->bounce[i]) {
			free_store(store);
			return NULL;
		}
	}
	return store;
}

/* Those of all devices that are exported */
static LIST_HEAD(all_blocks);
static DEFINE_MUTEX(blocks_mutex);	/* the list, and users */

static struct blockio_blocks *find_blocks(struct block_device *bdev)
{
	struct blockio_blocks *blocks;

	lockdep_assert_held(&blocks_mutex);

	list_for_each_entry(blocks, &all_blocks, entry)
		if (blocks->bdev == bdev)
			return blocks;
	return NULL;
}

static struct blockio_blocks *new_blocks(struct block_device *bdev)
{
	struct blockio_blocks *blocks = kzalloc(sizeof(*blocks), GFP_KERNEL);

	if (!blocks)
		return NULL;
	if (percpu_init_rwsem(&blocks->lock)) {
		kfree(blocks);
		return NULL;
	}
	blocks->bdev = bdev;
	list_add(&blocks->entry, &all_blocks);
	return blocks;
}

/* One for all exports of a device, which the caller has open */
static struct blockio_blocks *get_blocks(struct block_device *bdev)
{
	struct blockio_blocks *blocks;

	mutex_lock(&blocks_mutex);
	blocks = find_blocks(bdev);
	if (!blocks)
		blocks = new_blocks(bdev);
	if (blocks)
		blocks->users++;
	mutex_unlock(&blocks_mutex);
	return blocks;
}

static void put_blocks(struct blockio_blocks *blocks)
{
	bool last;

	mutex_lock(&blocks_mutex);
	last = !--blocks->users;
	if (last)
		list_del(&blocks->entry);
	mutex_unlock(&blocks_mutex);
	if (!last)
		return;
	percpu_free_rwsem(&blocks->lock);
	kfree(blocks);
}

/* The reverse of open_device() */
static void close_device(struct blockio_store *store)
{
	put_blocks(store->blocks);
	unbd_close_bdev(&store->dev);
}

static void blockio_close(struct unbd_export *export)
{
	struct blockio_store *store = export->backend;

	/* What others have read meanwhile, and still hold, is from before. */
	if (!unbd_export_read_only(export))
		invalidate_bdev(store->bdev);
	close_device(store);
	free_store(store);
}

static const struct unbd_backend_ops blockio_backend_ops = {
	.kind = "block device",
	.close = blockio_close,
	.size = blockio_size,
	.info = blockio_info,
	.submit = blockio_submit,
};

/* For all migration exports, so that they do not keep each other out */
static const char migration_holder[] = "unbd migration";
/* For all that clients have made; they are counted instead. */
static const char adhoc_holder[] = "unbd by name";

/**
 * unbd_blockio_is_same() - do two exports have the same block device behind?
 * @a: an export with open storage
 * @b: another one
 */
bool unbd_blockio_is_same(const struct unbd_export *a,
			  const struct unbd_export *b)
{
	const struct blockio_store *x = a->backend;
	const struct blockio_store *y = b->backend;

	return a->ops == &blockio_backend_ops &&
		b->ops == &blockio_backend_ops && x->bdev == y->bdev;
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

static int open_device(struct unbd_export *export, struct blockio_store *store,
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
		store->blocks = get_blocks(store->bdev);
		if (store->blocks)
			return 0;
		unbd_close_bdev(&store->dev);
		return unbd_why(why, len, -ENOMEM, "no memory");
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

static int check_device(struct unbd_export *export, struct blockio_store *store,
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
 * unbd_blockio_open_backend() - put a block device behind an export
 * @export: export with its device_path and access_mode
 * @why: one sentence on error
 * @len: its size
 *
 * Return: 0; -EBUSY when the device is in use and would be written, -EROFS,
 * or another -errno.
 */
int unbd_blockio_open_backend(struct unbd_export *export, char *why, size_t len)
{
	struct blockio_store *store = alloc_store();
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
	export->ops = &blockio_backend_ops;
	return 0;

close:
	close_device(store);
free:
	free_store(store);
	return err;
}
