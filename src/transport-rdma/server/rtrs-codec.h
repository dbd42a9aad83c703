/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RTRS messages: the client's are taken apart, the server's are packed.
 *
 * What takes apart reads each byte of the wire once, checks everything the
 * peer can get wrong, and says in one sentence what it was.
 *
 * Plain C without kernel services: compiled into the module and, unchanged,
 * into tests/unit and tests/fuzz. Nothing here allocates or logs.
 */
#ifndef UNBD_RTRS_SERVER_CODEC_H
#define UNBD_RTRS_SERVER_CODEC_H

#include "transport-rdma/rtrs-codec.h"

/**
 * struct rtrs_request - what a client has put into a chunk
 * @is_read: the server is to send data, else it has got them
 * @data_len: bytes at the chunk's start; a read's hole
 * @usr_off: offset of the user header in the chunk
 * @usr_len: its length
 * @need_inval: a read that wants SEND_WITH_INV
 * @has_desc: a read that names memory of the client
 * @desc_addr: of that memory
 * @desc_key: its rkey
 * @desc_len: bytes of it
 */
struct rtrs_request {
	bool is_read;
	u32 data_len;
	u32 usr_off;
	u32 usr_len;
	bool need_inval;
	bool has_desc;
	u64 desc_addr;
	u32 desc_key;
	u32 desc_len;
};

/* ------------------------------------------------------------------ */
/* Connecting                                                         */

/**
 * rtrs_get_conn_req() - private data that came with a connection request
 * @data: may be unaligned; the connection manager may have padded them
 * @len: bytes
 * @p: result
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0 or the -errno to reject with.
 */
int rtrs_get_conn_req(const void *data, size_t len, struct rtrs_conn_params *p,
		      char *why, size_t whylen);

/**
 * rtrs_put_conn_rsp() - private data of an accept
 * @msg: result
 * @pool: what to say
 */
void rtrs_put_conn_rsp(struct rtrs_msg_conn_rsp *msg,
		       const struct rtrs_pool *pool);

/**
 * rtrs_put_reject() - private data of a reject
 * @msg: result
 * @err: -errno
 */
void rtrs_put_reject(struct rtrs_msg_conn_rsp *msg, int err);

/* ------------------------------------------------------------------ */
/* Exchange of information                                            */

/**
 * rtrs_get_info_req() - the client's first message
 * @data: may be unaligned
 * @len: bytes received
 * @name: result, RTRS_PATHNAME_LEN bytes; fit for a file name and the log
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0, or -EPROTO or -EINVAL: close the path.
 */
int rtrs_get_info_req(const void *data, size_t len, char *name,
		      char *why, size_t whylen);

/**
 * rtrs_put_info_rsp() - head of the server's answer
 * @msg: result, with room for @sg_cnt descriptors
 * @sg_cnt: of these, to be filled in by rtrs_put_desc()
 */
void rtrs_put_info_rsp(struct rtrs_msg_info_rsp *msg, u16 sg_cnt);

/* ------------------------------------------------------------------ */
/* Requests and answers                                               */

/**
 * rtrs_get_request() - what the client wants
 * @chunk: the chunk; the client may change it at any time
 * @pool: of the session
 * @off: of the RTRS message in it, from unbd_rtrs_get_imm()
 * @req: result
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0 or -EPROTO; the path is of no use any more.
 */
int rtrs_get_request(const void *chunk, const struct rtrs_pool *pool, u32 off,
		     struct rtrs_request *req, char *why, size_t whylen);

/**
 * rtrs_imm_io_rsp() - a request has been carried out
 * @id: number of the chunk
 * @err: 0 or -errno; what is beyond 9 bits becomes EIO
 * @inv: SEND_WITH_INV has gone ahead
 */
u32 rtrs_imm_io_rsp(u32 id, int err, bool inv);

/**
 * rtrs_put_rkey_rsp() - a chunk's key from now on
 * @msg: result
 * @id: number of the chunk
 * @rkey: key
 */
void rtrs_put_rkey_rsp(struct rtrs_msg_rkey_rsp *msg, u16 id, u32 rkey);

#endif
