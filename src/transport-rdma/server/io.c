// SPDX-License-Identifier: GPL-2.0
/*
 * I/O: from a chunk to the storage, and back.
 *
 * A client can change its chunk at any time. Headers are copied once, checked
 * and used; data are the client's own affair, unless always_invalidate or the
 * storage says that it shall see something that stays as it is.
 */
#define pr_fmt(fmt) "unbd-rdma-server: " fmt

#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "server.h"

static bool srv_copy_writes;
module_param_named(always_invalidate, srv_copy_writes, bool, 0644);
MODULE_PARM_DESC(always_invalidate,
		 "do not trust clients with data that they have written: copy them before the storage sees them (default: N)");

static void srv_request_free_copy(struct srv_request *req)
{
	while (req->nr_copy)
		__free_page(req->copy[--req->nr_copy].bv_page);
	kfree(req->copy);
	req->copy = NULL;
}

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

/**
 * srv_io_start() - have I/O carried out
 * @req: with its chunk
 *
 * Process context. May wait for the storage's tags.
 */
void srv_io_start(struct srv_request *req)
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

/**
 * srv_io_go_on() - carry on with a write after its flush
 * @req: that wanted one
 *
 * Process context. May wait for the storage's tags.
 */
void srv_io_go_on(struct srv_request *req)
{
	srv_io_submit(req, UNBD_IO_WRITE);
}
