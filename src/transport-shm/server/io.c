// SPDX-License-Identifier: GPL-2.0
/*
 * Requests to the storage and back, and responses to the client.
 */
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "server.h"

enum shm_offset_unit srv_offset_unit = SHM_OFFSET_BLOCKS;

module_param_cb(offset_unit, &shm_param_offset_unit, &srv_offset_unit, 0444);
MODULE_PARM_DESC(offset_unit,
		 "what clients count offsets in: lba, 512 or bytes (default lba)");

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

/**
 * srv_tell_client() - have it look at what was written
 * @conn: connection
 */
void srv_tell_client(struct srv_conn *conn)
{
	if (!conn->untold)
		return;
	conn->untold = false;
	shm_region_notify(&conn->base.regions.response);
}

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
	/* With the last one on the list, the connection may go: see serve.c. */
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

static void start(struct srv_request *req)
{
	fill_io(req);
	go_on(req);
}

static void put_back(struct srv_request *req)
{
	struct srv_conn *conn = req->conn;

	srv_data_exit(req);
	conn->inflight--;
	req->next = conn->free;
	conn->free = req;
}

static void start_all(struct srv_request *list)
{
	struct srv_request *req;

	while ((req = list)) {
		list = req->next;
		if (req->conn->barrier)
			put_back(req);
		else
			start(req);
	}
}

/* The reverse of srv_take_request(); flushes may have waited for it. */
static void give_back(struct srv_request *req)
{
	struct srv_device *device = req->device;
	bool waited_for = srv_sync_counted(req);
	struct srv_request *list;

	put_back(req);
	while (unlikely(waited_for) && (list = srv_sync_due(device)))
		start_all(list);
}

/**
 * srv_flush() - flush a device when what was asked for before is over
 * @device: device that is open
 * @wire: what the client asks for; conn->free is not empty
 */
void srv_flush(struct srv_device *device, const struct shm_request *wire)
{
	struct srv_request *req = srv_take_request(device, wire);

	if (!srv_sync_waits(req))
		start(req);
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
	give_back(req);
}

/* Those that waited for room to copy */
static void feed(struct srv_conn *conn)
{
	struct srv_request *req;

	while ((req = srv_data_hungry(conn))) {
		if (conn->barrier)
			give_back(req);
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
 * srv_io_exit() - undo srv_io_init()
 * @conn: connection that does not serve
 */
void srv_io_exit(struct srv_conn *conn)
{
	srv_data_free(conn);
	kvfree(conn->requests);
	conn->requests = NULL;
}
