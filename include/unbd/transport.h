/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The client's contract between unbd-client (the core) and a transport.
 *
 * The core owns policy, state and time: which path carries a request, when
 * to connect, when to give up. A transport owns bytes: it frames requests,
 * moves them and matches the replies. The unit of the contract is a block
 * request, not a byte stream.
 *
 *	session    what the user named; a set of paths and of devices
 *	path       one way to the server: transport, source and destination
 *	device     one /dev/unbdN, one export of the server
 *	leg        one device as reached over one path
 *	queue      one independent lane of a leg (NBD: a connection)
 */
#ifndef UNBD_TRANSPORT_H
#define UNBD_TRANSPORT_H

#include <linux/blk-mq.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include <unbd/compat.h>
#include <unbd/fence.h>
#include <unbd/instance.h>
#include <unbd/parse.h>

/* Raised with every change of a structure or an operation below. */
#define UNBD_TRANSPORT_API	9

/* Bytes of every request that belong to the transport. */
#define UNBD_REQUEST_PRIV	256

struct unbd_device;
struct unbd_fence;
struct unbd_leg;
struct unbd_path;
struct unbd_path_counters;
struct unbd_session;
struct unbd_write;

/**
 * enum unbd_path_state - where a path is in its life
 * @UNBD_PATH_CONNECTING: first attempt, the mapping waits for it
 * @UNBD_PATH_LIVE: at least one leg carries I/O
 * @UNBD_PATH_RECONNECTING: was live, is being brought back with back-off
 * @UNBD_PATH_FAILED: cannot be brought back by itself (a handed-over socket)
 *	or was disconnected by the administrator
 * @UNBD_PATH_REMOVING: on its way out, from any state; the last one
 */
enum unbd_path_state {
	UNBD_PATH_CONNECTING,
	UNBD_PATH_LIVE,
	UNBD_PATH_RECONNECTING,
	UNBD_PATH_FAILED,
	UNBD_PATH_REMOVING,
};

/* What a device can do, struct unbd_geometry.features */
#define UNBD_FEAT_READ_ONLY	BIT(0)
#define UNBD_FEAT_WRITE_CACHE	BIT(1)	/* FLUSH is needed and understood */
#define UNBD_FEAT_FUA		BIT(2)
#define UNBD_FEAT_ROTATIONAL	BIT(3)
#define UNBD_FEAT_MULTI_QUEUE	BIT(4)	/* queues share one coherent cache */
#define UNBD_FEAT_FLUSH		BIT(5)	/* FLUSH is understood, needed or not */
#define UNBD_FEAT_STABLE	BIT(6)	/* what has been answered is not lost */

/**
 * struct unbd_geometry - what a server says of a device
 * @size: bytes
 * @logical_block_size: bytes, a power of two, 512 to 65536
 * @physical_block_size: bytes, not below @logical_block_size
 * @io_min: preferred smallest request in bytes, 0 when unknown
 * @io_opt: optimal request in bytes, 0 when unknown
 * @max_io: largest payload of one request in bytes
 * @max_segments: scatter entries of one request, 0 when any number will do
 * @virt_boundary: only at multiples of this plus one may an entry but the
 *	first begin and one but the last end; 0 when they may anywhere
 * @max_discard: bytes of one discard, 0 when discard is not understood
 * @discard_granularity: bytes
 * @max_secure_erase: bytes, 0 when not understood
 * @max_write_zeroes: bytes, 0 when not understood
 * @features: UNBD_FEAT_* bits
 *
 * Filled by &unbd_transport_ops.attach and validated by the transport: the
 * core may hand the values to the block layer as they are.
 */
struct unbd_geometry {
	u64 size;
	u32 logical_block_size;
	u32 physical_block_size;
	u32 io_min;
	u32 io_opt;
	u32 max_io;
	u32 max_segments;
	u32 virt_boundary;
	u64 max_discard;
	u32 discard_granularity;
	u64 max_secure_erase;
	u64 max_write_zeroes;
	u32 features;
};

