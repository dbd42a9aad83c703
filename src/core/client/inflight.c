// SPDX-License-Identifier: GPL-2.0
/*
 * Requests in flight on a leg, by hardware queue and tag.
 *
 * What a peer sends as a cookie is looked up there and nowhere else, so it
 * can never reach a request that was not sent on that very queue.
 */
#include <linux/slab.h>

#include "client.h"

/**
 * unbd_leg_alloc_slots() - have room for a leg's requests in flight
 * @leg: leg of a device whose queues are known; its mutex is held
 *
 * May sleep. Return: 0 or -ENOMEM.
 */
int unbd_leg_alloc_slots(struct unbd_leg *leg)
{
	struct unbd_device *dev = leg->dev;
	unsigned int nr = (dev->nr_queues + dev->nr_poll_queues) *
			  dev->queue_depth;
	struct request **slots;

	/* How many queues a device has does not change any more. */
	if (leg->slots)
		return 0;
	slots = kvcalloc(nr, sizeof(*slots), GFP_KERNEL);
	if (!slots)
		return -ENOMEM;
	leg->nr_slots = nr;
	/* Pairs with unbd_request_find(): peers send what they like by now. */
	smp_store_release(&leg->slots, slots);
	return 0;
}

/**
 * unbd_leg_busy() - are requests in flight on a leg?
 * @leg: leg with its slots; its mutex is held
 */
bool unbd_leg_busy(struct unbd_leg *leg)
{
	unsigned int i;

	lockdep_assert_held(&leg->mutex);

	for (i = 0; i < leg->nr_slots; i++)
		if (READ_ONCE(leg->slots[i]))
			return true;
	return false;
}

/**
 * unbd_leg_queue() - which of the leg's queues serves a hardware queue
 * @leg: a live leg
 * @hctx: number of the hardware queue
 *
 * A server may grant fewer connections than the disk has hardware queues.
 */
unsigned int unbd_leg_queue(struct unbd_leg *leg, unsigned int hctx)
{
	unsigned int nr_queues = leg->dev->nr_queues;

	if (hctx < nr_queues)
		return hctx < leg->nr_queues ? hctx : hctx % leg->nr_queues;
	if (!leg->nr_poll_queues)
		return hctx % leg->nr_queues;
	return leg->nr_queues + (hctx - nr_queues) % leg->nr_poll_queues;
}

bool unbd_leg_has_others(const struct unbd_leg *leg)
{
	return READ_ONCE(leg->dev->nr_legs) > 1;
}
EXPORT_SYMBOL_UNBD(unbd_leg_has_others);

static unsigned int slot_of(struct unbd_leg *leg, u32 unique_tag)
{
	return blk_mq_unique_tag_to_hwq(unique_tag) * leg->queue_depth +
	       blk_mq_unique_tag_to_tag(unique_tag);
}

static bool takes_its_time(struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_FLUSH:
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
	case REQ_OP_WRITE_ZEROES:
		return true;
	default:
		return false;
	}
}

/**
 * unbd_leg_add_request() - note that a request is about to be sent on a leg
 * @leg: a live leg, inside dev->srcu
 * @rq: started request
 * @hctx: its hardware queue
 */
void unbd_leg_add_request(struct unbd_leg *leg, struct request *rq,
			  unsigned int hctx)
{
	struct unbd_request *req = unbd_request(rq);

	req->leg = leg;
	req->queue = unbd_leg_queue(leg, hctx);
	req->generation++;
	req->retry = false;
	req->slow = takes_its_time(rq);
	if (unlikely(req->slow))
		atomic_inc(&leg->slow);
	req->counted = leg->dev->nr_legs > 1;
	if (req->counted) {
		atomic_inc(&leg->path->inflight);
		req->sent_ns = ktime_get_ns();
	}
	this_cpu_inc(leg->path->counters->sent);
	/* Pairs with unbd_request_find(): the slot shows a complete request. */
	smp_store_release(&leg->slots[slot_of(leg, blk_mq_unique_tag(rq))], rq);
}

