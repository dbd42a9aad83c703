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
#include <linux/slab.h>

#include "client.h"

/* How often to look whether there is a server: at first, and in the end */
#define FIRST_WAIT	msecs_to_jiffies(5)
#define LAST_WAIT	msecs_to_jiffies(50)

/* Room that a channel needs at all, and beside the requests in flight */
#define LEAST_ELEMENTS	16
#define SPARE_ELEMENTS	8

/* Longer than a server waits for its storage before it says no */
#define FENCE_TIME	(10 * HZ)

/**
 * clt_conn_fail() - a connection has broken, and the path with it
 * @conn: connection, its recv_mutex is held
 * @error: -errno
 * @fmt: what happened
 *
 * Only the first one is reported, and to the core only when it knows of the
 * connection: an attempt that fails is to be followed by a pause.
 */
void clt_conn_fail(struct clt_conn *conn, int error, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	if (conn->broken)
		return;
	WRITE_ONCE(conn->broken, true);
	va_start(args, fmt);
	vaf.va = &args;
	if (conn->up)
		unbd_path_failed(&conn->path->base, error, "%pV", &vaf);
	va_end(args);
	wake_up_all(&conn->control_wait);
}

/* ------------------------------------------------------------------ */
/* Control requests                                                   */

/**
 * clt_control_answered() - a response with the tag of a control request
 * @conn: connection, its recv_mutex is held
 * @rp: the response
 *
 * One of another kind is not believed: what was pending before a reset may
 * still be so.
 */
void clt_control_answered(struct clt_conn *conn, const struct shm_response *rp)
{
	if (rp->tag && rp->tag == conn->ping_tag &&
	    rp->kind == MUENBLOCK_MAX_DEVICES) {
		conn->ping_tag = 0;
		if (rp->status != conn->told_devices)
			clt_conn_look_for_disks(conn);
		return;
	}
	if (!rp->tag || rp->tag != conn->control_tag ||
	    rp->kind != conn->control_kind || rp->device != conn->control_device)
		return;
	conn->control_status = rp->status;
	conn->control_tag = 0;
	if (rp->kind == MUENBLOCK_RESET)
		conn->resetting = false;
	wake_up_all(&conn->control_wait);
}

static u32 next_tag(struct clt_conn *conn)
{
	if (!++conn->tags)
		conn->tags = 1;
	return (u32)conn->tags << 16;
}

/**
 * clt_control_ping() - ask something, just to be answered
 * @conn: connection, its recv_mutex is held
 */
void clt_control_ping(struct clt_conn *conn)
{
	struct shm_request rq = {
		.kind = MUENBLOCK_MAX_DEVICES,
		.tag = next_tag(conn),
	};

	conn->ping_tag = rq.tag;
	clt_send(conn, &rq, true);
}

static bool control_over(struct clt_path *path)
{
	struct clt_conn *conn = path->conn;

	return !READ_ONCE(conn->control_tag) || READ_ONCE(conn->broken) ||
	       READ_ONCE(path->aborted);
}

static int control_result(struct clt_path *path, u16 kind, u64 *status,
			  char *why, size_t len)
{
	struct clt_conn *conn = path->conn;
	bool answered;

	mutex_lock(&conn->recv_mutex);
	answered = !conn->control_tag;
	*status = conn->control_status;
	conn->control_tag = 0;
	mutex_unlock(&conn->recv_mutex);
	if (answered)
		return 0;
	if (READ_ONCE(path->aborted))
		return unbd_why(why, len, -ECANCELED, "interrupted");
	if (READ_ONCE(conn->broken))
		return unbd_why(why, len, -ECONNRESET,
				"the server went away when asked for %s",
				clt_kind_name(kind));
	return unbd_why(why, len, -ETIMEDOUT,
			"the server does not answer when asked for %s",
			clt_kind_name(kind));
}

/* Its data, if it has any, are where slot 0 is: at the buffer's beginning. */
static int ask(struct clt_path *path, struct shm_request *rq,
	       unsigned long timeout, u64 *status, char *why, size_t len)
{
	struct clt_conn *conn = path->conn;

	lockdep_assert_held(&conn->control_mutex);

	mutex_lock(&conn->recv_mutex);
	rq->tag = next_tag(conn);
	conn->control_tag = rq->tag;
	conn->control_kind = rq->kind;
	conn->control_device = rq->device;
	clt_send(conn, rq, true);
	mutex_unlock(&conn->recv_mutex);
	shm_thread_kick(&conn->thread);
	wait_event_timeout(conn->control_wait, control_over(path), timeout);
	return control_result(path, rq->kind, status, why, len);
}

/**
 * clt_control() - ask the server and wait for its answer
 * @path: path that uses the connection
 * @kind: what to ask for
 * @device: number of the device
 * @status: the answer, not checked
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0; -ETIMEDOUT, -ECONNRESET or -ECANCELED.
 */
int clt_control(struct clt_path *path, u16 kind, u16 device, u64 *status,
		char *why, size_t len)
{
	struct shm_request rq = { .kind = kind, .device = device };
	struct clt_conn *conn = path->conn;
	int err;

	mutex_lock(&conn->control_mutex);
	err = ask(path, &rq, path->base.attempts.connect_timeout, status, why, len);
	mutex_unlock(&conn->control_mutex);
	return err;
}

/**
 * clt_control_fence() - have the server fence what other legs left behind
 * @leg: leg with its keys; the server is unbd's
 * @instance: gets the life that the server's machine is in
 * @why: reason of a failure
 * @len: size of @why
 *
 * Sleeps until the server waits no longer. Return: 0; -EBUSY when requests are
 * still at the server's storage; or as clt_control().
 */
