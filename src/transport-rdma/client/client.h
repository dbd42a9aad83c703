/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside unbd-rdma-client: sessions, paths, connections and requests.
 *
 * An RTRS path is a number of connections: the first, the service connection,
 * for RNBD's messages about devices and for heartbeats, the others for I/O.
 * All of an RTRS session's paths share the numbers of the server's chunks,
 * the slots; each has its own addresses and keys for them, and its own
 * &struct rdma_io for each slot that it uses.
 *
 * Locks, none inside another but where it is said:
 *
 *	path->base.mutex   the core's: connect, attach, detach, disconnect
 *	session->mutex	   who shares the slots; legs. Inside the former
 *	conn->lock	   whether anything may still be posted
 *	conn->poll_lock	   a polled connection's completion queue
 *	session->stale_lock
 *
 * An io belongs to whoever has taken its slot until it is posted, then to its
 * connection's completion queue, which is looked at by one CPU at a time; and
 * after the connection has been drained, to detach.
 */
#ifndef UNBD_RDMA_CLIENT_H
#define UNBD_RDMA_CLIENT_H

#include <linux/sbitmap.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_cm.h>

#include <unbd/transport.h>

#include "rnbd-codec.h"
#include "rtrs-codec.h"
#include "transport-rdma/address.h"
#include "transport-rdma/sockaddr.h"

/* Entries of a scatter list, header included; more make queues too big. */
#define RDMA_MAX_SGE		32

/* Of a message of the service connection that has no end */
#define RDMA_SERVICE_DEPTH	64
#define RDMA_MAX_USERS		8

/* Slots that a leg has for itself, and legs that have some */
#define RDMA_OWN_SLOTS		4
#define RDMA_MAX_OWNERS		16
#define RDMA_MAX_KEPT		(RDMA_MAX_USERS + \
				 RDMA_MAX_OWNERS * RDMA_OWN_SLOTS)

/* Requests in flight on one I/O connection: at most, and what it has to bear */
#define RDMA_MAX_INFLIGHT	512
#define RDMA_LEAST_DEPTH	16

/* Work requests that one request in flight has posted at most */
#define RDMA_SENDS_PER_IO	3

/* An I/O request's user header and what RTRS puts behind it */
#define RDMA_HDR_LEN		64

/* Registrations know pages of this size. */
#define RDMA_MR_PAGE		4096u

struct rdma_path;

/**
 * struct rdma_session - what the paths of an &struct unbd_session share
 * @entry: in the list of all
 * @owner: session of the core
 * @users: paths
 * @uuid: names the session to the server
 * @mutex: the members below
 * @connected: paths that may use slots
 * @queue_depth: number of slots that the server has
 * @nr_slots: as many of them as each of the paths has ios for
 * @nr_messages: of those that are kept, the first ones, for messages
 * @nr_owners: legs that have RDMA_OWN_SLOTS of the rest
 * @slots: those that are in use, or kept
 * @kept: those of the latter that are in use
 * @legs: attached, by &rdma_leg.entry
 * @creating: a path is making the session known to the server
 * @wait: for @creating
 * @stale_lock: @stale and @nr_stale
 * @stale: of each slot, since when and because of what it must rest
 * @nr_stale: slots that rest
 *
 * A slot that was in flight on a path which broke may still be worked on by
 * the server. It rests until the path has been connected anew, which the
 * server permits when it is done with the old one, a server of ours has fenced
 * it, or it must have noticed.
 */
struct rdma_session {
	struct list_head entry;
	struct unbd_session *owner;
	unsigned int users;
	u8 uuid[RTRS_UUID_LEN];

	struct mutex mutex;		/* see above */
	unsigned int connected;
	u32 queue_depth;
	u32 nr_slots;
	u32 nr_messages;
	u32 nr_owners;
	struct sbitmap_queue slots;
	DECLARE_BITMAP(kept, RDMA_MAX_KEPT);
	struct list_head legs;
	atomic_t creating;
	wait_queue_head_t wait;

	spinlock_t stale_lock;		/* the next two */
	struct rdma_stale *stale;
	unsigned int nr_stale;
};

/**
 * struct rdma_recv - a receive request
 * @cqe: its completion
 * @addr: DMA address of its piece of conn->recv_buf
 * @msg: that piece
 */
