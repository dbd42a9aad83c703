/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the block device back end share.
 */
#ifndef UNBD_SERVER_BACKEND_BDEV_H
#define UNBD_SERVER_BACKEND_BDEV_H

#include <linux/percpu-rwsem.h>
#include <linux/uio.h>

#include "server.h"

/* No kernel has larger blocks. */
#define BOUNCE_BYTES	SZ_64K
#define BOUNCE_PAGES	DIV_ROUND_UP(BOUNCE_BYTES, PAGE_SIZE)

/**
 * struct bdev_store - a block device behind an export
 * @dev: the open device
 * @bdev: the same
 * @cache: what others on this machine have read of it, past which bios go
 * @block_mask: size of a logical block, less one, in bytes
 * @memory_mask: alignment that the device asks of memory, less one, in bytes
 * @stable: it had no volatile cache when it was opened, and clients rely on
 *	that
 * @cannot_zero: it has refused to; by whether blocks had to stay allocated
 * @bios: for requests that one bio cannot hold
 * @blocks: see bdev-io.c
 * @bounce_mutex: protects @bounce and @bounce_vecs
 * @bounce: blocks on their way to be changed
 * @bounce_vecs: for the bio that carries them
 */
struct bdev_store {
	struct unbd_bdev dev;
	struct block_device *bdev;
	struct address_space *cache;
	u32 block_mask;
	u32 memory_mask;
	bool stable;
	bool cannot_zero[2];
	struct bio_set bios;
	struct percpu_rw_semaphore blocks;
	struct mutex bounce_mutex;	/* bounce, bounce_vecs */
	struct page *bounce[BOUNCE_PAGES];
	struct bio_vec bounce_vecs[BOUNCE_PAGES];
};

/**
 * struct bdev_io - a request at the device, in unbd_io.priv
 * @bio: the first one
 * @work: for the export's workqueue
 * @pending: bios that have not come back
 * @error: the first one of theirs
 * @shared: it holds store->blocks
 */
struct bdev_io {
	struct bio bio;
	struct work_struct work;
	atomic_t pending;
	int error;
	bool shared;
};

static inline struct bdev_io *bdev_io(struct unbd_io *io)
{
	BUILD_BUG_ON(sizeof(struct bdev_io) > UNBD_IO_PRIV);
	return (struct bdev_io *)io->priv;
}

static inline struct unbd_io *bdev_io_of(struct bdev_io *b)
{
	return container_of((u8 (*)[UNBD_IO_PRIV])b, struct unbd_io, priv);
}

/* bdev-io.c: requests at the device */
bool bdev_start(struct bdev_store *store, struct unbd_io *io);
void bdev_share_blocks(struct bdev_store *store, struct bdev_io *b);
void bdev_start_transfer(struct bdev_store *store, struct unbd_io *io);
void bdev_done(struct unbd_io *io, int error);
blk_opf_t bdev_transfer_opf(const struct unbd_io *io);
bool bdev_fits_blocks(const struct bdev_store *store,
		      const struct unbd_io *io);
bool bdev_fits_device(const struct bdev_store *store,
		      const struct unbd_io *io);
bool bdev_whole_units(const struct unbd_io *io, u32 unit, u64 *offset,
		      u64 *length);
bool bdev_can_zero(const struct bdev_store *store, const struct unbd_io *io);
void bdev_cannot_zero(struct bdev_store *store, const struct unbd_io *io);
u32 bdev_discard_unit(struct bdev_store *store);

/* bdev-slow.c: what takes several commands */
void bdev_slow_work(struct work_struct *work);

#endif /* UNBD_SERVER_BACKEND_BDEV_H */
