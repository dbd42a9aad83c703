// SPDX-License-Identifier: GPL-2.0
/*
 * A path from its first connection to its end.
 */
#define pr_fmt(fmt) "unbd-rdma-server: " fmt

#include <linux/module.h>
#include <linux/slab.h>

#include "server.h"
#include "transport-rdma/sockaddr.h"

/* From the first connection until the client has told its name */
#define SRV_CONNECT_TIME	(30 * HZ)

/* Heartbeats that may stay without an answer */
#define SRV_MISSED_MAX		3

/* Looks in the time between two of them */
#define SRV_LOOKS		4

static unsigned int keepalive = 5;
module_param(keepalive, uint, 0644);
MODULE_PARM_DESC(keepalive,
		 "seconds between heartbeats to an idle client; one that says nothing for three times that is dropped (default: 5)");

/* Where the connections of the next path begin */
static atomic_t srv_vector = ATOMIC_INIT(0);

static unsigned long srv_interval(void)
{
	return clamp(READ_ONCE(keepalive), 1u, 600u) * HZ;
}

/* For unbd's own clients; to others a heartbeat is one. */
static u32 srv_path_news(struct srv_path *path)
{
	if (!READ_ONCE(path->base.has_key))
		return 0;
	srv_devices_look(path->session);
	return atomic_read(&path->session->news) & RTRS_IMM_PAYLOAD_MASK;
}

static void srv_path_heartbeat(struct work_struct *work)
{
	struct srv_path *path = container_of(to_delayed_work(work),
					     struct srv_path, heartbeat);
	unsigned long interval = srv_interval();
	unsigned long silent = jiffies - READ_ONCE(path->seen);
	u32 news;

	if (!READ_ONCE(path->live)) {
		srv_path_drop(path, "takes too long to connect");
		return;
	}
	if (silent > SRV_MISSED_MAX * interval) {
		srv_path_drop(path, "silent for %u seconds",
			      jiffies_to_msecs(silent) / 1000);
		return;
	}
	news = srv_path_news(path);
	if ((silent >= interval || news != path->told) &&
	    srv_con_heartbeat(path->cons[0], false, news))
		path->told = news;
	queue_delayed_work(srv_control_wq, &path->heartbeat,
			   interval / SRV_LOOKS);
}

/* ------------------------------------------------------------------ */
/* INFO_REQ and INFO_RSP                                              */

static void srv_path_reg_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct srv_path *path = container_of(wc->wr_cqe, struct srv_path,
					     reg_cqe);

	if (wc->status != IB_WC_SUCCESS) {
		WRITE_ONCE(path->reg_error, -EIO);
		if (wc->status != IB_WC_WR_FLUSH_ERR)
			srv_path_drop(path, "cannot register memory: %s",
				      ib_wc_status_msg(wc->status));
	}
	complete(&path->reg_done);
}

static void srv_path_info_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct srv_path *path = container_of(wc->wr_cqe, struct srv_path,
					     info_cqe);

	if (wc->status == IB_WC_WR_FLUSH_ERR)
		return;
	if (wc->status != IB_WC_SUCCESS) {
		srv_path_drop(path, "INFO_REQ: %s",
			      ib_wc_status_msg(wc->status));
		return;
	}
	if (wc->opcode != IB_WC_RECV) {
		srv_path_drop(path, "something else before INFO_REQ");
		return;
	}
	srv_path_seen(path);
	path->info_len = wc->byte_len;
	queue_work(srv_control_wq, &path->info);
}

static int srv_path_send_info(struct srv_path *path,
			      struct rtrs_msg_info_rsp *rsp)
{
	u32 len = rtrs_info_rsp_len(path->nr_mrs);
	struct ib_sge sge = {
		.lkey = path->pd->local_dma_lkey,
		.length = len,
	};
	struct ib_send_wr wr = {
		.wr_cqe = &path->reg_cqe,
		.opcode = IB_WR_SEND,
		.send_flags = IB_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
	};
	int err;

