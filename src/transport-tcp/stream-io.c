// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes out of and into a stream, without waiting, and what can be told of the
 * peer meanwhile.
 */
#include <linux/net.h>
#include <linux/sched/mm.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>

#include <unbd/compat.h>

#include "stream.h"

/* Who sends many bytes looks for acknowledgments after that many. */
#define LOOK_UP		(64 << 10)

/* ------------------------------------------------------------------ */
/* Bytes                                                              */

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
EXPORT_SYMBOL_UNBD(unbd_stream_hold);

void unbd_stream_unhold(struct unbd_stream *s)
{
	if (!s->held)
		return;
	s->held = false;
	release_sock(s->sock->sk);
}
EXPORT_SYMBOL_UNBD(unbd_stream_unhold);

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
EXPORT_SYMBOL_UNBD(unbd_stream_send);

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
EXPORT_SYMBOL_UNBD(unbd_stream_send_pages);

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
EXPORT_SYMBOL_UNBD(unbd_stream_recv);

/* ------------------------------------------------------------------ */
/* Is the peer still there?                                           */

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
EXPORT_SYMBOL_UNBD(unbd_stream_status);

bool unbd_stream_is_taken(const struct unbd_stream *s)
{
	const struct tcp_sock *tp = tcp_sk(s->sock->sk);

	if (s->is_tcp)
		return READ_ONCE(tp->snd_una) == READ_ONCE(tp->write_seq);
	return s->sock->sk->sk_family != AF_UNIX ||
		!sk_wmem_alloc_get(s->sock->sk);
}
EXPORT_SYMBOL_UNBD(unbd_stream_is_taken);

unsigned long unbd_stream_silence(const struct unbd_stream *s)
{
	return s->is_tcp ? keepalive_time_elapsed(tcp_sk(s->sock->sk)) : 0;
}
EXPORT_SYMBOL_UNBD(unbd_stream_silence);

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
EXPORT_SYMBOL_UNBD(unbd_stream_look);

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
EXPORT_SYMBOL_UNBD(unbd_stream_probe);
