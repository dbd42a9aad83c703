// SPDX-License-Identifier: GPL-2.0
/*
 * What a client asks for, checked and sorted.
 */
#define pr_fmt(fmt) "unbd-shm-server: " fmt

#include <linux/log2.h>

#include "server.h"

/*
 * What one request may ask for at most. More than clients use: some of them
 * go wrong where they have to cut a request into pieces.
 */
#define MOST_BLOCKS	65536

static u64 most_blocks(struct srv_device *device)
{
	u64 room = device->conn->base.regions.buffer.size;

	return min_t(u64, room >> ilog2(device->block), MOST_BLOCKS);
}

/* Questions, which have an answer for devices that do not exist, too. */
static bool answer(struct srv_conn *conn, const struct shm_request *rq,
		   struct srv_device *device)
{
	u64 status = 0;

	switch (rq->kind) {
	case MUENBLOCK_MEDIA_BLOCKS:
		status = device ? srv_device_blocks(device) : 0;
		break;
	case MUENBLOCK_BLOCK_LENGTH:
		status = device ? device->block : 0;
		break;
	case MUENBLOCK_MAX_BLOCKS:
		status = device ? most_blocks(device) : 0;
		break;
	case MUENBLOCK_MAX_DEVICES:
		status = srv_nr_devices(conn);
		break;
	case MUENBLOCK_GET_SMART:
		status = MUENBLOCK_SMART_FAILED;
		break;
	default:
		return false;
	}
	srv_respond(conn, rq, status);
	return true;
}

static int check_request(struct srv_device *device,
			 const struct shm_request *rq)
{
	u64 offset;
	int err;

	if (!rq->length || rq->length & (device->block - 1))
		return -EINVAL;
	if (rq->length >> ilog2(device->block) > MOST_BLOCKS)
		return -EOPNOTSUPP;
	err = srv_byte_offset(rq->offset, device->block, srv_offset_unit,
			      &offset);
	if (err || rq->kind == MUENBLOCK_DISCARD)
		return err;
	return srv_check_range(rq, device->block,
			       device->conn->base.regions.buffer.size);
}

static void carry_out(struct srv_conn *conn, const struct shm_request *rq,
		      struct srv_device *device)
{
	int err;

	switch (rq->kind) {
	case MUENBLOCK_READ:
	case MUENBLOCK_WRITE:
	case MUENBLOCK_DISCARD:
		err = check_request(device, rq);
		if (err)
			srv_respond(conn, rq, srv_status_of_error(err));
		else
			srv_submit(device, rq);
		break;
	case MUENBLOCK_SYNC:
		srv_flush(device, rq);
		break;
	case MUENBLOCK_RESET:
		conn->barrier = SRV_RESET;
		conn->waiting = *rq;
		break;
	case MUENBLOCK_UNBD_FENCE:
		srv_fence(device, rq);
		break;
	case MUENBLOCK_NONE:
		break;
	default:
		pr_warn_ratelimited("shm:%u: request of kind %#x is not known and not answered\n",
				    conn->base.option.id, rq->kind);
	}
}

static bool needs_device(u16 kind)
{
	switch (kind) {
	case MUENBLOCK_NONE:
	case MUENBLOCK_READ:
	case MUENBLOCK_WRITE:
	case MUENBLOCK_DISCARD:
	case MUENBLOCK_SYNC:
	case MUENBLOCK_UNBD_FENCE:
		return true;
	default:
		return false;
	}
}

/* That a device goes is no answer: the client is to ask for it once more. */
static void refuse(struct srv_conn *conn, const struct shm_request *rq)
{
	if (!srv_device_is_closing(conn, rq->device))
		srv_respond(conn, rq, MUENBLOCK_NOTSUPP);
}

/**
 * srv_handle_request() - begin what a client asks for
 * @conn: connection without a barrier
 * @rq: a copy of what the client wrote, not checked
 */
void srv_handle_request(struct srv_conn *conn, const struct shm_request *rq)
{
	struct srv_device *device = srv_device_of(conn, rq->device);

	/* Its export may have come, or come back, since the reset. */
	if (!device && rq->kind == MUENBLOCK_MEDIA_BLOCKS) {
		srv_devices_open(conn);
		device = srv_device_of(conn, rq->device);
	}
	if (answer(conn, rq, device))
		return;
	if (device || !needs_device(rq->kind))
		carry_out(conn, rq, device);
	else
		refuse(conn, rq);
}
