// SPDX-License-Identifier: GPL-2.0
/*
 * Regular files as storage, through the page cache.
 *
 * Not by direct I/O, although that saves a copy: files are exported with byte
 * granularity, and a file that is written past the cache in some requests and
 * through it in others is slow at best. The cache also serves what many
 * clients read from one image. In return the export says that it has a write
 * cache: FLUSH is fsync and FUA is O_DSYNC, so nothing is promised that is
 * not kept.
 *
 * A read of what the cache holds is answered in the caller's context, where
 * the file system can promise not to wait; everything else goes to the
 * export's workqueue.
 */
#include <linux/cred.h>
#include <linux/errseq.h>
#include <linux/fadvise.h>
#include <linux/falloc.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uio.h>

#include "file-errors.h"
#include "server.h"

/* Zeroed or given back at once, before asking whether it is still wanted. */
#define RANGE_BYTES	((u64)SZ_128M)

/* How many runs of data are remembered */
#define DATA_RUNS	8

/**
 * struct data_run - a part of a file without holes
 * @begin: where it begins
 * @end: where there may be a hole again; 0 when nothing is known
 */
struct data_run {
	u64 begin;
	u64 end;
};

/**
 * struct file_store - a file behind an export
 * @file: opened as the administrator
 * @errors: of writing it back
 * @runs_lock: for what follows
 * @runs: what is known of the file
 * @next_run: which of them is forgotten for the next
 * @runs_age: how often all were forgotten
 */
struct file_store {
	struct file *file;
	struct file_errors errors;
	spinlock_t runs_lock;		/* runs, next_run, runs_age */
	struct data_run runs[DATA_RUNS];
	unsigned int next_run;
	unsigned int runs_age;
};

/**
 * struct file_io - a request at the file, in unbd_io.priv
 * @work: for the export's workqueue
 * @read: bytes that were in the cache
 */
struct file_io {
	struct work_struct work;
	u64 read;
};

/**
 * struct file_scope - how this task was before it acted for an export
 * @cred: its rights
 * @memory: its allocation flags
 * @throttle: it was subject to its own backing device only
 */
struct file_scope {
	const struct cred *cred;
	unsigned int memory;
	unsigned int throttle;
};

/*
 * Be who opened the file. Do not wait for memory that may only become free
 * when this server has written it; and do not be slowed down for the dirty
 * pages of the disk that a client in this same kernel has.
 */
static void enter_file(struct file *file, struct file_scope *scope)
{
	scope->cred = override_creds(file->f_cred);
	scope->memory = memalloc_noio_save();
	scope->throttle = current->flags & PF_LOCAL_THROTTLE;
	current->flags |= PF_LOCAL_THROTTLE;
}

static void leave_file(const struct file_scope *scope)
{
	if (!scope->throttle)
		current->flags &= ~PF_LOCAL_THROTTLE;
	memalloc_noio_restore(scope->memory);
	revert_creds(scope->cred);
}

static struct file_io *file_io(struct unbd_io *io)
{
	BUILD_BUG_ON(sizeof(struct file_io) > UNBD_IO_PRIV);
	return (struct file_io *)io->priv;
}

static struct unbd_io *io_of(struct file_io *f)
{
	return container_of((u8 (*)[UNBD_IO_PRIV])f, struct unbd_io, priv);
}

/* One try, which may do less than it is asked for */
static ssize_t read_some(struct file *file, struct unbd_io *io, u64 skip,
			 int flags)
{
	struct iov_iter to;
	struct kiocb iocb;

	iov_iter_bvec(&to, ITER_DEST, io->bvec, io->nr_bvec, io->length);
	iov_iter_advance(&to, skip);
	init_sync_kiocb(&iocb, file);
	iocb.ki_pos = io->offset + skip;
	iocb.ki_flags |= flags;
	return file->f_op->read_iter(&iocb, &to);
}

static ssize_t write_some(struct file *file, struct iov_iter *from, u64 offset,
			  int flags)
{
	struct kiocb iocb;
	ssize_t n;

	init_sync_kiocb(&iocb, file);
	iocb.ki_pos = offset;
	iocb.ki_flags |= IOCB_WRITE | flags;
	file_start_write(file);
	n = file->f_op->write_iter(&iocb, from);
	file_end_write(file);
	return n;
}

