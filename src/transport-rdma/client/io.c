// SPDX-License-Identifier: GPL-2.0
/*
 * Requests on their way: a slot, a header, registered memory, and the
 * completions that end them.
 *
 * A request is over when the server has answered, the adapter has let go of
 * what was sent, and the server cannot write to memory of ours any more. The
 * last one it says itself with SEND_WITH_INV; if it does not, we see to it.
 */
#include <linux/blk-mq.h>
#include <linux/delay.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "client.h"

/* So often, and with such pauses, a path looks for memory. */
#define MEMORY_TRIES	5
#define MEMORY_WAIT_MS	20

static void sent_done(struct ib_cq *cq, struct ib_wc *wc);
static void side_done(struct ib_cq *cq, struct ib_wc *wc);

/* ------------------------------------------------------------------ */
/* Memory                                                             */

static int init_io(struct clt_path *path, u32 id)
{
	unsigned int pages = path->max_io / CLT_MR_PAGE + 1;
	struct clt_io *io = &path->ios[id];
	struct ib_mr *mr;

	io->path = path;
	io->id = id;
	io->sg = path->sgs + (size_t)id * path->max_segments;
	io->sent.done = sent_done;
	io->side.done = side_done;
	io->hdr = kmalloc(CLT_HDR_LEN, GFP_KERNEL);
	if (!io->hdr)
		return -ENOMEM;
	io->hdr_addr = ib_dma_map_single(path->dev, io->hdr, CLT_HDR_LEN,
					 DMA_TO_DEVICE);
	if (ib_dma_mapping_error(path->dev, io->hdr_addr)) {
		kfree(io->hdr);
		io->hdr = NULL;
		return -ENOMEM;
	}
	mr = ib_alloc_mr(path->pd, IB_MR_TYPE_MEM_REG, pages);
	if (IS_ERR(mr))
		return PTR_ERR(mr);
	io->mr = mr;
	return 0;
}

static void exit_io(struct clt_path *path, u32 id)
{
	struct clt_io *io = &path->ios[id];

	if (io->mr)
		ib_dereg_mr(io->mr);
	if (!io->hdr)
		return;
	ib_dma_unmap_single(path->dev, io->hdr_addr, CLT_HDR_LEN,
			    DMA_TO_DEVICE);
	kfree(io->hdr);
}

/* With what a driver keeps for it; soft RoCE's takes the most. */
static size_t bytes_per_request(const struct clt_path *path)
{
	size_t queues = (path->nr_conns - 1) * CLT_SENDS_PER_IO *
		(256 + path->max_sge * sizeof(struct ib_sge));

	return queues + sizeof(*path->ios) + 2 * PAGE_SIZE +
		path->max_segments * sizeof(*path->sgs);
}

/* Bytes of @want that can be had without waiting. */
static size_t free_memory(size_t want)
{
	const gfp_t gfp = GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN;
	struct page *page, *next;
	LIST_HEAD(pages);
	size_t got = 0;

	while (got < want) {
		page = alloc_page(gfp);
		if (!page)
			break;
		list_add(&page->lru, &pages);
		got += PAGE_SIZE;
	}
	list_for_each_entry_safe(page, next, &pages, lru)
		__free_page(page);
	return got;
}

/**
 * clt_ios_affordable() - how many requests at a time is there memory for?
 * @path: path with its pool, limits and number of connections
 *
 * A machine that waits for its swap space has none until this path is back,
 * which so must not wait for any. With what there is, fewer requests at a time
 * go over the path; the least come from the kernel's reserves.
 *
 * May sleep. Return: not more than the server has chunks.
 */
u32 clt_ios_affordable(const struct clt_path *path)
{
	u32 nr = path->pool.queue_depth;
	size_t each = bytes_per_request(path), got = 0;
	int tries;

	/* kswapd is asked, and what is only cached comes soon. */
	for (tries = 0; tries < MEMORY_TRIES; tries++) {
		got = free_memory(nr * each);
		if (got >= nr * each)
			return nr;
		msleep(MEMORY_WAIT_MS);
	}
	/* Others take some of that meanwhile. */
	return min_t(size_t, nr, max_t(size_t, got / each / 2,
				       CLT_LEAST_DEPTH));
}