struct rdma_recv {
	struct ib_cqe cqe;
	u64 addr;
	const void *msg;
};

/**
 * struct rdma_conn - one connection of a path
 * @path: path
 * @cid: number in the path, 0 is the service connection
 * @polled: its completions are looked for by whoever waits for them
 * @id: of the connection manager
 * @qp: queue pair; @id's
 * @cq: completion queue for both directions
 * @nr_cqe: entries of it that are ours
 * @depth: requests in flight at most
 * @established: the server has accepted
 * @result: of the step of connecting under way; -EINPROGRESS
 * @reject: the connection manager's reason if the server has rejected it
 * @reply: private data that came with the server's answer
 * @reply_len: bytes of it
 * @lock: held while something is posted; @stopped
 * @stopped: nothing is posted any more
 * @inflight: ios
 * @poll_lock: held while @cq is looked at, if @polled
 * @inv_rkey: key that the server has invalidated last
 * @inv_seen: there is one, for the answer that follows
 * @recvs: receive requests
 * @nr_recvs: of these
 * @recv_buf: for the messages
 * @recv_addr: its DMA address
 */
struct rdma_conn {
	struct rdma_path *path;
	unsigned int cid;
	bool polled;
	struct rdma_cm_id *id;
	struct ib_qp *qp;
	struct ib_cq *cq;
	unsigned int nr_cqe;
	unsigned int depth;
	bool established;
	int result;
	int reject;
	struct rtrs_msg_conn_rsp reply;
	size_t reply_len;

	spinlock_t lock ____cacheline_aligned_in_smp;	/* posting, @stopped */
	bool stopped;
	atomic_t inflight;

	spinlock_t poll_lock;		/* see above */
	u32 inv_rkey;
	bool inv_seen;
	struct rdma_recv *recvs;
	unsigned int nr_recvs;
	u8 *recv_buf;
	u64 recv_addr;
};

/**
 * enum rdma_io_state - whose an io is
 * @RDMA_IO_FREE: nobody's; the slot may be in use on another path
 * @RDMA_IO_FILLING: of whoever prepares it
 * @RDMA_IO_POSTED: the server may answer
 * @RDMA_IO_ANSWERED: it has
 */
enum rdma_io_state {
	RDMA_IO_FREE,
	RDMA_IO_FILLING,
	RDMA_IO_POSTED,
	RDMA_IO_ANSWERED,
};

/**
 * struct rdma_io - a slot as used over one path
 * @path: path
 * @id: number of the slot
 * @state: &enum rdma_io_state
 * @conn: connection that carries it
 * @leg: leg that it is for, NULL for a message
 * @rq: block request, or
 * @user: message
 * @pending: completions that have to come before it is over
 * @err: what the server says
 * @sent: completion of the request
 * @side: completion of a registration or of its end
 * @mr: for a read's memory, or a write's of many pieces
 * @registered: it is in use; for a read, the server may write there
 * @hdr: header
 * @hdr_addr: its DMA address
 * @dir: which way the data go
 * @nents: entries of @sg in use
 * @mapped: of these after mapping, 0 when there is nothing to unmap
 * @sg: path->max_segments entries
 */
struct rdma_io {
	struct rdma_path *path;
	u32 id;
	int state;
	struct rdma_conn *conn;
	struct rdma_leg *leg;
	struct request *rq;
	struct rdma_user *user;
	int pending;
	int err;
	struct ib_cqe sent;
	struct ib_cqe side;
	struct ib_mr *mr;
	bool registered;
	u8 *hdr;
	u64 hdr_addr;
	enum dma_data_direction dir;
	int nents;
	int mapped;
	struct scatterlist *sg;
};

/**
 * struct rdma_request - the transport's part of a block request
 * @io: what carries it
 */
struct rdma_request {
	struct rdma_io *io;
};

/* struct rdma_path.flags */
enum {
	RDMA_PATH_UP,		/* the core knows it as connected */
	RDMA_PATH_BROKEN,	/* nothing can be sent any more */
	RDMA_PATH_STOPPED,	/* and no completion will come */
	RDMA_PATH_BEATING,	/* a heartbeat is being sent */
	RDMA_PATH_ACK_OWED,	/* the server's has no answer yet */
};

