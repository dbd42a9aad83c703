// SPDX-License-Identifier: GPL-2.0
/*
 * A leg: its connections all together, and the watchdog that looks after them.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "client.h"

/* The watchdog looks that often in the time between two keepalives ... */
#define LOOKS		4
/* ... and wants to have asked the peer's host that often before it gives up */
#define MISSED		4

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
/* Attach, detach, refresh, fence                                     */

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

/**
 * clt_leg_attach() - connect and open the export, &unbd_transport_ops.attach
 * @base: leg without connections
 * @why: reason of a failure
 * @len: size of @why
 *
 * Sleeps for the server. Return: 0 or -errno, and nothing is left open.
 */
int clt_leg_attach(struct unbd_leg *base, char *why, size_t len)
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

/**
 * clt_leg_detach() - close all connections, &unbd_transport_ops.detach
 * @base: leg that was attached
 *
 * May sleep, but not for the peer.
 */
void clt_leg_detach(struct unbd_leg *base)
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

/**
 * clt_leg_refresh() - ask for the size, &unbd_transport_ops.refresh
 * @base: leg that is attached
 * @why: reason of a failure
 * @len: size of @why
 *
 * Some servers tell no size in answer to NBD_OPT_INFO, so the export is opened
 * once more. The other connections may go on to refuse what is beyond the
 * size that they were opened with, so growth needs new ones.
 *
 * Return: 0; 1 if what has been added is reached only by another attach; or
 * -errno.
 */
int clt_leg_refresh(struct unbd_leg *base, char *why, size_t len)
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

/**
 * clt_leg_fence() - have the server fence, &unbd_transport_ops.fence
 * @base: leg that is attached
 * @why: reason of a failure
 * @len: size of @why
 *
 * A new connection's handshake asks for it; more is not wanted of that.
 *
 * Return: 0 or -errno.
 */
int clt_leg_fence(struct unbd_leg *base, char *why, size_t len)
{
	struct nbd_export_info info;

	/* There cannot be another connection, so it goes on as elsewhere. */
	if (base->path->flags & UNBD_PATH_ONE_SHOT)
		return 0;
	return ask_server(to_clt_leg(base), &info, why, len);
}
