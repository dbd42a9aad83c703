/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside unbd-tcp-client: paths, legs, connections and requests.
 *
 * A leg has one connection for each of its queues. Each connection has a
 * work that is bound to the queue's CPU and does whatever nobody else has
 * done: send what a full socket has left over, receive what has come.
 *
 * Who receives has the reply parser and is the one who completes requests. Small
 * amounts are received over TCP where they come, in the softirq, unless the
 * queue is polled.
 *
 * Locks of a connection, none inside another but the socket's:
 *
 *	send_mutex	the queue of requests and the sending end of the socket
 *	recv_mutex	excludes the work and those who poll
 *	socket's lock	excludes the work and the softirq, both with TCP only
 */
#ifndef UNBD_TCP_CLIENT_H
#define UNBD_TCP_CLIENT_H

#include <linux/bio.h>
#include <linux/fs_struct.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#include <unbd/transport.h>

#include "codec.h"
#include "transport-tcp/address.h"
#include "transport-tcp/sockaddr.h"
#include "transport-tcp/stream.h"

/* What has happened to a request; it is over when both have */
#define CLT_REQ_SENT		1
#define CLT_REQ_ANSWERED	2

/**
 * struct clt_request - the transport's part of a block request
 * @node: in conn->submitted, then conn->queue, perhaps then conn->finished
 * @rq: the request
 * @inflight: what the reply parser knows of it
 * @generation: the upper half of the cookie on the wire; written last, so that
 *	a reply that comes while the rest is being filled in finds no request
 * @state: CLT_REQ_* bits; whoever sets the second one ends the request
 * @header: as on the wire
 * @header_len: bytes in @header
 * @header_sent: of these
 * @to_send: bytes of a write's data not yet sent
 * @turns: how often the server may still go back in a read's data
 * @pos: where in the request's data @iter is
 * @bio: the bio that @iter is in, NULL when it is nowhere yet
 * @iter: for a write what is to be sent, for a read where data go
 */
struct clt_request {
	struct llist_node node;
	struct request *rq;
	struct nbd_inflight inflight;
	u32 generation;
	atomic_t state;
	u8 header[NBD_REQUEST_HEADER_MAX];
	u8 header_len;
	u8 header_sent;
	u32 to_send;
	u32 turns;
	u32 pos;
	struct bio *bio;
	struct iov_iter iter;
};

/* struct clt_conn.flags */
enum {
	CLT_CONN_BROKEN,	/* reported; the leg is about to be detached */
	CLT_CONN_DISMISSED,	/* by a server that shuts down */
	CLT_CONN_POLLING,	/* somebody is about to look what has come */
};

/**
 * struct clt_conn - one connection, one queue of a leg
 * @stream: the socket
 * @leg: whose connection it is
 * @index: number of the queue
 * @headers: style that was agreed upon
 * @flags: CLT_CONN_* bits
 * @work: sends and receives
 * @submitted: requests from queue_rq, newest first; lockless
 * @cpu: where the last of them came from, and its answer shall be taken care of
 * @send_mutex: see the top of this file
 * @queue: requests taken from @submitted, oldest first; the first may have
 *	been sent in part
 * @full: the socket had no room for more
 * @got_room: jiffies when it had some again
 * @look: at what its host has acknowledged
 * @finished: requests that are over and that whoever receives next, and may,
 *	shall end: those answered before their last byte was sent; lockless
 * @recv_mutex: see the top of this file
 * @polled: its requests are polled for
 * @parser: what to do with the bytes to come
 * @action: what it said last
 * @left: bytes that this still needs
 * @received: jiffies when something has come
 * @atomic: whoever receives must not take long, nor end polled requests
 * @zero_left: bytes of holes that are little enough even then
 * @completed: requests completed since the caller has set it to 0
 * @missed: looks of the watchdog since the server's host has been silent
 * @why: what the parser has against the server
 */
struct clt_conn {
	struct unbd_stream stream;
	struct clt_leg *leg;
	unsigned int index;
	enum nbd_header_style headers;
	unsigned long flags;
	struct work_struct work;

