// SPDX-License-Identifier: GPL-2.0
/*
 * RDMA connections: queue pairs, receives, and answers on their way.
 *
 * Every request takes up a receive, an answer up to three sends. A completion
 * of sends is asked for once in a quarter of the queue; an answer that finds
 * no room waits for it.
 */
#define pr_fmt(fmt) "unbd-rdma-server: " fmt

#include <linux/slab.h>

#include "server.h"

/* Answer to a request: the work requests, as a chain from @first to @last */
struct srv_reply {
	struct ib_sge sge;
	struct ib_rdma_wr data;
	struct ib_send_wr inv;
	struct ib_rdma_wr imm;
	struct ib_send_wr *first;
	unsigned int nr;
};

/* ------------------------------------------------------------------ */
/* Receiving                                                          */

static void srv_con_post_recvs(struct srv_con *con, unsigned int nr)
{
	struct ib_recv_wr *last = &con->recv_wrs[nr - 1];
	int err;

	last->next = NULL;
	err = ib_post_recv(con->id->qp, con->recv_wrs, NULL);
	if (nr < SRV_RECV_BATCH)
		last->next = last + 1;
	if (err)
		srv_path_drop(con->path, "cannot post receives (%d)", err);
}

static void srv_con_got_imm(struct srv_con *con, u32 data)
{
	struct srv_path *path = con->path;
	char why[UNBD_WHY_LEN];
	struct rtrs_imm imm;

	if (unbd_rtrs_get_imm(data, &path->session->pool, &imm, why,
			      sizeof(why))) {
		srv_path_drop(path, "%s", why);
		return;
	}
	if (!READ_ONCE(path->live)) {
		srv_path_drop(path, "immediate data 0x%08x before INFO_REQ",
			      data);
		return;
	}
	switch (imm.type) {
	case RTRS_IO_REQ_IMM:
		srv_request_start(con, &imm);
		break;
	case RTRS_HB_MSG_IMM:
		srv_con_heartbeat(con, true, 0);
		break;
	case RTRS_HB_ACK_IMM:
		break;
	default:
		srv_path_drop(path, "immediate data 0x%08x is a server's",
			      data);
	}
}

static void srv_con_recv_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct srv_con *con = container_of(wc->wr_cqe, struct srv_con,
					   recv_cqe);
	struct srv_path *path = con->path;

	if (wc->status == IB_WC_WR_FLUSH_ERR || srv_path_closing(path))
		return;
	if (wc->status != IB_WC_SUCCESS) {
		srv_path_drop(path, "receive: %s",
			      ib_wc_status_msg(wc->status));
		return;
	}
	if (wc->opcode != IB_WC_RECV_RDMA_WITH_IMM ||
	    !(wc->wc_flags & IB_WC_WITH_IMM)) {
		srv_path_drop(path, "a message without immediate data");
		return;
	}
	srv_path_seen(path);
	if (++con->recv_owed == SRV_RECV_BATCH) {
		con->recv_owed = 0;
		srv_con_post_recvs(con, SRV_RECV_BATCH);
	}
	srv_con_got_imm(con, be32_to_cpu(wc->ex.imm_data));
}

static void srv_con_work(struct work_struct *work)
{
	struct srv_con *con = container_of(work, struct srv_con, work);
	struct llist_node *list = llist_del_all(&con->arrived);
	struct srv_request *req, *next;

	list = llist_reverse_order(list);
	llist_for_each_entry_safe(req, next, list, arrived)
		srv_request_run(req);
}

/**
 * srv_con_go_on() - go on with a request where it may sleep
 * @con: by which it came
 * @req: that has its chunk for itself
 *
 * Any context.
 */
void srv_con_go_on(struct srv_con *con, struct srv_request *req)
{
	if (llist_add(&req->arrived, &con->arrived))
		queue_work(srv_io_wq, &con->work);
}

