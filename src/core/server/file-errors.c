// SPDX-License-Identifier: GPL-2.0
/*
 * Who has been told that writing back has failed; see file-errors.h.
 */
#include <linux/pagemap.h>

#include "file-errors.h"
#include "server.h"

/**
 * file_errors_init() - nothing is known to anybody
 * @e: the file's
 * @mapping: its pages
 */
void file_errors_init(struct file_errors *e, struct address_space *mapping)
{
	mutex_init(&e->mutex);
	e->mapping = mapping;
}

/**
 * file_errors_tell() - what a connection's flush has to report
 * @e: the file's
 * @conn: the connection
 * @error: of the flush itself
 *
 * Return: @error, or what has failed since the connection was told last.
 */
int file_errors_tell(struct file_errors *e, struct unbd_conn *conn, int error)
{
	errseq_t before;
	int lost;

	mutex_lock(&e->mutex);
	before = conn->seen_error;
	lost = errseq_check_and_advance(&e->mapping->wb_err,
					&conn->seen_error);
	if (conn->ops->tells && !conn->untold && (error || lost)) {
		conn->seen_before = before;
		WRITE_ONCE(conn->untold, true);
	}
	mutex_unlock(&e->mutex);
	return error ? error : lost;
}

/**
 * file_errors_opened() - a connection has opened the export
 * @e: the file's
 * @conn: the connection
 */
void file_errors_opened(struct file_errors *e, struct unbd_conn *conn)
{
	mutex_lock(&e->mutex);
	conn->seen_error = filemap_sample_wb_err(e->mapping);
	if (e->owed && (e->to_all || unbd_same_host(&e->to, &conn->peer))) {
		conn->seen_error = e->since;
		conn->owed = e->age;
	}
	mutex_unlock(&e->mutex);
}

/**
 * file_errors_told() - the client has got the answers to all its flushes
 * @e: the file's
 * @conn: its connection
 */
void file_errors_told(struct file_errors *e, struct unbd_conn *conn)
{
	mutex_lock(&e->mutex);
	conn->untold = false;
	if (e->owed && conn->owed == e->age) {
		e->owed = false;
		e->to_all = false;
	}
	mutex_unlock(&e->mutex);
}

/**
 * file_errors_closed() - a connection has gone
 * @e: the file's
 * @conn: the connection
 *
 * If it had not got the answer, its client's next one gets the error.
 */
void file_errors_closed(struct file_errors *e, struct unbd_conn *conn)
{
	if (!conn->untold)
		return;
	mutex_lock(&e->mutex);
	if (!e->owed)
		e->since = conn->seen_before;
	else if (!unbd_same_host(&e->to, &conn->peer))
		e->to_all = true;
	e->to = conn->peer;
	e->owed = true;
	/* Connections that owe nothing have 0. */
	if (!++e->age)
		e->age++;
	mutex_unlock(&e->mutex);
}
