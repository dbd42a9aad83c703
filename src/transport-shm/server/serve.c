// SPDX-License-Identifier: GPL-2.0
/*
 * The work of a connection's thread: clients come, begin anew and go, and what
 * they ask for is read.
 */
#define pr_fmt(fmt) "unbd-shm-server: " fmt

#include <linux/delay.h>
#include <linux/random.h>
#include <linux/rcupdate.h>

#include "server.h"

/* Requests that are taken before the responses get their turn */
#define MOST_AT_ONCE	64

static void set_barrier(struct srv_conn *conn, enum srv_barrier barrier)
{
	conn->barrier = barrier;
	conn->refused = false;
}

static void client_came(struct srv_conn *conn)
{
	pr_info_ratelimited("shm:%u: a client has %s\n", conn->base.option.id,
			    conn->present ? "begun anew" : "come");
	srv_devices_hurry(conn);
	conn->present = true;
	conn->begun = true;
	set_barrier(conn, SRV_RESTART);
}

static void client_went(struct srv_conn *conn)
{
	if (conn->present)
		pr_info_ratelimited("shm:%u: the client has gone\n",
				    conn->base.option.id);
	srv_devices_hurry(conn);
	if (conn->present || conn->refused)
		set_barrier(conn, SRV_GONE);
	conn->present = false;
}

static void refuse_client(struct srv_conn *conn)
{
	const struct shm_stream_header *h = conn->reader.header;

	if (conn->refused)
		return;
	client_went(conn);
	conn->refused = true;
	pr_warn_ratelimited("shm:%u: a client's channel is of another kind: transport %#llx, protocol %#llx, %llu elements of %llu bytes\n",
			    conn->base.option.id,
			    (u64)READ_ONCE(h->transport),
			    (u64)READ_ONCE(h->protocol),
			    (u64)READ_ONCE(h->elements),
			    (u64)READ_ONCE(h->size));
}

/*
 * A client of ours that was here before this server has yet to see that there
 * is another one. What it asks for until then it takes for lost, and may have
 * sent another way.
 */
static bool passed_over(struct srv_conn *conn, const struct shm_request *rq)
{
	if (rq->kind == MUENBLOCK_RESET)
		conn->begun = true;
	return !conn->begun && shm_reader_of_ours(&conn->reader);
}

/* Others do not begin an epoch for this server. */
static void greet(struct srv_conn *conn)
{
	if (conn->present)
		return;
	conn->present = true;
	srv_devices_open(conn);
}

/* Returns whether to go on reading. */
static bool read_one(struct srv_conn *conn)
{
	struct muenblock_request element;
	struct shm_request rq;

	switch (shm_reader_get(&conn->reader, &element)) {
	case SHM_READ_OK:
		srv_unpack_request(&rq, &element);
		if (passed_over(conn, &rq))
			return true;
		greet(conn);
		srv_handle_request(conn, &rq);
		return true;
	case SHM_READ_RESTARTED:
		client_came(conn);
		return true;
	case SHM_READ_INACTIVE:
		client_went(conn);
		return false;
	case SHM_READ_INCOMPATIBLE:
		refuse_client(conn);
		return false;
	case SHM_READ_OVERRUN:
		pr_warn_ratelimited("shm:%u: the client has overrun its channel, requests are lost\n",
				    conn->base.option.id);
		return true;
	default:
		return false;
	}
}

/* Goes on, now that nothing is at the storage. */
static void pass_barrier(struct srv_conn *conn)
{
	enum srv_barrier barrier = conn->barrier;

	conn->barrier = SRV_GO_ON;
	switch (barrier) {
	case SRV_RESET:
		srv_devices_close(conn, false);
		srv_devices_open(conn);
		srv_respond(conn, &conn->waiting, MUENBLOCK_OK);
		break;
	case SRV_RESTART:
		srv_devices_close(conn, true);
		srv_devices_open(conn);
		break;
	case SRV_GONE:
		srv_devices_close(conn, true);
		break;
	case SRV_GO_ON:
		break;
	}
}

static bool read_requests(struct srv_conn *conn)
{
	unsigned int i;

	for (i = 0; i < MOST_AT_ONCE; i++) {
		if (conn->barrier && !conn->inflight)
			pass_barrier(conn);
		/* A client that goes does not have to wait for the storage. */
		if (conn->barrier || !conn->free)
			break;
		if (!read_one(conn))
			break;
	}
	return i;
}

/* What a client wrote before is passed over. It sees the new epoch. */
static void begin_epoch(struct srv_conn *conn)
{
	shm_writer_deactivate(&conn->writer);
	shm_reader_drain(&conn->reader);
	shm_writer_activate(&conn->writer, conn->base.option.response_protocol,
			    shm_epoch_of_ours(get_random_u32()));
	conn->begun = false;
	shm_region_notify(&conn->base.regions.response);
}

static void begin_anew(struct srv_conn *conn)
{
	pr_info_ratelimited("shm:%u: a device is closed, the client has to connect again\n",
			    conn->base.option.id);
	set_barrier(conn, SRV_GONE);
	conn->present = false;
	begin_epoch(conn);
}

static struct srv_conn *conn_of_thread(struct shm_thread *thread)
{
	return container_of(thread, struct srv_conn, thread);
}

static bool srv_work(struct shm_thread *thread)
{
	struct srv_conn *conn = conn_of_thread(thread);
	bool busy;

	busy = srv_reap(conn);
	/* From a reset on it is beginning anew already. */
	if (!conn->barrier && srv_devices_are_closing(conn))
		begin_anew(conn);
	if (unlikely(READ_ONCE(conn->added)) && conn->present &&
	    xchg(&conn->added, false))
		srv_devices_open(conn);
	busy |= read_requests(conn);
	busy |= srv_reap(conn);
	srv_tell_client(conn);
	return busy;
}

static bool srv_pending(struct shm_thread *thread)
{
	struct srv_conn *conn = conn_of_thread(thread);

	if (!llist_empty(&conn->done))
		return true;
	if (conn->barrier || !conn->free)
		return conn->barrier && !conn->inflight;
	return shm_reader_pending(&conn->reader);
}

static bool srv_busy(struct shm_thread *thread)
{
	return conn_of_thread(thread)->inflight;
}

static const struct shm_thread_ops srv_thread_ops = {
	.work = srv_work,
	.pending = srv_pending,
	.busy = srv_busy,
	.freezes = true,
};

/**
 * srv_serve_start() - begin to serve
 * @conn: connection
 *
 * The data that a client wrote for a server that was here before may no longer
 * be where it had them: it has to begin anew. Return: 0 or -errno.
 */
int srv_serve_start(struct srv_conn *conn)
{
	int err;

	begin_epoch(conn);
	err = shm_thread_start(&conn->thread, &srv_thread_ops,
			       &conn->base.regions.request, "shmd",
			       conn->base.option.id);
	if (err)
		shm_writer_deactivate(&conn->writer);
	return err;
}

/**
 * srv_serve_stop() - cease to serve
 * @conn: connection, started or not
 *
 * Waits for the storage, not for the client.
 */
void srv_serve_stop(struct srv_conn *conn)
{
	shm_thread_stop(&conn->thread);
	shm_writer_deactivate(&conn->writer);
	shm_region_notify(&conn->base.regions.response);
	conn->barrier = SRV_GONE;
	while (srv_reap(conn) || conn->inflight)
		usleep_range(500, 1000);
	srv_devices_close(conn, true);
	/* Whoever completed the last request may not have left it yet. */
	synchronize_rcu();
}
