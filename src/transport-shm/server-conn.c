// SPDX-License-Identifier: GPL-2.0
/*
 * Which connections there are and what is offered on them, by module
 * parameter.
 */
#define pr_fmt(fmt) "unbd-shm-server: " fmt

#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "server.h"

static DEFINE_MUTEX(conns_mutex);	/* all below */
static LIST_HEAD(conns);
static unsigned int nr_conns;
static bool ready;			/* between init and exit */
static char *initial_connections;	/* parameters when loading */
static char *initial_devices;

static struct srv_conn *find_conn(u32 id)
{
	struct srv_conn *conn;

	lockdep_assert_held(&conns_mutex);

	list_for_each_entry(conn, &conns, entry)
		if (conn->option.id == id)
			return conn;
	return NULL;
}

/* ------------------------------------------------------------------ */
/* Devices                                                            */

/* Nobody comes from 0.0.0.0: the export is for shared memory only. */
static int make_export(const char *name, const char *path, const char *mode,
		       char *why, size_t len)
{
	char *line = kasprintf(GFP_KERNEL,
			       "name=%s device_path=\"%s\" access_mode=%s clients=0.0.0.0/32",
			       name, path, mode);
	int err;

	if (!line)
		return unbd_why(why, len, -ENOMEM, "out of memory");
	err = unbd_export_line(line, why, len);
	kfree(line);
	return err;
}

