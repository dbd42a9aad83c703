// SPDX-License-Identifier: GPL-2.0
/*
 * Chunks: what a client writes its requests to.
 *
 * They are the session's; each path's device has them mapped and registered
 * for itself. A registration covers as many chunks as the device can, so most
 * devices need few. It stays for the life of the path: what a client may do to
 * a chunk while the storage reads it is a matter of trust, see
 * always_invalidate.
 */
#define pr_fmt(fmt) "unbd-rdma-server: " fmt

#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "server.h"

static unsigned int sess_queue_depth = 512;
module_param(sess_queue_depth, uint, 0444);
MODULE_PARM_DESC(sess_queue_depth,
		 "requests of one client that are served at a time (default: 512)");

static unsigned int max_chunk_size = SZ_128K;
module_param(max_chunk_size, uint, 0444);
MODULE_PARM_DESC(max_chunk_size,
		 "bytes of memory for each of them, a power of two; 4 KiB are for headers (default: 131072)");

/* What every client is offered */
struct rtrs_pool srv_pool;

/**
 * srv_pool_init() - look at the parameters
 *
 * Return: 0, or -EINVAL and the log says why.
 */
int srv_pool_init(void)
{
	char why[UNBD_WHY_LEN];
	int err;

	if (!is_power_of_2(max_chunk_size) || max_chunk_size < SZ_8K ||
	    max_chunk_size > SZ_4M || max_chunk_size < PAGE_SIZE) {
		pr_err("max_chunk_size=%u: a power of two from 8 KiB to 4 MiB is expected\n",
		       max_chunk_size);
		return -EINVAL;
	}
	err = unbd_rtrs_pool_init(&srv_pool, sess_queue_depth,
				  max_chunk_size - SRV_HDR_SIZE, SRV_HDR_SIZE,
				  false, why, sizeof(why));
	if (err) {
		pr_err("sess_queue_depth=%u max_chunk_size=%u: %s\n",
		       sess_queue_depth, max_chunk_size, why);
		return -EINVAL;
	}
	return 0;
}

/**
 * srv_chunks_free() - free a session's chunks
 * @session: which no path has mapped
 */
void srv_chunks_free(struct srv_session *session)
{
	unsigned int order = get_order(session->pool.chunk_size);
	u32 i;

	if (!session->chunks)
		return;
	for (i = 0; i < session->pool.queue_depth && session->chunks[i]; i++)
		__free_pages(session->chunks[i], order);
	kvfree(session->chunks);
	session->chunks = NULL;
}

/**
 * srv_chunks_alloc() - give a session its chunks
 * @session: new
 *
 * Return: 0 or -ENOMEM, and srv_chunks_free() takes back what there is.
 */
int srv_chunks_alloc(struct srv_session *session)
{
	const gfp_t gfp = GFP_NOIO | __GFP_ZERO | __GFP_COMP | __GFP_NOWARN |
		__GFP_RETRY_MAYFAIL;
	unsigned int order = get_order(session->pool.chunk_size);
	u32 i;

	session->chunks = kvcalloc(session->pool.queue_depth,
				   sizeof(*session->chunks), GFP_KERNEL);
	if (!session->chunks)
		return -ENOMEM;
	for (i = 0; i < session->pool.queue_depth; i++) {
		session->chunks[i] = alloc_pages(gfp, order);
		if (!session->chunks[i])
			return -ENOMEM;
	}
	return 0;
}

static void srv_unmap_chunks(struct srv_path *path, u32 nr)
{
	while (nr--)
		ib_dma_unmap_page(path->dev, path->dma[nr],
				  path->session->pool.chunk_size,
				  DMA_BIDIRECTIONAL);
	kvfree(path->dma);
	path->dma = NULL;
}

static int srv_map_chunks(struct srv_path *path)
{
	struct srv_session *session = path->session;
	u32 i;

	path->dma = kvcalloc(session->pool.queue_depth, sizeof(*path->dma),
			     GFP_KERNEL);
	if (!path->dma)
		return -ENOMEM;
	for (i = 0; i < session->pool.queue_depth; i++) {
		path->dma[i] = ib_dma_map_page(path->dev, session->chunks[i],
					       0, session->pool.chunk_size,
					       DMA_BIDIRECTIONAL);
		if (ib_dma_mapping_error(path->dev, path->dma[i])) {
			srv_unmap_chunks(path, i);
			return -ENOMEM;
		}
	}
	return 0;
}

static u32 srv_chunk_pages(const struct srv_path *path)
{
	return path->session->pool.chunk_size >> PAGE_SHIFT;
}

/* All registrations have the same number of chunks: clients insist on it. */
static u32 srv_chunks_per_mr(const struct srv_path *path)
{
	u32 depth = path->session->pool.queue_depth;
	u32 nr = path->dev->attrs.max_fast_reg_page_list_len /
		srv_chunk_pages(path);

	nr = min(nr, depth);
	while (nr && depth % nr)
		nr--;
	return nr;
}

