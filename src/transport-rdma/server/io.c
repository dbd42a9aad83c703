// SPDX-License-Identifier: GPL-2.0
/*
 * Requests: from a chunk to the storage, and to their answers.
 *
 * A client can change its chunk at any time. Headers are copied once, checked
 * and used; data are the client's own affair, unless always_invalidate or the
 * storage says that it shall see something that stays as it is.
 */
#define pr_fmt(fmt) "unbd-rdma-server: " fmt

#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "server.h"

static void srv_request_free_copy(struct srv_request *req)
{
	while (req->nr_copy)
		__free_page(req->copy[--req->nr_copy].bv_page);
	kfree(req->copy);
	req->copy = NULL;
}

/**
 * srv_request_release() - a request's chunk is the client's again
 * @req: not to be touched afterwards
 *
 * Any context, with a reference to the path.
 */
void srv_request_release(struct srv_request *req)
{
	struct srv_session *session = req->path->session;
	u32 id = req->id;

	clear_bit_unlock(0, &req->busy);
	/* A full barrier, against srv_request_wait(): one sees the other. */
	xchg(&session->slots[id], NULL);
	if (!list_empty_careful(&session->fenced))
		queue_work(srv_io_wq, &session->fence);
}

/**
 * srv_request_forget() - a request gets no answer, its path ends
 * @req: not to be touched afterwards
 */
void srv_request_forget(struct srv_request *req)
{
	struct srv_path *path = req->path;

	srv_request_release(req);
	percpu_ref_put(&path->refs);
}

/**
 * srv_request_reply() - a request has been carried out
 * @req: not to be touched afterwards
 * @error: 0 or -errno
 *
 * Any context.
 */
void srv_request_reply(struct srv_request *req, int error)
{
	struct srv_device *device = req->device;

	req->error = error;
	req->device = NULL;
	if (device)
		percpu_ref_put(&device->refs);
	srv_con_reply(req->con, req);
}

/* ------------------------------------------------------------------ */
/* I/O                                                                */

static void srv_io_done(struct unbd_io *io, int error)
{
	struct srv_request *req = container_of(io, struct srv_request, io);

	/* Of a write that wanted a flush before: it comes now. */
	if (io->op == UNBD_IO_FLUSH && req->rnbd.op == RNBD_OP_WRITE &&
	    !error) {
		srv_con_go_on(req->con, req);
		return;
	}
	srv_request_free_copy(req);
	/* Given up because the device is closed: it is to be asked for again. */
	if (error == -ESHUTDOWN)
		error = -ENOTCONN;
	srv_request_reply(req, error);
}

static const enum unbd_io_op srv_ops[] = {
	[RNBD_OP_READ] = UNBD_IO_READ,
	[RNBD_OP_WRITE] = UNBD_IO_WRITE,
	[RNBD_OP_FLUSH] = UNBD_IO_FLUSH,
	[RNBD_OP_DISCARD] = UNBD_IO_DISCARD,
	[RNBD_OP_SECURE_ERASE] = UNBD_IO_SECURE_ERASE,
	[RNBD_OP_WRITE_ZEROES] = UNBD_IO_WRITE_ZEROES,
};

static void srv_io_submit(struct srv_request *req, enum unbd_io_op op)
{
	struct unbd_io *io = &req->io;
	u32 flags = req->rnbd.flags;

	io->op = op;
	io->flags = 0;
	if (flags & RNBD_F_FUA && op != UNBD_IO_FLUSH && op != UNBD_IO_READ)
		io->flags |= UNBD_IO_FUA;
	if (flags & RNBD_F_NOUNMAP && op == UNBD_IO_WRITE_ZEROES)
		io->flags |= UNBD_IO_NO_UNMAP;
	io->offset = op == UNBD_IO_FLUSH ? 0 :
		req->rnbd.sector << SECTOR_SHIFT;
	io->length = op == UNBD_IO_FLUSH ? 0 : req->rnbd.bytes;
	io->bvec = req->copy ?: &req->bvec;
	io->nr_bvec = req->copy ? req->nr_copy : 1;
	io->done = srv_io_done;
	unbd_export_submit(&req->device->base, io);
}

/* What the storage sees shall stay what it is. */
static int srv_io_copy(struct srv_request *req)
{
	u32 nr = DIV_ROUND_UP(req->wire.data_len, PAGE_SIZE);
	const u8 *from = srv_chunk(req->path->session, req->id);
	u32 left = req->wire.data_len;
	struct page *page;
	u32 some;

	req->copy = kmalloc_array(nr, sizeof(*req->copy),
				  GFP_NOIO | __GFP_NOWARN);
	if (!req->copy)
		return -ENOMEM;
	for (; left; left -= some, from += some) {
		some = min_t(u32, left, PAGE_SIZE);
		page = alloc_page(GFP_NOIO | __GFP_NOWARN);
		if (!page) {
			srv_request_free_copy(req);
			return -ENOMEM;
		}
		memcpy(page_address(page), from, some);
		bvec_set_page(&req->copy[req->nr_copy++], page, some, 0);
	}
	return 0;
}

