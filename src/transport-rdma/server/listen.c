// SPDX-License-Identifier: GPL-2.0
/*
 * Listening, and what the connection manager has to say.
 */
#define pr_fmt(fmt) "unbd-rdma-server: " fmt

#include <linux/module.h>
#include <linux/sched/mm.h>
#include <rdma/ib_cm.h>

#include "server.h"
#include "transport-rdma/sockaddr.h"

/* Connection requests that may wait */
#define SRV_BACKLOG		64

/* How often to look whether a device has come back */
#define SRV_LOOK		HZ

/* Of a listener: id, lost, ended. Inside what the connection manager holds. */
static DEFINE_MUTEX(srv_listen_mutex);

static unsigned int max_queues = 4096;
module_param(max_queues, uint, 0644);
MODULE_PARM_DESC(max_queues,
		 "RDMA connections of one path: the client has one for each of its CPUs and one more (default: 4096)");

static void srv_cm_reject(struct rdma_cm_id *id, int err, const char *why)
{
	struct rtrs_msg_conn_rsp rsp;
	char name[UNBD_RDMA_NAME_LEN];

	rtrs_put_reject(&rsp, err);
	unbd_rdma_sockaddr_name(&id->route.addr.dst_addr, name, sizeof(name));
	pr_notice_ratelimited("refused %s: %s (%d)\n", name, why, err);
	rdma_reject(id, &rsp, sizeof(rsp), IB_CM_REJ_CONSUMER_DEFINED);
}

static const char *srv_cm_reason(int err)
{
	switch (err) {
	case -EEXIST:
		return "its path has not ended yet";
	case -ENXIO:
		return "a further path of a session that is not there";
	case -EUSERS:
		return "too many are connected";
	case -EACCES:
		return "its address is not allowed";
	case -ENOMEM:
		return "no memory";
	case -EOPNOTSUPP:
		return "the device cannot register the chunks";
	case -ECONNRESET:
		return "its path is not there, or closing";
	}
	return "cannot be served";
}

static int srv_cm_accept(struct srv_con *con)
{
	struct rtrs_msg_conn_rsp rsp;
	struct rdma_conn_param param = {
		.rnr_retry_count = 7,
		.retry_count = 7,
		.private_data = &rsp,
		.private_data_len = sizeof(rsp),
	};

	rtrs_put_conn_rsp(&rsp, &con->path->session->pool);
	return rdma_accept(con->id, &param);
}

static int srv_cm_con_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct srv_con *con = id->context;
	struct srv_path *path = con->path;

	switch (event->event) {
	case RDMA_CM_EVENT_DISCONNECTED:
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
		pr_debug("%s: connection %u has ended\n",
			 path->base.peer_name, con->cid);
		srv_path_kill(path);
		break;
	case RDMA_CM_EVENT_REJECTED:
	case RDMA_CM_EVENT_CONNECT_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
	case RDMA_CM_EVENT_ADDR_CHANGE:
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		srv_path_drop(path, "%s (%d)", rdma_event_msg(event->event),
			      event->status);
		break;
	default:
		break;
	}
	return 0;
}

/* Under srv_mutex, so that no teardown misses the connection. */
static int srv_cm_attach(struct srv_path *path, struct rdma_cm_id *id, u16 cid)
{
	struct srv_con *con;
	int err;

	lockdep_assert_held(&srv_mutex);

	if (srv_path_closing(path) || path->cons[cid] ||
	    path->dev != id->device)
		return -ECONNRESET;
	con = srv_con_new(path, id, cid, &err);
	if (!con)
		return err;
	id->context = con;
	id->event_handler = srv_cm_con_event;
	err = srv_cm_accept(con);
	if (err) {
		srv_con_shut(con);
		srv_con_free(con);
		kfree(con);
		return err;
	}
	path->cons[cid] = con;
	return 0;
}

/* The first connection makes the path. */
static int srv_cm_first(struct rdma_cm_id *id,
			const struct rtrs_conn_params *params)
{
	/* A new identifier has its listener's context. */
	const struct srv_listener *lst = id->context;
	struct srv_path *path;
	int err;

	path = srv_path_new(lst, id, params, &err);
	if (!path)
		return err;
	mutex_lock(&srv_mutex);
	err = srv_cm_attach(path, id, 0);
	if (!err)
		srv_path_watch(path);
	mutex_unlock(&srv_mutex);
	if (err)
		srv_path_abandon(path);
	else
		complete(&path->made);
	return err;
}

static int srv_cm_further(struct rdma_cm_id *id,
			  const struct rtrs_conn_params *params)
{
	struct srv_path *path;
	int err;

	mutex_lock(&srv_mutex);
	path = srv_path_find(params->sess_uuid);
	if (!path || path->sealed || path->nr_cons != params->cid_num ||
	    !unbd_rdma_same_host(&path->base.peer,
				 &id->route.addr.dst_addr) ||
	    memcmp(path->session->uuid, params->paths_uuid,
		   sizeof(params->paths_uuid)))
		err = -ECONNRESET;
	else
		err = srv_cm_attach(path, id, params->cid);
	mutex_unlock(&srv_mutex);
	return err;
}