/* INFO_REQ needs memory; nothing else does. */
static int srv_con_post_info(struct srv_con *con)
{
	struct srv_path *path = con->path;
	struct ib_sge sge = {
		.addr = path->info_dma,
		.length = sizeof(*path->info_buf),
		.lkey = path->pd->local_dma_lkey,
	};
	struct ib_recv_wr wr = {
		.wr_cqe = &path->info_cqe,
		.sg_list = &sge,
		.num_sge = 1,
	};

	return ib_post_recv(con->id->qp, &wr, NULL);
}

static void srv_con_init_recvs(struct srv_con *con)
{
	unsigned int i;

	for (i = 0; i < SRV_RECV_BATCH; i++) {
		con->recv_wrs[i].wr_cqe = &con->recv_cqe;
		if (i + 1 < SRV_RECV_BATCH)
			con->recv_wrs[i].next = &con->recv_wrs[i + 1];
	}
}

static int srv_con_fill(struct srv_con *con, unsigned int nr)
{
	int err = con->cid ? 0 : srv_con_post_info(con);
	unsigned int some;

	for (; nr && !err; nr -= some) {
		some = min_t(unsigned int, nr, SRV_RECV_BATCH);
		srv_con_post_recvs(con, some);
		if (srv_path_closing(con->path))
			err = -EIO;
	}
	return err;
}

/* ------------------------------------------------------------------ */
/* Sending                                                            */

static void srv_con_post(struct srv_con *con, struct ib_send_wr *first,
			 struct ib_send_wr *last, unsigned int nr)
{
	int err;

	lockdep_assert_held(&con->lock);

	con->sq_free -= nr;
	con->sq_batch += nr;
	if (con->sq_batch >= con->sq_signal) {
		last->send_flags |= IB_SEND_SIGNALED;
		con->batches[con->batch_head++ % SRV_BATCHES] = con->sq_batch;
		con->sq_batch = 0;
	}
	err = ib_post_send(con->id->qp, first, NULL);
	if (err)
		srv_path_drop(con->path, "cannot send (%d)", err);
}

static void srv_reply_add(struct srv_reply *reply, struct ib_send_wr *wr,
			  struct ib_send_wr **last)
{
	if (*last)
		(*last)->next = wr;
	else
		reply->first = wr;
	*last = wr;
	reply->nr++;
}

static void srv_reply_add_data(struct srv_reply *reply,
			       const struct srv_request *req,
			       struct ib_send_wr **last)
{
	struct srv_path *path = req->path;

	reply->sge.addr = path->dma[req->id];
	reply->sge.length = req->reply_len;
	reply->sge.lkey = path->pd->local_dma_lkey;
	ib_dma_sync_single_for_device(path->dev, reply->sge.addr,
				      req->reply_len, DMA_BIDIRECTIONAL);
	reply->data.wr.opcode = IB_WR_RDMA_WRITE;
	reply->data.wr.wr_cqe = &req->con->send_cqe;
	reply->data.wr.sg_list = &reply->sge;
	reply->data.wr.num_sge = 1;
	reply->data.remote_addr = req->wire.desc_addr;
	reply->data.rkey = req->wire.desc_key;
	srv_reply_add(reply, &reply->data.wr, last);
}

/*
 * Data, invalidation, and the immediate data that say how it went. Only the
 * last one of a chain asks for a completion.
 */
static struct ib_send_wr *srv_reply_build(struct srv_reply *reply,
					  const struct srv_request *req)
{
	bool inv = req->wire.has_desc && req->wire.need_inval;
	struct ib_send_wr *last = NULL;

	if (!req->error && req->reply_len)
		srv_reply_add_data(reply, req, &last);
	if (inv) {
		reply->inv.opcode = IB_WR_SEND_WITH_INV;
		reply->inv.wr_cqe = &req->con->send_cqe;
		reply->inv.ex.invalidate_rkey = req->wire.desc_key;
		srv_reply_add(reply, &reply->inv, &last);
	}
	reply->imm.wr.opcode = IB_WR_RDMA_WRITE_WITH_IMM;
	reply->imm.wr.wr_cqe = &req->con->send_cqe;
	reply->imm.wr.ex.imm_data = cpu_to_be32(rtrs_imm_io_rsp(req->id,
								req->error,
								inv));
	srv_reply_add(reply, &reply->imm.wr, &last);
	return last;
}

