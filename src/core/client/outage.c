// SPDX-License-Identifier: GPL-2.0
/*
 * Whether a device's queue runs, waits or fails.
 *
 *	running   at least one leg is live
 *	parked    no leg is live: the queue is quiesced, requests wait
 *	failing   parked for longer than fail_timeout: requests end with EIO
 *
 * A live leg brings the device back to running from either.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include "client.h"
#include "trace.h"

static bool is_live(const struct unbd_leg *leg)
{
	return READ_ONCE(leg->live);
}

static bool is_attached(const struct unbd_leg *leg)
{
	return READ_ONCE(leg->attached);
}

static bool any_leg(struct unbd_device *dev,
		    bool (*test)(const struct unbd_leg *leg))
{
	int idx = srcu_read_lock(&dev->srcu);
	struct unbd_leg *leg = NULL;
	bool found = false;

	while ((leg = unbd_next_leg(dev, leg))) {
		found = test(leg);
		if (found)
			break;
	}
	srcu_read_unlock(&dev->srcu, idx);
	return found;
}

/**
 * unbd_device_attached() - may an answer come over some leg?
 * @dev: the device
 */
bool unbd_device_attached(struct unbd_device *dev)
{
	return any_leg(dev, is_attached);
}

/**
 * unbd_device_has_leg() - can the device reach its server right now?
 * @dev: the device
 */
bool unbd_device_has_leg(struct unbd_device *dev)
{
	return any_leg(dev, is_live);
}

/**
 * unbd_device_state() - what is to be expected of a disk's I/O, in a word
 * @dev: the device
 */
const char *unbd_device_state(const struct unbd_device *dev)
{
	if (READ_ONCE(dev->failing))
		return "failing";
	if (READ_ONCE(dev->parked))
		return "parked";
	if (READ_ONCE(dev->replay.lost))
		return "lost";
	return "live";
}

static void state_changed(struct unbd_device *dev)
{
	trace_unbd_disk_state(dev);
	unbd_device_event(dev, unbd_device_state(dev));
}

static void resume(struct unbd_device *dev)
{
	lockdep_assert_held(&dev->mutex);

	if (dev->parked) {
		dev->parked = false;
		blk_mq_unquiesce_queue(dev->disk->queue);
	}
	blk_mq_kick_requeue_list(dev->disk->queue);
}

/*
 * A server that breaks each connection with its first answer does not end an
 * outage by accepting the next one. One that has been asked nothing since the
 * disk failed may have done so: see unbd_device_unanswered().
 */
static void outage_begins(struct unbd_device *dev)
{
	if (!READ_ONCE(dev->unproven) || READ_ONCE(dev->given_up))
		dev->fail_at = jiffies + dev->fail_timeout * HZ;
}

static void start_fail_timer(struct unbd_device *dev)
{
	unsigned long now = jiffies;

	if (dev->fail_timeout < 0)
		return;
	outage_begins(dev);
	mod_delayed_work(unbd_urgent_wq, &dev->fail_work,
			 time_before(now, dev->fail_at) ?
			 dev->fail_at - now : 0);
}

static void park(struct unbd_device *dev)
{
	lockdep_assert_held(&dev->mutex);

	dev->parked = true;
	blk_mq_quiesce_queue(dev->disk->queue);
	atomic_inc(&dev->stats[UNBD_STAT_PARKED]);
	pr_warn("unbd%u: no path to %s is live, I/O waits\n", dev->index,
		dev->session->name);
	start_fail_timer(dev);
	state_changed(dev);
}

/**
 * unbd_fail_work() - the outage has lasted for fail_timeout
 * @work: dev->fail_work
 */
void unbd_fail_work(struct work_struct *work)
{
	struct unbd_device *dev = container_of(to_delayed_work(work),
					       struct unbd_device, fail_work);

	mutex_lock(&dev->mutex);
	/* The disk may be on its way out. */
	if (dev->disk && dev->parked && !unbd_device_has_leg(dev)) {
		pr_err("unbd%u: no path for fail_timeout (%d s), I/O fails until one is back\n",
		       dev->index, dev->fail_timeout);
		WRITE_ONCE(dev->failing, true);
		WRITE_ONCE(dev->given_up, true);
		WRITE_ONCE(dev->unproven, true);
		resume(dev);
		state_changed(dev);
		unbd_fence_let_go(dev);
	}
	mutex_unlock(&dev->mutex);
}

