/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The client's part of the block protocol: requests are written, responses
 * read and not trusted. Plain C.
 */
#ifndef UNBD_SHM_CLIENT_BLOCK_CODEC_H
#define UNBD_SHM_CLIENT_BLOCK_CODEC_H

#include <asm/byteorder.h>

#include "transport-shm/elements.h"

static inline void clt_pack_request(struct muenblock_request *to,
				    const struct shm_request *from)
{
	to->kind = cpu_to_le16(from->kind);
	to->device = cpu_to_le16(from->device);
	to->tag = cpu_to_le32(from->tag);
	to->length = cpu_to_le64(from->length);
	to->offset = cpu_to_le64(from->offset);
	to->buffer = cpu_to_le64(from->buffer);
}

static inline void clt_unpack_response(struct shm_response *to,
				       const struct muenblock_response *from)
{
	to->kind = le16_to_cpu(from->kind);
	to->device = le16_to_cpu(from->device);
	to->tag = le32_to_cpu(from->tag);
	to->status = le64_to_cpu(from->status);
}

u64 clt_wire_offset(u64 bytes, u32 block, enum shm_offset_unit unit);
int clt_error_of_status(u16 kind, u64 status);
const char *clt_kind_name(u16 kind);

#endif