	struct llist_head submitted ____cacheline_aligned_in_smp;
	int cpu;

	struct mutex send_mutex ____cacheline_aligned_in_smp; /* see above */
	struct llist_node *queue;
	bool full;
	unsigned long got_room;
	struct unbd_stream_look look;

	struct llist_head finished ____cacheline_aligned_in_smp;
	struct mutex recv_mutex;	/* see the top of this file */
	bool polled;
	struct nbd_reply_parser parser;
	enum nbd_reply_action action;
	u32 left;
	unsigned long received;
	bool atomic;
	u32 zero_left;
	unsigned int completed;
	unsigned int missed;
	char why[UNBD_WHY_LEN];
};

/**
 * struct clt_leg - an export, opened on one or more connections
 * @base: the core's part
 * @info: what the server said about the export
 * @conns: one for each queue
 * @nr_conns: entries in use
 * @watchdog: looks for a server whose host has fallen silent
 * @remarked: what is odd about the export has been logged
 * @aborted: between abort and abort_clear; path->lock
 * @watch: is answered when the export's size changes
 * @watching: it is in flight, on the first connection
 */
struct clt_leg {
	struct unbd_leg base;
	struct nbd_export_info info;
	struct clt_conn *conns;
	unsigned int nr_conns;
	struct delayed_work watchdog;
	bool remarked;
	bool aborted;
	struct clt_request watch;
	bool watching;
};

/**
 * struct clt_path - a server's address
 * @base: the core's part
 * @dst: the server
 * @src: address to bind to
 * @has_src: there is one
 * @root: unix: root directory of the process that mapped, unless it is init's
 * @sock: fd: the socket that was handed over
 * @lock: the members below
 * @sock_used: fd: it has been made a connection once
 * @attempts: handshakes under way, struct clt_attempt
 * @src_name: our end of the last connection that came about
 * @dst_name: the server's
 */
struct clt_path {
	struct unbd_path base;
	struct unbd_tcp_address dst;
	struct unbd_tcp_address src;
	bool has_src;
	struct fs_struct root;
	struct socket *sock;

	spinlock_t lock;		/* what follows */
	bool sock_used;
	struct list_head attempts;
	char src_name[UNBD_STREAM_NAME_LEN];
	char dst_name[UNBD_STREAM_NAME_LEN];
};

/**
 * struct clt_attempt - a handshake under way, for abort to find
 * @entry: in path->attempts
 * @leg: whose it is
 * @stream: whose socket stays as long as this is listed
 */
struct clt_attempt {
	struct list_head entry;
	struct clt_leg *leg;
	struct unbd_stream *stream;
};

static inline struct clt_path *to_clt_path(struct unbd_path *path)
{
	return container_of(path, struct clt_path, base);
}

static inline struct clt_leg *to_clt_leg(struct unbd_leg *leg)
{
	return container_of(leg, struct clt_leg, base);
}

static inline struct clt_request *to_clt_request(struct request *rq)
{
	return unbd_request_priv(rq);
}

/*
 * From here on in the order of the files: each calls what is declared above its
 * own, and nothing below. What has to go up goes by a callback: a work, or a
 * report of the socket.
 */

static inline bool clt_conn_broken(const struct clt_conn *conn)
{
	return unlikely(test_bit(CLT_CONN_BROKEN, &conn->flags));
}

/* workqueues.c: who works for this module */
int clt_workqueues_create(void);
void clt_workqueues_destroy(void);
extern struct workqueue_struct *clt_io_wq;
extern struct workqueue_struct *clt_connect_wq;

/**
 * clt_conn_kick() - let the connection's work send and receive
 * @conn: connection
 *
 * Any context.
 */
static inline void clt_conn_kick(struct clt_conn *conn)
{
	queue_work_on(READ_ONCE(conn->cpu), clt_io_wq, &conn->work);
}