static void srv_con_send_reply(struct srv_con *con, struct srv_request *req)
{
	struct srv_reply reply = {};
	struct ib_send_wr *last = srv_reply_build(&reply, req);

	lockdep_assert_held(&con->lock);

	/* With the answer the client may use the chunk again. */
	srv_request_release(req);
	srv_con_post(con, reply.first, last, reply.nr);
}

/**
 * srv_con_reply() - answer a request
 * @con: by which it came
 * @req: with its outcome; not to be touched afterwards
 *
 * Any context.
 */
void srv_con_reply(struct srv_con *con, struct srv_request *req)
{
	struct srv_path *path = con->path;
	unsigned long flags;
	bool dead;

	spin_lock_irqsave(&con->lock, flags);
	dead = con->dead;
	if (!dead && list_empty(&con->deferred) &&
	    con->sq_free >= SRV_REPLY_ROOM) {
		srv_con_send_reply(con, req);
	} else if (!dead) {
		list_add_tail(&req->entry, &con->deferred);
		path = NULL;
	}
	spin_unlock_irqrestore(&con->lock, flags);
	if (dead)
		srv_request_release(req);
	if (path)
		percpu_ref_put(&path->refs);
}

/**
 * srv_con_heartbeat() - ask the client whether it is there, or say that we are
 * @con: connection
 * @ack: the latter
 * @news: see rtrs_imm_hb()
 *
 * Any context. Return: it is on its way.
 */
bool srv_con_heartbeat(struct srv_con *con, bool ack, u32 news)
{
	struct ib_rdma_wr wr = {
		.wr.opcode = IB_WR_RDMA_WRITE_WITH_IMM,
		.wr.wr_cqe = &con->send_cqe,
		.wr.ex.imm_data = cpu_to_be32(rtrs_imm_hb(ack, news)),
	};
	unsigned long flags;
	bool room;

	spin_lock_irqsave(&con->lock, flags);
	room = !con->dead && con->sq_free;
	if (room)
		srv_con_post(con, &wr.wr, &wr.wr, 1);
	spin_unlock_irqrestore(&con->lock, flags);
	return room;
}

/* Returns how many requests were answered. */
static unsigned int srv_con_send_deferred(struct srv_con *con)
{
	struct srv_request *req;
	unsigned int nr = 0;

	lockdep_assert_held(&con->lock);

	while (!con->dead && con->sq_free >= SRV_REPLY_ROOM) {
		req = list_first_entry_or_null(&con->deferred,
					       struct srv_request, entry);
		if (!req)
			break;
		list_del_init(&req->entry);
		srv_con_send_reply(con, req);
		nr++;
	}
	return nr;
}

static void srv_con_send_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct srv_con *con = container_of(wc->wr_cqe, struct srv_con,
					   send_cqe);
	struct srv_path *path = con->path;
	unsigned long flags;
	unsigned int nr;

	if (wc->status != IB_WC_SUCCESS) {
		if (wc->status != IB_WC_WR_FLUSH_ERR)
			srv_path_drop(path, "send: %s",
				      ib_wc_status_msg(wc->status));
		return;
	}
	spin_lock_irqsave(&con->lock, flags);
	con->sq_free += con->batches[con->batch_tail++ % SRV_BATCHES];
	nr = srv_con_send_deferred(con);
	spin_unlock_irqrestore(&con->lock, flags);
	if (nr)
		percpu_ref_put_many(&path->refs, nr);
}

/* ------------------------------------------------------------------ */
/* Life                                                               */

