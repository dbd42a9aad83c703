/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside unbd-server: exports, connections, storage, and who locks what.
 *
 *	unbd_server_mutex	which exports and connections exist, which export
 *				a connection has open, and export->state
 *	listeners_mutex		(target.c) who listens, and ceasing to listen;
 *				waited for by network namespaces that go
 *	targets_mutex		(target.c) which transports have registered
 *
 * They are taken in any order but never two at a time, except that a
 * transport may add and remove connections while it is told to cease
 * listening: listeners_mutex comes before unbd_server_mutex.
 *
 * No directory of sysfs is removed under a mutex: that waits for readers of
 * its files, and they take the mutex.
 *
 * The I/O path takes none of them. conn->export stays what it is while a
 * request is at the storage, because a transport closes a connection only
 * when all its requests have come back.
 */
#ifndef UNBD_SERVER_H
#define UNBD_SERVER_H

#include <linux/completion.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include <unbd/compat.h>
#include <unbd/target.h>

#include "options.h"

#define UNBD_NR_IO_OPS		(UNBD_IO_PREFETCH + 1)

/*
 * Of a name as a client has given it, for "%*pE": it shall not look like lines of
 * the log that somebody else has written.
 */
static inline int unbd_logged_len(const char *name)
{
	return strnlen(name, 64);
}

/* Pages of unbd_zeroes */
#define UNBD_ZERO_VECS		64

/**
 * enum unbd_counter - what is counted for each connection and export
 * @UNBD_COUNT_BYTES_READ: bytes; smaller values are requests that were done,
 *	one counter for each &enum unbd_io_op
 * @UNBD_COUNT_BYTES_WRITTEN: bytes
 * @UNBD_COUNT_ERRORS: requests that failed, of any kind
 * @UNBD_NR_COUNTERS: how many there are
 */
enum unbd_counter {
	UNBD_COUNT_BYTES_READ = UNBD_NR_IO_OPS,
	UNBD_COUNT_BYTES_WRITTEN,
	UNBD_COUNT_ERRORS,
	UNBD_NR_COUNTERS,
};

/**
 * enum unbd_export_state - where an export is in its life
 * @UNBD_EXPORT_STARTING: takes its name; its storage is being opened, and
 *	nothing else of it may be looked at
 * @UNBD_EXPORT_CLAIMED: its storage is open, and nobody else's to write;
 *	its directory is being made
 * @UNBD_EXPORT_LIVE: may be opened
 * @UNBD_EXPORT_REMOVING: goes when its last connection has gone
 */
enum unbd_export_state {
	UNBD_EXPORT_STARTING,
	UNBD_EXPORT_CLAIMED,
	UNBD_EXPORT_LIVE,
	UNBD_EXPORT_REMOVING,
};

/**
 * struct unbd_backend_ops - a kind of storage behind an export
 * @kind: what it is, for the log and sysfs
 * @close: undo the opening; no request is under way. May sleep.
 * @size: bytes, at this moment. Any context.
 * @info: fill in everything but the size. Must not wait for the storage.
 * @submit: begin a request that is within the export and allowed. Process
 *	context; unbd_io_done() is called once, maybe before it returns, and
 *	neither request nor connection may be touched after that.
 * @extent: see unbd_export_extent(); NULL when holes are not known. May
 *	sleep.
 * @opened: optional; a connection has opened the export. Under
 *	unbd_server_mutex, must not sleep for the storage.
 * @told: optional; see unbd_conn_told()
 * @closed: optional; the reverse of @opened, and likewise
 */
struct unbd_backend_ops {
	const char *kind;
	void (*close)(struct unbd_export *export);
	u64 (*size)(struct unbd_export *export);
	void (*info)(struct unbd_export *export,
		     struct unbd_export_info *info);
	void (*submit)(struct unbd_export *export, struct unbd_io *io);
	int (*extent)(struct unbd_export *export, u64 offset, u64 length,
		      struct unbd_extent *extent);
	void (*opened)(struct unbd_export *export, struct unbd_conn *conn);
	void (*told)(struct unbd_export *export, struct unbd_conn *conn);
	void (*closed)(struct unbd_export *export, struct unbd_conn *conn);
};

/**
 * struct unbd_export - a block device or file that clients may open
 * @name: what clients call it; its directory in ctl/exports
 * @device_path: as the administrator wrote it
 * @access_mode: as the administrator asked for
 * @nr_clients: entries of @clients; 0 lets everybody in
 * @clients: who may use it
 * @adhoc: made by the connection that has it open, and goes with it
 * @ops: its kind of storage
 * @backend: private data of that
 * @wq: where requests go that have to wait for the medium. One for each
 *	export: an export may lie on another one's disk, and a rescuer must
 *	not have to wait for itself.
 * @entry: in the list of all exports
 * @state: see above
 * @conns: connections that have it open
 * @nr_conns: how many
 * @closed: what the connections have counted that are gone
 * @gone: completed when the storage has been closed
 * @kobj: ctl/exports/NAME
 */