static void remove_export(struct srv_export *export)
{
	char why[UNBD_WHY_LEN] = "";
	char *line;
	int err;

	if (export->ours) {
		line = kasprintf(GFP_KERNEL, "%s force", export->name);
		err = line ? unbd_unexport_line(line, why, sizeof(why)) :
			-ENOMEM;
		/* The administrator may have taken it away. */
		if (err && err != -ENOENT)
			pr_warn("%s: not unexported: %s (%d)\n", export->name,
				why, err);
		kfree(line);
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
	err = make_export(export->name, path, "rw", why, len);
	if (err == -EROFS)
		err = make_export(export->name, path, "ro", why, len);
	export->ours = !err;
	return err;
}

static int add_device(const struct shm_device_option *o, char *why, size_t len)
{
	struct srv_conn *conn;
	unsigned int nr;
	int err;

	lockdep_assert_held(&conns_mutex);

	conn = find_conn(o->id);
	if (!conn)
		return unbd_why(why, len, -ENOENT,
				"there is no connection %u, see connections=",
				o->id);
	nr = conn->nr_exports;
	if (nr == SHM_MAX_DEVICES)
		return unbd_why(why, len, -ENOSPC,
				"connection %u has %u devices already", o->id,
				nr);
	err = fill_export(&conn->exports[nr], o->path, o->id, nr, why, len);
	if (err) {
		remove_export(&conn->exports[nr]);
		return err;
	}
	/* Pairs with srv_nr_exports(). */
	smp_store_release(&conn->nr_exports, nr + 1);
	return 0;
}

static int add_devices(const char *text)
{
	struct shm_device_option *o;
	char why[UNBD_WHY_LEN] = "";
	int err = 0;

	o = kmalloc(sizeof(*o), GFP_KERNEL);
	if (!o)
		return -ENOMEM;
	mutex_lock(&conns_mutex);
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
	mutex_unlock(&conns_mutex);
	kfree(o);
	return err;
}

/* ------------------------------------------------------------------ */
/* Connections                                                        */

static void free_conn(struct srv_conn *conn)
{
	unsigned int nr;

	srv_io_exit(conn);
	for (nr = 0; nr < conn->nr_exports; nr++)
		remove_export(&conn->exports[nr]);
	shm_regions_close(&conn->regions);
	kfree(conn->text);
	kfree(conn);
}

static int open_conn(struct srv_conn *conn, char *why, size_t len)
{
	int err;

	lockdep_assert_held(&conns_mutex);

	if (find_conn(conn->option.id))
		return unbd_why(why, len, -EEXIST, "there is one already");
	if (nr_conns >= SHM_MAX_CONNECTIONS)
		return unbd_why(why, len, -ENOSPC, "%u are the most",
				SHM_MAX_CONNECTIONS);
	err = shm_regions_open(&conn->regions, &conn->option, why, len);
	if (!err)
		err = srv_io_init(conn, why, len);
	/* When loading, the devices come first. */
	if (!err && ready) {
		err = srv_io_start(conn);
		if (err)
			snprintf(why, len, "cannot start a thread");
	}
	return err;
}

static int add_conn(const struct shm_connection_option *option,
		    const char *text, size_t text_len)
{
	struct srv_conn *conn = kzalloc(sizeof(*conn), GFP_KERNEL);
	char why[UNBD_WHY_LEN] = "out of memory";
	int err = -ENOMEM;

	if (!conn)
		return -ENOMEM;
	conn->option = *option;
	conn->text = kstrndup(text, text_len, GFP_KERNEL);
	mutex_lock(&conns_mutex);
	if (conn->text)
		err = open_conn(conn, why, sizeof(why));
	if (!err) {
		list_add_tail(&conn->entry, &conns);
		nr_conns++;
	}
	mutex_unlock(&conns_mutex);
	if (!err)
		return 0;
	pr_err("connection %u: %s (%d)\n", option->id, why, err);
	free_conn(conn);
	return err;
}

static int add_conns(const char *text)
{
	struct shm_connection_option *o;
	char why[UNBD_WHY_LEN];
	const char *start;
	int err = 0;

	o = kmalloc(sizeof(*o), GFP_KERNEL);
	if (!o)
		return -ENOMEM;
	while (!err && *text) {
		start = text;
		err = shm_parse_connection(&text, o, why, sizeof(why));
		if (err)
			pr_err("connections=: %s (%d)\n", why, err);
		else
			err = add_conn(o, start, strcspn(start, ",\n"));
	}
	kfree(o);
	return err;
}

static int remove_conn(u32 id, bool force, char *why, size_t len)
{
	struct srv_conn *conn;

	mutex_lock(&conns_mutex);
	conn = find_conn(id);
	if (conn && (force || !READ_ONCE(conn->present))) {
		list_del(&conn->entry);
		nr_conns--;
	}
	mutex_unlock(&conns_mutex);
	if (!conn)
		return unbd_why(why, len, -ENOENT, "there is none");
	if (!force && READ_ONCE(conn->present))
		return unbd_why(why, len, -EBUSY, "a client is using it");
	srv_io_stop(conn);
	free_conn(conn);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Parameters                                                         */

/* When the module is being loaded nothing is ready for them yet. */
static bool keep_for_later(const char *text, char **later, int *err)
{
	char *all;

	if (THIS_MODULE->state != MODULE_STATE_COMING || READ_ONCE(ready))
		return false;
	all = *later ? kasprintf(GFP_KERNEL, "%s,%s", *later, text) :
		kstrdup(text, GFP_KERNEL);
	*err = all ? 0 : -ENOMEM;
	if (all) {
		kfree(*later);
		*later = all;
	}
	return true;
}

static int set_list(const char *text, char **later,
		    int (*add)(const char *text))
{
	int err = -ENODEV;

	if (keep_for_later(text, later, &err))
		return err;
	if (READ_ONCE(ready) && try_module_get(THIS_MODULE)) {
		err = add(text);
		module_put(THIS_MODULE);
	}
	return err;
}

static int set_connections(const char *text, const struct kernel_param *kp)
{
	return set_list(text, &initial_connections, add_conns);
}

static int get_connections(char *page, const struct kernel_param *kp)
{
	struct srv_conn *conn;
	int at = 0;

	mutex_lock(&conns_mutex);
	list_for_each_entry(conn, &conns, entry)
		at += scnprintf(page + at, PAGE_SIZE - at, "%s%s",
				at ? "," : "", conn->text);
	at += scnprintf(page + at, PAGE_SIZE - at, "\n");
	mutex_unlock(&conns_mutex);
	return at;
}

static const struct kernel_param_ops connections_ops = {
	.set = set_connections,
	.get = get_connections,
};
module_param_cb(connections, &connections_ops, NULL, 0644);
MODULE_PARM_DESC(connections,
		 "ID:REQUEST:RESPONSE:BUFFER[:PROTOCOL:PROTOCOL][,...]");

static int set_devices(const char *text, const struct kernel_param *kp)
{
	return set_list(text, &initial_devices, add_devices);
}

static int get_devices(char *page, const struct kernel_param *kp)
{
	struct srv_conn *conn;
	unsigned int nr;
	int at = 0;

	mutex_lock(&conns_mutex);
	list_for_each_entry(conn, &conns, entry)
		for (nr = 0; nr < conn->nr_exports; nr++)
			at += scnprintf(page + at, PAGE_SIZE - at, "%s%s:%u",
					at ? "," : "", conn->exports[nr].path,
					conn->option.id);
	at += scnprintf(page + at, PAGE_SIZE - at, "\n");
	mutex_unlock(&conns_mutex);
	return at;
}

static const struct kernel_param_ops devices_ops = {
	.set = set_devices,
	.get = get_devices,
};
module_param_cb(devices, &devices_ops, NULL, 0644);
MODULE_PARM_DESC(devices,
		 "DEVICE:ID[,...], DEVICE a path or the name of an export");
module_param_cb(device, &devices_ops, NULL, 0644);
MODULE_PARM_DESC(device, "same as devices");

static int set_remove_connection(const char *text,
				 const struct kernel_param *kp)
{
	char why[UNBD_WHY_LEN] = "";
	bool force;
	u32 id;
	int err;

	if (!READ_ONCE(ready) || !try_module_get(THIS_MODULE))
		return -ENODEV;
	err = shm_parse_remove(text, &id, &force, why, sizeof(why));
	if (!err)
		err = remove_conn(id, force, why, sizeof(why));
	if (err)
		pr_err("remove_connection: %.*s: %s (%d)\n",
		       (int)strcspn(text, "\n"), text, why, err);
	module_put(THIS_MODULE);
	return err;
}

static const struct kernel_param_ops remove_connection_ops = {
	.set = set_remove_connection,
};
module_param_cb(remove_connection, &remove_connection_ops, NULL, 0200);
MODULE_PARM_DESC(remove_connection, "write: ID [force]");

static int start_conns(void)
{
	struct srv_conn *conn;
	int err = 0;

	mutex_lock(&conns_mutex);
	list_for_each_entry(conn, &conns, entry) {
		err = srv_io_start(conn);
		if (err)
			break;
	}
	WRITE_ONCE(ready, !err);
	mutex_unlock(&conns_mutex);
	return err;
}

/**
 * srv_conns_init() - make what the module was loaded with
 *
 * Return: 0 or -errno; then srv_conns_exit() is to be called all the same.
 */
int srv_conns_init(void)
{
	int err = 0;

	if (initial_connections)
		err = add_conns(initial_connections);
	if (!err && initial_devices)
		err = add_devices(initial_devices);
	if (!err)
		err = start_conns();
	return err;
}

/**
 * srv_conns_exit() - forget all connections
 */
void srv_conns_exit(void)
{
	struct srv_conn *conn, *next;
	LIST_HEAD(gone);

	mutex_lock(&conns_mutex);
	WRITE_ONCE(ready, false);
	list_splice_init(&conns, &gone);
	mutex_unlock(&conns_mutex);
	list_for_each_entry_safe(conn, next, &gone, entry) {
		srv_io_stop(conn);
		free_conn(conn);
	}
	kfree(initial_connections);
	kfree(initial_devices);
	initial_connections = NULL;
	initial_devices = NULL;
}
