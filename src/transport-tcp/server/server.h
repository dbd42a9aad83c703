/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside unbd-tcp-server: listeners, connections, requests, and who runs what.
 *
 * A connection is driven by one work at a time, so most of it needs no lock:
 *
 *	handshake	option haggling; on srv_control_wq, may wait for
 *			memory and for the core, never for the client
 *	io_work		the transmission; on srv_io_wq, on the CPU that the
 *			socket's packets arrive at
 *	teardown	after srv_conn_kill(): stops the others; on
 *			srv_teardown_wq, may wait for io_work, which may wait
 *			for the storage's queue
 *	finish		when the storage has given back all requests: lets go of
 *			everything; on srv_control_wq
 *
 * A request that needs the export's extents looks for them in its workers.
 * The storage's completions come from any context: they put requests on
 * conn->done and wake io_work. Nothing else is shared, except with mem.c's
 * pool, which has a lock of its own.
 */
#ifndef UNBD_TCP_SERVER_H
#define UNBD_TCP_SERVER_H

#include <linux/list.h>
#include <linux/llist.h>
#include <linux/refcount.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#include <unbd/compat.h>
#include <unbd/target.h>

#include "codec.h"
#include "transport-tcp/address.h"
#include "transport-tcp/sockaddr.h"
#include "transport-tcp/stream.h"

/* What one READ or WRITE may carry; "Size constraints" guarantees as much. */
#define SRV_MAX_PAYLOAD		NBD_DEFAULT_MAX_PAYLOAD

/* Memory that each connection has for itself, whatever the others do. */
#define SRV_RESERVE		(256u << 10)

/* Pieces that it keeps for its next requests, of SRV_RESERVE bytes at most */
#define SRV_KEPT_MAX		32

/* Received at once when requests without data are expected: 36 of them. */
#define SRV_RX_BUFFER		1024

/* Heads of replies that are sent at once. */
#define SRV_TX_BUFFER		1024

/* Runs of data and holes in one READ; behind the last of them all is data. */
#define SRV_MAX_RUNS		32

/* READs of at least this many bytes are looked at for holes. */
#define SRV_SPARSE_MIN		(16u << 10)

/* bio_vecs inside a request: with 32 KiB pieces enough for 128 KiB. */
#define SRV_INLINE_BVECS	4

/* The context id of base:allocation. */
#define SRV_ALLOCATION_ID	1

/**
 * struct srv_listener - a socket that connections come from
 * @base: the core's part
 * @sock: the socket
 * @data_ready: the socket's own callback
 * @accept: accepts what has come; delayed when resources were short
 */
struct srv_listener {
	struct unbd_listener base;
	struct socket *sock;
	void (*data_ready)(struct sock *sk);
	struct delayed_work accept;
};

/**
 * enum srv_phase - where a connection is in its life
 * @SRV_HANDSHAKE: options are haggled over
 * @SRV_LIVE: requests are served
 * @SRV_DRAINING: the client has said good-bye, its requests are finished
 * @SRV_LINGERING: all is sent; waits a moment for the client's end
 */
enum srv_phase {
	SRV_HANDSHAKE,
	SRV_LIVE,
	SRV_DRAINING,
	SRV_LINGERING,
};

/**
 * enum srv_rx - what the next bytes from the client are
 * @SRV_RX_HEAD: a request's header
 * @SRV_RX_MEMORY: the data of @rx_req, which has no memory yet
 * @SRV_RX_PAYLOAD: the data of @rx_req
 * @SRV_RX_SKIP: @rx_skip bytes that nobody wants
 */
enum srv_rx {
	SRV_RX_HEAD,
	SRV_RX_MEMORY,
	SRV_RX_PAYLOAD,
	SRV_RX_SKIP,
};

/**
 * enum srv_hs_step - what the next bytes are
 * @SRV_HS_FLAGS: the client's flags
 * @SRV_HS_OPTION: head of an option
 * @SRV_HS_DATA: data of an option
 * @SRV_HS_SKIP: data of an option that is answered with an error
 */
enum srv_hs_step {
	SRV_HS_FLAGS,
	SRV_HS_OPTION,
	SRV_HS_DATA,
	SRV_HS_SKIP,
};

/**
 * enum srv_hs_next - what is to be done when the replies have been sent
 * @SRV_HS_GO_ON: take the next option
 * @SRV_HS_LIVE: serve requests
 * @SRV_HS_FAREWELL: close
 */
enum srv_hs_next {
	SRV_HS_GO_ON,
	SRV_HS_LIVE,
	SRV_HS_FAREWELL,
};

/**
 * struct srv_handshake - a handshake under way
 * @step: see above
 * @next: see above
 * @fixed: the client understands replies to options
 * @no_zeroes: the client wants no padding
 * @opt: option that is being received or answered
 * @options: how many there were
 * @have: bytes of @need that have come
 * @need: bytes of this step
 * @error: NBD_REP_ERR_* to answer with after skipping
 * @head: flags or head of an option
 * @data: data of an option, NBD_OPTION_DATA_MAX bytes; allocated when needed
 * @meta_name: export that base:allocation was selected for, NULL if none
 * @out: replies
 * @out_size: bytes allocated
 * @out_len: bytes in use
 * @out_at: first byte that was not sent
 */