struct unbd_export {
	char *name;
	char *device_path;
	enum unbd_access_mode access_mode;
	unsigned int nr_clients;
	struct unbd_cidr *clients;
	bool adhoc;
	const struct unbd_backend_ops *ops;
	void *backend;
	struct workqueue_struct *wq;

	struct list_head entry;
	enum unbd_export_state state;
	struct list_head conns;
	unsigned int nr_conns;
	u64 closed[UNBD_NR_COUNTERS];
	struct completion gone;
	struct kobject kobj;
};

extern struct mutex unbd_server_mutex;

static inline bool unbd_export_read_only(const struct unbd_export *export)
{
	return export->access_mode == UNBD_ACCESS_RO;
}

static inline bool unbd_io_would_wait(const struct unbd_io *io, int error)
{
	return error == -EAGAIN && io->flags & UNBD_IO_NOWAIT;
}

/**
 * unbd_conn_close() - ask a connection's transport to end it
 * @conn: connection that unbd_conn_remove() has not begun to take away
 *
 * Under unbd_server_mutex, which keeps it from going meanwhile.
 */
static inline void unbd_conn_close(struct unbd_conn *conn)
{
	lockdep_assert_held(&unbd_server_mutex);

	if (conn->removed)
		return;
	WRITE_ONCE(conn->closing, true);
	conn->ops->close(conn);
}

/*
 * From here on in the order of the files: each calls what is declared above its
 * own, and nothing below. What has to go up goes by a callback: the kind of
 * storage, the transport, or the files of a directory in sysfs.
 */

/* instance.c: which life of this machine it is */
void unbd_instance_init(void);

/* io.c: requests on their way to the storage and back */
extern struct bio_vec unbd_zeroes[UNBD_ZERO_VECS];
void unbd_io_init(void);
void unbd_io_done(struct unbd_io *io, int error);
bool unbd_io_unwanted(const struct unbd_io *io);
u64 unbd_conn_count(const struct unbd_conn *conn, unsigned int which);
u64 unbd_export_count(struct unbd_export *export, unsigned int which);

/* acl.c: who may use an export */
int unbd_acl_set(struct unbd_export *export, const struct unbd_cidr *clients,
		 unsigned int nr);
bool unbd_acl_allows(const struct unbd_export *export,
		     enum unbd_admission admission,
		     const struct sockaddr_storage *peer);
ssize_t unbd_acl_print(const struct unbd_export *export, char *buf);
bool unbd_same_host(const struct sockaddr_storage *a,
		    const struct sockaddr_storage *b);

/* backend-blockio.c: block devices, with blockio.c and blockio-slow.c */
int unbd_blockio_open_backend(struct unbd_export *export, char *why,
			      size_t len);
bool unbd_blockio_is_same(const struct unbd_export *a,
			  const struct unbd_export *b);

/* backend-file.c: files, with file-errors.c */
int unbd_file_open_backend(struct unbd_export *export, char *why, size_t len);
bool unbd_file_is_same(const struct unbd_export *a,
		       const struct unbd_export *b);

/* export.c: what is exported */
extern struct kobject *unbd_exports_kobj;	/* ctl/exports */
extern const struct kobj_type *unbd_export_ktype;
int unbd_export_add(const struct unbd_export_options *o, char *why,
		    size_t len);
int unbd_export_remove(const char *name, bool force, char *why, size_t len);
void unbd_export_remove_all(void);
void unbd_export_release(struct unbd_export *export);
void unbd_export_close(struct unbd_conn *conn);
bool unbd_export_has_former(struct unbd_conn *conn, const char *name);
void unbd_export_info(struct unbd_export *export,
		      struct unbd_export_info *info);
bool unbd_export_allows_some(const struct unbd_conn *conn);
const char *unbd_export_refusal(const char *name, int err);
int unbd_export_open_named(struct unbd_conn *conn, const char *name,
			   enum unbd_access_mode mode,
			   struct unbd_export_info *info);
int unbd_export_open_adhoc(struct unbd_conn *conn,
			   const struct unbd_export_options *o,
			   struct unbd_export_info *info, char *why,
			   size_t len);

/* search.c: devices that clients name */
bool unbd_search_enabled(void);

/* private.c: exports of transports */

/* conn.c: connections */
extern struct kobject *unbd_connections_kobj;	/* ctl/connections */
extern const struct kobj_type *unbd_conn_ktype;
bool unbd_conns_are_drained(void);
void unbd_conns_admit(bool admit);
int unbd_conns_wait(void);
void unbd_conn_release(struct unbd_conn *conn);

/* target.c: transports and listeners */
int unbd_target_init(void);
void unbd_target_exit(void);
int unbd_listen(char *line, char *why, size_t len);
int unbd_unlisten(char *line, char *why, size_t len);
int unbd_drain(bool drain);
ssize_t unbd_listeners_read(char *buf, loff_t from, size_t size);

/* sysfs-objects.c: the files of exports and connections */
void unbd_sysfs_init_objects(void);

/* sysfs.c: /sys/devices/virtual/unbd-server/ctl */
int unbd_sysfs_init(void);
void unbd_sysfs_exit(void);

#endif /* UNBD_SERVER_H */
