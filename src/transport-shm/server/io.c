// SPDX-License-Identifier: GPL-2.0
/*
 * The work of a connection's thread: requests to the storage, and responses to
 * the client.
 */
#define pr_fmt(fmt) "unbd-shm-server: " fmt

#include <linux/delay.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "server.h"

/* Requests that are taken before the responses get their turn */
#define MOST_AT_ONCE	64

struct workqueue_struct *srv_io_wq;

/**
 * srv_respond() - write a response
 * @conn: connection
 * @wire: the request
 * @status: depends on its kind
 */
void srv_respond(struct srv_conn *conn, const struct shm_request *wire,
		 u64 status)
{
	struct shm_response rp = {
		.kind = wire->kind,
		.device = wire->device,
		.tag = wire->tag,
		.status = status,
	};
	struct muenblock_response element;

	srv_pack_response(&element, &rp);
	shm_writer_put(&conn->writer, &element);
	conn->untold = true;
}

static void tell_client(struct srv_conn *conn)
{
	if (!conn->untold)
		return;
	conn->untold = false;
	shm_region_notify(&conn->base.regions.response);
}

/* ------------------------------------------------------------------ */
/* To the storage and back                                            */

/* In any context. The thread itself need not be woken. */
static void io_done(struct unbd_io *io, int error)
{
	struct srv_request *req = container_of(io, struct srv_request, io);
	struct srv_conn *conn = req->conn;
	struct shm_thread *thread = &conn->thread;

	req->error = error;
	if (in_task() && current == thread->task) {
		llist_add(&req->node, &conn->done);
		return;
	}
	/* With the last one on the list, the connection may go: see stop. */
	rcu_read_lock();
	if (llist_add(&req->node, &conn->done))
		shm_thread_kick(thread);
	rcu_read_unlock();
}

/**
 * srv_take_request() - make a request of what a client asks for
 * @device: device that is open
 * @wire: what the client asks for; conn->free is not empty
 *
 * It ends when its io.done is called.
 */
struct srv_request *srv_take_request(struct srv_device *device,
				     const struct shm_request *wire)
{
	struct srv_conn *conn = device->conn;
	struct srv_request *req = conn->free;

	conn->free = req->next;
	req->io.done = io_done;
	req->device = device;
	req->wire = *wire;
	req->left = 0;
	req->generation = SRV_NO_GENERATION;
	conn->inflight++;
	return req;
}

/**
 * srv_give_back_request() - the reverse of srv_take_request()
 * @req: request that is over
 */
void srv_give_back_request(struct srv_request *req)
{
	struct srv_conn *conn = req->conn;

	srv_data_exit(req);
	srv_sync_counted(req);
	conn->inflight--;
	req->next = conn->free;
	conn->free = req;
}

/* Because its device is closed; the client will ask for it again. */
static bool given_up(const struct srv_request *req)
{
	return req->error == -ESHUTDOWN;
}

static enum unbd_io_op op_of(u16 kind)
{
	switch (kind) {
	case MUENBLOCK_READ:
		return UNBD_IO_READ;
	case MUENBLOCK_WRITE:
		return UNBD_IO_WRITE;
	case MUENBLOCK_DISCARD:
		return UNBD_IO_DISCARD;
	default:
		return UNBD_IO_FLUSH;
	}
}

static void fill_io(struct srv_request *req)
{
	struct unbd_io *io = &req->io;

	io->op = op_of(req->wire.kind);
	io->offset = 0;
	io->length = 0;
	io->bvec = NULL;
	io->nr_bvec = 0;
	if (io->op == UNBD_IO_FLUSH)
		return;
	/* The request has been checked. */
	srv_byte_offset(req->wire.offset, req->device->block,
			srv_offset_unit, &io->offset);
	io->length = req->wire.length;
	if (io->op != UNBD_IO_DISCARD)
		req->left = req->wire.length;
}

/* With its next piece, if it has data. The thread has others to answer. */
static void go_on(struct srv_request *req)
{
	req->io.flags = UNBD_IO_NOWAIT;
	if (!req->left || srv_data_next(req))
		unbd_export_submit(&req->device->base, &req->io);
}

/**
 * srv_io_wait() - submit what had to wait
 * @work: of the device
 */
void srv_io_wait(struct work_struct *work)
{
	struct srv_device *device = container_of(work, struct srv_device, work);
	struct llist_node *list = llist_del_all(&device->waiting);
	struct srv_request *req, *next;

	list = llist_reverse_order(list);
	llist_for_each_entry_safe(req, next, list, node)
		unbd_export_submit(&device->base, &req->io);
}

static void wait_for_room(struct srv_request *req)
{
	struct srv_device *device = req->device;

	req->io.flags = 0;
	if (llist_add(&req->node, &device->waiting))
		queue_work(srv_io_wq, &device->work);
}

/**
 * srv_start() - hand a request to the storage
 * @req: request that was checked
 */
void srv_start(struct srv_request *req)
{
	fill_io(req);
	go_on(req);
}

