// SPDX-License-Identifier: GPL-2.0
/*
 * A request's own life: memory for its data, its way to the storage and back.
 */
#include <linux/blkdev.h>
#include <linux/build_bug.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "server.h"

/*
 * Pieces that the page allocator keeps on lists for each CPU in newer kernels;
 * larger ones would save little and take its lock each time.
 */
#define SRV_PIECE_ORDER		PAGE_ALLOC_COSTLY_ORDER
#define SRV_PIECE_SIZE		((u32)PAGE_SIZE << SRV_PIECE_ORDER)

static struct kmem_cache *srv_request_cache;

static void srv_request_extents(struct work_struct *work);

/**
 * srv_request_init() - make requests possible
 *
 * Return: 0 or -ENOMEM.
 */
int srv_request_init(void)
{
	/* Or the longest request would take more than the pool grants. */
	BUILD_BUG_ON(SRV_MAX_PAYLOAD % SRV_PIECE_SIZE);

	srv_request_cache = KMEM_CACHE(srv_request, 0);
	return srv_request_cache ? 0 : -ENOMEM;
}

/**
 * srv_request_exit() - undo srv_request_init(); all have been freed
 */
void srv_request_exit(void)
{
	kmem_cache_destroy(srv_request_cache);
}

/**
 * srv_request_new() - begin a request
 * @conn: connection, from io_work
 * @wire: what was decoded
 *
 * Return: the request, or NULL when there is no memory.
 */
struct srv_request *srv_request_new(struct srv_conn *conn,
				    const struct nbd_request *wire)
{
	struct srv_request *req;

	req = kmem_cache_alloc(srv_request_cache, GFP_NOIO | __GFP_NOWARN);
	if (!req)
		return NULL;
	req->conn = conn;
	req->wire = *wire;
	INIT_WORK(&req->work, srv_request_extents);
	req->error = 0;
	req->refused = wire->error;
	req->charged = 0;
	req->nr_bvec = 0;
	req->bvec = req->inline_bvec;
	req->runs = NULL;
	req->nr_runs = 0;
	req->run = 0;
	req->sent = 0;
	req->answered = false;
	conn->nr_requests++;
	return req;
}

/*
 * Distributions' kernels fill each page with zeros before they hand it out,
 * which costs as much as copying the data. So a connection uses again what
 * held its own client's data before. The network may still have references
 * to a piece; it is not used as long as that is so.
 */
static struct page *srv_kept_take(struct srv_conn *conn, unsigned int order)
{
	struct page *page, *found = NULL;
	unsigned int i;

	/* Reads that look for holes get their memory beside io_work. */
	spin_lock(&conn->kept_lock);
	for (i = conn->nr_kept; i-- && !found; ) {
		page = conn->kept[i];
		if (compound_order(page) != order || page_ref_count(page) != 1)
			continue;
		conn->kept[i] = conn->kept[--conn->nr_kept];
		conn->kept_bytes -= PAGE_SIZE << order;
		found = page;
	}
	spin_unlock(&conn->kept_lock);
	return found;
}

static void srv_keep(struct srv_conn *conn, struct page *page)
{
	u32 bytes = PAGE_SIZE << compound_order(page);
	bool room;

	spin_lock(&conn->kept_lock);
	room = conn->nr_kept < SRV_KEPT_MAX &&
	       conn->kept_bytes + bytes <= SRV_RESERVE;
	if (room) {
		conn->kept[conn->nr_kept++] = page;
		conn->kept_bytes += bytes;
	}
	spin_unlock(&conn->kept_lock);
	if (!room)
		put_page(page);
}

/**
 * srv_request_forget_kept() - free the pages kept for a connection's requests
 * @conn: connection whose requests have all been freed
 *
 * Process context, of whoever is the last to use @conn; no lock is needed.
 */
void srv_request_forget_kept(struct srv_conn *conn)
{
	while (conn->nr_kept)
		put_page(conn->kept[--conn->nr_kept]);
	conn->kept_bytes = 0;
}

static void srv_request_free_pages(struct srv_request *req)
{
	unsigned int i;

	for (i = 0; i < req->nr_bvec; i++)
		srv_keep(req->conn, req->bvec[i].bv_page);
	if (req->bvec != req->inline_bvec)
		kvfree(req->bvec);
	req->bvec = req->inline_bvec;
	req->nr_bvec = 0;
}

/**
 * srv_request_free() - a request is answered or not wanted any more
 * @req: request that nobody else knows
 *
 * From the work that drives the connection.
 */
void srv_request_free(struct srv_request *req)
{
	struct srv_conn *conn = req->conn;

	srv_request_free_pages(req);
	if (req->charged)
		srv_mem_put(conn, req->charged);
	kfree(req->runs);
	conn->nr_requests--;
	kmem_cache_free(srv_request_cache, req);
}

/*
 * Large pieces only where they are at hand: with them storage and network have
 * less to do, but nobody has to be able to get one.
 */
