// SPDX-License-Identifier: GPL-2.0
/*
 * One connection: from an address to a queue pair, and its end.
 */
#include <linux/delay.h>
#include <linux/slab.h>
#include <rdma/ib_cm.h>

#include "client.h"

/* SEND_WITH_INV and the answer */
#define RECVS_PER_IO	2
/* Heartbeats, and the drain's own */
#define SPARE		8

/* As large as RTRS's; 7 retries without limit for a peer that is not ready */
#define RETRIES		7

/* How long one attempt to resolve an address takes */
#define RESOLVE_MS	1000

/*
 * The connection manager repeats a lost question after four seconds only, and
 * a server sets up all of its memory before it answers the first one.
 */
#define FIRST_TIME	(30 * HZ)

/* ------------------------------------------------------------------ */
/* Events                                                             */

static void step_done(struct clt_conn *conn, int result)
{
	/* Pairs with clt_wait_for(): so do the others of the kind. */
	smp_store_release(&conn->result, result);
	wake_up_all(&conn->path->wait);
}

static void take_reply(struct clt_conn *conn, struct rdma_cm_event *ev)
{
	size_t len = ev->param.conn.private_data_len;

	conn->reply_len = min(len, sizeof(conn->reply));
	if (ev->param.conn.private_data)
		memcpy(&conn->reply, ev->param.conn.private_data,
		       conn->reply_len);
}

/* What it means is found out by whoever waits. */
static void take_reject(struct clt_conn *conn, struct rdma_cm_event *ev)
{
	const void *data;
	u8 len = 0;

	conn->reject = ev->status;
	data = rdma_consumer_reject_data(conn->id, ev, &len);
	conn->reply_len = data ? min_t(size_t, len, sizeof(conn->reply)) : 0;
	if (data)
		memcpy(&conn->reply, data, conn->reply_len);
	step_done(conn, -ECONNREFUSED);
}

static void conn_lost(struct clt_conn *conn, int error, const char *what)
{
	step_done(conn, error);
	clt_path_fail(conn->path, error, "connection %u: %s", conn->cid,
		      what);
}

static int cm_event(struct rdma_cm_id *id, struct rdma_cm_event *ev)
{
	struct clt_conn *conn = id->context;

	switch (ev->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		step_done(conn, 0);
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		take_reply(conn, ev);
		step_done(conn, 0);
		break;
	case RDMA_CM_EVENT_REJECTED:
		take_reject(conn, ev);
		break;
	case RDMA_CM_EVENT_ADDR_ERROR:
	case RDMA_CM_EVENT_ROUTE_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
	case RDMA_CM_EVENT_CONNECT_ERROR:
		step_done(conn, ev->status < 0 ? ev->status : -EHOSTUNREACH);
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
		conn_lost(conn, -ECONNRESET, "closed by the server");
		break;
	case RDMA_CM_EVENT_ADDR_CHANGE:
		conn_lost(conn, -ENETRESET, "its address has changed");
		break;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		conn_lost(conn, -ENODEV, "the adapter is removed");
		break;
	default:
		break;
	}
	return 0;
}

static void qp_event(struct ib_event *ev, void *context)
{
	struct clt_conn *conn = context;

	if (ev->event == IB_EVENT_COMM_EST)
		rdma_notify(conn->id, IB_EVENT_COMM_EST);
}

/* ------------------------------------------------------------------ */
/* From an address to a queue pair                                    */

/*
 * The kernel asks for a neighbour once and then waits for an event, which gets
 * lost if it comes at once; so ask again instead of waiting longer.
 */
static int resolve_address(struct clt_conn *conn, struct sockaddr *src,
			   struct sockaddr *dst, char *why, size_t len)
{
	struct clt_path *path = conn->path;
	unsigned long deadline = jiffies + path->base.attempts.reach_timeout;
	int err;

	do {
		conn->result = -EINPROGRESS;
		err = rdma_resolve_addr(conn->id, src, dst, RESOLVE_MS);
		if (err)
			return unbd_why(why, len, err,
					"no RDMA adapter leads to that address");
		err = clt_wait(path, &conn->result, why, len,
			       "resolving the address");
	} while (err == -ETIMEDOUT && time_before(jiffies, deadline));
	return err;
}

