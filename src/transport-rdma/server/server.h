/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside unbd-rdma-server: what there is, who refers to whom, who locks what.
 *
 *	session	a client by its paths_uuid: the chunks that it writes its
 *		requests to, and the devices that it has open
 *	path	one way to that client: some RDMA connections from one address
 *		to one, with memory registrations of their own
 *	con	one of those connections. The first one, the service
 *		connection, carries heartbeats and, by custom, what is no I/O.
 *	device	what the client has opened; has an unbd_conn for it
 *	request	one for each chunk and path
 *
 * A path has an unbd_conn, too: it has nothing open, but shows who is there,
 * is counted, and can be closed.
 *
 * srv_mutex	which sessions and paths there are, which connections a path
 *		has, the order in which a device and a path meet; outside of
 *		the core's locks
 * open_mutex	of a session: opening and closing devices; outside of
 *		srv_mutex
 * con->lock	the send queue; any context
 *
 * Requests are taken in where their completions are found, in a soft interrupt:
 * from then on they count. Each connection has a work that looks at them and
 * submits them, which may have to wait for the storage's tags.
 *
 * What ends a path (srv_path_kill()) only queues its teardown, which lets go of
 * the adapter. The rest goes with the last request that comes back from the
 * storage; nobody waits for it.
 */
#ifndef UNBD_RDMA_SERVER_H
#define UNBD_RDMA_SERVER_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/percpu-refcount.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_cm.h>

#include <unbd/compat.h>
#include <unbd/target.h>

#include "rnbd-codec.h"
#include "rtrs-codec.h"
#include "transport-rdma/address.h"

/* As the kernel's server has it */
#define SRV_MAX_PATHS		128

/* Bytes of a chunk that are for headers */
#define SRV_HDR_SIZE		4096

/* Receives that are posted together */
#define SRV_RECV_BATCH		16

/* Receives beyond one for each chunk: heartbeats, and what a batch owes */
#define SRV_RECV_SPARE		(SRV_RECV_BATCH + 32)

/* Sends of answers; who finds the queue full waits for a completion. */
#define SRV_SEND_MAX		768

/* Sends beyond them: registrations, INFO_RSP, draining */
#define SRV_SEND_SPARE		64

/* Work requests of one answer: data, invalidation, immediate data */
#define SRV_REPLY_WRS		3

/* Room for one, and for a heartbeat: some clients take nothing else for one. */
#define SRV_REPLY_ROOM		(SRV_REPLY_WRS + 1)

/* A power of two and more than the send queue has batches, four */
#define SRV_BATCHES		8

/* Registrations that are posted together */
#define SRV_REG_BATCH		32

/*
 * Messages of a session that are obeyed at a time; they may have to wait for
 * storage, and other sessions' for a worker.
 */
#define SRV_MESSAGES		8

struct srv_request;

/**
 * struct srv_listener - an address that connection requests come to
 * @base: the core's part
 * @address: the same, taken apart
 * @id: of the connection manager; NULL when its device has gone, and while that
 *	is not known
 * @lost: it has gone since it was begun to listen
 * @ended: nobody shall listen any more
 * @again: listens when the device has come back
 */
struct srv_listener {
	struct unbd_listener base;
	struct unbd_rdma_address address;
	struct rdma_cm_id *id;
	bool lost;
	bool ended;
	struct delayed_work again;
};

/**
 * struct srv_session - a client
 * @entry: in the list of live or of dying sessions
 * @refs: one for each path and device
 * @uuid: paths_uuid
 * @dying: its last path has gone
 * @pool: sizes of the chunks
 * @chunks: their pages, physically contiguous
 * @slots: the request that has the chunk in use
 * @fence_lock: protects @fenced
 * @fenced: requests that wait for another path's use of their chunk to end
 * @fence: lets them go on
 * @message_lock: protects the next two
 * @messages: that wait until there are fewer than SRV_MESSAGES
 * @nr_messages: that are being obeyed
 * @paths: under srv_mutex
 * @nr_paths: how many
 * @name: what the client calls itself; "" until it has said so. Under
 *	srv_mutex, and does not change any more afterwards.
 * @open_mutex: see above
 * @devices: what is open, by device_id
 * @next_device: where the search for a free device_id begins
 * @news: counts the devices' sizes that were found changed
 */