	rtrs_put_info_rsp(rsp, path->nr_mrs);
	srv_memory_describe(path, rsp->desc);
	sge.addr = ib_dma_map_single(path->dev, rsp, len, DMA_TO_DEVICE);
	if (ib_dma_mapping_error(path->dev, sge.addr))
		return -ENOMEM;
	/* Requests may come as soon as the client has it. */
	WRITE_ONCE(path->live, true);
	reinit_completion(&path->reg_done);
	err = ib_post_send(path->cons[0]->id->qp, &wr, NULL);
	if (!err) {
		wait_for_completion(&path->reg_done);
		err = READ_ONCE(path->reg_error);
	}
	ib_dma_unmap_single(path->dev, sge.addr, len, DMA_TO_DEVICE);
	return err;
}

static bool srv_path_complete(struct srv_path *path)
{
	unsigned int cid;

	mutex_lock(&srv_mutex);
	for (cid = 0; cid < path->nr_cons; cid++)
		if (!path->cons[cid])
			break;
	mutex_unlock(&srv_mutex);
	return cid == path->nr_cons;
}

static int srv_path_take_info(struct srv_path *path)
{
	struct srv_session *session = path->session;
	char name[RTRS_PATHNAME_LEN];
	char why[UNBD_WHY_LEN];
	int err;

	ib_dma_sync_single_for_cpu(path->dev, path->info_dma,
				   sizeof(*path->info_buf), DMA_FROM_DEVICE);
	err = rtrs_get_info_req(path->info_buf, path->info_len, name, why,
				sizeof(why));
	if (err) {
		srv_path_drop(path, "%s", why);
		return err;
	}
	if (!srv_path_complete(path)) {
		srv_path_drop(path, "INFO_REQ before %u connections are there",
			      path->nr_cons);
		return -EPROTO;
	}
	mutex_lock(&srv_mutex);
	if (!session->name[0])
		strscpy(session->name, name, sizeof(session->name));
	else if (strcmp(session->name, name))
		err = -EPROTO;
	mutex_unlock(&srv_mutex);
	if (err)
		srv_path_drop(path, "its session %s is now called %s",
			      session->name, name);
	return err;
}

static void srv_path_info(struct work_struct *work)
{
	struct srv_path *path = container_of(work, struct srv_path, info);
	struct rtrs_msg_info_rsp *rsp;
	int err;

	if (srv_path_take_info(path))
		return;
	rsp = kzalloc(rtrs_info_rsp_len(path->nr_mrs), GFP_NOIO);
	err = rsp ? 0 : -ENOMEM;
	if (!err)
		err = srv_memory_register(path);
	if (!err)
		err = srv_path_send_info(path, rsp);
	kfree(rsp);
	if (err) {
		srv_path_drop(path, "cannot answer its INFO_REQ (%d)", err);
		return;
	}
	pr_debug("%s: session %s, %u connections\n", path->base.peer_name,
		 path->session->name, path->nr_cons);
	mod_delayed_work(srv_control_wq, &path->heartbeat, srv_interval());
}

/* ------------------------------------------------------------------ */
/* The end                                                            */

static void srv_path_unused(struct percpu_ref *ref)
{
	struct srv_path *path = container_of(ref, struct srv_path, refs);

	queue_work(srv_control_wq, &path->end);
}

static void srv_path_free(struct srv_path *path)
{
	struct srv_session *session = path->session;

	percpu_ref_exit(&path->refs);
	kvfree(path->requests);
	kvfree(path->cons);
	kfree(path->info_buf);
	kfree(path);
	if (session)
		srv_session_put(session);
}

static void srv_path_release(struct unbd_conn *base)
{
	srv_path_free(to_srv_path(base));
}

static void srv_path_free_device(struct srv_path *path)
{
	if (path->info_dma)
		ib_dma_unmap_single(path->dev, path->info_dma,
				    sizeof(*path->info_buf), DMA_FROM_DEVICE);
	path->info_dma = 0;
	srv_memory_unmap(path);
	if (path->pd)
		ib_dealloc_pd(path->pd);
	path->pd = NULL;
}

static void srv_path_shut_cons(struct srv_path *path)
{
	unsigned int cid;

	mutex_lock(&srv_mutex);
	path->sealed = true;
	mutex_unlock(&srv_mutex);
	for (cid = 0; cid < path->nr_cons; cid++)
		if (path->cons[cid])
			srv_con_shut(path->cons[cid]);
}