static int resolve(struct clt_conn *conn, char *why, size_t len)
{
	struct clt_path *path = conn->path;
	u32 ms = jiffies_to_msecs(path->base.attempts.connect_timeout);
	struct sockaddr_storage src, dst;
	int err;

	err = unbd_rdma_resolve(path->base.net, &path->dst, &dst);
	if (!err && path->has_src)
		err = unbd_rdma_resolve(path->base.net, &path->src, &src);
	if (err)
		return unbd_why(why, len, err, "the address is gone");
	err = resolve_address(conn, path->has_src ? (struct sockaddr *)&src :
			      NULL, (struct sockaddr *)&dst, why, len);
	if (err)
		return err;
	conn->result = -EINPROGRESS;
	err = rdma_resolve_route(conn->id, ms);
	if (err)
		return unbd_why(why, len, err, "no route to that address");
	return clt_wait(path, &conn->result, why, len, "resolving the route");
}

static enum rdma_ucm_port_space port_space(const struct clt_path *path)
{
	return path->dst.kind == UNBD_RDMA_GID ? RDMA_PS_IB : RDMA_PS_TCP;
}

/* Of all connections but the service connections */
static struct lock_class_key clt_io_lock_key;

/**
 * clt_conn_create() - a connection that knows its adapter
 * @path: path; its nr_irq is set
 * @cid: number of the connection
 * @why: reason of a failure
 * @len: size of @why
 *
 * Sleeps. Return: the connection or an ERR_PTR.
 */
struct clt_conn *clt_conn_create(struct clt_path *path, unsigned int cid,
				 char *why, size_t len)
{
	struct clt_conn *conn = kzalloc(sizeof(*conn), GFP_KERNEL);
	int err;

	if (!conn) {
		err = unbd_why(why, len, -ENOMEM, "out of memory");
		return ERR_PTR(err);
	}
	conn->path = path;
	conn->cid = cid;
	conn->polled = cid > path->nr_irq;
	spin_lock_init(&conn->lock);
	/* See clt_conn_post(): the service connection's is another one. */
	if (cid)
		lockdep_set_class(&conn->lock, &clt_io_lock_key);
	spin_lock_init(&conn->poll_lock);
	conn->id = rdma_create_id(path->base.net, cm_event, conn,
				  port_space(path), IB_QPT_RC);
	if (IS_ERR(conn->id)) {
		err = unbd_why(why, len, PTR_ERR(conn->id),
			       "no connection identifier");
		kfree(conn);
		return ERR_PTR(err);
	}
	/* Whoever connects anew must not wait for the old one's time-wait. */
	rdma_set_reuseaddr(conn->id, 1);
	err = resolve(conn, why, len);
	if (!err && path->dev && conn->id->device != path->dev)
		err = unbd_why(why, len, -EXDEV,
			       "the way leads over another adapter now");
	if (err) {
		clt_conn_destroy(conn);
		return ERR_PTR(err);
	}
	return conn;
}

static int alloc_recvs(struct clt_conn *conn, unsigned int nr,
		       void (*received)(struct ib_cq *cq, struct ib_wc *wc))
{
	const size_t size = sizeof(struct rtrs_msg_rkey_rsp);
	struct ib_device *dev = conn->path->dev;
	unsigned int i;

	conn->recvs = kvcalloc(nr, sizeof(*conn->recvs), GFP_KERNEL);
	conn->recv_buf = kcalloc(nr, size, GFP_KERNEL);
	if (!conn->recvs || !conn->recv_buf)
		return -ENOMEM;
	conn->recv_addr = ib_dma_map_single(dev, conn->recv_buf, nr * size,
					    DMA_FROM_DEVICE);
	if (ib_dma_mapping_error(dev, conn->recv_addr))
		return -ENOMEM;
	conn->nr_recvs = nr;
	for (i = 0; i < nr; i++) {
		conn->recvs[i].cqe.done = received;
		conn->recvs[i].addr = conn->recv_addr + i * size;
		conn->recvs[i].msg = conn->recv_buf + i * size;
	}
	return 0;
}

static void free_recvs(struct clt_conn *conn)
{
	if (conn->nr_recvs)
		ib_dma_unmap_single(conn->path->dev, conn->recv_addr,
				    conn->nr_recvs *
				    sizeof(struct rtrs_msg_rkey_rsp),
				    DMA_FROM_DEVICE);
	kfree(conn->recv_buf);
	kvfree(conn->recvs);
	conn->nr_recvs = 0;
	conn->recv_buf = NULL;
	conn->recvs = NULL;
}

