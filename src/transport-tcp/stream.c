// SPDX-License-Identifier: GPL-2.0
/*
 * Stream sockets of the kernel: making, tuning, waiting, watching, moving
 * bytes. See stream.h; compiled by way of client-stream.c and server-stream.c.
 */
#include <linux/file.h>
#include <linux/inet.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/un.h>
#include <linux/vm_sockets.h>
#include <linux/wait.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>

#include <unbd/compat-fs.h>
#include <unbd/compat.h>
#include <unbd/parse.h>

#include "stream.h"

/* Who sends many bytes looks for acknowledgments after that many. */
#define LOOK_UP		(64 << 10)

/* A handshake looks again that often, whether or not it was woken up. */
#define LOOK_AGAIN	(HZ / 20)

/* ------------------------------------------------------------------ */
/* Addresses                                                          */

static int resolve_inet(struct net *net, const struct unbd_tcp_address *a,
			struct sockaddr_storage *ss)
{
	bool v6 = a->kind == UNBD_TCP_INET6;

	if (inet_pton_with_scope(net, v6 ? AF_INET6 : AF_INET, a->host,
				 a->port_text, ss))
		return strchr(a->host, '%') ? -ENODEV : -EINVAL;
	return v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

/* An abstract name has a NUL for its '@' and no NUL at its end. */
static int resolve_unix(const struct unbd_tcp_address *a,
			struct sockaddr_storage *ss)
{
	struct sockaddr_un *un = (void *)ss;
	size_t len = strnlen(a->path, sizeof(un->sun_path));

	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, a->path, len);
	if (a->path[0] == '@')
		un->sun_path[0] = '\0';
	else if (len < sizeof(un->sun_path))
		len++;
	return offsetof(struct sockaddr_un, sun_path) + len;
}

static int resolve_vsock(const struct unbd_tcp_address *a,
			 struct sockaddr_storage *ss)
{
	struct sockaddr_vm *vm = (void *)ss;

	vm->svm_family = AF_VSOCK;
	vm->svm_cid = a->cid;
	vm->svm_port = a->port;
	return sizeof(*vm);
}

int unbd_stream_resolve(struct net *net, const struct unbd_tcp_address *a,
			struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	switch (a->kind) {
	case UNBD_TCP_INET:
	case UNBD_TCP_INET6:
		return resolve_inet(net, a, ss);
	case UNBD_TCP_UNIX:
		return resolve_unix(a, ss);
	case UNBD_TCP_VSOCK:
		return resolve_vsock(a, ss);
	case UNBD_TCP_FD:
		break;
	}
	return -EINVAL;
}

static void name_unix(const struct sockaddr_un *un, int addrlen,
		      char *buf, size_t len)
{
	int n = addrlen - (int)offsetof(struct sockaddr_un, sun_path);

	if (n <= 0)
		strscpy(buf, "unix:", len);
	else if (!un->sun_path[0])
		snprintf(buf, len, "unix:@%.*s", n - 1, un->sun_path + 1);
	else
		snprintf(buf, len, "unix:%.*s", n, un->sun_path);
}

void unbd_sockaddr_name(const struct sockaddr_storage *ss, int addrlen,
			char *buf, size_t len)
{
	const struct sockaddr_in6 *in6 = (const void *)ss;
	const struct sockaddr_vm *vm = (const void *)ss;

	switch (ss->ss_family) {
	case AF_INET:
		snprintf(buf, len, "%pISpc", ss);
		break;
	case AF_INET6:
		if (in6->sin6_scope_id)
			snprintf(buf, len, "%pISpsc", ss);
		else
			snprintf(buf, len, "%pISpc", ss);
		break;
	case AF_UNIX:
		name_unix((const void *)ss, addrlen, buf, len);
		break;
	case AF_VSOCK:
		snprintf(buf, len, "vsock:%u:%u", vm->svm_cid, vm->svm_port);
		break;
	default:
		strscpy(buf, "?", len);
	}
}

