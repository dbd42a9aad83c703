// SPDX-License-Identifier: GPL-2.0
/*
 * A path's connections: all of them, one after the other, the exchange of
 * information, and the end.
 */
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "client.h"

static int make_first(struct clt_path *path, char *why, size_t len)
{
	const struct ib_device_attr *attrs;
	struct clt_conn *conn;

	conn = clt_conn_create(path, 0, why, len);
	if (IS_ERR(conn))
		return PTR_ERR(conn);
	path->conns[0] = conn;
	path->dev = conn->id->device;
	if (rdma_protocol_iwarp(path->dev, conn->id->port_num))
		return unbd_why(why, len, -EOPNOTSUPP,
				"adapter %s speaks iWARP, which has no immediate data",
				dev_name(&path->dev->dev));
	attrs = &path->dev->attrs;
	if (!(attrs->device_cap_flags & IB_DEVICE_MEM_MGT_EXTENSIONS))
		return unbd_why(why, len, -EOPNOTSUPP,
				"adapter %s cannot register memory in the way RTRS needs",
				dev_name(&path->dev->dev));
	path->max_sge = min_t(unsigned int, attrs->max_send_sge, CLT_MAX_SGE);
	if (path->max_sge < 2)
		return unbd_why(why, len, -EOPNOTSUPP,
				"adapter %s sends from one piece of memory only",
				dev_name(&path->dev->dev));
	path->pd = ib_alloc_pd(path->dev, 0);
	if (IS_ERR(path->pd)) {
		int err = PTR_ERR(path->pd);

		path->pd = NULL;
		return unbd_why(why, len, err, "no protection domain");
	}
	return clt_conn_open(conn, CLT_MAX_MESSAGES, CLT_SERVICE_DEPTH,
			     clt_recv_done, why, len);
}

/* How large a request may be, for server and adapter */
static int set_limits(struct clt_path *path, char *why, size_t len)
{
	unsigned int pages = path->dev->attrs.max_fast_reg_page_list_len;

	path->max_io = min_t(u64, path->pool.max_io_size,
			     (u64)(max(pages, 1U) - 1) * CLT_MR_PAGE);
	path->max_io = round_down(path->max_io, CLT_MR_PAGE);
	/* Whatever the adapter: another path's may be another one. */
	path->max_segments = path->max_io / CLT_MR_PAGE + 1;
	if (path->max_io < PAGE_SIZE)
		return unbd_why(why, len, -EOPNOTSUPP,
				"requests of %u bytes, which is less than a page",
				path->max_io);
	return 0;
}

static int connect_first(struct clt_path *path, char *why, size_t len)
{
	struct clt_conn *conn = path->conns[0];
	int err;

	clt_session_begin(path);
	err = clt_conn_connect(conn, why, len);
	clt_session_end(path);
	if (err)
		return err;
	err = rtrs_get_conn_rsp(&conn->reply, conn->reply_len, &path->pool,
				why, len);
	if (err)
		return err;
	return set_limits(path, why, len);
}

static void remember_names(struct clt_path *path)
{
	struct rdma_addr *addr = &path->conns[0]->id->route.addr;

	spin_lock_irq(&path->lock);
	unbd_rdma_sockaddr_name(&addr->src_addr, path->src_name,
				sizeof(path->src_name));
	unbd_rdma_sockaddr_name(&addr->dst_addr, path->dst_name,
				sizeof(path->dst_name));
	spin_unlock_irq(&path->lock);
}

/* What an adapter promises may be true of smaller requests only. */
static struct clt_conn *open_connection(struct clt_path *path,
					unsigned int cid,
					char *why, size_t len)
{
	unsigned int depth = min_t(unsigned int, path->nr_ios,
				   CLT_MAX_INFLIGHT);
	struct clt_conn *conn;
	int err;

	for (;; depth /= 2) {
		conn = clt_conn_create(path, cid, why, len);
		if (IS_ERR(conn))
			return conn;
		err = clt_conn_open(conn, depth, 0, clt_recv_done, why, len);
		if (!err)
			return conn;
		clt_conn_destroy(conn);
		if (depth < 2 * CLT_LEAST_DEPTH)
			return ERR_PTR(err);
	}
}

static int add_connection(struct clt_path *path, unsigned int cid,
			  char *why, size_t len)
{
	struct clt_conn *conn;
	int err;

	conn = open_connection(path, cid, why, len);
	if (IS_ERR(conn))
		return PTR_ERR(conn);
	path->conns[cid] = conn;
	err = clt_conn_post_recvs(conn);
	if (err)
		return unbd_why(why, len, err,
				"connection %u: cannot receive", cid);
	err = clt_conn_connect(conn, why, len);
	if (err)
		return err;
	return rtrs_get_conn_rsp(&conn->reply, conn->reply_len, NULL, why,
				 len);
}

/* ------------------------------------------------------------------ */
/* Exchange of information                                            */

