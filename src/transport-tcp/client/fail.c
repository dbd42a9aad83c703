// SPDX-License-Identifier: GPL-2.0
/*
 * A connection breaks, and its leg with it.
 */
#include "client.h"

/**
 * clt_conn_fail() - a connection has broken, and the leg with it
 * @conn: connection
 * @error: -errno
 * @fmt: what happened
 *
 * Any context. Only the first one is reported.
 */
void clt_conn_fail(struct clt_conn *conn, int error, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	if (test_and_set_bit(CLT_CONN_BROKEN, &conn->flags))
		return;
	va_start(args, fmt);
	vaf.va = &args;
	unbd_leg_failed(&conn->leg->base, error, "%pV", &vaf);
	va_end(args);
}