static int get_cq(struct clt_conn *conn, unsigned int nr_cqe)
{
	struct ib_device *dev = conn->path->dev;
	struct ib_cq *cq;

	if (conn->polled)
		cq = ib_alloc_cq(dev, conn, nr_cqe, 0, IB_POLL_DIRECT);
	else
		cq = ib_cq_pool_get(dev, nr_cqe, conn->cid ?
				    (int)conn->cid - 1 : 0, IB_POLL_SOFTIRQ);
	if (IS_ERR(cq))
		return PTR_ERR(cq);
	conn->cq = cq;
	conn->nr_cqe = nr_cqe;
	return 0;
}

static void put_cq(struct clt_conn *conn)
{
	if (!conn->cq)
		return;
	if (conn->polled)
		ib_free_cq(conn->cq);
	else
		ib_cq_pool_put(conn->cq, conn->nr_cqe);
	conn->cq = NULL;
}

static int make_qp(struct clt_conn *conn, unsigned int nr_sends)
{
	struct clt_path *path = conn->path;
	struct ib_qp_init_attr attr = {
		.event_handler	= qp_event,
		.qp_context	= conn,
		.send_cq	= conn->cq,
		.recv_cq	= conn->cq,
		.cap = {
			.max_send_wr	= nr_sends,
			.max_recv_wr	= conn->nr_recvs + SPARE,
			.max_send_sge	= conn->cid ? path->max_sge : 2,
			.max_recv_sge	= 1,
		},
		.sq_sig_type	= IB_SIGNAL_REQ_WR,
		.qp_type	= IB_QPT_RC,
	};
	int err;

	err = rdma_create_qp(conn->id, path->pd, &attr);
	if (!err)
		conn->qp = conn->id->qp;
	return err;
}

static unsigned int fitting_depth(const struct clt_conn *conn,
				  unsigned int depth)
{
	const struct ib_device_attr *attrs = &conn->path->dev->attrs;
	int most = (min(attrs->max_qp_wr, attrs->max_cqe / 2) - 2 * SPARE) /
		CLT_SENDS_PER_IO;

	return clamp_t(int, depth, 1, max(most, 1));
}

/**
 * clt_conn_open() - make the connection's queues
 * @conn: connection; the path has its adapter and its protection domain
 * @depth: requests in flight; may become fewer
 * @nr_recvs: receive requests, or 0 for as many as the answers need
 * @received: is told of each &struct clt_recv that has come
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0 or -errno.
 */
int clt_conn_open(struct clt_conn *conn, unsigned int depth,
		  unsigned int nr_recvs,
		  void (*received)(struct ib_cq *cq, struct ib_wc *wc),
		  char *why, size_t len)
{
	unsigned int nr_sends;
	int err;

	conn->depth = fitting_depth(conn, depth);
	nr_sends = CLT_SENDS_PER_IO * conn->depth + SPARE;
	if (!nr_recvs)
		nr_recvs = RECVS_PER_IO * conn->depth + SPARE;
	err = alloc_recvs(conn, nr_recvs, received);
	if (!err)
		err = get_cq(conn, nr_sends + nr_recvs + SPARE);
	if (!err)
		err = make_qp(conn, nr_sends);
	if (err)
		return unbd_why(why, len, err,
				"connection %u: no queues for %u requests of %u pieces",
				conn->cid, conn->depth, conn->path->max_sge);
	return 0;
}

static const char *reject_reason(int err)
{
	switch (err) {
	case -ECONNRESET:
		return "too many of them or of paths, or another protocol";
	case -EEXIST:
		return "the session has a path between these addresses";
	case -ENXIO:
		return "it does not know the session, the other paths lead to another server";
	case -EUSERS:
		return "it has too many clients";
	case -EACCES:
		return "it does not allow this address";
	case -ENOMEM:
		return "it has no memory";
	}
	return "it does not say why";
}

/*
 * What a server rejects while it is closing what was there before is to be
 * asked for again; nothing else becomes better by that.
 */
static bool is_passing(struct clt_path *path, int err)
{
	switch (err) {
	case -EEXIST:
	case -ECONNRESET:
	case -ENXIO:
	case -EUSERS:
		return path->reached ||
			clt_name_lingers(path->base.session_name);
	}
	return false;
}