/* Both have to come: the buffers go afterwards. */
static void info_step(struct clt_conn *conn)
{
	struct clt_path *path = conn->path;

	if (--path->info_left)
		return;
	/* Pairs with clt_wait_for(). */
	smp_store_release(&conn->result, 0);
	wake_up_all(&path->wait);
}

static void info_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct clt_conn *conn = wc->qp->qp_context;
	struct clt_path *path = conn->path;

	if (wc->status != IB_WC_SUCCESS) {
		clt_conn_wc_failed(conn, wc, "receiving INFO_RSP");
		return;
	}
	path->info_len = wc->byte_len;
	info_step(conn);
}

static void info_sent(struct ib_cq *cq, struct ib_wc *wc)
{
	struct clt_conn *conn = wc->qp->qp_context;

	if (wc->status != IB_WC_SUCCESS)
		clt_conn_wc_failed(conn, wc, "sending INFO_REQ");
	else
		info_step(conn);
}

/**
 * struct clt_info - buffers of the exchange
 * @req: INFO_REQ
 * @rsp: room for INFO_RSP
 * @rsp_len: bytes of it
 * @req_addr: DMA address
 * @rsp_addr: DMA address
 */
struct clt_info {
	struct rtrs_msg_info_req *req;
	void *rsp;
	size_t rsp_len;
	u64 req_addr;
	u64 rsp_addr;
};

static int post_info(struct clt_path *path, struct clt_info *info)
{
	struct clt_conn *conn = path->conns[0];
	struct ib_sge rsp = {
		.addr = info->rsp_addr, .length = info->rsp_len,
		.lkey = path->pd->local_dma_lkey,
	};
	struct ib_recv_wr recv = {
		.wr_cqe = &path->info_cqe, .sg_list = &rsp, .num_sge = 1,
	};
	struct ib_sge req = {
		.addr = info->req_addr, .length = sizeof(*info->req),
		.lkey = path->pd->local_dma_lkey,
	};
	struct ib_send_wr send = {
		.wr_cqe = &path->info_sent, .sg_list = &req, .num_sge = 1,
		.opcode = IB_WR_SEND, .send_flags = IB_SEND_SIGNALED,
	};
	int err;

	path->info_cqe.done = info_done;
	path->info_sent.done = info_sent;
	path->info_left = 2;
	conn->result = -EINPROGRESS;
	err = ib_post_recv(conn->qp, &recv, NULL);
	/* The answer comes first, then there is no end. */
	if (!err)
		err = clt_conn_post_recvs(conn);
	if (!err)
		err = ib_post_send(conn->qp, &send, NULL);
	return err;
}

/* A server that does not take a name says nothing, but closes the path. */
static int name_refused(struct clt_path *path, char *why, size_t len)
{
	const char *name = path->base.session_name;

	if (clt_name_lingers(name))
		return unbd_why(why, len, -EBUSY,
				"the server has not closed the last session %.80s yet",
				name);
	if (strpbrk(name, "./"))
		return unbd_why(why, len, -EINVAL,
				"the server takes no session called %.80s: RNBD's has no dot in a name",
				name);
	return unbd_why(why, len, -ENOTUNIQ,
			"the server takes no session called %.80s: another client may have that name",
			name);
}

/* The buffers are in use until the queue is drained, if this fails. */
static int exchange(struct clt_path *path, struct clt_info *info,
		    char *why, size_t len)
{
	struct clt_conn *conn = path->conns[0];
	int err;

	err = post_info(path, info);
	if (err) {
		unbd_why(why, len, err, "cannot send INFO_REQ");
	} else {
		err = clt_wait(path, &conn->result, why, len, "INFO_REQ");
		path->named = err != -ECONNRESET;
		if (err == -ECONNRESET)
			err = name_refused(path, why, len);
	}
	if (err)
		clt_conn_stop(conn);
	return err;
}

static int exchange_mapped(struct clt_path *path, struct clt_info *info,
			   char *why, size_t len)
{
	struct ib_device *dev = path->dev;
	int err = -ENOMEM;

	info->req_addr = ib_dma_map_single(dev, info->req, sizeof(*info->req),
					   DMA_TO_DEVICE);
	if (ib_dma_mapping_error(dev, info->req_addr))
		return unbd_why(why, len, err, "out of memory");
	info->rsp_addr = ib_dma_map_single(dev, info->rsp, info->rsp_len,
					   DMA_FROM_DEVICE);
	if (ib_dma_mapping_error(dev, info->rsp_addr)) {
		unbd_why(why, len, err, "out of memory");
		goto unmap;
	}
	err = exchange(path, info, why, len);
	ib_dma_unmap_single(dev, info->rsp_addr, info->rsp_len,
			    DMA_FROM_DEVICE);
unmap:
	ib_dma_unmap_single(dev, info->req_addr, sizeof(*info->req),
			    DMA_TO_DEVICE);
	return err;
}

