// SPDX-License-Identifier: GPL-2.0
/*
 * Legs: one device as reached over one path, and the requests in flight on it.
 *
 * A leg keeps its own table of requests in flight, by hardware queue and tag.
 * What a peer sends as a cookie is looked up there and nowhere else, so it
 * can never reach a request that was not sent on that very queue.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "client.h"
#include "trace.h"

struct unbd_leg *unbd_leg_of(struct unbd_device *dev, struct unbd_path *path)
{
	return rcu_dereference_protected(dev->legs[path->index],
				lockdep_is_held(&path->mutex) ||
				lockdep_is_held(&dev->session->mutex));
}

/**
 * unbd_leg_create() - prepare to reach a device over a path
 * @dev: the device
 * @path: the path; path->mutex is held
 *
 * Return: 0 or -ENOMEM.
 */
int unbd_leg_create(struct unbd_device *dev, struct unbd_path *path)
{
	struct unbd_leg *leg;

	lockdep_assert_held(&path->mutex);

	leg = kzalloc(path->ops->leg_size, GFP_KERNEL);
	if (!leg)
		return -ENOMEM;
	leg->path = path;
	leg->dev = unbd_device_get(dev);
	leg->export_name = dev->export_name;
	leg->read_only = dev->access_mode == UNBD_ACCESS_RO;
	leg->migration = dev->access_mode == UNBD_ACCESS_MIGRATION;
	leg->want_queues = dev->want_queues;
	leg->want_poll_queues = dev->want_poll_queues;
	leg->queue_depth = dev->queue_depth;
	mutex_init(&leg->mutex);
	INIT_DELAYED_WORK(&leg->work, unbd_leg_work);
	INIT_WORK(&leg->mend_work, unbd_leg_mend_work);
	list_add_tail(&leg->entry, &path->legs);
	rcu_assign_pointer(dev->legs[path->index], leg);
	dev->nr_legs++;
	return 0;
}

/**
 * unbd_leg_lock() - take leg->mutex, for a work
 * @leg: the leg
 *
 * Reclaim may be waiting for a disk that only this can bring back: neither it
 * nor who holds it up may wait for reclaim.
 *
 * Return: for unbd_leg_unlock(); until then memory comes without I/O.
 */
unsigned int unbd_leg_lock(struct unbd_leg *leg)
{
	mutex_lock(&leg->mutex);
	return memalloc_noio_save();
}

/**
 * unbd_leg_lock_abort() - take leg->mutex without waiting for the peer
 * @leg: leg that may be waiting for its peer; where it shares something with
 *	others, its path was locked by unbd_path_lock_abort()
 *
 * What was interrupted is tried again at once after the mutex is released.
 *
 * Return: as unbd_leg_lock().
 */
unsigned int unbd_leg_lock_abort(struct unbd_leg *leg)
{
	struct unbd_path *path = leg->path;
	unsigned int noio;

	if (mutex_trylock(&leg->mutex))
		return memalloc_noio_save();

	mutex_lock(&path->abort_mutex);
	if (!leg->aborters++)
		path->ops->abort_leg(leg);
	mutex_unlock(&path->abort_mutex);

	noio = unbd_leg_lock(leg);

	mutex_lock(&path->abort_mutex);
	if (!--leg->aborters)
		path->ops->abort_leg_clear(leg);
	mutex_unlock(&path->abort_mutex);
	return noio;
}

/**
 * unbd_leg_unlock() - release leg->mutex
 * @leg: the leg
 * @noio: what locking it has returned
 */
void unbd_leg_unlock(struct unbd_leg *leg, unsigned int noio)
{
	memalloc_noio_restore(noio);
	mutex_unlock(&leg->mutex);
}

/**
 * unbd_leg_retire() - take a leg down for ever
 * @leg: a leg, live or not; its path's mutex is held
 * @polite: tell the server
 *
 * May sleep, but not for the peer. Nothing of the leg runs any more.
 */
void unbd_leg_retire(struct unbd_leg *leg, bool polite)
{
	unsigned int noio = unbd_leg_lock_abort(leg);

	leg->gone = true;
	unbd_leg_down(leg, polite);
	unbd_leg_unlock(leg, noio);
}

/**
 * unbd_leg_destroy() - forget a leg that has retired
 * @leg: the leg; its path's mutex is held
 */
