// SPDX-License-Identifier: GPL-2.0
/*
 * The way out: from queue_rq to the socket.
 *
 * queue_rq puts a request on a lockless list, and with the last one of a batch
 * sends all of it, in the submitter's own context if nobody else is sending.
 * Whoever does send looks again after he has let go of the mutex, so a
 * request that was added meanwhile is not forgotten. What the socket does not
 * take stays at the head of conn->queue until the socket reports room.
 */
#include <linux/smp.h>

#include "client.h"

/* Headers that one call of the socket sends */
#define MAX_HEADERS	16

/*
 * A server may answer a read in any order. Each time that it goes back, the place
 * is looked for from the first bio on, which must not be worth more than the
 * data are.
 */
#define TURN_BYTES	4096
#define TURNS_MIN	64

/* For how long one thread sends before it leaves the rest to conn->work */
#define SEND_QUOTA	msecs_to_jiffies(1)

static struct clt_request *to_request(struct llist_node *node)
{
	return llist_entry(node, struct clt_request, node);
}

/* ------------------------------------------------------------------ */
/* Requests                                                           */

/*
 * The protocol's command for a request, or -1.
 *
 * FAST_ZERO is never asked for: whether the caller would rather write zeroes
 * himself is known to blkdev_issue_zeroout() only and not part of the request.
 */
static int command_of(struct request *rq, u16 *flags)
{
	*flags = rq->cmd_flags & REQ_FUA ? NBD_CMD_FLAG_FUA : 0;
	switch (req_op(rq)) {
	case REQ_OP_READ:
		*flags = 0;
		return NBD_CMD_READ;
	case REQ_OP_WRITE:
		return NBD_CMD_WRITE;
	case REQ_OP_FLUSH:
		*flags = 0;
		return NBD_CMD_FLUSH;
	case REQ_OP_DISCARD:
		*flags = 0;
		return NBD_CMD_TRIM;
	case REQ_OP_WRITE_ZEROES:
		if (rq->cmd_flags & REQ_NOUNMAP)
			*flags |= NBD_CMD_FLAG_NO_HOLE;
		return NBD_CMD_WRITE_ZEROES;
	default:
		return -1;
	}
}

static bool prepare_request(struct clt_conn *conn, struct request *rq)
{
	struct clt_request *req = to_clt_request(rq);
	u64 cookie = unbd_request_cookie(rq);
	u64 offset = 0;
	u32 length = 0;
	u16 flags;
	int cmd;

	cmd = command_of(rq, &flags);
	if (cmd < 0)
		return false;
	/* "NBD_CMD_FLUSH": both must be zero. */
	if (cmd != NBD_CMD_FLUSH) {
		offset = (u64)blk_rq_pos(rq) << SECTOR_SHIFT;
		length = blk_rq_bytes(rq);
	}
	req->rq = rq;
	req->bio = NULL;
	req->pos = 0;
	req->to_send = cmd == NBD_CMD_WRITE ? length : 0;
	req->turns = TURNS_MIN + length / TURN_BYTES;
	req->header_sent = 0;
	req->header_len = nbd_put_request(req->header, conn->headers, cmd,
					  flags, cookie, offset, length);
	nbd_inflight_init(&req->inflight, cmd, offset, length);
	atomic_set(&req->state, 0);
	/* Pairs with find_request(). */
	smp_store_release(&req->generation, upper_32_bits(cookie));
	return true;
}

/* The first request of the queue is with the socket in full. */
static void request_sent(struct clt_conn *conn)
{
	struct clt_request *req = to_request(conn->queue);

	WRITE_ONCE(conn->queue, conn->queue->next);
	/* Unless it has been answered the receiver may end it any time. */
	if (atomic_fetch_or(CLT_REQ_SENT, &req->state) & CLT_REQ_ANSWERED)
		llist_add(&req->node, &conn->finished);
}

/* ------------------------------------------------------------------ */
/* Bytes                                                              */

static bool more_behind(struct clt_conn *conn, struct llist_node *node)
{
	return node->next || !llist_empty(&conn->submitted);
}

/* Counts what the socket has taken of the queue's first headers. */
static void headers_sent(struct clt_conn *conn, size_t sent)
{
	struct clt_request *req;
	size_t n;

	while (sent) {
		req = to_request(conn->queue);
		n = min_t(size_t, sent, req->header_len - req->header_sent);
		req->header_sent += n;
		sent -= n;
		if (req->header_sent == req->header_len && !req->to_send)
			request_sent(conn);
	}
}

/* Sends the headers from the queue's head up to the first write. */
static int send_headers(struct clt_conn *conn)
{
	struct kvec kv[MAX_HEADERS];
	struct llist_node *node;
	struct clt_request *req;
	struct iov_iter iter;
	unsigned int nr = 0;
	size_t len = 0;
	bool more = false;
	int n;

	for (node = conn->queue; node && nr < MAX_HEADERS && !more;
	     node = node->next) {
		req = to_request(node);
		kv[nr].iov_base = req->header + req->header_sent;
		kv[nr].iov_len = req->header_len - req->header_sent;
		len += kv[nr++].iov_len;
		more = req->to_send;
	}
	more = more || node || !llist_empty(&conn->submitted);
	iov_iter_kvec(&iter, ITER_SOURCE, kv, nr, len);
	n = unbd_stream_send(&conn->stream, &iter, more);
	if (n > 0)
		headers_sent(conn, n);
	return n;
}

