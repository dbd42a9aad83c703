// SPDX-License-Identifier: GPL-2.0
/*
 * Who uses the connections, and the disks behind them, which appear when
 * their server does.
 */
#define pr_fmt(fmt) "unbd-shm-client: " fmt

#include <linux/idr.h>
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

/* Those that are taken; a connection gives its own back when it goes. */
static DEFINE_IDA(letters_ida);

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
/* Disks that appear                                                  */

static int next_disk(struct clt_conn *conn)
{
	unsigned int device;

	if (!READ_ONCE(conn->nr_devices))
		return test_bit(0, conn->shown) ? -1 : 0;
	for_each_set_bit(device, conn->valid, SHM_MAX_DEVICES)
		if (!test_bit(device, conn->shown))
			return device;
	return -1;
}

static void give_letter(struct clt_conn *conn, unsigned int device)
{
	int letters;

	mutex_lock(&clt_connections.mutex);
	if (!conn->letters[device]) {
		letters = ida_alloc_range(&letters_ida, 1, U16_MAX,
					  GFP_KERNEL);
		conn->letters[device] = max(letters, 0);
	}
	mutex_unlock(&clt_connections.mutex);
}

static void take_letter_back(struct clt_conn *conn, unsigned int device)
{
	mutex_lock(&clt_connections.mutex);
	if (conn->letters[device])
		ida_free(&letters_ida, conn->letters[device]);
	conn->letters[device] = 0;
	mutex_unlock(&clt_connections.mutex);
}

static int map_disk(struct clt_conn *conn, unsigned int device)
{
	char why[UNBD_WHY_LEN] = "";
	char *line;
	int err;

	give_letter(conn, device);
	line = kasprintf(GFP_KERNEL,
			 "sessname=shm%u path=shm:%u device_path=%u %s",
			 conn->base.option.id, conn->base.option.id, device,
			 map_options);
	if (!line)
		return -ENOMEM;
	err = unbd_map_line(line, why, sizeof(why));
	kfree(line);
	if (err && err != conn->map_error && err != -EBUSY)
		pr_warn("connection %u, device %u: not mapped yet: %s (%d)\n",
			conn->base.option.id, device, why, err);
	return err;
}

/*
 * If the connection breaks meanwhile the one that follows asks again. The path
 * stays: its session waits for the mutex.
 */
static void look_again(struct clt_conn *conn)
{
	char why[UNBD_WHY_LEN];
	bool up;

	mutex_lock(&clt_connections.mutex);
	mutex_lock(&conn->recv_mutex);
	up = conn->path && conn->up && !conn->broken;
	mutex_unlock(&conn->recv_mutex);
	if (up)
		clt_link_find_devices(conn->path, why, sizeof(why));
	mutex_unlock(&clt_connections.mutex);
}

/* Returns whether to do this again. */
static bool map_disks(struct clt_conn *conn)
{
	int device, err;

	if (xchg(&conn->look_again, false))
		look_again(conn);
	while ((device = next_disk(conn)) >= 0) {
		err = map_disk(conn, device);
		/* Device 0 need not exist; now it is known which ones do. */
		if (err == -ENOENT && next_disk(conn) != device) {
			take_letter_back(conn, device);
			continue;
		}
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
	struct clt_conn *conn = container_of(to_delayed_work(work),
					     struct clt_conn, map_work);
	unsigned long delay = min_t(unsigned long, 2 * conn->map_delay,
				    LAST_LOOK);
	bool again = true;

	/* A transport that is being unloaded would be waited for. */
	if (!try_module_get(THIS_MODULE))
		return;
	if (!READ_ONCE(auto_map))
		again = false;
	else if (shm_reader_active(&conn->reader))
		again = map_disks(conn);
	/* The attempt may have connected, and so asked for one more at once. */
	if (again) {
		conn->map_delay = delay;
		mod_delayed_work(clt_map_wq, &conn->map_work, delay);
	}
	module_put(THIS_MODULE);
}

/**
 * clt_conn_show_disks() - map what is not mapped yet
 * @conn: connection whose devices have been asked for
 *
 * Any context.
 */
void clt_conn_show_disks(struct clt_conn *conn)
{
	conn->map_delay = FIRST_LOOK;
	mod_delayed_work(clt_map_wq, &conn->map_work, 0);
}

/**
 * clt_conn_look_for_disks() - the server has other devices now
 * @conn: connection that is up
 *
 * Any context.
 */
void clt_conn_look_for_disks(struct clt_conn *conn)
{
	WRITE_ONCE(conn->look_again, true);
	clt_conn_show_disks(conn);
}

/* ------------------------------------------------------------------ */
/* Adding and removing                                                */

static int open_conn(struct shm_connection *base, char *why, size_t len)
{
	struct clt_conn *conn = to_clt_conn(base);

	INIT_DELAYED_WORK(&conn->map_work, map_work);
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
	DECLARE_BITMAP(shown, SHM_MAX_DEVICES);
	struct clt_conn *conn = get_conn(id);
	char session[24];
	int err;

	if (!conn)
		return unbd_why(why, len, -ENOENT, "there is none");
	bitmap_copy(shown, conn->shown, SHM_MAX_DEVICES);
	bitmap_fill(conn->shown, SHM_MAX_DEVICES);
	cancel_delayed_work_sync(&conn->map_work);
	snprintf(session, sizeof(session), "shm%u", id);
	err = unbd_unmap_session(session, force, why, len);
	/* It stays, and with it what is not mapped yet. */
	if (err) {
		bitmap_copy(conn->shown, shown, SHM_MAX_DEVICES);
		clt_conn_show_disks(conn);
	}
	return err;
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
	unsigned int device;

	cancel_delayed_work_sync(&conn->map_work);
	for (device = 0; device < SHM_MAX_DEVICES; device++)
		if (conn->letters[device])
			ida_free(&letters_ida, conn->letters[device]);
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
	struct clt_conn *conn;
	unsigned int device;
	char letters[8];
	int at = 0;

	mutex_lock(&clt_connections.mutex);
	list_for_each_entry(conn, &clt_connections.list, base.entry) {
		for (device = 0; device < SHM_MAX_DEVICES; device++) {
			if (!conn->letters[device])
				continue;
			print_letters(letters, conn->letters[device]);
			at += scnprintf(page + at, PAGE_SIZE - at,
					"shm%u:%u=muendisk%s\n",
					conn->base.option.id, device, letters);
		}
	}
	mutex_unlock(&clt_connections.mutex);
	return at;
}

static const struct kernel_param_ops disks_ops = {
	.get = get_disks,
};
module_param_cb(disks, &disks_ops, NULL, 0444);
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