static int learn_chunks(struct clt_path *path, char *why, size_t len)
{
	struct clt_info info = {
		.rsp_len = rtrs_info_rsp_len(path->pool.queue_depth),
	};
	int err = -ENOMEM;

	info.req = kmalloc(sizeof(*info.req), GFP_KERNEL);
	info.rsp = kzalloc(info.rsp_len, GFP_KERNEL);
	if (!info.req || !info.rsp) {
		unbd_why(why, len, err, "out of memory");
		goto free;
	}
	err = rtrs_put_info_req(info.req, path->base.session_name);
	if (err) {
		unbd_why(why, len, err, "sessname= is too long for RTRS");
		goto free;
	}
	err = exchange_mapped(path, &info, why, len);
	if (!err)
		err = rtrs_get_info_rsp(info.rsp, min_t(size_t, info.rsp_len,
							path->info_len),
					&path->pool, path->chunks, why, len);
free:
	kfree(info.rsp);
	kfree(info.req);
	return err;
}

/* ------------------------------------------------------------------ */
/* All of it                                                          */

static int alloc_conns(struct clt_path *path)
{
	path->nr_irq = min(path->base.want_queues,
			   (unsigned int)RTRS_MAX_CONNS / 2);
	path->nr_poll = min(path->base.want_poll_queues,
			    (unsigned int)RTRS_MAX_CONNS / 2 - 1);
	path->nr_conns = 1 + path->nr_irq + path->nr_poll;
	path->conns = kcalloc(path->nr_conns, sizeof(*path->conns),
			      GFP_KERNEL);
	return path->conns ? 0 : -ENOMEM;
}

static int connect_all(struct clt_path *path, char *why, size_t len)
{
	unsigned int cid;
	int err;

	err = make_first(path, why, len);
	if (!err)
		err = connect_first(path, why, len);
	if (!err)
		err = clt_session_join(path, clt_ios_affordable(path), why,
				       len);
	if (err)
		return err;
	err = clt_ios_alloc(path);
	if (err) {
		unbd_why(why, len, err, "no memory for %u requests",
			 path->nr_ios);
		goto leave;
	}
	for (cid = 1; cid < path->nr_conns && !err; cid++)
		err = add_connection(path, cid, why, len);
	if (!err)
		err = learn_chunks(path, why, len);
	if (!err)
		return 0;
leave:
	/* Nothing but messages to come would have used a slot. */
	clt_session_leave(path);
	return err;
}

/**
 * clt_path_connect() - make a path's connections
 * @path: path without any
 * @why: reason of a failure
 * @len: size of @why
 *
 * Sleeps. Return: 0, or -errno and nothing is left.
 */
int clt_path_connect(struct clt_path *path, char *why, size_t len)
{
	int err;

	path->flags = 0;
	path->named = false;
	path->error = -ESHUTDOWN;
	strscpy(path->cause, "closed", sizeof(path->cause));
	path->attempts++;
	get_random_bytes(&path->key, sizeof(path->key));
	path->last_rx = jiffies;
	err = alloc_conns(path);
	if (err) {
		unbd_why(why, len, err, "out of memory");
		return err;
	}
	err = connect_all(path, why, len);
	if (err) {
		clt_path_teardown(path);
		return err;
	}
	/* The server would not have let us in with the old path around. */
	clt_slots_wake(path->session, path);
	remember_names(path);
	return 0;
}

/**
 * clt_path_stop() - end all sending and receiving
 * @path: path, connected or not
 *
 * Sleeps, but not for the server. Afterwards ios are nobody else's.
 */
void clt_path_stop(struct clt_path *path)
{
	unsigned int cid;

	set_bit(CLT_PATH_BROKEN, &path->flags);
	if (test_and_set_bit(CLT_PATH_STOPPED, &path->flags))
		return;
	for (cid = 0; cid < path->nr_conns; cid++)
		if (path->conns[cid])
			clt_conn_stop(path->conns[cid]);
}

/**
 * clt_path_teardown() - forget all connections
 * @path: path; all of its ios are free
 */
void clt_path_teardown(struct clt_path *path)
{
	unsigned int cid;

	clt_path_stop(path);
	if (path->nr_conns && path->conns[0] && path->conns[0]->established)
		path->reached = true;
	if (path->named)
		clt_name_left(path->base.session_name);
	for (cid = 0; cid < path->nr_conns; cid++)
		if (path->conns[cid])
			clt_conn_close(path->conns[cid]);
	clt_ios_free(path);
	if (path->pd)
		ib_dealloc_pd(path->pd);
	/* Identifiers go last: an adapter that is removed waits for them. */
	for (cid = 0; cid < path->nr_conns; cid++)
		if (path->conns[cid])
			clt_conn_destroy(path->conns[cid]);
	kfree(path->conns);
	path->conns = NULL;
	path->nr_conns = 0;
	path->pd = NULL;
	path->dev = NULL;
}