/**
 * struct unbd_transport_ops - what a transport implements
 * @owner: module that holds the operations
 * @name: "tcp", "rdma" or "shm"; the module answers to the alias
 *	"unbd-transport-NAME"
 * @path_size: size of the transport's path structure, which begins with a
 *	&struct unbd_path; the core allocates it zeroed
 * @leg_size: likewise, beginning with a &struct unbd_leg
 * @request_size: bytes of unbd_request_priv() in use, UNBD_REQUEST_PRIV at
 *	most
 * @path_init: check the texts in path->src and path->dst and take what they
 *	name (a descriptor of the writing process, say). In the context of the
 *	process that maps. May sleep, must not touch the network. Returns
 *	-errno with the reason in @why.
 * @path_exit: undo @path_init; the path is not connected
 * @connect: optional; set up what the path's legs share. May sleep, up to
 *	path->attempts.connect_timeout for each step that waits for the peer.
 *	-EBUSY if the server has not closed a predecessor of the path yet: the
 *	core asks again soon, and whoever maps goes on waiting for some
 *	seconds.
 * @disconnect: optional; undo @connect (also one that failed half way is
 *	cleaned up by @connect itself). All legs are detached.
 * @attach: open the export leg->export_name and make ready for I/O; fills
 *	leg->geometry, leg->nr_queues and leg->nr_poll_queues. Calls
 *	unbd_leg_recognise() in between, unless its protocol never tells who
 *	the server is. May sleep as @connect; by leg->attempts where there is
 *	none. -errno with the reason in @why; the leg is then as before.
 * @detach: close. May sleep, but never waits for the peer: returns within
 *	100 ms whatever it does. When it returns no request of the leg is
 *	touched any more and no up-call is running or will come. In-flight
 *	requests are not completed by it: the core takes them back. With
 *	leg->polite set it says good-bye in the protocol's way, and where
 *	that has an answer waits for it, up to path->attempts.connect_timeout
 *	or until @abort.
 * @abort: where there is @connect: makes whatever waits for the peer on this
 *	path return soon, and what comes later fail at once, until
 *	@abort_clear. Any process context; concurrent with everything but
 *	@path_init and @path_exit.
 * @abort_clear: allow connecting again
 * @abort_leg: where there is no @connect: likewise, for one leg, concurrent
 *	with everything of it
 * @abort_leg_clear: allow it to connect again
 * @queue_rq: send @rq on queue @queue of @leg. The core has started the
 *	request and will find it by unbd_request_cookie(). Never sleeps for
 *	memory or the peer (the socket lock is allowed: the tag set is
 *	BLK_MQ_F_BLOCKING). Unless @last is set it may keep back what it has
 *	to send until the next @queue_rq or @commit_rqs on that queue.
 *	BLK_STS_OK: taken, the transport calls unbd_complete_request() once,
 *	unbd_leg_failed() or unbd_path_failed(). BLK_STS_RESOURCE: try again later.
 *	BLK_STS_TRANSPORT: this leg is broken, the core finds another.
 * @commit_rqs: send what was kept back on @queue. Context of @queue_rq.
 * @poll: reap replies of @queue, number of requests completed. Process
 *	context, may run beside everything but @detach.
 * @moved: optional; jiffies when @queue of @leg last got on with its requests:
 *	something came from the peer, or was taken by it that had not found
 *	room before. Not when a request was merely handed over. Without it the
 *	core goes by answers. Process context, must not wait for the peer.
 * @refresh: optional; learn leg->geometry anew from the server (its size
 *	above all) while I/O runs. May sleep as @connect. Returns 0, or 1 when
 *	requests reach what has been added only after another @attach. Also
 *	asked of a server that is silent, to hear whether it lives.
 * @fence: optional; ask the server, over a live @leg whose attach has set
 *	leg->fences, to fence leg->keys but the first. May sleep as @connect,
 *	or, as @attach with such keys, until the server waits no longer.
 *	0, or -errno with the reason in @why, and it is asked again.
 * @describe: optional; write the endpoints really in use ("10.0.0.2:40812"
 *	style) to @src and @dst, each @len bytes
 *
 * @attach, @detach, @refresh and @fence of one leg exclude each other, and
 * those of a path's legs and @connect and @disconnect do if there is @connect;
 * without it each leg lives by itself. @queue_rq and @commit_rqs of a leg run
 * only between the end of its @attach and the start of its @detach.
 */
struct unbd_transport_ops {
	struct module *owner;
	const char *name;
	size_t path_size;
	size_t leg_size;
	size_t request_size;

