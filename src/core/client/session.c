// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions: mapping and unmapping, and which paths and devices there are.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "client.h"

struct kobject *unbd_sessions_kobj;
const struct kobj_type *unbd_session_ktype;

static DEFINE_MUTEX(sessions_mutex);	/* the list, users, closing */
static LIST_HEAD(sessions);
static DECLARE_WAIT_QUEUE_HEAD(gone);	/* a session or a path has gone */
static atomic_t nr_sessions = ATOMIC_INIT(0);
static atomic_t nr_closed = ATOMIC_INIT(0);	/* so far */

void unbd_session_release(struct unbd_session *session)
{
	mutex_destroy(&session->mutex);
	kfree(session->name);
	kfree(session);
	if (atomic_dec_and_test(&nr_sessions))
		wake_up_all(&gone);
	module_put(THIS_MODULE);
}

static struct unbd_session *find_session(const char *name)
{
	struct unbd_session *session;

	lockdep_assert_held(&sessions_mutex);

	list_for_each_entry(session, &sessions, entry)
		if (!strcmp(session->name, name))
			return session;
	return NULL;
}

/**
 * unbd_session_find() - a session by name
 * @name: sessname=
 *
 * Return: with a reference, or NULL.
 */
struct unbd_session *unbd_session_find(const char *name)
{
	struct unbd_session *session;

	mutex_lock(&sessions_mutex);
	session = find_session(name);
	if (session)
		unbd_session_get(session);
	mutex_unlock(&sessions_mutex);
	return session;
}

static int add_directory(struct unbd_session *session)
{
	int err = kobject_add(&session->kobj, unbd_sessions_kobj, "%s",
			      session->name);

	if (err)
		return err;
	session->paths_kobj = kobject_create_and_add("paths", &session->kobj);
	if (!session->paths_kobj) {
		kobject_del(&session->kobj);
		return -ENOMEM;
	}
	return 0;
}

static void remove_directory(struct unbd_session *session)
{
	kobject_put(session->paths_kobj);
	kobject_del(&session->kobj);
}

static struct unbd_session *create_session(const struct unbd_map_options *o)
{
	struct unbd_session *session;
	int err = -ENOMEM;

	/* Paths hold the module, too, but a disk may outlive the last one. */
	if (!try_module_get(THIS_MODULE))
		return ERR_PTR(-ENODEV);
	session = kzalloc(sizeof(*session), GFP_KERNEL);
	if (!session) {
		module_put(THIS_MODULE);
		return ERR_PTR(-ENOMEM);
	}
	atomic_inc(&nr_sessions);
	kobject_init(&session->kobj, unbd_session_ktype);
	mutex_init(&session->mutex);
	INIT_LIST_HEAD(&session->paths);
	INIT_LIST_HEAD(&session->devices);
	session->policy = o->policy;
	session->keepalive = o->keepalive;
	session->name = kstrdup(o->sessname, GFP_KERNEL);
	if (session->name)
		err = add_directory(session);
	if (err) {
		unbd_session_put(session);
		return ERR_PTR(err);
	}
	return session;
}

/* What a session has is not changed by the mappings that join it. */
static void say_what_stays(const struct unbd_session *session,
			   const struct unbd_map_options *o)
{
	enum unbd_policy policy = READ_ONCE(session->policy);

	if (unbd_map_given(o, UNBD_KEY_POLICY) && o->policy != policy)
		pr_warn("%s: its policy stays %s, not %s: write to %s/policy\n",
			session->name, unbd_policy_name(policy),
			unbd_policy_name(o->policy), session->name);
	if (unbd_map_given(o, UNBD_KEY_KEEPALIVE) &&
	    o->keepalive != session->keepalive)
		pr_warn("%s: its keepalive stays %u, not %u: that is as first mapped\n",
			session->name, session->keepalive, o->keepalive);
}

/* NULL while one of that name is being closed */
static struct unbd_session *try_to_enter(const struct unbd_map_options *o,
					 char *why, size_t len)
{
	struct unbd_session *session;

	mutex_lock(&sessions_mutex);
	session = find_session(o->sessname);
	if (session && session->closing) {
		session = NULL;
	} else if (session) {
		session->users++;
		say_what_stays(session, o);
	} else if (!o->nr_paths) {
		session = ERR_PTR(-ENOENT);
		snprintf(why, len, "a new session needs path=");
	} else {
		session = create_session(o);
		if (IS_ERR(session)) {
			snprintf(why, len, "cannot make the session");
		} else {
			session->users = 1;
			list_add_tail(&session->entry, &sessions);
		}
	}
	mutex_unlock(&sessions_mutex);
	return session;
}

