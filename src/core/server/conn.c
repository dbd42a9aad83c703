// SPDX-License-Identifier: GPL-2.0
/*
 * Connections of clients: who gets in, how many, and how they end.
 */
#define pr_fmt(fmt) "unbd-server: " fmt

#include <linux/idr.h>
#include <linux/module.h>
#include <linux/sched/mm.h>

#include "server.h"

/* Numbers are not given out again soon: a log should name one client. */
static DEFINE_IDR(conns);
static unsigned int nr_conns;

static int admit(struct unbd_conn *conn)
{
	int id;

	lockdep_assert_held(&unbd_server_mutex);

	if (!unbd_export_allows_some(conn)) {
		pr_warn_ratelimited("refused %s: no export is for it\n",
				    conn->peer_name);
		return -EACCES;
	}
	if (nr_conns >= READ_ONCE(unbd_max_connections)) {
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
	mutex_unlock(&unbd_server_mutex);
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
	err = unbd_sysfs_add_conn(conn);
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

/**
 * unbd_conn_close() - ask a connection's transport to end it
 * @conn: connection that unbd_conn_remove() has not begun to take away
 *
 * Under unbd_server_mutex, which keeps it from going meanwhile.
 */
void unbd_conn_close(struct unbd_conn *conn)
{
	lockdep_assert_held(&unbd_server_mutex);

	if (conn->removed)
		return;
	WRITE_ONCE(conn->closing, true);
	conn->ops->close(conn);
}

/**
 * unbd_conn_free() - nobody knows a connection any more
 * @conn: what unbd_conn_remove() has taken away
 */
void unbd_conn_free(struct unbd_conn *conn)
{
	struct module *owner = conn->ops->owner;

	conn->release(conn);
	module_put(owner);
}
