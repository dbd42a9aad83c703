// SPDX-License-Identifier: GPL-2.0
/*
 * The way back: from the socket to completed requests.
 *
 * The reply parser says where each byte goes. On TCP the bytes are taken from
 * the socket's buffers in place (read_sock); the other families have no such
 * thing that could be used, each step is a recvmsg() there.
 */
#include <linux/blk-mq.h>
#include <linux/sizes.h>
#include <linux/skbuff.h>

#include "client.h"

/* For families without read_sock: bytes that are received in one go */
#define RECV_QUOTA	(256 * 1024)

/* Bytes of holes that are zeroed with bottom halves off; more are left to the work */
#define ZERO_AT_ONCE	SZ_64K

/* ------------------------------------------------------------------ */
/* Ending requests                                                    */

/*
 * What a server's error is to the block layer, and the errno user space gets:
 *
 *	ENOSPC		NOSPC		ENOSPC
 *	ENOTSUP		NOTSUPP		EOPNOTSUPP; zeroing and discarding have
 *					other means then
 *	ENOMEM		RESOURCE	ENOMEM; as the end of a request, unlike
 *					from queue_rq, it is not tried again
 *	EINVAL		INVAL		EINVAL, before 6.11 EREMOTEIO
 *	EPERM		TARGET		EREMOTEIO, as from a write-protected
 *					SCSI disk; no status stands for EPERM
 *	others		IOERR		EIO
 *
 * None of these but IOERR and RESOURCE is a path error to dm-multipath.
 * ESHUTDOWN does not end a request, it breaks the path.
 */
static blk_status_t status_of(u32 error)
{
	switch (nbd_error_to_errno(error)) {
	case 0:
		return BLK_STS_OK;
	case -ENOSPC:
		return BLK_STS_NOSPC;
	case -EOPNOTSUPP:
		return BLK_STS_NOTSUPP;
	case -ENOMEM:
		return BLK_STS_RESOURCE;
	case -EINVAL:
		return BLK_STS_INVAL;
	case -EPERM:
		return BLK_STS_TARGET;
	}
	return BLK_STS_IOERR;
}

static void end_request(struct clt_conn *conn, struct clt_request *req)
{
	if (unlikely(!req->rq)) {
		clt_watch_answered(conn->leg);
		return;
	}
	conn->completed++;
	unbd_complete_request(req->rq, status_of(req->inflight.error));
}

static void end_finished(struct clt_conn *conn)
{
	struct llist_node *node = llist_del_all(&conn->finished);
	struct clt_request *req, *next;

	llist_for_each_entry_safe(req, next, node, node)
		end_request(conn, req);
}

/* ------------------------------------------------------------------ */
/* Steps of the parser                                                */

static struct nbd_inflight *find_request(void *ctx, u64 cookie)
{
	struct clt_conn *conn = ctx;
	struct clt_request *req;
	struct request *rq;

	if (unlikely(cookie == CLT_WATCH_COOKIE))
		return clt_watch_find(conn);
	rq = unbd_request_find(&conn->leg->base, conn->index, cookie);
	if (!rq)
		return NULL;
	req = to_clt_request(rq);
	/* Pairs with prepare_request(). */
	if (smp_load_acquire(&req->generation) != upper_32_bits(cookie))
		return NULL;
	if (atomic_read(&req->state) & CLT_REQ_ANSWERED)
		return NULL;
	return &req->inflight;
}

static struct clt_request *request_in_hand(struct clt_conn *conn)
{
	return container_of(conn->parser.req, struct clt_request, inflight);
}

/* The block layer wants polled requests to be ended with bottom halves on. */
static bool ends_later(struct clt_conn *conn, struct clt_request *req)
{
	return conn->atomic && req->rq &&
		req->rq->mq_hctx->type == HCTX_TYPE_POLL;
}