void unbd_leg_destroy(struct unbd_leg *leg)
{
	struct unbd_device *dev = leg->dev;

	lockdep_assert_held(&leg->path->mutex);

	list_del(&leg->entry);
	RCU_INIT_POINTER(dev->legs[leg->path->index], NULL);
	dev->nr_legs--;
	/* Who has found it may have told it to run. */
	synchronize_srcu(&dev->srcu);
	mutex_lock(&dev->mutex);
	unbd_device_stack_limits(dev);
	mutex_unlock(&dev->mutex);
	cancel_delayed_work_sync(&leg->work);
	cancel_work_sync(&leg->mend_work);
	wake_up_all(&dev->wait);
	mutex_destroy(&leg->mutex);
	kvfree(leg->slots);
	kfree(leg->fence);
	kfree(leg);
	unbd_device_put(dev);
}

static int alloc_slots(struct unbd_leg *leg)
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

static void detach(struct unbd_leg *leg)
{
	leg->path->ops->detach(leg);
	WRITE_ONCE(leg->attached, false);
	unbd_leg_mended(leg);
}

/**
 * unbd_leg_attach() - open the export and let the leg carry I/O
 * @leg: leg that is down, on a connected path; its mutex is held
 * @why: gets the reason of a failure
 * @len: size of @why
 *
 * May sleep for as long as the transport may. Return: 0 or -errno.
 */
int unbd_leg_attach(struct unbd_leg *leg, char *why, size_t len)
{
	const struct unbd_transport_ops *ops = leg->path->ops;
	unsigned long began = jiffies;
	int err;

	lockdep_assert_held(&leg->mutex);

	err = unbd_fence_prepare(leg);
	if (err)
		return unbd_why(why, len, err, "out of memory");
	leg->recognised = false;
	err = ops->attach(leg, why, len);
	if (err)
		goto out;
	if (!leg->recognised)
		err = unbd_leg_recognise(leg, NULL, why, len);
	WRITE_ONCE(leg->attached, true);
	if (!err)
		err = unbd_device_adopt(leg->dev, leg, why, len);
	if (!err)
		err = alloc_slots(leg);
	if (err) {
		leg->polite = true;
		detach(leg);
		goto out;
	}
	unbd_fence_done(leg);
	leg->attempts.took = jiffies - began;
	WRITE_ONCE(leg->latency_ns, 0);
	leg->live_since = jiffies;
	WRITE_ONCE(leg->ask, 0);
	WRITE_ONCE(leg->answered_at, jiffies);
	WRITE_ONCE(leg->alive_at, jiffies);
	/* Pairs with live_leg(): all that a request needs is there. */
	smp_store_release(&leg->live, true);
	unbd_leg_sound(leg);
	unbd_path_leg_up(leg->path);
	unbd_device_update(leg->dev);
out:
	return err;
}

/* Puts the requests that a detached leg still held back to the queue. */
static void take_back_requests(struct unbd_leg *leg)
{
	struct unbd_device *dev = leg->dev;
	unsigned int i;

	if (unbd_leg_busy(leg))
		unbd_device_unanswered(dev, leg->live_since);
	for (i = 0; i < leg->nr_slots; i++) {
		struct request *rq = leg->slots[i];

		if (!rq)
			continue;
		unbd_leg_drop_request(leg, rq);
		unbd_request(rq)->retry = true;
		atomic_inc(&dev->stats[UNBD_STAT_REQUEUED]);
		trace_unbd_rq_lost(rq);
		if (!unbd_fence_hold(leg, rq))
			blk_mq_complete_request(rq);
	}
	if (unbd_fence_wanted(dev))
		unbd_device_kick_legs(dev, true);
}

/**
 * unbd_leg_down() - take a leg out of service and its requests back
 * @leg: a leg, live or not; its mutex is held
 * @polite: tell the server
 *
 * May sleep, but not for the peer. Afterwards the requests are queued again
 * for another leg, parked, or failed.
 */
void unbd_leg_down(struct unbd_leg *leg, bool polite)
{
	struct unbd_device *dev = leg->dev;

	lockdep_assert_held(&leg->mutex);

	if (!leg->live) {
		unbd_leg_mended(leg);
		return;
	}
	WRITE_ONCE(leg->live, false);
	synchronize_srcu(&dev->srcu);
	leg->polite = polite;
	detach(leg);
	unbd_device_update(dev);
	take_back_requests(leg);
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

void unbd_complete_request(struct request *rq, blk_status_t status)
{
	struct unbd_request *req = unbd_request(rq);

	struct unbd_leg *leg = req->leg;
	unsigned long now = jiffies;

	/* Nothing else is an answer. */
	count_answer(leg, rq, status);
	/* All queues share it. */
	if (READ_ONCE(leg->answered_at) != now)
		WRITE_ONCE(leg->answered_at, now);
	forget_request(leg, rq);
	req->status = status;
	if (!blk_mq_complete_request_remote(rq))
		unbd_device_complete(rq);
}
EXPORT_SYMBOL_UNBD(unbd_complete_request);
