// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-tcp-client: the NBD protocol as a transport of unbd-client.
 *
 * This file has what the core calls but for the way of a request: paths, legs,
 * and the watchdog of a leg.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/jump_label.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include <unbd/compat-fs.h>

#include "client.h"

/* The watchdog looks that often in the time between two keepalives ... */
#define LOOKS		4
/* ... and wants to have asked the peer's host that often before it gives up */
#define MISSED		4

struct workqueue_struct *clt_io_wq;
struct workqueue_struct *clt_connect_wq;

/* ------------------------------------------------------------------ */
/* Paths                                                              */

static int take_socket(struct clt_path *path, char *why, size_t len)
{
	char cause[UNBD_WHY_LEN];
	struct socket *sock;
	int err;

	sock = sockfd_lookup(path->dst.fd, &err);
	if (!sock)
		return unbd_why(why, len, err, "fd %d is %s", path->dst.fd,
				err == -ENOTSOCK ? "not a socket" :
				"not open");
	err = unbd_stream_check(sock, cause, sizeof(cause));
	if (err) {
		sockfd_put(sock);
		return unbd_why(why, len, err, "fd %d: %s", path->dst.fd,
				cause);
	}
	path->sock = sock;
	path->base.flags |= UNBD_PATH_ONE_SHOT;
	return 0;
}

/* An address that no connection could be made to shall not be mapped. */
static int check_address(struct clt_path *path,
			 const struct unbd_tcp_address *a,
			 const char *text, char *why, size_t len)
{
	struct sockaddr_storage ss;
	int n;

	n = unbd_tcp_resolve(path->base.net, a, &ss);
	if (n == -ENODEV)
		return unbd_why(why, len, n, "%s: no such interface", text);
	if (n < 0)
		return unbd_why(why, len, n, "%s: not an address", text);
	return 0;
}

static int init_source(struct clt_path *path, char *why, size_t len)
{
	const char *text = path->base.src;
	int err;

	err = unbd_tcp_parse_address(text, 0, &path->src, why, len);
	if (err)
		return err;
	if (path->src.kind != path->dst.kind ||
	    path->src.kind == UNBD_TCP_FD)
		return unbd_why(why, len, -EINVAL,
				"%s cannot be the source for %s", text,
				path->base.dst);
	path->has_src = true;
	return check_address(path, &path->src, text, why, len);
}

static int clt_path_init(struct unbd_path *base, char *why, size_t len)
{
	struct clt_path *path = to_clt_path(base);
	int err;

	spin_lock_init(&path->lock);
	INIT_LIST_HEAD(&path->attempts);
	err = unbd_tcp_parse_address(base->dst,
				     base->port ? base->port :
				     NBD_DEFAULT_PORT, &path->dst, why, len);
	if (!err && base->src)
		err = init_source(path, why, len);
	if (err)
		return err;
	if (path->dst.kind == UNBD_TCP_FD)
		return take_socket(path, why, len);
	err = check_address(path, &path->dst, base->dst, why, len);
	if (!err && path->dst.kind == UNBD_TCP_UNIX)
		unbd_keep_root(&path->root);
	return err;
}

static void clt_path_exit(struct unbd_path *base)
{
	struct clt_path *path = to_clt_path(base);

	if (path->sock)
		sockfd_put(path->sock);
	unbd_forget_root(&path->root);
}

static void clt_describe(struct unbd_path *base, char *src, char *dst,
			 size_t len)
{
	struct clt_path *path = to_clt_path(base);

	spin_lock(&path->lock);
	strscpy(src, path->src_name, len);
	strscpy(dst, path->dst_name, len);
	spin_unlock(&path->lock);
}

/* ------------------------------------------------------------------ */
/* Watchdog                                                           */

/*
 * TCP notices a peer that vanishes while all is idle, or all is busy. It
 * begins anew to wait when the first data are sent after that, and hardly
 * asks at all while the peer's window is closed. So ask, and count.
 */
static void watch_conn(struct clt_conn *conn, unsigned long keepalive)
{
	unsigned long silence = unbd_stream_silence(&conn->stream);

	if (silence < keepalive) {
		conn->missed = 0;
		return;
	}
	if (silence > 5 * keepalive / 2 && conn->missed >= MISSED) {
		clt_conn_fail(conn, -ETIMEDOUT,
			      "nothing from the server's host for %u ms",
			      jiffies_to_msecs(silence));
		return;
	}
	conn->missed++;
	unbd_stream_probe(&conn->stream);
}

/* Other sockets' peers are in this machine, or tell by themselves. */
static bool is_probed(const struct clt_leg *leg)
{
	return leg->conns[0].stream.is_tcp && leg->base.path->keepalive;
}

static unsigned long watch_interval(const struct clt_leg *leg)
{
	return is_probed(leg) ? leg->base.path->keepalive * HZ / LOOKS : HZ;
}

