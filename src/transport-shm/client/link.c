// SPDX-License-Identifier: GPL-2.0
/*
 * A connection's way up: wait for a server, reset it, ask what it has.
 *
 * What the server wrote for whoever was connected before is passed over; what
 * it still does for them has ended when it answers the reset.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/random.h>
#include <linux/sched/mm.h>

#include "client.h"

/* How often to look whether there is a server: at first, and in the end */
#define FIRST_WAIT	msecs_to_jiffies(5)
#define LAST_WAIT	msecs_to_jiffies(50)

static int wait_for_server(struct clt_path *path, char *why, size_t len)
{
	unsigned long end = jiffies + path->base.attempts.connect_timeout;
	unsigned long wait = FIRST_WAIT;
	struct clt_conn *conn = path->conn;
	const struct shm_stream_header *h = conn->reader.header;

	while (!shm_reader_active(&conn->reader)) {
		if (READ_ONCE(path->aborted))
			return unbd_why(why, len, -ECANCELED, "interrupted");
		if (time_after(jiffies, end))
			return unbd_why(why, len, -ECONNREFUSED,
					"there is no server");
		wait_event_timeout(conn->control_wait,
				   READ_ONCE(path->aborted), wait);
		wait = min(2 * wait, LAST_WAIT);
	}
	switch (shm_reader_drain(&conn->reader)) {
	case SHM_READ_EMPTY:
		if (conn->reader.elements >= CLT_LEAST_ELEMENTS)
			return 0;
		return unbd_why(why, len, -EPROTO,
				"the server's channel has %u elements, too few",
				conn->reader.elements);
	case SHM_READ_INCOMPATIBLE:
		return unbd_why(why, len, -EPROTO,
				"the server's channel is of another kind: transport %#llx, protocol %#llx, %llu elements of %llu bytes",
				READ_ONCE(h->transport),
				READ_ONCE(h->protocol),
				READ_ONCE(h->elements),
				READ_ONCE(h->size));
	default:
		return unbd_why(why, len, -ECONNRESET,
				"the server has gone again");
	}
}

/*
 * A server that has begun anew may read the channel from the first element on
 * and carry out once more what it finds there, with whatever the buffer holds
 * by then. Not if it finds that it has missed some: so from the first request
 * on more has been written than there are slots. Nothing of it is answered,
 * but where there is no device 0, with a tag that is nobody's.
 */
static int fill_channel(struct clt_path *path, char *why, size_t len)
{
	struct clt_conn *conn = path->conn;
	struct shm_request none = { .kind = MUENBLOCK_NONE };
	u32 left = conn->writer.elements;
	u32 i, at_once;
	u64 nr;
	int err;

	do {
		/* In case that they are answered: the server may have one. */
		at_once = min(conn->reader.elements / 4 + 1, left / 4 + 1);
		for (i = 0; i < at_once; i++)
			clt_send(conn, &none, false);
		left -= min(left, at_once);
		/* The server has read as far as this when it answers. */
		err = clt_control(path, MUENBLOCK_MAX_DEVICES, 0, &nr, why,
				  len);
	} while (!err && left);
	return err;
}

/**
 * clt_link_find_devices() - ask the server which devices it has
 * @path: path whose connection has been reset
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0 or as clt_control().
 */
int clt_link_find_devices(struct clt_path *path, char *why, size_t len)
{
	DECLARE_BITMAP(valid, SHM_MAX_DEVICES) = {};
	struct clt_conn *conn = path->conn;
	unsigned int resets = READ_ONCE(conn->resets);
	unsigned int device, found = 0;
	u64 told, nr, blocks;
	int err;

	err = clt_control(path, MUENBLOCK_MAX_DEVICES, 0, &told, why, len);
	if (err)
		return err;
	nr = min_t(u64, told, SHM_MAX_DEVICES);
	/* There may be numbers without a device in between. */
	for (device = 0; device < SHM_MAX_DEVICES && found < nr; device++) {
		err = clt_control(path, MUENBLOCK_MEDIA_BLOCKS, device,
				  &blocks, why, len);
		if (err)
			return err;
		if (!blocks)
			continue;
		set_bit(device, valid);
		found++;
	}
	mutex_lock(&conn->recv_mutex);
	if (resets != conn->resets) {
		err = unbd_why(why, len, -ECONNRESET,
			       "it has been connected anew meanwhile");
	} else {
		conn->told_devices = told;
		bitmap_copy(conn->valid, valid, SHM_MAX_DEVICES);
		clt_slots_share(conn, found);
		WRITE_ONCE(conn->nr_devices, found);
	}
	mutex_unlock(&conn->recv_mutex);
	return err;
}