/**
 * unbd_session_enter() - find or make the session of a mapping
 * @o: what the user wrote
 * @why: gets the reason of a failure
 * @len: size of @why
 *
 * May sleep until one of that name has gone. Return: the session, that stays
 * until unbd_session_leave(), or ERR_PTR().
 */
struct unbd_session *unbd_session_enter(const struct unbd_map_options *o,
					char *why, size_t len)
{
	struct unbd_session *session;
	int before;

	do {
		before = atomic_read(&nr_closed);
		session = try_to_enter(o, why, len);
	} while (!session &&
		 !wait_event_killable(gone, atomic_read(&nr_closed) != before));
	if (session)
		return session;
	snprintf(why, len, "interrupted");
	return ERR_PTR(-EINTR);
}

/*
 * Removes a path that the caller has claimed. Its files in sysfs take the
 * session's mutex, so they go first and without it.
 */
static void remove_claimed_path(struct unbd_path *path)
{
	struct unbd_session *session = path->session;

	kobject_get(&path->kobj);
	kobject_del(&path->kobj);
	mutex_lock(&session->mutex);
	unbd_path_destroy(path);
	mutex_unlock(&session->mutex);
	kobject_put(&path->kobj);
	wake_up_all(&gone);
}

static struct unbd_path *claim_any_path(struct unbd_session *session)
{
	struct unbd_path *path, *found = NULL;

	mutex_lock(&session->mutex);
	list_for_each_entry(path, &session->paths, entry) {
		if (!path->claimed) {
			path->claimed = true;
			found = path;
			break;
		}
	}
	mutex_unlock(&session->mutex);
	return found;
}

static void close_session(struct unbd_session *session)
{
	struct unbd_path *path;

	while ((path = claim_any_path(session)))
		remove_claimed_path(path);
	wait_event(gone, list_empty_careful(&session->paths));
	remove_directory(session);

	mutex_lock(&sessions_mutex);
	list_del(&session->entry);
	mutex_unlock(&sessions_mutex);
	unbd_session_put(session);
	/* Pairs with unbd_session_enter(): its name is free. */
	atomic_inc(&nr_closed);
	wake_up_all(&gone);
}

/**
 * unbd_session_leave() - a mapping has gone; with the last one the session does
 * @session: of unbd_session_enter()
 */
