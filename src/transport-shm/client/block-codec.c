// SPDX-License-Identifier: GPL-2.0
/*
 * What the client writes and reads of the block protocol.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>

#include "block-codec.h"

/**
 * clt_wire_offset() - a place on a device as a request has it
 * @bytes: multiple of @block
 * @block: bytes of a block
 * @unit: what the wire counts
 */
u64 clt_wire_offset(u64 bytes, u32 block, enum shm_offset_unit unit)
{
	return div_u64(bytes, shm_unit_bytes(block, unit));
}

/**
 * clt_error_of_status() - what a server has told
 * @kind: READ, WRITE, DISCARD or SYNC
 * @status: of that, not trusted
 *
 * Return: 0 or -errno. Nothing that says "try again": the block layer would,
 * and for ever. Nor that a flush is not known, which is none to fsync().
 */
int clt_error_of_status(u16 kind, u64 status)
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
 * clt_kind_name() - a kind of request, for the log
 * @kind: from the wire
 */
const char *clt_kind_name(u16 kind)
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
