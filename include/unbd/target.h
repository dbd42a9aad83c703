/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The server's contract between unbd-server (the core) and a transport.
 *
 * The core owns exports, their storage, access control, limits and sysfs. A
 * transport owns listeners, connections and bytes: it turns what comes from a
 * client into &struct unbd_io and sends the outcome back.
 */
#ifndef UNBD_TARGET_H
#define UNBD_TARGET_H

#include <linux/bvec.h>
#include <linux/completion.h>
#include <linux/errseq.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/socket.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include <unbd/compat.h>
#include <unbd/fence.h>
#include <unbd/instance.h>
#include <unbd/parse.h>

/* Raised with every change of a structure or an operation below. */
#define UNBD_TARGET_API		7

/* Longest name of an export, in bytes with NUL. */
#define UNBD_EXPORT_NAME_LEN	256

struct unbd_conn;
struct unbd_export;
struct unbd_listener;

/* What an export can do, struct unbd_export_info.features */
#define UNBD_EXPORT_READ_ONLY	BIT(0)
#define UNBD_EXPORT_ROTATIONAL	BIT(1)
#define UNBD_EXPORT_WRITE_CACHE	BIT(2)	/* loses data unless flushed */
#define UNBD_EXPORT_DISCARD	BIT(3)
#define UNBD_EXPORT_WRITE_ZEROES BIT(4)
#define UNBD_EXPORT_FAST_ZERO	BIT(5)	/* can tell that zeroing is slow */
#define UNBD_EXPORT_EXTENTS	BIT(6)	/* knows its holes */
#define UNBD_EXPORT_SECURE_ERASE BIT(7)
#define UNBD_EXPORT_STABLE_WRITES BIT(8) /* data may not change meanwhile */

/**
 * struct unbd_export_info - what an export is at this moment
 * @size: bytes
 * @min_io: smallest unit that is not slow, bytes; 1 for files, the logical
 *	block size for block devices (smaller requests are still served)
 * @preferred_io: bytes, power of two: physical block or page size
 * @optimal_io: bytes, 0 when unknown
 * @discard_granularity: bytes
 * @features: UNBD_EXPORT_* bits
 */
struct unbd_export_info {
	u64 size;
	u32 min_io;
	u32 preferred_io;
	u32 optimal_io;
	u32 discard_granularity;
	u32 features;
};

enum unbd_io_op {
	UNBD_IO_READ,
	UNBD_IO_WRITE,
	UNBD_IO_FLUSH,
	UNBD_IO_DISCARD,		/* a hint, may do less than asked for */
	UNBD_IO_SECURE_ERASE,
	UNBD_IO_WRITE_ZEROES,
	UNBD_IO_PREFETCH,		/* a hint, succeeds within the export */
};

/* struct unbd_io.flags */
#define UNBD_IO_FUA		BIT(0)	/* stable before done() is called */
#define UNBD_IO_NO_UNMAP	BIT(1)	/* WRITE_ZEROES keeps blocks allocated */
#define UNBD_IO_FAST_ONLY	BIT(2)	/* WRITE_ZEROES fails if it is slow */
#define UNBD_IO_NOWAIT		BIT(3)	/* -EAGAIN, for lack of tags */

/* Bytes that the storage back end may use in every unbd_io. */
#define UNBD_IO_PRIV		320

/**
 * struct unbd_io - one request for an export's storage
 * @op: what to do
 * @flags: UNBD_IO_* bits
 * @offset: bytes; any alignment
 * @length: bytes; the sum of @bvec for READ and WRITE
 * @bvec: pages to read into or to write from; stay the caller's
 * @nr_bvec: entries in @bvec
 * @done: called exactly once, from any context (interrupts included),
 *	perhaps before unbd_export_submit() returns, with 0 or -errno; the
 *	back end has then forgotten the request
 * @priv: the back end's
 */
struct unbd_io {
	enum unbd_io_op op;
	u32 flags;
	u64 offset;
	u64 length;
	struct bio_vec *bvec;
	unsigned int nr_bvec;
	void (*done)(struct unbd_io *io, int error);

	/* private: of the core and its back ends */
	struct unbd_conn *conn;
	struct unbd_export *export;
	u8 priv[UNBD_IO_PRIV] __aligned(8);
};

/**
 * struct unbd_extent - a run of an export with one allocation state
 * @length: bytes
 * @hole: nothing is allocated there
 * @zero: it reads as zeroes
 */
struct unbd_extent {
	u64 length;
	bool hole;
	bool zero;
};