void unbd_stream_name(struct unbd_stream *s, bool peer, char *buf, size_t len)
{
	struct sockaddr_storage ss = {};
	int n;

	if (peer)
		n = kernel_getpeername(s->sock, (struct sockaddr *)&ss);
	else
		n = kernel_getsockname(s->sock, (struct sockaddr *)&ss);
	unbd_sockaddr_name(&ss, n, buf, len);
}

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

void unbd_stream_init(struct unbd_stream *s, struct socket *sock,
		      bool borrowed)
{
	s->sock = sock;
	s->borrowed = borrowed;
	s->is_tcp = is_tcp(sock->sk);
	s->allocation = sock->sk->sk_allocation;
}

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

/* ------------------------------------------------------------------ */
/* Handshakes: one thread, waiting with a deadline                    */

/* One attempt at something; -EAGAIN to be tried again */
typedef int attempt_fn(struct unbd_stream *s, void *arg);

static int persist(struct unbd_stream *s, attempt_fn *attempt, void *arg,
		   unsigned long deadline)
{
	wait_queue_head_t *wq = sk_sleep(s->sock->sk);
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	long left;
	int err;

	add_wait_queue(wq, &wait);
	for (;;) {
		err = attempt(s, arg);
		if (err != -EAGAIN)
			break;
		err = -ECANCELED;
		if (READ_ONCE(s->aborted))
			break;
		err = -ETIMEDOUT;
		left = deadline - jiffies;
		if (left <= 0)
			break;
		err = -EINTR;
		if (signal_pending(current))
			break;
		wait_woken(&wait, TASK_INTERRUPTIBLE,
			   min_t(long, left, LOOK_AGAIN));
	}
	remove_wait_queue(wq, &wait);
	return err;
}

void unbd_stream_abort(struct unbd_stream *s)
{
	struct socket *sock = READ_ONCE(s->sock);

	WRITE_ONCE(s->aborted, true);
	if (sock)
		wake_up_interruptible(sk_sleep(sock->sk));
}

struct target {
	struct sockaddr_storage ss;
	int len;
};

/* TCP says 0 at the end, AF_VSOCK -EISCONN; AF_UNIX does it in one go. */
static int try_connect(struct unbd_stream *s, void *arg)
{
	struct target *to = arg;
	int err = sock_error(s->sock->sk);

	if (!err)
		err = unbd_kernel_connect(s->sock, &to->ss, to->len,
					  O_NONBLOCK);
	if (err == -EINPROGRESS || err == -EALREADY)
		return -EAGAIN;
	return err == -EISCONN ? 0 : err;
}

static int bind_source(struct unbd_stream *s, struct net *net,
		       const struct unbd_tcp_address *src)
{
	struct target from;

	from.len = unbd_stream_resolve(net, src, &from.ss);
	if (from.len < 0)
		return from.len;
	return unbd_kernel_bind(s->sock, &from.ss, from.len);
}

int unbd_stream_connect(struct unbd_stream *s, struct net *net,
			struct fs_struct *root,
			const struct unbd_tcp_address *src,
			const struct unbd_tcp_address *dst,
			unsigned long deadline, char *why, size_t len)
{
	struct fs_struct *fs;
	struct socket *sock;
	struct target to;
	int err;

	to.len = unbd_stream_resolve(net, dst, &to.ss);
	if (to.len < 0)
		return unbd_why(why, len, to.len, "the address is gone");
	err = sock_create_kern(net, to.ss.ss_family, SOCK_STREAM, 0, &sock);
	if (err)
		return unbd_why(why, len, err, "cannot make a socket");
	set_lock_class(sock->sk);
	prepare(sock->sk);
	unbd_stream_init(s, sock, false);
	/* Names of AF_UNIX are looked up. */
	fs = unbd_enter_root(root);
	if (src)
		err = bind_source(s, net, src);
	if (err) {
		unbd_leave_root(fs);
		return unbd_why(why, len, err,
				"cannot bind to the source address %s",
				src->host[0] ? src->host : src->path);
	}
	err = persist(s, try_connect, &to, deadline);
	unbd_leave_root(fs);
	if (err)
		unbd_why(why, len, err, err == -ETIMEDOUT ?
			 "connecting timed out" : "cannot connect");
	return err;
}

