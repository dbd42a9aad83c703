// SPDX-License-Identifier: GPL-2.0
/*
 * The way of a request: into a slot of the buffer and the request channel,
 * and back from the response channel.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/bio.h>
#include <linux/highmem.h>
#include <linux/nospec.h>

#include "client.h"

/* Responses that are taken before others get their turn */
#define MOST_AT_ONCE	64

/* A server that has been silent for that many keepalives is gone. */
#define MISSED		3

static void *slot_data(struct clt_conn *conn, unsigned int slot)
{
	return conn->base.regions.buffer.addr + (size_t)slot * conn->slot_bytes;
}

static void copy_to_slot(struct clt_conn *conn, unsigned int slot,
			 struct request *rq)
{
	u8 *to = slot_data(conn, slot);
	struct req_iterator iter;
	struct bio_vec bv;
	void *from;

	rq_for_each_segment(bv, rq, iter) {
		from = bvec_kmap_local(&bv);
		memcpy(to, from, bv.bv_len);
		kunmap_local(from);
		to += bv.bv_len;
	}
}

static void copy_from_slot(struct clt_conn *conn, unsigned int slot,
			   struct request *rq)
{
	const u8 *from = slot_data(conn, slot);
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

static int kind_of(struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_READ:
		return MUENBLOCK_READ;
	case REQ_OP_WRITE:
		return MUENBLOCK_WRITE;
	case REQ_OP_DISCARD:
		return MUENBLOCK_DISCARD;
	case REQ_OP_FLUSH:
		return MUENBLOCK_SYNC;
	default:
		return -EOPNOTSUPP;
	}
}

/* From @start on, and then from the first one */
static unsigned int take_from(struct clt_conn *conn, unsigned int first,
			      unsigned int start, unsigned int end)
{
	unsigned int slot = start;

	do {
		slot = find_next_zero_bit(conn->used, end, slot);
		if (slot < end && !test_and_set_bit_lock(slot, conn->used))
			return slot;
	} while (slot < end);
	slot = first;
	do {
		slot = find_next_zero_bit(conn->used, start, slot);
		if (slot < start && !test_and_set_bit_lock(slot, conn->used))
			return slot;
	} while (slot < start);
	return 0;
}

/*
 * Each CPU begins to look somewhere else. When the others have taken all that
 * is there for everybody, a disk has a few for itself.
 */
static unsigned int take_slot(struct clt_conn *conn, unsigned int rank)
{
	unsigned int nr = conn->common_slots, slot, own, end;

	slot = take_from(conn, CLT_FIRST_SLOT, CLT_FIRST_SLOT +
			 raw_smp_processor_id() * 37 % (nr - CLT_FIRST_SLOT),
			 nr);
	if (likely(slot))
		return slot;
	/* How many devices there are may be changing. */
	end = min(nr + (rank + 1) * conn->own_slots, conn->usable_slots);
	own = end - min(conn->own_slots, end - CLT_FIRST_SLOT);
	return take_from(conn, own, own, end);
}

static void give_back_slot(struct clt_conn *conn, unsigned int slot)
{
	clear_bit_unlock(slot, conn->used);
}

/* Where nobody tells us, the answer has to be looked for. */
static void tell_server(struct clt_conn *conn)
{
	shm_region_notify(&conn->base.regions.request);
	if (conn->base.regions.response.polled)
		shm_thread_kick(&conn->thread);
}

/**
 * clt_send() - write a request to the channel
 * @conn: connection that is being or has been connected
 * @rq: request
 * @last: nothing follows at once, so tell the server
 */
void clt_send(struct clt_conn *conn, const struct shm_request *rq, bool last)
{
	struct muenblock_request element;

	clt_pack_request(&element, rq);
	spin_lock(&conn->send_lock);
	shm_writer_put(&conn->writer, &element);
	conn->unsent = !last;
	spin_unlock(&conn->send_lock);
	if (last)
		tell_server(conn);
}

blk_status_t clt_queue_rq(struct unbd_leg *base, unsigned int queue,
			  struct request *rq, bool last)
{
	struct clt_leg *leg = to_clt_leg(base);
	struct clt_conn *conn = conn_of(leg);
	struct shm_request wire = { .device = leg->device };
	struct clt_slot *slot;
	int kind = kind_of(rq);
	unsigned int nr;