struct srv_handshake {
	enum srv_hs_step step;
	enum srv_hs_next next;
	bool fixed;
	bool no_zeroes;
	struct nbd_option opt;
	unsigned int options;
	u32 have;
	u32 need;
	u32 error;
	u8 head[sizeof(struct nbd_opt_header)];
	u8 *data;
	char *meta_name;
	u8 *out;
	u32 out_size;
	u32 out_len;
	u32 out_at;
};

struct srv_request;

/**
 * struct srv_conn - one client
 * @base: the core's part
 * @stream: its socket
 * @net: network namespace, held: a kernel socket does not hold it
 * @phase: see above; written by the work that drives the connection
 * @closing: srv_conn_kill() was called
 * @refs: one of the connection itself and one for each request that is away
 *	from io_work: at the storage or looking for extents
 * @teardown: see above
 * @finish: queued with the last of @refs
 * @deadline: ends a handshake or a farewell that takes too long; between the
 *	two it has io_work ask for memory again
 * @hs: state of the handshake, NULL afterwards
 * @params: what was agreed upon
 * @admitted: the core knows the connection
 * @sparse: READs are to show the export's holes
 * @maps: the export can tell its holes at all
 *
 * @watching: the client waits for another size than that in @watch
 * @watch_due: there is one, io_work answers
 * @watch: as it was asked for
 * @watch_work: looks at the size
 *
 * @io_task: the task that runs io_work, while it runs
 * @done: requests that the storage has finished
 * @nr_requests: requests from header to reply
 *
 * @rx: see enum srv_rx
 * @rx_ahead: requests without data are likely: receive many headers at once
 * @rx_at: first byte of @rx_buf that was not looked at
 * @rx_have: bytes in @rx_buf
 * @rx_skip: bytes to throw away
 * @rx_req: request whose data come next, also while those are skipped
 * @rx_iter: where in @rx_req the next data go
 * @ready: complete requests, about to be submitted
 * @nr_ready: how many, larger ones counted several times
 *
 * @tx: requests to be answered, in this order
 * @tx_req: the first of them while its data are due after @tx_buf
 * @tx_iter: those data
 * @tx_len: bytes in @tx_buf
 * @tx_at: first of them that was not sent
 *
 * @mem_held: payload bytes in memory
 * @mem_granted: what the pool has granted of it
 * @mem_share: of whose part of the pool, once something was wanted
 * @mem_wanted: what to grant next, while waiting for it
 * @kept_lock: the next three
 * @kept: memory for the next requests' data, which no request has
 * @nr_kept: pieces of it
 * @kept_bytes: their size
 * @mem_waiter: in the pool's list of those who wait
 * @mem_holder: in the pool's list of those who have some
 * @rx_unnoticed: bytes that it has sent of @rx_req since @rx_progress
 * @rx_progress: jiffies when the client last got on with its data
 * @tx_progress: jiffies when it last took something
 * @tx_blocked: it does not take its replies
 */
struct srv_conn {
	struct unbd_conn base;
	struct unbd_stream stream;
	struct net *net;
	enum srv_phase phase;
	unsigned long closing;
	refcount_t refs;
	struct work_struct teardown;
	struct work_struct finish;
	struct delayed_work deadline;

	struct work_struct handshake;
	struct srv_handshake *hs;
	struct nbd_session_params params;
	bool admitted;
	bool sparse;
	bool maps;

	bool watching;
	bool watch_due;
	struct nbd_request watch;
	struct delayed_work watch_work;

	struct work_struct io_work;
	struct task_struct *io_task;
	struct llist_head done;
	unsigned int nr_requests;

	enum srv_rx rx;
	bool rx_ahead;
	u32 rx_at;
	u32 rx_have;
	u32 rx_skip;
	struct srv_request *rx_req;
	struct iov_iter rx_iter;
	struct list_head ready;
	unsigned int nr_ready;

	struct list_head tx;
	struct srv_request *tx_req;
	struct iov_iter tx_iter;
	u32 tx_len;
	u32 tx_at;

	u64 mem_held;
	u64 mem_granted;
	struct srv_share *mem_share;
	u64 mem_wanted;
	spinlock_t kept_lock;		/* see above */
	struct page *kept[SRV_KEPT_MAX];
	unsigned int nr_kept;
	u32 kept_bytes;
	struct list_head mem_waiter;
	struct list_head mem_holder;
	u32 rx_unnoticed;
	unsigned long rx_progress;
	unsigned long tx_progress;
	bool tx_blocked;

	u8 rx_buf[SRV_RX_BUFFER];
	u8 tx_buf[SRV_TX_BUFFER];
};