static int answered(struct clt_conn *conn)
{
	struct clt_request *req = request_in_hand(conn);

	if (req->inflight.error == NBD_ESHUTDOWN) {
		set_bit(CLT_CONN_DISMISSED, &conn->flags);
		return unbd_why(conn->why, sizeof(conn->why), -ESHUTDOWN,
				"the server is shutting down");
	}
	if (!(atomic_fetch_or(CLT_REQ_ANSWERED, &req->state) & CLT_REQ_SENT))
		return 0;
	if (ends_later(conn, req))
		llist_add(&req->node, &conn->finished);
	else
		end_request(conn, req);
	return 0;
}

/* Data or a hole come next; see TURN_BYTES. */
static int turn(struct clt_conn *conn)
{
	struct clt_request *req = request_in_hand(conn);

	if (conn->parser.pos >= req->pos || req->turns--)
		return 0;
	return unbd_why(conn->why, sizeof(conn->why), -EPROTO,
			"small chunks of a READ at %llu come backwards",
			req->inflight.offset);
}

static int zero(struct clt_conn *conn)
{
	int err = turn(conn);

	if (err)
		return err;
	if (clt_request_zero(request_in_hand(conn), conn->parser.pos,
			     conn->parser.len, !conn->atomic))
		return unbd_why(conn->why, sizeof(conn->why), -EPROTO,
				"a hole is larger than the request");
	return 0;
}

/* Is the hole to come too large for whoever must not take long? */
static bool zero_later(struct clt_conn *conn)
{
	if (!conn->atomic)
		return false;
	if (conn->parser.len > conn->zero_left)
		return true;
	conn->zero_left -= conn->parser.len;
	return false;
}

/*
 * Goes on to the next step that needs bytes, or to a hole that is left to the
 * work; -errno with conn->why.
 */
static int next_step(struct clt_conn *conn)
{
	int err = 0;

	while (!err) {
		conn->action = nbd_reply_next(&conn->parser);
		conn->left = conn->parser.len;
		switch (conn->action) {
		case NBD_REPLY_DATA:
			return turn(conn);
		case NBD_REPLY_HEADER:
		case NBD_REPLY_SKIP:
			return 0;
		case NBD_REPLY_ZERO:
			if (zero_later(conn))
				return 0;
			err = zero(conn);
			break;
		case NBD_REPLY_DONE:
			err = answered(conn);
			break;
		case NBD_REPLY_FATAL:
			err = -EPROTO;
			break;
		}
	}
	return err;
}

/* @n bytes of the step in hand have been dealt with. */
static int step_done(struct clt_conn *conn, size_t n)
{
	int err;

	conn->left -= n;
	if (conn->left)
		return n;
	err = next_step(conn);
	return err ? err : n;
}

static void *header_place(struct clt_conn *conn)
{
	return conn->parser.buf + conn->parser.len - conn->left;
}

/* Points the request's iterator to where the next data go. */
static size_t data_place(struct clt_conn *conn)
{
	size_t room = clt_request_seek(request_in_hand(conn),
				       conn->parser.pos +
				       conn->parser.len - conn->left);

	return min_t(size_t, room, conn->left);
}

static void recv_failed(struct clt_conn *conn, int err)
{
	if (conn->why[0])
		clt_conn_fail(conn, err, "%s", conn->why);
	else if (err == -ECONNRESET)
		clt_conn_fail(conn, err, "the server closed the connection");
	else if (err == -ETIMEDOUT)
		clt_conn_fail(conn, err, "the server's host does not answer");
	else
		clt_conn_fail(conn, err, "the connection broke");
}

/* ------------------------------------------------------------------ */
/* TCP                                                                */

static int copy_data(struct clt_conn *conn, struct sk_buff *skb,
		     unsigned int offset, size_t len)
{
	struct clt_request *req = request_in_hand(conn);

	len = min(len, data_place(conn));
	if (!len || skb_copy_datagram_iter(skb, offset, &req->iter, len))
		return unbd_why(conn->why, sizeof(conn->why), -EFAULT,
				"data have no place in the request");
	req->pos += len;
	return len;
}

