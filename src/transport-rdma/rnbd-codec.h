/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RNBD as both ends need it: what their messages say. The rest is in the codecs
 * of client/ and server/.
 *
 * What takes apart reads each byte of the wire once, checks everything the
 * peer can get wrong, and says in one sentence what it was.
 *
 * Plain C without kernel services: compiled into unbd-rdma and, unchanged,
 * into tests/unit and tests/fuzz. Nothing here allocates or logs.
 */
#ifndef UNBD_RNBD_CODEC_H
#define UNBD_RNBD_CODEC_H

#include <asm/byteorder.h>
#include <linux/types.h>

#include <unbd/parse.h>
#include <unbd/proto/rnbd.h>

/* What sectors are counted in */
#define RNBD_SECTOR_BYTES	512u

/* The longest user header there is */
#define RNBD_MAX_MSG_LEN	sizeof(struct rnbd_msg_unbd_fence)

/**
 * struct rnbd_device_info - what OPEN_RSP says of a device
 * @device_id: names it in I/O and close
 * @size: bytes
 * @max_io: bytes of one request, 0 if not said
 * @max_write_zeroes: bytes, 0 when not understood
 * @max_discard: bytes, 0 when not understood
 * @discard_granularity: bytes
 * @discard_alignment: bytes
 * @physical_block_size: bytes
 * @logical_block_size: bytes
 * @max_segments: of one request at the server; of no meaning to a client
 * @secure_erase: understood, for as many bytes as a discard
 * @rotational: has heads
 * @write_cache: has a volatile cache, or may have one
 * @fua: understands FUA
 * @fences: understands FENCE: is unbd's own
 */
struct rnbd_device_info {
	u32 device_id;
	u64 size;
	u64 max_io;
	u64 max_write_zeroes;
	u64 max_discard;
	u32 discard_granularity;
	u32 discard_alignment;
	u32 physical_block_size;
	u32 logical_block_size;
	u32 max_segments;
	bool secure_erase;
	bool rotational;
	bool write_cache;
	bool fua;
	bool fences;
};

/**
 * struct rnbd_io - a block request
 * @device_id: from OPEN_RSP
 * @sector: units of 512 bytes; 0 for a FLUSH
 * @op: enum rnbd_op
 * @flags: RNBD_F_*
 * @bytes: of data, or of the range; 0 for a FLUSH
 * @prio: as in a bio
 */
struct rnbd_io {
	u32 device_id;
	u64 sector;
	u32 op;
	u32 flags;
	u32 bytes;
	u16 prio;
};

/**
 * rnbd_op_is_read() - does an operation travel as an RTRS read?
 * @op: enum rnbd_op
 */
static inline bool rnbd_op_is_read(u32 op)
{
	return op == RNBD_OP_READ || op == RNBD_OP_FLUSH;
}

/**
 * rnbd_op_has_data() - do data go with an operation?
 * @op: enum rnbd_op
 */
static inline bool rnbd_op_has_data(u32 op)
{
	return op == RNBD_OP_READ || op == RNBD_OP_WRITE;
}

static inline struct rnbd_msg_hdr rnbd_header(enum rnbd_msg_type type)
{
	return (struct rnbd_msg_hdr){ .type = cpu_to_le16(type) };
}

/* Of the peer's version and ours */
static inline u8 rnbd_lower_version(u8 ver)
{
	return ver < RNBD_VERSION_MAJOR ? ver : RNBD_VERSION_MAJOR;
}

/**
 * unbd_rnbd_get_type() - which message a user header is
 * @data: may be unaligned
 * @len: bytes
 *
 * Return: enum rnbd_msg_type or something newer, or -EPROTO if @len is too
 * short for any.
 */
int unbd_rnbd_get_type(const void *data, size_t len);

/**
 * unbd_rnbd_get_message() - copy a message
 * @msg: result
 * @wanted: bytes of it
 * @data: may be unaligned
 * @len: bytes; more than @wanted are a newer version's
 * @type: that it has to be of
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0 or -EPROTO.
 */
int unbd_rnbd_get_message(void *msg, size_t wanted, const void *data,
			  size_t len, enum rnbd_msg_type type,
			  char *why, size_t whylen);

#endif