	if (unlikely(kind < 0))
		return BLK_STS_NOTSUPP;
	if (unlikely(READ_ONCE(conn->broken)))
		return BLK_STS_TRANSPORT;
	nr = take_slot(conn, leg->rank);
	if (!nr) {
		clt_commit_rqs(base, queue);
		return BLK_STS_RESOURCE;
	}
	slot = &conn->slots[nr];
	if (kind != MUENBLOCK_SYNC) {
		wire.length = blk_rq_bytes(rq);
		wire.offset = clt_wire_offset(blk_rq_pos(rq) << SECTOR_SHIFT,
					      leg->block, clt_offset_unit);
	}
	if (kind != MUENBLOCK_SYNC && kind != MUENBLOCK_DISCARD)
		wire.buffer = (u64)nr * conn->slot_bytes;
	if (kind == MUENBLOCK_WRITE)
		copy_to_slot(conn, nr, rq);
	wire.kind = kind;
	slot->generation++;
	wire.tag = (u32)slot->generation << 16 | nr;
	slot->rq = rq;
	WRITE_ONCE(slot->leg, leg);
	slot->device = leg->device;
	slot->kind = kind;
	/*
	 * Pairs with find_slot(). From here on the answer may come, from a
	 * server that guesses even before it was asked: hands off.
	 */
	smp_store_release(&slot->tag, wire.tag);
	clt_send(conn, &wire, last);
	return BLK_STS_OK;
}

void clt_commit_rqs(struct unbd_leg *base, unsigned int queue)
{
	struct clt_conn *conn = conn_of(to_clt_leg(base));
	bool tell;

	spin_lock(&conn->send_lock);
	tell = conn->unsent;
	conn->unsent = false;
	spin_unlock(&conn->send_lock);
	if (tell)
		tell_server(conn);
}

/* The slot whose request a response answers, or NULL */
static struct clt_slot *find_slot(struct clt_conn *conn,
				  const struct shm_response *rp)
{
	unsigned int nr = rp->tag & 0xffff;
	struct clt_slot *slot;

	if (nr < CLT_FIRST_SLOT || nr >= conn->nr_slots)
		return NULL;
	slot = &conn->slots[array_index_nospec(nr, conn->nr_slots)];
	/* Pairs with clt_queue_rq(): what the slot says is complete. */
	if (smp_load_acquire(&slot->tag) != rp->tag)
		return NULL;
	if (slot->kind != rp->kind || slot->device != rp->device)
		return NULL;
	return slot;
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
	slot->rq = NULL;
	/* Whoever gets it next is not to be taken for this one's leg. */
	slot->leg = NULL;
	WRITE_ONCE(slot->tag, 0);
	give_back_slot(conn, nr);
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
	slot = find_slot(conn, &rp);
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

/**
 * clt_receive() - take what has come on the response channel
 * @conn: connection, its recv_mutex is held
 *
 * Return: number of requests completed.
 */
unsigned int clt_receive(struct clt_conn *conn)
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
	completed = clt_receive(conn);
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

	return READ_ONCE(conn->control_tag) ||
	       find_next_bit(conn->used, conn->nr_slots, CLT_FIRST_SLOT) <
	       conn->nr_slots;
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
	completed = clt_receive(conn);
	mutex_unlock(&conn->recv_mutex);
	return completed;
}

/**
 * clt_orphan_requests() - let go of a leg's requests
 * @leg: leg that is being detached
 *
 * The core takes them back. Their slots stay in use until the server has
 * answered: until then it may write there.
 */
void clt_orphan_requests(struct clt_leg *leg)
{
	struct clt_conn *conn = conn_of(leg);
	unsigned int nr;

	mutex_lock(&conn->recv_mutex);
	for_each_set_bit(nr, conn->used, conn->nr_slots)
		if (READ_ONCE(conn->slots[nr].leg) == leg)
			conn->slots[nr].rq = NULL;
	mutex_unlock(&conn->recv_mutex);
}