/* Of the adapter, which may be on its way out: it does not wait for storage. */
static void srv_path_let_go(struct srv_path *path)
{
	unsigned int cid;

	/* Pairs with srv_request_sync(). */
	synchronize_rcu();
	/* Identifiers go last: the device may not go before them. */
	for (cid = 0; cid < path->nr_cons; cid++)
		if (path->cons[cid])
			srv_con_free(path->cons[cid]);
	srv_path_free_device(path);
	for (cid = 0; cid < path->nr_cons; cid++)
		if (path->cons[cid])
			rdma_destroy_id(path->cons[cid]->id);
}

static void srv_path_free_cons(struct srv_path *path)
{
	unsigned int cid;

	for (cid = 0; cid < path->nr_cons; cid++) {
		if (!path->cons[cid])
			continue;
		/* It may be returning from its last request. */
		cancel_work_sync(&path->cons[cid]->work);
		kfree(path->cons[cid]);
		path->cons[cid] = NULL;
	}
}

static void srv_path_teardown(struct work_struct *work)
{
	struct srv_path *path = container_of(work, struct srv_path, teardown);

	wait_for_completion(&path->made);
	cancel_delayed_work_sync(&path->heartbeat);
	srv_path_shut_cons(path);
	/* The registration that it waits for has failed by now. */
	cancel_work_sync(&path->info);
	cancel_delayed_work_sync(&path->heartbeat);
	srv_path_let_go(path);
	/* Nothing comes in any more; what did has to come back. */
	percpu_ref_kill(&path->refs);
}

/* With the last one the session ends: what it has open is closed. */
static void srv_path_leave(struct srv_path *path)
{
	struct srv_session *session = path->session;
	struct srv_device *device;
	unsigned long id;

	mutex_lock(&srv_mutex);
	list_del(&path->entry);
	if (!--session->nr_paths) {
		srv_session_die(session);
		xa_for_each(&session->devices, id, device)
			srv_device_kill(device);
	}
	mutex_unlock(&srv_mutex);
}

static void srv_path_end(struct work_struct *work)
{
	struct srv_path *path = container_of(work, struct srv_path, end);

	srv_path_free_cons(path);
	if (path->joined)
		srv_path_leave(path);
	pr_debug("%s: closed\n", path->base.peer_name);
	unbd_conn_remove(&path->base);
}

/* ------------------------------------------------------------------ */
/* The beginning                                                      */

static void srv_path_identify(struct srv_path *path, struct rdma_cm_id *id)
{
	path->base.admission = UNBD_ADMIT_LISTED;
	path->base.peer = id->route.addr.dst_addr;
	path->base.transport = "rdma";
	unbd_rdma_sockaddr_name(&path->base.peer, path->base.peer_name,
				sizeof(path->base.peer_name));
}

static int srv_path_init_requests(struct srv_path *path)
{
	path->requests = kvcalloc(srv_pool.queue_depth,
				  sizeof(*path->requests), GFP_KERNEL);
	if (!path->requests)
		return -ENOMEM;
	srv_request_init(path);
	return 0;
}

static int srv_path_init_device(struct srv_path *path)
{
	u64 dma;
	int err;

	path->pd = ib_alloc_pd(path->dev, 0);
	if (IS_ERR(path->pd)) {
		err = PTR_ERR(path->pd);
		path->pd = NULL;
		return err;
	}
	dma = ib_dma_map_single(path->dev, path->info_buf,
				sizeof(*path->info_buf), DMA_FROM_DEVICE);
	if (ib_dma_mapping_error(path->dev, dma))
		err = -ENOMEM;
	else
		err = srv_memory_map(path);
	if (!ib_dma_mapping_error(path->dev, dma))
		path->info_dma = dma;
	return err;
}