/**
 * struct unbd_target_ops - what a server transport implements
 * @owner: module that holds the operations
 * @name: "tcp", "rdma" or "shm"; the module answers to the alias
 *	"unbd-target-NAME"
 * @searches: clients ask for an access mode, and what they name may be a
 *	device below dev_search_path: unbd_export_open_device()
 * @tells: the transport calls unbd_conn_told()
 * @listener_size: size of the transport's listener structure, which begins
 *	with a &struct unbd_listener; the core allocates it zeroed
 * @listen: begin to accept at listener->address in listener->net. In the
 *	context of a process of that. -errno with the reason in @why.
 * @unlisten: stop accepting; connections stay. May sleep, but other network
 *	namespaces that go wait for it. No up-call for this listener comes
 *	after it.
 * @close: make a connection end soon: stop reading, let what is at the
 *	storage finish, send no more than already begun. Returns without
 *	waiting; unbd_conn_remove() follows from the transport, but not from
 *	within: the core holds the lock that it takes. Process context, may
 *	be called again, never after unbd_conn_remove() has returned.
 */
struct unbd_target_ops {
	struct module *owner;
	const char *name;
	bool searches;
	bool tells;
	size_t listener_size;

	int (*listen)(struct unbd_listener *listener, char *why, size_t len);
	void (*unlisten)(struct unbd_listener *listener);
	void (*close)(struct unbd_conn *conn);

	/* private: of the core */
	struct list_head entry;
};

/**
 * struct unbd_listener - an address that is listened on
 * @ops: its transport
 * @address: as the administrator wrote it, with its prefix
 * @net: network namespace of the process that wrote it; there until @unlisten
 *	has returned, which is called when it goes. Who holds it keeps it from
 *	going, and should not.
 */
struct unbd_listener {
	const struct unbd_target_ops *ops;
	char *address;
	struct net *net;

	/* private: of the core */
	struct list_head entry;
	bool live;			/* listen() has returned */
};

/**
 * enum unbd_admission - what lets a client use exports
 * @UNBD_ADMIT_NOBODY: nothing; so it is for a transport that does not say
 * @UNBD_ADMIT_LISTED: the lists of clients, by the client's address. One that
 *	no list can name (of a family as AF_VSOCK, or none) is kept out by all.
 * @UNBD_ADMIT_GUARDED: whatever guards the way that it came by, such as the
 *	permissions of a socket's file; no list is looked at
 */
enum unbd_admission {
	UNBD_ADMIT_NOBODY,
	UNBD_ADMIT_LISTED,
	UNBD_ADMIT_GUARDED,
};

/**
 * struct unbd_conn - one connection of a client
 * @ops: its transport
 * @admission: what lets the client in
 * @peer: the client's address, if it has one
 * @peer_name: the same as text, for the log and sysfs
 * @transport: one word for sysfs ("tcp", "unix", "vsock", "rdma")
 * @release: frees the structure, after unbd_conn_remove(). Process context.
 * @closing: nobody waits for the outcome of its requests any more, so that
 *	lengthy ones (zeroing, discarding) are given up half way. Set by the
 *	core when it calls ops->close(), and by a transport whose peer is lost.
 * @is_path: opens nothing itself; others that do, in a protocol that has many
 *	devices on one connection, come by it
 *
 * A transport embeds this in its own structure and keeps it until release()
 * is called. The counters are raised by the core.
 */
struct unbd_conn {
	const struct unbd_target_ops *ops;
	enum unbd_admission admission;
	struct sockaddr_storage peer;
	char peer_name[64];
	const char *transport;
	void (*release)(struct unbd_conn *conn);
	bool closing;
	bool is_path;

	/* private: of the core */
	struct unbd_export *export;	/* what is open, NULL before and after */
	bool read_only;			/* whatever the export is */
	struct list_head export_entry;	/* of the export's connections */
	struct kobject kobj;
	unsigned int id;
	bool removed;			/* ops->close() must not be called */
	bool has_key;			/* by unbd_conn_fence() */
	struct unbd_key key;
	errseq_t seen_error;		/* of writing back, see file-errors.h */
	errseq_t seen_before;
	unsigned int owed;
	bool untold;			/* read by unbd_conn_may_tell() */
	struct completion *freed;	/* instead of release() */
	atomic64_t ios[UNBD_IO_PREFETCH + 1];
	atomic64_t bytes_read;
	atomic64_t bytes_written;
	atomic64_t errors;
};

/**
 * unbd_conn_add() - a client has connected
 * @conn: zeroed but for ops, admission, peer, peer_name, transport, release and
 *	is_path
 *
 * Checks the limit on connections and that the client may use at least one
 * export, and makes the connection's directory in sysfs. From
 * then on ops->close() may be called. Process context.
 *
 * Return: 0; -EACCES, -EUSERS or -ENOMEM (logged) and the transport drops the
 * socket and calls nothing more: release() is not called then.
 */
int unbd_conn_add(struct unbd_conn *conn);

