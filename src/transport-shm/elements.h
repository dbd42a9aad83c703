/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Elements of the block protocol in the machine's form. Each end has a codec
 * for their form in shared memory, of those that it writes and reads.
 */
#ifndef UNBD_SHM_ELEMENTS_H
#define UNBD_SHM_ELEMENTS_H

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

/**
 * shm_unit_bytes() - what a request's offset is to be multiplied with
 * @block: bytes of a block
 * @unit: what the wire counts
 */
static inline u32 shm_unit_bytes(u32 block, enum shm_offset_unit unit)
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

#endif
