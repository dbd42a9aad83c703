// SPDX-License-Identifier: GPL-2.0
/*
 * Heartbeats: is the server there?
 *
 * Whatever comes from the server shows that it is. After a silence of
 * keepalive it is asked, and after three of them the path has failed. With
 * those of a server of unbd's comes that a size has changed.
 */
#include "client.h"

/* Looks in the time of one keepalive */
#define LOOKS	4

/* Seconds for them where nobody is to be asked: there is more to look at. */
#define NO_KEEPALIVE	5

static struct workqueue_struct *beat_wq;

static void beat(struct clt_path *path, bool ack);

static void beat_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct clt_conn *conn = wc->qp->qp_context;
	struct clt_path *path = conn->path;

	if (wc->status != IB_WC_SUCCESS) {
		clt_conn_wc_failed(conn, wc, "sending a heartbeat");
		return;
	}
	clear_bit(CLT_PATH_BEATING, &path->flags);
	/* Pairs with beat(): one of us sends it. */
	smp_mb__after_atomic();
	if (test_bit(CLT_PATH_ACK_OWED, &path->flags))
		beat(path, true);
}

static struct ib_rdma_wr beat_wr(struct clt_path *path, bool ack)
{
	return (struct ib_rdma_wr){
		.wr = {
			.wr_cqe		= &path->beat_cqe,
			.opcode		= IB_WR_RDMA_WRITE_WITH_IMM,
			.send_flags	= IB_SEND_SIGNALED,
			.ex.imm_data	= cpu_to_be32(rtrs_imm_hb(ack, 0)),
		},
	};
}

/* One at a time; a queue that does not move is not filled up. */
static void beat(struct clt_path *path, bool ack)
{
	struct clt_conn *conn = path->conns[0];
	struct ib_rdma_wr wr;
	int err;

	if (ack)
		set_bit(CLT_PATH_ACK_OWED, &path->flags);
	/* A full barrier, see beat_done(). */
	if (test_and_set_bit(CLT_PATH_BEATING, &path->flags))
		return;
	wr = beat_wr(path, test_and_clear_bit(CLT_PATH_ACK_OWED,
					      &path->flags));
	err = clt_conn_post(conn, &wr.wr);
	if (err)
		clt_path_fail(path, err, "cannot send a heartbeat");
}

static void poll_all(struct clt_path *path)
{
	unsigned int i;

	for (i = 1 + path->nr_irq; i < path->nr_conns; i++)
		clt_conn_poll(path->conns[i]);
}

static void look_at_sizes(struct clt_path *path)
{
	struct clt_session *session = path->session;
	u32 news = READ_ONCE(path->news);
	struct clt_leg *leg;

	if (news == path->known)
		return;
	path->known = news;
	mutex_lock(&session->mutex);
	list_for_each_entry(leg, &session->legs, entry)
		if (path_of(leg) == path)
			unbd_leg_changed(&leg->base);
	mutex_unlock(&session->mutex);
}

static void look_again(struct clt_path *path)
{
	unsigned long keepalive = path->base.keepalive ?: NO_KEEPALIVE;

	queue_delayed_work(beat_wq, &path->beat, keepalive * HZ / LOOKS);
}

static void listen_to_server(struct clt_path *path)
{
	unsigned long silence = jiffies - READ_ONCE(path->last_rx);
	unsigned long keepalive = path->base.keepalive * HZ;

	if (!keepalive)
		return;
	if (silence > 5 * keepalive / 2)
		clt_path_fail(path, -ETIMEDOUT,
			      "nothing from the server for %u ms",
			      jiffies_to_msecs(silence));
	else if (silence >= keepalive)
		beat(path, false);
}

static void beat_work(struct work_struct *work)
{
	struct clt_path *path = container_of(to_delayed_work(work),
					     struct clt_path, beat);

	/* Whoever has waited for these may have gone away. */
	poll_all(path);
	clt_slots_wake(path->session, NULL);
	if (clt_path_broken(path))
		return;
	look_at_sizes(path);
	listen_to_server(path);
	look_again(path);
}

/**
 * clt_beat_answer() - the server asks whether we are there
 * @path: path
 * @news: what else it tells, see rtrs_imm_hb()
 *
 * Context of the completion queue, so before the connection is drained. If a
 * heartbeat of ours is on its way just now, the answer follows: some servers
 * take nothing else for one.
 */
void clt_beat_answer(struct clt_path *path, u32 news)
{
	WRITE_ONCE(path->news, news);
	beat(path, true);
}

/**
 * clt_beat_start() - begin to listen to the server's heart
 * @path: path that has been connected
 */
void clt_beat_start(struct clt_path *path)
{
	path->beat_cqe.done = beat_done;
	INIT_DELAYED_WORK(&path->beat, beat_work);
	WRITE_ONCE(path->last_rx, jiffies);
	WRITE_ONCE(path->news, 0);
	path->known = 0;
	look_again(path);
}

/**
 * clt_beat_stop() - end that
 * @path: path that clt_beat_start() was called for
 */
void clt_beat_stop(struct clt_path *path)
{
	cancel_delayed_work_sync(&path->beat);
}

/**
 * clt_beats_init() - what the heartbeats of all paths need
 *
 * Return: 0 or -ENOMEM.
 */
int clt_beats_init(void)
{
	beat_wq = alloc_workqueue("unbd-rdma", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	return beat_wq ? 0 : -ENOMEM;
}

/**
 * clt_beats_exit() - undo clt_beats_init()
 */
void clt_beats_exit(void)
{
	destroy_workqueue(beat_wq);
}
