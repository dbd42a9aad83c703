// SPDX-License-Identifier: GPL-2.0
/*
 * A connection's slots: its buffer is divided into them, and a request has one
 * until the server has answered.
 */
#include <linux/nospec.h>
#include <linux/slab.h>

#include "client.h"

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

/**
 * clt_slot_take() - a slot for a request
 * @conn: connection that is up
 * @rank: of the leg
 *
 * Each CPU begins to look somewhere else. When the others have taken all that
 * is there for everybody, a disk has a few for itself.
 *
 * Return: its number, or 0 if there is none. It is in use when its tag has been
 * written, see clt_slot_find().
 */
unsigned int clt_slot_take(struct clt_conn *conn, unsigned int rank)
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

/**
 * clt_slot_find() - the slot whose request a response answers
 * @conn: connection
 * @rp: response, not trusted
 *
 * Return: the slot, or NULL.
 */
struct clt_slot *clt_slot_find(struct clt_conn *conn,
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

/**
 * clt_slot_give_back() - the reverse of clt_slot_take()
 * @conn: connection, its recv_mutex is held
 * @slot: slot whose request the server has answered
 */
void clt_slot_give_back(struct clt_conn *conn, struct clt_slot *slot)
{
	slot->rq = NULL;
	/* Whoever gets it next is not to be taken for this one's leg. */
	slot->leg = NULL;
	WRITE_ONCE(slot->tag, 0);
	clear_bit_unlock(slot - conn->slots, conn->used);
}

/**
 * clt_slots_in_use() - is the server expected to answer?
 * @conn: connection
 */
bool clt_slots_in_use(struct clt_conn *conn)
{
	return find_next_bit(conn->used, conn->nr_slots, CLT_FIRST_SLOT) <
	       conn->nr_slots;
}

/**
 * clt_slots_orphan() - let go of a leg's requests
 * @leg: leg that is being detached
 *
 * The core takes them back. Their slots stay in use until the server has
 * answered: until then it may write there.
 */
void clt_slots_orphan(struct clt_leg *leg)
{
	struct clt_conn *conn = conn_of(leg);
	unsigned int nr;

	mutex_lock(&conn->recv_mutex);
	for_each_set_bit(nr, conn->used, conn->nr_slots)
		if (READ_ONCE(conn->slots[nr].leg) == leg)
			conn->slots[nr].rq = NULL;
	mutex_unlock(&conn->recv_mutex);
}

/**
 * clt_slots_share() - divide the slots among the devices
 * @conn: connection that has been reset
 * @nr_devices: that the server has
 *
 * Half of the slots are for all devices at least, so that one alone is not
 * slower for those that it could have with it.
 */
void clt_slots_share(struct clt_conn *conn, unsigned int nr_devices)
{
	unsigned int rest = conn->usable_slots - CLT_FIRST_SLOT;

	nr_devices = max(nr_devices, 1U);
	conn->own_slots = min(rest / 2 / nr_devices, CLT_OWN_SLOTS + 0U);
	conn->common_slots = conn->usable_slots - nr_devices * conn->own_slots;
}

/**
 * clt_slots_reset() - forget what a former server had
 * @conn: connection that is down; its reader knows the server's channel
 * @generation: that tags begin with
 */
void clt_slots_reset(struct clt_conn *conn, u16 generation)
{
	unsigned int i;

	conn->usable_slots = min(conn->nr_slots, conn->reader.elements -
				 CLT_SPARE_ELEMENTS);
	bitmap_zero(conn->used, conn->nr_slots);
	for (i = 0; i < conn->nr_slots; i++)
		conn->slots[i] = (struct clt_slot){ .generation = generation };
	set_bit(0, conn->used);
}

static int divide_buffer(struct clt_conn *conn, char *why, size_t len)
{
	size_t room = conn->base.regions.buffer.size;
	size_t bytes = CLT_SLOT_BYTES;

	/* Better a few requests of a page than one of 31. */
	while (bytes > 4 * CLT_SLOT_SPARE && room / bytes < 16)
		bytes /= 2;
	conn->slot_bytes = bytes;
	conn->nr_slots = min_t(size_t, room / bytes, CLT_MAX_SLOTS);
	conn->nr_slots = min(conn->nr_slots,
			     conn->writer.elements - CLT_SPARE_ELEMENTS);
	conn->nr_slots = min_t(size_t, conn->nr_slots,
			       conn->reader.room /
			       sizeof(struct muenblock_response) -
			       CLT_SPARE_ELEMENTS);
	if (conn->nr_slots < 2)
		return unbd_why(why, len, -EINVAL,
				"the buffer has %zu bytes, too few", room);
	return 0;
}

/**
 * clt_slots_init() - divide a connection's buffer
 * @conn: connection whose regions are open, reader and writer know theirs
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0, -EINVAL for a buffer that is too small, or -ENOMEM.
 */
int clt_slots_init(struct clt_conn *conn, char *why, size_t len)
{
	int err = divide_buffer(conn, why, len);

	if (err)
		return err;
	conn->slots = kvcalloc(conn->nr_slots, sizeof(*conn->slots),
			       GFP_KERNEL);
	conn->used = bitmap_zalloc(conn->nr_slots, GFP_KERNEL);
	if (conn->slots && conn->used)
		return 0;
	clt_slots_exit(conn);
	return unbd_why(why, len, -ENOMEM, "out of memory");
}

/**
 * clt_slots_exit() - undo clt_slots_init()
 * @conn: connection that is down
 */
void clt_slots_exit(struct clt_conn *conn)
{
	kvfree(conn->slots);
	bitmap_free(conn->used);
	conn->slots = NULL;
	conn->used = NULL;
}
