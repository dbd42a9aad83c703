/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside unbd-rdma-client: sessions, paths, connections and requests.
 *
 * An RTRS path is a number of connections: the first, the service connection,
 * for RNBD's messages about devices and for heartbeats, the others for I/O.
 * All of an RTRS session's paths share the numbers of the server's chunks,
 * the slots; each has its own addresses and keys for them, and its own
 * &struct clt_io for each slot that it uses.
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

#include <linux/refcount.h>
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
#define CLT_MAX_SGE		32

/* Receives of the service connection, and messages in flight on it */
#define CLT_SERVICE_DEPTH	64
#define CLT_MAX_MESSAGES	8

/* Slots that a leg has for itself, and legs that have some */
#define CLT_OWN_SLOTS		4
#define CLT_MAX_OWNERS		16
#define CLT_MAX_KEPT		(CLT_MAX_MESSAGES + \
				 CLT_MAX_OWNERS * CLT_OWN_SLOTS)

/* Requests in flight on one I/O connection: at most, and what it has to bear */
#define CLT_MAX_INFLIGHT	512
#define CLT_LEAST_DEPTH		16

/* Work requests that one request in flight has posted at most */
#define CLT_SENDS_PER_IO	3

/* An I/O request's user header and what RTRS puts behind it */
#define CLT_HDR_LEN		64

/* Registrations know pages of this size. */
#define CLT_MR_PAGE		4096u

struct clt_path;

/**
 * struct clt_session - what the paths of an &struct unbd_session share
 * @entry: in the list of all
 * @owner: session of the core
 * @users: paths
 * @uuid: names the session to the server
 * @mutex: the members below
 * @connected: paths that may use slots
 * @queue_depth: number of slots that the server has
 * @nr_slots: as many of them as each of the paths has ios for
 * @nr_messages: of those that are kept, the first ones, for messages
 * @nr_owners: legs that have CLT_OWN_SLOTS of the rest
 * @slots: those that are in use, or kept
 * @kept: those of the latter that are in use
 * @legs: attached, by &clt_leg.entry
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
struct clt_session {
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
	DECLARE_BITMAP(kept, CLT_MAX_KEPT);
	struct list_head legs;
	atomic_t creating;
	wait_queue_head_t wait;

	spinlock_t stale_lock;		/* the next two */
	struct clt_stale *stale;
	unsigned int nr_stale;
};

/**
 * struct clt_recv - a receive request
 * @cqe: its completion
 * @addr: DMA address of its piece of conn->recv_buf
 * @msg: that piece
 */
struct clt_recv {
	struct ib_cqe cqe;
	u64 addr;
	const void *msg;
};

/**
 * struct clt_conn - one connection of a path
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
struct clt_conn {
	struct clt_path *path;
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
	struct clt_recv *recvs;
	unsigned int nr_recvs;
	u8 *recv_buf;
	u64 recv_addr;
};

/* The longest message and what RTRS puts behind it */
#define CLT_MSG_ROOM	(RNBD_MAX_MSG_LEN + RTRS_READ_LEN(1))

/* The longest answer */
#define CLT_ANSWER_ROOM	sizeof(struct rnbd_msg_open_rsp)

/**
 * struct clt_message - a message on its way
 * @refs: of whoever waits, and of the io
 * @path: path
 * @result: -EINPROGRESS, then the server's errno
 * @buf: data, if any go with it, and the message
 * @buf_addr: its DMA address
 * @data_len: bytes of data
 * @msg: message, in @buf
 * @is_read: it travels as an RTRS read, also without an answer's data
 * @answer: room for the data that answer it
 */
struct clt_message {
	refcount_t refs;
	struct clt_path *path;
	int result;
	u8 *buf;
	u64 buf_addr;
	u32 data_len;
	u8 *msg;
	bool is_read;
	u8 *answer;
};

/**
 * enum clt_io_state - whose an io is
 * @CLT_IO_FREE: nobody's; the slot may be in use on another path
 * @CLT_IO_FILLING: of whoever prepares it
 * @CLT_IO_POSTED: the server may answer
 * @CLT_IO_ANSWERED: it has
 */
