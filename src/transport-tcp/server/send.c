// SPDX-License-Identifier: GPL-2.0
/*
 * Replies on their way to the client.
 *
 * The heads of as many replies as there are go out together, up to the first
 * that has data; these follow by reference to their pages. What the socket
 * does not take stays until it says that there is room.
 */
#include "server.h"

/* The reply of conn->tx is complete. */
static void srv_send_finish(struct srv_conn *conn, struct srv_request *req)
{
	list_del(&req->entry);
	srv_request_free(req);
}

/* Have the next @len bytes of a request's data sent after conn->tx_buf. */
static void srv_send_attach(struct srv_conn *conn, struct srv_request *req,
			    u32 len)
{
	iov_iter_bvec(&conn->tx_iter, ITER_SOURCE, req->bvec, req->nr_bvec,
		      req->sent + len);
	iov_iter_advance(&conn->tx_iter, req->sent);
	req->sent += len;
	conn->tx_req = req;
}

/* The next piece of a READ that has succeeded; returns the head's length. */
static u32 srv_send_read_chunk(struct srv_conn *conn, struct srv_request *req,
			       void *buf)
{
	struct srv_run whole = { .length = req->wire.length };
	struct srv_run *run = req->runs ? &req->runs[req->run] : &whole;
	u64 offset = req->wire.offset + req->sent;
	enum nbd_header_style headers = conn->params.headers;

	req->run++;
	req->answered = !req->runs || req->run == req->nr_runs;
	if (run->hole) {
		req->sent += run->length;
		return nbd_put_hole(buf, headers, &req->wire, offset,
				    run->length, req->answered);
	}
	srv_send_attach(conn, req, run->length);
	return nbd_put_data(buf, headers, &req->wire, offset, run->length,
			    req->answered);
}

static u32 srv_send_extents(struct srv_conn *conn, struct srv_request *req,
			    void *buf)
{
	req->answered = true;
	srv_send_attach(conn, req, req->bvec[0].bv_len);
	return nbd_put_block_status(buf, conn->params.headers, &req->wire,
				    SRV_ALLOCATION_ID, req->nr_runs);
}

static u32 srv_send_chunk(struct srv_conn *conn, struct srv_request *req,
			  void *buf)
{
	u32 error = req->refused;

	if (!error)
		error = nbd_error_from_errno(req->error);
	if (!error && req->wire.cmd == NBD_CMD_READ)
		return srv_send_read_chunk(conn, req, buf);
	if (!error && req->wire.cmd == NBD_CMD_BLOCK_STATUS)
		return srv_send_extents(conn, req, buf);
	req->answered = true;
	return nbd_put_reply(buf, conn->params.headers, &req->wire, error);
}

/* Fill conn->tx_buf; false if there is nothing to send. */
static bool srv_send_gather(struct srv_conn *conn)
{
	struct srv_request *req;

	conn->tx_at = 0;
	conn->tx_len = 0;
	while (!conn->tx_req && !list_empty(&conn->tx) &&
	       conn->tx_len + NBD_REPLY_HEAD_MAX <= SRV_TX_BUFFER) {
		req = list_first_entry(&conn->tx, struct srv_request, entry);
		conn->tx_len += srv_send_chunk(conn, req,
					       conn->tx_buf + conn->tx_len);
		if (req->answered && !conn->tx_req)
			srv_send_finish(conn, req);
	}
	return conn->tx_len;
}

static int srv_send_heads(struct srv_conn *conn)
{
	struct kvec vec = {
		.iov_base = conn->tx_buf + conn->tx_at,
		.iov_len = conn->tx_len - conn->tx_at,
	};
	bool more = conn->tx_req || !list_empty(&conn->tx);
	struct iov_iter iter;
	int n;

	iov_iter_kvec(&iter, ITER_SOURCE, &vec, 1, vec.iov_len);
	n = unbd_stream_send(&conn->stream, &iter, more);
	if (n > 0)
		conn->tx_at += n;
	return n;
}

static int srv_send_data(struct srv_conn *conn)
{
	struct srv_request *req = conn->tx_req;
	bool more = !req->answered || !list_is_singular(&conn->tx);
	int n;

	n = unbd_stream_send_pages(&conn->stream, &conn->tx_iter, more);
	if (n > 0 && !iov_iter_count(&conn->tx_iter)) {
		conn->tx_req = NULL;
		if (req->answered)
			srv_send_finish(conn, req);
	}
	return n;
}

/* Is there anything, or can it be had? */
static bool srv_send_pending(struct srv_conn *conn)
{
	return conn->tx_at < conn->tx_len || conn->tx_req ||
		srv_send_gather(conn);
}

static int srv_send_next(struct srv_conn *conn)
{
	if (conn->tx_at < conn->tx_len)
		return srv_send_heads(conn);
	return srv_send_data(conn);
}

/**
 * srv_send() - send what there is to send
 * @conn: connection, from io_work
 *
 * Return: 1 if something was sent; 0 if there was nothing to send or no room,
 * and io_work will run when there is; or -errno of the socket.
 */
int srv_send(struct srv_conn *conn)
{
	int sent = 0, n = 0;

	if (!srv_send_pending(conn))
		return 0;
	unbd_stream_hold(&conn->stream);
	do {
		n = srv_send_next(conn);
		sent |= n > 0;
	} while (n >= 0 && srv_send_pending(conn));
	unbd_stream_unhold(&conn->stream);
	if (sent || (n == -EAGAIN && !conn->tx_blocked))
		WRITE_ONCE(conn->tx_progress, jiffies);
	WRITE_ONCE(conn->tx_blocked, n == -EAGAIN);
	return n < 0 && n != -EAGAIN ? n : sent;
}