/**
 * clt_ios_alloc() - an io for each slot that is to be used
 * @path: path with its pool, limits, protection domain and nr_ios
 *
 * Return: 0 or -errno; clt_ios_free() is due in any case.
 */
int clt_ios_alloc(struct clt_path *path)
{
	u32 nr = path->nr_ios, id;
	int err = 0;

	path->chunks = kvcalloc(path->pool.queue_depth, sizeof(*path->chunks),
				GFP_KERNEL);
	path->sgs = kvcalloc((size_t)nr * path->max_segments,
			     sizeof(*path->sgs), GFP_KERNEL);
	path->ios = kvcalloc(nr, sizeof(*path->ios), GFP_KERNEL);
	if (!path->chunks || !path->sgs || !path->ios)
		return -ENOMEM;
	for (id = 0; id < nr && !err; id++)
		err = init_io(path, id);
	return err;
}

/**
 * clt_ios_free() - undo clt_ios_alloc()
 * @path: path without queue pairs
 */
void clt_ios_free(struct clt_path *path)
{
	u32 id;

	for (id = 0; path->ios && id < path->nr_ios; id++)
		exit_io(path, id);
	kvfree(path->ios);
	kvfree(path->sgs);
	kvfree(path->chunks);
	path->ios = NULL;
	path->sgs = NULL;
	path->chunks = NULL;
}

/* ------------------------------------------------------------------ */
/* From a slot to the queue                                           */

/**
 * clt_io_get() - take a slot and what belongs to it
 * @conn: connection that is to carry it
 * @leg: leg that it is for, NULL for a message
 *
 * Any context. Return: NULL if there is no slot, or no room on @conn.
 */
struct clt_io *clt_io_get(struct clt_conn *conn, struct clt_leg *leg)
{
	struct clt_path *path = conn->path;
	struct clt_io *io;
	int id;

	if (atomic_inc_return(&conn->inflight) > (int)conn->depth)
		goto full;
	id = leg ? clt_slot_get(path->session, leg) :
		clt_slot_get_message(path->session);
	if (id < 0)
		goto full;
	io = &path->ios[id];
	io->conn = conn;
	io->leg = leg;
	io->rq = NULL;
	io->message = NULL;
	io->mapped = 0;
	io->err = 0;
	/* Pairs with clt_ios_take_back(): whose it is shows before. */
	smp_store_release(&io->state, CLT_IO_FILLING);
	return io;
full:
	atomic_dec(&conn->inflight);
	return NULL;
}

static void unmap(struct clt_io *io)
{
	if (io->mapped)
		ib_dma_unmap_sg(io->path->dev, io->sg, io->nents, io->dir);
	io->mapped = 0;
}

/**
 * clt_io_free() - give an io back, and its slot
 * @io: io that is over, or was never posted
 */
void clt_io_free(struct clt_io *io)
{
	struct clt_session *session = io->path->session;
	struct clt_conn *conn = io->conn;
	u32 id = io->id;

	unmap(io);
	/* Pairs with clt_ios_busy(): who sees it free sees it finished. */
	smp_store_release(&io->state, CLT_IO_FREE);
	clt_slot_put(session, id);
	atomic_dec(&conn->inflight);
}

/**
 * clt_io_map() - let the adapter see an io's data
 * @io: with the data in io->sg and io->nents
 * @dir: DMA_TO_DEVICE for what is sent
 *
 * Return: 0 or -ENOMEM.
 */
int clt_io_map(struct clt_io *io, enum dma_data_direction dir)
{
	io->dir = dir;
	io->mapped = ib_dma_map_sg(io->path->dev, io->sg, io->nents, dir);
	return io->mapped ? 0 : -ENOMEM;
}

/**
 * clt_io_register() - prepare the registration of an io's memory
 * @io: mapped
 *
 * clt_io_post() will register it. Return: 0, or -EINVAL if it has gaps.
 */
