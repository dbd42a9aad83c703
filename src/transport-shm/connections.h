/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which connections a module has, by its parameters connections and
 * remove_connection. Each end has this for itself.
 */
#ifndef UNBD_SHM_CONNECTIONS_H
#define UNBD_SHM_CONNECTIONS_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "options.h"
#include "provider.h"

/**
 * struct shm_connection - a connection
 * @entry: in shm_connections
 * @text: what it was made from
 * @option: the same, taken apart
 * @regions: its memory
 */
struct shm_connection {
	struct list_head entry;
	char *text;
	struct shm_connection_option option;
	struct shm_regions regions;
};

/**
 * struct shm_connection_ops - what an end does with its connections
 * @size: bytes of what it has, a &struct shm_connection in the first place
 * @wants_pages: struct pages are of use to it
 * @open: its regions are open; -errno with the reason in @why, and nothing
 *	left to be freed
 * @added: it is in the list; may be NULL
 * @vacate: connection @id is to go: end what uses it. Without the mutex; may
 *	be NULL.
 * @may_go: is it unused, or is that to be ignored? -errno with the reason
 * @free: stop using the regions and free what @open made. Without the mutex.
 *
 * With shm_connections_mutex held unless it says otherwise. All may sleep.
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

/* The module's */
extern const struct shm_connection_ops shm_connection_ops;

extern struct mutex shm_connections_mutex;
extern struct list_head shm_connections;
extern bool shm_ready;

struct shm_connection *shm_connection_find(u32 id);
int shm_connections_init(void);
void shm_connections_exit(void);
int shm_set_list(const char *text, char **later, int (*add)(const char *text));

#endif
