// SPDX-License-Identifier: GPL-2.0
/*
 * Writing again what a server has lost: before a leg carries anything else, one
 * request at a time, with data where no slot of a request is.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include "client.h"

static int write_again(struct unbd_leg *base, const struct unbd_write *write,
		       char *why, size_t len)
{
	struct clt_leg *leg = to_clt_leg(base);
	struct clt_conn *conn = conn_of(leg);
	struct shm_request rq = { .kind = MUENBLOCK_WRITE };
	u32 done = 0;
	int err = 0;

	mutex_lock(&conn->control_mutex);
	while (!err && done < write->length) {
		rq.length = min(write->length - done, base->geometry.max_io);
		rq.offset = clt_wire_offset(write->offset + done, leg->block,
					    clt_offset_unit);
		unbd_write_copy(conn->base.regions.buffer.addr, write, done,
				rq.length);
		err = clt_control_io(leg, &rq, why, len);
		done += rq.length;
	}
	mutex_unlock(&conn->control_mutex);
	return err;
}

static int flush(struct unbd_leg *base, char *why, size_t len)
{
	struct clt_leg *leg = to_clt_leg(base);
	struct shm_request rq = { .kind = MUENBLOCK_SYNC };
	int err;

	mutex_lock(&conn_of(leg)->control_mutex);
	err = clt_control_io(leg, &rq, why, len);
	mutex_unlock(&conn_of(leg)->control_mutex);
	return err;
}

const struct unbd_replay_ops clt_replay_ops = {
	.write	= write_again,
	.flush	= flush,
};
