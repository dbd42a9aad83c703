// SPDX-License-Identifier: GPL-2.0
/*
 * The transmission phase: requests are received, checked and submitted.
 *
 * Nothing here waits for the client. Reading stops while a connection has all
 * the requests or memory it may have, and TCP tells the client's TCP.
 */
#define pr_fmt(fmt) "unbd-tcp-server: " fmt

#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>

#include "server.h"

/*
 * Requests that are submitted together, so that the block layer can merge. One
 * with data counts once more for each 32 KiB: those need not wait for company.
 */
#define SRV_BATCH		32
#define SRV_BATCH_SHIFT		15

/* How soon to try again when there was no memory for a request's data. */
#define SRV_MEMORY_RETRY	(HZ / 10)

/* A client that sends less of a request's data than this does not get on. */
#define SRV_RX_PROGRESS		SZ_64K

/*
 * The data of a WRITE that is refused are received all the same. Nobody means as
 * many as these, and no call of a socket takes more.
 */
#define SRV_LONGEST_SKIP	INT_MAX

static unsigned int max_requests = 256;
module_param(max_requests, uint, 0644);
MODULE_PARM_DESC(max_requests,
		 "requests of one connection that are served at a time (default: 256)");

static void srv_rx_ready(struct srv_conn *conn, struct srv_request *req)
{
	list_add_tail(&req->entry, &conn->ready);
	conn->nr_ready += 1 + (req->wire.payload >> SRV_BATCH_SHIFT);
	conn->rx_req = NULL;
	WRITE_ONCE(conn->rx, SRV_RX_HEAD);
}

static void srv_rx_answer(struct srv_conn *conn, struct srv_request *req)
{
	list_add_tail(&req->entry, &conn->tx);
	conn->rx_req = NULL;
	WRITE_ONCE(conn->rx, SRV_RX_HEAD);
}

/* Have the data of conn->rx_req thrown away; it is answered after them. */
static void srv_rx_start_skip(struct srv_conn *conn, u32 len)
{
	u32 have = min(len, conn->rx_have - conn->rx_at);

	conn->rx_at += have;
	conn->rx_skip = len - have;
	if (conn->rx_skip)
		WRITE_ONCE(conn->rx, SRV_RX_SKIP);
	else
		srv_rx_answer(conn, conn->rx_req);
}

static int srv_rx_skip(struct srv_conn *conn)
{
	struct iov_iter iter;
	int n;

	iov_iter_discard(&iter, ITER_DEST, conn->rx_skip);
	n = unbd_stream_recv(&conn->stream, &iter);
	if (n < 0)
		return n;
	conn->rx_skip -= n;
	if (!conn->rx_skip)
		srv_rx_answer(conn, conn->rx_req);
	return n;
}

static int srv_rx_payload(struct srv_conn *conn)
{
	int n = unbd_stream_recv(&conn->stream, &conn->rx_iter);

	if (n < 0)
		return n;
	conn->rx_unnoticed += n;
	if (conn->rx_unnoticed >= SRV_RX_PROGRESS) {
		conn->rx_unnoticed = 0;
		WRITE_ONCE(conn->rx_progress, jiffies);
	}
	if (!iov_iter_count(&conn->rx_iter))
		srv_rx_ready(conn, conn->rx_req);
	return n;
}

/* The pages of a WRITE are there: what was received already goes into them. */
static void srv_rx_start_payload(struct srv_conn *conn,
				 struct srv_request *req)
{
	u32 len = req->wire.payload;
	u32 have = min(len, conn->rx_have - conn->rx_at);

	iov_iter_bvec(&conn->rx_iter, ITER_DEST, req->bvec, req->nr_bvec, len);
	have = copy_to_iter(conn->rx_buf + conn->rx_at, have, &conn->rx_iter);
	conn->rx_at += have;
	/* More of them are likely: leave their data to be received in place. */
	conn->rx_ahead = false;
	if (have == len) {
		srv_rx_ready(conn, req);
		return;
	}
	conn->rx_unnoticed = 0;
	WRITE_ONCE(conn->rx_progress, jiffies);
	WRITE_ONCE(conn->rx, SRV_RX_PAYLOAD);
}

/* Get the memory that conn->rx_req needs, and go on to its data. */
static int srv_rx_memory(struct srv_conn *conn)
{
	struct srv_request *req = conn->rx_req;
	u32 len = req->wire.length;
	u32 memory = srv_request_memory(len);

	if (!srv_mem_get(conn, memory))
		return -EAGAIN;
	/* To the client's file system ENOMEM would be the end of its disk. */
	if (srv_request_needs_pages(req) && srv_request_alloc_pages(req, len)) {
		srv_mem_put(conn, memory);
		queue_delayed_work(srv_control_wq, &conn->deadline,
				   SRV_MEMORY_RETRY);
		return -EAGAIN;
	}
	req->charged = memory;
	if (req->wire.payload)
		srv_rx_start_payload(conn, req);
	else
		srv_rx_ready(conn, req);
	return 1;
}