static struct srv_path *srv_path_alloc(const struct srv_listener *lst,
				       struct rdma_cm_id *id,
				       const struct rtrs_conn_params *params)
{
	struct srv_path *path = kzalloc(sizeof(*path), GFP_KERNEL);

	if (!path || percpu_ref_init(&path->refs, srv_path_unused, 0,
				     GFP_KERNEL)) {
		kfree(path);
		return NULL;
	}
	path->base.ops = lst->base.ops;
	path->base.release = srv_path_release;
	path->base.is_path = true;
	path->dev = id->device;
	memcpy(path->uuid, params->sess_uuid, sizeof(path->uuid));
	path->nr_cons = params->cid_num;
	path->first_vector = atomic_fetch_add(path->nr_cons - 1, &srv_vector);
	path->sealed = true;
	path->seen = jiffies;
	init_completion(&path->made);
	init_completion(&path->reg_done);
	path->info_cqe.done = srv_path_info_done;
	path->reg_cqe.done = srv_path_reg_done;
	INIT_WORK(&path->teardown, srv_path_teardown);
	INIT_WORK(&path->end, srv_path_end);
	INIT_WORK(&path->info, srv_path_info);
	INIT_DELAYED_WORK(&path->heartbeat, srv_path_heartbeat);
	srv_path_identify(path, id);
	path->info_buf = kzalloc(sizeof(*path->info_buf), GFP_KERNEL);
	path->cons = kvcalloc(path->nr_cons, sizeof(*path->cons), GFP_KERNEL);
	if (path->info_buf && path->cons && !srv_path_init_requests(path))
		return path;
	srv_path_free(path);
	return NULL;
}

/**
 * srv_path_watch() - begin to wait for a client's next steps
 * @path: with its service connection, under srv_mutex
 */
void srv_path_watch(struct srv_path *path)
{
	lockdep_assert_held(&srv_mutex);

	path->sealed = false;
	if (!srv_path_closing(path))
		queue_delayed_work(srv_control_wq, &path->heartbeat,
				   SRV_CONNECT_TIME);
}

/* -EACCES when the address may not use what is open. */
static int srv_path_enter(struct srv_path *path)
{
	struct srv_session *session = path->session;
	struct srv_device *device;
	unsigned long id;

	lockdep_assert_held(&srv_mutex);

	if (session->nr_paths >= SRV_MAX_PATHS)
		return -ECONNRESET;
	xa_for_each(&session->devices, id, device)
		if (!unbd_conn_allows(&device->base, &path->base.peer))
			return -EACCES;
	list_add_tail(&path->entry, &session->paths);
	session->nr_paths++;
	return 0;
}

/* The session may have ended since it was found. */
static int srv_path_join(struct srv_path *path)
{
	int err;

	mutex_lock(&srv_mutex);
	if (path->session->dying)
		err = -ECONNRESET;
	else if (srv_path_find(path->uuid))
		err = -EEXIST;
	else
		err = srv_path_enter(path);
	path->joined = !err;
	mutex_unlock(&srv_mutex);
	return err;
}

/**
 * srv_path_abandon() - a path has come to nothing
 * @path: without connections; not to be touched afterwards
 *
 * The adapter is held by an identifier that goes when the caller returns.
 */
void srv_path_abandon(struct srv_path *path)
{
	srv_path_kill(path);
	srv_path_free_device(path);
	complete(&path->made);
}

/*
 * The client has noticed first; it will try again. From elsewhere it may be
 * somebody else, who knows the name.
 */
static int srv_path_kill_old(const struct srv_path *path)
{
	struct srv_path *old;

	mutex_lock(&srv_mutex);
	old = srv_path_find(path->uuid);
	if (old && unbd_rdma_same_host(&old->base.peer, &path->base.peer))
		srv_path_kill(old);
	mutex_unlock(&srv_mutex);
	return old ? -EEXIST : 0;
}

static int srv_path_make(struct srv_path *path,
			 const struct rtrs_conn_params *params)
{
	int err = srv_path_kill_old(path);

	if (err)
		return err;
	path->session = srv_session_get(params, &err);
	if (!path->session)
		return err;
	err = srv_path_init_device(path);
	return err ? err : srv_path_join(path);
}

/**
 * srv_path_new() - a client begins to connect a path
 * @lst: where it has come
 * @id: of its service connection
 * @params: what it says
 * @err: set on failure
 *
 * Whether the client may come at all is asked before anything costs much.
 *
 * Return: the path, which the core knows, and which stays until path->made is
 * completed; or NULL. No connection can be added while path->sealed is set.
 */
struct srv_path *srv_path_new(const struct srv_listener *lst,
			      struct rdma_cm_id *id,
			      const struct rtrs_conn_params *params, int *err)
{
	struct srv_path *path = srv_path_alloc(lst, id, params);

	*err = path ? unbd_conn_add(&path->base) : -ENOMEM;
	if (*err) {
		if (path)
			srv_path_free(path);
		return NULL;
	}
	*err = srv_path_make(path, params);
	if (!*err)
		return path;
	srv_path_abandon(path);
	return NULL;
}
