// SPDX-License-Identifier: GPL-2.0
/*
 * Answers to requests.
 *
 * One that finds no room in the send queue waits for a completion.
 */
#include "server.h"

/* Answer to a request: the work requests, as a chain that begins with @first */
struct srv_reply {
	struct ib_sge sge;
	struct ib_rdma_wr data;
	struct ib_send_wr inv;
	struct ib_rdma_wr imm;
	struct ib_send_wr *first;
	unsigned int nr;
};

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

static void srv_con_reply(struct srv_con *con, struct srv_request *req)
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
 * srv_request_reply() - a request has been carried out
 * @req: not to be touched afterwards
 * @error: 0 or -errno
 *
 * Any context.
 */
void srv_request_reply(struct srv_request *req, int error)
{
	struct srv_device *device = req->device;

	req->error = error;
	req->device = NULL;
	if (device)
		percpu_ref_put(&device->refs);
	srv_con_reply(req->con, req);
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

/**
 * srv_con_send_done() - answers have been sent, there is room for others
 * @cq: completion queue
 * @wc: completion of a batch
 */
void srv_con_send_done(struct ib_cq *cq, struct ib_wc *wc)
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
