/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RTRS messages: the client's are packed, the server's are taken apart.
 *
 * What takes apart reads each byte of the wire once, checks everything the
 * peer can get wrong, and says in one sentence what it was.
 *
 * Plain C without kernel services: compiled into the module and, unchanged,
 * into tests/unit and tests/fuzz. Nothing here allocates or logs.
 */
#ifndef UNBD_RTRS_CLIENT_CODEC_H
#define UNBD_RTRS_CLIENT_CODEC_H

#include "transport-rdma/rtrs-codec.h"

/**
 * struct rtrs_chunk - where the client may write to
 * @addr: address
 * @rkey: and key
 */
struct rtrs_chunk {
	u64 addr;
	u32 rkey;
};

/* ------------------------------------------------------------------ */
/* Connecting                                                         */

/**
 * rtrs_put_conn_req() - private data of a connection request
 * @msg: result
 * @p: what to say
 */
void rtrs_put_conn_req(struct rtrs_msg_conn_req *msg,
		       const struct rtrs_conn_params *p);

/**
 * rtrs_get_conn_rsp() - private data that came with an accept
 * @data: may be unaligned
 * @len: bytes
 * @pool: result, or NULL for another than the service connection
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0 or -errno.
 */
int rtrs_get_conn_rsp(const void *data, size_t len, struct rtrs_pool *pool,
		      char *why, size_t whylen);

/**
 * rtrs_get_reject() - why the server has rejected a connection
 * @data: may be unaligned
 * @len: bytes
 * @why: gets a reason if it is not RTRS as we speak it
 * @whylen: size of @why
 *
 * Return: the -errno it has sent; -EPROTO if that is none,
 * -EPROTONOSUPPORT if the server speaks another version.
 */
int rtrs_get_reject(const void *data, size_t len, char *why, size_t whylen);

/* ------------------------------------------------------------------ */
/* Exchange of information                                            */

/**
 * rtrs_put_info_req() - the client's first message
 * @msg: result
 * @name: of the session, shorter than RTRS_PATHNAME_LEN
 *
 * Return: 0, or -ENAMETOOLONG.
 */
int rtrs_put_info_req(struct rtrs_msg_info_req *msg, const char *name);

/**
 * rtrs_get_info_rsp() - where the server's chunks are
 * @data: as received
 * @len: bytes
 * @pool: as agreed upon
 * @chunks: result, @pool->queue_depth of them
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0 or -EPROTO.
 */
int rtrs_get_info_rsp(const void *data, size_t len,
		      const struct rtrs_pool *pool, struct rtrs_chunk *chunks,
		      char *why, size_t whylen);

/* ------------------------------------------------------------------ */
/* Requests and answers                                               */

/**
 * rtrs_imm_io_req() - a request is in a chunk
 * @pool: of the session
 * @id: number of the chunk
 * @off: of the RTRS message in it
 */
u32 rtrs_imm_io_req(const struct rtrs_pool *pool, u32 id, u32 off);

/**
 * rtrs_put_write() - what goes behind a write's user header
 * @buf: result, RTRS_WRITE_LEN bytes, may be unaligned
 * @usr_len: length of the user header
 *
 * Return: bytes used.
 */
size_t rtrs_put_write(void *buf, u16 usr_len);

/**
 * rtrs_put_read() - what goes behind a read's user header
 * @buf: result, RTRS_READ_LEN(1) bytes at most, may be unaligned
 * @usr_len: length of the user header
 * @len: bytes of data that are wanted, 0 for none
 * @addr: where they shall go
 * @key: rkey of that memory, to be invalidated by the server
 *
 * Return: bytes used.
 */
size_t rtrs_put_read(void *buf, u16 usr_len, u32 len, u64 addr, u32 key);

/**
 * rtrs_get_rkey_rsp() - a chunk's key from now on
 * @data: as received
 * @len: bytes
 * @id: number of the chunk in the immediate data
 * @rkey: result
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0 or -EPROTO.
 */
int rtrs_get_rkey_rsp(const void *data, size_t len, u32 id, u32 *rkey,
		      char *why, size_t whylen);

#endif
