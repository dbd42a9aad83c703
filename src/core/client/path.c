// SPDX-License-Identifier: GPL-2.0
/*
 * Paths and their state machine:
 *
 *	connecting -> live -> reconnecting -> live ...
 *
 * with "failed" for what cannot come back by itself and "removing" as the end
 * of all. Connecting, attaching, detaching and reconnecting happen in the
 * path's work, one step at a time and without looking at any other path.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/sched/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>

#include "client.h"
#include "trace.h"

/* From one attempt's beginning to the next one's. */
#define FIRST_DELAY		msecs_to_jiffies(100)
#define LONGEST_DELAY		(1 * HZ)

/* Who maps will wait that long for each step; a reconnect tries again soon. */
#define MAP_TIMEOUT		(10 * HZ)
#define RECONNECT_TIMEOUT	(3 * HZ)

/*
 * A server that came back is in use again within two seconds: what was sent
 * when it was not there is lost, and may be sent again only by a new attempt.
 * Now and then one has more time, for servers that have become slow.
 */
#define REACH_TIMEOUT		(1 * HZ)
#define LONG_REACH_TIMEOUT	(3 * HZ / 2)

/* For as long a server may be busy with a predecessor of a new path. */
#define BUSY_TIMEOUT		(10 * HZ)

/* A path that never stays up says so that often, and is silent then. */
#define LOG_INTERVAL		(300 * HZ)
#define LOG_BURST		100

/* A path that breaks sooner than this after it came up has not recovered. */
#define PROVEN_AFTER		(1 * HZ)

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

	lockdep_assert_held(&path->mutex);

	spin_lock_irq(&path->lock);
	old = path->state;
	if (old != UNBD_PATH_REMOVING)
		path->state = state;
	spin_unlock_irq(&path->lock);
	if (old == state || old == UNBD_PATH_REMOVING)
		return;
	trace_unbd_path_state(path, old, error);
	unbd_path_event(path, state);
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

void unbd_path_kick(struct unbd_path *path)
{
	mod_delayed_work(unbd_wq, &path->work, 0);
}

void unbd_path_failed(struct unbd_path *path, int error, const char *fmt, ...)
{
	unsigned long flags;
	bool first = false;
	va_list args;

	spin_lock_irqsave(&path->lock, flags);
	if (!path->broken && path->state != UNBD_PATH_REMOVING) {
		first = true;
		path->broken = true;
		path->error = error;
		path->lost_at = jiffies;
		va_start(args, fmt);
		vsnprintf(path->why, sizeof(path->why), fmt, args);
		va_end(args);
	}
	spin_unlock_irqrestore(&path->lock, flags);
	if (first) {
		atomic_inc(&path->failures);
		unbd_path_kick(path);
	}
}
EXPORT_SYMBOL_UNBD(unbd_path_failed);

static void leg_broken(struct unbd_leg *leg, int error, struct va_format *vaf)
{
	struct unbd_path *path = leg->path;
	unsigned long flags;
	bool first = false;

	spin_lock_irqsave(&path->lock, flags);
	if (!leg->broken && path->state != UNBD_PATH_REMOVING) {
		first = true;
		leg->broken = true;
		leg->lost_error = error;
		snprintf(leg->lost_why, sizeof(leg->lost_why), "%pV", vaf);
	}
	spin_unlock_irqrestore(&path->lock, flags);
	if (!first)
		return;
	/* What breaks while it is being attached waits for the end of that. */
	if (READ_ONCE(leg->live))
		queue_work(unbd_urgent_wq, &path->mend_work);
	else
		unbd_path_kick(path);
}

void unbd_leg_failed(struct unbd_leg *leg, int error, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	if (leg->path->ops->connect)
		unbd_path_failed(leg->path, error, "%pV", &vaf);
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
	unbd_path_kick(leg->path);
}
EXPORT_SYMBOL_UNBD(unbd_leg_changed);