int clt_io_register(struct clt_io *io)
{
	int n;

	ib_update_fast_reg_key(io->mr, ib_inc_rkey(io->mr->rkey));
	n = ib_map_mr_sg(io->mr, io->sg, io->mapped, NULL, CLT_MR_PAGE);
	if (n != io->mapped)
		return -EINVAL;
	io->registered = true;
	return 0;
}

static bool server_writes(const struct clt_io *io)
{
	return io->registered && io->dir == DMA_FROM_DEVICE;
}

static void fill_registration(struct clt_io *io, struct ib_reg_wr *reg,
			      struct ib_send_wr *next)
{
	*reg = (struct ib_reg_wr){
		.wr = {
			.next	= next,
			.wr_cqe	= &io->side,
			.opcode	= IB_WR_REG_MR,
		},
		.mr	= io->mr,
		.key	= io->mr->rkey,
	};
	if (server_writes(io))
		reg->access = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE;
}

/**
 * clt_io_post() - send a request
 * @io: filled
 * @sge: what to write into the chunk
 * @nr_sge: entries of @sge
 * @data_len: bytes of data, sent or wanted
 * @usr_len: length of the user header
 *
 * Process context. Return: 0, and there will be an answer or a broken path;
 * or -ESHUTDOWN, and the path is broken.
 */
int clt_io_post(struct clt_io *io, struct ib_sge *sge, unsigned int nr_sge,
		u32 data_len, u32 usr_len)
{
	struct clt_conn *conn = io->conn;
	struct clt_path *path = io->path;
	struct rtrs_chunk *chunk = &path->chunks[io->id];
	u32 imm = rtrs_imm_io_req(&path->pool, io->id, data_len + usr_len);
	/* What is written begins behind the room for what is read. */
	u32 skip = server_writes(io) ? data_len : 0;
	struct ib_rdma_wr wr = {
		.wr = {
			.wr_cqe		= &io->sent,
			.sg_list	= sge,
			.num_sge	= nr_sge,
			.opcode		= IB_WR_RDMA_WRITE_WITH_IMM,
			.send_flags	= IB_SEND_SIGNALED,
			.ex.imm_data	= cpu_to_be32(imm),
		},
		.remote_addr	= chunk->addr + skip,
		.rkey		= chunk->rkey,
	};
	struct ib_send_wr *first = &wr.wr;
	struct ib_reg_wr reg;
	int err;

	if (io->registered) {
		fill_registration(io, &reg, &wr.wr);
		first = &reg.wr;
	}
	io->pending = 2;
	/* Pairs with clt_io_answered(): it finds a complete io. */
	smp_store_release(&io->state, CLT_IO_POSTED);
	err = clt_conn_post(conn, first);
	if (unlikely(err)) {
		io->registered = false;
		clt_path_fail(path, err, "connection %u: cannot send",
			      conn->cid);
		/* Whatever the adapter says of it, the medium is not bad. */
		return -ESHUTDOWN;
	}
	return 0;
}

/* ------------------------------------------------------------------ */
/* Completions                                                        */

static void end_request(struct clt_io *io)
{
	struct request *rq = io->rq;
	int err = io->err;

	if (unlikely(err == -ENOTCONN)) {
		WRITE_ONCE(io->leg->closed, true);
		unbd_leg_closed(&io->leg->base, err,
				"the server does not know the device any more");
		/* It is taken back with the leg, which waits for us. */
		clt_io_free(io);
		return;
	}
	/* The memory is the request's until then, the io is ours after. */
	if (io->mapped)
		ib_dma_unmap_sg(io->path->dev, io->sg, io->nents, io->dir);
	io->mapped = 0;
	unbd_complete_request(rq, errno_to_blk_status(err));
	clt_io_free(io);
}

static void step(struct clt_io *io)
{
	if (--io->pending)
		return;
	if (io->message) {
		struct clt_message *message = io->message;
		int err = io->err;

		/* Whoever is woken may have waited for the slot. */
		clt_io_free(io);
		clt_message_done(message, err);
	} else {
		end_request(io);
	}
}

