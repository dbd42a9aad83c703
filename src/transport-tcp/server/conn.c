// SPDX-License-Identifier: GPL-2.0
/*
 * A connection from accept to release.
 */
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <net/af_unix.h>
#include <net/ipv6.h>

#include "server.h"

static unsigned int handshake_timeout = 10;
module_param(handshake_timeout, uint, 0644);
MODULE_PARM_DESC(handshake_timeout,
		 "seconds from accepting a connection to its first request (default: 10; 0: any)");

static unsigned int keepalive = 30;
module_param(keepalive, uint, 0644);
MODULE_PARM_DESC(keepalive,
		 "seconds between probes of an idle client; one that says nothing, or takes nothing, for three times that is dropped (default: 30; 0: never)");

static void srv_conn_report(struct unbd_stream *s)
{
	struct srv_conn *conn = container_of(s, struct srv_conn, stream);

	/* io_work may wait for the disk; a client that comes back finds out. */
	if (s->is_tcp && READ_ONCE(s->sock->sk->sk_state) == TCP_CLOSE)
		WRITE_ONCE(conn->base.closing, true);
	srv_conn_wake(conn);
}

static const struct unbd_stream_ops srv_stream_ops = {
	.readable = srv_conn_report,
	.writable = srv_conn_report,
};

static void srv_conn_deadline(struct work_struct *work)
{
	struct srv_conn *conn = container_of(to_delayed_work(work),
					     struct srv_conn, deadline);

	switch (READ_ONCE(conn->phase)) {
	case SRV_HANDSHAKE:
		srv_conn_drop(conn, "takes too long for its handshake");
		break;
	case SRV_LINGERING:
		srv_conn_kill(conn);
		break;
	case SRV_LIVE:
		/* There was no memory for a request. */
		srv_conn_wake(conn);
		break;
	case SRV_DRAINING:
		break;
	}
}

static void srv_conn_release(struct unbd_conn *base)
{
	kfree(to_srv_conn(base));
}

static void srv_conn_close_socket(struct srv_conn *conn)
{
	unbd_stream_close(&conn->stream);
	put_net(conn->net);
}

/* Nothing is at the storage any more, and nothing gets there. */
static void srv_conn_finish(struct work_struct *work)
{
	struct srv_conn *conn = container_of(work, struct srv_conn, finish);

	cancel_work_sync(&conn->io_work);
	srv_handshake_end(conn);
	srv_io_release(conn);
	/* Until then the pool could wake it. */
	cancel_work_sync(&conn->io_work);
	srv_conn_close_socket(conn);
	unbd_conn_remove(&conn->base);
}

/*
 * Does not wait for the storage: a disk that hangs would keep a worker for each
 * of its connections. srv_conn_finish() follows when all is back.
 */
static void srv_conn_teardown(struct work_struct *work)
{
	struct srv_conn *conn = container_of(work, struct srv_conn, teardown);

	/* The handshake's work may be at switching the reports on. */
	cancel_work_sync(&conn->handshake);
	unbd_stream_unwatch(&conn->stream);
	kernel_sock_shutdown(conn->stream.sock, SHUT_RDWR);
	cancel_work_sync(&conn->handshake);
	cancel_work_sync(&conn->io_work);
	cancel_delayed_work_sync(&conn->deadline);
	cancel_delayed_work_sync(&conn->watch_work);
	/* Nothing is submitted any more; what was has to come back. */
	srv_conn_put(conn);
}

/* A connection that the core does not know ends. */
static void srv_conn_abandon(struct srv_conn *conn)
{
	srv_handshake_end(conn);
	srv_conn_close_socket(conn);
	kfree(conn);
}

static void srv_conn_limit_handshake(struct srv_conn *conn)
{
	unsigned long seconds = READ_ONCE(handshake_timeout);

	if (seconds)
		queue_delayed_work(srv_control_wq, &conn->deadline,
				   seconds * HZ);
}

/*
 * Ask the core whether it wants a new client. If not, it has said why, and the
 * connection is gone.
 */
static int srv_conn_admit(struct srv_conn *conn)
{
	int err = unbd_conn_add(&conn->base);

	if (err) {
		srv_conn_abandon(conn);
	} else {
		conn->admitted = true;
		srv_conn_limit_handshake(conn);
		/* Some BPF programs have sockets for themselves. */
		if (unbd_stream_watch(&conn->stream, &srv_stream_ops))
			srv_conn_drop(conn, "somebody else watches its socket");
	}
	/* The core has a reference of its own by now. */
	module_put(THIS_MODULE);
	return err;
}

