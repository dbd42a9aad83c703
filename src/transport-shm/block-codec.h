/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Elements of the block protocol, between their form in shared memory and
 * the machine's; and what may be believed of them.
 */
#ifndef UNBD_SHM_BLOCK_CODEC_H
#define UNBD_SHM_BLOCK_CODEC_H

#include <linux/types.h>

#include <unbd/proto/muenblock.h>

/* Blocks of devices that this end can deal with */
#define SHM_MIN_BLOCK	512u
#define SHM_MAX_BLOCK	65536u

/* What the requests' offset counts */
enum shm_offset_unit {
	SHM_OFFSET_BLOCKS,	/* as all ends since 2021 */
	SHM_OFFSET_SECTORS,	/* 512 bytes, whatever the blocks are */
	SHM_OFFSET_BYTES,	/* as the text says, and ends of 2020 */
};

/**
 * struct shm_request - a request, in the machine's form
 * @kind: &enum muenblock_kind, or anything else that a client writes
 * @device: number
 * @tag: the client's
 * @length: bytes
 * @offset: on the device, in the unit of the wire
 * @buffer: in the buffer, bytes
 */
struct shm_request {
	u16 kind;
	u16 device;
	u32 tag;
	u64 length;
	u64 offset;
	u64 buffer;
};

/**
 * struct shm_response - a response, in the machine's form
 * @kind: of the request
 * @device: of the request
 * @tag: of the request
 * @status: depends on @kind
 */
struct shm_response {
	u16 kind;
	u16 device;
	u32 tag;
	u64 status;
};

void shm_pack_request(struct muenblock_request *to,
		      const struct shm_request *from);
void shm_unpack_request(struct shm_request *to,
			const struct muenblock_request *from);
void shm_pack_response(struct muenblock_response *to,
		       const struct shm_response *from);
void shm_unpack_response(struct shm_response *to,
			 const struct muenblock_response *from);

u64 shm_wire_offset(u64 bytes, u32 block, enum shm_offset_unit unit);
int shm_byte_offset(u64 offset, u32 block, enum shm_offset_unit unit,
		    u64 *bytes);
int shm_check_range(const struct shm_request *rq, u32 block, u64 room);

u64 shm_status_of_error(int error);
int shm_error_of_status(u16 kind, u64 status);
const char *shm_kind_name(u16 kind);

#endif