/* Of what does not fit nothing is done, though it is done in pieces. */
static bool fits(struct srv_request *req)
{
	struct unbd_export_info info;

	if (req->left <= SRV_PIECE_PAGES * PAGE_SIZE)
		return true;
	unbd_export_current(&req->device->base, &info);
	return req->io.offset <= info.size &&
	       req->left <= info.size - req->io.offset;
}

/**
 * srv_submit() - hand a client's request to the storage
 * @device: device that is open
 * @wire: request that was checked; conn->free is not empty
 */
void srv_submit(struct srv_device *device, const struct shm_request *wire)
{
	struct srv_request *req = srv_take_request(device, wire);

	srv_sync_count(req);
	fill_io(req);
	if (likely(fits(req)))
		go_on(req);
	else
		io_done(&req->io, -EINVAL);
}

static void end(struct srv_request *req)
{
	struct srv_conn *conn = req->conn;

	if (unlikely(req->error == -EAGAIN) && !conn->barrier) {
		wait_for_room(req);
		return;
	}
	srv_data_came(req);
	if (req->left && !req->error && !conn->barrier) {
		go_on(req);
		return;
	}
	if (!conn->barrier && !given_up(req))
		srv_respond(conn, &req->wire, srv_status_of_error(req->error));
	srv_give_back_request(req);
}

/* Those that waited for room to copy */
static void feed(struct srv_conn *conn)
{
	struct srv_request *req;

	while ((req = srv_data_hungry(conn))) {
		if (conn->barrier)
			srv_give_back_request(req);
		else
			go_on(req);
	}
}

/**
 * srv_reap() - answer what has come back from the storage
 * @conn: connection
 *
 * Return: whether there was anything.
 */
bool srv_reap(struct srv_conn *conn)
{
	struct llist_node *list = llist_del_all(&conn->done);
	struct srv_request *req, *next;

	if (!list)
		return false;
	list = llist_reverse_order(list);
	llist_for_each_entry_safe(req, next, list, node)
		end(req);
	feed(conn);
	return true;
}

/* ------------------------------------------------------------------ */
/* The thread                                                         */

static void set_barrier(struct srv_conn *conn, enum srv_barrier barrier)
{
	conn->barrier = barrier;
	conn->refused = false;
}

static void client_came(struct srv_conn *conn)
{
	pr_info_ratelimited("shm:%u: a client has %s\n", conn->base.option.id,
			    conn->present ? "begun anew" : "come");
	srv_devices_hurry(conn);
	conn->present = true;
	conn->begun = true;
	set_barrier(conn, SRV_RESTART);
}

static void client_went(struct srv_conn *conn)
{
	if (conn->present)
		pr_info_ratelimited("shm:%u: the client has gone\n",
				    conn->base.option.id);
	srv_devices_hurry(conn);
	if (conn->present || conn->refused)
		set_barrier(conn, SRV_GONE);
	conn->present = false;
}

static void refuse_client(struct srv_conn *conn)
{
	const struct shm_stream_header *h = conn->reader.header;

	if (conn->refused)
		return;
	client_went(conn);
	conn->refused = true;
	pr_warn_ratelimited("shm:%u: a client's channel is of another kind: transport %#llx, protocol %#llx, %llu elements of %llu bytes\n",
			    conn->base.option.id,
			    (u64)READ_ONCE(h->transport),
			    (u64)READ_ONCE(h->protocol),
			    (u64)READ_ONCE(h->elements),
			    (u64)READ_ONCE(h->size));
}

/*
 * A client of ours that was here before this server has yet to see that there
 * is another one. What it asks for until then it takes for lost, and may have
 * sent another way.
 */
static bool passed_over(struct srv_conn *conn, const struct shm_request *rq)
{
	if (rq->kind == MUENBLOCK_RESET)
		conn->begun = true;
	return !conn->begun && shm_reader_of_ours(&conn->reader);
}

/* Others do not begin an epoch for this server. */
static void greet(struct srv_conn *conn)
{
	if (conn->present)
		return;
	conn->present = true;
	srv_devices_open(conn);
}

/* Returns whether to go on reading. */
static bool read_one(struct srv_conn *conn)
{
	struct muenblock_request element;
	struct shm_request rq;

	switch (shm_reader_get(&conn->reader, &element)) {
	case SHM_READ_OK:
		srv_unpack_request(&rq, &element);
		if (passed_over(conn, &rq))
			return true;
		greet(conn);
		srv_handle_request(conn, &rq);
		return true;
	case SHM_READ_RESTARTED:
		client_came(conn);
		return true;
	case SHM_READ_INACTIVE:
		client_went(conn);
		return false;
	case SHM_READ_INCOMPATIBLE:
		refuse_client(conn);
		return false;
	case SHM_READ_OVERRUN:
		pr_warn_ratelimited("shm:%u: the client has overrun its channel, requests are lost\n",
				    conn->base.option.id);
		return true;
	default:
		return false;
	}
}