/**
 * unbd_device_unanswered() - a leg that is down had requests without an answer
 * @dev: the device, after unbd_device_update()
 * @since: jiffies since when the leg was live
 *
 * If it has no other, it is in the outage of before, unless the leg was live
 * for longer than any request waits: then it was idle, and nothing speaks
 * against its server before this. May sleep.
 */
void unbd_device_unanswered(struct unbd_device *dev, unsigned long since)
{
	mutex_lock(&dev->mutex);
	if (dev->disk && dev->parked) {
		WRITE_ONCE(dev->unproven, true);
		if (time_after(jiffies, since + unbd_longest_wait(dev)))
			WRITE_ONCE(dev->given_up, false);
		if (READ_ONCE(dev->given_up))
			mod_delayed_work(unbd_urgent_wq, &dev->fail_work, 0);
	}
	mutex_unlock(&dev->mutex);
}

/**
 * unbd_device_update() - park or resume a device after a leg went up or down
 * @dev: the device
 *
 * May sleep. Requests that a leg held back are to be returned to the queue
 * after the call that parks.
 */
void unbd_device_update(struct unbd_device *dev)
{
	bool live, was_away;

	mutex_lock(&dev->mutex);
	live = unbd_device_has_leg(dev);
	if (!dev->disk || dev->dying)
		goto out;
	if (live) {
		was_away = dev->parked || dev->failing;
		cancel_delayed_work(&dev->fail_work);
		WRITE_ONCE(dev->failing, false);
		resume(dev);
		if (was_away) {
			pr_info("unbd%u: I/O goes on\n", dev->index);
			state_changed(dev);
		}
	} else if (!dev->parked && !dev->failing) {
		park(dev);
	}
out:
	mutex_unlock(&dev->mutex);
	wake_up_all(&dev->wait);
}

/**
 * unbd_device_fail() - let every request fail from now on
 * @dev: device that is being removed by force
 */
void unbd_device_fail(struct unbd_device *dev)
{
	mutex_lock(&dev->mutex);
	WRITE_ONCE(dev->dying, true);
	WRITE_ONCE(dev->failing, true);
	if (dev->disk) {
		resume(dev);
		state_changed(dev);
	}
	unbd_fence_let_go(dev);
	mutex_unlock(&dev->mutex);
}

/**
 * unbd_device_kick_legs() - have legs look what there is to do
 * @dev: the device
 * @live: those that are live, or those that are not
 */
void unbd_device_kick_legs(struct unbd_device *dev, bool live)
{
	int idx = srcu_read_lock(&dev->srcu);
	struct unbd_leg *leg = NULL;

	while ((leg = unbd_next_leg(dev, leg)))
		if (READ_ONCE(leg->live) == live)
			unbd_leg_kick(leg);
	srcu_read_unlock(&dev->srcu, idx);
}

/**
 * unbd_device_hold() - have new requests wait although there are legs
 * @dev: the device
 *
 * Until unbd_device_go_on(). May sleep.
 */
void unbd_device_hold(struct unbd_device *dev)
{
	mutex_lock(&dev->mutex);
	if (dev->disk && !dev->dying && !dev->parked) {
		dev->parked = true;
		blk_mq_quiesce_queue(dev->disk->queue);
		/* It is one if no leg comes back with an answer. */
		outage_begins(dev);
	}
	mutex_unlock(&dev->mutex);
}

/**
 * unbd_device_go_on() - undo unbd_device_hold()
 * @dev: the device
 *
 * Over the legs that there are; or it is parked as whenever there are none.
 * May sleep.
 */
void unbd_device_go_on(struct unbd_device *dev)
{
	mutex_lock(&dev->mutex);
	if (dev->disk)
		resume(dev);
	mutex_unlock(&dev->mutex);
	unbd_device_update(dev);
}