/**
 * unbd_conn_fence() - name a connection, and wait for the end of others
 * @conn: connection that has been added and not removed
 * @keys: the first is its own from now on; connections that have one of the
 *	others are closed
 * @nr: how many keys
 *
 * May sleep, for some seconds, for the storage.
 *
 * Return: 0 when nothing of the others can reach the storage any more,
 * -ETIMEDOUT (logged) or -ECANCELED when @conn is closing itself.
 */
int unbd_conn_fence(struct unbd_conn *conn, const struct unbd_key *keys,
		    unsigned int nr);

/**
 * unbd_conn_settle() - wait for what a client's former connections have begun
 * @conn: connection that is about to open an export
 * @name: its name
 *
 * For a client that has no keys to name them by: it is told apart by its address.
 * May sleep, for some seconds, for the storage.
 *
 * Return: 0 when connections from there that are closing have nothing at the
 * storage of the export any more, or -ETIMEDOUT (logged).
 */
int unbd_conn_settle(struct unbd_conn *conn, const char *name);

/**
 * unbd_server_instance() - which life of this machine it is
 *
 * The same as long as what was written to an export and not flushed is there.
 */
const struct unbd_instance *unbd_server_instance(void);

/**
 * unbd_conn_remove() - a connection has ended
 * @conn: no unbd_io of it is at the storage any more
 *
 * Closes its export, takes the directory away and calls conn->release() when
 * the last reader of sysfs has gone. Process context, may sleep.
 */
void unbd_conn_remove(struct unbd_conn *conn);

/**
 * unbd_export_open() - open an export on a connection
 * @conn: connection, with nothing open
 * @name: name the client asks for; "" is the only export if there is just
 *	one that the client may use, or the one named "default"
 * @info: what the export is
 *
 * Process context, may sleep.
 *
 * Return: 0, -ENOENT (no such export, or "" does not say which), -EACCES (it
 * is not for this client), -EUSERS (too many connections), -ESHUTDOWN (being
 * unexported, or the connection is closing). Refusals are logged.
 */
int unbd_export_open(struct unbd_conn *conn, const char *name,
		     struct unbd_export_info *info);

/**
 * unbd_export_open_device() - open what a client of RNBD names
 * @conn: connection of a transport that searches, with nothing open
 * @session: the client's name, for %SESSNAME%; fit for a file name
 * @name: of an export, or of a block device below dev_search_path
 * @mode: UNBD_ACCESS_RO for reading only; the others matter for devices
 * @info: what it is
 *
 * An export of that name goes first. Process context of a kernel thread, whose
 * file names are init's; may sleep.
 *
 * Return: 0 or -errno as unbd_export_open(); also -EROFS (it can only be
 * read), -EPERM (others write to the device, in RNBD's sense), -EBUSY (it is
 * otherwise in use), -EINVAL, -ENOTBLK and so on. Refusals are logged.
 */
int unbd_export_open_device(struct unbd_conn *conn, const char *session,
			    const char *name, enum unbd_access_mode mode,
			    struct unbd_export_info *info);

/**
 * unbd_export_current() - what a connection's export is at this moment
 * @conn: connection with an open export
 * @info: result
 */
void unbd_export_current(struct unbd_conn *conn,
			 struct unbd_export_info *info);

/**
 * unbd_export_tag() - tell connections of one export from those of another
 * @conn: connection with an open export
 */
static inline const void *unbd_export_tag(const struct unbd_conn *conn)
{
	return conn->export;
}

/**
 * unbd_conn_told() - a client has got all answers that there were
 * @conn: connection with an open export
 *
 * Its machine has acknowledged them: an error among them need not be told
 * again on its next connection. Process context, may sleep.
 */
void unbd_conn_told(struct unbd_conn *conn);

/**
 * unbd_conn_may_tell() - is it of use to call unbd_conn_told()?
 * @conn: connection with an open export
 */
static inline bool unbd_conn_may_tell(const struct unbd_conn *conn)
{
	return READ_ONCE(conn->untold);
}

/**
 * unbd_conn_allows() - may the client come from this address, too?
 * @conn: connection that has its export open, or a path
 * @peer: another address of the same client
 *
 * For a protocol in which one client comes by several paths. Process context.
 */
bool unbd_conn_allows(struct unbd_conn *conn,
		      const struct sockaddr_storage *peer);

/**
 * unbd_export_probe() - what unbd_export_open() would say, without opening
 * @conn: connection
 * @name: as for unbd_export_open()
 * @info: what the export is
 *
 * Return: as unbd_export_open(), which also knows the limit on connections.
 */
int unbd_export_probe(struct unbd_conn *conn, const char *name,
		      struct unbd_export_info *info);

