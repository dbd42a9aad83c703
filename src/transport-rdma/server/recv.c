// SPDX-License-Identifier: GPL-2.0
/*
 * What a client sends: requests and heartbeats. It is not trusted.
 */
#include <linux/llist.h>

#include "server.h"

/**
 * srv_request_init() - prepare a path's requests
 * @path: new
 */
void srv_request_init(struct srv_path *path)
{
	struct srv_request *req;
	u32 i;

	for (i = 0; i < srv_pool.queue_depth; i++) {
		req = &path->requests[i];
		req->path = path;
		req->id = i;
		INIT_LIST_HEAD(&req->entry);
		srv_message_init(req);
	}
}

/*
 * It counts from now on: nothing that comes by another path touches the chunk
 * before it has been answered, and the path does not end before.
 */
static void srv_request_start(struct srv_con *con, const struct rtrs_imm *imm)
{
	struct srv_path *path = con->path;
	struct srv_request *req = &path->requests[imm->id];

	if (!percpu_ref_tryget_live(&path->refs))
		return;
	if (test_and_set_bit_lock(0, &req->busy)) {
		srv_path_drop(path, "chunk %u is used before it was answered",
			      imm->id);
		percpu_ref_put(&path->refs);
		return;
	}
	req->con = con;
	req->off = imm->off;
	if (srv_request_claim(req))
		srv_con_go_on(con, req);
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

/**
 * srv_con_recv_done() - something has come
 * @cq: completion queue
 * @wc: completion of a receive
 */
void srv_con_recv_done(struct ib_cq *cq, struct ib_wc *wc)
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

/* Pairs with srv_path_let_go(): the adapter is there, or the path closes. */
static bool srv_request_sync(const struct srv_request *req)
{
	struct srv_path *path = req->path;
	bool closing;

	rcu_read_lock();
	closing = srv_path_closing(path);
	if (!closing)
		ib_dma_sync_single_for_cpu(path->dev, path->dma[req->id],
					   path->session->pool.chunk_size,
					   DMA_BIDIRECTIONAL);
	rcu_read_unlock();
	return !closing;
}

static void srv_request_look(struct srv_request *req)
{
	struct srv_path *path = req->path;
	struct srv_session *session = path->session;
	const u8 *chunk = srv_chunk(session, req->id);
	char why[UNBD_WHY_LEN];
	int err, type;

	if (!srv_request_sync(req)) {
		srv_request_forget(req);
		return;
	}
	req->reply_len = 0;
	err = rtrs_get_request(chunk, &session->pool, req->off, &req->wire,
			       why, sizeof(why));
	if (err) {
		srv_path_drop(path, "%s", why);
		srv_request_forget(req);
		return;
	}
	type = unbd_rnbd_get_type(chunk + req->wire.usr_off, req->wire.usr_len);
	if (type == RNBD_MSG_IO)
		srv_io_start(req);
	else
		srv_message_start(req, type);
}

/* A new one, or a write after its flush. It may wait for the storage's tags. */
static void srv_request_run(struct srv_request *req)
{
	if (req->device)
		srv_io_go_on(req);
	else
		srv_request_look(req);
}

/**
 * srv_con_work() - go on with what has come
 * @work: of the connection
 */
void srv_con_work(struct work_struct *work)
{
	struct srv_con *con = container_of(work, struct srv_con, work);
	struct llist_node *list = llist_del_all(&con->arrived);
	struct srv_request *req, *next;

	list = llist_reverse_order(list);
	llist_for_each_entry_safe(req, next, list, arrived)
		srv_request_run(req);
}
