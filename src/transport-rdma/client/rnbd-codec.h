/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RNBD messages: the client's are packed, the server's are taken apart.
 *
 * What takes apart reads each byte of the wire once, checks everything the
 * peer can get wrong, and says in one sentence what it was.
 *
 * Plain C without kernel services: compiled into the module and, unchanged,
 * into tests/unit and tests/fuzz. Nothing here allocates or logs.
 */
#ifndef UNBD_RNBD_CLIENT_CODEC_H
#define UNBD_RNBD_CLIENT_CODEC_H

#include "transport-rdma/rnbd-codec.h"

/* ------------------------------------------------------------------ */
/* Session                                                            */

/**
 * rnbd_put_sess_info() - the client's greeting
 * @msg: result
 */
void rnbd_put_sess_info(struct rnbd_msg_sess_info *msg);

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

#endif
