// SPDX-License-Identifier: GPL-2.0
/*
 * A connection's queues: what is posted, and what goes on where it may sleep.
 *
 * Every request takes up a receive, an answer up to three sends. A completion
 * of sends is asked for once in a quarter of the queue.
 */
#include "server.h"

/**
 * srv_con_post_recvs() - make ready for what the client sends
 * @con: connection
 * @nr: receives, SRV_RECV_BATCH at most
 *
 * Whoever makes the connection, or its completion queue.
 */
void srv_con_post_recvs(struct srv_con *con, unsigned int nr)
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

/**
 * srv_con_post() - send
 * @con: connection with room for @nr
 * @first: of a chain of work requests
 * @last: of these
 * @nr: how many
 *
 * Under con->lock.
 */
void srv_con_post(struct srv_con *con, struct ib_send_wr *first,
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