static int connect_rejected(struct clt_conn *conn, char *why, size_t len)
{
	struct clt_path *path = conn->path;
	int err;

	switch (conn->reject) {
	case IB_CM_REJ_CONSUMER_DEFINED:
		break;
	case IB_CM_REJ_INVALID_SERVICE_ID:
		return unbd_why(why, len, -ECONNREFUSED,
				"nobody listens there");
	case IB_CM_REJ_STALE_CONN:
		return unbd_why(why, len, -EBUSY,
				"the server has not closed the last connection yet");
	default:
		return unbd_why(why, len, -ECONNREFUSED, "rejected: %s",
				rdma_reject_msg(conn->id, conn->reject));
	}
	err = rtrs_get_reject(&conn->reply, conn->reply_len, why, len);
	if (err == -EPROTO || err == -EPROTONOSUPPORT)
		return err;
	if (is_passing(path, err))
		return unbd_why(why, len, -EBUSY,
				"the server has not closed the last connection yet (%d)",
				err);
	return unbd_why(why, len, err,
			"the server rejects connection %u of %u: %s",
			conn->cid, path->nr_conns, reject_reason(err));
}

/**
 * clt_conn_connect() - ask the server for the connection
 * @conn: connection with queues
 * @why: reason of a failure
 * @len: size of @why
 *
 * Sleeps. Return: 0 or -errno.
 */
int clt_conn_connect(struct clt_conn *conn, char *why, size_t len)
{
	struct clt_path *path = conn->path;
	struct rtrs_conn_params p = {
		.cid		= conn->cid,
		.cid_num	= path->nr_conns,
		.recon_cnt	= path->attempts,
		/* Only where another path is up must the session be there. */
		.first_conn	= !READ_ONCE(path->session->connected),
	};
	const struct unbd_attempts *attempts = &path->base.attempts;
	unsigned long timeout = conn->cid ? attempts->connect_timeout :
					    attempts->reach_timeout;
	struct rtrs_msg_conn_req req;
	struct rdma_conn_param param = {
		.private_data		= &req,
		.private_data_len	= sizeof(req),
		.retry_count		= RETRIES,
		.rnr_retry_count	= RETRIES,
	};
	int err;

	if (path->base.state == UNBD_PATH_CONNECTING)
		timeout = FIRST_TIME;
	memcpy(p.sess_uuid, path->uuid, sizeof(p.sess_uuid));
	memcpy(p.paths_uuid, path->session->uuid, sizeof(p.paths_uuid));
	rtrs_put_conn_req(&req, &p);
	conn->result = -EINPROGRESS;
	err = rdma_connect(conn->id, &param);
	if (err)
		return unbd_why(why, len, err, "connection %u: cannot ask",
				conn->cid);
	err = clt_wait_for(path, &conn->result, timeout, why, len,
			   "connecting");
	if (err)
		return conn->reject ? connect_rejected(conn, why, len) : err;
	conn->established = true;
	return 0;
}

/**
 * clt_conn_post_recvs() - make ready for what the server sends
 * @conn: connection with queues
 *
 * Return: 0 or -errno.
 */
int clt_conn_post_recvs(struct clt_conn *conn)
{
	struct ib_recv_wr wr = { .num_sge = 1 };
	struct ib_sge sge = {
		.length	= sizeof(struct rtrs_msg_rkey_rsp),
		.lkey	= conn->path->pd->local_dma_lkey,
	};
	unsigned int i;
	int err = 0;

	wr.sg_list = &sge;
	for (i = 0; i < conn->nr_recvs && !err; i++) {
		wr.wr_cqe = &conn->recvs[i].cqe;
		sge.addr = conn->recvs[i].addr;
		err = ib_post_recv(conn->qp, &wr, NULL);
	}
	return err;
}

/* ------------------------------------------------------------------ */
/* Use                                                                */

/**
 * clt_conn_poll() - look for completions of a polled connection
 * @conn: connection
 *
 * Return: how many there were.
 */
int clt_conn_poll(struct clt_conn *conn)
{
	int found = 0;

	if (!spin_trylock(&conn->poll_lock))
		return 0;
	if (!READ_ONCE(conn->stopped))
		found = ib_process_cq_direct(conn->cq, -1);
	spin_unlock(&conn->poll_lock);
	return found;
}

/**
 * clt_conn_wc_failed() - a completion tells of an error
 * @conn: its connection
 * @wc: completion
 * @what: has failed
 */