/* fail.c: a connection breaks */
__printf(3, 4)
void clt_conn_fail(struct clt_conn *conn, int error, const char *fmt, ...);

/* data.c: a request's data, piece by piece */
size_t clt_request_seek(struct clt_request *req, u32 pos);
int clt_request_zero(struct clt_request *req, u32 pos, u32 len,
		     bool may_sleep);

/* watch.c: a server that tells when the size changes */
#define CLT_WATCH_COOKIE	U64_MAX
void clt_watch(struct clt_leg *leg, u64 size);
struct nbd_inflight *clt_watch_find(struct clt_conn *conn);
void clt_watch_answered(struct clt_leg *leg);

/* send.c: the way out, from queue_rq to the socket */
blk_status_t clt_queue_rq(struct unbd_leg *leg, unsigned int queue,
			  struct request *rq, bool last);
void clt_commit_rqs(struct unbd_leg *leg, unsigned int queue);
bool clt_send(struct clt_conn *conn, bool wait);

static inline bool clt_send_pending(const struct clt_conn *conn)
{
	return READ_ONCE(conn->queue) || !llist_empty(&conn->submitted);
}

/* recv.c: the way back, from the socket to completed requests */
void clt_recv_start(struct clt_conn *conn);
bool clt_recv(struct clt_conn *conn);
void clt_recv_now(struct clt_conn *conn);
void clt_recv_poll(struct clt_conn *conn);

/* geometry.c: what the export is to a block device */
int clt_set_geometry(struct clt_leg *leg, const struct nbd_export_info *info,
		     char *why, size_t len);

/* path.c: addresses */
int clt_path_init(struct unbd_path *base, char *why, size_t len);
void clt_path_exit(struct unbd_path *base);
void clt_path_describe(struct unbd_path *base, char *src, char *dst,
		       size_t len);

/* wait.c: a stream in its handshake */
int clt_stream_connect(struct unbd_stream *s, struct net *net,
		       struct fs_struct *root,
		       const struct unbd_tcp_address *src,
		       const struct unbd_tcp_address *dst,
		       unsigned long deadline, char *why, size_t len);
void clt_stream_abort(struct unbd_stream *s);
int clt_stream_send_all(struct unbd_stream *s, const void *buf, size_t len,
			unsigned long deadline);
int clt_stream_recv_all(struct unbd_stream *s, void *buf, size_t len,
			unsigned long deadline);

/* connect.c: from nothing to the transmission phase */
int clt_connect_first(struct clt_leg *leg, struct unbd_stream *stream,
		      struct nbd_export_info *info, char *why, size_t len);
int clt_connect_others(struct clt_leg *leg, unsigned int nr,
		       unsigned long first, char *why, size_t len);
int clt_begin_attempt(struct clt_attempt *attempt);
void clt_end_attempt(struct clt_attempt *attempt);
void clt_abort_attempts(struct unbd_leg *base);
void clt_allow_attempts(struct unbd_leg *base);
void clt_say_goodbye(struct unbd_stream *stream,
		     enum nbd_header_style headers);

/* replay.c: a server that has lost writes */
int clt_recognise(struct clt_leg *leg, struct unbd_stream *stream,
		  char *why, size_t len);

/* conn.c: a connection's life and its work */
void clt_conn_init(struct clt_conn *conn, struct clt_leg *leg,
		   unsigned int index);
int clt_conn_start(struct clt_conn *conn, char *why, size_t len);
void clt_conn_stop(struct clt_conn *conn);
void clt_conn_close(struct clt_conn *conn, bool polite);
int clt_poll(struct unbd_leg *base, unsigned int queue);
unsigned long clt_moved(struct unbd_leg *base, unsigned int queue);

/* leg.c: all connections of a disk, and their watchdog */
int clt_leg_attach(struct unbd_leg *base, char *why, size_t len);
void clt_leg_detach(struct unbd_leg *base);
int clt_leg_refresh(struct unbd_leg *base, char *why, size_t len);
int clt_leg_fence(struct unbd_leg *base, char *why, size_t len);

#endif