/* Takes bytes of one buffer for the step in hand, returns how many. */
static int take(struct clt_conn *conn, struct sk_buff *skb,
		unsigned int offset, size_t len)
{
	int n = min_t(size_t, len, conn->left);
	int err = 0;

	if (conn->action == NBD_REPLY_HEADER)
		err = skb_copy_bits(skb, offset, header_place(conn), n);
	else if (conn->action == NBD_REPLY_DATA)
		n = copy_data(conn, skb, offset, n);
	if (err)
		return unbd_why(conn->why, sizeof(conn->why), err,
				"the network gave a broken buffer");
	return n < 0 ? n : step_done(conn, n);
}

/* read_sock's actor, with the socket locked; < 0 only for nothing taken. */
static int take_buffer(read_descriptor_t *desc, struct sk_buff *skb,
		       unsigned int offset, size_t len)
{
	struct clt_conn *conn = desc->arg.data;
	size_t taken = 0;
	int n;

	/* It is called for the rest of a buffer all the same. */
	if (desc->error)
		return desc->error;
	while (taken < len && conn->action != NBD_REPLY_ZERO) {
		n = take(conn, skb, offset + taken, len - taken);
		if (n < 0) {
			desc->error = n;
			desc->count = 0;
			break;
		}
		taken += n;
	}
	if (conn->action == NBD_REPLY_ZERO)
		desc->count = 0;
	return taken ? taken : desc->error;
}

/* The hole that was left to us. */
static int zero_now(struct clt_conn *conn)
{
	int err = zero(conn);

	return err ? err : next_step(conn);
}

static int read_tcp(struct clt_conn *conn)
{
	read_descriptor_t desc = { .arg.data = conn, .count = 1 };
	struct socket *sock = conn->stream.sock;
	int n = 0;

	if (unlikely(conn->action == NBD_REPLY_ZERO))
		n = zero_now(conn);
	if (!n)
		n = sock->ops->read_sock(sock->sk, &desc, take_buffer);
	return desc.error ? desc.error : n;
}

/* Takes what is in the socket, which is locked. */
static int receive_tcp(struct clt_conn *conn)
{
	int n;

	sock_owned_by_me(conn->stream.sock->sk);

	/* The parser is at nothing that could be gone on with. */
	if (clt_conn_broken(conn))
		return 0;
	n = read_tcp(conn);
	if (n > 0)
		WRITE_ONCE(conn->received, jiffies);
	else if (n < 0)
		recv_failed(conn, n);
	return n;
}

/* Likewise, with bottom halves off: leaves to the work what takes long. */
static int receive_atomic(struct clt_conn *conn)
{
	int n = 0;

	if (conn->action != NBD_REPLY_ZERO) {
		conn->atomic = true;
		conn->zero_left = ZERO_AT_ONCE;
		n = receive_tcp(conn);
		conn->atomic = false;
	}
	if (unlikely(conn->action == NBD_REPLY_ZERO))
		clt_conn_kick(conn);
	return n;
}

static int recv_tcp(struct clt_conn *conn)
{
	struct sock *sk = conn->stream.sock->sk;
	int n;

	lock_sock(sk);
	end_finished(conn);
	n = receive_tcp(conn);
	release_sock(sk);
	return n;
}

/* For those who must not sleep; -EAGAIN while a process has the socket. */
static int poll_tcp(struct clt_conn *conn)
{
	struct sock *sk = conn->stream.sock->sk;
	int n = -EAGAIN;

	end_finished(conn);
	local_bh_disable();
	bh_lock_sock(sk);
	if (!sock_owned_by_user_nocheck(sk))
		n = receive_atomic(conn);
	bh_unlock_sock(sk);
	local_bh_enable();
	end_finished(conn);
	return n;
}

/**
 * clt_recv_now() - receive what has come, in the softirq that brings it
 * @conn: connection over TCP that is not polled
 *
 * With the socket's spinlock held, while no process has the socket.
 */
void clt_recv_now(struct clt_conn *conn)
{
	receive_atomic(conn);
	if (unlikely(!llist_empty(&conn->finished)))
		clt_conn_kick(conn);
}