static int do_read(struct file *file, struct unbd_io *io)
{
	u64 done = file_io(io)->read;
	ssize_t n;

	for (; done < io->length; done += n) {
		n = read_some(file, io, done, 0);
		if (n < 0)
			return n;
		/* The file has shrunk under our hands. */
		if (!n)
			return -EIO;
	}
	return 0;
}

static int write_all(struct file *file, struct iov_iter *from, u64 offset,
		     int flags)
{
	ssize_t n;

	for (; iov_iter_count(from); offset += n) {
		n = write_some(file, from, offset, flags);
		if (n < 0)
			return n;
		if (!n)
			return -EIO;
	}
	return 0;
}

static int do_write(struct file *file, struct unbd_io *io)
{
	struct iov_iter from;

	iov_iter_bvec(&from, ITER_SOURCE, io->bvec, io->nr_bvec, io->length);
	return write_all(file, &from, io->offset,
			 io->flags & UNBD_IO_FUA ? IOCB_DSYNC : 0);
}

static int do_flush(struct file_store *store, struct unbd_io *io)
{
	return file_errors_tell(&store->errors, io->conn,
				vfs_fsync(store->file, 1));
}

static int write_zeroes(struct file_store *store, u64 offset, u64 length)
{
	struct iov_iter from;
	int err = 0;
	u64 n;

	for (; length && !err; offset += n, length -= n) {
		n = min_t(u64, length, UNBD_ZERO_VECS * PAGE_SIZE);
		iov_iter_bvec(&from, ITER_SOURCE, unbd_zeroes, UNBD_ZERO_VECS,
			      n);
		err = write_all(store->file, &from, offset, 0);
	}
	return err;
}

static int zero_step(struct file_store *store, const struct unbd_io *io,
		     u64 offset, u64 length)
{
	int err = -EOPNOTSUPP;

	if (!(io->flags & UNBD_IO_NO_UNMAP))
		err = vfs_fallocate(store->file, FALLOC_FL_PUNCH_HOLE |
				    FALLOC_FL_KEEP_SIZE, offset, length);
	if (err == -EOPNOTSUPP)
		err = vfs_fallocate(store->file, FALLOC_FL_ZERO_RANGE |
				    FALLOC_FL_KEEP_SIZE, offset, length);
	if (err == -EOPNOTSUPP && !(io->flags & UNBD_IO_FAST_ONLY))
		err = write_zeroes(store, offset, length);
	return err;
}

static int discard_step(struct file_store *store, u64 offset, u64 length)
{
	return vfs_fallocate(store->file, FALLOC_FL_PUNCH_HOLE |
			     FALLOC_FL_KEEP_SIZE, offset, length);
}

/*
 * To find the end of data takes a time that grows with the data: the answer is
 * remembered. What is called data may be a hole
 * since somebody else has punched it: a client reads zeroes there all the same.
 *
 * Returns bytes of data that are known at a place, or 0.
 */
static u64 known_data(struct file_store *store, u64 offset, unsigned int *age)
{
	const struct data_run *run;
	u64 length = 0;

	spin_lock(&store->runs_lock);
	*age = store->runs_age;
	for (run = store->runs; run < store->runs + DATA_RUNS; run++)
		if (run->begin <= offset && offset < run->end)
			length = max(length, run->end - offset);
	spin_unlock(&store->runs_lock);
	return length;
}

static void remember_data(struct file_store *store, u64 begin, u64 end,
			  unsigned int age)
{
	spin_lock(&store->runs_lock);
	if (age == store->runs_age)
		store->runs[store->next_run++ % DATA_RUNS] =
			(struct data_run){ begin, end };
	spin_unlock(&store->runs_lock);
}

/* There are new holes, also for who is asking just now. */
static void forget_data(struct file_store *store)
{
	spin_lock(&store->runs_lock);
	memset(store->runs, 0, sizeof(store->runs));
	store->runs_age++;
	spin_unlock(&store->runs_lock);
}

static int do_range(struct file_store *store, struct unbd_io *io)
{
	u64 offset = io->offset;
	u64 left = io->length;
	int err = 0;
	u64 n;

	for (; left && !err; offset += n, left -= n) {
		if (unbd_io_unwanted(io))
			return -ESHUTDOWN;
		n = min(left, RANGE_BYTES);
		err = io->op == UNBD_IO_DISCARD ?
			discard_step(store, offset, n) :
			zero_step(store, io, offset, n);
		forget_data(store);
	}
	if (!err && io->flags & UNBD_IO_FUA)
		err = vfs_fsync(store->file, 1);
	return err;
}

