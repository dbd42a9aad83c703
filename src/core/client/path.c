// SPDX-License-Identifier: GPL-2.0
/*
 * Paths: what their legs share is connected, kept and connected again in the
 * path's work, one step at a time and without looking at any other path; and
 * with it its legs. Where they share nothing, the work has only to begin.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/sched/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>

#include "client.h"

/* For as long a server may be busy with a predecessor of a new path. */
#define BUSY_TIMEOUT		(10 * HZ)

/* A path that never stays up says so that often, and is silent then. */
#define LOG_INTERVAL		(300 * HZ)
#define LOG_BURST		100

const struct kobj_type *unbd_path_ktype;

static bool shares(const struct unbd_path *path)
{
	return path->ops->connect;
}

static void leg_leaves(struct unbd_leg *leg, bool polite)
{
	unsigned int noio = unbd_leg_lock_abort(leg);

	unbd_leg_down(leg, polite);
	unbd_leg_unlock(leg, noio);
}

/* Side by side, where they can. */
static void legs_leave(struct unbd_path *path, bool polite)
{
	struct unbd_leg *leg;

	list_for_each_entry(leg, &path->legs, entry) {
		if (shares(path) || list_is_singular(&path->legs)) {
			leg_leaves(leg, polite);
			continue;
		}
		leg->leave_politely = polite;
		WRITE_ONCE(leg->leave, true);
		queue_work(unbd_urgent_wq, &leg->mend_work);
	}
	list_for_each_entry(leg, &path->legs, entry)
		flush_work(&leg->mend_work);
}

/* Detaches everything; the requests are taken back. */
static void take_down(struct unbd_path *path, bool polite)
{
	lockdep_assert_held(&path->mutex);

	legs_leave(path, polite);
	if (path->connected && path->ops->disconnect)
		path->ops->disconnect(path);
	path->connected = false;

	/* Nothing can report an error of what has been closed any more. */
	spin_lock_irq(&path->lock);
	path->broken = false;
	spin_unlock_irq(&path->lock);
}

static void handle_failure(struct unbd_path *path)
{
	/* One that is not live may have been, long ago. */
	unbd_attempts_lost(&path->attempts, path->state == UNBD_PATH_LIVE,
			   path->live_since);
	unbd_path_lost(path);
	take_down(path, false);
}