/**
 * unbd_leg_latency() - how long a leg's answers take, as far as is known
 * @leg: the leg
 *
 * That of one that nobody asks any more is halved each second: some time it is
 * worth another try.
 *
 * Return: nanoseconds, a moving average.
 */
u64 unbd_leg_latency(const struct unbd_leg *leg)
{
	unsigned long age = jiffies - READ_ONCE(leg->answered_at);

	return READ_ONCE(leg->latency_ns) >> min(age / HZ, 63UL);
}

static void account_latency(struct unbd_leg *leg, u64 ns)
{
	u64 old = unbd_leg_latency(leg);

	WRITE_ONCE(leg->latency_ns, old ? old - old / 8 + ns / 8 : ns);
}

static void count_answer(struct unbd_leg *leg, struct request *rq,
			 blk_status_t status)
{
	struct unbd_path_counters __percpu *c = leg->path->counters;
	struct unbd_request *req = unbd_request(rq);
	enum unbd_path_io io = UNBD_IO_OTHER;
	u64 ns;

	if (likely(!req->slow))
		io = op_is_write(req_op(rq)) ? UNBD_IO_WRITE : UNBD_IO_READ;
	this_cpu_inc(c->requests[io]);
	this_cpu_add(c->bytes[io], blk_rq_bytes(rq));
	if (unlikely(status))
		this_cpu_inc(c->errors);
	if (req->counted) {
		ns = ktime_get_ns() - req->sent_ns;
		this_cpu_add(c->time_ns, ns);
		account_latency(leg, ns);
	}
}

static void forget_request(struct unbd_leg *leg, struct request *rq)
{
	struct unbd_request *req = unbd_request(rq);

	WRITE_ONCE(leg->slots[slot_of(leg, blk_mq_unique_tag(rq))], NULL);
	if (unlikely(req->slow))
		atomic_dec(&leg->slow);
	if (req->counted)
		atomic_dec(&leg->path->inflight);
	WRITE_ONCE(req->leg, NULL);
}

/**
 * unbd_leg_answered() - a request is no longer in flight: it has its answer
 * @leg: the leg that had it
 * @rq: the request
 * @status: the answer
 *
 * Any context.
 */
void unbd_leg_answered(struct unbd_leg *leg, struct request *rq,
		       blk_status_t status)
{
	unsigned long now = jiffies;

	count_answer(leg, rq, status);
	/* All queues share it. */
	if (READ_ONCE(leg->answered_at) != now)
		WRITE_ONCE(leg->answered_at, now);
	forget_request(leg, rq);
}

/**
 * unbd_leg_drop_request() - a request is no longer in flight, without an answer
 * @leg: the leg that had it
 * @rq: the request
 */
void unbd_leg_drop_request(struct unbd_leg *leg, struct request *rq)
{
	forget_request(leg, rq);
	this_cpu_inc(leg->path->counters->returned);
}

struct request *unbd_request_find(struct unbd_leg *leg, unsigned int queue,
				  u64 cookie)
{
	unsigned int hctx = blk_mq_unique_tag_to_hwq(lower_32_bits(cookie));
	unsigned int tag = blk_mq_unique_tag_to_tag(lower_32_bits(cookie));
	struct unbd_device *dev = leg->dev;
	struct request **slots;
	struct request *rq;

	/* Pairs with alloc_slots(): nothing can have been asked for before. */
	slots = smp_load_acquire(&leg->slots);
	if (!slots || hctx >= dev->nr_queues + dev->nr_poll_queues ||
	    tag >= leg->queue_depth || unbd_leg_queue(leg, hctx) != queue)
		return NULL;
	/* Pairs with unbd_leg_add_request(). */
	rq = smp_load_acquire(&slots[hctx * leg->queue_depth + tag]);
	if (!rq || unbd_request(rq)->generation != upper_32_bits(cookie))
		return NULL;
	return rq;
}
EXPORT_SYMBOL_UNBD(unbd_request_find);