static struct page *srv_alloc_piece(struct srv_conn *conn, u32 len,
				    unsigned int *order)
{
	const gfp_t gfp = GFP_NOIO | __GFP_NOWARN;
	struct page *page;

	*order = min_t(unsigned int, get_order(len), SRV_PIECE_ORDER);
	page = srv_kept_take(conn, *order);
	if (page)
		return page;
	if (*order) {
		page = alloc_pages((gfp & ~__GFP_DIRECT_RECLAIM) |
				   __GFP_NORETRY | __GFP_COMP, *order);
		if (page)
			return page;
		*order = 0;
	}
	return alloc_page(gfp);
}

/* Make room for @nr pieces. */
static int srv_request_grow_bvec(struct srv_request *req, unsigned int nr)
{
	struct bio_vec *bvec;

	bvec = kvmalloc_array(nr, sizeof(*bvec), GFP_KERNEL | __GFP_NOWARN);
	if (!bvec)
		return -ENOMEM;
	memcpy(bvec, req->bvec, req->nr_bvec * sizeof(*bvec));
	if (req->bvec != req->inline_bvec)
		kvfree(req->bvec);
	req->bvec = bvec;
	return 0;
}

/**
 * srv_request_memory() - what srv_request_alloc_pages() takes
 * @len: bytes of data
 *
 * Return: bytes of memory, the next multiple of a piece's size at most.
 */
u32 srv_request_memory(u32 len)
{
	u32 rest = len % SRV_PIECE_SIZE;

	return len - rest + (rest ? PAGE_SIZE << get_order(rest) : 0);
}

/**
 * srv_request_alloc_pages() - get memory for a request's data
 * @req: request without any
 * @len: bytes, more than 0
 *
 * Waits for memory, but not for I/O: the caller has said
 * memalloc_noio_save().
 *
 * Return: 0 or -ENOMEM, and no memory is held.
 */
int srv_request_alloc_pages(struct srv_request *req, u32 len)
{
	unsigned int room = SRV_INLINE_BVECS;
	unsigned int order;
	struct page *page;
	u32 got = 0;

	if (DIV_ROUND_UP(len, SRV_PIECE_SIZE) > room) {
		room = DIV_ROUND_UP(len, SRV_PIECE_SIZE);
		if (srv_request_grow_bvec(req, room))
			return -ENOMEM;
	}
	while (got < len) {
		page = srv_alloc_piece(req->conn, len - got, &order);
		if (!page)
			goto no_memory;
		if (req->nr_bvec == room) {
			/* Memory is fragmented: then all by single pages. */
			room += DIV_ROUND_UP(len - got, PAGE_SIZE);
			if (srv_request_grow_bvec(req, room)) {
				__free_pages(page, order);
				goto no_memory;
			}
		}
		bvec_set_page(&req->bvec[req->nr_bvec++], page,
			      min_t(u32, len - got, PAGE_SIZE << order), 0);
		got += min_t(u32, len - got, PAGE_SIZE << order);
	}
	return 0;

no_memory:
	srv_request_free_pages(req);
	return -ENOMEM;
}

static void srv_request_done(struct srv_request *req, int error)
{
	struct srv_conn *conn = req->conn;

	req->error = error;
	/* io_work itself looks when it comes back from submitting. */
	if (llist_add(&req->done, &conn->done) &&
	    !(in_task() && READ_ONCE(conn->io_task) == current))
		srv_conn_wake(conn);
	srv_conn_put(conn);
}

static void srv_request_io_done(struct unbd_io *io, int error)
{
	srv_request_done(container_of(io, struct srv_request, io), error);
}

static void srv_request_start_io(struct srv_request *req)
{
	static const enum unbd_io_op ops[] = {
		[NBD_CMD_READ] = UNBD_IO_READ,
		[NBD_CMD_WRITE] = UNBD_IO_WRITE,
		[NBD_CMD_FLUSH] = UNBD_IO_FLUSH,
		[NBD_CMD_TRIM] = UNBD_IO_DISCARD,
		[NBD_CMD_CACHE] = UNBD_IO_PREFETCH,
		[NBD_CMD_WRITE_ZEROES] = UNBD_IO_WRITE_ZEROES,
	};
	struct unbd_io *io = &req->io;

	io->op = ops[req->wire.cmd];
	io->flags = 0;
	if (req->wire.flags & NBD_CMD_FLAG_FUA)
		io->flags |= UNBD_IO_FUA;
	if (req->wire.flags & NBD_CMD_FLAG_NO_HOLE)
		io->flags |= UNBD_IO_NO_UNMAP;
	if (req->wire.flags & NBD_CMD_FLAG_FAST_ZERO)
		io->flags |= UNBD_IO_FAST_ONLY;
	io->offset = req->wire.offset;
	io->length = req->wire.length;
	io->bvec = req->bvec;
	io->nr_bvec = req->nr_bvec;
	io->done = srv_request_io_done;
	unbd_export_submit(&req->conn->base, io);
}

/*
 * Ask the export for the next run at @offset. What it cannot tell is data.
 */
static int srv_next_extent(struct srv_request *req, u64 offset, u64 length,
			   struct unbd_extent *extent)
{
	struct srv_conn *conn = req->conn;
	int err;

