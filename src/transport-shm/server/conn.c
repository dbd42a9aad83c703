// SPDX-License-Identifier: GPL-2.0
/*
 * What is offered on the connections, by module parameter.
 */
#define pr_fmt(fmt) "unbd-shm-server: " fmt

#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "server.h"

static struct shm_connections connections;
static char *initial_devices;		/* when loading */

/* ------------------------------------------------------------------ */
/* Devices                                                            */

static void remove_export(struct srv_export *export)
{
	char why[UNBD_WHY_LEN] = "";
	int err;

	if (export->ours) {
		err = unbd_unexport_private(export->name, why, sizeof(why));
		/* The administrator may have taken it away. */
		if (err && err != -ENOENT)
			pr_warn("%s: not unexported: %s (%d)\n", export->name,
				why, err);
	}
	kfree(export->path);
	kfree(export->name);
	*export = (struct srv_export){};
}

static int fill_export(struct srv_export *export, const char *path, u32 id,
		       unsigned int nr, char *why, size_t len)
{
	int err;

	export->ours = *path == '/';
	export->path = kstrdup(path, GFP_KERNEL);
	export->name = export->ours ?
		kasprintf(GFP_KERNEL, "shm%u.%u", id, nr) :
		kstrdup(path, GFP_KERNEL);
	if (!export->path || !export->name) {
		export->ours = false;
		return unbd_why(why, len, -ENOMEM, "out of memory");
	}
	if (!export->ours)
		return 0;
	err = unbd_export_private(export->name, path, UNBD_ACCESS_RW, why, len);
	if (err == -EROFS)
		err = unbd_export_private(export->name, path, UNBD_ACCESS_RO,
					  why, len);
	export->ours = !err;
	return err;
}

static int add_device(const struct shm_device_option *o, char *why, size_t len)
{
	struct shm_connection *base = shm_connection_find(&connections, o->id);
	struct srv_conn *conn;
	unsigned int nr;
	int err;

	lockdep_assert_held(&connections.mutex);

	if (!base)
		return unbd_why(why, len, -ENOENT,
				"there is no connection %u, see connections=",
				o->id);
	conn = to_srv_conn(base);
	nr = conn->nr_filled;
	if (nr == SHM_MAX_DEVICES)
		return unbd_why(why, len, -ENOSPC,
				"connection %u has %u devices already", o->id,
				nr);
	err = fill_export(&conn->exports[nr], o->path, o->id, nr, why, len);
	if (err) {
		remove_export(&conn->exports[nr]);
		return err;
	}
	conn->nr_filled++;
	return 0;
}

static void offer_added(struct srv_conn *conn)
{
	if (conn->nr_filled == conn->nr_exports)
		return;
	/* Pairs with srv_nr_exports(). */
	smp_store_release(&conn->nr_exports, conn->nr_filled);
	/* A client that is there counts them from time to time. */
	WRITE_ONCE(conn->added, true);
	if (connections.ready)
		shm_thread_kick(&conn->thread);
}

static void forget_added(struct srv_conn *conn)
{
	while (conn->nr_filled > conn->nr_exports)
		remove_export(&conn->exports[--conn->nr_filled]);
}

/* All of them or none */
static int add_devices(struct shm_connections *set, const char *text)
{
	struct shm_device_option *o;
	struct srv_conn *conn;
	char why[UNBD_WHY_LEN] = "";
	int err = 0;

	o = kmalloc(sizeof(*o), GFP_KERNEL);
	if (!o)
		return -ENOMEM;
	mutex_lock(&connections.mutex);
	while (!err && *text) {
		err = shm_parse_device(&text, o, why, sizeof(why));
		if (err) {
			pr_err("devices=: %s (%d)\n", why, err);
			break;
		}
		err = add_device(o, why, sizeof(why));
		if (err)
			pr_err("devices=%s:%u: %s (%d)\n", o->path, o->id, why,
			       err);
	}
	list_for_each_entry(conn, &connections.list, base.entry) {
		if (err)
			forget_added(conn);
		else
			offer_added(conn);
	}
	mutex_unlock(&connections.mutex);
	kfree(o);
	return err;
}

