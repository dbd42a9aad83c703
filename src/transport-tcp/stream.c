// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-tcp: what both ends have to do with stream sockets. Here a socket's
 * life: made, or taken over, tuned, watched, closed.
 */
#include <linux/module.h>
#include <linux/net.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>

#include <unbd/compat.h>
#include <unbd/parse.h>

#include "sockaddr.h"
#include "stream.h"

/* ------------------------------------------------------------------ */
/* Names                                                              */

const char *unbd_stream_kind(const struct unbd_stream *s)
{
	switch (s->sock->sk->sk_family) {
	case AF_UNIX:
		return "unix";
	case AF_VSOCK:
		return "vsock";
	}
	return "tcp";
}
EXPORT_SYMBOL_UNBD(unbd_stream_kind);

void unbd_stream_name(struct unbd_stream *s, bool peer, char *buf, size_t len)
{
	struct sockaddr_storage ss = {};
	int n;

	if (peer)
		n = kernel_getpeername(s->sock, (struct sockaddr *)&ss);
	else
		n = kernel_getsockname(s->sock, (struct sockaddr *)&ss);
	unbd_tcp_sockaddr_name(&ss, n, buf, len);
}
EXPORT_SYMBOL_UNBD(unbd_stream_name);

/* ------------------------------------------------------------------ */
/* Making and closing                                                 */

static bool is_tcp(const struct sock *sk)
{
	return (sk->sk_family == AF_INET || sk->sk_family == AF_INET6) &&
		sk->sk_type == SOCK_STREAM && sk->sk_protocol == IPPROTO_TCP;
}

static bool is_other_stream(const struct sock *sk)
{
	return (sk->sk_family == AF_UNIX || sk->sk_family == AF_VSOCK) &&
		sk->sk_type == SOCK_STREAM;
}

/*
 * Reclaim waits for these sockets' locks, and user space allocates memory
 * under those of its own: to lockdep they must not look like one kind.
 *
 * This makes the locks anew, so it is for sockets that nobody else knows yet;
 * an accepted one is known to the network already.
 */
static void set_lock_class(struct sock *sk)
{
	static struct lock_class_key keys[3], slock_keys[3];

	if (!sock_allow_reclassification(sk))
		return;
	switch (sk->sk_family) {
	case AF_INET:
		sock_lock_init_class_and_name(sk, "slock-AF_INET-UNBD",
					      &slock_keys[0],
					      "sk_lock-AF_INET-UNBD", &keys[0]);
		break;
	case AF_INET6:
		sock_lock_init_class_and_name(sk, "slock-AF_INET6-UNBD",
					      &slock_keys[1],
					      "sk_lock-AF_INET6-UNBD",
					      &keys[1]);
		break;
	case AF_VSOCK:
		sock_lock_init_class_and_name(sk, "slock-AF_VSOCK-UNBD",
					      &slock_keys[2],
					      "sk_lock-AF_VSOCK-UNBD",
					      &keys[2]);
		break;
	}
}

/*
 * As sk_set_memalloc() and sk_clear_memalloc(), but for the static key in which
 * they count such sockets: for that they wait for a CPU that goes offline, which
 * may be waiting for the requests of this very disk. unbd-tcp-client has the key
 * on for as long as it is there.
 */
static void allow_reserves(struct sock *sk, bool on)
{
	if (on) {
		sock_set_flag(sk, SOCK_MEMALLOC);
		sk->sk_allocation |= __GFP_MEMALLOC;
	} else {
		sock_reset_flag(sk, SOCK_MEMALLOC);
		sk->sk_allocation &= ~__GFP_MEMALLOC;
	}
}

/* Before it is connected: with memory short even the SYN's answer is dropped. */
static void prepare(struct sock *sk)
{
	sk->sk_allocation = GFP_NOIO;
	unbd_sk_reclaim_safe(sk);
	allow_reserves(sk, true);
	if (is_tcp(sk))
		sock_no_linger(sk);
}

void unbd_stream_init(struct unbd_stream *s, struct socket *sock,
		      bool borrowed)
{
	s->sock = sock;
	s->borrowed = borrowed;
	s->is_tcp = is_tcp(sock->sk);
	s->allocation = sock->sk->sk_allocation;
}
EXPORT_SYMBOL_UNBD(unbd_stream_init);

int unbd_stream_make(struct unbd_stream *s, struct net *net, int family)
{
	struct socket *sock;
	int err = sock_create_kern(net, family, SOCK_STREAM, 0, &sock);

	if (err)
		return err;
	set_lock_class(sock->sk);
	prepare(sock->sk);
	unbd_stream_init(s, sock, false);
	return 0;
}
EXPORT_SYMBOL_UNBD(unbd_stream_make);

int unbd_stream_check(struct socket *sock, char *why, size_t len)
{
	struct sock *sk = sock->sk;

	if (!is_tcp(sk) && !is_other_stream(sk))
		return unbd_why(why, len, -EPROTONOSUPPORT,
				"not a stream socket of TCP, AF_UNIX or AF_VSOCK");
	if (READ_ONCE(sk->sk_state) != TCP_ESTABLISHED)
		return unbd_why(why, len, -ENOTCONN,
				"the socket is not connected");
	/* TLS takes over in user space's stead with issue 6, not before. */
	if (is_tcp(sk) && inet_csk_has_ulp(sk))
		return unbd_why(why, len, -EBUSY,
				"the socket is used by another protocol (TLS?)");
	if (READ_ONCE(sk->sk_user_data))
		return unbd_why(why, len, -EBUSY,
				"the socket is in use by the kernel");
	return 0;
}
EXPORT_SYMBOL_UNBD(unbd_stream_check);

