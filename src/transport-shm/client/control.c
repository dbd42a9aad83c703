// SPDX-License-Identifier: GPL-2.0
/*
 * Control requests: what the server is asked, one after the other, apart from
 * what disks are for.
 */
#include "client.h"

/* Longer than a server waits for its storage before it says no */
#define FENCE_TIME	(10 * HZ)

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
	    rp->kind != conn->control_kind ||
	    rp->device != conn->control_device)
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
	err = ask(path, &rq, path->base.attempts.connect_timeout, status, why,
		  len);
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
	err = ask(path, rq, path->base.attempts.connect_timeout, &status, why,
		  len);
	return err ? err : -clt_error_of_status(rq->kind, status);
}