/* A request's header was good enough to be answered. */
static int srv_rx_begin(struct srv_conn *conn, const struct nbd_request *wire)
{
	struct srv_request *req = srv_request_new(conn, wire);

	if (!req) {
		srv_conn_drop(conn, "no memory for a request");
		return -ENOMEM;
	}
	conn->rx_req = req;
	conn->rx_ahead = true;
	if (req->refused) {
		srv_rx_start_skip(conn, wire->payload);
		return 1;
	}
	if (wire->cmd != NBD_CMD_READ && wire->cmd != NBD_CMD_WRITE) {
		srv_rx_ready(conn, req);
		return 1;
	}
	WRITE_ONCE(conn->rx, SRV_RX_MEMORY);
	return 1;
}

/* The client will send no more. */
static int srv_rx_end(struct srv_conn *conn)
{
	WRITE_ONCE(conn->phase, SRV_DRAINING);
	return 1;
}

/* Get a whole header into conn->rx_buf. */
static int srv_rx_fill(struct srv_conn *conn, u32 need)
{
	u32 have = conn->rx_have - conn->rx_at;
	struct iov_iter iter;
	struct kvec vec;
	int n;

	memmove(conn->rx_buf, conn->rx_buf + conn->rx_at, have);
	conn->rx_at = 0;
	conn->rx_have = have;
	vec.iov_base = conn->rx_buf + have;
	vec.iov_len = (conn->rx_ahead ? SRV_RX_BUFFER : need) - have;
	iov_iter_kvec(&iter, ITER_DEST, &vec, 1, vec.iov_len);
	n = unbd_stream_recv(&conn->stream, &iter);
	if (n > 0)
		conn->rx_have += n;
	else if (n == -ECONNRESET && !have)
		return srv_rx_end(conn);
	return n;
}

/*
 * A header that is cut short: does it begin like one at all? A client that has
 * other headers in mind might never send enough of them.
 */
static bool srv_rx_plausible(struct srv_conn *conn)
{
	u32 want = conn->params.headers == NBD_HEADERS_EXTENDED ?
		   NBD_EXTENDED_REQUEST_MAGIC : NBD_REQUEST_MAGIC;
	u32 magic;

	if (conn->rx_have - conn->rx_at < sizeof(magic))
		return true;
	magic = get_unaligned_be32(conn->rx_buf + conn->rx_at);
	if (magic != want)
		srv_conn_drop(conn, "request with magic 0x%x", magic);
	return magic == want;
}

static int srv_rx_head(struct srv_conn *conn)
{
	u32 need = nbd_request_size(conn->params.headers);
	char why[UNBD_WHY_LEN];
	struct nbd_request wire;

	if (conn->nr_requests >= max(READ_ONCE(max_requests), 1u))
		return -EAGAIN;
	if (conn->rx_have - conn->rx_at < need)
		return srv_rx_plausible(conn) ? srv_rx_fill(conn, need) :
						-EPROTO;
	switch (nbd_get_request(conn->rx_buf + conn->rx_at, &conn->params,
				&wire, why, sizeof(why))) {
	case NBD_REQUEST_OK:
		wire.error = 0;
		break;
	case NBD_REQUEST_REFUSED:
		pr_debug("%s: %s\n", conn->base.peer_name, why);
		if (wire.payload <= SRV_LONGEST_SKIP)
			break;
		srv_conn_drop(conn, "payload of %u bytes", wire.payload);
		return -EPROTO;
	case NBD_REQUEST_FATAL:
		srv_conn_drop(conn, "%s", why);
		return -EPROTO;
	}
	conn->rx_at += need;
	if (!wire.error && wire.cmd == NBD_CMD_DISC)
		return srv_rx_end(conn);
	if (!wire.error && wire.cmd == NBD_CMD_UNBD_WATCH) {
		if (!conn->watching) {
			srv_watch_begin(conn, &wire);
			return 1;
		}
		wire.error = NBD_EINVAL;
	}
	return srv_rx_begin(conn, &wire);
}

static int srv_rx_step(struct srv_conn *conn)
{
	switch (conn->rx) {
	case SRV_RX_HEAD:
		return srv_rx_head(conn);
	case SRV_RX_MEMORY:
		return srv_rx_memory(conn);
	case SRV_RX_PAYLOAD:
		return srv_rx_payload(conn);
	case SRV_RX_SKIP:
		return srv_rx_skip(conn);
	}
	return -EAGAIN;
}

/*
 * Who resets a connection gives it up and sends everything again, maybe changed,
 * on another one: what is still here must not be executed after that. TCP would
 * go on to hand out what it has received.
 */
static bool srv_io_cut(const struct srv_conn *conn)
{
	return srv_conn_closing(conn) ||
		READ_ONCE(conn->stream.sock->sk->sk_err);
}

