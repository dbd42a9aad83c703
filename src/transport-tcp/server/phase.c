// SPDX-License-Identifier: GPL-2.0
/*
 * From one phase of a connection's life to the next: which work drives it, and
 * what ends it. All others may call this.
 */
#define pr_fmt(fmt) "unbd-tcp-server: " fmt

#include <linux/net.h>
#include <linux/workqueue.h>

#include "server.h"

/* How long a client may take to close its end after the last reply. */
#define SRV_LINGER_TIME		(5 * HZ)

/**
 * srv_conn_wake() - have the work run that drives a connection
 * @conn: connection that is not being freed
 *
 * Any context.
 */
void srv_conn_wake(struct srv_conn *conn)
{
	int cpu;

	/* Pairs with srv_conn_live(): io_work sees what was agreed upon. */
	if (smp_load_acquire(&conn->phase) == SRV_HANDSHAKE) {
		queue_work(srv_control_wq, &conn->handshake);
		return;
	}
	/* Where its packets arrive; not known at first and for AF_UNIX. */
	cpu = READ_ONCE(conn->stream.sock->sk->sk_incoming_cpu);
	if ((unsigned int)cpu >= nr_cpu_ids || !cpu_online(cpu))
		cpu = WORK_CPU_UNBOUND;
	queue_work_on(cpu, srv_io_wq, &conn->io_work);
}

/**
 * srv_conn_kill() - end a connection soon
 * @conn: connection that the core knows
 *
 * Any context, any number of times.
 */
void srv_conn_kill(struct srv_conn *conn)
{
	if (test_and_set_bit(0, &conn->closing))
		return;
	/* The storage need not finish what takes long. */
	WRITE_ONCE(conn->base.closing, true);
	queue_work(srv_teardown_wq, &conn->teardown);
}

/**
 * srv_conn_drop() - end a connection and say why
 * @conn: connection that the core knows
 * @fmt: what the client has done, without a newline
 *
 * Any context. Says nothing about a connection that ends already.
 */
void srv_conn_drop(struct srv_conn *conn, const char *fmt, ...)
{
	struct va_format vaf;
	va_list args;

	if (srv_conn_closing(conn))
		return;
	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	pr_notice_ratelimited("%s dropped: %pV\n", conn->base.peer_name, &vaf);
	va_end(args);
	srv_conn_kill(conn);
}

/**
 * srv_conn_put() - a request is back
 * @conn: may be gone when this returns
 */
void srv_conn_put(struct srv_conn *conn)
{
	if (refcount_dec_and_test(&conn->refs))
		queue_work(srv_control_wq, &conn->finish);
}

/**
 * srv_conn_live() - the handshake is done, requests may come
 * @conn: connection, from the handshake's work, which must not touch it
 *	any more
 */
void srv_conn_live(struct srv_conn *conn)
{
	cancel_delayed_work(&conn->deadline);
	/* Pairs with srv_conn_wake(). */
	smp_store_release(&conn->phase, SRV_LIVE);
	srv_conn_wake(conn);
}

/**
 * srv_conn_farewell() - all is sent: close our direction, wait for the other
 * @conn: connection, from the work that drives it
 *
 * Closing both at once could take the last replies away from the client.
 */
void srv_conn_farewell(struct srv_conn *conn)
{
	bool handshake = conn->phase == SRV_HANDSHAKE;

	kernel_sock_shutdown(conn->stream.sock, SHUT_WR);
	mod_delayed_work(srv_control_wq, &conn->deadline, SRV_LINGER_TIME);
	/* Pairs with srv_conn_wake(). */
	smp_store_release(&conn->phase, SRV_LINGERING);
	if (handshake)
		srv_conn_wake(conn);
}
