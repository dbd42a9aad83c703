// SPDX-License-Identifier: GPL-2.0
/*
 * What is found out of a connection and is others' business: the core's, that
 * it has broken; that of disks.c, that there are disks.
 */
#include "client.h"

/**
 * clt_conn_fail() - a connection has broken, and the path with it
 * @conn: connection, its recv_mutex is held
 * @error: -errno
 * @fmt: what happened
 *
 * Only the first one is reported, and to the core only when it knows of the
 * connection: an attempt that fails is to be followed by a pause.
 */
void clt_conn_fail(struct clt_conn *conn, int error, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	if (conn->broken)
		return;
	WRITE_ONCE(conn->broken, true);
	va_start(args, fmt);
	vaf.va = &args;
	if (conn->up)
		unbd_path_failed(&conn->path->base, error, "%pV", &vaf);
	va_end(args);
	wake_up_all(&conn->control_wait);
}

/**
 * clt_conn_show_disks() - map what is not mapped yet
 * @conn: connection whose devices have been asked for
 *
 * Any context.
 */
void clt_conn_show_disks(struct clt_conn *conn)
{
	conn->map_delay = 0;
	mod_delayed_work(clt_map_wq, &conn->map_work, 0);
}

/**
 * clt_conn_look_for_disks() - the server has other devices now
 * @conn: connection that is up
 *
 * Any context.
 */
void clt_conn_look_for_disks(struct clt_conn *conn)
{
	WRITE_ONCE(conn->look_again, true);
	clt_conn_show_disks(conn);
}
