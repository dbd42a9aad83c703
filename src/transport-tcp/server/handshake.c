// SPDX-License-Identifier: GPL-2.0
/*
 * Option haggling, the server's side of "Newstyle negotiation".
 *
 * No thread waits for a client: the work runs when something has come, takes
 * it as far as it goes and returns. A client that dawdles has only its few
 * kilobytes until the deadline.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "server.h"

/* More options than this are no attempt to get at an export. */
#define SRV_MAX_OPTIONS		1024

static void srv_hs_expect(struct srv_handshake *hs, enum srv_hs_step step,
			  u32 need)
{
	hs->step = step;
	hs->need = need;
	hs->have = 0;
}

static int srv_hs_option_done(struct srv_conn *conn)
{
	srv_hs_expect(conn->hs, SRV_HS_OPTION, sizeof(struct nbd_opt_header));
	return srv_option_answer(conn);
}

static int srv_hs_skip_done(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;

	srv_hs_expect(hs, SRV_HS_OPTION, sizeof(struct nbd_opt_header));
	return srv_hs_refuse(hs, hs->error,
			     hs->error == NBD_REP_ERR_TOO_BIG ?
			     "the option has too much data" :
			     "this option is not known here");
}

static int srv_hs_flags_done(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	char why[UNBD_WHY_LEN];

	if (nbd_get_client_flags(hs->head, &hs->fixed, &hs->no_zeroes, why,
				 sizeof(why))) {
		srv_conn_drop(conn, "%s", why);
		return -EPROTO;
	}
	srv_hs_expect(hs, SRV_HS_OPTION, sizeof(struct nbd_opt_header));
	return 0;
}

/* The data of an option that nobody will look at. */
static int srv_hs_start_skip(struct srv_conn *conn, u32 error)
{
	struct srv_handshake *hs = conn->hs;

	hs->error = error;
	if (!hs->opt.len)
		return srv_hs_skip_done(conn);
	srv_hs_expect(hs, SRV_HS_SKIP, hs->opt.len);
	return 0;
}

static int srv_hs_start_data(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;

	if (!hs->data)
		hs->data = kmalloc(NBD_OPTION_DATA_MAX, GFP_KERNEL);
	if (!hs->data)
		return -ENOMEM;
	if (!hs->opt.len)
		return srv_hs_option_done(conn);
	srv_hs_expect(hs, SRV_HS_DATA, hs->opt.len);
	return 0;
}

static int srv_hs_head_done(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	char why[UNBD_WHY_LEN];

	if (nbd_get_option(hs->head, &hs->opt, why, sizeof(why))) {
		srv_conn_drop(conn, "%s", why);
		return -EPROTO;
	}
	if (++hs->options > SRV_MAX_OPTIONS) {
		srv_conn_drop(conn, "haggles on after %u options",
			      SRV_MAX_OPTIONS);
		return -EPROTO;
	}
	if (!hs->fixed && hs->opt.id != NBD_OPT_EXPORT_NAME) {
		/* It could make nothing of an answer. */
		srv_conn_drop(conn, "sends option %u without FIXED_NEWSTYLE",
			      hs->opt.id);
		return -EPROTO;
	}
	if (!srv_option_known(hs->opt.id))
		return srv_hs_start_skip(conn, NBD_REP_ERR_UNSUP);
	if (hs->opt.len <= NBD_OPTION_DATA_MAX)
		return srv_hs_start_data(conn);
	if (hs->opt.id == NBD_OPT_EXPORT_NAME) {
		srv_conn_drop(conn, "sends an export name of %u bytes",
			      hs->opt.len);
		return -EPROTO;
	}
	return srv_hs_start_skip(conn, NBD_REP_ERR_TOO_BIG);
}

static int srv_hs_step_done(struct srv_conn *conn)
{
	switch (conn->hs->step) {
	case SRV_HS_FLAGS:
		return srv_hs_flags_done(conn);
	case SRV_HS_OPTION:
		return srv_hs_head_done(conn);
	case SRV_HS_DATA:
		return srv_hs_option_done(conn);
	case SRV_HS_SKIP:
		return srv_hs_skip_done(conn);
	}
	return -EPROTO;
}

