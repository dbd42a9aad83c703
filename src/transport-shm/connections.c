// SPDX-License-Identifier: GPL-2.0
/*
 * Which connections a module has, by its parameters.
 */
#ifndef SHM_MODULE
#define SHM_MODULE "unbd-shm-client"
#endif
#define pr_fmt(fmt) SHM_MODULE ": " fmt

#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include <unbd/parse.h>

#include "connections.h"

/* The list and what is in it, shm_ready */
DEFINE_MUTEX(shm_connections_mutex);
LIST_HEAD(shm_connections);
/* Between init and exit */
bool shm_ready;

static unsigned int nr_connections;
static char *initial;			/* connections= when loading */

static struct shm_connection *find_in(struct list_head *list, u32 id)
{
	struct shm_connection *conn;

	list_for_each_entry(conn, list, entry)
		if (conn->option.id == id)
			return conn;
	return NULL;
}

/**
 * shm_connection_find() - the connection of a number, or NULL
 * @id: number
 *
 * Holding shm_connections_mutex.
 */
struct shm_connection *shm_connection_find(u32 id)
{
	lockdep_assert_held(&shm_connections_mutex);

	return find_in(&shm_connections, id);
}

/* What it has besides what the end made of it */
static void release_connection(struct shm_connection *conn)
{
	shm_regions_close(&conn->regions);
	kfree(conn->text);
	kfree(conn);
}

static void free_connection(struct shm_connection *conn)
{
	shm_connection_ops.free(conn);
	release_connection(conn);
}

/* @fresh: those that are being made with it */
static int open_connection(struct shm_connection *conn,
			   struct list_head *fresh, char *why, size_t len)
{
	u32 id = conn->option.id;
	int err;

	lockdep_assert_held(&shm_connections_mutex);

	if (shm_connection_find(id) || find_in(fresh, id))
		return unbd_why(why, len, -EEXIST, "there is one already");
	if (nr_connections >= SHM_MAX_CONNECTIONS)
		return unbd_why(why, len, -ENOSPC, "%u are the most",
				SHM_MAX_CONNECTIONS);
	err = shm_regions_open(&conn->regions, &conn->option,
			       shm_connection_ops.wants_pages, why, len);
	if (!err)
		err = shm_connection_ops.open(conn, why, len);
	return err;
}

static int make_connection(const struct shm_connection_option *option,
			   const char *text, size_t text_len,
			   struct list_head *fresh)
{
	struct shm_connection *conn;
	char why[UNBD_WHY_LEN] = "out of memory";
	int err = -ENOMEM;

	conn = kzalloc(shm_connection_ops.size, GFP_KERNEL);
	if (!conn)
		return -ENOMEM;
	conn->option = *option;
	conn->text = kstrndup(text, text_len, GFP_KERNEL);
	if (conn->text)
		err = open_connection(conn, fresh, why, sizeof(why));
	if (err) {
		pr_err("connection %u: %s (%d)\n", option->id, why, err);
		release_connection(conn);
		return err;
	}
	list_add_tail(&conn->entry, fresh);
	nr_connections++;
	return 0;
}

static int make_connections(const char *text, struct list_head *fresh)
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
			err = make_connection(o, start, strcspn(start, ",\n"),
					      fresh);
	}
	kfree(o);
	return err;
}

/* All of them or none */
static int add_connections(const char *text)
{
	struct shm_connection *conn, *next;
	LIST_HEAD(fresh);
	int err;

	mutex_lock(&shm_connections_mutex);
	err = make_connections(text, &fresh);
	list_for_each_entry_safe(conn, next, &fresh, entry) {
		if (err) {
			nr_connections--;
			continue;
		}
		list_move_tail(&conn->entry, &shm_connections);
		if (shm_connection_ops.added)
			shm_connection_ops.added(conn);
	}
	mutex_unlock(&shm_connections_mutex);
	list_for_each_entry_safe(conn, next, &fresh, entry)
		free_connection(conn);
	return err;
}

static int remove_connection(u32 id, bool force, char *why, size_t len)
{
	struct shm_connection *conn;
	int err = 0;

	if (shm_connection_ops.vacate)
		err = shm_connection_ops.vacate(id, force, why, len);
	if (err)
		return err;
	mutex_lock(&shm_connections_mutex);
	conn = shm_connection_find(id);
	err = conn ? shm_connection_ops.may_go(conn, force, why, len) :
		unbd_why(why, len, -ENOENT, "there is none");
	if (!err) {
		list_del(&conn->entry);
		nr_connections--;
	}
	mutex_unlock(&shm_connections_mutex);
	if (!err)
		free_connection(conn);
	return err;
}

/* ------------------------------------------------------------------ */
/* Parameters                                                         */

/* When the module is being loaded nothing is ready for them yet. */
static bool keep_for_later(const char *text, char **later, int *err)
{
	char *all;

	if (THIS_MODULE->state != MODULE_STATE_COMING || READ_ONCE(shm_ready))
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

/**
 * shm_set_list() - set a parameter that is a list
 * @text: what was written
 * @later: where it is kept when the module is being loaded
 * @add: what becomes of it otherwise
 *
 * Return: 0 or -errno.
 */
int shm_set_list(const char *text, char **later, int (*add)(const char *text))
{
	int err = -ENODEV;

	if (keep_for_later(text, later, &err))
		return err;
	if (READ_ONCE(shm_ready) && try_module_get(THIS_MODULE)) {
		err = add(text);
		module_put(THIS_MODULE);
	}
	return err;
}

static int set_connections(const char *text, const struct kernel_param *kp)
{
	return shm_set_list(text, &initial, add_connections);
}

static int get_connections(char *page, const struct kernel_param *kp)
{
	struct shm_connection *conn;
	int at = 0;

	mutex_lock(&shm_connections_mutex);
	list_for_each_entry(conn, &shm_connections, entry)
		at += scnprintf(page + at, PAGE_SIZE - at, "%s%s",
				at ? "," : "", conn->text);
	at += scnprintf(page + at, PAGE_SIZE - at, "\n");
	mutex_unlock(&shm_connections_mutex);
	return at;
}

static const struct kernel_param_ops connections_ops = {
	.set = set_connections,
	.get = get_connections,
};
module_param_cb(connections, &connections_ops, NULL, 0644);
MODULE_PARM_DESC(connections,
		 "ID:REQUEST:RESPONSE:BUFFER[:PROTOCOL:PROTOCOL][,...]");

static int set_remove_connection(const char *text,
				 const struct kernel_param *kp)
{
	char why[UNBD_WHY_LEN] = "";
	bool force;
	u32 id;
	int err;

	if (!READ_ONCE(shm_ready) || !try_module_get(THIS_MODULE))
		return -ENODEV;
	err = shm_parse_remove(text, &id, &force, why, sizeof(why));
	if (!err)
		err = remove_connection(id, force, why, sizeof(why));
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

/**
 * shm_connections_init() - make those that the module was loaded with
 *
 * Return: 0 or -errno; then shm_connections_exit() is to be called all the
 * same.
 */
int shm_connections_init(void)
{
	return initial ? add_connections(initial) : 0;
}

/**
 * shm_connections_exit() - forget all connections
 */
void shm_connections_exit(void)
{
	struct shm_connection *conn, *next;
	LIST_HEAD(gone);

	mutex_lock(&shm_connections_mutex);
	WRITE_ONCE(shm_ready, false);
	list_splice_init(&shm_connections, &gone);
	mutex_unlock(&shm_connections_mutex);
	list_for_each_entry_safe(conn, next, &gone, entry)
		free_connection(conn);
	kfree(initial);
	initial = NULL;
}