static void watchdog_work(struct work_struct *work)
{
	struct clt_leg *leg = container_of(to_delayed_work(work),
					   struct clt_leg, watchdog);
	unsigned long keepalive = leg->base.path->keepalive * HZ;
	struct clt_conn *conn;
	unsigned int i;

	for (i = 0; i < leg->nr_conns; i++) {
		conn = &leg->conns[i];
		if (clt_conn_broken(conn))
			continue;
		if (is_probed(leg))
			watch_conn(conn, keepalive);
		unbd_stream_look(&conn->stream, &conn->look);
		/* A socket short of memory has nobody to tell it of some. */
		if (READ_ONCE(conn->queue))
			clt_conn_kick(conn);
	}
	queue_delayed_work(clt_io_wq, &leg->watchdog, watch_interval(leg));
}

/* ------------------------------------------------------------------ */
/* Legs                                                               */

static void close_conns(struct clt_leg *leg, bool polite)
{
	unsigned int i;

	for (i = 0; i < leg->nr_conns; i++)
		clt_conn_stop(&leg->conns[i]);
	for (i = 0; i < leg->nr_conns; i++)
		clt_conn_close(&leg->conns[i], polite);
	kvfree(leg->conns);
	leg->conns = NULL;
	leg->nr_conns = 0;
	leg->watching = false;
}

static unsigned int wanted_conns(struct clt_leg *leg)
{
	if (!(leg->info.flags & NBD_FLAG_CAN_MULTI_CONN) ||
	    leg->base.path->flags & UNBD_PATH_ONE_SHOT)
		return 1;
	return leg->base.want_queues + leg->base.want_poll_queues;
}

static int start_conns(struct clt_leg *leg, char *why, size_t len)
{
	unsigned int i;
	int err;

	leg->base.nr_queues = min(leg->nr_conns, leg->base.want_queues);
	leg->base.nr_poll_queues = leg->nr_conns - leg->base.nr_queues;
	for (i = 0; i < leg->nr_conns; i++) {
		err = clt_conn_start(&leg->conns[i], why, len);
		if (err)
			return err;
	}
	return 0;
}

/* Takes over @stream, whatever comes. */
static int open_conns(struct clt_leg *leg, const struct unbd_stream *stream,
		      unsigned int nr, unsigned long took,
		      char *why, size_t len)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < nr; i++)
		clt_conn_init(&leg->conns[i], leg, i);
	leg->conns[0].stream = *stream;
	leg->nr_conns = 1;
	if (nr > 1)
		err = clt_connect_others(leg, nr - 1, took, why, len);
	if (!err)
		err = start_conns(leg, why, len);
	if (err)
		close_conns(leg, true);
	else
		clt_watch(leg, leg->info.size);
	return err;
}

static int attach(struct clt_leg *leg, char *why, size_t len)
{
	unsigned long began = jiffies, took;
	struct unbd_stream stream = {};
	unsigned int nr;
	int err;

	err = clt_connect_first(leg, &stream, &leg->info, why, len);
	if (err)
		return err;
	took = jiffies - began;
	leg->base.fences = leg->info.fences;
	err = clt_set_geometry(leg, &leg->info, why, len);
	if (err)
		goto err_close;
	err = clt_recognise(leg, &stream, why, len);
	if (err) {
		unbd_stream_close(&stream);
		return err;
	}
	nr = wanted_conns(leg);
	leg->conns = kvcalloc(nr, sizeof(*leg->conns), GFP_KERNEL);
	if (!leg->conns) {
		err = unbd_why(why, len, -ENOMEM, "out of memory");
		goto err_close;
	}
	return open_conns(leg, &stream, nr, took, why, len);

err_close:
	clt_say_goodbye(&stream, leg->info.headers);
	unbd_stream_close(&stream);
	return err;
}

static int clt_attach(struct unbd_leg *base, char *why, size_t len)
{
	struct clt_leg *leg = to_clt_leg(base);
	unsigned int noio;
	int err;

	/* Reclaim may be waiting for this very device to come back. */
	noio = memalloc_noio_save();
	err = attach(leg, why, len);
	memalloc_noio_restore(noio);
	if (err)
		return err;
	INIT_DELAYED_WORK(&leg->watchdog, watchdog_work);
	queue_delayed_work(clt_io_wq, &leg->watchdog, watch_interval(leg));
	return 0;
}

static void clt_detach(struct unbd_leg *base)
{
	struct clt_leg *leg = to_clt_leg(base);
	unsigned int noio;

	cancel_delayed_work_sync(&leg->watchdog);
	/* A socket's end may want memory, and all I/O waits for this. */
	noio = memalloc_noio_save();
	close_conns(leg, base->polite);
	memalloc_noio_restore(noio);
}