static void reset_state(struct clt_conn *conn)
{
	/* Who is asking at this moment gets no answer to believe. */
	mutex_lock(&conn->recv_mutex);
	conn->resets++;
	mutex_unlock(&conn->recv_mutex);

	clt_slots_reset(conn, get_random_u32());
	conn->tags = get_random_u32();
	conn->control_tag = 0;
	conn->ping_tag = 0;
	conn->unsent = false;
	conn->resetting = true;
	conn->warned = false;
	conn->pinged = false;
	conn->heard = jiffies;
	conn->up = false;
	WRITE_ONCE(conn->broken, false);
}

/* From here on the core is told of a failure. */
static int come_up(struct clt_conn *conn, char *why, size_t len)
{
	int err = 0;

	mutex_lock(&conn->recv_mutex);
	conn->up = !conn->broken;
	if (conn->broken)
		err = unbd_why(why, len, -ECONNRESET,
			       "the server has gone again");
	mutex_unlock(&conn->recv_mutex);
	return err;
}

static int link_up(struct clt_path *path, char *why, size_t len)
{
	struct clt_conn *conn = path->conn;
	u64 status;
	int err;

	shm_writer_deactivate(&conn->writer);
	err = wait_for_server(path, why, len);
	if (err)
		return err;
	reset_state(conn);
	shm_writer_activate(&conn->writer, conn->base.option.request_protocol,
			    shm_epoch_of_ours(get_random_u32()));
	err = shm_thread_start(&conn->thread, &clt_thread_ops,
			       &conn->base.regions.response, "shm",
			       conn->base.option.id);
	if (err) {
		snprintf(why, len, "cannot start a thread");
		goto down;
	}
	err = clt_control(path, MUENBLOCK_RESET, 0, &status, why, len);
	if (!err)
		err = fill_channel(path, why, len);
	if (!err)
		err = clt_link_find_devices(path, why, len);
	if (!err)
		err = come_up(conn, why, len);
	if (!err)
		return 0;
down:
	clt_link_down(conn);
	return err;
}

/**
 * clt_link_up() - connect to the server
 * @path: path that uses the connection
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0 or -errno.
 */
int clt_link_up(struct clt_path *path, char *why, size_t len)
{
	/* Reclaim may be waiting for the disks to come back. */
	unsigned int noio = memalloc_noio_save();
	int err = link_up(path, why, len);

	memalloc_noio_restore(noio);
	return err;
}

/**
 * clt_link_down() - leave the server
 * @conn: connection; no request of it is the transport's any more
 *
 * Does not wait for the peer.
 */
void clt_link_down(struct clt_conn *conn)
{
	shm_thread_pause(&conn->thread);
	WRITE_ONCE(conn->broken, true);
	shm_writer_deactivate(&conn->writer);
	shm_region_notify(&conn->base.regions.request);
}

/**
 * clt_link_init() - prepare a connection whose regions are open
 * @conn: connection
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0, -EINVAL for regions that are too small, or -ENOMEM.
 */
int clt_link_init(struct clt_conn *conn, char *why, size_t len)
{
	struct shm_regions *r = &conn->base.regions;

	spin_lock_init(&conn->send_lock);
	mutex_init(&conn->recv_mutex);
	mutex_init(&conn->control_mutex);
	init_waitqueue_head(&conn->control_wait);
	conn->broken = true;
	if (shm_writer_init(&conn->writer, r->request.addr, r->request.size,
			    sizeof(struct muenblock_request)) ||
	    shm_reader_init(&conn->reader, r->response.addr, r->response.size,
			    conn->base.option.response_protocol,
			    sizeof(struct muenblock_response)) ||
	    conn->writer.elements < CLT_LEAST_ELEMENTS ||
	    conn->reader.room < CLT_LEAST_ELEMENTS *
				sizeof(struct muenblock_response))
		return unbd_why(why, len, -EINVAL,
				"a channel is smaller than %u elements",
				CLT_LEAST_ELEMENTS);
	return clt_slots_init(conn, why, len);
}

/**
 * clt_link_exit() - undo clt_link_init()
 * @conn: connection
 */
void clt_link_exit(struct clt_conn *conn)
{
	shm_thread_stop(&conn->thread);
	clt_slots_exit(conn);
}