/**
 * unbd_export_list() - call @fn for each export that a client may use
 * @conn: the client's connection
 * @fn: gets the name and @arg; stops the walk with a non-zero value. May
 *	sleep; exports may come and go meanwhile.
 * @arg: for @fn
 *
 * Return: 0 or what @fn returned.
 */
int unbd_export_list(struct unbd_conn *conn,
		     int (*fn)(const char *name, void *arg), void *arg);

/**
 * unbd_export_submit() - begin one request on a connection's export
 * @conn: connection with an open export
 * @io: request; the caller's until submitted, the core's until io->done()
 *
 * Checks range and access (-ENOSPC for a write past the end, -EINVAL for
 * another request past it, -EPERM for a change of a read-only export) and
 * starts the storage. Process context; may wait for a block layer tag, not
 * for the medium, except for work that it hands to its own workers. With
 * UNBD_IO_NOWAIT it ends with -EAGAIN instead, where the device can tell, and
 * is to be submitted again without.
 */
void unbd_export_submit(struct unbd_conn *conn, struct unbd_io *io);

/**
 * unbd_export_extent() - the allocation state at a place of an export
 * @conn: connection with an open export
 * @offset: bytes
 * @length: bytes to look at; @offset + @length within the export
 * @extent: result, at most @length long and never empty
 *
 * Process context, may sleep. Return: 0 or -errno.
 */
int unbd_export_extent(struct unbd_conn *conn, u64 offset, u64 length,
		       struct unbd_extent *extent);

/**
 * unbd_export_queue() - do something in the workers of a connection's export
 * @conn: connection with an open export, until the work has been done
 * @work: what may have to wait for the storage
 *
 * The workers of other exports do not wait for it, whatever it waits for.
 */
void unbd_export_queue(struct unbd_conn *conn, struct work_struct *work);

/**
 * unbd_export_private() - export a device that no network client may open
 * @name: of the export
 * @device_path: absolute path of a block device or regular file
 * @mode: who may write
 * @why: one sentence on error
 * @len: its size
 *
 * For a transport whose exports are module parameters. In the context of the
 * process that wants it, whose namespaces and rights count.
 *
 * Return: 0 or -errno, as what is written to export_device.
 */
int unbd_export_private(const char *name, const char *device_path,
			enum unbd_access_mode mode, char *why, size_t len);

/**
 * unbd_unexport_private() - take it away, whoever has it open
 * @name: of unbd_export_private()
 * @why: one sentence on error
 * @len: its size
 *
 * Return: 0 or -errno; -ENOENT when the administrator was quicker.
 */
int unbd_unexport_private(const char *name, char *why, size_t len);

/**
 * struct unbd_target_layout - how large the structures of this contract are
 * @conn: &struct unbd_conn
 * @io: &struct unbd_io
 * @listener: &struct unbd_listener
 * @info: &struct unbd_export_info
 * @extent: &struct unbd_extent
 * @ops: &struct unbd_target_ops
 */
struct unbd_target_layout {
	size_t conn;
	size_t io;
	size_t listener;
	size_t info;
	size_t extent;
	size_t ops;
};

#define UNBD_TARGET_LAYOUT						\
	((const struct unbd_target_layout) {				\
		.conn = sizeof(struct unbd_conn),			\
		.io = sizeof(struct unbd_io),				\
		.listener = sizeof(struct unbd_listener),		\
		.info = sizeof(struct unbd_export_info),		\
		.extent = sizeof(struct unbd_extent),			\
		.ops = sizeof(struct unbd_target_ops),			\
	})

int __unbd_register_target(struct unbd_target_ops *ops, unsigned int api,
			   const struct unbd_target_layout *layout);

/**
 * unbd_register_target() - offer a server transport to the core
 * @ops: operations; stay in place until unbd_unregister_target()
 *
 * Return: 0, -EINVAL for another contract, -EEXIST for a name that is taken;
 * refusals are logged.
 */
#define unbd_register_target(ops)					\
	__unbd_register_target(ops, UNBD_TARGET_API, &UNBD_TARGET_LAYOUT)

/**
 * unbd_unregister_target() - withdraw a server transport
 * @ops: operations that were registered
 *
 * Listeners and connections hold a reference to the owner module, so none is
 * left here.
 */
void unbd_unregister_target(struct unbd_target_ops *ops);

/**
 * unbd_wait_for_storage() - wait until nothing is at the storage any more
 * @idle: completed when the last request has come back
 *
 * Workers and kernel threads only, which get no signals. A disk may take for
 * ever; so that is no uninterruptible sleep, which counts as load and which
 * the kernel reports as a hung task.
 */
static inline void unbd_wait_for_storage(struct completion *idle)
{
	while (wait_for_completion_interruptible(idle))
		;
}

#endif /* UNBD_TARGET_H */