/* Detaches everything; the requests are taken back. */
static void take_down(struct unbd_path *path, bool polite)
{
	lockdep_assert_held(&path->mutex);

	unbd_legs_down(path, polite);
	if (path->connected && path->ops->disconnect)
		path->ops->disconnect(path);
	path->connected = false;

	/* Nothing can report an error of what has been closed any more. */
	spin_lock_irq(&path->lock);
	path->broken = false;
	spin_unlock_irq(&path->lock);
}

/* What breaks soon after it came up is not tried again at once. */
static void count_attempt(struct unbd_path *path, bool live,
			  unsigned long since)
{
	if (live && time_after(jiffies, since + PROVEN_AFTER))
		path->attempts = 0;
	else
		path->attempts++;
}

static void path_lost(struct unbd_path *path, int error, const char *why)
{
	if (path->state == UNBD_PATH_LIVE)
		set_state(path, path->flags & UNBD_PATH_ONE_SHOT ?
			  UNBD_PATH_FAILED : UNBD_PATH_RECONNECTING,
			  error, why);
}

static void handle_failure(struct unbd_path *path)
{
	char why[UNBD_WHY_LEN];
	int error;

	spin_lock_irq(&path->lock);
	error = path->error;
	strscpy(why, path->why, sizeof(why));
	spin_unlock_irq(&path->lock);

	/* One that is not live may have been, long ago. */
	count_attempt(path, path->state == UNBD_PATH_LIVE, path->live_since);
	path_lost(path, error, why);
	take_down(path, false);
}

/* With the last one that was live the path has broken. */
static void leg_lost(struct unbd_path *path, struct unbd_leg *leg)
{
	char why[UNBD_WHY_LEN];
	int error;

	spin_lock_irq(&path->lock);
	error = leg->lost_error;
	strscpy(why, leg->lost_why, sizeof(why));
	spin_unlock_irq(&path->lock);

	count_attempt(path, leg->live, leg->live_since);
	if (unbd_legs_others_live(leg)) {
		if (unbd_path_may_log(path))
			pr_warn("%s: unbd%u: %s (%d)\n", path->name,
				leg->dev->index, why, error);
	} else if (path->state == UNBD_PATH_LIVE) {
		atomic_inc(&path->failures);
		path->lost_at = jiffies;
		path_lost(path, error, why);
	}
}

/* What legs share goes with the last one: then its server may go, too. */
static bool mend_legs(struct unbd_path *path)
{
	bool mended = unbd_legs_mend(path, leg_lost);

	if (mended && path->ops->connect && path->state != UNBD_PATH_LIVE)
		take_down(path, false);
	return mended;
}

static void count_wanted_queues(struct unbd_path *path)
{
	struct unbd_leg *leg;

	path->want_queues = 1;
	path->want_poll_queues = 0;
	list_for_each_entry(leg, &path->legs, entry) {
		path->want_queues = max(path->want_queues, leg->want_queues);
		path->want_poll_queues = max(path->want_poll_queues,
					     leg->want_poll_queues);
	}
}

/* Shall whoever maps be told of a failure to connect? */
static bool is_final(struct unbd_path *path, int err)
{
	return !READ_ONCE(path->aborters) &&
	       (err != -EBUSY || path->state != UNBD_PATH_CONNECTING ||
		time_after(jiffies, path->created + BUSY_TIMEOUT));
}

static int connect_path(struct unbd_path *path)
{
	char why[UNBD_WHY_LEN] = "";
	int err = 0;

	if (path->connected)
		return 0;
	count_wanted_queues(path);
	if (path->ops->connect)
		err = path->ops->connect(path, why, sizeof(why));
	path->connected = !err;
	if (!err)
		path->connect_took = jiffies - path->tried_at;
	if (err && is_final(path, err))
		unbd_legs_tried(path, err, why, true);
	return err;
}

static void path_up(struct unbd_path *path)
{
	unsigned long now = jiffies;

	if (path->state == UNBD_PATH_LIVE)
		return;
	path->live_since = now;
	if (path->state != UNBD_PATH_CONNECTING) {
		atomic_inc(&path->reconnects);
		if (unbd_path_may_log(path))
			pr_info("%s: was away for %u ms\n", path->name,
				jiffies_to_msecs(now - path->lost_at));
	}
	set_state(path, UNBD_PATH_LIVE, 0, NULL);
}

