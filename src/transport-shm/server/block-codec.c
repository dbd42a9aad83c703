// SPDX-License-Identifier: GPL-2.0
/*
 * What the server reads and writes of the block protocol.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>

#include "block-codec.h"

/**
 * srv_byte_offset() - a request's place on a device, in bytes
 * @offset: from the wire
 * @block: bytes of a block
 * @unit: what the wire counts
 * @bytes: result
 *
 * Return: 0; -EINVAL when it is beyond all disks or within a block.
 */
int srv_byte_offset(u64 offset, u32 block, enum shm_offset_unit unit,
		    u64 *bytes)
{
	u32 factor = shm_unit_bytes(block, unit);

	if (offset > div_u64(S64_MAX, factor))
		return -EINVAL;
	*bytes = offset * factor;
	return *bytes & (block - 1) ? -EINVAL : 0;
}

/**
 * srv_check_range() - are the data of a READ or WRITE where they may be?
 * @rq: request from the wire
 * @block: bytes of a block, a power of two
 * @room: bytes of the buffer
 *
 * Return: 0, or -EINVAL.
 */
int srv_check_range(const struct shm_request *rq, u32 block, u64 room)
{
	if (!rq->length || (rq->length | rq->buffer) & (block - 1))
		return -EINVAL;
	if (rq->length > room || rq->buffer > room - rq->length)
		return -EINVAL;
	return 0;
}

/**
 * srv_status_of_error() - what to tell a client
 * @error: 0 or -errno
 */
u64 srv_status_of_error(int error)
{
	switch (error) {
	case 0:
		return MUENBLOCK_OK;
	case -EOPNOTSUPP:
		return MUENBLOCK_NOTSUPP;
	case -ENOSPC:
		return MUENBLOCK_NOSPC;
	default:
		return MUENBLOCK_IOERR;
	}
}