int clt_control_fence(struct clt_leg *leg, struct unbd_instance *instance,
		      char *why, size_t len)
{
	struct clt_path *path = to_clt_path(leg->base.path);
	struct clt_conn *conn = path->conn;
	void *buffer = conn->base.regions.buffer.addr;
	struct shm_request rq = {
		.kind = MUENBLOCK_UNBD_FENCE,
		.device = leg->device,
		.length = leg->base.nr_keys * sizeof(leg->base.keys[0]),
	};
	u64 status;
	int err;

	mutex_lock(&conn->control_mutex);
	memcpy(buffer, leg->base.keys, rq.length);
	err = ask(path, &rq, FENCE_TIME, &status, why, len);
	memcpy(instance, buffer, sizeof(*instance));
	mutex_unlock(&conn->control_mutex);
	if (!err && status)
		err = unbd_why(why, len, -EBUSY,
			       "the server has not fenced the former connection (status %llu)",
			       status);
	return err;
}

/**
 * clt_control_io() - have the server carry out one request, and wait
 * @leg: the leg
 * @rq: a flush, or a write whose data are at the buffer's beginning; gets its
 *	device and tag
 * @why: reason of a failure
 * @len: size of @why
 *
 * The caller holds the connection's control_mutex.
 *
 * Return: 0, or what the server answered, a positive errno; or as
 * clt_control().
 */
int clt_control_io(struct clt_leg *leg, struct shm_request *rq, char *why,
		   size_t len)
{
	struct clt_path *path = to_clt_path(leg->base.path);
	u64 status;
	int err;

	rq->device = leg->device;
	err = ask(path, rq, path->base.attempts.connect_timeout, &status, why, len);
	return err ? err : -clt_error_of_status(rq->kind, status);
}

/* ------------------------------------------------------------------ */
/* Up and down                                                        */

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
		if (conn->reader.elements >= LEAST_ELEMENTS)
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

/*
 * Half of the slots are for all devices at least, so that one alone is not
 * slower for those that it could have with it.
 */
static void divide_slots(struct clt_conn *conn, unsigned int nr_devices)
{
	unsigned int rest = conn->usable_slots - CLT_FIRST_SLOT;

	nr_devices = max(nr_devices, 1U);
	conn->own_slots = min(rest / 2 / nr_devices, CLT_OWN_SLOTS + 0U);
	conn->common_slots = conn->usable_slots - nr_devices * conn->own_slots;
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
		divide_slots(conn, found);
		WRITE_ONCE(conn->nr_devices, found);
	}
	mutex_unlock(&conn->recv_mutex);
	return err;
}

static void reset_state(struct clt_conn *conn)
{
	u16 generation = get_random_u32();
	unsigned int i;

	/* Who is asking at this moment gets no answer to believe. */
	mutex_lock(&conn->recv_mutex);
	conn->resets++;
	mutex_unlock(&conn->recv_mutex);

	conn->usable_slots = min(conn->nr_slots,
				 conn->reader.elements - SPARE_ELEMENTS);
	bitmap_zero(conn->used, conn->nr_slots);
	for (i = 0; i < conn->nr_slots; i++)
		conn->slots[i] = (struct clt_slot){ .generation = generation };
	set_bit(0, conn->used);
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
			       &conn->base.regions.response, "shm", conn->base.option.id);
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

/* ------------------------------------------------------------------ */
/* A connection's memory                                              */

static int divide_buffer(struct clt_conn *conn, char *why, size_t len)
{
	size_t room = conn->base.regions.buffer.size;
	size_t bytes = CLT_SLOT_BYTES;

	/* Better a few requests of a page than one of 31. */
	while (bytes > 4 * CLT_SLOT_SPARE && room / bytes < 16)
		bytes /= 2;
	conn->slot_bytes = bytes;
	conn->nr_slots = min_t(size_t, room / bytes, CLT_MAX_SLOTS);
	conn->nr_slots = min(conn->nr_slots,
			     conn->writer.elements - SPARE_ELEMENTS);
	conn->nr_slots = min_t(size_t, conn->nr_slots,
			       conn->reader.room /
			       sizeof(struct muenblock_response) -
			       SPARE_ELEMENTS);
	if (conn->nr_slots < 2)
		return unbd_why(why, len, -EINVAL,
				"the buffer has %zu bytes, too few", room);
	return 0;
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
	    conn->writer.elements < LEAST_ELEMENTS ||
	    conn->reader.room < LEAST_ELEMENTS *
				sizeof(struct muenblock_response))
		return unbd_why(why, len, -EINVAL,
				"a channel is smaller than %u elements",
				LEAST_ELEMENTS);
	if (divide_buffer(conn, why, len))
		return -EINVAL;
	conn->slots = kvcalloc(conn->nr_slots, sizeof(*conn->slots),
			       GFP_KERNEL);
	conn->used = bitmap_zalloc(conn->nr_slots, GFP_KERNEL);
	if (conn->slots && conn->used)
		return 0;
	clt_link_exit(conn);
	return unbd_why(why, len, -ENOMEM, "out of memory");
}

/**
 * clt_link_exit() - undo clt_link_init()
 * @conn: connection
 */
void clt_link_exit(struct clt_conn *conn)
{
	shm_thread_stop(&conn->thread);
	kvfree(conn->slots);
	bitmap_free(conn->used);
	conn->slots = NULL;
	conn->used = NULL;
}