/* The first leg makes the path live, however long the others take. */
static int attach_legs(struct unbd_path *path)
{
	unbd_legs_attach(path);
	if (unbd_legs_first(path))
		path_up(path);
	return unbd_legs_attached(path);
}

static void set_timeouts(struct unbd_path *path)
{
	bool first = path->state == UNBD_PATH_CONNECTING;
	unsigned long reach = REACH_TIMEOUT;

	if (path->attempts % 16 == 15)
		reach = RECONNECT_TIMEOUT;
	else if (path->attempts % 4 == 3)
		reach = LONG_REACH_TIMEOUT;
	path->connect_timeout = first ? MAP_TIMEOUT : RECONNECT_TIMEOUT;
	path->reach_timeout = first ? MAP_TIMEOUT :
		clamp(3 * path->connect_took, reach, RECONNECT_TIMEOUT);
}

/*
 * Connects what is not connected. Returns whether another round is needed:
 * 0 for no, -ECANCELED for at once, another errno for after a pause.
 */
static int bring_up(struct unbd_path *path)
{
	int err;

	set_timeouts(path);
	path->tried_at = jiffies;
	err = connect_path(path);
	if (!err)
		err = attach_legs(path);
	if (!err)
		return 0;
	if (READ_ONCE(path->aborters))
		return -ECANCELED;
	if (path->flags & UNBD_PATH_ONE_SHOT)
		return 0;
	path->attempts++;
	return err;
}

/* A mapping tries each path once; what fails then is removed with it. */
static bool shall_retry(struct unbd_path *path)
{
	struct unbd_leg *leg;

	list_for_each_entry(leg, &path->legs, entry)
		if (!leg->live && (READ_ONCE(leg->dev->mapped) || !leg->tried))
			return true;
	return false;
}

static unsigned long backoff(struct unbd_path *path)
{
	unsigned long pause, since = jiffies - path->tried_at;

	if (!path->attempts)
		return 0;
	pause = min_t(unsigned long, LONGEST_DELAY,
		      FIRST_DELAY << min(path->attempts - 1, 8U));
	return pause > since ? max(pause - since, FIRST_DELAY) : FIRST_DELAY;
}

/*
 * Beside the path's work, which may be waiting for another export's server:
 * what was in flight on a broken leg shall go elsewhere at once.
 */
static void mend_work(struct work_struct *work)
{
	struct unbd_path *path = container_of(work, struct unbd_path,
					      mend_work);
	unsigned int noio = unbd_path_lock_abort(path);

	if (path->state != UNBD_PATH_REMOVING && mend_legs(path))
		mod_delayed_work(unbd_wq, &path->work, backoff(path));
	unbd_path_unlock(path, noio);
}

/*
 * Reclaim may be waiting for a disk that only the path's work can bring back:
 * neither it nor who holds it up may wait for reclaim.
 */
static unsigned int lock(struct unbd_path *path)
{
	mutex_lock(&path->mutex);
	return memalloc_noio_save();
}

/**
 * unbd_path_unlock() - release path->mutex
 * @path: path
 * @noio: what unbd_path_lock_abort() has returned
 */
void unbd_path_unlock(struct unbd_path *path, unsigned int noio)
{
	memalloc_noio_restore(noio);
	mutex_unlock(&path->mutex);
}

