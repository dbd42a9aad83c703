// SPDX-License-Identifier: GPL-2.0
/*
 * Clients: which there are, and the end of one.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "server.h"

static unsigned int max_sessions = 64;
module_param(max_sessions, uint, 0644);
MODULE_PARM_DESC(max_sessions,
		 "clients that may be connected; each takes sess_queue_depth * max_chunk_size bytes of memory (default: 64)");

/* Which sessions and paths there are; see server.h. */
DEFINE_MUTEX(srv_mutex);
static LIST_HEAD(srv_sessions);
static LIST_HEAD(srv_dying);
static unsigned int srv_nr_sessions;
DECLARE_WAIT_QUEUE_HEAD(srv_gone);

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
 * srv_session_die() - the last path of a session has gone
 * @session: it; nobody finds it any more
 */
void srv_session_die(struct srv_session *session)
{
	lockdep_assert_held(&srv_mutex);

	session->dying = true;
	list_move_tail(&session->entry, &srv_dying);
}

/**
 * srv_session_is_dying() - is a session of that name about to end?
 * @uuid: paths_uuid
 */
bool srv_session_is_dying(const u8 *uuid)
{
	return srv_session_find(&srv_dying, uuid);
}

/**
 * srv_something_gone() - have those look who wait for it
 */
void srv_something_gone(void)
{
	wake_up_all(&srv_gone);
}