struct srv_session {
	struct list_head entry;
	refcount_t refs;
	u8 uuid[RTRS_UUID_LEN];
	bool dying;
	struct rtrs_pool pool;
	struct page **chunks;
	struct srv_request **slots;
	spinlock_t fence_lock;		/* fenced */
	struct list_head fenced;
	struct work_struct fence;
	spinlock_t message_lock;	/* the next two */
	struct list_head messages;
	unsigned int nr_messages;
	struct list_head paths;
	unsigned int nr_paths;
	char name[RTRS_PATHNAME_LEN];
	struct mutex open_mutex;	/* opening and closing devices */
	struct xarray devices;
	u32 next_device;
	atomic_t news;
};

/**
 * struct srv_device - what a client has open
 * @base: the core's part
 * @session: whose
 * @refs: one of the device and one for each request
 * @killed: srv_device_kill() was called
 * @id: device_id
 * @mode: what it was opened for
 * @size: bytes, as it was when somebody looked last
 * @stable: what is written to it must not change meanwhile
 * @closed: completed when it is gone; under open_mutex
 * @remove: lets go of it when all requests have come back
 * @rcu: requests look it up under RCU
 * @name: as the client has given it
 */
struct srv_device {
	struct unbd_conn base;
	struct srv_session *session;
	struct percpu_ref refs;
	unsigned long killed;
	u32 id;
	enum unbd_access_mode mode;
	atomic64_t size;
	bool stable;
	struct completion *closed;
	struct work_struct remove;
	struct rcu_head rcu;
	char name[RNBD_DEV_NAME_LEN];
};

/**
 * struct srv_con - an RDMA connection
 * @path: whose
 * @cid: its number there
 * @id: of the connection manager
 * @cq: its completion queue
 * @recv_cqe: a request or a heartbeat has come
 * @send_cqe: answers have been sent
 * @recv_wrs: receives without memory, as a chain
 * @recv_owed: how many can be posted again; of the completion queue
 * @arrived: requests that have come, the last one first
 * @work: goes on with them
 *
 * @lock: protects what follows
 * @dead: nothing may be posted any more
 * @sq_free: room in the send queue
 * @sq_batch: sent since a completion was asked for
 * @sq_signal: ask for one when there are so many
 * @batches: sizes of the batches whose completions are awaited
 * @batch_head: next of them to be added
 * @batch_tail: next of them to complete
 * @deferred: requests whose answers found the queue full
 */
struct srv_con {
	struct srv_path *path;
	u16 cid;
	struct rdma_cm_id *id;
	struct ib_cq *cq;
	struct ib_cqe recv_cqe;
	struct ib_cqe send_cqe;
	struct ib_recv_wr recv_wrs[SRV_RECV_BATCH];
	unsigned int recv_owed;
	struct llist_head arrived;
	struct work_struct work;

	spinlock_t lock;		/* the send queue */
	bool dead;
	unsigned int sq_free;
	unsigned int sq_batch;
	unsigned int sq_signal;
	u16 batches[SRV_BATCHES];
	unsigned int batch_head;
	unsigned int batch_tail;
	struct list_head deferred;
};