	int (*path_init)(struct unbd_path *path, char *why, size_t len);
	void (*path_exit)(struct unbd_path *path);
	int (*connect)(struct unbd_path *path, char *why, size_t len);
	void (*disconnect)(struct unbd_path *path);
	int (*attach)(struct unbd_leg *leg, char *why, size_t len);
	void (*detach)(struct unbd_leg *leg);
	void (*abort)(struct unbd_path *path);
	void (*abort_clear)(struct unbd_path *path);
	void (*abort_leg)(struct unbd_leg *leg);
	void (*abort_leg_clear)(struct unbd_leg *leg);
	blk_status_t (*queue_rq)(struct unbd_leg *leg, unsigned int queue,
				 struct request *rq, bool last);
	void (*commit_rqs)(struct unbd_leg *leg, unsigned int queue);
	int (*poll)(struct unbd_leg *leg, unsigned int queue);
	unsigned long (*moved)(struct unbd_leg *leg, unsigned int queue);
	int (*refresh)(struct unbd_leg *leg, char *why, size_t len);
	int (*fence)(struct unbd_leg *leg, char *why, size_t len);
	void (*describe)(struct unbd_path *path, char *src, char *dst,
			 size_t len);

	/* private: of the core */
	struct list_head entry;
};

/* Properties of a path that its transport's path_init sets */
#define UNBD_PATH_ONE_SHOT	BIT(0)	/* cannot be connected a second time */

/* What something was lost by, for the log */
struct unbd_loss {
	int error;			/* -errno */
	char why[UNBD_WHY_LEN];
};

/**
 * struct unbd_attempts - when and for how long to try to connect
 * @reach_timeout: jiffies that the peer may take for its first answer, which
 *	does not depend on what it has to do for us
 * @connect_timeout: jiffies that each later step of connecting may wait for it
 *
 * The rest is the core's.
 */
struct unbd_attempts {
	unsigned long reach_timeout;
	unsigned long connect_timeout;

	/* private: of the core (src/core/client/attempts.c) */
	unsigned int failed;		/* so many in a row */
	unsigned long began;		/* jiffies; the last one */
	unsigned long took;		/* jiffies, when one last succeeded */
};

/**
 * struct unbd_path - one way to a server
 * @session: the session that owns the path
 * @session_name: its name, "sessname="
 * @ops: its transport
 * @src: source address as the user wrote it, with its prefix; NULL for any
 * @dst: destination address as the user wrote it, with its prefix
 * @port: port for a @dst that names none, 0 for the protocol's own
 * @net: network namespace of the process that mapped
 * @attempts: limits of ops->connect and what goes with it
 * @keepalive: seconds between probes of an idle path; the peer is dead when
 *	nothing has come back within three of them
 * @flags: UNBD_PATH_* properties, set by path_init
 * @want_queues: the largest of its legs', for what @connect shares among them
 * @want_poll_queues: likewise
 * @name: "SESSION path N (DST)", for the log
 *
 * The rest is the core's. A transport embeds this as the first member of its
 * own structure.
 */
struct unbd_path {
	struct unbd_session *session;
	const char *session_name;
	const struct unbd_transport_ops *ops;
	const char *src;
	const char *dst;
	u16 port;
	struct net *net;
	struct unbd_attempts attempts;
	unsigned int keepalive;
	unsigned int flags;
	unsigned int want_queues;
	unsigned int want_poll_queues;
	const char *name;

	/* private: of the core (src/core/client/path.c) */
	unsigned int index;
	unsigned int order;		/* younger ones have more */
	enum unbd_path_state state;
	struct list_head entry;
	struct list_head legs;
	struct kobject kobj;
	struct kernfs_node *state_file;
	struct mutex mutex;		/* connect, disconnect; legs */
	struct mutex abort_mutex;	/* aborters, those of its legs, too */
	unsigned int aborters;
	struct mutex state_mutex;	/* changes of state; innermost */
	spinlock_t lock;		/* state, broken, lost, log, sound */
	unsigned int nr_sound;		/* legs that are live, not broken */
	bool broken;			/* to be taken down */
	bool claimed;			/* someone is removing it */
	unsigned int wanted;		/* how often it was asked for */
	struct unbd_loss lost;		/* why it is broken */
	bool connected;			/* ops->connect has succeeded */
	unsigned long created;		/* jiffies */
	unsigned long live_since;	/* jiffies */
	unsigned long lost_at;		/* jiffies */
	struct delayed_work work;
	struct work_struct mend_work;
	atomic_t reconnects;
	atomic_t failures;
	atomic_t inflight;		/* requests of disks with several legs */
	struct unbd_path_counters __percpu *counters;
	struct ratelimit_state log;	/* of its comings and goings */
	unsigned int left_out;		/* lines that were too many for that */
};