/*
 * A client in this same kernel may come back because memory is short: what it
 * then needs must not wait for its disk.
 */
static void srv_conn_handshake(struct work_struct *work)
{
	struct srv_conn *conn = container_of(work, struct srv_conn, handshake);
	unsigned int noio = memalloc_noio_save();

	if (conn->admitted || !srv_conn_admit(conn))
		srv_handshake_drive(conn);
	memalloc_noio_restore(noio);
}

/* An IPv4 client of a dual-stack listener is named by what it is. */
static void srv_unmap_v4(struct sockaddr_storage *ss)
{
	struct sockaddr_in6 v6 = *(struct sockaddr_in6 *)ss;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;

	if (ss->ss_family != AF_INET6 || !ipv6_addr_v4mapped(&v6.sin6_addr))
		return;
	memset(ss, 0, sizeof(*ss));
	v4->sin_family = AF_INET;
	v4->sin_port = v6.sin6_port;
	v4->sin_addr.s_addr = v6.sin6_addr.s6_addr32[3];
}

/*
 * A file's permissions have let in who has come by it. An abstract name, which
 * has no file, is open to everybody in its network namespace.
 */
static enum unbd_admission srv_conn_admission(struct sock *sk)
{
	if (sk->sk_family == AF_UNIX && unix_sk(sk)->path.dentry)
		return UNBD_ADMIT_GUARDED;
	return UNBD_ADMIT_LISTED;
}

static int srv_conn_identify(struct srv_conn *conn)
{
	struct unbd_conn *base = &conn->base;
	struct socket *sock = conn->stream.sock;
	int len;

	len = kernel_getpeername(sock, (struct sockaddr *)&base->peer);
	if (len < 0)
		return len;
	base->transport = unbd_stream_kind(&conn->stream);
	base->admission = srv_conn_admission(sock->sk);
	if (sock->sk->sk_family == AF_UNIX) {
		/* Clients bind to no name. */
		snprintf(base->peer_name, sizeof(base->peer_name),
			 "unix:pid=%d", pid_nr(sock->sk->sk_peer_pid));
		return 0;
	}
	srv_unmap_v4(&base->peer);
	unbd_tcp_sockaddr_name(&base->peer, len, base->peer_name,
			       sizeof(base->peer_name));
	return 0;
}

static struct srv_conn *srv_conn_alloc(struct socket *sock,
				       const struct unbd_target_ops *ops)
{
	struct srv_conn *conn = kzalloc(sizeof(*conn), GFP_KERNEL);

	if (!conn)
		return NULL;
	/* A listener does not keep it from going, and goes a moment later. */
	conn->net = maybe_get_net(sock_net(sock->sk));
	if (!conn->net) {
		kfree(conn);
		return NULL;
	}
	conn->base.ops = ops;
	conn->base.release = srv_conn_release;
	refcount_set(&conn->refs, 1);
	INIT_WORK(&conn->teardown, srv_conn_teardown);
	INIT_WORK(&conn->finish, srv_conn_finish);
	INIT_WORK(&conn->handshake, srv_conn_handshake);
	INIT_WORK(&conn->io_work, srv_io_work);
	spin_lock_init(&conn->kept_lock);
	INIT_DELAYED_WORK(&conn->deadline, srv_conn_deadline);
	srv_watch_init(conn);
	init_llist_head(&conn->done);
	INIT_LIST_HEAD(&conn->ready);
	INIT_LIST_HEAD(&conn->tx);
	INIT_LIST_HEAD(&conn->mem_waiter);
	INIT_LIST_HEAD(&conn->mem_holder);
	conn->rx_ahead = true;
	unbd_stream_init(&conn->stream, sock, false);
	return conn;
}

/**
 * srv_conn_start() - begin to serve a client
 * @sock: accepted socket, from now on the connection's
 * @ops: the core ends it by these
 *
 * Process context, in which the module cannot go.
 */
void srv_conn_start(struct socket *sock, const struct unbd_target_ops *ops)
{
	struct srv_conn *conn = srv_conn_alloc(sock, ops);
	unsigned int interval = READ_ONCE(keepalive);

	if (!conn) {
		sock_release(sock);
		return;
	}
	/* The second one fails if the client has gone again. */
	if (srv_handshake_begin(conn) || srv_conn_identify(conn)) {
		srv_conn_abandon(conn);
		return;
	}
	unbd_stream_tune(&conn->stream, interval, 3 * interval);
	__module_get(THIS_MODULE);
	queue_work(srv_control_wq, &conn->handshake);
}
