/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RNBD messages: the client's are taken apart, the server's are packed.
 *
 * What takes apart reads each byte of the wire once, checks everything the
 * peer can get wrong, and says in one sentence what it was.
 *
 * Plain C without kernel services: compiled into the module and, unchanged,
 * into tests/unit and tests/fuzz. Nothing here allocates or logs.
 */
#ifndef UNBD_RNBD_SERVER_CODEC_H
#define UNBD_RNBD_SERVER_CODEC_H

#include "transport-rdma/rnbd-codec.h"

/* The shortest I/O message; old clients leave out the priority. */
#define RNBD_MIN_IO_LEN		offsetof(struct rnbd_msg_io, prio)

/* ------------------------------------------------------------------ */
/* Session                                                            */

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

/* ------------------------------------------------------------------ */
/* Devices                                                            */

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

/* ------------------------------------------------------------------ */
/* I/O                                                                */

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

#endif