/**
 * struct unbd_leg - one device as reached over one path
 * @path: the path
 * @dev: the device
 * @export_name: what to open at the server; "" is NBD's default export
 * @read_only: the user asked for read-only access
 * @migration: the user asked for access_mode=migration
 * @want_queues: queues that the user or the number of CPUs asks for; the
 *	transport opens as many as the server allows, one at least
 * @want_poll_queues: likewise polled ones, which follow the others
 * @queue_depth: requests in flight for each hardware queue
 * @nr_queues: queues in use, set by attach
 * @nr_poll_queues: polled queues in use, set by attach
 * @geometry: what the server says of the device, set by attach
 * @polite: say good-bye when detaching
 * @attempts: limits of attach and what goes with it, where there is no
 *	ops->connect
 * @keys: for attach and fence: the leg's own, which its connections tell the
 *	server, and which attach may replace by that of connections that it
 *	shares; then those of legs that the server shall fence before it
 *	answers
 * @nr_keys: how many, 0 when nothing is to be fenced, ever
 * @fences: the server has done so, and will again; set by attach
 *
 * A transport embeds this as the first member of its own structure.
 */
struct unbd_leg {
	struct unbd_path *path;
	struct unbd_device *dev;
	const char *export_name;
	bool read_only;
	bool migration;
	unsigned int want_queues;
	unsigned int want_poll_queues;
	unsigned int queue_depth;
	unsigned int nr_queues;
	unsigned int nr_poll_queues;
	struct unbd_geometry geometry;
	bool polite;
	struct unbd_attempts attempts;
	struct unbd_key keys[UNBD_MAX_KEYS];
	unsigned int nr_keys;
	bool fences;

	/* private: of the core (src/core/client/leg.c, legs.c) */
	struct list_head entry;		/* in path->legs */
	struct mutex mutex;		/* attach, detach, refresh, fence */
	unsigned int aborters;		/* who wants that now */
	struct delayed_work work;	/* where there is no ops->connect */
	struct work_struct mend_work;	/* likewise */
	bool begun;			/* it has been told to come up */
	bool leave;			/* @mend_work shall take it down ... */
	bool leave_politely;		/* ... and tell the server */
	bool gone;			/* for ever */
	struct unbd_fence *fence;	/* to be left behind */
	bool recognised;		/* unbd_leg_recognise() was called */
	bool attached;			/* until ops->detach has returned */
	bool broken;			/* to be taken down; path->lock */
	bool sound;			/* live and not that; likewise */
	struct unbd_loss lost;		/* why it is broken; likewise */
	unsigned long live_since;	/* jiffies */
	bool live;			/* may carry I/O */
	bool tried;			/* attach has been called */
	bool known;			/* it was the disk's, once at least */
	struct unbd_geometry adopted;	/* and what it could do then */
	int error;			/* of the last attach */
	char why[UNBD_WHY_LEN];
	unsigned int nr_slots;
	struct request **slots;		/* in flight, by hctx and tag */
	u64 latency_ns;			/* moving average */
	unsigned long answered_at;	/* jiffies; the last request that was */
	unsigned long alive_at;		/* jiffies; the server has said so */
	unsigned long ask;		/* it shall, after jiffies of silence */
	atomic_t slow;			/* requests that take their time */
};

/**
 * struct unbd_request - the core's part of a block request
 * @leg: where the request was sent, NULL while it is nowhere
 * @generation: raised each time the request is sent, so that a late or
 *	repeated reply is not taken for the answer to a newer request
 * @queue: queue of @leg that carries it
 * @status: how it ended
 * @held: in the list of a fence
 * @kept: a copy until it is flushed, or an ERR_PTR() when there is none
 * @epoch: of a flush: what was answered in it or before is stable then
 * @priv: the transport's
 */
struct unbd_request {
	struct unbd_leg *leg;
	u32 generation;
	u16 queue;
	bool retry;
	bool counted;
	bool slow;
	blk_status_t status;
	u64 sent_ns;
	struct list_head held;
	struct unbd_write *kept;
	u64 epoch;
	u8 priv[UNBD_REQUEST_PRIV] __aligned(8);
};

/**
 * unbd_request() - the core's part of a block request
 * @rq: request of an unbd disk
 */
static inline struct unbd_request *unbd_request(struct request *rq)
{
	return blk_mq_rq_to_pdu(rq);
}