/**
 * struct srv_run - a piece of a READ
 * @length: bytes
 * @hole: reads as zeroes and is not sent
 */
struct srv_run {
	u32 length;
	bool hole;
};

/**
 * struct srv_request - one request of a client
 * @io: what the storage gets to see
 * @conn: where it came from
 * @wire: as it was on the wire
 * @entry: in conn->ready or conn->tx
 * @done: in conn->done
 * @work: looks at the export's holes
 * @error: 0 or -errno
 * @refused: enum nbd_error if it never got as far as the storage
 * @charged: bytes taken from conn->mem_held
 * @nr_bvec: entries of @bvec that have pages
 * @bvec: pages of the data, or of the extents of a BLOCK_STATUS
 * @runs: pieces of a READ, NULL if it is one piece of data
 * @nr_runs: how many; for BLOCK_STATUS the number of extents
 * @run: the next one to be sent
 * @sent: bytes of the data that the runs before it had
 * @answered: the last chunk is on its way
 */
struct srv_request {
	struct unbd_io io;
	struct srv_conn *conn;
	struct nbd_request wire;
	struct list_head entry;
	struct llist_node done;
	struct work_struct work;
	int error;
	u32 refused;
	u32 charged;
	unsigned int nr_bvec;
	struct bio_vec *bvec;
	struct srv_run *runs;
	unsigned int nr_runs;
	unsigned int run;
	u32 sent;
	bool answered;
	struct bio_vec inline_bvec[SRV_INLINE_BVECS];
};

static inline struct srv_conn *to_srv_conn(struct unbd_conn *base)
{
	return container_of(base, struct srv_conn, base);
}

static inline struct srv_listener *to_srv_listener(struct unbd_listener *base)
{
	return container_of(base, struct srv_listener, base);
}

static inline bool srv_conn_closing(const struct srv_conn *conn)
{
	return test_bit(0, &conn->closing);
}

/*
 * From here on in the order of the files: each calls what is declared above its
 * own, and nothing below. What has to go up goes by a work or by the core.
 */

/*
 * workqueues.c: for handshakes, accepting and the end of connections, where
 * nothing waits for long; for stopping connections; and for the transmission.
 */
int srv_workqueues_create(void);
void srv_workqueues_destroy(void);
extern struct workqueue_struct *srv_control_wq;
extern struct workqueue_struct *srv_teardown_wq;
extern struct workqueue_struct *srv_io_wq;

/* phase.c: from one phase of a connection's life to the next */
void srv_conn_wake(struct srv_conn *conn);
void srv_conn_live(struct srv_conn *conn);
void srv_conn_farewell(struct srv_conn *conn);
void srv_conn_kill(struct srv_conn *conn);
__printf(2, 3)
void srv_conn_drop(struct srv_conn *conn, const char *fmt, ...);
void srv_conn_put(struct srv_conn *conn);

/* mem.c: how much memory clients' data may take */
void srv_mem_init(void);
void srv_mem_exit(void);
bool srv_mem_get(struct srv_conn *conn, u32 bytes);
void srv_mem_put(struct srv_conn *conn, u32 bytes);
void srv_mem_forget(struct srv_conn *conn);

/* request.c: a request's own life */
int srv_request_init(void);
void srv_request_exit(void);
struct srv_request *srv_request_new(struct srv_conn *conn,
				    const struct nbd_request *wire);
void srv_request_free(struct srv_request *req);
u32 srv_request_memory(u32 len);
int srv_request_alloc_pages(struct srv_request *req, u32 len);
void srv_request_forget_kept(struct srv_conn *conn);
bool srv_request_needs_pages(const struct srv_request *req);
void srv_request_submit(struct srv_request *req);

/* watch.c: clients that want to know when an export's size changes */
void srv_watch_init(struct srv_conn *conn);
void srv_watch_begin(struct srv_conn *conn, const struct nbd_request *wire);
void srv_watch_answer(struct srv_conn *conn);

/* send.c: replies on their way to the client */
int srv_send(struct srv_conn *conn);

/* io.c: requests are received, checked and submitted */
void srv_io_work(struct work_struct *work);
void srv_io_release(struct srv_conn *conn);

/* options.c: what the options of a handshake are answered with */
u8 *srv_hs_room(struct srv_handshake *hs, u32 len);
int srv_hs_refuse(struct srv_handshake *hs, u32 error, const char *text);
bool srv_option_known(u32 id);
int srv_option_answer(struct srv_conn *conn);

/* handshake.c: option haggling, step by step */
int srv_handshake_begin(struct srv_conn *conn);
void srv_handshake_drive(struct srv_conn *conn);
void srv_handshake_end(struct srv_conn *conn);

/* conn.c: a connection from accept to release */
void srv_conn_start(struct socket *sock, const struct unbd_target_ops *ops);

/* listen.c: sockets that clients connect to */
int srv_listen(struct unbd_listener *listener, char *why, size_t len);
void srv_unlisten(struct unbd_listener *listener);

#endif /* UNBD_TCP_SERVER_H */