enum clt_io_state {
	CLT_IO_FREE,
	CLT_IO_FILLING,
	CLT_IO_POSTED,
	CLT_IO_ANSWERED,
};

/**
 * struct clt_io - a slot as used over one path
 * @path: path
 * @id: number of the slot
 * @state: &enum clt_io_state
 * @conn: connection that carries it
 * @leg: leg that it is for, NULL for a message
 * @rq: block request, or
 * @message: message
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
struct clt_io {
	struct clt_path *path;
	u32 id;
	int state;
	struct clt_conn *conn;
	struct clt_leg *leg;
	struct request *rq;
	struct clt_message *message;
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
 * struct clt_request - the transport's part of a block request
 * @io: what carries it
 */
struct clt_request {
	struct clt_io *io;
};

/* struct clt_path.flags */
enum {
	CLT_PATH_UP,		/* the core knows it as connected */
	CLT_PATH_BROKEN,	/* nothing can be sent any more */
	CLT_PATH_STOPPED,	/* and no completion will come */
	CLT_PATH_BEATING,	/* a heartbeat is being sent */
	CLT_PATH_ACK_OWED,	/* the server's has no answer yet */
};

/**
 * struct clt_path - a server's address
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
 * @flags: CLT_PATH_* bits
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
struct clt_path {
	struct unbd_path base;
	struct unbd_rdma_address dst;
	struct unbd_rdma_address src;
	bool has_src;
	struct clt_session *session;
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
	struct clt_io *ios;
	u32 nr_ios;
	struct scatterlist *sgs;
	unsigned int max_sge;
	unsigned int max_segments;
	unsigned int max_io;
	unsigned int nr_irq;
	unsigned int nr_poll;
	unsigned int nr_conns;
	struct clt_conn **conns;

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
 * struct clt_leg - a device opened in the session
 * @base: the core's part
 * @entry: in session->legs
 * @device_id: names it to the server
 * @owner: whose slots it has, CLT_MAX_OWNERS if none
 * @can_fence: the server is unbd's own
 * @closed: it has closed the device
 */
struct clt_leg {
	struct unbd_leg base;
	struct list_head entry;
	u32 device_id;
	u32 owner;
	bool can_fence;
	bool closed;
};

static inline struct clt_path *to_clt_path(struct unbd_path *path)
{
	return container_of(path, struct clt_path, base);
}

static inline struct clt_leg *to_clt_leg(struct unbd_leg *leg)
{
	return container_of(leg, struct clt_leg, base);
}

static inline struct clt_path *path_of(struct clt_leg *leg)
{
	return to_clt_path(leg->base.path);
}

static inline bool clt_path_broken(const struct clt_path *path)
{
	return test_bit(CLT_PATH_BROKEN, &path->flags);
}

/*
 * From here on in the order of the files: each calls what is declared above its
 * own, and nothing below.
 */

/* session.c: what paths share: the name of the session, and the slots */
struct clt_session *clt_session_get(struct unbd_session *owner);
void clt_session_put(struct clt_session *session);
void clt_session_begin(struct clt_path *path);
void clt_session_end(struct clt_path *path);
void clt_name_left(const char *name);
bool clt_name_lingers(const char *name);
int clt_session_join(struct clt_path *path, u32 nr, char *why, size_t len);
void clt_session_leave(struct clt_path *path);
int clt_slot_get(struct clt_session *session, const struct clt_leg *leg);
int clt_slot_get_message(struct clt_session *session);
void clt_session_own(struct clt_leg *leg);
void clt_slots_fenced(struct clt_session *session, const struct unbd_key *keys,
		      unsigned int nr);
void clt_slot_put(struct clt_session *session, u32 id);
void clt_slot_rest(struct clt_path *path, u32 id);
void clt_slots_wake(struct clt_session *session, const struct clt_path *path);

