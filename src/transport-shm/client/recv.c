// SPDX-License-Identifier: GPL-2.0
/*
 * A request's way back: the response channel, and the thread that reads it.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/bio.h>
#include <linux/highmem.h>

#include "client.h"

/* Responses that are taken before others get their turn */
#define MOST_AT_ONCE	64

/* A server that has been silent for that many keepalives is gone. */
#define MISSED		3

static void copy_from_slot(struct clt_conn *conn, unsigned int slot,
			   struct request *rq)
{
	const u8 *from = clt_slot_data(conn, slot);
	struct req_iterator iter;
	struct bio_vec bv;
	void *to;

	rq_for_each_segment(bv, rq, iter) {
		to = bvec_kmap_local(&bv);
		memcpy(to, from, bv.bv_len);
		flush_dcache_page(bv.bv_page);
		kunmap_local(to);
		from += bv.bv_len;
	}
}

static blk_status_t block_status(const struct shm_response *rp)
{
	return errno_to_blk_status(clt_error_of_status(rp->kind, rp->status));
}

/* Taken back meanwhile: nobody but the server knows of it any more. */
static struct request *end_slot(struct clt_conn *conn, struct clt_slot *slot)
{
	unsigned int nr = slot - conn->slots;
	struct request *rq = slot->rq;

	if (rq && slot->kind == MUENBLOCK_READ)
		copy_from_slot(conn, nr, rq);
	clt_slot_give_back(conn, slot);
	return rq;
}

static bool handle_response(struct clt_conn *conn,
			    const struct muenblock_response *element)
{
	struct shm_response rp;
	struct clt_slot *slot;
	struct request *rq;

	clt_unpack_response(&rp, element);
	conn->heard = jiffies;
	conn->pinged = false;
	if (!(rp.tag & 0xffff)) {
		clt_control_answered(conn, &rp);
		return false;
	}
	if (conn->resetting)
		return false;
	slot = clt_slot_find(conn, &rp);
	if (slot) {
		rq = end_slot(conn, slot);
		if (rq)
			unbd_complete_request(rq, block_status(&rp));
		return rq;
	}
	if (!conn->warned)
		pr_warn("%s: response to nothing: %s, device %u, tag %#x; more are not reported\n",
			conn->path->base.name, clt_kind_name(rp.kind),
			rp.device, rp.tag);
	conn->warned = true;
	return false;
}

static void handle_state(struct clt_conn *conn, enum shm_read state)
{
	switch (state) {
	case SHM_READ_INACTIVE:
		clt_conn_fail(conn, -ECONNRESET, "the server has gone");
		break;
	case SHM_READ_RESTARTED:
		clt_conn_fail(conn, -ECONNRESET, "the server has begun anew");
		break;
	case SHM_READ_INCOMPATIBLE:
		clt_conn_fail(conn, -EPROTO,
			      "the server speaks another protocol now");
		break;
	default:
		clt_conn_fail(conn, -EOVERFLOW,
			      "the server has overrun its channel");
	}
}

/* Returns the number of requests completed. */
static unsigned int receive(struct clt_conn *conn)
{
	struct muenblock_response element;
	unsigned int i, completed = 0;
	enum shm_read state;

	lockdep_assert_held(&conn->recv_mutex);

	for (i = 0; i < MOST_AT_ONCE && !conn->broken; i++) {
		state = shm_reader_get(&conn->reader, &element);
		if (state == SHM_READ_EMPTY)
			break;
		if (state == SHM_READ_OK)
			completed += handle_response(conn, &element);
		else
			handle_state(conn, state);
	}
	return completed;
}

static void watch_server(struct clt_conn *conn)
{
	unsigned int keepalive = conn->path->base.keepalive;
	unsigned long silence = jiffies - conn->heard;

	if (!keepalive || conn->broken || conn->resetting ||
	    silence < keepalive * HZ)
		return;
	/* It is we who may have been away: it is asked before it is blamed. */
	if (!conn->pinged) {
		conn->pinged = true;
		conn->asked = jiffies;
		clt_control_ping(conn);
	} else if (jiffies - conn->asked > (MISSED - 1) * keepalive * HZ) {
		clt_conn_fail(conn, -ETIMEDOUT,
			      "nothing from the server for %u ms",
			      jiffies_to_msecs(silence));
	}
}

static struct clt_conn *conn_of_thread(struct shm_thread *thread)
{
	return container_of(thread, struct clt_conn, thread);
}

static bool client_work(struct shm_thread *thread)
{
	struct clt_conn *conn = conn_of_thread(thread);
	unsigned int completed;

	mutex_lock(&conn->recv_mutex);
	completed = receive(conn);
	watch_server(conn);
	mutex_unlock(&conn->recv_mutex);
	return completed;
}

static bool client_pending(struct shm_thread *thread)
{
	struct clt_conn *conn = conn_of_thread(thread);

	return !READ_ONCE(conn->broken) && shm_reader_pending(&conn->reader);
}

static bool client_busy(struct shm_thread *thread)
{
	struct clt_conn *conn = conn_of_thread(thread);

	return READ_ONCE(conn->control_tag) || clt_slots_in_use(conn);
}

const struct shm_thread_ops clt_thread_ops = {
	.work = client_work,
	.pending = client_pending,
	.busy = client_busy,
};

int clt_poll(struct unbd_leg *base, unsigned int queue)
{
	struct clt_conn *conn = conn_of(to_clt_leg(base));
	int completed;

	if (!shm_reader_pending(&conn->reader) ||
	    !mutex_trylock(&conn->recv_mutex))
		return 0;
	completed = receive(conn);
	mutex_unlock(&conn->recv_mutex);
	return completed;
}
