// SPDX-License-Identifier: GPL-2.0
/*
 * All legs of a path, up and down.
 *
 * Where legs share nothing (a transport without ops->connect) they are attached
 * and detached side by side: an export whose server does not answer holds up no
 * other one. Each has a work for that. The path's mutex, which its owner holds
 * until all of them are done, stands for one of each leg.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/sched/mm.h>

#include "client.h"

/**
 * unbd_legs_others_live() - is another device reached over this leg's path?
 * @leg: leg, its path's mutex is held
 *
 * Return: whether any is live that is not about to be taken down.
 */
bool unbd_legs_others_live(const struct unbd_leg *leg)
{
	struct unbd_leg *other;

	list_for_each_entry(other, &leg->path->legs, entry)
		if (other != leg && other->live && !READ_ONCE(other->broken))
			return true;
	return false;
}

/**
 * unbd_leg_work() - take a leg's next step
 * @work: leg->work
 */
void unbd_leg_work(struct work_struct *work)
{
	struct unbd_leg *leg = container_of(work, struct unbd_leg, work);
	struct unbd_path *path = leg->path;
	unsigned int noio = memalloc_noio_save();

	leg->step(leg);
	memalloc_noio_restore(noio);
	/* A full barrier: pairs with unbd_legs_first(). */
	atomic_dec_return(&path->legs_busy);
	wake_up(&path->legs_wait);
}

static bool go_together(const struct unbd_path *path)
{
	return path->ops->connect || list_is_singular(&path->legs);
}

static void begin(struct unbd_leg *leg, void (*step)(struct unbd_leg *leg))
{
	if (go_together(leg->path)) {
		step(leg);
		return;
	}
	leg->step = step;
	atomic_inc(&leg->path->legs_busy);
	queue_work(unbd_leg_wq, &leg->work);
}

static void end(struct unbd_path *path)
{
	struct unbd_leg *leg;

	list_for_each_entry(leg, &path->legs, entry)
		flush_work(&leg->work);
}

static void down_politely(struct unbd_leg *leg)
{
	unbd_leg_down(leg, true);
}

static void down_at_once(struct unbd_leg *leg)
{
	unbd_leg_down(leg, false);
}

/**
 * unbd_legs_down() - take all legs out of service
 * @path: its mutex is held
 * @polite: tell the server
 *
 * May sleep, but not for the peer.
 */
void unbd_legs_down(struct unbd_path *path, bool polite)
{
	struct unbd_leg *leg;

	lockdep_assert_held(&path->mutex);

	list_for_each_entry(leg, &path->legs, entry)
		begin(leg, polite ? down_politely : down_at_once);
	end(path);
}

/**
 * unbd_legs_mend() - take those out of service that have broken
 * @path: its mutex is held
 * @lost: told of each of them before
 *
 * May sleep, but not for the peer. Return: whether there were any.
 */
bool unbd_legs_mend(struct unbd_path *path,
		    void (*lost)(struct unbd_path *path, struct unbd_leg *leg))
{
	struct unbd_leg *leg;
	bool any = false;

	lockdep_assert_held(&path->mutex);

	list_for_each_entry(leg, &path->legs, entry) {
		if (!READ_ONCE(leg->broken))
			continue;
		lost(path, leg);
		begin(leg, down_at_once);
		any = true;
	}
	end(path);
	return any;
}

/* Why a mapped disk is not there yet is said once, not at every attempt. */
static void report(struct unbd_leg *leg, int error, const char *why)
{
	if (error && error != leg->error && leg->dev->disk &&
	    unbd_path_may_log(leg->path))
		pr_warn("%s: unbd%u: %s (%d)\n", leg->path->name,
			leg->dev->index, why, error);
}

static void tried(struct unbd_leg *leg, int error, const char *why)
{
	leg->error = error;
	strscpy(leg->why, why, sizeof(leg->why));
	/* Pairs with was_tried(): error and reason have been written. */
	smp_store_release(&leg->tried, true);
	wake_up_all(&leg->dev->wait);
}