void clt_conn_wc_failed(struct clt_conn *conn, struct ib_wc *wc,
			const char *what)
{
	if (wc->status == IB_WC_WR_FLUSH_ERR)
		clt_path_fail(conn->path, -ECONNRESET,
			      "connection %u: closed", conn->cid);
	else
		clt_path_fail(conn->path, -EIO, "connection %u: %s: %s",
			      conn->cid, what, ib_wc_status_msg(wc->status));
}

/**
 * clt_conn_post() - send something
 * @conn: connection
 * @wr: what; a chain
 *
 * Nothing is posted any more once somebody drains the queue. Any context but
 * an interrupt's. Return: 0 or -errno; -ESHUTDOWN when it has been stopped.
 */
int clt_conn_post(struct clt_conn *conn, struct ib_send_wr *wr)
{
	bool beats = !conn->cid;
	int err = -ESHUTDOWN;

	/*
	 * Heartbeats are answered in soft interrupts. Requests do without that:
	 * soft RoCE would send each of a batch by itself.
	 */
	if (beats)
		local_bh_disable();
	spin_lock(&conn->lock);
	if (!conn->stopped)
		err = ib_post_send(conn->qp, wr, NULL);
	spin_unlock(&conn->lock);
	if (beats)
		local_bh_enable();
	return err;
}

/* ------------------------------------------------------------------ */
/* The end                                                            */

/**
 * struct clt_drain - the last request of a queue
 * @cqe: its completion
 * @over: it has come
 */
struct clt_drain {
	struct ib_cqe cqe;
	bool over;
};

static void drain_done(struct ib_cq *cq, struct ib_wc *wc)
{
	container_of(wc->wr_cqe, struct clt_drain, cqe)->over = true;
}

/* The kernel's own waits for a tenth of a second before it looks, twice. */
static void drain_polled(struct clt_conn *conn)
{
	struct ib_qp_attr attr = { .qp_state = IB_QPS_ERR };
	struct clt_drain rq = { .cqe.done = drain_done };
	struct clt_drain sq = { .cqe.done = drain_done };
	struct ib_recv_wr recv = { .wr_cqe = &rq.cqe };
	struct ib_rdma_wr send = {
		.wr = { .wr_cqe = &sq.cqe, .opcode = IB_WR_RDMA_WRITE },
	};
	int err;

	err = ib_modify_qp(conn->qp, &attr, IB_QP_STATE);
	if (!err)
		err = ib_post_recv(conn->qp, &recv, NULL);
	rq.over = err;
	if (!err)
		err = ib_post_send(conn->qp, &send.wr, NULL);
	sq.over = err;
	WARN_ONCE(err, "unbd: cannot drain a queue (%d)\n", err);
	while (!rq.over || !sq.over)
		if (ib_process_cq_direct(conn->cq, -1) <= 0)
			usleep_range(50, 100);
}

/**
 * clt_conn_stop() - end sending and receiving
 * @conn: connection, connected or not
 *
 * Sleeps, but not for the server. No completion comes afterwards.
 */
void clt_conn_stop(struct clt_conn *conn)
{
	spin_lock_bh(&conn->lock);
	WRITE_ONCE(conn->stopped, true);
	spin_unlock_bh(&conn->lock);
	/* Whoever polls has seen that or is done. */
	spin_lock(&conn->poll_lock);
	spin_unlock(&conn->poll_lock);
	if (!conn->qp)
		return;
	if (conn->established)
		rdma_disconnect(conn->id);
	if (conn->polled)
		drain_polled(conn);
	else
		ib_drain_qp(conn->qp);
}

/**
 * clt_conn_close() - give a connection's queues back
 * @conn: connection that was stopped, or has no queue pair
 *
 * It keeps its identifier, and so the adapter.
 */
void clt_conn_close(struct clt_conn *conn)
{
	if (conn->qp)
		rdma_destroy_qp(conn->id);
	conn->qp = NULL;
	put_cq(conn);
	free_recvs(conn);
}

/**
 * clt_conn_destroy() - forget a connection
 * @conn: connection that was stopped, or has no queue pair
 *
 * With the last one of a path the adapter may go.
 */
void clt_conn_destroy(struct clt_conn *conn)
{
	clt_conn_close(conn);
	rdma_destroy_id(conn->id);
	kfree(conn);
}