/* Sizes of the queues, as far as the device has room */
static void srv_con_sizes(const struct srv_con *con, struct ib_qp_cap *cap)
{
	struct ib_device *dev = con->path->dev;
	u32 depth = con->path->session->pool.queue_depth;
	u32 max = dev->attrs.max_qp_wr;

	cap->max_send_wr = min3(SRV_REPLY_WRS * depth, (u32)SRV_SEND_MAX,
				max - SRV_SEND_SPARE) + SRV_SEND_SPARE;
	/* One for draining, one for INFO_REQ */
	cap->max_recv_wr = min(depth + SRV_RECV_SPARE + 2, max);
	cap->max_send_sge = 1;
	cap->max_recv_sge = 1;
}

static int srv_con_create_qp(struct srv_con *con)
{
	struct srv_path *path = con->path;
	struct ib_qp_init_attr attr = {
		.qp_context = con,
		.sq_sig_type = IB_SIGNAL_REQ_WR,
		.qp_type = IB_QPT_RC,
	};
	unsigned int vector, nr_recvs;
	int err;

	if (path->dev->attrs.max_qp_wr < 2 * SRV_SEND_SPARE)
		return -EOPNOTSUPP;
	srv_con_sizes(con, &attr.cap);
	con->sq_free = attr.cap.max_send_wr - SRV_SEND_SPARE;
	con->sq_signal = max(con->sq_free / 4, 1u);
	/* The driver may make more room, which the completion queue has not. */
	nr_recvs = attr.cap.max_recv_wr - 2;
	/*
	 * A path goes on where the last one ended: many clients have one queue.
	 * The service connection has little to do.
	 */
	vector = path->first_vector + (con->cid ? con->cid - 1 : 0);
	con->cq = ib_alloc_cq(path->dev, con,
			      attr.cap.max_send_wr + attr.cap.max_recv_wr,
			      vector % path->dev->num_comp_vectors,
			      IB_POLL_SOFTIRQ);
	if (IS_ERR(con->cq))
		return PTR_ERR(con->cq);
	attr.send_cq = con->cq;
	attr.recv_cq = con->cq;
	err = rdma_create_qp(con->id, path->pd, &attr);
	if (err) {
		ib_free_cq(con->cq);
		return err;
	}
	err = srv_con_fill(con, nr_recvs);
	if (err)
		srv_con_free(con);
	return err;
}

/**
 * srv_con_new() - a connection of a path that can be accepted
 * @path: the path
 * @id: of the connection manager
 * @cid: number of the connection
 * @err: set on failure
 *
 * Return: the connection, or NULL.
 */
struct srv_con *srv_con_new(struct srv_path *path, struct rdma_cm_id *id,
			    u16 cid, int *err)
{
	struct srv_con *con = kzalloc(sizeof(*con), GFP_KERNEL);

	if (!con) {
		*err = -ENOMEM;
		return NULL;
	}
	con->path = path;
	con->cid = cid;
	con->id = id;
	con->recv_cqe.done = srv_con_recv_done;
	con->send_cqe.done = srv_con_send_done;
	srv_con_init_recvs(con);
	init_llist_head(&con->arrived);
	INIT_WORK(&con->work, srv_con_work);
	spin_lock_init(&con->lock);
	INIT_LIST_HEAD(&con->deferred);
	*err = srv_con_create_qp(con);
	if (!*err)
		return con;
	kfree(con);
	return NULL;
}

/**
 * srv_con_shut() - nothing is received or sent any more when this returns
 * @con: connection
 *
 * Waits neither for the client nor for the storage.
 */
void srv_con_shut(struct srv_con *con)
{
	struct srv_request *req, *next;
	LIST_HEAD(deferred);

	spin_lock_irq(&con->lock);
	con->dead = true;
	list_splice_init(&con->deferred, &deferred);
	spin_unlock_irq(&con->lock);
	rdma_disconnect(con->id);
	ib_drain_qp(con->id->qp);
	list_for_each_entry_safe(req, next, &deferred, entry) {
		list_del_init(&req->entry);
		srv_request_forget(req);
	}
}

/**
 * srv_con_free() - give a connection's queues back
 * @con: connection that was shut, or never accepted; keeps its identifier
 */
void srv_con_free(struct srv_con *con)
{
	rdma_destroy_qp(con->id);
	ib_free_cq(con->cq);
}
