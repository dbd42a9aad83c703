// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets that clients connect to.
 */
#define pr_fmt(fmt) "unbd-tcp-server: " fmt

#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <net/af_unix.h>
#include <net/ipv6.h>

#include <unbd/compat-fs.h>

#include "server.h"

/* Clients that may wait to be accepted. */
#define SRV_BACKLOG		128

/* Clients that are accepted before other works get their turn. */
#define SRV_ACCEPT_BATCH	64

/* How soon to try again when accepting has failed for want of something. */
#define SRV_ACCEPT_RETRY	(HZ / 10)

/*
 * Sockets that TCP makes for new connections have inherited this function and
 * the listener: only the listening socket itself may look at it.
 */
static void srv_listen_data_ready(struct sock *sk)
{
	struct srv_listener *lst;

	read_lock_bh(&sk->sk_callback_lock);
	lst = sk->sk_user_data;
	if (sk->sk_state == TCP_LISTEN && lst)
		mod_delayed_work(srv_control_wq, &lst->accept, 0);
	read_unlock_bh(&sk->sk_callback_lock);
}

/* Give an accepted socket back what it has inherited from the listener. */
static void srv_accept_disinherit(struct srv_listener *lst, struct sock *sk)
{
	write_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_data_ready == srv_listen_data_ready) {
		sk->sk_user_data = NULL;
		sk->sk_data_ready = lst->data_ready;
	}
	write_unlock_bh(&sk->sk_callback_lock);
}

static void srv_accept(struct srv_listener *lst)
{
	struct socket *sock;
	unsigned int i;
	int err;

	for (i = 0; i < SRV_ACCEPT_BATCH; i++) {
		err = kernel_accept(lst->sock, &sock, O_NONBLOCK);
		if (err == -EAGAIN)
			return;
		if (err == -ECONNABORTED || err == -EINTR)
			continue;
		if (err)
			break;
		srv_accept_disinherit(lst, sock->sk);
		srv_conn_start(sock, lst->base.ops);
	}
	if (err)
		pr_warn_ratelimited("%s: cannot accept a client (%d)\n",
				    lst->base.address, err);
	queue_delayed_work(srv_control_wq, &lst->accept,
			   err ? SRV_ACCEPT_RETRY : 0);
}

/* As for handshakes, memory must not wait for the disk of who comes. */
static void srv_accept_work(struct work_struct *work)
{
	unsigned int noio = memalloc_noio_save();

	srv_accept(container_of(to_delayed_work(work), struct srv_listener,
				accept));
	memalloc_noio_restore(noio);
}

/* ------------------------------------------------------------------ */
/* AF_UNIX: the name outlives the socket                              */

/* Does nobody listen at this name, which is a socket's? */
static bool srv_unix_is_stale(struct srv_listener *lst,
			      struct sockaddr_storage *ss, int len)
{
	struct socket *sock;
	int err;

	err = sock_create_kern(lst->base.net, AF_UNIX, SOCK_STREAM, 0, &sock);
	if (err)
		return false;
	err = unbd_kernel_connect(sock, ss, len, O_NONBLOCK);
	sock_release(sock);
	return err == -ECONNREFUSED;
}

static int srv_unix_remove(const char *name)
{
	struct path path;
	int err = kern_path(name, 0, &path);

	if (err)
		return err;
	if (S_ISSOCK(d_inode(path.dentry)->i_mode))
		err = unbd_unlink(&path);
	else
		err = -EADDRINUSE;
	path_put(&path);
	return err;
}

/* As daemons do: a name that a dead one has left behind is taken over. */
static int srv_unix_bind(struct srv_listener *lst, const char *name,
			 struct sockaddr_storage *ss, int len)
{
	int err = unbd_kernel_bind(lst->sock, ss, len);

	if (err != -EADDRINUSE || name[0] == '@' ||
	    !srv_unix_is_stale(lst, ss, len))
		return err;
	err = srv_unix_remove(name);
	if (err)
		return err;
	return unbd_kernel_bind(lst->sock, ss, len);
}