/* fail.c: a path breaks, and whoever waits for its server wakes up */
__printf(3, 4)
void clt_path_fail(struct clt_path *path, int error, const char *fmt, ...);
int clt_wait_for(struct clt_path *path, const int *result,
		 unsigned long timeout, char *why, size_t len,
		 const char *what);
int clt_wait(struct clt_path *path, const int *result, char *why, size_t len,
	     const char *what);

/* message.c: a message to the server: its memory, and its end */
struct clt_message *clt_message_make(struct clt_path *path, u32 data_len);
int clt_message_map(struct clt_message *message);
void clt_message_done(struct clt_message *message, int err);
void clt_message_put(struct clt_message *message);

/* conn.c: one connection */
struct clt_conn *clt_conn_create(struct clt_path *path, unsigned int cid,
				 char *why, size_t len);
int clt_conn_open(struct clt_conn *conn, unsigned int depth,
		  unsigned int nr_recvs,
		  void (*received)(struct ib_cq *cq, struct ib_wc *wc),
		  char *why, size_t len);
int clt_conn_connect(struct clt_conn *conn, char *why, size_t len);
int clt_conn_post_recvs(struct clt_conn *conn);
int clt_conn_post(struct clt_conn *conn, struct ib_send_wr *wr);
void clt_conn_stop(struct clt_conn *conn);
void clt_conn_close(struct clt_conn *conn);
void clt_conn_destroy(struct clt_conn *conn);
void clt_conn_wc_failed(struct clt_conn *conn, struct ib_wc *wc,
			const char *what);
int clt_conn_poll(struct clt_conn *conn);

/* io.c: requests on their way, from a slot to the last completion */
u32 clt_ios_affordable(const struct clt_path *path);
int clt_ios_alloc(struct clt_path *path);
void clt_ios_free(struct clt_path *path);
bool clt_ios_busy(struct clt_path *path, struct clt_leg *leg);
void clt_ios_take_back(struct clt_path *path, struct clt_leg *leg);
struct clt_io *clt_io_get(struct clt_conn *conn, struct clt_leg *leg);
void clt_io_free(struct clt_io *io);
int clt_io_map(struct clt_io *io, enum dma_data_direction dir);
int clt_io_register(struct clt_io *io);
int clt_io_post(struct clt_io *io, struct ib_sge *sge, unsigned int nr_sge,
		u32 data_len, u32 usr_len);
int clt_io_answered(struct clt_conn *conn, u32 id, int err, bool inv);

/* beat.c: is the server there? */
int clt_beats_init(void);
void clt_beats_exit(void);
void clt_beat_start(struct clt_path *path);
void clt_beat_stop(struct clt_path *path);
void clt_beat_answer(struct clt_path *path, u32 news);

/* recv.c: what the server sends */
void clt_recv_done(struct ib_cq *cq, struct ib_wc *wc);

/* connect.c: a path's connections */
int clt_path_connect(struct clt_path *path, char *why, size_t len);
void clt_path_stop(struct clt_path *path);
void clt_path_teardown(struct clt_path *path);

/* block.c: block requests */
blk_status_t clt_queue_rq(struct unbd_leg *leg, unsigned int queue,
			  struct request *rq, bool last);
void clt_commit_rqs(struct unbd_leg *leg, unsigned int queue);
int clt_poll(struct unbd_leg *leg, unsigned int queue);

/* rnbd.c: what the server is asked, and what it says a device is like */
int clt_greet(struct clt_path *path, char *why, size_t len);
int clt_open(struct clt_leg *leg, char *why, size_t len);
void clt_close(struct clt_leg *leg);
int clt_fence(struct clt_leg *leg, struct unbd_instance *instance, char *why,
	      size_t len);
int clt_ask_io(struct clt_leg *leg, const struct rnbd_io *io,
	       const struct unbd_write *write, u32 done, char *why,
	       size_t len);

/* replay.c: what a server has lost is written again */
extern const struct unbd_replay_ops clt_replay_ops;

#endif