/**
 * struct srv_path - a way to a client
 * @base: the core's part
 * @session: whose
 * @entry: in session->paths
 * @uuid: sess_uuid
 * @closing: srv_path_kill() was called
 * @fencing: it waits for the end of other paths
 * @live: INFO_RSP is on its way: requests may come
 * @sealed: no connection is added any more; under srv_mutex
 * @joined: it is one of @session's; likewise
 * @made: completed when whoever makes it is done with it
 * @refs: one of the path and one for each request
 * @teardown: after srv_path_kill()
 * @end: after the last of @refs
 * @dev: its RDMA device
 * @pd: protection domain
 * @dma: addresses of the chunks
 * @mrs: their registrations, each of as many chunks
 * @nr_mrs: how many
 * @requests: one for each chunk
 * @nr_cons: connections there will be
 * @first_vector: completion vector of the first for I/O; the others follow
 * @cons: those that are there
 *
 * @info_cqe: INFO_REQ has come
 * @info_buf: it
 * @info_dma: address of that
 * @info_len: bytes received
 * @info: answers it
 * @reg_cqe: chunks have been registered, or INFO_RSP was sent
 * @reg_done: likewise
 * @reg_error: and how
 *
 * @seen: jiffies when something came from the client
 * @heartbeat: asks for that when nothing does; a deadline before @live
 * @told: of session->news
 */
struct srv_path {
	struct unbd_conn base;
	struct srv_session *session;
	struct list_head entry;
	u8 uuid[RTRS_UUID_LEN];
	unsigned long closing;
	unsigned long fencing;
	bool live;
	bool sealed;
	bool joined;
	struct completion made;
	struct percpu_ref refs;
	struct work_struct teardown;
	struct work_struct end;
	struct ib_device *dev;
	struct ib_pd *pd;
	u64 *dma;
	struct ib_mr **mrs;
	unsigned int nr_mrs;
	struct srv_request *requests;
	unsigned int nr_cons;
	unsigned int first_vector;
	struct srv_con **cons;

	struct ib_cqe info_cqe;
	struct rtrs_msg_info_req *info_buf;
	u64 info_dma;
	u32 info_len;
	struct work_struct info;
	struct ib_cqe reg_cqe;
	struct completion reg_done;
	int reg_error;

	unsigned long seen;
	struct delayed_work heartbeat;
	u32 told;
};

/**
 * struct srv_request - a request of a client
 * @io: what the storage gets to see
 * @path: by which it came
 * @con: likewise
 * @id: its chunk
 * @busy: it is on its way
 * @off: where in the chunk the RTRS message is
 * @wire: what that says
 * @rnbd: and what RNBD's says
 * @device: it is for; NULL if none
 * @error: 0 or -errno
 * @reply_len: bytes of the chunk that are sent to the client
 * @bvec: the chunk's data
 * @copy: what the client cannot change any more, instead of @bvec
 * @nr_copy: pages in @copy
 * @type: of a message
 * @entry: in con->deferred, session->fenced or session->messages
 * @arrived: in con->arrived
 * @work: of a message, which may take long
 */
struct srv_request {
	struct unbd_io io;
	struct srv_path *path;
	struct srv_con *con;
	u32 id;
	unsigned long busy;
	u32 off;
	struct rtrs_request wire;
	struct rnbd_io rnbd;
	struct srv_device *device;
	int error;
	u32 reply_len;
	struct bio_vec bvec;
	struct bio_vec *copy;
	unsigned int nr_copy;
	int type;
	struct list_head entry;
	struct llist_node arrived;
	struct work_struct work;
};

static inline struct srv_listener *to_srv_listener(struct unbd_listener *base)
{
	return container_of(base, struct srv_listener, base);
}

static inline struct srv_path *to_srv_path(struct unbd_conn *base)
{
	return container_of(base, struct srv_path, base);
}

static inline struct srv_device *to_srv_device(struct unbd_conn *base)
{
	return container_of(base, struct srv_device, base);
}

static inline bool srv_path_closing(const struct srv_path *path)
{
	return test_bit(0, &path->closing);
}

static inline void *srv_chunk(const struct srv_session *session, u32 id)
{
	return page_address(session->chunks[id]);
}

/*
 * From here on in the order of the files: each calls what is declared above its
 * own, and nothing below.
 */

/* workqueues.c: where work is done that completions have no time for */
int srv_workqueues_create(void);
void srv_workqueues_destroy(void);
extern struct workqueue_struct *srv_control_wq;
extern struct workqueue_struct *srv_message_wq;
extern struct workqueue_struct *srv_io_wq;