static void path_work(struct work_struct *work)
{
	struct unbd_path *path = container_of(to_delayed_work(work),
					      struct unbd_path, work);
	int err = 0, fence_err = 0;
	unsigned int noio;
	bool mended;

	noio = lock(path);
	if (path->state == UNBD_PATH_REMOVING)
		goto out;
	if (READ_ONCE(path->broken)) {
		handle_failure(path);
		mended = true;
	} else {
		mended = mend_legs(path);
	}
	/* Whoever waits in a handshake must not delay the others. */
	if (mended && path->attempts) {
		err = -EAGAIN;
		goto out;
	}
	if (path->state == UNBD_PATH_FAILED) {
		unbd_legs_tried(path, -ENOTCONN, "the path has failed",
				false);
	} else {
		err = bring_up(path);
		unbd_legs_refresh(path);
		unbd_silence_ask(path);
		fence_err = unbd_legs_fence(path);
	}
out:
	if (err && path->state != UNBD_PATH_REMOVING &&
	    (err == -ECANCELED || shall_retry(path)))
		queue_delayed_work(unbd_wq, &path->work,
				   err == -ECANCELED ? 0 : backoff(path));
	else if (fence_err)
		queue_delayed_work(unbd_wq, &path->work, FIRST_DELAY);
	unbd_path_unlock(path, noio);
}

/**
 * unbd_path_lock_abort() - take path->mutex without waiting for the peer
 * @path: path that may be waiting for its peer under that mutex
 *
 * What was interrupted is tried again at once after the mutex is released.
 *
 * Return: for unbd_path_unlock(); until then memory comes without I/O.
 */
unsigned int unbd_path_lock_abort(struct unbd_path *path)
{
	unsigned int noio;

	if (mutex_trylock(&path->mutex))
		return memalloc_noio_save();

	mutex_lock(&path->abort_mutex);
	if (!path->aborters++)
		path->ops->abort(path);
	mutex_unlock(&path->abort_mutex);

	noio = lock(path);

	mutex_lock(&path->abort_mutex);
	if (!--path->aborters)
		path->ops->abort_clear(path);
	mutex_unlock(&path->abort_mutex);
	return noio;
}

/* Called when the last reference to the path's sysfs directory has gone. */
void unbd_path_release(struct unbd_path *path)
{
	struct unbd_session *session = path->session;

	put_net(path->net);
	unbd_transport_put(path->ops);
	free_percpu(path->counters);
	kfree(path->name);
	kfree(path->src);
	kfree(path->dst);
	mutex_destroy(&path->mutex);
	mutex_destroy(&path->abort_mutex);
	kfree(path);
	unbd_session_put(session);
}

static struct unbd_path *alloc_path(struct unbd_session *session,
				    const struct unbd_transport_ops *ops,
				    const struct unbd_path_option *o)
{
	struct unbd_path *path = kzalloc(ops->path_size, GFP_KERNEL);

	if (!path) {
		unbd_transport_put(ops);
		return NULL;
	}
	kobject_init(&path->kobj, &unbd_path_ktype);
	path->session = unbd_session_get(session);
	path->session_name = session->name;
	path->ops = ops;
	path->net = get_net(current->nsproxy->net_ns);
	path->keepalive = session->keepalive;
	path->created = jiffies;
	path->index = ffz(session->slots_used);
	path->order = session->nr_paths++;
	path->port = o->port;
	path->src = o->src ? kstrdup(o->src, GFP_KERNEL) : NULL;
	path->dst = kstrdup(o->dst, GFP_KERNEL);
	path->name = kasprintf(GFP_KERNEL, "%s path %u (%s)", session->name,
			       path->index, o->dst);
	path->counters = alloc_percpu(struct unbd_path_counters);
	INIT_LIST_HEAD(&path->entry);
	INIT_LIST_HEAD(&path->legs);
	init_waitqueue_head(&path->legs_wait);
	mutex_init(&path->mutex);
	mutex_init(&path->abort_mutex);
	spin_lock_init(&path->lock);
	ratelimit_state_init(&path->log, LOG_INTERVAL, LOG_BURST);
	ratelimit_set_flags(&path->log, RATELIMIT_MSG_ON_RELEASE);
	INIT_DELAYED_WORK(&path->work, path_work);
	INIT_WORK(&path->mend_work, mend_work);
	if ((o->src && !path->src) || !path->dst || !path->name ||
	    !path->counters) {
		kobject_put(&path->kobj);
		return NULL;
	}
	return path;
}

/**
 * unbd_path_create() - make a path of a session, not connected yet
 * @session: its mutex is held
 * @o: what the user wrote
 * @why: gets the reason of a failure
 * @len: size of @why
 *
 * In the context of the process that asks for the path.
 */