static int srv_io_prepare(struct srv_request *req)
{
	struct srv_session *session = req->path->session;
	const struct rnbd_io *rnbd = &req->rnbd;

	req->device = srv_device_get(session, rnbd->device_id);
	if (!req->device)
		return -ENOTCONN;
	if (rnbd->sector > U64_MAX >> SECTOR_SHIFT)
		return -EINVAL;
	if (rnbd->op == RNBD_OP_READ) {
		if (req->wire.desc_len < req->wire.data_len)
			return -EINVAL;
		req->reply_len = req->wire.data_len;
	}
	bvec_set_page(&req->bvec, session->chunks[req->id],
		      req->wire.data_len, 0);
	if (rnbd->op == RNBD_OP_WRITE &&
	    (req->device->stable || READ_ONCE(srv_copy_writes)))
		return srv_io_copy(req);
	return 0;
}

static void srv_io_start(struct srv_request *req)
{
	const struct rtrs_request *wire = &req->wire;
	const u8 *msg = srv_chunk(req->path->session, req->id);
	char why[UNBD_WHY_LEN];
	int err;

	err = rnbd_get_io(msg + wire->usr_off, wire->usr_len, wire->is_read,
			  wire->data_len, &req->rnbd, why, sizeof(why));
	if (err == -EPROTO) {
		srv_path_drop(req->path, "%s", why);
		srv_request_forget(req);
		return;
	}
	if (err)
		pr_debug("%s: %s\n", req->path->base.peer_name, why);
	else
		err = srv_io_prepare(req);
	if (err)
		srv_request_reply(req, err);
	else if (req->rnbd.op == RNBD_OP_WRITE &&
		 req->rnbd.flags & RNBD_F_PREFLUSH)
		srv_io_submit(req, UNBD_IO_FLUSH);
	else
		srv_io_submit(req, srv_ops[req->rnbd.op]);
}

/* ------------------------------------------------------------------ */
/* What has come                                                      */

/**
 * srv_request_init() - prepare a path's requests
 * @path: new
 */
void srv_request_init(struct srv_path *path)
{
	struct srv_request *req;
	u32 i;

	for (i = 0; i < srv_pool.queue_depth; i++) {
		req = &path->requests[i];
		req->path = path;
		req->id = i;
		INIT_LIST_HEAD(&req->entry);
		srv_message_init(req);
	}
}

/* Pairs with srv_path_let_go(): the adapter is there, or the path closes. */
static bool srv_request_sync(const struct srv_request *req)
{
	struct srv_path *path = req->path;
	bool closing;

	rcu_read_lock();
	closing = srv_path_closing(path);
	if (!closing)
		ib_dma_sync_single_for_cpu(path->dev, path->dma[req->id],
					   path->session->pool.chunk_size,
					   DMA_BIDIRECTIONAL);
	rcu_read_unlock();
	return !closing;
}

static void srv_request_look(struct srv_request *req)
{
	struct srv_path *path = req->path;
	struct srv_session *session = path->session;
	const u8 *chunk = srv_chunk(session, req->id);
	char why[UNBD_WHY_LEN];
	int err, type;

	if (!srv_request_sync(req)) {
		srv_request_forget(req);
		return;
	}
	req->reply_len = 0;
	err = rtrs_get_request(chunk, &session->pool, req->off, &req->wire,
			       why, sizeof(why));
	if (err) {
		srv_path_drop(path, "%s", why);
		srv_request_forget(req);
		return;
	}
	type = unbd_rnbd_get_type(chunk + req->wire.usr_off, req->wire.usr_len);
	if (type == RNBD_MSG_IO)
		srv_io_start(req);
	else
		srv_message_start(req, type);
}

/**
 * srv_request_run() - carry on with a request
 * @req: that has its chunk for itself; new, or a write after its flush
 *
 * Process context. May wait for the storage's tags.
 */
void srv_request_run(struct srv_request *req)
{
	if (req->device)
		srv_io_submit(req, UNBD_IO_WRITE);
	else
		srv_request_look(req);
}

/* Another path of the client has the chunk: see session.c. */
static bool srv_request_wait(struct srv_request *req)
{
	struct srv_session *session = req->path->session;
	unsigned long flags;
	bool wait = true;

	spin_lock_irqsave(&session->fence_lock, flags);
	list_add_tail(&req->entry, &session->fenced);
	/* It may have gone meanwhile, and not have seen us. */
	smp_mb();
	if (!cmpxchg(&session->slots[req->id], NULL, req)) {
		list_del_init(&req->entry);
		wait = false;
	}
	spin_unlock_irqrestore(&session->fence_lock, flags);
	return wait;
}

/**
 * srv_request_start() - a request has come
 * @con: by this connection
 * @imm: which, checked
 *
 * From the completion queue. It counts from now on: nothing that comes by
 * another path touches the chunk before it has been answered, and the path does
 * not end before.
 */
void srv_request_start(struct srv_con *con, const struct rtrs_imm *imm)
{
	struct srv_path *path = con->path;
	struct srv_request *req = &path->requests[imm->id];

	if (!percpu_ref_tryget_live(&path->refs))
		return;
	if (test_and_set_bit_lock(0, &req->busy)) {
		srv_path_drop(path, "chunk %u is used before it was answered",
			      imm->id);
		percpu_ref_put(&path->refs);
		return;
	}
	req->con = con;
	req->off = imm->off;
	if (cmpxchg(&path->session->slots[imm->id], NULL, req) &&
	    srv_request_wait(req))
		return;
	srv_con_go_on(con, req);
}
