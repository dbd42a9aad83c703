// SPDX-License-Identifier: GPL-2.0
/*
 * One connection in its transmission phase: start, work, polling, end.
 */
#include <linux/sched/mm.h>
#include <linux/skbuff.h>
#include <net/busy_poll.h>

#include "client.h"

/* For how long the work goes on before it lets others have the CPU */
#define WORK_QUOTA	msecs_to_jiffies(1)

static void conn_readable(struct unbd_stream *s)
{
	struct clt_conn *conn = container_of(s, struct clt_conn, stream);

	if (!test_bit(CLT_CONN_POLLING, &conn->flags))
		clt_conn_kick(conn);
}

static void conn_received(struct unbd_stream *s)
{
	struct clt_conn *conn = container_of(s, struct clt_conn, stream);

	if (conn->polled)
		conn_readable(s);
	else
		clt_recv_now(conn);
}

static void conn_writable(struct unbd_stream *s)
{
	struct clt_conn *conn = container_of(s, struct clt_conn, stream);

	if (READ_ONCE(conn->queue))
		clt_conn_kick(conn);
}

static const struct unbd_stream_ops conn_stream_ops = {
	.received = conn_received,
	.readable = conn_readable,
	.writable = conn_writable,
};

static bool recv_locked(struct clt_conn *conn)
{
	bool more;

	mutex_lock(&conn->recv_mutex);
	more = clt_recv(conn);
	mutex_unlock(&conn->recv_mutex);
	return more;
}

static void conn_work(struct work_struct *work)
{
	struct clt_conn *conn = container_of(work, struct clt_conn, work);
	unsigned long deadline = jiffies + WORK_QUOTA;
	/* Not for its own disk: AF_VSOCK needs memory even to receive. */
	unsigned int noio = memalloc_noio_save();
	bool more;

	do {
		more = clt_send_pending(conn) && clt_send(conn, true);
		more |= recv_locked(conn);
		more = more && !clt_conn_broken(conn);
	} while (more && !time_after(jiffies, deadline));
	memalloc_noio_restore(noio);
	if (more)
		clt_conn_kick(conn);
}

/**
 * clt_poll() - look for replies instead of waiting for a report
 * @base: leg that is attached
 * @queue: the connection's number
 *
 * Process context; does not sleep, the block layer polls within an RCU
 * read-side critical section. AF_UNIX and AF_VSOCK sleep when they receive,
 * so that is left to the work there.
 *
 * Return: number of requests that were completed.
 */
int clt_poll(struct unbd_leg *base, unsigned int queue)
{
	struct clt_conn *conn = &to_clt_leg(base)->conns[queue];
	struct sock *sk = conn->stream.sock->sk;
	int found = 0;

	if (!conn->stream.is_tcp)
		return 0;
	set_bit(CLT_CONN_POLLING, &conn->flags);
	if (skb_queue_empty_lockless(&sk->sk_receive_queue))
		sk_busy_loop(sk, 1);
	if (mutex_trylock(&conn->recv_mutex)) {
		conn->completed = 0;
		clt_recv_poll(conn);
		found = conn->completed;
		mutex_unlock(&conn->recv_mutex);
	}
	clear_bit(CLT_CONN_POLLING, &conn->flags);
	/* What came in between was not reported. */
	smp_mb__after_atomic();
	if (!skb_queue_empty_lockless(&sk->sk_receive_queue) ||
	    unbd_stream_status(&conn->stream))
		clt_conn_kick(conn);
	return found;
}

/**
 * clt_moved() - when a connection last got on
 * @base: leg that is attached
 * @queue: the connection's number
 *
 * Process context. Return: jiffies; see &unbd_transport_ops.moved.
 */
unsigned long clt_moved(struct unbd_leg *base, unsigned int queue)
{
	struct clt_conn *conn = &to_clt_leg(base)->conns[queue];
	unsigned long received = READ_ONCE(conn->received);
	unsigned long sent = READ_ONCE(conn->got_room);
	unsigned long taken = unbd_stream_look(&conn->stream, &conn->look);

	if (time_after(taken, sent))
		sent = taken;
	return time_after(sent, received) ? sent : received;
}

/**
 * clt_conn_init() - set up a connection that has no socket yet
 * @conn: zeroed
 * @leg: its leg, whose info is set
 * @index: number of its queue
 */
void clt_conn_init(struct clt_conn *conn, struct clt_leg *leg,
		   unsigned int index)
{
	conn->leg = leg;
	conn->index = index;
	conn->headers = leg->info.headers;
	conn->received = jiffies;
	conn->got_room = jiffies;
	unbd_stream_look_init(&conn->look);
	init_llist_head(&conn->submitted);
	init_llist_head(&conn->finished);
	mutex_init(&conn->send_mutex);
	mutex_init(&conn->recv_mutex);
	INIT_WORK(&conn->work, conn_work);
}

/**
 * clt_conn_start() - begin the transmission phase
 * @conn: connection with a stream that is through its handshake
 * @why: reason of a failure
 * @len: size of @why
 *
 * leg->nr_queues is set. Return: 0, or -EBUSY if somebody else in the kernel
 * has taken hold of the socket.
 */
int clt_conn_start(struct clt_conn *conn, char *why, size_t len)
{
	conn->cpu = WORK_CPU_UNBOUND;
	conn->polled = conn->index >= conn->leg->base.nr_queues;
	clt_recv_start(conn);
	if (unbd_stream_watch(&conn->stream, &conn_stream_ops))
		return unbd_why(why, len, -EBUSY,
				"the socket is in use by the kernel");
	clt_conn_kick(conn);
	return 0;
}

/**
 * clt_conn_stop() - end sending and receiving
 * @conn: connection, started or not
 *
 * May sleep, but not for the peer. Nothing looks at requests afterwards.
 */
void clt_conn_stop(struct clt_conn *conn)
{
	unbd_stream_unwatch(&conn->stream);
	cancel_work_sync(&conn->work);
}

/**
 * clt_conn_close() - close a connection that was stopped
 * @conn: connection
 * @polite: tell the server, unless it would take this for data
 */
void clt_conn_close(struct clt_conn *conn, bool polite)
{
	/* Such a server is to be told, although the path has failed. */
	bool dismissed = test_bit(CLT_CONN_DISMISSED, &conn->flags);
	struct clt_request *req;

	polite = dismissed || (polite && !clt_conn_broken(conn));
	if (conn->queue) {
		req = llist_entry(conn->queue, struct clt_request, node);
		if (req->header_sent)
			polite = false;
	}
	if (polite)
		clt_say_goodbye(&conn->stream, conn->headers);
	unbd_stream_close(&conn->stream);
}