static void srv_submit_ready(struct srv_conn *conn)
{
	struct srv_request *req, *next;
	struct blk_plug plug;

	blk_start_plug(&plug);
	list_for_each_entry_safe(req, next, &conn->ready, entry) {
		if (srv_io_cut(conn))
			break;
		list_del(&req->entry);
		srv_request_submit(req);
	}
	blk_finish_plug(&plug);
	conn->nr_ready = 0;
}

/*
 * Return: 1 if something was received; 0 if nothing can be, and io_work will
 * run when that changes; or -errno.
 */
static int srv_receive(struct srv_conn *conn)
{
	int n = 0, received = 0;

	while (conn->phase == SRV_LIVE && conn->nr_ready < SRV_BATCH) {
		n = srv_rx_step(conn);
		if (n < 0)
			break;
		received = 1;
	}
	if (conn->nr_ready)
		srv_submit_ready(conn);
	return n < 0 && n != -EAGAIN ? n : received;
}

/* Move what the storage has finished to the replies, oldest first. */
static int srv_reap(struct srv_conn *conn)
{
	struct llist_node *done = llist_del_all(&conn->done);
	struct srv_request *req, *next;

	if (!done)
		return 0;
	done = llist_reverse_order(done);
	llist_for_each_entry_safe(req, next, done, done)
		list_add_tail(&req->entry, &conn->tx);
	return 1;
}

/* The client's side of a farewell: throw away what still comes. */
static int srv_linger(struct srv_conn *conn)
{
	struct iov_iter iter;
	int n;

	if (conn->stream.is_tcp &&
	    READ_ONCE(conn->stream.sock->sk->sk_state) == TCP_CLOSE)
		return -ECONNRESET;
	iov_iter_discard(&iter, ITER_DEST, SZ_64K);
	n = unbd_stream_recv(&conn->stream, &iter);
	/* TCP gets here again when its last byte has been acknowledged. */
	if (n == -EAGAIN || (n == -ECONNRESET && conn->stream.is_tcp))
		return 0;
	return n < 0 ? n : 1;
}

/* What says that a flush has failed must not get lost on its way. */
static void srv_note_told(struct srv_conn *conn)
{
	if (unbd_conn_may_tell(&conn->base) && !conn->nr_requests &&
	    conn->tx_at == conn->tx_len &&
	    unbd_stream_is_taken(&conn->stream))
		unbd_conn_told(&conn->base);
}

/* Return: 1 if another round may find something to do, 0, or -errno. */
static int srv_io_round(struct srv_conn *conn)
{
	int reaped, sent, received;

	srv_note_told(conn);
	if (conn->phase == SRV_LINGERING)
		return srv_linger(conn);
	reaped = srv_reap(conn);
	if (READ_ONCE(conn->watch_due))
		srv_watch_answer(conn);
	sent = srv_send(conn);
	if (sent < 0)
		return sent;
	if (srv_io_cut(conn))
		return -ECONNRESET;
	received = srv_receive(conn);
	if (received < 0)
		return received;
	if (conn->phase == SRV_DRAINING && !conn->nr_requests) {
		srv_conn_farewell(conn);
		return 1;
	}
	return reaped | sent | received;
}

/* The socket says that it is over. */
static void srv_io_lost(struct srv_conn *conn, int error)
{
	if (conn->rx == SRV_RX_PAYLOAD || conn->rx == SRV_RX_SKIP ||
	    conn->rx_at < conn->rx_have)
		srv_conn_drop(conn, "ends inside a request (%d)", error);
	else
		pr_debug("%s: lost (%d)\n", conn->base.peer_name, error);
	srv_conn_kill(conn);
}

/**
 * srv_io_work() - drive a connection in its transmission phase
 * @work: of the connection
 */
void srv_io_work(struct work_struct *work)
{
	struct srv_conn *conn = container_of(work, struct srv_conn, io_work);
	unsigned int noio = memalloc_noio_save();
	unsigned long start = jiffies;
	int more = 1;

	WRITE_ONCE(conn->io_task, current);
	/* A tick, then others get the CPU. */
	while (more > 0 && !time_after(jiffies, start) &&
	       !srv_conn_closing(conn))
		more = srv_io_round(conn);
	WRITE_ONCE(conn->io_task, NULL);
	memalloc_noio_restore(noio);
	if (more < 0)
		srv_io_lost(conn, more);
	else if (more > 0 && !srv_conn_closing(conn))
		srv_conn_wake(conn);
}

static void srv_free_list(struct list_head *list)
{
	struct srv_request *req, *next;

	list_for_each_entry_safe(req, next, list, entry) {
		list_del(&req->entry);
		srv_request_free(req);
	}
}

/**
 * srv_io_release() - free what a connection has left
 * @conn: connection that nothing drives and nothing comes back to any more
 */
void srv_io_release(struct srv_conn *conn)
{
	srv_reap(conn);
	srv_free_list(&conn->tx);
	srv_free_list(&conn->ready);
	if (conn->rx_req)
		srv_request_free(conn->rx_req);
	srv_request_forget_kept(conn);
	srv_mem_forget(conn);
	WARN_ON_ONCE(conn->nr_requests);
}