static bool read_requests(struct srv_conn *conn)
{
	unsigned int i;

	for (i = 0; i < MOST_AT_ONCE; i++) {
		if (conn->barrier && !conn->inflight)
			srv_pass_barrier(conn);
		/* A client that goes does not have to wait for the storage. */
		if (conn->barrier || !conn->free)
			break;
		if (!read_one(conn))
			break;
	}
	return i;
}

/* What a client wrote before is passed over. It sees the new epoch. */
static void begin_epoch(struct srv_conn *conn)
{
	shm_writer_deactivate(&conn->writer);
	shm_reader_drain(&conn->reader);
	shm_writer_activate(&conn->writer, conn->base.option.response_protocol,
			    shm_epoch_of_ours(get_random_u32()));
	conn->begun = false;
	shm_region_notify(&conn->base.regions.response);
}

static void begin_anew(struct srv_conn *conn)
{
	pr_info_ratelimited("shm:%u: a device is closed, the client has to connect again\n",
			    conn->base.option.id);
	set_barrier(conn, SRV_GONE);
	conn->present = false;
	begin_epoch(conn);
}

static struct srv_conn *conn_of_thread(struct shm_thread *thread)
{
	return container_of(thread, struct srv_conn, thread);
}

static bool srv_work(struct shm_thread *thread)
{
	struct srv_conn *conn = conn_of_thread(thread);
	bool busy;

	busy = srv_reap(conn);
	/* From a reset on it is beginning anew already. */
	if (!conn->barrier && srv_devices_are_closing(conn))
		begin_anew(conn);
	if (unlikely(READ_ONCE(conn->added)) && conn->present &&
	    xchg(&conn->added, false))
		srv_devices_open(conn);
	busy |= read_requests(conn);
	busy |= srv_reap(conn);
	tell_client(conn);
	return busy;
}

static bool srv_pending(struct shm_thread *thread)
{
	struct srv_conn *conn = conn_of_thread(thread);

	if (!llist_empty(&conn->done))
		return true;
	if (conn->barrier || !conn->free)
		return conn->barrier && !conn->inflight;
	return shm_reader_pending(&conn->reader);
}

static bool srv_busy(struct shm_thread *thread)
{
	return conn_of_thread(thread)->inflight;
}

static const struct shm_thread_ops srv_thread_ops = {
	.work = srv_work,
	.pending = srv_pending,
	.busy = srv_busy,
	.freezes = true,
};

/* ------------------------------------------------------------------ */
/* Beginning and end                                                  */

static int alloc_requests(struct srv_conn *conn)
{
	struct srv_request *req;
	unsigned int i;

	conn->requests = kvcalloc(SRV_REQUESTS, sizeof(*conn->requests),
				  GFP_KERNEL);
	if (!conn->requests)
		return -ENOMEM;
	for (i = 0; i < SRV_REQUESTS; i++) {
		req = &conn->requests[i];
		req->conn = conn;
		req->next = conn->free;
		conn->free = req;
	}
	return 0;
}

/**
 * srv_io_init() - prepare a connection whose regions are open
 * @conn: connection
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0 or -errno.
 */
int srv_io_init(struct srv_conn *conn, char *why, size_t len)
{
	struct shm_regions *r = &conn->base.regions;

	if (shm_writer_init(&conn->writer, r->response.addr, r->response.size,
			    sizeof(struct muenblock_response)) ||
	    shm_reader_init(&conn->reader, r->request.addr, r->request.size,
			    conn->base.option.request_protocol,
			    sizeof(struct muenblock_request)))
		return unbd_why(why, len, -EINVAL, "a channel is too small");
	init_llist_head(&conn->done);
	if (!alloc_requests(conn) && !srv_data_init(conn))
		return 0;
	srv_io_exit(conn);
	return unbd_why(why, len, -ENOMEM, "out of memory");
}

/**
 * srv_io_start() - begin to serve
 * @conn: connection
 *
 * The data that a client wrote for a server that was here before may no longer
 * be where it had them: it has to begin anew. Return: 0 or -errno.
 */
int srv_io_start(struct srv_conn *conn)
{
	int err;

	begin_epoch(conn);
	err = shm_thread_start(&conn->thread, &srv_thread_ops,
			       &conn->base.regions.request, "shmd",
			       conn->base.option.id);
	if (err)
		shm_writer_deactivate(&conn->writer);
	return err;
}

/**
 * srv_io_stop() - cease to serve
 * @conn: connection, started or not
 *
 * Waits for the storage, not for the client.
 */
void srv_io_stop(struct srv_conn *conn)
{
	shm_thread_stop(&conn->thread);
	shm_writer_deactivate(&conn->writer);
	shm_region_notify(&conn->base.regions.response);
	conn->barrier = SRV_GONE;
	while (srv_reap(conn) || conn->inflight)
		usleep_range(500, 1000);
	srv_devices_close(conn, true);
	/* Whoever completed the last request may not have left it yet. */
	synchronize_rcu();
}

/**
 * srv_io_exit() - undo srv_io_init()
 * @conn: connection that does not serve
 */
void srv_io_exit(struct srv_conn *conn)
{
	srv_data_free(conn);
	kvfree(conn->requests);
	conn->requests = NULL;
}
