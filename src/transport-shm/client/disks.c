// SPDX-License-Identifier: GPL-2.0
/*
 * The disks behind a connection, which appear when their server does.
 */
#define pr_fmt(fmt) "unbd-shm-client: " fmt

#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "client.h"

/* How often to look for a server that is not there yet */
#define FIRST_LOOK	(HZ / 5)
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

	mutex_lock(&conn->base.set->mutex);
	if (!conn->letters[device]) {
		letters = ida_alloc_range(&letters_ida, 1, U16_MAX,
					  GFP_KERNEL);
		conn->letters[device] = max(letters, 0);
	}
	mutex_unlock(&conn->base.set->mutex);
}

static void take_letter_back(struct clt_conn *conn, unsigned int device)
{
	mutex_lock(&conn->base.set->mutex);
	if (conn->letters[device])
		ida_free(&letters_ida, conn->letters[device]);
	conn->letters[device] = 0;
	mutex_unlock(&conn->base.set->mutex);
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

	mutex_lock(&conn->base.set->mutex);
	mutex_lock(&conn->recv_mutex);
	up = conn->path && conn->up && !conn->broken;
	mutex_unlock(&conn->recv_mutex);
	if (up)
		clt_link_find_devices(conn->path, why, sizeof(why));
	mutex_unlock(&conn->base.set->mutex);
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
	unsigned long delay = clamp_t(unsigned long, 2 * conn->map_delay,
				      FIRST_LOOK, LAST_LOOK);
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
 * clt_disks_init() - prepare for the disks of a connection
 * @conn: connection that is being made
 */
void clt_disks_init(struct clt_conn *conn)
{
	INIT_DELAYED_WORK(&conn->map_work, map_work);
}

/**
 * clt_disks_unmap() - end the session of a connection's disks
 * @conn: connection that is to go
 * @force: even if they are in use
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0 or -errno; then disks go on to appear.
 */
int clt_disks_unmap(struct clt_conn *conn, bool force, char *why, size_t len)
{
	DECLARE_BITMAP(shown, SHM_MAX_DEVICES);
	char session[24];
	int err;

	bitmap_copy(shown, conn->shown, SHM_MAX_DEVICES);
	bitmap_fill(conn->shown, SHM_MAX_DEVICES);
	cancel_delayed_work_sync(&conn->map_work);
	snprintf(session, sizeof(session), "shm%u", conn->base.option.id);
	err = unbd_unmap_session(session, force, why, len);
	/* It stays, and with it what is not mapped yet. */
	if (err) {
		bitmap_copy(conn->shown, shown, SHM_MAX_DEVICES);
		clt_conn_show_disks(conn);
	}
	return err;
}

/**
 * clt_disks_exit() - undo clt_disks_init()
 * @conn: connection that nobody uses
 */
void clt_disks_exit(struct clt_conn *conn)
{
	unsigned int device;

	cancel_delayed_work_sync(&conn->map_work);
	for (device = 0; device < SHM_MAX_DEVICES; device++)
		if (conn->letters[device])
			ida_free(&letters_ida, conn->letters[device]);
}

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

/**
 * clt_disks_print() - which of a connection's disks is which /dev/muendisk
 * @conn: connection, the mutex of its set is held
 * @to: gets a line for each
 * @size: of that
 *
 * Return: bytes written.
 */
int clt_disks_print(struct clt_conn *conn, char *to, size_t size)
{
	unsigned int device;
	char letters[8];
	int at = 0;

	lockdep_assert_held(&conn->base.set->mutex);

	for (device = 0; device < SHM_MAX_DEVICES; device++) {
		if (!conn->letters[device])
			continue;
		print_letters(letters, conn->letters[device]);
		at += scnprintf(to + at, size - at, "shm%u:%u=muendisk%s\n",
				conn->base.option.id, device, letters);
	}
	return at;
}
