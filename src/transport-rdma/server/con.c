// SPDX-License-Identifier: GPL-2.0
/*
 * RDMA connections come and go.
 */
#include <linux/slab.h>

#include "server.h"

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
