// SPDX-License-Identifier: GPL-2.0
/*
 * Clients: their chunks, their paths, and the end of the last one.
 *
 * All paths of a session write to the same chunks. When a client gives a path
 * up, it sends what was under way there by another one, into the same chunk;
 * but the storage may not have finished the first yet. So a request waits
 * until no other path's has its chunk: then its answer cannot come early, and
 * the client cannot put something new where the storage still reads. For the
 * same reason a session that comes back opens its devices only when those of
 * its predecessor are closed.
 */
#define pr_fmt(fmt) "unbd-rdma-server: " fmt

#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "server.h"

/* How long a client that comes back waits for what it has left behind */
#define SRV_OPEN_TIMEOUT	(20 * HZ)

static unsigned int max_sessions = 64;
module_param(max_sessions, uint, 0644);
MODULE_PARM_DESC(max_sessions,
		 "clients that may be connected; each takes sess_queue_depth * max_chunk_size bytes of memory (default: 64)");

/* Which sessions and paths there are; see server.h. */
DEFINE_MUTEX(srv_mutex);
static LIST_HEAD(srv_sessions);
static LIST_HEAD(srv_dying);
static unsigned int srv_nr_sessions;
static DECLARE_WAIT_QUEUE_HEAD(srv_gone);

static struct srv_session *srv_session_find(struct list_head *list,
					    const u8 *uuid)
{
	struct srv_session *session;

	lockdep_assert_held(&srv_mutex);

	list_for_each_entry(session, list, entry)
		if (!memcmp(session->uuid, uuid, sizeof(session->uuid)))
			return session;
	return NULL;
}

static void srv_session_free(struct srv_session *session)
{
	srv_chunks_free(session);
	kvfree(session->slots);
	xa_destroy(&session->devices);
	kfree(session);
}

static struct srv_session *srv_session_alloc(const u8 *uuid)
{
	struct srv_session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return NULL;
	refcount_set(&session->refs, 1);
	memcpy(session->uuid, uuid, sizeof(session->uuid));
	session->pool = srv_pool;
	spin_lock_init(&session->fence_lock);
	INIT_LIST_HEAD(&session->fenced);
	INIT_WORK(&session->fence, srv_session_fence);
	spin_lock_init(&session->message_lock);
	INIT_LIST_HEAD(&session->messages);
	INIT_LIST_HEAD(&session->paths);
	mutex_init(&session->open_mutex);
	xa_init_flags(&session->devices, XA_FLAGS_ALLOC);
	session->slots = kvcalloc(srv_pool.queue_depth,
				  sizeof(*session->slots), GFP_KERNEL);
	if (!session->slots || srv_chunks_alloc(session)) {
		srv_session_free(session);
		return NULL;
	}
	return session;
}

/* Returns NULL with *err 0 if one may be made. */
static struct srv_session *srv_session_known(const struct rtrs_conn_params *p,
					     int *err)
{
	struct srv_session *session;

	lockdep_assert_held(&srv_mutex);

	session = srv_session_find(&srv_sessions, p->paths_uuid);
	*err = 0;
	if (session)
		refcount_inc(&session->refs);
	else if (!p->first_conn)
		*err = -ENXIO;
	else if (srv_nr_sessions >= READ_ONCE(max_sessions))
		*err = -EUSERS;
	return session;
}

/* Returns NULL with *err 0 if it has been added. */
static struct srv_session *srv_session_add(struct srv_session *new,
					   const struct rtrs_conn_params *p,
					   int *err)
{
	struct srv_session *session;

	mutex_lock(&srv_mutex);
	session = srv_session_known(p, err);
	if (!session && !*err) {
		list_add_tail(&new->entry, &srv_sessions);
		srv_nr_sessions++;
	}
	mutex_unlock(&srv_mutex);
	return session;
}

/**
 * srv_session_get() - the session that a connection request belongs to
 * @params: the request
 * @err: set on failure
 *
 * May sleep for memory; others are not kept waiting by that.
 *
 * Return: the session with a reference, maybe a new one, or NULL.
 */
struct srv_session *srv_session_get(const struct rtrs_conn_params *params,
				    int *err)
{
	struct srv_session *session, *new;

	mutex_lock(&srv_mutex);
	session = srv_session_known(params, err);
	mutex_unlock(&srv_mutex);
	if (session || *err)
		return session;
	new = srv_session_alloc(params->paths_uuid);
	if (!new) {
		*err = -ENOMEM;
		return NULL;
	}
	session = srv_session_add(new, params, err);
	if (!session && !*err)
		return new;
	srv_session_free(new);
	return session;
}