/* Remove the name of a socket that we have bound, wherever it is now. */
static void srv_unix_unbind(struct srv_listener *lst)
{
	struct sock *sk = lst->sock->sk;
	struct path path;
	int err;

	if (sk->sk_family != AF_UNIX || !unix_sk(sk)->path.dentry)
		return;
	path = unix_sk(sk)->path;
	path_get(&path);
	err = unbd_unlink(&path);
	if (err && err != -ENOENT)
		pr_warn("%s: the socket's file stays behind (%d)\n",
			lst->base.address, err);
	path_put(&path);
}

/* ------------------------------------------------------------------ */

static int srv_bind(struct srv_listener *lst, const struct unbd_tcp_address *a,
		    struct sockaddr_storage *ss, int len)
{
	struct sock *sk = lst->sock->sk;

	if (a->kind == UNBD_TCP_UNIX)
		return srv_unix_bind(lst, a->path, ss, len);
	if (a->kind != UNBD_TCP_VSOCK)
		sock_set_reuseaddr(sk);
	/* The wildcard is for IPv4 clients, too, whatever the sysctl says. */
	if (a->kind == UNBD_TCP_INET6 &&
	    ipv6_addr_any(&((struct sockaddr_in6 *)ss)->sin6_addr))
		sk->sk_ipv6only = 0;
	return unbd_kernel_bind(lst->sock, ss, len);
}

static void srv_listen_unhook(struct srv_listener *lst)
{
	struct sock *sk = lst->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = NULL;
	sk->sk_data_ready = lst->data_ready;
	write_unlock_bh(&sk->sk_callback_lock);
	cancel_delayed_work_sync(&lst->accept);
}

static int srv_listen_hook(struct srv_listener *lst)
{
	struct sock *sk = lst->sock->sk;
	int err;

	write_lock_bh(&sk->sk_callback_lock);
	lst->data_ready = sk->sk_data_ready;
	sk->sk_user_data = lst;
	sk->sk_data_ready = srv_listen_data_ready;
	write_unlock_bh(&sk->sk_callback_lock);
	err = kernel_listen(lst->sock, SRV_BACKLOG);
	if (err)
		srv_listen_unhook(lst);
	return err;
}

static const char *srv_listen_error(int err)
{
	switch (err) {
	case -EADDRINUSE:
		return "the address is in use";
	case -EADDRNOTAVAIL:
		return "this host has no such address";
	case -EAFNOSUPPORT:
		return "the kernel has no sockets of this kind";
	case -EACCES:
	case -EPERM:
		return "not permitted";
	case -ENOENT:
		return "there is no such directory";
	case -ENODEV:
		return "there is no such interface";
	}
	return "cannot listen";
}

static int srv_listen_socket(struct srv_listener *lst,
			     const struct unbd_tcp_address *a)
{
	struct sockaddr_storage ss;
	int len, err;

	len = unbd_tcp_resolve(lst->base.net, a, &ss);
	if (len < 0)
		return len;
	err = sock_create_kern(lst->base.net, ss.ss_family, SOCK_STREAM, 0,
			       &lst->sock);
	if (err)
		return err;
	err = srv_bind(lst, a, &ss, len);
	if (err)
		goto release;
	err = srv_listen_hook(lst);
	if (err)
		goto unbind;
	return 0;

unbind:
	srv_unix_unbind(lst);
release:
	sock_release(lst->sock);
	return err;
}

/**
 * srv_listen() - begin to accept clients, &unbd_target_ops.listen
 * @listener: zeroed but for the core's part
 * @why: one sentence on error
 * @len: its size
 *
 * Return: 0 or -errno.
 */
int srv_listen(struct unbd_listener *listener, char *why, size_t len)
{
	struct srv_listener *lst = to_srv_listener(listener);
	struct unbd_tcp_address a;
	int err;

	err = unbd_tcp_parse_address(listener->address, NBD_DEFAULT_PORT, &a,
				     why, len);
	if (err)
		return err;
	if (a.kind == UNBD_TCP_FD)
		return unbd_why(why, len, -EINVAL,
				"%s: a descriptor cannot be listened on",
				listener->address);
	INIT_DELAYED_WORK(&lst->accept, srv_accept_work);
	err = srv_listen_socket(lst, &a);
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

	srv_listen_unhook(lst);
	srv_unix_unbind(lst);
	sock_release(lst->sock);
}
