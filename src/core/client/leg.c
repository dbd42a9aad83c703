// SPDX-License-Identifier: GPL-2.0
/*
 * Legs: one device as reached over one path. Who has a leg's mutex, and how it
 * gets into service and out of it.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/sched/mm.h>

#include "client.h"
#include "trace.h"

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
		err = unbd_leg_alloc_slots(leg);
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
	/* Pairs with is_live(): all that a request needs is there. */
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
