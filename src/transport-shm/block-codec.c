// SPDX-License-Identifier: GPL-2.0
/*
 * Elements of the block protocol.
 */
#include <asm/byteorder.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>

#include "block-codec.h"

void shm_pack_request(struct muenblock_request *to,
		      const struct shm_request *from)
{
	to->kind = cpu_to_le16(from->kind);
	to->device = cpu_to_le16(from->device);
	to->tag = cpu_to_le32(from->tag);
	to->length = cpu_to_le64(from->length);
	to->offset = cpu_to_le64(from->offset);
	to->buffer = cpu_to_le64(from->buffer);
}

void shm_unpack_request(struct shm_request *to,
			const struct muenblock_request *from)
{
	to->kind = le16_to_cpu(from->kind);
	to->device = le16_to_cpu(from->device);
	to->tag = le32_to_cpu(from->tag);
	to->length = le64_to_cpu(from->length);
	to->offset = le64_to_cpu(from->offset);
	to->buffer = le64_to_cpu(from->buffer);
}

void shm_pack_response(struct muenblock_response *to,
		       const struct shm_response *from)
{
	to->kind = cpu_to_le16(from->kind);
	to->device = cpu_to_le16(from->device);
	to->tag = cpu_to_le32(from->tag);
	to->status = cpu_to_le64(from->status);
}

void shm_unpack_response(struct shm_response *to,
			 const struct muenblock_response *from)
{
	to->kind = le16_to_cpu(from->kind);
	to->device = le16_to_cpu(from->device);
	to->tag = le32_to_cpu(from->tag);
	to->status = le64_to_cpu(from->status);
}

static u32 unit_bytes(u32 block, enum shm_offset_unit unit)
{
	switch (unit) {
	case SHM_OFFSET_SECTORS:
		return SHM_MIN_BLOCK;
	case SHM_OFFSET_BYTES:
		return 1;
	default:
		return block;
	}
}

/**
 * shm_wire_offset() - a place on a device as a request has it
 * @bytes: multiple of @block
 * @block: bytes of a block
 * @unit: what the wire counts
 */
u64 shm_wire_offset(u64 bytes, u32 block, enum shm_offset_unit unit)
{
	return div_u64(bytes, unit_bytes(block, unit));
}

/**
 * shm_byte_offset() - a request's place on a device, in bytes
 * @offset: from the wire
 * @block: bytes of a block
 * @unit: what the wire counts
 * @bytes: result
 *
 * Return: 0; -EINVAL when it is beyond all disks or within a block.
 */
int shm_byte_offset(u64 offset, u32 block, enum shm_offset_unit unit,
		    u64 *bytes)
{
	u32 factor = unit_bytes(block, unit);

	if (offset > div_u64(S64_MAX, factor))
		return -EINVAL;
	*bytes = offset * factor;
	return *bytes & (block - 1) ? -EINVAL : 0;
}

/**
 * shm_check_range() - are the data of a READ or WRITE where they may be?
 * @rq: request from the wire
 * @block: bytes of a block, a power of two
 * @room: bytes of the buffer
 *
 * Return: 0, or -EINVAL.
 */
int shm_check_range(const struct shm_request *rq, u32 block, u64 room)
{
	if (!rq->length || (rq->length | rq->buffer) & (block - 1))
		return -EINVAL;
	if (rq->length > room || rq->buffer > room - rq->length)
		return -EINVAL;
	return 0;
}

/**
 * shm_status_of_error() - what to tell a client
 * @error: 0 or -errno
 */
u64 shm_status_of_error(int error)
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

/**
 * shm_error_of_status() - what a server has told
 * @kind: READ, WRITE, DISCARD or SYNC
 * @status: of that, not trusted
 *
 * Return: 0 or -errno. Nothing that says "try again": the block layer would,
 * and for ever. Nor that a flush is not known, which is none to fsync().
 */
int shm_error_of_status(u16 kind, u64 status)
{
	switch (status) {
	case MUENBLOCK_OK:
		return 0;
	case MUENBLOCK_NOTSUPP:
		/* The only one that need not be; of others it is any error. */
		return kind == MUENBLOCK_DISCARD ? -EOPNOTSUPP : -EIO;
	case MUENBLOCK_TIMEOUT:
		return -ETIMEDOUT;
	case MUENBLOCK_NOSPC:
		return -ENOSPC;
	case MUENBLOCK_TARGET:
		return -EREMOTEIO;
	case MUENBLOCK_MEDIUM:
		return -ENODATA;
	case MUENBLOCK_PROTECTION:
		return -EILSEQ;
	default:
		return -EIO;
	}
}

/**
 * shm_kind_name() - a kind of request, for the log
 * @kind: from the wire
 */
const char *shm_kind_name(u16 kind)
{
	switch (kind) {
	case MUENBLOCK_NONE:
		return "none";
	case MUENBLOCK_READ:
		return "read";
	case MUENBLOCK_WRITE:
		return "write";
	case MUENBLOCK_DISCARD:
		return "discard";
	case MUENBLOCK_SYNC:
		return "sync";
	case MUENBLOCK_GET_SMART:
		return "SMART";
	case MUENBLOCK_MEDIA_BLOCKS:
		return "media blocks";
	case MUENBLOCK_BLOCK_LENGTH:
		return "block length";
	case MUENBLOCK_MAX_REQUESTS:
		return "max requests";
	case MUENBLOCK_MAX_BLOCKS:
		return "max blocks";
	case MUENBLOCK_MAX_DEVICES:
		return "max devices";
	case MUENBLOCK_RESET:
		return "reset";
	case MUENBLOCK_UNBD_FENCE:
		return "fence";
	default:
		return "unknown";
	}
}