/* ------------------------------------------------------------------ */
/* Connections                                                        */

static int open_conn(struct shm_connection *base, char *why, size_t len)
{
	struct srv_conn *conn = to_srv_conn(base);
	int err = srv_io_init(conn, why, len);

	/* When loading, the devices come first. */
	if (err || !connections.ready)
		return err;
	err = srv_serve_start(conn);
	if (!err)
		return 0;
	srv_io_exit(conn);
	return unbd_why(why, len, err, "cannot start a thread");
}

static int may_go(struct shm_connection *base, bool force,
		  char *why, size_t len)
{
	if (!force && READ_ONCE(to_srv_conn(base)->present))
		return unbd_why(why, len, -EBUSY, "a client is using it");
	return 0;
}

static void free_conn(struct shm_connection *base)
{
	struct srv_conn *conn = to_srv_conn(base);
	unsigned int nr;

	srv_serve_stop(conn);
	srv_io_exit(conn);
	for (nr = 0; nr < conn->nr_exports; nr++)
		remove_export(&conn->exports[nr]);
}

static const struct shm_connection_ops connection_ops = {
	.size = sizeof(struct srv_conn),
	.wants_pages = true,
	.open = open_conn,
	.may_go = may_go,
	.free = free_conn,
};

static struct shm_connections connections = {
	.owner = THIS_MODULE,
	.name = "unbd-shm-server",
	.ops = &connection_ops,
	.mutex = __MUTEX_INITIALIZER(connections.mutex),
	.list = LIST_HEAD_INIT(connections.list),
};

module_param_cb(connections, &shm_param_connections, &connections, 0644);
MODULE_PARM_DESC(connections,
		 "ID:REQUEST:RESPONSE:BUFFER[:PROTOCOL:PROTOCOL][,...]");
module_param_cb(remove_connection, &shm_param_remove_connection, &connections,
		0200);
MODULE_PARM_DESC(remove_connection, "write: ID [force]");

static int set_devices(const char *text, const struct kernel_param *kp)
{
	return shm_set_list(kp->arg, text, &initial_devices, add_devices);
}

static int get_devices(char *page, const struct kernel_param *kp)
{
	struct srv_conn *conn;
	unsigned int nr;
	int at = 0;

	mutex_lock(&connections.mutex);
	list_for_each_entry(conn, &connections.list, base.entry)
		for (nr = 0; nr < conn->nr_exports; nr++)
			at += scnprintf(page + at, PAGE_SIZE - at, "%s%s:%u",
					at ? "," : "", conn->exports[nr].path,
					conn->base.option.id);
	at += scnprintf(page + at, PAGE_SIZE - at, "\n");
	mutex_unlock(&connections.mutex);
	return at;
}

static const struct kernel_param_ops devices_ops = {
	.set = set_devices,
	.get = get_devices,
};
module_param_cb(devices, &devices_ops, &connections, 0644);
MODULE_PARM_DESC(devices,
		 "DEVICE:ID[,...], DEVICE a path or the name of an export");
module_param_cb(device, &devices_ops, &connections, 0644);
MODULE_PARM_DESC(device, "same as devices");

static int start_conns(void)
{
	struct srv_conn *conn;
	int err = 0;

	mutex_lock(&connections.mutex);
	list_for_each_entry(conn, &connections.list, base.entry) {
		err = srv_serve_start(conn);
		if (err)
			break;
	}
	WRITE_ONCE(connections.ready, !err);
	mutex_unlock(&connections.mutex);
	return err;
}

/**
 * srv_conns_init() - make what the module was loaded with
 *
 * Return: 0 or -errno; then srv_conns_exit() is to be called all the same.
 */
int srv_conns_init(void)
{
	int err = shm_connections_init(&connections);

	if (!err && initial_devices)
		err = add_devices(&connections, initial_devices);
	if (!err)
		err = start_conns();
	return err;
}

/**
 * srv_conns_exit() - forget all connections
 */
void srv_conns_exit(void)
{
	shm_connections_exit(&connections);
	kfree(initial_devices);
	initial_devices = NULL;
}