static int try_send(struct unbd_stream *s, void *arg)
{
	struct iov_iter *iter = arg;
	int n = unbd_stream_send(s, iter, false);

	if (n < 0)
		return n;
	return iov_iter_count(iter) ? -EAGAIN : 0;
}

int unbd_stream_send_all(struct unbd_stream *s, const void *buf, size_t len,
			 unsigned long deadline)
{
	struct kvec kv = { .iov_base = (void *)buf, .iov_len = len };
	struct iov_iter iter;

	iov_iter_kvec(&iter, ITER_SOURCE, &kv, 1, len);
	return persist(s, try_send, &iter, deadline);
}

static int try_recv(struct unbd_stream *s, void *arg)
{
	struct iov_iter *iter = arg;
	int n;

	while (iov_iter_count(iter)) {
		n = unbd_stream_recv(s, iter);
		if (n < 0)
			return n;
	}
	return 0;
}

int unbd_stream_recv_all(struct unbd_stream *s, void *buf, size_t len,
			 unsigned long deadline)
{
	struct kvec kv = { .iov_base = buf, .iov_len = len };
	struct iov_iter iter;

	iov_iter_kvec(&iter, ITER_DEST, &kv, 1, len);
	return persist(s, try_recv, &iter, deadline);
}

/* ------------------------------------------------------------------ */
/* Transmission: reports                                              */

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

/* ------------------------------------------------------------------ */
/* Transmission: bytes                                                */

static int send_flags(bool more)
{
	return MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0);
}

void unbd_stream_hold(struct unbd_stream *s)
{
	struct sock *sk = s->sock->sk;

	if (!s->is_tcp)
		return;
	/* As sendmsg() does, for those who steer packets to the CPU. */
	sock_rps_record_flow(sk);
	lock_sock(sk);
	s->held = !inet_csk_has_ulp(sk);
	s->unseen = 0;
	if (!s->held)
		release_sock(sk);
}

void unbd_stream_unhold(struct unbd_stream *s)
{
	if (!s->held)
		return;
	s->held = false;
	release_sock(s->sock->sk);
}

/*
 * Acknowledgments wait for who has the lock, and without them there is neither
 * room nor leave to send. Returns whether it was worth a look.
 */
static bool look_up(struct unbd_stream *s)
{
	struct sock *sk = s->sock->sk;

	if (!s->unseen)
		return false;
	s->unseen = 0;
	release_sock(sk);
	lock_sock(sk);
	return true;
}

static int send_once(struct unbd_stream *s, struct iov_iter *iter, bool more,
		     bool pages)
{
	struct msghdr msg = { .msg_flags = send_flags(more) };
	struct socket *sock = s->sock;
	int n;

	if (pages)
		return unbd_send_pages_locked(sock->sk, iter, msg.msg_flags);
	msg.msg_iter = *iter;
	if (s->held)
		n = sock->ops->sendmsg_locked(sock->sk, &msg,
					      iov_iter_count(iter));
	else
		n = sock_sendmsg(sock, &msg);
	if (n > 0)
		iov_iter_advance(iter, n);
	return n;
}

static int send_held(struct unbd_stream *s, struct iov_iter *iter, bool more,
		     bool pages)
{
	int n = send_once(s, iter, more, pages);

	if (!s->held)
		return n;
	if (n == -EAGAIN && look_up(s))
		n = send_once(s, iter, more, pages);
	if (n > 0)
		s->unseen += n;
	if (s->unseen >= LOOK_UP)
		look_up(s);
	return n;
}

