// SPDX-License-Identifier: GPL-2.0
/*
 * A stream in its handshake: one thread that waits for the server, with a
 * deadline, until somebody calls it off.
 */
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include <unbd/compat-fs.h>
#include <unbd/parse.h>

#include "client.h"

/* A handshake looks again that often, whether or not it was woken up. */
#define LOOK_AGAIN	(HZ / 20)

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

/**
 * clt_stream_abort() - end the waits of a handshake
 * @s: stream whose socket stays while this runs
 *
 * Any context. Whoever waits in clt_stream_connect(), clt_stream_send_all()
 * or clt_stream_recv_all() returns -ECANCELED, as do later ones.
 */
void clt_stream_abort(struct unbd_stream *s)
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

	from.len = unbd_tcp_resolve(net, src, &from.ss);
	if (from.len < 0)
		return from.len;
	return unbd_kernel_bind(s->sock, &from.ss, from.len);
}

/**
 * clt_stream_connect() - make a socket and connect it
 * @s: zeroed but for what clt_stream_abort() may have set
 * @net: network namespace
 * @root: where names of AF_UNIX are looked up, of unbd_keep_root()
 * @src: address to bind to, or NULL
 * @dst: address of the server
 * @deadline: jiffies
 * @why: message on error
 * @len: size of @why
 *
 * Memory reclaim may wait for this socket: it may use reserves from the start.
 * May sleep until @deadline, interruptibly. unbd_stream_close() is due in any
 * case, when clt_stream_abort() cannot come any more.
 *
 * Return: 0, -ECANCELED if aborted, -ETIMEDOUT, or what the network says.
 */
int clt_stream_connect(struct unbd_stream *s, struct net *net,
		       struct fs_struct *root,
		       const struct unbd_tcp_address *src,
		       const struct unbd_tcp_address *dst,
		       unsigned long deadline, char *why, size_t len)
{
	struct fs_struct *fs;
	struct target to;
	int err;

	to.len = unbd_tcp_resolve(net, dst, &to.ss);
	if (to.len < 0)
		return unbd_why(why, len, to.len, "the address is gone");
	err = unbd_stream_make(s, net, to.ss.ss_family);
	if (err)
		return unbd_why(why, len, err, "cannot make a socket");
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

/**
 * clt_stream_send_all() - send a buffer, waiting
 * @s: unwatched stream
 * @buf: kernel memory
 * @len: bytes
 * @deadline: jiffies
 *
 * Return: 0, -ETIMEDOUT, -ECANCELED or the socket's error.
 */
int clt_stream_send_all(struct unbd_stream *s, const void *buf, size_t len,
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

/**
 * clt_stream_recv_all() - receive a buffer, waiting
 * @s: unwatched stream
 * @buf: kernel memory
 * @len: bytes
 * @deadline: jiffies
 *
 * Return: 0; -ECONNRESET if the stream ends before; else as
 * clt_stream_send_all().
 */
int clt_stream_recv_all(struct unbd_stream *s, void *buf, size_t len,
			unsigned long deadline)
{
	struct kvec kv = { .iov_base = buf, .iov_len = len };
	struct iov_iter iter;

	iov_iter_kvec(&iter, ITER_DEST, &kv, 1, len);
	return persist(s, try_recv, &iter, deadline);
}