/*
 * What SOCK_LINGER with a time of 0 does is wanted: close() leaves neither
 * unsent data, which would hold on to a request's pages, nor a timer, which
 * could outlive the network namespace. A borrowed socket is not ours to close.
 */
static void tune_tcp(struct unbd_stream *s, unsigned int keepalive,
		     unsigned int stall)
{
	unsigned int interval = max(keepalive / 2, 1U);
	struct sock *sk = s->sock->sk;

	tcp_sock_set_nodelay(sk);
	if (!s->borrowed)
		sock_no_linger(sk);
	if (stall)
		tcp_sock_set_user_timeout(sk, stall * MSEC_PER_SEC);
	if (!keepalive)
		return;
	/* Three times the keepalive in all, but no less than two probes. */
	tcp_sock_set_keepidle(sk, keepalive);
	tcp_sock_set_keepintvl(sk, interval);
	tcp_sock_set_keepcnt(sk, max((2 * keepalive - 1) / interval, 2U));
	sock_set_keepalive(sk);
}

void unbd_stream_tune(struct unbd_stream *s, unsigned int keepalive,
		      unsigned int stall)
{
	struct sock *sk = s->sock->sk;

	/*
	 * Else it was prepared. No reserves for other sockets: a process could
	 * use them up, and so could the clients of a server.
	 */
	if (!sock_flag(sk, SOCK_MEMALLOC)) {
		sk->sk_allocation = GFP_NOIO;
		unbd_sk_reclaim_safe(sk);
	}
	if (s->is_tcp)
		tune_tcp(s, keepalive, stall);
}
EXPORT_SYMBOL_UNBD(unbd_stream_tune);

/*
 * A socket that a process has, too, stays open. After a mere shutdown TCP would
 * go on to send what it still has, with pages of requests that have been taken
 * back, and may be anybody's by now. Dissolving the connection drops that.
 */
static void let_go(struct unbd_stream *s, struct socket *sock)
{
	struct sockaddr_storage nobody = { .ss_family = AF_UNSPEC };

	WRITE_ONCE(sock->sk->sk_allocation, s->allocation);
	if (!s->is_tcp || tcp_rtx_and_write_queues_empty(sock->sk) ||
	    unbd_kernel_connect(sock, &nobody, sizeof(struct sockaddr),
				O_NONBLOCK))
		kernel_sock_shutdown(sock, SHUT_RDWR);
}

void unbd_stream_close(struct unbd_stream *s)
{
	struct socket *sock = s->sock;
	struct sock *sk;

	if (!sock)
		return;
	s->sock = NULL;
	if (s->borrowed) {
		let_go(s, sock);
		return;
	}
	/* To be done without the socket's lock, so when nothing else can. */
	sk = sock->sk;
	sock_hold(sk);
	sock_release(sock);
	if (sock_flag(sk, SOCK_MEMALLOC))
		allow_reserves(sk, false);
	sock_put(sk);
}
EXPORT_SYMBOL_UNBD(unbd_stream_close);

/* ------------------------------------------------------------------ */
/* Reports                                                            */

static void report_readable(struct sock *sk)
{
	struct unbd_stream *s;

	read_lock_bh(&sk->sk_callback_lock);
	s = sk->sk_user_data;
	if (likely(s))
		s->ops->readable(s);
	read_unlock_bh(&sk->sk_callback_lock);
}

/*
 * Of TCP comes this with the socket's lock: its spinlock, or for what has come
 * while a process had the socket the ownership, when that process lets go of it.
 */
static void report_received(struct sock *sk)
{
	struct unbd_stream *s;

	read_lock_bh(&sk->sk_callback_lock);
	s = sk->sk_user_data;
	if (likely(s)) {
		if (s->ops->received && s->is_tcp &&
		    !sock_owned_by_user_nocheck(sk) &&
		    tcp_inq(sk) <= UNBD_STREAM_AT_ONCE)
			s->ops->received(s);
		else
			s->ops->readable(s);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

/* TCP calls this with every acknowledgment; one that finds room is enough. */
static void report_writable(struct sock *sk)
{
	struct unbd_stream *s;

	read_lock_bh(&sk->sk_callback_lock);
	s = sk->sk_user_data;
	if (likely(s) && (!s->is_tcp || sk_stream_is_writeable(sk))) {
		clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		s->ops->writable(s);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

int unbd_stream_watch(struct unbd_stream *s,
		      const struct unbd_stream_ops *ops)
{
	struct sock *sk = s->sock->sk;
	int err = 0;

	write_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_user_data) {
		err = -EBUSY;
		goto out;
	}
	s->ops = ops;
	s->data_ready = sk->sk_data_ready;
	s->write_space = sk->sk_write_space;
	s->state_change = sk->sk_state_change;
	s->error_report = sk->sk_error_report;
	sk->sk_user_data = s;
	sk->sk_data_ready = report_received;
	sk->sk_write_space = report_writable;
	sk->sk_state_change = report_readable;
	sk->sk_error_report = report_readable;
out:
	write_unlock_bh(&sk->sk_callback_lock);
	return err;
}
EXPORT_SYMBOL_UNBD(unbd_stream_watch);

void unbd_stream_unwatch(struct unbd_stream *s)
{
	struct sock *sk;

	if (!s->sock || !s->ops)
		return;
	sk = s->sock->sk;
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = NULL;
	sk->sk_data_ready = s->data_ready;
	sk->sk_write_space = s->write_space;
	sk->sk_state_change = s->state_change;
	sk->sk_error_report = s->error_report;
	s->ops = NULL;
	write_unlock_bh(&sk->sk_callback_lock);
}
EXPORT_SYMBOL_UNBD(unbd_stream_unwatch);

MODULE_DESCRIPTION("unbd: stream sockets for both ends of NBD");
MODULE_LICENSE("GPL");
MODULE_VERSION(UNBD_VERSION);