/* Open the export once more, for what the server says and does meanwhile. */
static int ask_server(struct clt_leg *leg, struct nbd_export_info *info,
		      char *why, size_t len)
{
	struct unbd_stream stream = {};
	unsigned int noio = memalloc_noio_save();
	int err;

	err = clt_connect_first(leg, &stream, info, why, len);
	if (!err) {
		clt_say_goodbye(&stream, info->headers);
		unbd_stream_close(&stream);
	}
	memalloc_noio_restore(noio);
	return err;
}

/*
 * Some servers tell no size in answer to NBD_OPT_INFO, so the export is opened
 * once more. The other connections may go on to refuse what is beyond the
 * size that they were opened with, so growth needs new ones.
 */
static int clt_refresh(struct unbd_leg *base, char *why, size_t len)
{
	struct clt_leg *leg = to_clt_leg(base);
	u64 old_size = base->geometry.size;
	struct nbd_export_info info;
	int err;

	if (base->path->flags & UNBD_PATH_ONE_SHOT)
		return unbd_why(why, len, -EOPNOTSUPP,
				"a handed-over socket cannot ask for the size");
	err = ask_server(leg, &info, why, len);
	if (!err)
		err = clt_set_geometry(leg, &info, why, len);
	if (err)
		return err;
	if (base->geometry.size > old_size)
		return 1;
	clt_watch(leg, info.size);
	return 0;
}

/* A new connection's handshake asks for it; more is not wanted of that. */
static int clt_fence(struct unbd_leg *base, char *why, size_t len)
{
	struct nbd_export_info info;

	/* There cannot be another connection, so it goes on as elsewhere. */
	if (base->path->flags & UNBD_PATH_ONE_SHOT)
		return 0;
	return ask_server(to_clt_leg(base), &info, why, len);
}

static void clt_abort_leg(struct unbd_leg *base)
{
	clt_abort_attempts(to_clt_leg(base));
}

static void clt_abort_leg_clear(struct unbd_leg *base)
{
	struct clt_path *path = to_clt_path(base->path);

	spin_lock(&path->lock);
	to_clt_leg(base)->aborted = false;
	spin_unlock(&path->lock);
}

static unsigned long clt_moved(struct unbd_leg *base, unsigned int queue)
{
	return clt_conn_moved(&to_clt_leg(base)->conns[queue]);
}

static int clt_poll(struct unbd_leg *base, unsigned int queue)
{
	return clt_conn_poll(&to_clt_leg(base)->conns[queue]);
}

static struct unbd_transport_ops clt_ops = {
	.owner		= THIS_MODULE,
	.name		= "tcp",
	.path_size	= sizeof(struct clt_path),
	.leg_size	= sizeof(struct clt_leg),
	.request_size	= sizeof(struct clt_request),
	.path_init	= clt_path_init,
	.path_exit	= clt_path_exit,
	.attach		= clt_attach,
	.detach		= clt_detach,
	.abort_leg	= clt_abort_leg,
	.abort_leg_clear = clt_abort_leg_clear,
	.queue_rq	= clt_queue_rq,
	.commit_rqs	= clt_commit_rqs,
	.poll		= clt_poll,
	.moved		= clt_moved,
	.refresh	= clt_refresh,
	.fence		= clt_fence,
	.describe	= clt_describe,
};

/*
 * Sockets with access to reserves are looked for only while a static key is on.
 * Its sockets do not switch it themselves, see allow_reserves().
 */
static int __init unbd_tcp_client_init(void)
{
	int err = -ENOMEM;

	clt_io_wq = alloc_workqueue("unbd-tcp-io", WQ_MEM_RECLAIM |
				    WQ_HIGHPRI | WQ_PERCPU, 0);
	if (!clt_io_wq)
		return err;
	clt_connect_wq = alloc_workqueue("unbd-tcp-connect", WQ_MEM_RECLAIM |
					 WQ_UNBOUND, 0);
	if (!clt_connect_wq)
		goto err_io_wq;
	err = unbd_register_transport(&clt_ops);
	if (err)
		goto err_connect_wq;
	static_branch_inc(&memalloc_socks_key);
	return 0;

err_connect_wq:
	destroy_workqueue(clt_connect_wq);
err_io_wq:
	destroy_workqueue(clt_io_wq);
	return err;
}

static void __exit unbd_tcp_client_exit(void)
{
	unbd_unregister_transport(&clt_ops);
	static_branch_dec(&memalloc_socks_key);
	destroy_workqueue(clt_connect_wq);
	destroy_workqueue(clt_io_wq);
	/* Someone may still be about to leave a socket's callback. */
	synchronize_net();
}

module_init(unbd_tcp_client_init);
module_exit(unbd_tcp_client_exit);

MODULE_DESCRIPTION("unbd: NBD client over TCP, AF_UNIX and AF_VSOCK");
MODULE_LICENSE("GPL");
MODULE_VERSION(UNBD_VERSION);
MODULE_IMPORT_NS("UNBD");
MODULE_ALIAS("unbd-transport-tcp");