void unbd_session_leave(struct unbd_session *session)
{
	bool last;

	mutex_lock(&sessions_mutex);
	last = !--session->users;
	if (last)
		WRITE_ONCE(session->closing, true);
	mutex_unlock(&sessions_mutex);
	if (last)
		close_session(session);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* Is it what the writer means? A descriptor is always another one. */
static bool reads_like(const struct unbd_path *path,
		       const struct unbd_path_option *spec)
{
	return !path->claimed && !(path->flags & UNBD_PATH_ONE_SHOT) &&
	       same_text(path->dst, spec->dst) &&
	       same_text(path->src, spec->src);
}

static struct unbd_path *find_path(struct unbd_session *session,
				   const struct unbd_path_option *spec)
{
	struct unbd_path *path;

	list_for_each_entry(path, &session->paths, entry)
		if (reads_like(path, spec) &&
		    net_eq(path->net, current->nsproxy->net_ns))
			return path;
	return NULL;
}

/* The same address leads to another server there. */
static bool has_path_elsewhere(struct unbd_session *session,
			       const struct unbd_path_option *spec)
{
	struct unbd_path *path;

	list_for_each_entry(path, &session->paths, entry)
		if (reads_like(path, spec) &&
		    !net_eq(path->net, current->nsproxy->net_ns))
			return true;
	return false;
}

/**
 * unbd_session_kick() - have the work of all paths run
 * @session: its mutex is held
 */
void unbd_session_kick(struct unbd_session *session)
{
	struct unbd_path *path;

	list_for_each_entry(path, &session->paths, entry)
		unbd_path_kick(path);
}

/* Lets every device of the session be reached over a new path. */
static int add_legs_of_path(struct unbd_path *path)
{
	struct unbd_session *session = path->session;
	struct unbd_device *dev;
	unsigned int noio;
	int err = 0;

	lockdep_assert_held(&session->mutex);

	noio = unbd_path_lock_abort(path);
	list_for_each_entry(dev, &session->devices, entry) {
		if (READ_ONCE(dev->removing))
			continue;
		err = unbd_leg_create(dev, path);
		if (err)
			break;
	}
	unbd_path_unlock(path, noio);
	return err;
}

/**
 * unbd_session_add_legs() - let a device be reached over all paths
 * @dev: the device, its session's mutex is held
 *
 * Return: 0 or -ENOMEM.
 */
int unbd_session_add_legs(struct unbd_device *dev)
{
	struct unbd_session *session = dev->session;
	struct unbd_path *path;
	unsigned int noio;
	int err = 0;

	lockdep_assert_held(&session->mutex);

	list_for_each_entry(path, &session->paths, entry) {
		noio = unbd_path_lock_abort(path);
		err = unbd_leg_create(dev, path);
		unbd_path_unlock(path, noio);
		if (err)
			break;
	}
	return err;
}

/**
 * unbd_session_remove_legs() - and over none
 * @dev: the device
 * @polite: tell the server
 *
 * May sleep, but not for the peer.
 */
void unbd_session_remove_legs(struct unbd_device *dev, bool polite)
{
	struct unbd_session *session = dev->session;
	struct unbd_path *path;
	struct unbd_leg *leg;
	unsigned int noio;

	mutex_lock(&session->mutex);
	list_for_each_entry(path, &session->paths, entry) {
		noio = unbd_path_lock_abort(path);
		leg = unbd_leg_of(dev, path);
		if (leg) {
			unbd_leg_retire(leg, polite);
			unbd_leg_destroy(leg);
		}
		unbd_path_unlock(path, noio);
	}
	mutex_unlock(&session->mutex);
}

static void ask_for(struct unbd_asked_paths *asked, struct unbd_path *path)
{
	lockdep_assert_held(&path->session->mutex);

	kobject_get(&path->kobj);
	path->wanted++;
	asked->paths[asked->nr++] = path;
}

static int add_path(struct unbd_session *session,
		    const struct unbd_path_option *spec,
		    struct unbd_asked_paths *asked, char *why, size_t len)
{
	struct unbd_path *path = find_path(session, spec);
	int err;

	if (path) {
		ask_for(asked, path);
		return 0;
	}
	if (has_path_elsewhere(session, spec))
		return unbd_why(why, len, -EEXIST,
				"%s is a path of session %s in another network namespace",
				spec->dst, session->name);
	path = unbd_path_create(session, spec, why, len);
	if (IS_ERR(path))
		return PTR_ERR(path);
	ask_for(asked, path);
	err = add_legs_of_path(path);
	if (err)
		snprintf(why, len, "out of memory");
	return err;
}

/**
 * unbd_session_ask_paths() - have the paths of a mapping, new ones or not
 * @session: its mutex is held
 * @o: what the user wrote
 * @asked: gets them, also when it fails
 * @why: gets the reason of a failure
 * @len: size of @why
 *
 * Return: 0 or -errno; unbd_session_forget_paths() is due in any case.
 */
int unbd_session_ask_paths(struct unbd_session *session,
			   const struct unbd_map_options *o,
			   struct unbd_asked_paths *asked,
			   char *why, size_t len)
{
	struct unbd_path *path;
	unsigned int i;
	int err = 0;

	for (i = 0; i < o->nr_paths && !err; i++)
		err = add_path(session, &o->paths[i], asked, why, len);
	if (o->nr_paths)
		return err;
	/* Who names none relies on those that there are. */
	list_for_each_entry(path, &session->paths, entry)
		if (!path->claimed)
			ask_for(asked, path);
	return 0;
}

static bool is_last_path(struct unbd_path *path)
{
	struct unbd_path *other;

	lockdep_assert_held(&path->session->mutex);

	list_for_each_entry(other, &path->session->paths, entry)
		if (other != path && !other->claimed)
			return false;
	return true;
}

/* Takes back that a path was asked for: is it for the caller to remove? */
static bool claim_unwanted_path(struct unbd_path *path)
{
	struct unbd_session *session = path->session;
	bool claimed = false;

	mutex_lock(&session->mutex);
	if (!--path->wanted && !path->claimed &&
	    (!is_last_path(path) || READ_ONCE(session->users) == 1)) {
		path->claimed = true;
		claimed = true;
	}
	mutex_unlock(&session->mutex);
	return claimed;
}

/**
 * unbd_session_forget_paths() - the end of unbd_session_ask_paths()
 * @asked: the paths
 * @keep: the mapping has succeeded: otherwise those go that nobody else has
 *	asked for
 */
void unbd_session_forget_paths(struct unbd_asked_paths *asked, bool keep)
{
	struct unbd_path *path;

	while (asked->nr) {
		path = asked->paths[--asked->nr];
		if (!keep && claim_unwanted_path(path))
			remove_claimed_path(path);
		kobject_put(&path->kobj);
	}
}

/**
 * unbd_session_lock() - take session->mutex for something that needs memory
 * @session: the session
 *
 * "unmap force" wants the mutex, too, and what reclaim waits for may end by
 * nothing else. Return: for unbd_session_unlock().
 */
unsigned int unbd_session_lock(struct unbd_session *session)
{
	mutex_lock(&session->mutex);
	return memalloc_noio_save();
}

void unbd_session_unlock(struct unbd_session *session, unsigned int noio)
{
	memalloc_noio_restore(noio);
	mutex_unlock(&session->mutex);
}

/**
 * unbd_session_add_path() - give a session another path
 * @session: the session
 * @spec: what the user wrote
 * @why: gets the reason of a failure
 * @len: size of @why
 *
 * Return: 0 once the path has begun to connect, or -errno.
 */
int unbd_session_add_path(struct unbd_session *session,
			  const struct unbd_path_option *spec,
			  char *why, size_t len)
{
	struct unbd_path *path;
	unsigned int noio;
	int err = 0;

	unbd_transport_load(spec->transport);
	noio = unbd_session_lock(session);
	if (READ_ONCE(session->closing)) {
		snprintf(why, len, "the session is being closed");
		err = -ENODEV;
	} else if (find_path(session, spec)) {
		snprintf(why, len, "the session has that path");
		err = -EEXIST;
	}
	if (err)
		goto unlock;
	path = unbd_path_create(session, spec, why, len);
	if (IS_ERR(path)) {
		err = PTR_ERR(path);
		goto unlock;
	}
	path->wanted++;
	err = add_legs_of_path(path);
	if (!err) {
		unbd_path_kick(path);
		goto unlock;
	}
	snprintf(why, len, "out of memory");
	path->claimed = true;
	unbd_session_unlock(session, noio);
	remove_claimed_path(path);
	return err;
unlock:
	unbd_session_unlock(session, noio);
	return err;
}

/**
 * unbd_session_remove_path() - take a path away from its session
 * @path: path, kept by the caller
 * @why: gets the reason of a refusal
 * @len: size of @why
 *
 * Return: 0, -EBUSY for the last path, -ENODEV when it is going already.
 */
int unbd_session_remove_path(struct unbd_path *path, char *why, size_t len)
{
	struct unbd_session *session = path->session;
	int err = 0;

	mutex_lock(&session->mutex);
	if (path->claimed) {
		snprintf(why, len, "the path is being removed");
		err = -ENODEV;
	} else if (is_last_path(path)) {
		snprintf(why, len, "it is the last path, unmap the device instead");
		err = -EBUSY;
	} else {
		path->claimed = true;
	}
	mutex_unlock(&session->mutex);
	if (!err)
		remove_claimed_path(path);
	return err;
}

/**
 * unbd_session_reconnect() - try all paths of a session that are not live
 * @session: the session
 */
void unbd_session_reconnect(struct unbd_session *session)
{
	struct unbd_path *path;

	mutex_lock(&session->mutex);
	list_for_each_entry(path, &session->paths, entry)
		unbd_path_reconnect(path, false);
	mutex_unlock(&session->mutex);
}

/**
 * unbd_sessions_drain() - wait for the last session when the module goes
 *
 * Each holds this module until it is released, so none is left but one that
 * is just about to say so.
 */
void unbd_sessions_drain(void)
{
	wait_event(gone, !atomic_read(&nr_sessions));
}
