// SPDX-License-Identifier: GPL-2.0
/*
 * A request's way down: into a slot of the buffer and the request channel.
 */
#include <linux/bio.h>
#include <linux/highmem.h>
#include <linux/module.h>

#include "client.h"

enum shm_offset_unit clt_offset_unit = SHM_OFFSET_BLOCKS;

/* Requests that are sent again must mean the same: not while it is in use. */
module_param_cb(offset_unit, &shm_param_offset_unit, &clt_offset_unit, 0444);
MODULE_PARM_DESC(offset_unit,
		 "what the server counts offsets in: lba, 512 or bytes (default lba)");

static void copy_to_slot(struct clt_conn *conn, unsigned int slot,
			 struct request *rq)
{
	u8 *to = clt_slot_data(conn, slot);
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
	nr = clt_slot_take(conn, leg->rank);
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
	 * Pairs with clt_slot_find(). From here on the answer may come, from a
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