/**
 * unbd_legs_tried() - a mapping must not wait for this path
 * @path: its mutex is held
 * @error: -errno of all legs
 * @why: its reason
 * @again: also of those that have been tried before
 */
void unbd_legs_tried(struct unbd_path *path, int error, const char *why,
		     bool again)
{
	struct unbd_leg *leg;

	list_for_each_entry(leg, &path->legs, entry)
		if (again || !leg->tried)
			tried(leg, error, why);
}

static void attach(struct unbd_leg *leg)
{
	char why[UNBD_WHY_LEN] = "";
	int err = -ECANCELED;

	if (!READ_ONCE(leg->path->aborters))
		err = unbd_leg_attach(leg, why, sizeof(why));
	if (err && READ_ONCE(leg->path->aborters)) {
		leg->attempt = -ECANCELED;
		return;
	}
	report(leg, err, why);
	tried(leg, err, why);
	leg->attempt = err;
}

/**
 * unbd_legs_attach() - begin to attach what is not attached
 * @path: connected, its mutex is held until unbd_legs_attached() has returned
 *
 * May sleep for as long as the transport may.
 */
void unbd_legs_attach(struct unbd_path *path)
{
	struct unbd_leg *leg;

	lockdep_assert_held(&path->mutex);

	list_for_each_entry(leg, &path->legs, entry) {
		leg->attempt = 0;
		if (!leg->live && !READ_ONCE(leg->dev->dying))
			begin(leg, attach);
	}
}

static bool any_live(struct unbd_path *path)
{
	struct unbd_leg *leg;

	list_for_each_entry(leg, &path->legs, entry)
		if (READ_ONCE(leg->live))
			return true;
	return false;
}

/**
 * unbd_legs_first() - wait until a leg is live
 * @path: as unbd_legs_attach() has left it
 *
 * Return: whether any is; otherwise all attempts are over.
 */
bool unbd_legs_first(struct unbd_path *path)
{
	wait_event(path->legs_wait,
		   any_live(path) || !atomic_read(&path->legs_busy));
	return any_live(path);
}

/**
 * unbd_legs_attached() - wait for the end of unbd_legs_attach()
 * @path: as unbd_legs_attach() has left it
 *
 * Return: 0; -ECANCELED when it was interrupted by who wants the path's mutex;
 * or -errno of any leg that could not be attached.
 */
int unbd_legs_attached(struct unbd_path *path)
{
	struct unbd_leg *leg;
	int err = 0;

	end(path);
	list_for_each_entry(leg, &path->legs, entry) {
		if (leg->attempt == -ECANCELED)
			return -ECANCELED;
		if (leg->attempt)
			err = leg->attempt;
	}
	return err;
}

/**
 * unbd_legs_refresh() - ask for the geometry of those devices that want it
 * @path: its mutex is held
 *
 * Sleeps for the peer.
 */
void unbd_legs_refresh(struct unbd_path *path)
{
	struct unbd_leg *leg;

	list_for_each_entry(leg, &path->legs, entry)
		if (leg->live && atomic_cmpxchg(&leg->dev->refresh,
						UNBD_REFRESH_WANTED,
						UNBD_REFRESH_RUNNING) ==
		    UNBD_REFRESH_WANTED)
			unbd_device_refresh(leg->dev, leg);
}

/**
 * unbd_legs_fence() - ask over live legs for what has been lost with others
 * @path: its mutex is held
 *
 * Sleeps for the peer. Return: 0 or -errno, to be tried again.
 */
int unbd_legs_fence(struct unbd_path *path)
{
	char why[UNBD_WHY_LEN];
	struct unbd_leg *leg;
	int err, result = 0;

	list_for_each_entry(leg, &path->legs, entry) {
		if (!leg->live || !unbd_fence_wanted(leg->dev))
			continue;
		err = unbd_fence_run(leg, why, sizeof(why));
		report(leg, err, why);
		leg->error = err;
		if (err)
			result = err;
	}
	return result;
}
