// SPDX-License-Identifier: GPL-2.0
/*
 * Which connections there are, by module parameter; and the disks behind
 * them, which appear when their server does.
 */
#define pr_fmt(fmt) "unbd-shm-client: " fmt

#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "client.h"

/* How often to look for a server that is not there yet */
#define FIRST_LOOK	(HZ / 10)
#define LAST_LOOK	HZ

static bool auto_map = true;
module_param(auto_map, bool, 0644);
MODULE_PARM_DESC(auto_map,
		 "map the disks of each connection by themselves (default Y)");

static char *map_options = "";
module_param(map_options, charp, 0444);
MODULE_PARM_DESC(map_options,
		 "what else to write to map_device for them (default none)");

static DEFINE_MUTEX(conns_mutex);	/* all below, and conn->path */
static LIST_HEAD(conns);
static unsigned int nr_conns;
static unsigned int nr_letters;
static bool ready;			/* between init and exit */
static char *initial;			/* connections= when loading */

static struct shm_conn *find_conn(u32 id)
{
	struct shm_conn *conn;

	lockdep_assert_held(&conns_mutex);

	list_for_each_entry(conn, &conns, entry)
		if (conn->option.id == id)
			return conn;
	return NULL;
}

/**
 * shm_conn_claim() - take a connection for a path
 * @path: path
 * @id: number of the connection
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0, -ENOENT, or -EBUSY when another path has it.
 */
int shm_conn_claim(struct shm_path *path, u32 id, char *why, size_t len)
{
	struct shm_conn *conn;
	int err = 0;

	mutex_lock(&conns_mutex);
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
	mutex_unlock(&conns_mutex);
	return err;
}

/**
 * shm_conn_unclaim() - the reverse of shm_conn_claim()
 * @path: path that is not connected
 */
void shm_conn_unclaim(struct shm_path *path)
{
	mutex_lock(&conns_mutex);
	path->conn->path = NULL;
	mutex_unlock(&conns_mutex);
}

/* ------------------------------------------------------------------ */
/* Disks that appear                                                  */

static int next_disk(struct shm_conn *conn)
{
	unsigned int device;

	if (!READ_ONCE(conn->nr_devices))
		return test_bit(0, conn->shown) ? -1 : 0;
	for_each_set_bit(device, conn->valid, SHM_MAX_DEVICES)
		if (!test_bit(device, conn->shown))
			return device;
	return -1;
}

static void give_letter(struct shm_conn *conn, unsigned int device)
{
	mutex_lock(&conns_mutex);
	if (!conn->letters[device] && nr_letters < U16_MAX)
		conn->letters[device] = ++nr_letters;
	mutex_unlock(&conns_mutex);
}

static int map_disk(struct shm_conn *conn, unsigned int device)
{
	char why[UNBD_WHY_LEN] = "";
	char *line;
	int err;

	give_letter(conn, device);
	line = kasprintf(GFP_KERNEL,
			 "sessname=shm%u path=shm:%u device_path=%u %s",
			 conn->option.id, conn->option.id, device,
			 map_options);
	if (!line)
		return -ENOMEM;
	err = unbd_map_line(line, why, sizeof(why));
	kfree(line);
	if (err && err != conn->map_error && err != -EBUSY)
		pr_warn("connection %u, device %u: not mapped yet: %s (%d)\n",
			conn->option.id, device, why, err);
	return err;
}

/* Returns whether to look again. */
static bool map_disks(struct shm_conn *conn)
{
	int device, err;

	while ((device = next_disk(conn)) >= 0) {
		err = map_disk(conn, device);
		/* Device 0 need not exist; now it is known which ones do. */
		if (err == -ENOENT && next_disk(conn) != device)
			continue;
		conn->map_error = err;
		/* A session of another name has it: then that is what for. */
		if (err == -EBUSY)
			return false;
		if (err && err != -EEXIST)
			return true;
		set_bit(device, conn->shown);
	}
	return false;
}

static void map_work(struct work_struct *work)
{
	struct shm_conn *conn = container_of(to_delayed_work(work),
					     struct shm_conn, map_work);
	bool again = true;

	/* A transport that is being unloaded would be waited for. */
	if (!try_module_get(THIS_MODULE))
		return;
	if (!READ_ONCE(auto_map))
		again = false;
	else if (shm_reader_active(&conn->reader))
		again = map_disks(conn);
	if (again) {
		conn->map_delay = min_t(unsigned long, 2 * conn->map_delay,
					LAST_LOOK);
		queue_delayed_work(shm_map_wq, &conn->map_work,
				   conn->map_delay);
	}
	module_put(THIS_MODULE);
}

/**
 * shm_conn_show_disks() - map what is not mapped yet
 * @conn: connection whose devices have been asked for
 *
 * Any context.
 */
void shm_conn_show_disks(struct shm_conn *conn)
{
	conn->map_delay = FIRST_LOOK;
	mod_delayed_work(shm_map_wq, &conn->map_work, 0);
}

/* ------------------------------------------------------------------ */
/* Adding and removing                                                */

static void free_conn(struct shm_conn *conn)
{
	shm_link_exit(conn);
	shm_regions_close(&conn->regions);
	kfree(conn->text);
	kfree(conn);
}

static int open_conn(struct shm_conn *conn, char *why, size_t len)
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
		err = shm_link_init(conn, why, len);
	return err;
}

