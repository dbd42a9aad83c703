// SPDX-License-Identifier: GPL-2.0
/*
 * What transports report of paths and legs, in any context: it is noted here,
 * and a work does the rest.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include "client.h"

void unbd_path_kick(struct unbd_path *path)
{
	mod_delayed_work(unbd_wq, &path->work, 0);
}

/**
 * unbd_leg_kick() - have a leg look what there is to do, now
 * @leg: leg that is not gone
 *
 * Any context.
 */
void unbd_leg_kick(struct unbd_leg *leg)
{
	if (leg->path->ops->connect)
		unbd_path_kick(leg->path);
	else
		mod_delayed_work(unbd_leg_wq, &leg->work, 0);
}

static void note_loss(struct unbd_loss *lost, int error,
		      struct va_format *vaf)
{
	lost->error = error;
	snprintf(lost->why, sizeof(lost->why), "%pV", vaf);
}

static void path_broken(struct unbd_path *path, int error,
			struct va_format *vaf)
{
	unsigned long flags;
	bool first = false;

	spin_lock_irqsave(&path->lock, flags);
	if (!path->broken && path->state != UNBD_PATH_REMOVING) {
		first = true;
		path->broken = true;
		path->lost_at = jiffies;
		note_loss(&path->lost, error, vaf);
	}
	spin_unlock_irqrestore(&path->lock, flags);
	if (first) {
		atomic_inc(&path->failures);
		unbd_path_kick(path);
	}
}

/* It stands in for its path no longer. */
static void unsound(struct unbd_leg *leg)
{
	lockdep_assert_held(&leg->path->lock);

	if (leg->sound)
		WRITE_ONCE(leg->path->nr_sound, leg->path->nr_sound - 1);
	leg->sound = false;
}

/**
 * unbd_leg_sound() - a leg is live, and whatever comes of it counts from now on
 * @leg: leg that was attached, its mutex is held
 */
void unbd_leg_sound(struct unbd_leg *leg)
{
	struct unbd_path *path = leg->path;

	spin_lock_irq(&path->lock);
	if (!leg->broken) {
		leg->sound = true;
		WRITE_ONCE(path->nr_sound, path->nr_sound + 1);
	}
	spin_unlock_irq(&path->lock);
}

/**
 * unbd_leg_mended() - a leg is down: nothing can report an error of it any more
 * @leg: the leg, its mutex is held
 */
void unbd_leg_mended(struct unbd_leg *leg)
{
	spin_lock_irq(&leg->path->lock);
	unsound(leg);
	leg->broken = false;
	spin_unlock_irq(&leg->path->lock);
}

/*
 * Beside the work that may be waiting for the server: what was in flight on a
 * broken leg shall go elsewhere at once. What breaks while it is being attached
 * waits for the end of that.
 */
static void mend(struct unbd_leg *leg)
{
	if (!READ_ONCE(leg->live))
		unbd_leg_kick(leg);
	else if (leg->path->ops->connect)
		queue_work(unbd_urgent_wq, &leg->path->mend_work);
	else
		queue_work(unbd_urgent_wq, &leg->mend_work);
}

static void leg_broken(struct unbd_leg *leg, int error, struct va_format *vaf)
{
	struct unbd_path *path = leg->path;
	unsigned long flags;
	bool first = false;

	spin_lock_irqsave(&path->lock, flags);
	if (!leg->broken && path->state != UNBD_PATH_REMOVING) {
		first = true;
		leg->broken = true;
		unsound(leg);
		note_loss(&leg->lost, error, vaf);
	}
	spin_unlock_irqrestore(&path->lock, flags);
	if (first)
		mend(leg);
}

void unbd_path_failed(struct unbd_path *path, int error, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	path_broken(path, error, &vaf);
	va_end(args);
}
EXPORT_SYMBOL_UNBD(unbd_path_failed);

void unbd_leg_failed(struct unbd_leg *leg, int error, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	if (leg->path->ops->connect)
		path_broken(leg->path, error, &vaf);
	else
		leg_broken(leg, error, &vaf);
	va_end(args);
}
EXPORT_SYMBOL_UNBD(unbd_leg_failed);

void unbd_leg_closed(struct unbd_leg *leg, int error, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	leg_broken(leg, error, &vaf);
	va_end(args);
}
EXPORT_SYMBOL_UNBD(unbd_leg_closed);

void unbd_leg_changed(struct unbd_leg *leg)
{
	atomic_t *refresh = &leg->dev->refresh;

	if (atomic_cmpxchg(refresh, UNBD_REFRESH_DONE, UNBD_REFRESH_WANTED) ==
	    UNBD_REFRESH_RUNNING)
		atomic_cmpxchg(refresh, UNBD_REFRESH_RUNNING,
			       UNBD_REFRESH_AGAIN);
	unbd_leg_kick(leg);
}
EXPORT_SYMBOL_UNBD(unbd_leg_changed);