struct unbd_path *unbd_path_create(struct unbd_session *session,
				   const struct unbd_path_option *o,
				   char *why, size_t len)
{
	const struct unbd_transport_ops *ops;
	struct unbd_path *path;
	int err;

	lockdep_assert_held(&session->mutex);

	if (hweight_long(session->slots_used) >= UNBD_MAX_PATHS) {
		snprintf(why, len, "session has %u paths already",
			 UNBD_MAX_PATHS);
		return ERR_PTR(-ENOSPC);
	}
	ops = unbd_transport_get(o->transport);
	if (!ops) {
		snprintf(why, len, "path %s: no module unbd-%s-client",
			 o->dst, o->transport);
		return ERR_PTR(-EPROTONOSUPPORT);
	}
	path = alloc_path(session, ops, o);
	if (!path) {
		snprintf(why, len, "out of memory");
		return ERR_PTR(-ENOMEM);
	}
	err = ops->path_init(path, why, len);
	if (err)
		goto put;
	err = unbd_sysfs_add_path(path);
	if (err) {
		snprintf(why, len, "no sysfs directory for path %s", o->dst);
		ops->path_exit(path);
		goto put;
	}
	__set_bit(path->index, &session->slots_used);
	list_add_tail(&path->entry, &session->paths);
	return path;
put:
	kobject_put(&path->kobj);
	return ERR_PTR(err);
}

/**
 * unbd_path_reconnect() - connect a path anew, now
 * @path: path in any state
 * @live_too: also if it is live; otherwise only one that is not
 *
 * Return: 0, -EOPNOTSUPP if the path cannot be connected a second time,
 * -ENODEV when it is being removed.
 */
int unbd_path_reconnect(struct unbd_path *path, bool live_too)
{
	unsigned int noio;

	if (path->flags & UNBD_PATH_ONE_SHOT)
		return -EOPNOTSUPP;
	noio = unbd_path_lock_abort(path);
	if (path->state == UNBD_PATH_REMOVING) {
		unbd_path_unlock(path, noio);
		return -ENODEV;
	}
	path->attempts = 0;
	if (path->state == UNBD_PATH_LIVE && live_too) {
		path->lost_at = jiffies;
		set_state(path, UNBD_PATH_RECONNECTING, 0, NULL);
		take_down(path, true);
	} else if (path->state == UNBD_PATH_FAILED) {
		set_state(path, UNBD_PATH_RECONNECTING, 0, NULL);
	}
	unbd_path_kick(path);
	unbd_path_unlock(path, noio);
	return 0;
}

/**
 * unbd_path_disconnect() - take a path out of service until told otherwise
 * @path: path in any state
 */
void unbd_path_disconnect(struct unbd_path *path)
{
	unsigned int noio = unbd_path_lock_abort(path);

	path->lost_at = jiffies;
	set_state(path, UNBD_PATH_FAILED, -ESHUTDOWN, "disconnected by hand");
	take_down(path, true);
	unbd_path_unlock(path, noio);
}

/**
 * unbd_path_destroy() - close a path and forget it
 * @path: path of a session whose mutex is held; kobject_del() has been called
 *
 * Does not wait for the peer.
 */
void unbd_path_destroy(struct unbd_path *path)
{
	struct unbd_session *session = path->session;
	struct unbd_leg *leg, *next;
	unsigned int noio;

	lockdep_assert_held(&session->mutex);

	noio = unbd_path_lock_abort(path);
	set_state(path, UNBD_PATH_REMOVING, 0, NULL);
	take_down(path, true);
	list_for_each_entry_safe(leg, next, &path->legs, entry)
		unbd_leg_destroy(leg);
	unbd_path_unlock(path, noio);
	cancel_work_sync(&path->mend_work);
	cancel_delayed_work_sync(&path->work);

	path->ops->path_exit(path);
	list_del(&path->entry);
	__clear_bit(path->index, &session->slots_used);
	kobject_put(&path->kobj);
}
