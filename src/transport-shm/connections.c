// SPDX-License-Identifier: GPL-2.0
/*
 * Which connections a module has.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include <unbd/compat.h>
#include <unbd/parse.h>

#include "connections.h"

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
 * @set: in which to look, its mutex is held
 * @id: number
 */
struct shm_connection *shm_connection_find(struct shm_connections *set, u32 id)
{
	lockdep_assert_held(&set->mutex);

	return find_in(&set->list, id);
}
EXPORT_SYMBOL_UNBD(shm_connection_find);

/* What it has besides what the end made of it */
static void release_connection(struct shm_connection *conn)
{
	shm_regions_close(&conn->regions);
	kfree(conn->text);
	kfree(conn);
}

static void free_connection(struct shm_connection *conn)
{
	conn->set->ops->free(conn);
	release_connection(conn);
}

/* @fresh: those that are being made with it */
static int open_connection(struct shm_connection *conn,
			   struct list_head *fresh, char *why, size_t len)
{
	struct shm_connections *set = conn->set;
	u32 id = conn->option.id;
	int err;

	if (shm_connection_find(set, id) || find_in(fresh, id))
		return unbd_why(why, len, -EEXIST, "there is one already");
	if (set->nr >= SHM_MAX_CONNECTIONS)
		return unbd_why(why, len, -ENOSPC, "%u are the most",
				SHM_MAX_CONNECTIONS);
	err = shm_regions_open(&conn->regions, &conn->option,
			       set->ops->wants_pages, why, len);
	if (!err)
		err = set->ops->open(conn, why, len);
	return err;
}

static int make_connection(struct shm_connections *set,
			   const struct shm_connection_option *option,
			   const char *text, size_t text_len,
			   struct list_head *fresh)
{
	struct shm_connection *conn;
	char why[UNBD_WHY_LEN] = "out of memory";
	int err = -ENOMEM;

	conn = kzalloc(set->ops->size, GFP_KERNEL);
	if (!conn)
		return -ENOMEM;
	conn->set = set;
	conn->option = *option;
	conn->text = kstrndup(text, text_len, GFP_KERNEL);
	if (conn->text)
		err = open_connection(conn, fresh, why, sizeof(why));
	if (err) {
		pr_err("%s: connection %u: %s (%d)\n", set->name, option->id,
		       why, err);
		release_connection(conn);
		return err;
	}
	list_add_tail(&conn->entry, fresh);
	set->nr++;
	return 0;
}

static int make_connections(struct shm_connections *set, const char *text,
			    struct list_head *fresh)
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
			pr_err("%s: connections=: %s (%d)\n", set->name, why,
			       err);
		else
			err = make_connection(set, o, start,
					      strcspn(start, ",\n"), fresh);
	}
	kfree(o);
	return err;
}

/**
 * shm_connections_add() - make connections
 * @set: to add them to
 * @text: as connections= has them
 *
 * All of them or none, and a line in the log. Return: 0 or -errno.
 */
int shm_connections_add(struct shm_connections *set, const char *text)
{
	struct shm_connection *conn, *next;
	LIST_HEAD(fresh);
	int err;

	mutex_lock(&set->mutex);
	err = make_connections(set, text, &fresh);
	list_for_each_entry_safe(conn, next, &fresh, entry) {
		if (err) {
			set->nr--;
			continue;
		}
		list_move_tail(&conn->entry, &set->list);
		if (set->ops->added)
			set->ops->added(conn);
	}
	mutex_unlock(&set->mutex);
	list_for_each_entry_safe(conn, next, &fresh, entry)
		free_connection(conn);
	return err;
}

/**
 * shm_connections_remove() - end a connection
 * @set: that it is in
 * @id: its number
 * @force: even if it is in use
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0, -ENOENT, or -errno when it is in use.
 */
int shm_connections_remove(struct shm_connections *set, u32 id, bool force,
			   char *why, size_t len)
{
	struct shm_connection *conn;
	int err = 0;

	if (set->ops->vacate)
		err = set->ops->vacate(id, force, why, len);
	if (err)
		return err;
	mutex_lock(&set->mutex);
	conn = shm_connection_find(set, id);
	err = conn ? set->ops->may_go(conn, force, why, len) :
		unbd_why(why, len, -ENOENT, "there is none");
	if (!err) {
		list_del(&conn->entry);
		set->nr--;
	}
	mutex_unlock(&set->mutex);
	if (!err)
		free_connection(conn);
	return err;
}

/**
 * shm_connections_init() - make those that the module was loaded with
 * @set: of the module
 *
 * Return: 0 or -errno; then shm_connections_exit() is to be called all the
 * same.
 */
int shm_connections_init(struct shm_connections *set)
{
	return set->initial ? shm_connections_add(set, set->initial) : 0;
}
EXPORT_SYMBOL_UNBD(shm_connections_init);

/**
 * shm_connections_exit() - forget all connections
 * @set: of the module
 */
void shm_connections_exit(struct shm_connections *set)
{
	struct shm_connection *conn, *next;
	LIST_HEAD(gone);

	mutex_lock(&set->mutex);
	WRITE_ONCE(set->ready, false);
	list_splice_init(&set->list, &gone);
	mutex_unlock(&set->mutex);
	list_for_each_entry_safe(conn, next, &gone, entry)
		free_connection(conn);
	kfree(set->initial);
	set->initial = NULL;
}
EXPORT_SYMBOL_UNBD(shm_connections_exit);
