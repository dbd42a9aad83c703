/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The server's part of the block protocol: requests are read, and what of them
 * may be believed is checked; responses are written. Plain C.
 */
#ifndef UNBD_SHM_SERVER_BLOCK_CODEC_H
#define UNBD_SHM_SERVER_BLOCK_CODEC_H

#include <asm/byteorder.h>

#include "transport-shm/elements.h"

static inline void srv_unpack_request(struct shm_request *to,
				      const struct muenblock_request *from)
{
	to->kind = le16_to_cpu(from->kind);
	to->device = le16_to_cpu(from->device);
	to->tag = le32_to_cpu(from->tag);
	to->length = le64_to_cpu(from->length);
	to->offset = le64_to_cpu(from->offset);
	to->buffer = le64_to_cpu(from->buffer);
}

static inline void srv_pack_response(struct muenblock_response *to,
				     const struct shm_response *from)
{
	to->kind = cpu_to_le16(from->kind);
	to->device = cpu_to_le16(from->device);
	to->tag = cpu_to_le32(from->tag);
	to->status = cpu_to_le64(from->status);
}

int srv_byte_offset(u64 offset, u32 block, enum shm_offset_unit unit,
		    u64 *bytes);
int srv_check_range(const struct shm_request *rq, u32 block, u64 room);
u64 srv_status_of_error(int error);

#endif