	extent->length = length;
	extent->hole = false;
	extent->zero = false;
	if (!conn->maps)
		return 0;
	if (srv_conn_closing(conn))
		return -ESHUTDOWN;
	err = unbd_export_extent(&conn->base, offset, length, extent);
	if (err == -EOPNOTSUPP)
		return 0;
	if (!err && (!extent->length || extent->length > length))
		return -EIO;
	return err;
}

/* Find the holes of a READ. Whatever goes wrong: then all of it is data. */
static bool srv_read_find_runs(struct srv_request *req)
{
	u64 offset = req->wire.offset;
	u32 left = req->wire.length;
	struct unbd_extent extent;
	struct srv_run *run = NULL;
	bool data = false;

	req->runs = kmalloc_array(SRV_MAX_RUNS, sizeof(*run),
				  GFP_NOIO | __GFP_NOWARN);
	if (!req->runs)
		return true;
	while (left) {
		if (srv_next_extent(req, offset, left, &extent)) {
			extent.length = left;
			extent.zero = false;
		}
		if (!run || run->hole != extent.zero) {
			if (req->nr_runs == SRV_MAX_RUNS - 1) {
				extent.length = left;
				extent.zero = false;
			}
			run = &req->runs[req->nr_runs++];
			run->hole = extent.zero;
			run->length = 0;
		}
		run->length += extent.length;
		data |= !run->hole;
		offset += extent.length;
		left -= extent.length;
	}
	return data;
}

static void srv_read_sparse(struct srv_request *req)
{
	if (!srv_read_find_runs(req))
		srv_request_done(req, 0);
	else if (srv_request_alloc_pages(req, req->wire.length))
		srv_request_done(req, -ENOMEM);
	else
		srv_request_start_io(req);
}

static u32 srv_extent_state(const struct unbd_extent *extent)
{
	return (extent->hole ? NBD_STATE_HOLE : 0) |
	       (extent->zero ? NBD_STATE_ZERO : 0);
}

/* Fill a page with the answer to BLOCK_STATUS; it may end before the request. */
static int srv_block_status_fill(struct srv_request *req, void *buf)
{
	enum nbd_header_style headers = req->conn->params.headers;
	u32 size = nbd_extent_size(headers);
	u32 room = req->wire.flags & NBD_CMD_FLAG_REQ_ONE ?
		   1 : PAGE_SIZE / size;
	u64 offset = req->wire.offset;
	u64 left = req->wire.length;
	struct unbd_extent extent;
	u64 run = 0;
	u32 state = 0;
	int err;

	for (; left; left -= extent.length, offset += extent.length) {
		err = srv_next_extent(req, offset, left, &extent);
		if (err)
			return run ? 0 : err;
		if (!run || state != srv_extent_state(&extent)) {
			if (req->nr_runs == room)
				return 0;
			state = srv_extent_state(&extent);
			req->nr_runs++;
			buf += run ? size : 0;
			run = 0;
		}
		run += extent.length;
		nbd_put_extent(buf, headers, run, state);
	}
	return 0;
}

static void srv_block_status(struct srv_request *req)
{
	struct page *page = alloc_page(GFP_NOIO | __GFP_NOWARN);
	int err;

	if (!page) {
		srv_request_done(req, -ENOMEM);
		return;
	}
	err = srv_block_status_fill(req, page_address(page));
	bvec_set_page(&req->bvec[0], page, req->nr_runs *
		      nbd_extent_size(req->conn->params.headers), 0);
	req->nr_bvec = 1;
	srv_request_done(req, err);
}

static void srv_request_extents(struct work_struct *work)
{
	struct srv_request *req = container_of(work, struct srv_request, work);
	unsigned int noio = memalloc_noio_save();

	if (req->wire.cmd == NBD_CMD_READ)
		srv_read_sparse(req);
	else
		srv_block_status(req);
	memalloc_noio_restore(noio);
}

/*
 * Small READs are mostly random ones into data: looking for holes first would
 * cost them more than it could save.
 */
static bool srv_request_wants_runs(const struct srv_request *req)
{
	return req->conn->sparse && req->wire.length >= SRV_SPARSE_MIN &&
	       !(req->wire.flags & NBD_CMD_FLAG_DF);
}

/**
 * srv_request_needs_pages() - is memory for the data needed before submitting?
 * @req: request
 */
bool srv_request_needs_pages(const struct srv_request *req)
{
	if (req->wire.cmd == NBD_CMD_READ)
		return !srv_request_wants_runs(req);
	return req->wire.cmd == NBD_CMD_WRITE;
}

/**
 * srv_request_submit() - hand a request to the storage
 * @req: request with all its data; comes back by conn->done
 *
 * From io_work. May wait for a tag of the storage.
 */
void srv_request_submit(struct srv_request *req)
{
	refcount_inc(&req->conn->refs);
	if (req->wire.cmd == NBD_CMD_BLOCK_STATUS ||
	    (req->wire.cmd == NBD_CMD_READ && srv_request_wants_runs(req)))
		unbd_export_queue(&req->conn->base, &req->work);
	else
		srv_request_start_io(req);
}
