// SPDX-License-Identifier: GPL-2.0
/*
 * The state of a path, which it has from its legs:
 *
 *	connecting -> live -> reconnecting -> live ...
 *
 * with "failed" for what cannot come back by itself and "removing" as the end
 * of all. Each change is one line in the log, one event and one tracepoint.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include "client.h"
#include "trace.h"

const char *unbd_path_state_name(enum unbd_path_state state)
{
	static const char * const names[] = {
		[UNBD_PATH_CONNECTING]	 = "connecting",
		[UNBD_PATH_LIVE]	 = "live",
		[UNBD_PATH_RECONNECTING] = "reconnecting",
		[UNBD_PATH_FAILED]	 = "failed",
		[UNBD_PATH_REMOVING]	 = "removing",
	};

	return names[state];
}

/**
 * unbd_path_may_log() - is there room for another line about a path?
 * @path: the path
 *
 * One that comes and goes for hours must not fill the log. How many lines were
 * left out is said before the next one. Process context.
 */
bool unbd_path_may_log(struct unbd_path *path)
{
	unsigned int left_out = 0;
	bool may;

	/* Legs may ask at a time, and who finds its lock taken is told no. */
	spin_lock_irq(&path->lock);
	may = __ratelimit(&path->log);
	if (may)
		swap(left_out, path->left_out);
	else
		path->left_out++;
	spin_unlock_irq(&path->lock);
	if (left_out)
		pr_warn("%s: %u lines about it were left out\n", path->name,
			left_out);
	return may;
}

/* The only place where a path's state changes. */
static void set_state(struct unbd_path *path, enum unbd_path_state state,
		      int error, const char *why)
{
	enum unbd_path_state old;

	lockdep_assert_held(&path->state_mutex);

	spin_lock_irq(&path->lock);
	old = path->state;
	if (old != UNBD_PATH_REMOVING)
		WRITE_ONCE(path->state, state);
	spin_unlock_irq(&path->lock);
	if (old == state || old == UNBD_PATH_REMOVING)
		return;
	trace_unbd_path_state(path, old, error);
	unbd_path_event(path, unbd_path_state_name(state));
	/* A mapping that fails says why, once. */
	if (old == UNBD_PATH_CONNECTING && state == UNBD_PATH_REMOVING)
		return;
	if (!unbd_path_may_log(path))
		return;
	if (error)
		pr_warn("%s: %s -> %s: %s (%d)\n", path->name,
			unbd_path_state_name(old), unbd_path_state_name(state),
			why, error);
	else
		pr_info("%s: %s -> %s\n", path->name,
			unbd_path_state_name(old), unbd_path_state_name(state));
}

/**
 * unbd_path_goes() - a path gets into a state because somebody wants that
 * @path: path that may be live
 * @state: the state
 * @error: -errno, or 0
 * @why: reason of @error
 *
 * May sleep.
 */
void unbd_path_goes(struct unbd_path *path, enum unbd_path_state state,
		    int error, const char *why)
{
	mutex_lock(&path->state_mutex);
	if (path->state == UNBD_PATH_LIVE)
		path->lost_at = jiffies;
	set_state(path, state, error, why);
	mutex_unlock(&path->state_mutex);
}

/**
 * unbd_path_left() - all legs of a path were told to leave
 * @path: the path
 *
 * One that came up just before has said that the path is live. May sleep.
 */
void unbd_path_left(struct unbd_path *path)
{
	mutex_lock(&path->state_mutex);
	if (path->state == UNBD_PATH_LIVE && !READ_ONCE(path->nr_sound))
		set_state(path, UNBD_PATH_RECONNECTING, 0, NULL);
	mutex_unlock(&path->state_mutex);
}

static bool is_away(const struct unbd_path *path)
{
	return path->state == UNBD_PATH_CONNECTING ||
	       path->state == UNBD_PATH_RECONNECTING;
}

/**
 * unbd_path_leg_up() - a leg of a path is live: then the path is
 * @path: the path
 *
 * However long its other legs take. May sleep.
 */
void unbd_path_leg_up(struct unbd_path *path)
{
	unsigned long now = jiffies;

	mutex_lock(&path->state_mutex);
	/* One that somebody has just disconnected stays so. */
	if (!is_away(path))
		goto out;
	path->live_since = now;
	if (path->state == UNBD_PATH_RECONNECTING) {
		atomic_inc(&path->reconnects);
		if (unbd_path_may_log(path))
			pr_info("%s: was away for %u ms\n", path->name,
				jiffies_to_msecs(now - path->lost_at));
	}
	set_state(path, UNBD_PATH_LIVE, 0, NULL);
out:
	mutex_unlock(&path->state_mutex);
}

static struct unbd_loss read_loss(struct unbd_path *path,
				  const struct unbd_loss *from)
{
	struct unbd_loss loss;

	spin_lock_irq(&path->lock);
	loss = *from;
	spin_unlock_irq(&path->lock);
	return loss;
}

static void lost(struct unbd_path *path, const struct unbd_loss *loss)
{
	lockdep_assert_held(&path->state_mutex);

	if (path->state == UNBD_PATH_LIVE)
		set_state(path, path->flags & UNBD_PATH_ONE_SHOT ?
			  UNBD_PATH_FAILED : UNBD_PATH_RECONNECTING,
			  loss->error, loss->why);
}

/**
 * unbd_path_lost() - what a path's legs share has broken
 * @path: the path
 *
 * May sleep.
 */
void unbd_path_lost(struct unbd_path *path)
{
	struct unbd_loss loss = read_loss(path, &path->lost);

	mutex_lock(&path->state_mutex);
	lost(path, &loss);
	mutex_unlock(&path->state_mutex);
}

/**
 * unbd_path_leg_lost() - a leg has broken, and with the last one the path
 * @leg: the leg
 *
 * May sleep.
 */
void unbd_path_leg_lost(struct unbd_leg *leg)
{
	struct unbd_path *path = leg->path;
	struct unbd_loss loss = read_loss(path, &leg->lost);

	mutex_lock(&path->state_mutex);
	if (READ_ONCE(path->nr_sound)) {
		if (unbd_path_may_log(path))
			pr_warn("%s: unbd%u: %s (%d)\n", path->name,
				leg->dev->index, loss.why, loss.error);
	} else if (path->state == UNBD_PATH_LIVE) {
		atomic_inc(&path->failures);
		path->lost_at = jiffies;
		lost(path, &loss);
	}
	mutex_unlock(&path->state_mutex);
}
