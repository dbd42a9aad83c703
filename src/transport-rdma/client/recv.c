// SPDX-License-Identifier: GPL-2.0
/*
 * What the server sends: answers, keys, heartbeats. It is not trusted.
 */
#include "client.h"

static int take_rkey(struct clt_conn *conn, struct clt_recv *recv,
		     struct ib_wc *wc, u32 id, char *why, size_t len)
{
	struct clt_path *path = conn->path;
	u32 rkey;
	int err;

	ib_dma_sync_single_for_cpu(path->dev, recv->addr,
				   sizeof(struct rtrs_msg_rkey_rsp),
				   DMA_FROM_DEVICE);
	err = rtrs_get_rkey_rsp(recv->msg, wc->byte_len, id, &rkey, why, len);
	ib_dma_sync_single_for_device(path->dev, recv->addr,
				      sizeof(struct rtrs_msg_rkey_rsp),
				      DMA_FROM_DEVICE);
	if (!err)
		path->chunks[id].rkey = rkey;
	return err;
}

static int take_imm(struct clt_conn *conn, struct clt_recv *recv,
		    struct ib_wc *wc, char *why, size_t len)
{
	struct clt_path *path = conn->path;
	struct rtrs_imm imm;
	int err;

	err = unbd_rtrs_get_imm(be32_to_cpu(wc->ex.imm_data), &path->pool, &imm,
				why, len);
	if (err)
		return err;
	switch (imm.type) {
	case RTRS_IO_RSP_IMM:
	case RTRS_IO_RSP_W_INV_IMM:
		/* Whoever gets the slot next needs its new key. */
		if (wc->opcode == IB_WC_RECV)
			err = take_rkey(conn, recv, wc, imm.id, why, len);
		if (err)
			return err;
		if (clt_io_answered(conn, imm.id, imm.err,
				    imm.type == RTRS_IO_RSP_W_INV_IMM))
			return unbd_why(why, len, -EPROTO,
					"answer for slot %u, which is not in flight",
					imm.id);
		return 0;
	case RTRS_HB_MSG_IMM:
		clt_beat_answer(path, imm.news);
		return 0;
	case RTRS_HB_ACK_IMM:
		return 0;
	default:
		return unbd_why(why, len, -EPROTO, "a request from a server");
	}
}

static int take(struct clt_conn *conn, struct clt_recv *recv,
		struct ib_wc *wc, char *why, size_t len)
{
	if (wc->wc_flags & IB_WC_WITH_INVALIDATE) {
		conn->inv_rkey = wc->ex.invalidate_rkey;
		conn->inv_seen = true;
		return 0;
	}
	if (wc->wc_flags & IB_WC_WITH_IMM)
		return take_imm(conn, recv, wc, why, len);
	return unbd_why(why, len, -EPROTO,
			"message of %u bytes without immediate data",
			wc->byte_len);
}

static int post_again(struct clt_conn *conn, struct clt_recv *recv)
{
	struct ib_sge sge = {
		.addr	= recv->addr,
		.length	= sizeof(struct rtrs_msg_rkey_rsp),
		.lkey	= conn->path->pd->local_dma_lkey,
	};
	struct ib_recv_wr wr = {
		.wr_cqe = &recv->cqe, .sg_list = &sge, .num_sge = 1,
	};

	return ib_post_recv(conn->qp, &wr, NULL);
}

/**
 * clt_recv_done() - something has come from the server
 * @cq: completion queue
 * @wc: completion of a &struct clt_recv
 */
void clt_recv_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct clt_recv *recv = container_of(wc->wr_cqe, struct clt_recv,
					     cqe);
	struct clt_conn *conn = wc->qp->qp_context;
	struct clt_path *path = conn->path;
	char why[UNBD_WHY_LEN];
	int err;

	if (unlikely(wc->status != IB_WC_SUCCESS)) {
		clt_conn_wc_failed(conn, wc, "receiving");
		return;
	}
	WRITE_ONCE(path->last_rx, jiffies);
	err = take(conn, recv, wc, why, sizeof(why));
	if (unlikely(err)) {
		clt_path_fail(path, err, "connection %u: %s", conn->cid, why);
		return;
	}
	err = post_again(conn, recv);
	if (unlikely(err))
		clt_path_fail(path, err, "connection %u: cannot receive",
			      conn->cid);
}
