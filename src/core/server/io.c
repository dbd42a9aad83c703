// SPDX-License-Identifier: GPL-2.0
/*
 * A request's way from a connection to an export's storage, and back.
 */
#include <linux/module.h>

#include "server.h"

/* A table of nothing but zeroes, for storage that has to be written them */
struct bio_vec unbd_zeroes[UNBD_ZERO_VECS];

/**
 * unbd_io_init() - make the table of zeroes
 */
void unbd_io_init(void)
{
	unsigned int i;

	for (i = 0; i < UNBD_ZERO_VECS; i++)
		bvec_set_page(&unbd_zeroes[i], ZERO_PAGE(0), PAGE_SIZE, 0);
}

static bool changes_export(enum unbd_io_op op)
{
	switch (op) {
	case UNBD_IO_WRITE:
	case UNBD_IO_DISCARD:
	case UNBD_IO_SECURE_ERASE:
	case UNBD_IO_WRITE_ZEROES:
		return true;
	default:
		return false;
	}
}

static bool has_data(const struct unbd_io *io)
{
	return io->op == UNBD_IO_READ || io->op == UNBD_IO_WRITE;
}

/* The size is asked for each time: disks and files grow and shrink. */
static int check_io(struct unbd_export *export, const struct unbd_io *io)
{
	u64 size;

	if (io->op == UNBD_IO_FLUSH)
		return 0;
	if (changes_export(io->op) &&
	    (io->conn->read_only || unbd_export_read_only(export)))
		return -EPERM;
	if (has_data(io) && io->length > INT_MAX)
		return -EINVAL;
	size = export->ops->size(export);
	if (io->offset <= size && io->length <= size - io->offset)
		return 0;
	return io->op == UNBD_IO_WRITE || io->op == UNBD_IO_WRITE_ZEROES ?
		-ENOSPC : -EINVAL;
}

void unbd_export_submit(struct unbd_conn *conn, struct unbd_io *io)
{
	struct unbd_export *export = conn->export;
	int err;

	io->conn = conn;
	io->export = export;
	err = WARN_ON_ONCE(!export) ? -EINVAL : check_io(export, io);
	if (err || (!io->length && io->op != UNBD_IO_FLUSH))
		unbd_io_done(io, err);
	else
		export->ops->submit(export, io);
}
EXPORT_SYMBOL_UNBD(unbd_export_submit);

void unbd_export_queue(struct unbd_conn *conn, struct work_struct *work)
{
	queue_work(conn->export->wq, work);
}
EXPORT_SYMBOL_UNBD(unbd_export_queue);

/* What kinds of storage call the same thing gets one name here. */
static int plain_error(int error)
{
	switch (error) {
	case 0:
	case -EINVAL:
	case -ENOMEM:
	case -ENOSPC:
	case -EOPNOTSUPP:
	case -EPERM:
	case -ESHUTDOWN:
		return error;
	case -EDQUOT:
	case -EFBIG:
		return -ENOSPC;
	case -EACCES:
		return -EPERM;
	default:
		/* -EROFS among them: a file system that has given up. */
		return -EIO;
	}
}

/**
 * unbd_io_done() - a request has come back from the storage
 * @io: the request; not to be touched afterwards, nor its connection
 * @error: 0 or -errno
 *
 * Any context.
 */
void unbd_io_done(struct unbd_io *io, int error)
{
	struct unbd_conn *conn = io->conn;

	/* It has not begun. */
	if (unlikely(unbd_io_would_wait(io, error))) {
		io->done(io, error);
		return;
	}
	error = plain_error(error);
	/* A hint that the storage cannot take is no failure. */
	if (io->op == UNBD_IO_DISCARD && error == -EOPNOTSUPP)
		error = 0;
	if (error) {
		atomic64_inc(&conn->errors);
	} else {
		atomic64_inc(&conn->ios[io->op]);
		if (io->op == UNBD_IO_READ)
			atomic64_add(io->length, &conn->bytes_read);
		else if (io->op == UNBD_IO_WRITE)
			atomic64_add(io->length, &conn->bytes_written);
	}
	io->done(io, error);
}

/**
 * unbd_io_unwanted() - has everybody lost interest in a request?
 * @io: a request at the storage
 *
 * For those that take long to carry out piece by piece: an export that has
 * to go does not wait for a terabyte of zeroes.
 */
bool unbd_io_unwanted(const struct unbd_io *io)
{
	return READ_ONCE(io->conn->closing);
}

/**
 * unbd_conn_count() - one counter of a connection
 * @conn: the connection
 * @which: an &enum unbd_io_op or &enum unbd_counter
 */
u64 unbd_conn_count(const struct unbd_conn *conn, unsigned int which)
{
	switch (which) {
	case UNBD_COUNT_BYTES_READ:
		return atomic64_read(&conn->bytes_read);
	case UNBD_COUNT_BYTES_WRITTEN:
		return atomic64_read(&conn->bytes_written);
	case UNBD_COUNT_ERRORS:
		return atomic64_read(&conn->errors);
	default:
		return atomic64_read(&conn->ios[which]);
	}
}

/**
 * unbd_export_count() - one counter of an export
 * @export: the export
 * @which: an &enum unbd_io_op or &enum unbd_counter
 *
 * Requests are counted with their connection, where no other CPU wants the
 * cache line; an export is the sum. Under unbd_server_mutex.
 */
u64 unbd_export_count(struct unbd_export *export, unsigned int which)
{
	u64 sum = export->closed[which];
	struct unbd_conn *conn;

	lockdep_assert_held(&unbd_server_mutex);

	list_for_each_entry(conn, &export->conns, export_entry)
		sum += unbd_conn_count(conn, which);
	return sum;
}

int unbd_export_extent(struct unbd_conn *conn, u64 offset, u64 length,
		       struct unbd_extent *extent)
{
	struct unbd_export *export = conn->export;
	u64 size = export->ops->size(export);

	if (!length || offset > size || length > size - offset)
		return -EINVAL;
	*extent = (struct unbd_extent){ .length = length };
	if (!export->ops->extent)
		return 0;
	return export->ops->extent(export, offset, length, extent);
}
EXPORT_SYMBOL_UNBD(unbd_export_extent);

void unbd_conn_told(struct unbd_conn *conn)
{
	struct unbd_export *export = conn->export;

	if (export->ops->told)
		export->ops->told(export, conn);
}
EXPORT_SYMBOL_UNBD(unbd_conn_told);