/* ------------------------------------------------------------------ */
/* AF_UNIX, AF_VSOCK                                                  */

static int recv_data(struct clt_conn *conn)
{
	struct clt_request *req = request_in_hand(conn);
	struct iov_iter part;
	size_t len;
	int n;

	len = data_place(conn);
	if (!len)
		return unbd_why(conn->why, sizeof(conn->why), -EFAULT,
				"data have no place in the request");
	part = req->iter;
	iov_iter_truncate(&part, len);
	n = unbd_stream_recv(&conn->stream, &part);
	if (n > 0) {
		iov_iter_advance(&req->iter, n);
		req->pos += n;
	}
	return n;
}

static int recv_buffer(struct clt_conn *conn, void *buf, size_t len)
{
	struct kvec kv = { .iov_base = buf, .iov_len = len };
	struct iov_iter iter;

	iov_iter_kvec(&iter, ITER_DEST, &kv, 1, len);
	return unbd_stream_recv(&conn->stream, &iter);
}

static int recv_nothing(struct clt_conn *conn)
{
	struct iov_iter iter;

	iov_iter_discard(&iter, ITER_DEST, conn->left);
	return unbd_stream_recv(&conn->stream, &iter);
}

static int recv_step(struct clt_conn *conn)
{
	int n;

	if (conn->action == NBD_REPLY_HEADER)
		n = recv_buffer(conn, header_place(conn), conn->left);
	else if (conn->action == NBD_REPLY_DATA)
		n = recv_data(conn);
	else
		n = recv_nothing(conn);
	return n < 0 ? n : step_done(conn, n);
}

static int recv_messages(struct clt_conn *conn)
{
	int total = 0, n;

	end_finished(conn);
	do {
		n = recv_step(conn);
		if (n == -EAGAIN)
			return total;
		if (n < 0)
			return n;
		total += n;
	} while (total < RECV_QUOTA);
	return total;
}

/* ------------------------------------------------------------------ */

/* Receives with @receive, returns what it does; -EAGAIN leaves all as it is. */
static int recv_with(struct clt_conn *conn,
		     int (*receive)(struct clt_conn *conn))
{
	int ended, n;

	lockdep_assert_held(&conn->recv_mutex);

	if (clt_conn_broken(conn))
		return 0;
	/* Asked first: what came before the end is received all the same. */
	ended = unbd_stream_status(&conn->stream);
	do {
		n = receive(conn);
		if (n > 0)
			WRITE_ONCE(conn->received, jiffies);
	} while (n > 0 && ended);
	if (n >= 0 && ended)
		n = ended;
	if (n < 0 && n != -EAGAIN)
		recv_failed(conn, n);
	return n;
}

/**
 * clt_recv() - receive what has come and end what is answered by it
 * @conn: connection
 *
 * Process context; sleeps for the socket's lock. Adds to conn->completed.
 *
 * Return: true if there may be more to receive although no report will say so.
 */
bool clt_recv(struct clt_conn *conn)
{
	if (!conn->stream.is_tcp)
		return recv_with(conn, recv_messages) >= RECV_QUOTA;
	recv_with(conn, recv_tcp);
	return false;
}

/**
 * clt_recv_poll() - clt_recv() for those who must not sleep
 * @conn: connection over TCP
 *
 * Process context, within an RCU read-side critical section too. Takes nothing
 * while somebody else has the socket's lock. Adds to conn->completed.
 */
void clt_recv_poll(struct clt_conn *conn)
{
	recv_with(conn, poll_tcp);
}

/**
 * clt_recv_start() - expect the first reply
 * @conn: connection whose headers are set
 */
void clt_recv_start(struct clt_conn *conn)
{
	conn->why[0] = '\0';
	nbd_reply_parser_init(&conn->parser, conn->headers, find_request,
			      conn, conn->why, sizeof(conn->why));
	/* The first step is a header, whatever the peer does. */
	next_step(conn);
}