/**
 * unbd_request_priv() - the transport's part of a block request
 * @rq: request of an unbd disk
 *
 * Its content is undefined when queue_rq() is called.
 */
static inline void *unbd_request_priv(struct request *rq)
{
	return unbd_request(rq)->priv;
}

/**
 * unbd_request_cookie() - 64 bits that name a request in flight on a leg
 * @rq: request that queue_rq() was called with
 */
static inline u64 unbd_request_cookie(struct request *rq)
{
	return (u64)unbd_request(rq)->generation << 32 |
		blk_mq_unique_tag(rq);
}

/**
 * unbd_request_find() - the request in flight that a cookie names
 * @leg: leg the reply came on
 * @queue: queue the reply came on
 * @cookie: cookie from the wire, not trusted
 *
 * Only the one receiver of @queue may call it: it is also the only one who
 * may complete the requests of that queue, so what is returned stays valid
 * until it does. A request may be found before its last byte has been sent:
 * a transport that lets a peer choose the moment must look at its own state.
 *
 * Return: the request, or NULL when that cookie is not in flight there.
 */
struct request *unbd_request_find(struct unbd_leg *leg, unsigned int queue,
				  u64 cookie);

/**
 * unbd_complete_request() - a request has its answer
 * @rq: request that was queued
 * @status: BLK_STS_OK or the media error that the server reports
 *
 * Any context. The request must not be touched afterwards.
 */
void unbd_complete_request(struct request *rq, blk_status_t status);

/**
 * unbd_path_failed() - a path has broken
 * @path: path that was live, of a transport with ops->connect
 * @error: -errno
 * @fmt: what happened, for the log; without a newline
 *
 * Any context. Only the first call since the path became live counts: it is
 * logged, the legs are detached from process context, their requests go to
 * another path or are parked, and the core begins to reconnect.
 */
__printf(3, 4)
void unbd_path_failed(struct unbd_path *path, int error, const char *fmt, ...);

/**
 * unbd_leg_failed() - a leg has broken
 * @leg: leg that was attached
 * @error: -errno
 * @fmt: what happened, for the log; without a newline
 *
 * As unbd_path_failed(), but other disks of the session are left alone where
 * their legs have connections of their own: where the transport has no
 * ops->connect.
 */
__printf(3, 4)
void unbd_leg_failed(struct unbd_leg *leg, int error, const char *fmt, ...);

/**
 * unbd_leg_closed() - the server has closed a leg, and nothing else
 * @leg: leg that was attached
 * @error: -errno
 * @fmt: what happened, for the log; without a newline
 *
 * As unbd_leg_failed(), but other disks of the session are left alone whatever
 * they share with it.
 */
__printf(3, 4)
void unbd_leg_closed(struct unbd_leg *leg, int error, const char *fmt, ...);

/**
 * unbd_leg_has_others() - is its device reached over other paths, too?
 * @leg: a leg
 *
 * Any context. Another one may come or go at any moment.
 */
bool unbd_leg_has_others(const struct unbd_leg *leg);

/**
 * unbd_leg_changed() - the server has announced a new geometry
 * @leg: leg whose geometry is to be refreshed
 *
 * Any context.
 */
void unbd_leg_changed(struct unbd_leg *leg);

/* What a write that is kept did, &struct unbd_write.kind */
enum unbd_write_kind {
	UNBD_WRITE_DATA,
	UNBD_WRITE_ZEROES,
	UNBD_WRITE_ZEROES_UNMAP,	/* may leave a hole */
	UNBD_WRITE_DISCARD,
};

/**
 * struct unbd_write - a write that was answered and has not been flushed
 * @entry: the core's
 * @epoch: the core's
 * @kind: what it did
 * @offset: bytes
 * @length: bytes
 * @nr_pages: of @pages, 0 unless there are data
 * @pages: the data, from the start of the first one; never in high memory
 */
struct unbd_write {
	struct list_head entry;
	u64 epoch;
	enum unbd_write_kind kind;
	u64 offset;
	u32 length;
	unsigned int nr_pages;
	struct page *pages[];
};

/**
 * unbd_leg_recognise() - the server has told who it is
 * @leg: leg that is being attached, with its geometry
 * @instance: of the server, or NULL if it told none
 * @why: gets the reason of a failure
 * @len: size of @why
 *
 * May sleep. Return: 0 to go on; 1 if the server has lost writes, which the
 * transport writes again, flushes, and reports by unbd_leg_replayed(); -ESTALE
 * if the live paths lead elsewhere; -EBUSY while another path is writing them
 * again; or another -errno.
 */
