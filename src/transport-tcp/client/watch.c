// SPDX-License-Identifier: GPL-2.0
/*
 * A request without a block request: the server answers it when the export's
 * size is not what we believe.
 */
#include "client.h"

/**
 * clt_watch() - be told when the export's size changes
 * @leg: leg whose connections have been started
 * @size: bytes that it has as far as is known
 *
 * Does nothing if the server is none of ours. Process context; excludes
 * itself, as attach and refresh do.
 */
void clt_watch(struct clt_leg *leg, u64 size)
{
	struct clt_request *req = &leg->watch;
	struct clt_conn *conn = leg->conns;

	/* Pairs with clt_watch_answered(). */
	if (!leg->info.has_instance || smp_load_acquire(&leg->watching))
		return;
	memset(req, 0, sizeof(*req));
	req->header_len = nbd_put_request(req->header, conn->headers,
					  NBD_CMD_UNBD_WATCH, 0,
					  CLT_WATCH_COOKIE, size, 0);
	nbd_inflight_init(&req->inflight, NBD_CMD_UNBD_WATCH, size, 0);
	/* Pairs with clt_watch_find(). */
	smp_store_release(&leg->watching, true);
	llist_add(&req->node, &conn->submitted);
	clt_conn_kick(conn);
}

/**
 * clt_watch_find() - what an answer with CLT_WATCH_COOKIE is for
 * @conn: connection that it came on, from whoever receives
 *
 * Return: NULL if there is nothing in flight that it could be for.
 */
struct nbd_inflight *clt_watch_find(struct clt_conn *conn)
{
	struct clt_leg *leg = conn->leg;

	/* Pairs with clt_watch(). */
	if (conn->index || !smp_load_acquire(&leg->watching) ||
	    atomic_read(&leg->watch.state) & CLT_REQ_ANSWERED)
		return NULL;
	return &leg->watch.inflight;
}

/**
 * clt_watch_answered() - have the core ask for the size
 * @leg: leg
 *
 * A server that does not know the command after all is not asked again.
 */
void clt_watch_answered(struct clt_leg *leg)
{
	u32 error = leg->watch.inflight.error;

	/* Pairs with clt_watch(): the request may be used again. */
	smp_store_release(&leg->watching, false);
	if (!error)
		unbd_leg_changed(&leg->base);
}