static void srv_free_mrs(struct srv_path *path)
{
	while (path->nr_mrs)
		ib_dereg_mr(path->mrs[--path->nr_mrs]);
	kvfree(path->mrs);
	path->mrs = NULL;
}

static int srv_map_mr(struct srv_path *path, struct ib_mr *mr, u32 first,
		      u32 nr)
{
	u32 len = path->session->pool.chunk_size;
	struct scatterlist *sgl;
	u32 i;
	int n;

	sgl = kvmalloc_array(nr, sizeof(*sgl), GFP_KERNEL);
	if (!sgl)
		return -ENOMEM;
	sg_init_table(sgl, nr);
	for (i = 0; i < nr; i++) {
		sg_set_page(&sgl[i], path->session->chunks[first + i], len, 0);
		sg_dma_address(&sgl[i]) = path->dma[first + i];
		sg_dma_len(&sgl[i]) = len;
	}
	n = ib_map_mr_sg(mr, sgl, nr, NULL, PAGE_SIZE);
	kvfree(sgl);
	if (n < 0)
		return n;
	return n == nr ? 0 : -EINVAL;
}

static int srv_alloc_mrs(struct srv_path *path)
{
	u32 depth = path->session->pool.queue_depth;
	u32 each = srv_chunks_per_mr(path);
	struct ib_mr *mr;
	u32 first;
	int err;

	if (!each)
		return -EOPNOTSUPP;
	path->mrs = kvcalloc(depth / each, sizeof(*path->mrs), GFP_KERNEL);
	if (!path->mrs)
		return -ENOMEM;
	for (first = 0; first < depth; first += each) {
		mr = ib_alloc_mr(path->pd, IB_MR_TYPE_MEM_REG,
				 each * srv_chunk_pages(path));
		if (IS_ERR(mr))
			return PTR_ERR(mr);
		path->mrs[path->nr_mrs++] = mr;
		err = srv_map_mr(path, mr, first, each);
		if (err)
			return err;
	}
	return 0;
}

/**
 * srv_memory_map() - make the chunks known to a path's device
 * @path: with its device and protection domain
 *
 * Return: 0 or -errno, and then nothing is left behind.
 */
int srv_memory_map(struct srv_path *path)
{
	int err = srv_map_chunks(path);

	if (err)
		return err;
	err = srv_alloc_mrs(path);
	if (err)
		srv_memory_unmap(path);
	return err;
}

/**
 * srv_memory_unmap() - undo srv_memory_map()
 * @path: without queue pairs
 */
void srv_memory_unmap(struct srv_path *path)
{
	srv_free_mrs(path);
	if (path->dma)
		srv_unmap_chunks(path, path->session->pool.queue_depth);
}

/* Waits, so that no registration is under way when something else is sent. */
static int srv_register_some(struct srv_path *path, struct ib_mr **mrs,
			     unsigned int nr)
{
	struct ib_reg_wr wrs[SRV_REG_BATCH] = {};
	unsigned int i;
	int err;

	for (i = 0; i < nr; i++) {
		ib_update_fast_reg_key(mrs[i], ib_inc_rkey(mrs[i]->rkey));
		wrs[i].wr.opcode = IB_WR_REG_MR;
		wrs[i].wr.wr_cqe = &path->reg_cqe;
		wrs[i].mr = mrs[i];
		wrs[i].key = mrs[i]->rkey;
		wrs[i].access = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE;
		if (i + 1 < nr)
			wrs[i].wr.next = &wrs[i + 1].wr;
	}
	wrs[nr - 1].wr.send_flags = IB_SEND_SIGNALED;
	reinit_completion(&path->reg_done);
	err = ib_post_send(path->cons[0]->id->qp, &wrs[0].wr, NULL);
	if (err)
		return err;
	wait_for_completion(&path->reg_done);
	return READ_ONCE(path->reg_error);
}

/**
 * srv_memory_register() - let the client write to the chunks
 * @path: with its service connection
 *
 * Ends early when the connection is shut. Return: 0 or -errno.
 */
int srv_memory_register(struct srv_path *path)
{
	unsigned int at, nr;
	int err;

	for (at = 0; at < path->nr_mrs; at += nr) {
		nr = min_t(unsigned int, path->nr_mrs - at, SRV_REG_BATCH);
		err = srv_register_some(path, path->mrs + at, nr);
		if (err)
			return err;
	}
	return 0;
}

/**
 * srv_memory_describe() - tell the client where the chunks are
 * @path: with its chunks registered
 * @desc: as many entries as there are registrations
 */
void srv_memory_describe(struct srv_path *path, struct rtrs_sg_desc *desc)
{
	unsigned int i;

	for (i = 0; i < path->nr_mrs; i++)
		rtrs_put_desc(&desc[i], path->mrs[i]->iova, path->mrs[i]->rkey,
			      path->mrs[i]->length);
}