/**
 * srv_session_put() - a path or device of it has gone
 * @session: may be gone when this returns
 */
void srv_session_put(struct srv_session *session)
{
	if (!refcount_dec_and_mutex_lock(&session->refs, &srv_mutex))
		return;
	list_del(&session->entry);
	srv_nr_sessions--;
	mutex_unlock(&srv_mutex);
	cancel_work_sync(&session->fence);
	srv_session_free(session);
	srv_something_gone();
}

/**
 * srv_path_find() - the path of that name
 * @uuid: sess_uuid
 *
 * Return: it, as long as srv_mutex is held, or NULL.
 */
struct srv_path *srv_path_find(const u8 *uuid)
{
	struct srv_session *session;
	struct srv_path *path;

	lockdep_assert_held(&srv_mutex);

	list_for_each_entry(session, &srv_sessions, entry)
		list_for_each_entry(path, &session->paths, entry)
			if (!memcmp(path->uuid, uuid, sizeof(path->uuid)))
				return path;
	return NULL;
}

/**
 * srv_session_add_path() - a client comes by one more way
 * @session: the client
 * @path: the way
 *
 * Return: 0; -EACCES when the address may not use what is open; -ECONNRESET
 * when there are too many.
 */
int srv_session_add_path(struct srv_session *session, struct srv_path *path)
{
	struct srv_device *device;
	unsigned long id;

	lockdep_assert_held(&srv_mutex);

	if (session->nr_paths >= SRV_MAX_PATHS)
		return -ECONNRESET;
	xa_for_each(&session->devices, id, device)
		if (!unbd_conn_allows(&device->base, &path->base.peer))
			return -EACCES;
	list_add_tail(&path->entry, &session->paths);
	session->nr_paths++;
	return 0;
}

/**
 * srv_session_remove_path() - a path has ended
 * @session: the client
 * @path: without requests at the storage
 *
 * With the last one the session ends: what it has open is closed.
 */
void srv_session_remove_path(struct srv_session *session,
			     struct srv_path *path)
{
	struct srv_device *device;
	unsigned long id;

	mutex_lock(&srv_mutex);
	list_del(&path->entry);
	if (!--session->nr_paths) {
		session->dying = true;
		list_move_tail(&session->entry, &srv_dying);
		xa_for_each(&session->devices, id, device)
			srv_device_kill(device);
	}
	mutex_unlock(&srv_mutex);
}

/**
 * srv_something_gone() - have those look who wait for it
 */
void srv_something_gone(void)
{
	wake_up_all(&srv_gone);
}

static bool srv_may_open(struct srv_session *session, const char *name)
{
	bool may;

	mutex_lock(&srv_mutex);
	may = !srv_session_find(&srv_dying, session->uuid) &&
		!srv_device_is_closing(session, name);
	mutex_unlock(&srv_mutex);
	return may;
}

/**
 * srv_session_wait() - let what a client has left behind finish
 * @session: the client, maybe come back
 * @name: what it wants to open
 */
void srv_session_wait(struct srv_session *session, const char *name)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	long left = SRV_OPEN_TIMEOUT;
	bool may;

	/* Looking takes a mutex: that is no condition of wait_event(). */
	add_wait_queue(&srv_gone, &wait);
	while (!(may = srv_may_open(session, name)) && left)
		left = wait_woken(&wait, TASK_UNINTERRUPTIBLE, left);
	remove_wait_queue(&srv_gone, &wait);
	if (!may)
		pr_warn_ratelimited("session %s: the storage is still busy with what it had open before\n",
				    session->name);
}

/**
 * srv_session_fence() - let requests go on that waited for their chunk
 * @work: of the session
 */
void srv_session_fence(struct work_struct *work)
{
	struct srv_session *session = container_of(work, struct srv_session,
						   fence);
	struct srv_request *req, *next;
	LIST_HEAD(ready);

	spin_lock_irq(&session->fence_lock);
	list_for_each_entry_safe(req, next, &session->fenced, entry)
		if (!cmpxchg(&session->slots[req->id], NULL, req))
			list_move_tail(&req->entry, &ready);
	spin_unlock_irq(&session->fence_lock);

	list_for_each_entry_safe(req, next, &ready, entry) {
		list_del_init(&req->entry);
		srv_con_go_on(req->con, req);
	}
}