/* Whatever is not 0 makes the connection manager destroy @id. */
static int srv_cm_connect(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	const struct rdma_conn_param *conn = &event->param.conn;
	struct rtrs_conn_params params;
	char why[UNBD_WHY_LEN];
	unsigned int noio;
	int err;

	err = rtrs_get_conn_req(conn->private_data, conn->private_data_len,
				&params, why, sizeof(why));
	if (err) {
		srv_cm_reject(id, err, why);
		return err;
	}
	if (rdma_protocol_iwarp(id->device, id->port_num)) {
		srv_cm_reject(id, -EOPNOTSUPP,
			      "iWARP has no immediate data");
		return -EOPNOTSUPP;
	}
	if (params.cid_num > READ_ONCE(max_queues)) {
		srv_cm_reject(id, -ECONNRESET, "more than max_queues");
		return -ECONNRESET;
	}
	/* A client in this same kernel may come back for its swap. */
	noio = memalloc_noio_save();
	err = params.cid ? srv_cm_further(id, &params) :
		srv_cm_first(id, &params);
	memalloc_noio_restore(noio);
	if (err)
		srv_cm_reject(id, err, srv_cm_reason(err));
	return err;
}

/*
 * A listener's device goes; the return value destroys @id, or does not: then
 * somebody else is about to.
 */
static int srv_cm_listener_gone(struct rdma_cm_id *id)
{
	struct srv_listener *lst = id->context;
	bool ours;

	mutex_lock(&srv_listen_mutex);
	ours = lst->id == id;
	lst->lost = true;
	if (ours) {
		lst->id = NULL;
		pr_warn("%s: its device has gone, nobody listens until it is back\n",
			lst->base.address);
		queue_delayed_work(srv_control_wq, &lst->again, SRV_LOOK);
	}
	mutex_unlock(&srv_listen_mutex);
	return ours;
}

static int srv_cm_listener_event(struct rdma_cm_id *id,
				 struct rdma_cm_event *event)
{
	switch (event->event) {
	case RDMA_CM_EVENT_CONNECT_REQUEST:
		return srv_cm_connect(id, event);
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		return srv_cm_listener_gone(id);
	default:
		return 0;
	}
}

/* ------------------------------------------------------------------ */

static const char *srv_listen_error(int err)
{
	switch (err) {
	case -EADDRINUSE:
		return "the address is in use";
	case -EADDRNOTAVAIL:
		return "this host has no such address";
	case -ENODEV:
		return "there is no RDMA device, or no such interface";
	case -EAFNOSUPPORT:
		return "the kernel has no addresses of this kind";
	}
	return "cannot listen";
}

static struct rdma_cm_id *srv_listen_begin(struct srv_listener *lst, int *err)
{
	struct sockaddr_storage ss;
	enum rdma_ucm_port_space ps;
	struct rdma_cm_id *id;

	*err = unbd_rdma_resolve(lst->base.net, &lst->address, &ss);
	if (*err)
		return NULL;
	ps = ss.ss_family == AF_IB ? RDMA_PS_IB : RDMA_PS_TCP;
	id = rdma_create_id(lst->base.net, srv_cm_listener_event, lst, ps,
			    IB_QPT_RC);
	if (IS_ERR(id)) {
		*err = PTR_ERR(id);
		return NULL;
	}
	*err = rdma_set_reuseaddr(id, 1);
	if (!*err)
		*err = rdma_bind_addr(id, (struct sockaddr *)&ss);
	/* Clients may come before this function returns. */
	if (!*err)
		*err = rdma_listen(id, SRV_BACKLOG);
	return id;
}

static int srv_listen_id(struct srv_listener *lst)
{
	struct rdma_cm_id *id;
	int err;

	lst->lost = false;
	id = srv_listen_begin(lst, &err);
	mutex_lock(&srv_listen_mutex);
	if (!err && (lst->lost || lst->ended))
		err = -ENODEV;
	if (!err)
		lst->id = id;
	mutex_unlock(&srv_listen_mutex);
	if (err && id)
		rdma_destroy_id(id);
	return err;
}

static void srv_listen_again(struct work_struct *work)
{
	struct srv_listener *lst = container_of(to_delayed_work(work),
						struct srv_listener, again);

	if (srv_listen_id(lst))
		queue_delayed_work(srv_control_wq, &lst->again, SRV_LOOK);
	else
		pr_info("%s: is listened on again\n", lst->base.address);
}

/**
 * srv_listen() - begin to accept clients, &unbd_target_ops.listen
 * @listener: zeroed but for the core's part
 * @why: one sentence on error
 * @len: its size
 *
 * The wildcard of IPv6 is for IPv4 clients, too. Return: 0 or -errno.
 */
int srv_listen(struct unbd_listener *listener, char *why, size_t len)
{
	struct srv_listener *lst = to_srv_listener(listener);
	int err;

	err = unbd_rdma_parse_address(listener->address, RTRS_DEFAULT_PORT,
				      &lst->address, why, len);
	if (err)
		return err;
	INIT_DELAYED_WORK(&lst->again, srv_listen_again);
	err = srv_listen_id(lst);
	if (err)
		return unbd_why(why, len, err, "%s: %s", listener->address,
				srv_listen_error(err));
	return 0;
}

/**
 * srv_unlisten() - accept no more clients, &unbd_target_ops.unlisten
 * @listener: what srv_listen() has set up
 */
void srv_unlisten(struct unbd_listener *listener)
{
	struct srv_listener *lst = to_srv_listener(listener);
	struct rdma_cm_id *id;

	mutex_lock(&srv_listen_mutex);
	lst->ended = true;
	id = lst->id;
	lst->id = NULL;
	mutex_unlock(&srv_listen_mutex);
	cancel_delayed_work_sync(&lst->again);
	/* Waits for its handlers; what they have accepted stays. */
	if (id)
		rdma_destroy_id(id);
}