/**
 * struct rdma_path - a server's address
 * @base: the core's part
 * @dst: the server
 * @src: address to bind to
 * @has_src: there is one
 * @session: shared with the other paths
 * @uuid: names the path to the server
 * @number: no other path has had it
 * @key: names its connections to a server that fences
 * @attempts: to connect, so far
 * @reached: by one of them the server knows the path
 * @named: it may know the session's name
 * @wait: for the steps of connecting and for messages' answers
 * @lock: the next three, and the names
 * @aborted: between abort and abort_clear
 * @error: what broke it
 * @cause: in words
 * @flags: RDMA_PATH_* bits
 * @dev: adapter
 * @pd: protection domain, of this path alone
 * @pool: the server's chunks
 * @chunks: where they are
 * @ios: one for each slot that is used
 * @nr_ios: how many; fewer than chunks when memory was short
 * @sgs: their scatter lists
 * @max_sge: entries that a send request takes
 * @max_segments: of a block request
 * @max_io: bytes of a block request
 * @nr_irq: I/O connections that report their completions
 * @nr_poll: that do not
 * @nr_conns: all, the service connection included
 * @conns: connections
 * @info_cqe: completion of the answer to INFO_REQ
 * @info_sent: completion of INFO_REQ
 * @info_left: of the two that have not come
 * @info_len: length of the answer
 * @last_rx: when something came from the server
 * @beat: heartbeat
 * @beat_cqe: its completion
 * @news: what the server's heartbeats tell, see rtrs_imm_hb()
 * @known: what of that has been looked at
 * @src_name: our end of the service connection
 * @dst_name: the server's
 */
struct rdma_path {
	struct unbd_path base;
	struct unbd_rdma_address dst;
	struct unbd_rdma_address src;
	bool has_src;
	struct rdma_session *session;
	u8 uuid[RTRS_UUID_LEN];
	u64 number;
	struct unbd_key key;
	u16 attempts;
	bool reached;
	bool named;

	wait_queue_head_t wait;
	spinlock_t lock;		/* what is said above */
	bool aborted;
	int error;
	char cause[UNBD_WHY_LEN];
	char src_name[UNBD_RDMA_NAME_LEN];
	char dst_name[UNBD_RDMA_NAME_LEN];

	unsigned long flags;
	struct ib_device *dev;
	struct ib_pd *pd;
	struct rtrs_pool pool;
	struct rtrs_chunk *chunks;
	struct rdma_io *ios;
	u32 nr_ios;
	struct scatterlist *sgs;
	unsigned int max_sge;
	unsigned int max_segments;
	unsigned int max_io;
	unsigned int nr_irq;
	unsigned int nr_poll;
	unsigned int nr_conns;
	struct rdma_conn **conns;

	struct ib_cqe info_cqe;
	struct ib_cqe info_sent;
	int info_left;
	int info_len;

	unsigned long last_rx;
	struct delayed_work beat;
	struct ib_cqe beat_cqe;
	u32 news;
	u32 known;
};

/**
 * struct rdma_leg - a device opened in the session
 * @base: the core's part
 * @entry: in session->legs
 * @device_id: names it to the server
 * @owner: whose slots it has, RDMA_MAX_OWNERS if none
 * @can_fence: the server is unbd's own
 * @closed: it has closed the device
 */
struct rdma_leg {
	struct unbd_leg base;
	struct list_head entry;
	u32 device_id;
	u32 owner;
	bool can_fence;
	bool closed;
};

static inline struct rdma_path *to_rdma_path(struct unbd_path *path)
{
	return container_of(path, struct rdma_path, base);
}

static inline struct rdma_leg *to_rdma_leg(struct unbd_leg *leg)
{
	return container_of(leg, struct rdma_leg, base);
}

static inline struct rdma_path *path_of(struct rdma_leg *leg)
{
	return to_rdma_path(leg->base.path);
}

static inline bool rdma_path_broken(const struct rdma_path *path)
{
	return test_bit(RDMA_PATH_BROKEN, &path->flags);
}

extern struct workqueue_struct *rdma_wq;

/* main.c */
__printf(3, 4)
void rdma_path_fail(struct rdma_path *path, int error, const char *fmt, ...);

