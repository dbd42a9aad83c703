/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which connections a module has: each end has a set of its own, which its
 * parameters add to and take from, see parameters.h.
 */
#ifndef UNBD_SHM_CONNECTIONS_H
#define UNBD_SHM_CONNECTIONS_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "options.h"
#include "provider.h"

struct module;
struct shm_connection;

/**
 * struct shm_connection_ops - what an end does with its connections
 * @size: bytes of what it has, a &struct shm_connection in the first place
 * @wants_pages: struct pages are of use to it
 * @open: its regions are open; -errno with the reason in @why, and nothing
 *	left to be freed
 * @added: it is in the set; may be NULL
 * @vacate: connection @id is to go: end what uses it. Without the mutex; may
 *	be NULL.
 * @may_go: is it unused, or is that to be ignored? -errno with the reason
 * @free: stop using the regions and free what @open made. Without the mutex.
 *
 * With the set's mutex held unless it says otherwise. All may sleep.
 */
struct shm_connection_ops {
	size_t size;
	bool wants_pages;
	int (*open)(struct shm_connection *conn, char *why, size_t len);
	void (*added)(struct shm_connection *conn);
	int (*vacate)(u32 id, bool force, char *why, size_t len);
	int (*may_go)(struct shm_connection *conn, bool force,
		      char *why, size_t len);
	void (*free)(struct shm_connection *conn);
};

/**
 * struct shm_connections - the connections of a module
 * @owner: the module
 * @name: its name, for the log
 * @ops: what it does with them
 * @mutex: the list and what is in it, @nr and @ready
 * @list: of &struct shm_connection
 * @nr: how many there are
 * @ready: between init and exit
 * @initial: what is to be made when the module is being loaded
 */
struct shm_connections {
	struct module *owner;
	const char *name;
	const struct shm_connection_ops *ops;
	struct mutex mutex;		/* list, nr, ready */
	struct list_head list;
	unsigned int nr;
	bool ready;
	char *initial;
};

/**
 * struct shm_connection - a connection
 * @set: that it is in
 * @entry: there
 * @text: what it was made from
 * @option: the same, taken apart
 * @regions: its memory
 */
struct shm_connection {
	struct shm_connections *set;
	struct list_head entry;
	char *text;
	struct shm_connection_option option;
	struct shm_regions regions;
};

struct shm_connection *shm_connection_find(struct shm_connections *set, u32 id);
int shm_connections_add(struct shm_connections *set, const char *text);
int shm_connections_remove(struct shm_connections *set, u32 id, bool force,
			   char *why, size_t len);
int shm_connections_init(struct shm_connections *set);
void shm_connections_exit(struct shm_connections *set);

#endif