/* Return: bytes received, or -errno, -EAGAIN if nothing has come. */
static int srv_hs_receive(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	u32 left = hs->need - hs->have;
	struct iov_iter iter;
	struct kvec vec;
	int n;

	if (hs->step == SRV_HS_SKIP) {
		iov_iter_discard(&iter, ITER_DEST, left);
	} else {
		vec.iov_base = (hs->step == SRV_HS_DATA ? hs->data :
				hs->head) + hs->have;
		vec.iov_len = left;
		iov_iter_kvec(&iter, ITER_DEST, &vec, 1, left);
	}
	n = unbd_stream_recv(&conn->stream, &iter);
	if (n > 0)
		hs->have += n;
	return n;
}

static int srv_hs_send(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	struct kvec vec = {
		.iov_base = hs->out + hs->out_at,
		.iov_len = hs->out_len - hs->out_at,
	};
	struct iov_iter iter;
	int n;

	iov_iter_kvec(&iter, ITER_SOURCE, &vec, 1, vec.iov_len);
	n = unbd_stream_send(&conn->stream, &iter, false);
	if (n < 0)
		return n;
	hs->out_at += n;
	if (hs->out_at == hs->out_len) {
		hs->out_at = 0;
		hs->out_len = 0;
	}
	return 0;
}

/* Return: 0 to go on, -EAGAIN to wait, or -errno. */
static int srv_hs_step(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	int n;

	if (hs->out_len)
		return srv_hs_send(conn);
	n = srv_hs_receive(conn);
	if (n < 0)
		return n;
	return hs->have == hs->need ? srv_hs_step_done(conn) : 0;
}

static void srv_hs_finish(struct srv_conn *conn)
{
	enum srv_hs_next next = conn->hs->next;

	srv_handshake_end(conn);
	if (next == SRV_HS_LIVE)
		srv_conn_live(conn);
	else
		srv_conn_farewell(conn);
}

/**
 * srv_handshake_drive() - take a handshake as far as it goes
 * @conn: connection, from its handshake's work
 */
void srv_handshake_drive(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	int err = 0;

	/* A report from before the transmission phase came late. */
	if (!hs || srv_conn_closing(conn))
		return;
	while (!err && !srv_conn_closing(conn)) {
		if (hs->next != SRV_HS_GO_ON && !hs->out_len) {
			srv_hs_finish(conn);
			return;
		}
		err = srv_hs_step(conn);
		cond_resched();
	}
	if (err && err != -EAGAIN) {
		if (err == -ENOMEM)
			srv_conn_drop(conn, "no memory for its handshake");
		srv_conn_kill(conn);
	}
}

/**
 * srv_handshake_begin() - prepare a handshake
 * @conn: new connection
 *
 * Return: 0 or -ENOMEM.
 */
int srv_handshake_begin(struct srv_conn *conn)
{
	struct srv_handshake *hs = kzalloc(sizeof(*hs), GFP_KERNEL);
	u8 *buf;

	if (!hs)
		return -ENOMEM;
	conn->hs = hs;
	conn->params.headers = NBD_HEADERS_SIMPLE;
	buf = srv_hs_room(hs, sizeof(struct nbd_newstyle_greeting));
	if (!buf)
		return -ENOMEM;
	hs->out_len = nbd_put_greeting(buf, NBD_FLAG_FIXED_NEWSTYLE |
					    NBD_FLAG_NO_ZEROES);
	srv_hs_expect(hs, SRV_HS_FLAGS, sizeof(__be32));
	return 0;
}

/**
 * srv_handshake_end() - forget a handshake
 * @conn: connection whose handshake's work does not run, or the work itself
 */
void srv_handshake_end(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;

	if (!hs)
		return;
	conn->hs = NULL;
	kfree(hs->data);
	kfree(hs->meta_name);
	kfree(hs->out);
	kfree(hs);
}