/* memory.c: chunks, known to a path's device */
extern struct rtrs_pool srv_pool;
int srv_pool_init(void);
int srv_chunks_alloc(struct srv_session *session);
void srv_chunks_free(struct srv_session *session);
int srv_memory_map(struct srv_path *path);
void srv_memory_unmap(struct srv_path *path);
int srv_memory_register(struct srv_path *path);
void srv_memory_describe(struct srv_path *path, struct rtrs_sg_desc *desc);

/* drop.c: a path is to end, or its client is there */
void srv_path_kill(struct srv_path *path);
__printf(2, 3)
void srv_path_drop(struct srv_path *path, const char *fmt, ...);
void srv_path_seen(struct srv_path *path);

/* queue.c: what is posted to a connection */
void srv_con_post_recvs(struct srv_con *con, unsigned int nr);
void srv_con_post(struct srv_con *con, struct ib_send_wr *first,
		  struct ib_send_wr *last, unsigned int nr);
bool srv_con_heartbeat(struct srv_con *con, bool ack, u32 news);
void srv_con_go_on(struct srv_con *con, struct srv_request *req);

/* request.c: whose a chunk is */
void srv_request_release(struct srv_request *req);
void srv_request_forget(struct srv_request *req);
bool srv_request_claim(struct srv_request *req);
void srv_session_fence(struct work_struct *work);

/* reply.c: answers to requests */
void srv_request_reply(struct srv_request *req, int error);
void srv_con_send_done(struct ib_cq *cq, struct ib_wc *wc);

/* session.c: which clients there are */
extern struct mutex srv_mutex;
extern wait_queue_head_t srv_gone;
struct srv_session *srv_session_get(const struct rtrs_conn_params *params,
				    int *err);
void srv_session_put(struct srv_session *session);
struct srv_path *srv_path_find(const u8 *uuid);
void srv_session_die(struct srv_session *session);
bool srv_session_is_dying(const u8 *uuid);
void srv_something_gone(void);

/* device.c: what a client has open */
struct srv_device *srv_device_open(struct srv_path *path, const char *name,
				   enum unbd_access_mode mode,
				   struct unbd_export_info *info, int *err);
struct srv_device *srv_device_again(struct srv_session *session,
				    const char *name,
				    enum unbd_access_mode mode,
				    struct unbd_export_info *info, int *err);
void srv_device_wait(struct srv_session *session, const char *name);
struct srv_device *srv_device_get(struct srv_session *session, u32 id);
void srv_devices_look(struct srv_session *session);
void srv_device_kill(struct srv_device *device);
void srv_device_close(struct unbd_conn *base);

/* io.c: from a chunk to the storage, and back */
void srv_io_start(struct srv_request *req);
void srv_io_go_on(struct srv_request *req);

/* message.c: what a client says that is no I/O */
void srv_message_init(struct srv_request *req);
void srv_message_start(struct srv_request *req, int type);

/* recv.c: what a client sends */
void srv_request_init(struct srv_path *path);
void srv_con_recv_done(struct ib_cq *cq, struct ib_wc *wc);
void srv_con_work(struct work_struct *work);

/* con.c: connections come and go */
struct srv_con *srv_con_new(struct srv_path *path, struct rdma_cm_id *id,
			    u16 cid, int *err);
void srv_con_shut(struct srv_con *con);
void srv_con_free(struct srv_con *con);

/* path.c: from a client's first connection to the end */
struct srv_path *srv_path_new(const struct srv_listener *lst,
			      struct rdma_cm_id *id,
			      const struct rtrs_conn_params *params, int *err);
void srv_path_abandon(struct srv_path *path);
void srv_path_watch(struct srv_path *path);

/* listen.c: where clients come */
int srv_listen(struct unbd_listener *listener, char *why, size_t len);
void srv_unlisten(struct unbd_listener *listener);

#endif /* UNBD_RDMA_SERVER_H */