/* What legs share goes with the last one: then its server may go, too. */
static bool mend_legs(struct unbd_path *path)
{
	struct unbd_leg *leg;
	unsigned int noio;
	bool mended = false;

	list_for_each_entry(leg, &path->legs, entry) {
		noio = unbd_leg_lock(leg);
		mended |= unbd_leg_mend(leg, &path->attempts);
		unbd_leg_unlock(leg, noio);
	}
	if (mended && path->state != UNBD_PATH_LIVE)
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

static void legs_tried(struct unbd_path *path, int err, const char *why,
		       bool again)
{
	struct unbd_leg *leg;

	list_for_each_entry(leg, &path->legs, entry)
		if (again || !leg->tried)
			unbd_leg_tried(leg, err, why);
}

static int connect_path(struct unbd_path *path)
{
	char why[UNBD_WHY_LEN] = "";
	int err;

	if (path->connected)
		return 0;
	count_wanted_queues(path);
	err = path->ops->connect(path, why, sizeof(why));
	path->connected = !err;
	if (!err)
		path->attempts.took = jiffies - path->attempts.began;
	if (err && is_final(path, err))
		legs_tried(path, err, why, true);
	return err;
}

static int legs_come_up(struct unbd_path *path)
{
	struct unbd_leg *leg;
	unsigned int noio;
	int err, result = 0;

	list_for_each_entry(leg, &path->legs, entry) {
		noio = unbd_leg_lock(leg);
		err = unbd_leg_come_up(leg);
		unbd_leg_unlock(leg, noio);
		if (err == -ECANCELED)
			return err;
		if (err)
			result = err;
	}
	return result;
}

static unsigned long attend_legs(struct unbd_path *path)
{
	unsigned long again, soonest = 0;
	struct unbd_leg *leg;
	unsigned int noio;

	list_for_each_entry(leg, &path->legs, entry) {
		noio = unbd_leg_lock(leg);
		again = unbd_leg_attend(leg);
		unbd_leg_unlock(leg, noio);
		if (again && (!soonest || again < soonest))
			soonest = again;
	}
	return soonest;
}

static void set_limits(struct unbd_path *path, bool first)
{
	unsigned long slowest = path->attempts.took;
	struct unbd_leg *leg;

	list_for_each_entry(leg, &path->legs, entry)
		slowest = max(slowest, leg->attempts.took);
	unbd_attempts_next(&path->attempts, first, false,
			   path->attempts.took, slowest);
}

/*
 * Connects what is not connected. Returns whether another round is needed:
 * 0 for no, -ECANCELED for at once, another errno for after a pause.
 */
static int bring_up(struct unbd_path *path)
{
	int err;

	set_limits(path, path->state == UNBD_PATH_CONNECTING);
	err = connect_path(path);
	if (!err)
		err = legs_come_up(path);
	if (!err) {
		/* Nobody waits for what comes now as who maps does. */
		set_limits(path, false);
		return 0;
	}
	if (READ_ONCE(path->aborters))
		return -ECANCELED;
	if (path->flags & UNBD_PATH_ONE_SHOT)
		return 0;
	path->attempts.failed++;
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

/* Jiffies until the next round, 0 for none. */
static unsigned long next_round(struct unbd_path *path, int err,
				unsigned long again)
{
	if (err == -ECANCELED)
		return 1;
	if (err && shall_retry(path))
		return max(unbd_attempts_pause(&path->attempts), 1UL);
	return again;
}

/* What the legs of a path share, and with it they themselves. */
static unsigned long next_step(struct unbd_path *path)
{
	unsigned long again;
	bool mended;
	int err;

	if (READ_ONCE(path->broken)) {
		handle_failure(path);
		mended = true;
	} else {
		mended = mend_legs(path);
	}
	/* Whoever waits in a handshake must not delay the others. */
	if (mended && path->attempts.failed)
		return next_round(path, -EAGAIN, 0);
	if (path->state == UNBD_PATH_FAILED) {
		legs_tried(path, -ENOTCONN, "the path has failed", false);
		return 0;
	}
	err = bring_up(path);
	again = attend_legs(path);
	return next_round(path, err, again);
}

/* Those that live by themselves are told to once. */
static void begin_legs(struct unbd_path *path)
{
	struct unbd_leg *leg;

	list_for_each_entry(leg, &path->legs, entry) {
		if (!leg->begun)
			unbd_leg_kick(leg);
		leg->begun = true;
	}
}

static void mend_work(struct work_struct *work)
{
	struct unbd_path *path = container_of(work, struct unbd_path,
					      mend_work);
	unsigned int noio = unbd_path_lock_abort(path);

	if (path->state != UNBD_PATH_REMOVING && mend_legs(path))
		mod_delayed_work(unbd_wq, &path->work,
				 unbd_attempts_pause(&path->attempts));
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
	unsigned int noio = lock(path);
	unsigned long again = 0;

	if (path->state == UNBD_PATH_REMOVING)
		goto out;
	if (shares(path))
		again = next_step(path);
	else
		begin_legs(path);
	if (again)
		queue_delayed_work(unbd_wq, &path->work, again);
out:
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

	/* Without what it connects it waits for nobody. */
	if (!shares(path))
		return lock(path);
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
	mutex_destroy(&path->state_mutex);
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
	kobject_init(&path->kobj, unbd_path_ktype);
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
	mutex_init(&path->mutex);
	mutex_init(&path->abort_mutex);
	mutex_init(&path->state_mutex);
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

static int add_directory(struct unbd_path *path)
{
	int err = kobject_add(&path->kobj, path->session->paths_kobj, "%u",
			      path->index);

	if (!err)
		WRITE_ONCE(path->state_file,
			   sysfs_get_dirent(path->kobj.sd, "state"));
	return err;
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
	err = add_directory(path);
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

static void kick_all(struct unbd_path *path)
{
	struct unbd_leg *leg;

	unbd_path_kick(path);
	list_for_each_entry(leg, &path->legs, entry) {
		if (!leg->live)
			leg->attempts.failed = 0;
		unbd_leg_kick(leg);
	}
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
	path->attempts.failed = 0;
	if (path->state == UNBD_PATH_LIVE && live_too) {
		unbd_path_goes(path, UNBD_PATH_RECONNECTING, 0, NULL);
		take_down(path, true);
		unbd_path_left(path);
	} else if (path->state == UNBD_PATH_FAILED) {
		unbd_path_goes(path, UNBD_PATH_RECONNECTING, 0, NULL);
	}
	kick_all(path);
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

	unbd_path_goes(path, UNBD_PATH_FAILED, -ESHUTDOWN,
		       "disconnected by hand");
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
	unbd_path_goes(path, UNBD_PATH_REMOVING, 0, NULL);
	take_down(path, true);
	list_for_each_entry_safe(leg, next, &path->legs, entry) {
		unbd_leg_retire(leg, true);
		unbd_leg_destroy(leg);
	}
	unbd_path_unlock(path, noio);
	cancel_work_sync(&path->mend_work);
	cancel_delayed_work_sync(&path->work);

	path->ops->path_exit(path);
	list_del(&path->entry);
	__clear_bit(path->index, &session->slots_used);
	kobject_put(&path->kobj);
}