int unbd_leg_recognise(struct unbd_leg *leg,
		       const struct unbd_instance *instance,
		       char *why, size_t len);

/**
 * unbd_replay_next() - the next write that the server has lost
 * @leg: leg that unbd_leg_recognise() has said 1 for
 * @write: the one before, NULL for the first
 *
 * In the order in which they were answered. Return: NULL when there are no
 * more. They stay until unbd_leg_replayed().
 */
const struct unbd_write *unbd_replay_next(struct unbd_leg *leg,
					  const struct unbd_write *write);

/**
 * unbd_leg_replayed() - the end of what unbd_leg_recognise() has begun
 * @leg: the leg
 * @instance: as it was given there
 * @err: 0 when everything was written and flushed, or -errno of the connection
 * @nr: how many writes there were
 * @refused: how many of them the server has answered with an error
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: @err; or -errno if the leg cannot be used nevertheless.
 */
int unbd_leg_replayed(struct unbd_leg *leg,
		      const struct unbd_instance *instance, int err,
		      unsigned int nr, unsigned int refused,
		      char *why, size_t len);

/**
 * struct unbd_replay_ops - writing again, one request at a time
 * @write: carry out a kept write, never a discard
 * @flush: have all of them reach stable storage
 *
 * Process context, sleep for the server. Return: 0, what the server answered
 * as a positive errno, or -errno when it has not.
 */
struct unbd_replay_ops {
	int (*write)(struct unbd_leg *leg, const struct unbd_write *write,
		     char *why, size_t len);
	int (*flush)(struct unbd_leg *leg, char *why, size_t len);
};

/**
 * unbd_leg_recover() - unbd_leg_recognise(), and all that it may ask for
 * @leg: leg that is being attached, with its geometry
 * @instance: of the server
 * @ops: how the transport writes
 * @why: gets the reason of a failure
 * @len: size of @why
 *
 * For a transport that has no reason to write several at a time. Sleeps for
 * the server. Return: 0 or -errno.
 */
int unbd_leg_recover(struct unbd_leg *leg,
		     const struct unbd_instance *instance,
		     const struct unbd_replay_ops *ops, char *why, size_t len);

/**
 * unbd_write_copy() - part of a kept write
 * @to: gets it; zeroes if the write has no data
 * @write: the write
 * @done: bytes of it to skip
 * @len: bytes
 */
void unbd_write_copy(void *to, const struct unbd_write *write, u32 done,
		     u32 len);

/**
 * unbd_map_line() - map a disk as the administrator does
 * @line: as written to map_device; modified
 * @why: gets the reason of a failure
 * @len: size of @why
 *
 * For a transport whose disks appear by themselves. It holds a reference to
 * its own module meanwhile: one that is being unloaded cannot be found.
 * Process context, waits for the peer. Return: 0 or -errno.
 */
int unbd_map_line(char *line, char *why, size_t len);

/**
 * unbd_unmap_session() - take all disks of a session away
 * @sessname: name of the session
 * @force: even those that are open
 * @why: gets the reason of a refusal
 * @len: size of @why
 *
 * Return: 0, also when there is no such session; or the first -errno, and
 * then what could go is gone.
 */
int unbd_unmap_session(const char *sessname, bool force, char *why,
		       size_t len);

int __unbd_register_transport(struct unbd_transport_ops *ops,
			      unsigned int api, size_t path_size,
			      size_t leg_size, size_t request_size);

/**
 * unbd_register_transport() - offer a transport to the core
 * @ops: operations; stay in place until unbd_unregister_transport()
 *
 * Process context. The version of the contract and the sizes of its
 * structures are compared with the core's.
 *
 * Return: 0, -EINVAL for another contract or a request_size too large,
 * -EEXIST for a name that is taken. Each refusal is logged.
 */
#define unbd_register_transport(ops)					\
	__unbd_register_transport(ops, UNBD_TRANSPORT_API,		\
				  sizeof(struct unbd_path),		\
				  sizeof(struct unbd_leg),		\
				  sizeof(struct unbd_request))

/**
 * unbd_unregister_transport() - withdraw a transport
 * @ops: operations that were registered
 *
 * Paths hold a reference to the owner module, so none is left here.
 */
void unbd_unregister_transport(struct unbd_transport_ops *ops);

#endif /* UNBD_TRANSPORT_H */
