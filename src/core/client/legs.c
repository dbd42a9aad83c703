// SPDX-License-Identifier: GPL-2.0
/*
 * A leg's life: it comes up, is looked after while it is live, and is taken
 * down when it has broken.
 *
 * Where legs share nothing (a transport without ops->connect) each does that by
 * itself, in a work of its own and under its own mutex: an export whose server
 * does not answer, comes or goes holds up no other one. Otherwise their path's
 * work does it, one leg after the other.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/slab.h>

#include "client.h"

/* From one question for fencing that failed to the next */
#define FENCE_DELAY		msecs_to_jiffies(100)

/* Why a mapped disk is not there yet is said once, not at every attempt. */
static void report(struct unbd_leg *leg, int error, const char *why)
{
	if (error && error != leg->error && leg->dev->disk &&
	    unbd_path_may_log(leg->path))
		pr_warn("%s: unbd%u: %s (%d)\n", leg->path->name,
			leg->dev->index, why, error);
}

/**
 * unbd_leg_tried() - a mapping must not wait for this leg
 * @leg: the leg
 * @error: 0 if it is up, or -errno
 * @why: reason of @error
 */
void unbd_leg_tried(struct unbd_leg *leg, int error, const char *why)
{
	leg->error = error;
	strscpy(leg->why, why, sizeof(leg->why));
	/* Pairs with was_tried(): error and reason have been written. */
	smp_store_release(&leg->tried, true);
	wake_up_all(&leg->dev->wait);
}

static bool wants_up(const struct unbd_leg *leg)
{
	enum unbd_path_state state = READ_ONCE(leg->path->state);

	return !leg->live && !READ_ONCE(leg->dev->dying) &&
	       state != UNBD_PATH_FAILED && state != UNBD_PATH_REMOVING;
}

/**
 * unbd_leg_come_up() - attach a leg that is not attached
 * @leg: the leg, its mutex is held; its path is connected
 *
 * May sleep for as long as the transport may. Return: 0, also if there is
 * nothing to do; -ECANCELED when it was interrupted by who wants the mutex; or
 * -errno.
 */
int unbd_leg_come_up(struct unbd_leg *leg)
{
	char why[UNBD_WHY_LEN] = "";
	int err = -ECANCELED;

	if (!wants_up(leg))
		return 0;
	if (!unbd_leg_interrupted(leg))
		err = unbd_leg_attach(leg, why, sizeof(why));
	if (err && unbd_leg_interrupted(leg))
		return -ECANCELED;
	report(leg, err, why);
	unbd_leg_tried(leg, err, why);
	return err;
}

static void refresh(struct unbd_leg *leg)
{
	struct unbd_device *dev = leg->dev;

	if (atomic_cmpxchg(&dev->refresh, UNBD_REFRESH_WANTED,
			   UNBD_REFRESH_RUNNING) == UNBD_REFRESH_WANTED)
		unbd_device_refresh(dev, leg);
}

/* Ask for what has been lost with other legs. */
static int fence(struct unbd_leg *leg)
{
	char why[UNBD_WHY_LEN];
	int err;

	if (!unbd_fence_wanted(leg->dev))
		return 0;
	err = unbd_fence_run(leg, why, sizeof(why));
	report(leg, err, why);
	leg->error = err;
	return err;
}

/**
 * unbd_leg_attend() - do what there is to do for a leg that is up
 * @leg: the leg, its mutex is held
 *
 * Sleeps for the peer. Return: 0; or jiffies after which to do it again.
 */
unsigned long unbd_leg_attend(struct unbd_leg *leg)
{
	if (leg->live)
		refresh(leg);
	unbd_silence_ask(leg);
	if (leg->live && fence(leg))
		return FENCE_DELAY;
	return 0;
}

/**
 * unbd_leg_mend() - take a leg out of service if it has broken
 * @leg: the leg, its mutex is held
 * @attempts: what this counts for, the leg's or its path's
 *
 * May sleep, but not for the peer. Return: whether it had.
 */
bool unbd_leg_mend(struct unbd_leg *leg, struct unbd_attempts *attempts)
{
	if (!READ_ONCE(leg->broken))
		return false;
	unbd_attempts_lost(attempts, leg->live, leg->live_since);
	unbd_path_leg_lost(leg);
	unbd_leg_down(leg, false);
	return true;
}

/* Unless somebody wants it to run sooner. */
static void run_after(struct unbd_leg *leg, unsigned long delay)
{
	queue_delayed_work(unbd_leg_wq, &leg->work, delay);
}

/* A mapping tries each leg once; what fails then is removed with it. */
static void try_again(struct unbd_leg *leg, int err)
{
	if (err == -ECANCELED) {
		run_after(leg, 0);
	} else if (!(leg->path->flags & UNBD_PATH_ONE_SHOT)) {
		leg->attempts.failed++;
		if (READ_ONCE(leg->dev->mapped))
			run_after(leg, unbd_attempts_pause(&leg->attempts));
	}
}

static void live_by_itself(struct unbd_leg *leg)
{
	unsigned long again;
	int err;

	if (unbd_leg_mend(leg, &leg->attempts) && leg->attempts.failed) {
		run_after(leg, unbd_attempts_pause(&leg->attempts));
		return;
	}
	if (READ_ONCE(leg->path->state) == UNBD_PATH_FAILED && !leg->tried)
		unbd_leg_tried(leg, -ENOTCONN, "the path has failed");
	unbd_attempts_next(&leg->attempts, !leg->tried, true, 0,
			   leg->attempts.took);
	err = unbd_leg_come_up(leg);
	if (err) {
		try_again(leg, err);
		return;
	}
	again = unbd_leg_attend(leg);
	if (again)
		run_after(leg, again);
}

/* The next step of a leg that lives by itself */
static void leg_work(struct work_struct *work)
{
	struct unbd_leg *leg = container_of(to_delayed_work(work),
					    struct unbd_leg, work);
	unsigned int noio = unbd_leg_lock(leg);

	if (!leg->gone)
		live_by_itself(leg);
	unbd_leg_unlock(leg, noio);
}

/* Takes a leg down that lives by itself: it has broken, or was told to leave. */
static void leg_mend_work(struct work_struct *work)
{
	struct unbd_leg *leg = container_of(work, struct unbd_leg, mend_work);
	unsigned int noio = unbd_leg_lock_abort(leg);

	if (READ_ONCE(leg->leave)) {
		WRITE_ONCE(leg->leave, false);
		unbd_leg_down(leg, leg->leave_politely);
	} else if (!leg->gone && unbd_leg_mend(leg, &leg->attempts)) {
		run_after(leg, unbd_attempts_pause(&leg->attempts));
	}
	unbd_leg_unlock(leg, noio);
}

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
	INIT_DELAYED_WORK(&leg->work, leg_work);
	INIT_WORK(&leg->mend_work, leg_mend_work);
	list_add_tail(&leg->entry, &path->legs);
	rcu_assign_pointer(dev->legs[path->index], leg);
	dev->nr_legs++;
	return 0;
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
