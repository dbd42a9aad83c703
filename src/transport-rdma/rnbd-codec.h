/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RNBD messages, packed and taken apart, for both ends.
 *
 * Those that take apart read each byte of the wire once, check everything the
 * peer can get wrong, and say in one sentence what it was.
 *
 * Plain C without kernel services: compiled into both modules and, unchanged,
 * into tests/unit and tests/fuzz. Nothing here allocates or logs.
 */
#ifndef UNBD_RNBD_CODEC_H
#define UNBD_RNBD_CODEC_H

#include <linux/types.h>

#include <unbd/parse.h>
#include <unbd/proto/rnbd.h>

/* The shortest I/O message; old clients leave out the priority. */
#define RNBD_MIN_IO_LEN		offsetof(struct rnbd_msg_io, prio)

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
 * rnbd_get_type() - which message a user header is
 * @data: may be unaligned
 * @len: bytes
 *
 * Return: enum rnbd_msg_type or something newer, or -EPROTO if @len is too
 * short for any.
 */
int rnbd_get_type(const void *data, size_t len);

/* ------------------------------------------------------------------ */
/* Session                                                            */

/**
 * rnbd_put_sess_info() - the client's greeting
 * @msg: result
 */
void rnbd_put_sess_info(struct rnbd_msg_sess_info *msg);

/**
 * rnbd_get_sess_info() - the client's greeting
 * @data: may be unaligned
 * @len: bytes
 * @ver: result: the lower one of both versions
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0 or -EPROTO.
 */
int rnbd_get_sess_info(const void *data, size_t len, u8 *ver,
		       char *why, size_t whylen);

/**
 * rnbd_put_sess_info_rsp() - the server's greeting
 * @msg: result
 * @ver: from rnbd_get_sess_info()
 */
void rnbd_put_sess_info_rsp(struct rnbd_msg_sess_info_rsp *msg, u8 ver);

/**
 * rnbd_get_sess_info_rsp() - the server's greeting
 * @data: may be unaligned
 * @len: bytes
 * @ver: result: the lower one of both versions
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0 or -EPROTO.
 */
int rnbd_get_sess_info_rsp(const void *data, size_t len, u8 *ver,
			   char *why, size_t whylen);

/* ------------------------------------------------------------------ */
/* Devices                                                            */

/**
 * rnbd_put_open() - open a device
 * @msg: result
 * @name: of it, shorter than RNBD_DEV_NAME_LEN
 * @mode: access mode
 *
 * Return: 0, or -ENAMETOOLONG.
 */
int rnbd_put_open(struct rnbd_msg_open *msg, const char *name,
		  enum unbd_access_mode mode);

/**
 * rnbd_get_open() - open a device
 * @data: may be unaligned
 * @len: bytes
 * @name: result, RNBD_DEV_NAME_LEN bytes; ended by a NUL, not empty and
 *	without control bytes, but not checked as a path
 * @mode: result
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0, -EPROTO for what is no such message, -EINVAL for a name or mode
 * that does not do: an answer for the client.
 */
int rnbd_get_open(const void *data, size_t len, char *name,
		  enum unbd_access_mode *mode, char *why, size_t whylen);

/**
 * rnbd_put_open_rsp() - what the device is like
 * @msg: result
 * @info: what to say; the fields that are too small for it say as much as
 *	they can
 */
void rnbd_put_open_rsp(struct rnbd_msg_open_rsp *msg,
		       const struct rnbd_device_info *info);

/**
 * rnbd_get_open_rsp() - what the device is like
 * @data: may be unaligned
 * @len: bytes
 * @info: result: a geometry that a block device can have
 * @why: message on error
 * @whylen: its size
 *
 * A server that leaves the cache policy 0 may be one that does not know it
 * (5.10): there may be a volatile cache then, and the number of sectors for
 * WRITE_ZEROES is one for WRITE_SAME.
 *
 * Return: 0 or -EPROTO.
 */
int rnbd_get_open_rsp(const void *data, size_t len,
		      struct rnbd_device_info *info, char *why, size_t whylen);

/**
 * rnbd_put_close() - close a device
 * @msg: result
 * @device_id: from OPEN_RSP
 */
void rnbd_put_close(struct rnbd_msg_close *msg, u32 device_id);

/**
 * rnbd_get_close() - close a device
 * @data: may be unaligned
 * @len: bytes
 * @device_id: result
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0 or -EPROTO.
 */
int rnbd_get_close(const void *data, size_t len, u32 *device_id,
		   char *why, size_t whylen);

/**
 * rnbd_put_fence() - name a path, and end others
 * @msg: result
 * @keys: the path's own and those of the others
 * @nr: how many, 1 to UNBD_MAX_KEYS
 *
 * Return: bytes of the message.
 */
size_t rnbd_put_fence(struct rnbd_msg_unbd_fence *msg,
		      const struct unbd_key *keys, unsigned int nr);

/**
 * rnbd_get_fence() - name a path, and end others
 * @data: may be unaligned
 * @len: bytes
 * @keys: result, room for UNBD_MAX_KEYS
 * @nr: result: how many, one at least
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0 or -EPROTO.
 */
int rnbd_get_fence(const void *data, size_t len, struct unbd_key *keys,
		   unsigned int *nr, char *why, size_t whylen);

/**
 * rnbd_put_fence_rsp() - say who has ended them
 * @rsp: result
 * @instance: the life that this machine is in
 */
void rnbd_put_fence_rsp(struct rnbd_msg_unbd_fence_rsp *rsp,
			const struct unbd_instance *instance);

/**
 * rnbd_get_fence_rsp() - learn who has ended them
 * @data: may be unaligned
 * @len: bytes
 * @instance: result
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0 or -EPROTO.
 */
int rnbd_get_fence_rsp(const void *data, size_t len,
		       struct unbd_instance *instance, char *why,
		       size_t whylen);

/* ------------------------------------------------------------------ */
/* I/O                                                                */

/**
 * rnbd_put_io() - a block request
 * @msg: result
 * @io: what to say
 */
void rnbd_put_io(struct rnbd_msg_io *msg, const struct rnbd_io *io);

/**
 * rnbd_get_io() - a block request
 * @data: may be unaligned
 * @len: bytes
 * @is_read: it came as an RTRS read
 * @data_len: bytes of data that came, or that are wanted
 * @io: result; set as far as known also on error
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0; -EPROTO for what is no such message; -EOPNOTSUPP for an unknown
 * operation and -EINVAL for one that contradicts the RTRS request around it:
 * answers for the client.
 */
int rnbd_get_io(const void *data, size_t len, bool is_read, u32 data_len,
		struct rnbd_io *io, char *why, size_t whylen);

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

#endif