static int start_io(struct file_store *store, struct unbd_io *io)
{
	switch (io->op) {
	case UNBD_IO_READ:
		return do_read(store->file, io);
	case UNBD_IO_WRITE:
		return do_write(store->file, io);
	case UNBD_IO_FLUSH:
		return do_flush(store, io);
	case UNBD_IO_DISCARD:
	case UNBD_IO_WRITE_ZEROES:
		return do_range(store, io);
	case UNBD_IO_PREFETCH:
		vfs_fadvise(store->file, io->offset, io->length,
			    POSIX_FADV_WILLNEED);
		return 0;
	case UNBD_IO_SECURE_ERASE:
		break;
	}
	return -EOPNOTSUPP;
}

/*
 * What FUA waits for may be written back by somebody else's flush meanwhile, and
 * if that fails the open file tells him alone.
 */
static int do_io(struct file_store *store, struct unbd_io *io)
{
	struct address_space *mapping = store->file->f_mapping;
	errseq_t since = filemap_sample_wb_err(mapping);
	int err = start_io(store, io);

	if (!err && io->flags & UNBD_IO_FUA)
		err = filemap_check_wb_err(mapping, since);
	return err;
}

static void file_work(struct work_struct *work)
{
	struct unbd_io *io = io_of(container_of(work, struct file_io, work));
	struct file_store *store = io->export->backend;
	struct file_scope scope;
	int err;

	enter_file(store->file, &scope);
	err = do_io(store, io);
	leave_file(&scope);
	unbd_io_done(io, err);
}

/* Returns whether all of it was in the cache. */
static bool read_cached(struct file *file, struct unbd_io *io)
{
	struct file_scope scope;
	ssize_t n;

	if (io->op != UNBD_IO_READ || !(file->f_mode & FMODE_NOWAIT))
		return false;
	enter_file(file, &scope);
	n = read_some(file, io, 0, IOCB_NOWAIT);
	leave_file(&scope);
	if (n > 0)
		file_io(io)->read = n;
	return n == io->length;
}

static void file_submit(struct unbd_export *export, struct unbd_io *io)
{
	struct file_store *store = export->backend;
	struct file_io *f = file_io(io);

	f->read = 0;
	if (read_cached(store->file, io)) {
		unbd_io_done(io, 0);
		return;
	}
	INIT_WORK(&f->work, file_work);
	queue_work(export->wq, &f->work);
}

/*
 * All connections ask by one open file, side by side: the position that seeking
 * leaves behind is nobody's.
 */
static int find_extent(struct file_store *store, u64 offset, u64 length,
		       struct unbd_extent *extent, unsigned int age)
{
	loff_t data = vfs_llseek(store->file, offset, SEEK_DATA);
	loff_t end;

	/* Nothing but a hole is left. */
	if (data == -ENXIO)
		data = offset + length;
	if (data < 0)
		return data;
	if (data > offset) {
		extent->length = min_t(u64, length, data - offset);
		extent->hole = true;
		extent->zero = true;
		return 0;
	}
	end = vfs_llseek(store->file, offset, SEEK_HOLE);
	if (end < 0)
		return end;
	if (end > offset) {
		remember_data(store, offset, end, age);
		extent->length = min_t(u64, length, end - offset);
	}
	return 0;
}

static int file_extent(struct unbd_export *export, u64 offset, u64 length,
		       struct unbd_extent *extent)
{
	struct file_store *store = export->backend;
	struct file_scope scope;
	unsigned int age;
	u64 known;
	int err;

	known = known_data(store, offset, &age);
	if (known) {
		extent->length = min(length, known);
		return 0;
	}
	enter_file(store->file, &scope);
	err = find_extent(store, offset, length, extent, age);
	leave_file(&scope);
	return err;
}

static void file_opened(struct unbd_export *export, struct unbd_conn *conn)
{
	struct file_store *store = export->backend;

	file_errors_opened(&store->errors, conn);
}