static int add_conn(const struct shm_connection_option *option,
		    const char *text, size_t text_len)
{
	struct shm_conn *conn = kzalloc(sizeof(*conn), GFP_KERNEL);
	char why[UNBD_WHY_LEN] = "out of memory";
	int err = -ENOMEM;

	if (!conn)
		return -ENOMEM;
	conn->option = *option;
	conn->text = kstrndup(text, text_len, GFP_KERNEL);
	INIT_DELAYED_WORK(&conn->map_work, map_work);
	mutex_lock(&conns_mutex);
	if (conn->text)
		err = open_conn(conn, why, sizeof(why));
	if (!err) {
		list_add_tail(&conn->entry, &conns);
		nr_conns++;
		/* Nobody must use a module that may yet fail to load. */
		if (ready)
			shm_conn_show_disks(conn);
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

static int set_connections(const char *text, const struct kernel_param *kp)
{
	int err = -ENODEV;

	/* When the module is being loaded nothing is ready for them yet. */
	if (THIS_MODULE->state == MODULE_STATE_COMING && !READ_ONCE(ready)) {
		kfree(initial);
		initial = kstrdup(text, GFP_KERNEL);
		return initial ? 0 : -ENOMEM;
	}
	if (READ_ONCE(ready) && try_module_get(THIS_MODULE)) {
		err = add_conns(text);
		module_put(THIS_MODULE);
	}
	return err;
}

static int get_connections(char *page, const struct kernel_param *kp)
{
	struct shm_conn *conn;
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

static int detach_conn(u32 id, struct shm_conn **found, char *why, size_t len)
{
	struct shm_conn *conn;
	int err = 0;

	mutex_lock(&conns_mutex);
	conn = find_conn(id);
	if (!conn) {
		err = unbd_why(why, len, -ENOENT, "there is none");
	} else if (conn->path) {
		err = unbd_why(why, len, -EBUSY, "in use by %s",
			       conn->path->base.name);
	} else {
		list_del(&conn->entry);
		nr_conns--;
	}
	mutex_unlock(&conns_mutex);
	*found = conn;
	return err;
}

static int stop_mapping(u32 id)
{
	struct shm_conn *conn;

	/* Whoever removes connections holds the lock of the parameters. */
	mutex_lock(&conns_mutex);
	conn = find_conn(id);
	mutex_unlock(&conns_mutex);
	if (!conn)
		return -ENOENT;
	bitmap_fill(conn->shown, SHM_MAX_DEVICES);
	cancel_delayed_work_sync(&conn->map_work);
	return 0;
}

static int remove_conn(u32 id, bool force, char *why, size_t len)
{
	char session[24];
	struct shm_conn *conn;
	int err;

	if (stop_mapping(id))
		return unbd_why(why, len, -ENOENT, "there is none");
	snprintf(session, sizeof(session), "shm%u", id);
	err = unbd_unmap_session(session, force, why, len);
	if (!err)
		err = detach_conn(id, &conn, why, len);
	if (err)
		return err;
	cancel_delayed_work_sync(&conn->map_work);
	free_conn(conn);
	return 0;
}

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

/* a to z, aa to zz and so on, as disks have been counted for ever */
static void print_letters(char *to, unsigned int nr)
{
	char text[8];
	unsigned int at = sizeof(text);

	text[--at] = '\0';
	do {
		nr--;
		text[--at] = 'a' + nr % 26;
		nr /= 26;
	} while (nr);
	strscpy(to, text + at, sizeof(text));
}

static int get_disks(char *page, const struct kernel_param *kp)
{
	struct shm_conn *conn;
	unsigned int device;
	char letters[8];
	int at = 0;

	mutex_lock(&conns_mutex);
	list_for_each_entry(conn, &conns, entry) {
		for (device = 0; device < SHM_MAX_DEVICES; device++) {
			if (!conn->letters[device])
				continue;
			print_letters(letters, conn->letters[device]);
			at += scnprintf(page + at, PAGE_SIZE - at,
					"shm%u:%u=muendisk%s\n",
					conn->option.id, device, letters);
		}
	}
	mutex_unlock(&conns_mutex);
	return at;
}

static const struct kernel_param_ops disks_ops = {
	.get = get_disks,
};
module_param_cb(disks, &disks_ops, NULL, 0444);
MODULE_PARM_DESC(disks, "read: SESSION:DEVICE=NAME, for udev");

/**
 * shm_conns_init() - make the connections that the module was loaded with
 *
 * Return: 0 or -errno; connections may have been made then.
 */
int shm_conns_init(void)
{
	int err = initial ? add_conns(initial) : 0;
	struct shm_conn *conn;

	kfree(initial);
	initial = NULL;
	if (err)
		return err;
	mutex_lock(&conns_mutex);
	WRITE_ONCE(ready, true);
	list_for_each_entry(conn, &conns, entry)
		shm_conn_show_disks(conn);
	mutex_unlock(&conns_mutex);
	return 0;
}

/**
 * shm_conns_exit() - forget all connections; no path uses one
 */
void shm_conns_exit(void)
{
	struct shm_conn *conn, *next;
	LIST_HEAD(gone);

	mutex_lock(&conns_mutex);
	WRITE_ONCE(ready, false);
	list_splice_init(&conns, &gone);
	mutex_unlock(&conns_mutex);
	list_for_each_entry_safe(conn, next, &gone, entry) {
		cancel_delayed_work_sync(&conn->map_work);
		free_conn(conn);
	}
	kfree(initial);
}