/* Whoever frees memory by sending may use what is kept back for that. */
static int send_some(struct unbd_stream *s, struct iov_iter *iter, bool more,
		     bool pages)
{
	unsigned int noreclaim;
	int n;

	if (sock_flag(s->sock->sk, SOCK_MEMALLOC)) {
		noreclaim = memalloc_noreclaim_save();
		n = send_held(s, iter, more, pages);
		memalloc_noreclaim_restore(noreclaim);
	} else {
		n = send_held(s, iter, more, pages);
	}
	return n ? n : -EAGAIN;
}

int unbd_stream_send(struct unbd_stream *s, struct iov_iter *iter, bool more)
{
	return send_some(s, iter, more, false);
}

/*
 * AF_UNIX could take pages by reference, too, but gives them to a process
 * that can keep them for ever.
 *
 * Software TLS copies anyway, was seen to leak references, and has to see what
 * is sent: it is not held, and goes the way of those that are not TCP.
 */
int unbd_stream_send_pages(struct unbd_stream *s, struct iov_iter *iter,
			   bool more)
{
	return send_some(s, iter, more, s->held);
}

/*
 * To be told by the socket that it is empty costs more than a small request's
 * header. What comes after this look is reported, as it is after that answer.
 */
static bool nothing_there(const struct unbd_stream *s)
{
	return s->is_tcp &&
		skb_queue_empty_lockless(&s->sock->sk->sk_receive_queue) &&
		!unbd_stream_status(s);
}

int unbd_stream_recv(struct unbd_stream *s, struct iov_iter *iter)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };
	int n;

	if (nothing_there(s))
		return -EAGAIN;
	msg.msg_iter = *iter;
	n = sock_recvmsg(s->sock, &msg, MSG_DONTWAIT);
	if (n > 0)
		iov_iter_advance(iter, n);
	return n ? n : -ECONNRESET;
}

/* ------------------------------------------------------------------ */
/* Transmission: is the peer still there?                             */

int unbd_stream_status(const struct unbd_stream *s)
{
	const struct sock *sk = s->sock->sk;
	int err = READ_ONCE(sk->sk_err);

	if (err)
		return -err;
	if (READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN ||
	    READ_ONCE(sk->sk_state) != TCP_ESTABLISHED)
		return -ECONNRESET;
	return 0;
}

bool unbd_stream_is_taken(const struct unbd_stream *s)
{
	const struct tcp_sock *tp = tcp_sk(s->sock->sk);

	if (s->is_tcp)
		return READ_ONCE(tp->snd_una) == READ_ONCE(tp->write_seq);
	return s->sock->sk->sk_family != AF_UNIX ||
		!sk_wmem_alloc_get(s->sock->sk);
}

unsigned long unbd_stream_silence(const struct unbd_stream *s)
{
	return s->is_tcp ? keepalive_time_elapsed(tcp_sk(s->sock->sk)) : 0;
}

unsigned long unbd_stream_look(struct unbd_stream *s,
			       struct unbd_stream_look *look)
{
	struct tcp_sock *tp;
	u32 taken, queued;

	if (!s->is_tcp)
		return look->when;
	tp = tcp_sk(s->sock->sk);
	spin_lock(&look->lock);
	taken = READ_ONCE(tp->snd_una);
	queued = READ_ONCE(tp->write_seq);
	if (after(taken, look->taken) && before(taken, look->queued))
		look->when = jiffies;
	look->taken = taken;
	look->queued = queued;
	spin_unlock(&look->lock);
	return look->when;
}

/*
 * TCP itself probes an idle connection at fixed intervals, but one with a
 * closed window at ever longer ones, and not at all while it waits for a
 * retransmission. To switch the repair mode off, whether or not it is on, is
 * the one portable request that makes it send a window probe at once.
 */
void unbd_stream_probe(struct unbd_stream *s)
{
	int off = 0;

	if (s->is_tcp)
		s->sock->ops->setsockopt(s->sock, SOL_TCP, TCP_REPAIR,
					 KERNEL_SOCKPTR(&off), sizeof(off));
}