/* session.c: what paths share */
struct rdma_session *rdma_session_get(struct unbd_session *owner);
void rdma_session_put(struct rdma_session *session);
void rdma_session_begin(struct rdma_path *path);
void rdma_session_end(struct rdma_path *path);
void rdma_name_left(const char *name);
bool rdma_name_lingers(const char *name);
int rdma_session_join(struct rdma_path *path, char *why, size_t len);
void rdma_session_leave(struct rdma_path *path);
int rdma_slot_get(struct rdma_session *session, const struct rdma_leg *leg);
int rdma_slot_get_message(struct rdma_session *session);
void rdma_session_own(struct rdma_leg *leg);
void rdma_slots_fenced(struct rdma_session *session,
		       const struct unbd_key *keys, unsigned int nr);
void rdma_slot_put(struct rdma_session *session, u32 id);
void rdma_slot_rest(struct rdma_path *path, u32 id);
void rdma_slots_wake(struct rdma_session *session,
		     const struct rdma_path *path);

/* connect.c: a path's connections */
int rdma_path_connect(struct rdma_path *path, char *why, size_t len);
void rdma_path_stop(struct rdma_path *path);
void rdma_path_teardown(struct rdma_path *path);

/* conn.c: one connection */
struct rdma_conn *rdma_conn_create(struct rdma_path *path, unsigned int cid,
				   char *why, size_t len);
int rdma_conn_open(struct rdma_conn *conn, unsigned int depth,
		   unsigned int nr_recvs, char *why, size_t len);
int rdma_conn_connect(struct rdma_conn *conn, char *why, size_t len);
int rdma_conn_post_recvs(struct rdma_conn *conn);
int rdma_conn_post(struct rdma_conn *conn, struct ib_send_wr *wr);
void rdma_conn_stop(struct rdma_conn *conn);
void rdma_conn_close(struct rdma_conn *conn);
void rdma_conn_destroy(struct rdma_conn *conn);
void rdma_conn_wc_failed(struct rdma_conn *conn, struct ib_wc *wc,
			 const char *what);
int rdma_conn_poll(struct rdma_conn *conn);
int rdma_wait_for(struct rdma_path *path, const int *result,
		  unsigned long timeout, char *why, size_t len,
		  const char *what);
int rdma_wait(struct rdma_path *path, const int *result, char *why,
	      size_t len, const char *what);

/* recv.c: what the server sends */
void rdma_recv_done(struct ib_cq *cq, struct ib_wc *wc);

/* io.c: requests */
u32 rdma_ios_affordable(const struct rdma_path *path);
int rdma_ios_alloc(struct rdma_path *path);
void rdma_ios_free(struct rdma_path *path);
struct rdma_io *rdma_io_get(struct rdma_conn *conn, struct rdma_leg *leg);
void rdma_io_free(struct rdma_io *io);
int rdma_io_map(struct rdma_io *io, enum dma_data_direction dir);
int rdma_io_register(struct rdma_io *io);
int rdma_io_post(struct rdma_io *io, struct ib_sge *sge, unsigned int nr_sge,
		 u32 data_len, u32 usr_len);
int rdma_io_answered(struct rdma_conn *conn, u32 id, int err, bool inv);
void rdma_io_take_back(struct rdma_io *io);

/* rq.c: block requests */
blk_status_t rdma_queue_rq(struct unbd_leg *leg, unsigned int queue,
			   struct request *rq, bool last);
void rdma_commit_rqs(struct unbd_leg *leg, unsigned int queue);
int rdma_poll(struct unbd_leg *leg, unsigned int queue);
void rdma_rq_done(struct rdma_io *io);

/* device.c: RNBD's messages, and what a device is like */
int rdma_greet(struct rdma_path *path, char *why, size_t len);
int rdma_open(struct rdma_leg *leg, char *why, size_t len);
void rdma_close(struct rdma_leg *leg);
int rdma_fence(struct rdma_leg *leg, struct unbd_instance *instance, char *why,
	       size_t len);
int rdma_ask_io(struct rdma_leg *leg, const struct rnbd_io *io,
		const struct unbd_write *write, u32 done, char *why,
		size_t len);
void rdma_user_done(struct rdma_user *user, int err);

/* replay.c: what a server has lost */
extern const struct unbd_replay_ops rdma_replay_ops;

/* beat.c */
void rdma_beat_start(struct rdma_path *path);
void rdma_beat_stop(struct rdma_path *path);
void rdma_beat_answer(struct rdma_path *path, u32 news);

#endif