static void file_told(struct unbd_export *export, struct unbd_conn *conn)
{
	struct file_store *store = export->backend;

	file_errors_told(&store->errors, conn);
}

static void file_closed(struct unbd_export *export, struct unbd_conn *conn)
{
	struct file_store *store = export->backend;

	file_errors_closed(&store->errors, conn);
}

static u64 file_size(struct unbd_export *export)
{
	struct file_store *store = export->backend;

	return i_size_read(store->file->f_mapping->host);
}

static void file_info(struct unbd_export *export, struct unbd_export_info *info)
{
	struct file_store *store = export->backend;
	struct inode *inode = file_inode(store->file);
	struct block_device *bdev = inode->i_sb->s_bdev;

	info->min_io = 1;
	info->preferred_io = max_t(u32, i_blocksize(inode), PAGE_SIZE);
	info->features = UNBD_EXPORT_WRITE_CACHE | UNBD_EXPORT_WRITE_ZEROES |
		UNBD_EXPORT_FAST_ZERO | UNBD_EXPORT_EXTENTS;
	if (store->file->f_op->fallocate) {
		info->features |= UNBD_EXPORT_DISCARD;
		info->discard_granularity = i_blocksize(inode);
	}
	if (bdev && bdev_rot(bdev))
		info->features |= UNBD_EXPORT_ROTATIONAL;
}

static void file_close(struct unbd_export *export)
{
	struct file_store *store = export->backend;

	filp_close(store->file, NULL);
	kfree(store);
}

static const struct unbd_backend_ops file_backend_ops = {
	.kind = "file",
	.close = file_close,
	.size = file_size,
	.info = file_info,
	.submit = file_submit,
	.extent = file_extent,
	.opened = file_opened,
	.told = file_told,
	.closed = file_closed,
};

/**
 * unbd_file_is_same() - do two exports have the same file behind them?
 * @a: an export with open storage
 * @b: another one
 */
bool unbd_file_is_same(const struct unbd_export *a, const struct unbd_export *b)
{
	const struct file_store *x = a->backend;
	const struct file_store *y = b->backend;

	return a->ops == &file_backend_ops && b->ops == &file_backend_ops &&
		file_inode(x->file) == file_inode(y->file);
}

static int check_file(struct file *file, const char *path, bool writable,
		      char *why, size_t len)
{
	if (!S_ISREG(file_inode(file)->i_mode))
		return unbd_why(why, len, -EINVAL,
				"%.120s is no regular file any more", path);
	if (IS_SWAPFILE(file_inode(file)))
		return unbd_why(why, len, -ETXTBSY, "%.120s is swapped to",
				path);
	if (!file->f_op->read_iter || (writable && !file->f_op->write_iter))
		return unbd_why(why, len, -EOPNOTSUPP,
				"%.120s: its file system is too simple", path);
	return 0;
}

static struct file *open_file(const char *path, bool writable, char *why,
			      size_t len)
{
	struct file *file;
	int err;

	file = filp_open(path, (writable ? O_RDWR : O_RDONLY) | O_LARGEFILE, 0);
	if (!IS_ERR(file)) {
		err = check_file(file, path, writable, why, len);
		if (!err)
			return file;
		filp_close(file, NULL);
		return ERR_PTR(err);
	}
	err = PTR_ERR(file);
	if (err == -EROFS)
		snprintf(why, len,
			 "%.120s can only be read; try access_mode=ro", path);
	else
		snprintf(why, len, "%.120s cannot be opened", path);
	return file;
}

/**
 * unbd_file_open_backend() - put a regular file behind an export
 * @export: export with its device_path and access_mode
 * @why: one sentence on error
 * @len: its size
 *
 * Return: 0 or -errno.
 */
int unbd_file_open_backend(struct unbd_export *export, char *why, size_t len)
{
	struct file_store *store = kzalloc(sizeof(*store), GFP_KERNEL);

	if (!store)
		return unbd_why(why, len, -ENOMEM, "no memory");
	store->file = open_file(export->device_path,
				!unbd_export_read_only(export), why, len);
	if (IS_ERR(store->file)) {
		int err = PTR_ERR(store->file);

		kfree(store);
		return err;
	}
	file_errors_init(&store->errors, store->file->f_mapping);
	spin_lock_init(&store->runs_lock);
	export->backend = store;
	export->ops = &file_backend_ops;
	return 0;
}
