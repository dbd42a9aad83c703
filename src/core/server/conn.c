// SPDX-License-Identifier: GPL-2.0
/*
 * Connections of clients: who gets in, how many, and how they end.
 */
#define pr_fmt(fmt) "unbd-server: " fmt

#include <linux/idr.h>
#include <linux/module.h>
#include <linux/sched/mm.h>

#include "server.h"

struct kobject *unbd_connections_kobj;
const struct kobj_type *unbd_conn_ktype;

/* Enough for 64 clients with 16 CPUs each. */
static unsigned int max_connections = 1024;
module_param(max_connections, uint, 0644);
MODULE_PARM_DESC(max_connections,
		 "connections of all clients together (default 1024)");

/* Numbers are not given out again soon: a log should name one client. */
static DEFINE_IDR(conns);
static unsigned int nr_conns;

static bool draining;		/* nobody is admitted */

/* Less than clients have for their handshake */
#define FENCE_TIMEOUT		(8 * HZ)

/* How many may wait at a time for what they have begun before */
#define SETTLING_MAX		64
static unsigned int nr_settling;

/* For who waits until some are gone: how many that are, ever */
static unsigned int nr_gone;
static DECLARE_WAIT_QUEUE_HEAD(conn_gone);

/* Is there anything that the client may use? */
static bool has_something_for(const struct unbd_conn *conn)
{
	if (conn->admission == UNBD_ADMIT_NOBODY)
		return false;
	return (conn->ops->searches && unbd_search_enabled()) ||
		unbd_export_allows_some(conn);
}

static int admit(struct unbd_conn *conn)
{
	int id;

	lockdep_assert_held(&unbd_server_mutex);

	if (draining) {
		pr_info_ratelimited("refused %s: the server is drained\n",
				    conn->peer_name);
		return -ESHUTDOWN;
	}
	if (!has_something_for(conn)) {
		pr_warn_ratelimited("refused %s: no export is for it\n",
				    conn->peer_name);
		return -EACCES;
	}
	if (nr_conns >= READ_ONCE(max_connections)) {
		pr_warn_ratelimited("refused %s: max_connections=%u are open\n",
				    conn->peer_name, nr_conns);
		return -EUSERS;
	}
	id = idr_alloc_cyclic(&conns, conn, 1, 0, GFP_KERNEL);
	if (id < 0) {
		pr_warn_ratelimited("refused %s: no memory\n",
				    conn->peer_name);
		return id;
	}
	conn->id = id;
	nr_conns++;
	return 0;
}

static void dismiss(struct unbd_conn *conn)
{
	mutex_lock(&unbd_server_mutex);
	idr_remove(&conns, conn->id);
	nr_conns--;
	WRITE_ONCE(nr_gone, nr_gone + 1);
	mutex_unlock(&unbd_server_mutex);
	wake_up_all(&conn_gone);
}

static int add_directory(struct unbd_conn *conn)
{
	DECLARE_COMPLETION_ONSTACK(freed);
	int err;

	err = kobject_init_and_add(&conn->kobj, unbd_conn_ktype,
				   unbd_connections_kobj, "%u", conn->id);
	if (err) {
		conn->freed = &freed;
		kobject_put(&conn->kobj);
		wait_for_completion(&freed);
	}
	return err;
}

static int add_conn(struct unbd_conn *conn)
{
	struct module *owner = conn->ops->owner;
	int err;

	INIT_LIST_HEAD(&conn->export_entry);
	mutex_lock(&unbd_server_mutex);
	err = admit(conn);
	mutex_unlock(&unbd_server_mutex);
	if (err)
		return err;

	__module_get(owner);
	err = add_directory(conn);
	if (err) {
		pr_warn_ratelimited("refused %s: no directory for it (%d)\n",
				    conn->peer_name, err);
		dismiss(conn);
		module_put(owner);
		return err;
	}
	pr_debug("connection %u: %s\n", conn->id, conn->peer_name);
	return 0;
}

/*
 * A client in this same kernel may come back because memory is short: what
 * it then needs must not wait for its disk.
 */
int unbd_conn_add(struct unbd_conn *conn)
{
	unsigned int noio = memalloc_noio_save();
	int err = add_conn(conn);

	memalloc_noio_restore(noio);
	return err;
}
EXPORT_SYMBOL_UNBD(unbd_conn_add);

void unbd_conn_remove(struct unbd_conn *conn)
{
	unbd_export_close(conn);
	kobject_del(&conn->kobj);
	dismiss(conn);
	pr_debug("connection %u: closed\n", conn->id);
	kobject_put(&conn->kobj);
}
EXPORT_SYMBOL_UNBD(unbd_conn_remove);

