// SPDX-License-Identifier: GPL-2.0
/*
 * Which connections there are, and who uses them.
 */
#define pr_fmt(fmt) "unbd-shm-client: " fmt

#include <linux/module.h>

#include "client.h"

static struct clt_conn *find_conn(u32 id)
{
	struct shm_connection *base = shm_connection_find(&clt_connections, id);

	return base ? to_clt_conn(base) : NULL;
}

/**
 * clt_conn_claim() - take a connection for a path
 * @path: path
 * @id: number of the connection
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0, -ENOENT, or -EBUSY when another path has it.
 */
int clt_conn_claim(struct clt_path *path, u32 id, char *why, size_t len)
{
	struct clt_conn *conn;
	int err = 0;

	mutex_lock(&clt_connections.mutex);
	conn = find_conn(id);
	if (!conn) {
		err = unbd_why(why, len, -ENOENT,
			       "there is no connection %u, see connections=",
			       id);
	} else if (conn->path) {
		err = unbd_why(why, len, -EBUSY,
			       "connection %u is in use by %s", id,
			       conn->path->base.name);
	} else {
		conn->path = path;
		path->conn = conn;
	}
	mutex_unlock(&clt_connections.mutex);
	return err;
}

/**
 * clt_conn_unclaim() - the reverse of clt_conn_claim()
 * @path: path that is not connected
 */
void clt_conn_unclaim(struct clt_path *path)
{
	mutex_lock(&clt_connections.mutex);
	path->conn->path = NULL;
	mutex_unlock(&clt_connections.mutex);
}

/* ------------------------------------------------------------------ */
/* Adding and removing                                                */

static int open_conn(struct shm_connection *base, char *why, size_t len)
{
	struct clt_conn *conn = to_clt_conn(base);

	clt_disks_init(conn);
	return clt_link_init(conn, why, len);
}

static void added(struct shm_connection *base)
{
	/* Nobody must use a module that may yet fail to load. */
	if (clt_connections.ready)
		clt_conn_show_disks(to_clt_conn(base));
}

/* Whoever removes connections holds the lock of the parameters. */
static struct clt_conn *get_conn(u32 id)
{
	struct clt_conn *conn;

	mutex_lock(&clt_connections.mutex);
	conn = find_conn(id);
	mutex_unlock(&clt_connections.mutex);
	return conn;
}

static int vacate(u32 id, bool force, char *why, size_t len)
{
	struct clt_conn *conn = get_conn(id);

	return conn ? clt_disks_unmap(conn, force, why, len) :
		unbd_why(why, len, -ENOENT, "there is none");
}

static int may_go(struct shm_connection *base, bool force,
		  char *why, size_t len)
{
	struct clt_conn *conn = to_clt_conn(base);

	if (conn->path)
		return unbd_why(why, len, -EBUSY, "in use by %s",
				conn->path->base.name);
	return 0;
}

static void free_conn(struct shm_connection *base)
{
	struct clt_conn *conn = to_clt_conn(base);

	clt_disks_exit(conn);
	clt_link_exit(conn);
}

static const struct shm_connection_ops connection_ops = {
	.size = sizeof(struct clt_conn),
	.open = open_conn,
	.added = added,
	.vacate = vacate,
	.may_go = may_go,
	.free = free_conn,
};

struct shm_connections clt_connections = {
	.owner = THIS_MODULE,
	.name = "unbd-shm-client",
	.ops = &connection_ops,
	.mutex = __MUTEX_INITIALIZER(clt_connections.mutex),
	.list = LIST_HEAD_INIT(clt_connections.list),
};

module_param_cb(connections, &shm_param_connections, &clt_connections, 0644);
MODULE_PARM_DESC(connections,
		 "ID:REQUEST:RESPONSE:BUFFER[:PROTOCOL:PROTOCOL][,...]");
module_param_cb(remove_connection, &shm_param_remove_connection,
		&clt_connections, 0200);
MODULE_PARM_DESC(remove_connection, "write: ID [force]");

static int get_disks(char *page, const struct kernel_param *kp)
{
	struct shm_connections *set = kp->arg;
	struct clt_conn *conn;
	int at = 0;

	mutex_lock(&set->mutex);
	list_for_each_entry(conn, &set->list, base.entry)
		at += clt_disks_print(conn, page + at, PAGE_SIZE - at);
	mutex_unlock(&set->mutex);
	return at;
}

static const struct kernel_param_ops disks_ops = {
	.get = get_disks,
};
module_param_cb(disks, &disks_ops, &clt_connections, 0444);
MODULE_PARM_DESC(disks, "read: SESSION:DEVICE=NAME, for udev");

/**
 * clt_conns_init() - make the connections that the module was loaded with
 *
 * Return: 0 or -errno; then shm_connections_exit() is to be called all the
 * same.
 */
int clt_conns_init(void)
{
	int err = shm_connections_init(&clt_connections);
	struct clt_conn *conn;

	if (err)
		return err;
	mutex_lock(&clt_connections.mutex);
	WRITE_ONCE(clt_connections.ready, true);
	list_for_each_entry(conn, &clt_connections.list, base.entry)
		clt_conn_show_disks(conn);
	mutex_unlock(&clt_connections.mutex);
	return 0;
}