static void sent_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct clt_io *io = container_of(wc->wr_cqe, struct clt_io, sent);

	if (unlikely(wc->status != IB_WC_SUCCESS))
		clt_conn_wc_failed(wc->qp->qp_context, wc, "sending");
	else
		step(io);
}

/* Only an error, or the end of a registration that we had to invalidate */
static void side_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct clt_io *io = container_of(wc->wr_cqe, struct clt_io, side);

	if (unlikely(wc->status != IB_WC_SUCCESS)) {
		clt_conn_wc_failed(wc->qp->qp_context, wc,
				   "registering memory");
	} else {
		io->registered = false;
		step(io);
	}
}

static int invalidate(struct clt_io *io)
{
	struct ib_send_wr wr = {
		.wr_cqe			= &io->side,
		.opcode			= IB_WR_LOCAL_INV,
		.send_flags		= IB_SEND_SIGNALED,
		.ex.invalidate_rkey	= io->mr->rkey,
	};

	io->pending++;
	return ib_post_send(io->conn->qp, &wr, NULL);
}

/**
 * clt_io_answered() - the server has answered a request
 * @conn: connection that the answer came on
 * @id: slot, checked to be one of the server's
 * @err: 0 or -errno
 * @inv: the server says that it has invalidated our registration
 *
 * Context of the completion queue. Return: 0, or -EPROTO if nothing is in
 * flight there.
 */
int clt_io_answered(struct clt_conn *conn, u32 id, int err, bool inv)
{
	struct clt_io *io;

	if (id >= conn->path->nr_ios)
		return -EPROTO;
	io = &conn->path->ios[id];
	/* Pairs with clt_io_post(). */
	if (smp_load_acquire(&io->state) != CLT_IO_POSTED || io->conn != conn)
		return -EPROTO;
	WRITE_ONCE(io->state, CLT_IO_ANSWERED);
	io->err = err;
	if (io->registered && inv && conn->inv_seen &&
	    conn->inv_rkey == io->mr->rkey)
		io->registered = false;
	/* Keys come back: what was invalidated once tells of no later use. */
	conn->inv_seen = false;
	if (io->registered && invalidate(io)) {
		clt_path_fail(conn->path, -EIO,
			      "connection %u: cannot invalidate", conn->cid);
		return 0;
	}
	step(io);
	return 0;
}

static void take_back(struct clt_io *io)
{
	unmap(io);
	io->registered = false;
	clt_slot_rest(io->path, io->id);
	WRITE_ONCE(io->state, CLT_IO_FREE);
	atomic_dec(&io->conn->inflight);
}

/**
 * clt_ios_take_back() - end what the server may not be done with
 * @path: path that is stopped
 * @leg: whose requests to end, NULL for none
 *
 * Ends all messages, too: nobody will answer them. The block requests are the
 * caller's.
 */
void clt_ios_take_back(struct clt_path *path, struct clt_leg *leg)
{
	struct clt_message *message;
	struct clt_io *io;
	u32 id;

	for (id = 0; path->ios && id < path->nr_ios; id++) {
		io = &path->ios[id];
		/* Pairs with clt_io_get(), which others may be in still. */
		if (smp_load_acquire(&io->state) == CLT_IO_FREE)
			continue;
		message = io->message;
		if (!message && io->leg != leg)
			continue;
		take_back(io);
		if (message)
			clt_message_done(message, -ECONNRESET);
	}
}

/**
 * clt_ios_busy() - has a leg requests in flight?
 * @path: path that is connected
 * @leg: its leg
 */
bool clt_ios_busy(struct clt_path *path, struct clt_leg *leg)
{
	struct clt_io *io;
	u32 id;

	for (id = 0; id < path->nr_ios; id++) {
		io = &path->ios[id];
		/* Pairs with clt_io_free(). */
		if (smp_load_acquire(&io->state) != CLT_IO_FREE &&
		    READ_ONCE(io->leg) == leg)
			return true;
	}
	return false;
}