/* Return: whether there are any but @self. */
static bool close_those(const struct unbd_conn *self,
			const struct unbd_key *keys, unsigned int nr)
{
	struct unbd_conn *conn;
	bool found = false;
	int id;

	mutex_lock(&unbd_server_mutex);
	idr_for_each_entry(&conns, conn, id) {
		if (conn == self || !conn->has_key ||
		    !unbd_key_among(&conn->key, keys, nr))
			continue;
		unbd_conn_close(conn);
		found = true;
	}
	mutex_unlock(&unbd_server_mutex);
	return found;
}

int unbd_conn_fence(struct unbd_conn *conn, const struct unbd_key *keys,
		    unsigned int nr)
{
	unsigned long deadline = jiffies + FENCE_TIMEOUT;
	unsigned int seen;

	mutex_lock(&unbd_server_mutex);
	conn->key = keys[0];
	conn->has_key = true;
	mutex_unlock(&unbd_server_mutex);

	/* Most fence nothing, and need not look at all the others. */
	while (nr > 1) {
		seen = READ_ONCE(nr_gone);
		if (!close_those(conn, keys + 1, nr - 1))
			break;
		if (READ_ONCE(conn->closing))
			return -ECANCELED;
		if (time_after(jiffies, deadline)) {
			pr_warn_ratelimited("%s waits for requests of its former connection, which are still at the storage\n",
					    conn->peer_name);
			return -ETIMEDOUT;
		}
		/* Idle: a slow disk does not make this a hung task. */
		wait_event_idle_timeout(conn_gone, READ_ONCE(nr_gone) != seen,
					HZ / 10);
	}
	return 0;
}
EXPORT_SYMBOL_UNBD(unbd_conn_fence);

/* Some may wait, but not all the workers that let clients in. */
static bool must_wait(struct unbd_conn *conn, const char *name, bool *waiting)
{
	bool former;

	mutex_lock(&unbd_server_mutex);
	former = !conn->has_key && unbd_export_has_former(conn, name);
	nr_settling -= *waiting;
	*waiting = former && nr_settling < SETTLING_MAX;
	nr_settling += *waiting;
	mutex_unlock(&unbd_server_mutex);
	return former;
}

int unbd_conn_settle(struct unbd_conn *conn, const char *name)
{
	unsigned long deadline = jiffies + FENCE_TIMEOUT;
	bool waiting = false;
	unsigned int seen;

	for (;;) {
		seen = READ_ONCE(nr_gone);
		if (!must_wait(conn, name, &waiting))
			return 0;
		if (!waiting || READ_ONCE(conn->closing) ||
		    time_after(jiffies, deadline))
			break;
		wait_event_idle_timeout(conn_gone, READ_ONCE(nr_gone) != seen,
					HZ / 10);
	}
	mutex_lock(&unbd_server_mutex);
	nr_settling -= waiting;
	mutex_unlock(&unbd_server_mutex);
	pr_warn_ratelimited("refused %s: requests of its former connection are still at the storage\n",
			    conn->peer_name);
	return -ETIMEDOUT;
}
EXPORT_SYMBOL_UNBD(unbd_conn_settle);

/**
 * unbd_conns_are_drained() - is nobody admitted for now?
 */
bool unbd_conns_are_drained(void)
{
	return READ_ONCE(draining);
}

/**
 * unbd_conns_admit() - close all connections and admit nobody, or admit again
 * @admit: admit from now on
 */
void unbd_conns_admit(bool admit)
{
	struct unbd_conn *conn;
	int id;

	mutex_lock(&unbd_server_mutex);
	WRITE_ONCE(draining, !admit);
	if (!admit)
		idr_for_each_entry(&conns, conn, id)
			unbd_conn_close(conn);
	mutex_unlock(&unbd_server_mutex);
}

/**
 * unbd_conns_wait() - wait until there are no connections
 *
 * Sleeps until the last request has come back from the storage. Return: 0, or
 * -EINTR for a signal before that.
 */
int unbd_conns_wait(void)
{
	return wait_event_interruptible(conn_gone, !READ_ONCE(nr_conns)) ?
		-EINTR : 0;
}

bool unbd_conn_allows(struct unbd_conn *conn,
		      const struct sockaddr_storage *peer)
{
	bool allowed;

	mutex_lock(&unbd_server_mutex);
	allowed = !conn->export ||
		unbd_acl_allows(conn->export, conn->admission, peer);
	mutex_unlock(&unbd_server_mutex);
	return allowed;
}
EXPORT_SYMBOL_UNBD(unbd_conn_allows);

/**
 * unbd_conn_release() - nobody knows a connection any more
 * @conn: what unbd_conn_remove() has taken away, or was not added
 */
void unbd_conn_release(struct unbd_conn *conn)
{
	struct module *owner = conn->ops->owner;

	if (conn->freed) {
		complete(conn->freed);
		return;
	}
	conn->release(conn);
	module_put(owner);
}