/*
 * What is sent by reference leaves with what the pages have by then: something
 * else perhaps, if packets are held up, the path is lost and the write has been
 * answered over another one. A server that fences takes nothing of it any more.
 */
static bool may_send_pages(struct clt_conn *conn)
{
	const struct unbd_leg *leg = &conn->leg->base;

	return leg->fences || !unbd_leg_has_others(leg);
}

static int send_data(struct clt_conn *conn, struct clt_request *req)
{
	size_t len = clt_request_seek(req, req->inflight.length -
				      req->to_send);
	bool more = len < req->to_send || more_behind(conn, &req->node);
	int n;

	if (WARN_ON_ONCE(!len || len > req->to_send))
		return -EFAULT;
	if (may_send_pages(conn))
		n = unbd_stream_send_pages(&conn->stream, &req->iter, more);
	else
		n = unbd_stream_send(&conn->stream, &req->iter, more);
	if (n <= 0)
		return n;
	req->pos += n;
	req->to_send -= n;
	if (!req->to_send)
		request_sent(conn);
	return n;
}

static int send_some(struct clt_conn *conn)
{
	struct clt_request *req = to_request(conn->queue);

	if (req->header_sent < req->header_len)
		return send_headers(conn);
	return send_data(conn, req);
}

static bool next_request(struct clt_conn *conn)
{
	struct llist_node *node;

	if (!conn->queue && !llist_empty(&conn->submitted)) {
		node = llist_del_all(&conn->submitted);
		WRITE_ONCE(conn->queue, llist_reverse_order(node));
	}
	return conn->queue;
}

/* Returns true if it could have gone on. */
static bool send_held(struct clt_conn *conn)
{
	unsigned long deadline = jiffies + SEND_QUOTA;
	int n;

	while (next_request(conn)) {
		if (clt_conn_broken(conn))
			return false;
		n = send_some(conn);
		if (n == -EAGAIN) {
			conn->full = true;
			return false;
		}
		if (n < 0) {
			clt_conn_fail(conn, n, "the connection broke while sending");
			return false;
		}
		if (unlikely(conn->full)) {
			conn->full = false;
			WRITE_ONCE(conn->got_room, jiffies);
		}
		if (time_after(jiffies, deadline))
			return true;
	}
	return false;
}

static bool send_queue(struct clt_conn *conn)
{
	bool unfinished;

	lockdep_assert_held(&conn->send_mutex);

	if (!next_request(conn))
		return false;
	unbd_stream_hold(&conn->stream);
	unfinished = send_held(conn);
	unbd_stream_unhold(&conn->stream);
	return unfinished;
}

/**
 * clt_send() - send what is queued
 * @conn: connection
 * @wait: for another sender; else leave it to him
 *
 * Process context; sleeps for other senders and the socket's lock at most.
 *
 * Return: true if time was up; clt_conn_kick() is due.
 */
bool clt_send(struct clt_conn *conn, bool wait)
{
	bool unfinished;

	do {
		if (wait)
			mutex_lock(&conn->send_mutex);
		else if (!mutex_trylock(&conn->send_mutex))
			return false;
		unfinished = send_queue(conn);
		mutex_unlock(&conn->send_mutex);
		/*
		 * Pairs with llist_add() before mutex_trylock() in another
		 * sender: he gets the mutex or we see his request.
		 */
		smp_mb();
	} while (!unfinished && !clt_conn_broken(conn) &&
		 !READ_ONCE(conn->queue) && !llist_empty(&conn->submitted));

	/* Whoever receives ends them. */
	if (unlikely(!llist_empty(&conn->finished)))
		clt_conn_kick(conn);
	return unfinished;
}

/*
 * The send hooks of security modules would see whichever process happens to
 * submit. A socket of the kernel's own is beyond them, one that a process
 * has made is not: there conn->work sends everything.
 */
static void send_now(struct clt_conn *conn)
{
	if (conn->stream.borrowed || clt_send(conn, false))
		clt_conn_kick(conn);
}

/**
 * clt_queue_rq() - send a request, &unbd_transport_ops.queue_rq
 * @base: leg that is attached
 * @queue: the connection's number
 * @rq: request
 * @last: no more follow at once
 *
 * Return: BLK_STS_OK, and the request is ended by and by; BLK_STS_TRANSPORT if
 * the connection is broken; BLK_STS_NOTSUPP.
 */
blk_status_t clt_queue_rq(struct unbd_leg *base, unsigned int queue,
			  struct request *rq, bool last)
{
	struct clt_conn *conn = &to_clt_leg(base)->conns[queue];

	if (clt_conn_broken(conn))
		return BLK_STS_TRANSPORT;
	if (!prepare_request(conn, rq))
		return BLK_STS_NOTSUPP;
	WRITE_ONCE(conn->cpu, raw_smp_processor_id());
	llist_add(&to_clt_request(rq)->node, &conn->submitted);
	if (last)
		send_now(conn);
	return BLK_STS_OK;
}

/**
 * clt_commit_rqs() - no more follow after all, &unbd_transport_ops.commit_rqs
 * @base: leg that is attached
 * @queue: the connection's number
 */
void clt_commit_rqs(struct unbd_leg *base, unsigned int queue)
{
	struct clt_conn *conn = &to_clt_leg(base)->conns[queue];

	if (!llist_empty(&conn->submitted))
		send_now(conn);
}
