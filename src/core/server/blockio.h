/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the block device back end share.
 */
#ifndef UNBD_SERVER_BLOCKIO_H
#define UNBD_SERVER_BLOCKIO_H

#include <linux/percpu-rwsem.h>

#include "server.h"

/* No kernel has larger blocks. */
#define BOUNCE_BYTES	SZ_64K
#define BOUNCE_PAGES	DIV_ROUND_UP(BOUNCE_BYTES, PAGE_SIZE)

/**
 * struct blockio_blocks - who changes the blocks of a device
 * @lock: see blockio.c
 * @entry: in the list of all
 * @bdev: the device
 * @users: exports of it
 */
struct blockio_blocks {
	struct percpu_rw_semaphore lock;
	struct list_head entry;
	struct block_device *bdev;
	unsigned int users;
};

/**
 * struct blockio_store - a block device behind an export
 * @dev: the open device
 * @bdev: the same
 * @cache: what others on this machine have read of it, past which bios go
 * @block_mask: size of a logical block, less one, in bytes
 * @memory_mask: alignment that the device asks of memory, less one, in bytes
 * @stable: it had no volatile cache when it was opened, and clients rely on
 *	that
 * @cannot_zero: it has refused to; by whether blocks had to stay allocated
 * @bios: for requests that one bio cannot hold
 * @blocks: of @bdev, shared with its other exports
 * @bounce_mutex: protects @bounce and @bounce_vecs
 * @bounce: blocks on their way to be changed
 * @bounce_vecs: for the bio that carries them
 */
struct blockio_store {
	struct unbd_bdev dev;
	struct block_device *bdev;
	struct address_space *cache;
	u32 block_mask;
	u32 memory_mask;
	bool stable;
	bool cannot_zero[2];
	struct bio_set bios;
	struct blockio_blocks *blocks;
	struct mutex bounce_mutex;	/* bounce, bounce_vecs */
	struct page *bounce[BOUNCE_PAGES];
	struct bio_vec bounce_vecs[BOUNCE_PAGES];
};

/**
 * struct blockio - a request at the device, in unbd_io.priv
 * @bio: the first one
 * @work: for the export's workqueue
 * @pending: bios that have not come back
 * @error: the first one of theirs
 * @shared: it holds store->blocks->lock
 */
struct blockio {
	struct bio bio;
	struct work_struct work;
	atomic_t pending;
	int error;
	bool shared;
};

static inline struct blockio *blockio(struct unbd_io *io)
{
	BUILD_BUG_ON(sizeof(struct blockio) > UNBD_IO_PRIV);
	return (struct blockio *)io->priv;
}

static inline struct unbd_io *blockio_io(struct blockio *b)
{
	return container_of((u8 (*)[UNBD_IO_PRIV])b, struct unbd_io, priv);
}

/* blockio.c: requests at the device */
bool blockio_start(struct blockio_store *store, struct unbd_io *io);
void blockio_share_blocks(struct blockio_store *store, struct blockio *b);
void blockio_start_transfer(struct blockio_store *store, struct unbd_io *io);
void blockio_done(struct unbd_io *io, int error);
blk_opf_t blockio_transfer_opf(const struct unbd_io *io);
bool blockio_fits_blocks(const struct blockio_store *store,
			 const struct unbd_io *io);
bool blockio_fits_device(const struct blockio_store *store,
			 const struct unbd_io *io);
bool blockio_whole_units(const struct unbd_io *io, u32 unit, u64 *offset,
			 u64 *length);
bool blockio_can_zero(const struct blockio_store *store,
		      const struct unbd_io *io);
void blockio_cannot_zero(struct blockio_store *store, const struct unbd_io *io);
u32 blockio_discard_unit(struct blockio_store *store);

/* blockio-slow.c: what takes several commands */
void blockio_slow_work(struct work_struct *work);

#endif /* UNBD_SERVER_BLOCKIO_H */
