/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RTRS messages, packed and taken apart, for both ends.
 *
 * Those that take apart read each byte of the wire once, check everything the
 * peer can get wrong, and say in one sentence what it was.
 *
 * Plain C without kernel services: compiled into both modules and, unchanged,
 * into tests/unit and tests/fuzz. Nothing here allocates or logs.
 */
#ifndef UNBD_RTRS_CODEC_H
#define UNBD_RTRS_CODEC_H

#include <linux/types.h>

#include <unbd/proto/rtrs.h>

/* Less room for headers than this cannot carry RNBD's longest message. */
#define RTRS_MIN_HDR_SIZE	512

/* Data of a block request: a page at least. */
#define RTRS_MIN_IO_SIZE	4096

/**
 * struct rtrs_conn_params - what a connection request says
 * @cid: number of the connection
 * @cid_num: of so many, 2 at least
 * @recon_cnt: attempts so far, this one included
 * @sess_uuid: the path
 * @paths_uuid: the session
 * @first_conn: the session need not exist
 */
struct rtrs_conn_params {
	u16 cid;
	u16 cid_num;
	u16 recon_cnt;
	u8 sess_uuid[RTRS_UUID_LEN];
	u8 paths_uuid[RTRS_UUID_LEN];
	bool first_conn;
};

/**
 * struct rtrs_pool - the server's chunks, as both ends have agreed upon
 * @queue_depth: chunks
 * @max_io_size: bytes of data of a request
 * @max_hdr_size: bytes for its headers
 * @new_rkey: a chunk has a new key after each use
 * @chunk_size: bytes
 * @off_bits: bits of an I/O request's immediate data that are the offset in
 *	the chunk, the rest being its number
 */
struct rtrs_pool {
	u32 queue_depth;
	u32 max_io_size;
	u32 max_hdr_size;
	bool new_rkey;
	u32 chunk_size;
	u32 off_bits;
};

/**
 * struct rtrs_chunk - where the client may write to
 * @addr: address
 * @rkey: and key
 */
struct rtrs_chunk {
	u64 addr;
	u32 rkey;
};

/**
 * struct rtrs_imm - immediate data, taken apart
 * @type: enum rtrs_imm_type
 * @id: I/O: number of the chunk
 * @off: RTRS_IO_REQ_IMM: where in the chunk the message is
 * @err: RTRS_IO_RSP_*: 0 or -errno
 * @news: heartbeat: see rtrs_imm_hb()
 */
struct rtrs_imm {
	enum rtrs_imm_type type;
	u32 id;
	u32 off;
	int err;
	u32 news;
};

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

/* Bytes behind the user header */
#define RTRS_WRITE_LEN		sizeof(struct rtrs_msg_rdma_write)
#define RTRS_READ_LEN(sg_cnt)	(sizeof(struct rtrs_msg_rdma_read) + \
				 (sg_cnt) * sizeof(struct rtrs_sg_desc))

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

/**
 * rtrs_pool_init() - a pool of that many chunks of that size
 * @pool: result
 * @queue_depth: chunks
 * @max_io_size: bytes of data of a request
 * @max_hdr_size: bytes for its headers
 * @new_rkey: chunks change their keys
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0, or -EPROTO for what 28 bits of immediate data cannot name or
 * what is too small to be of use.
 */
int rtrs_pool_init(struct rtrs_pool *pool, u32 queue_depth, u32 max_io_size,
		   u32 max_hdr_size, bool new_rkey, char *why, size_t whylen);

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

static inline size_t rtrs_info_rsp_len(u32 sg_cnt)
{
	return sizeof(struct rtrs_msg_info_rsp) +
		sg_cnt * sizeof(struct rtrs_sg_desc);
}

/**
 * rtrs_put_info_rsp() - head of the server's answer
 * @msg: result, with room for @sg_cnt descriptors
 * @sg_cnt: of these, to be filled in by rtrs_put_desc()
 */
void rtrs_put_info_rsp(struct rtrs_msg_info_rsp *msg, u16 sg_cnt);

/**
 * rtrs_put_desc() - a piece of registered memory
 * @desc: result
 * @addr: its address
 * @key: rkey
 * @len: bytes
 */
void rtrs_put_desc(struct rtrs_sg_desc *desc, u64 addr, u32 key, u32 len);

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
/* Immediate data, in the order of this machine                       */

/**
 * rtrs_imm_io_req() - a request is in a chunk
 * @pool: of the session
 * @id: number of the chunk
 * @off: of the RTRS message in it
 */
u32 rtrs_imm_io_req(const struct rtrs_pool *pool, u32 id, u32 off);

/**
 * rtrs_imm_io_rsp() - a request has been carried out
 * @id: number of the chunk
 * @err: 0 or -errno; what is beyond 9 bits becomes EIO
 * @inv: SEND_WITH_INV has gone ahead
 */
u32 rtrs_imm_io_rsp(u32 id, int err, bool inv);

/**
 * rtrs_imm_hb() - a heartbeat
 * @ack: the answer to one
 * @news: of a server to a client of unbd's: another number when the size of
 *	something that the session has open has changed; 0 to all others
 */
static inline u32 rtrs_imm_hb(bool ack, u32 news)
{
	return (u32)(ack ? RTRS_HB_ACK_IMM : RTRS_HB_MSG_IMM) <<
		RTRS_IMM_TYPE_SHIFT | (news & RTRS_IMM_PAYLOAD_MASK);
}

/**
 * rtrs_get_imm() - immediate data, received
 * @imm: as received
 * @pool: of the session
 * @out: result
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0, or -EPROTO for an unknown type, a chunk or an offset that is not
 * in the pool: the path is of no use any more.
 */
int rtrs_get_imm(u32 imm, const struct rtrs_pool *pool, struct rtrs_imm *out,
		 char *why, size_t whylen);

/* ------------------------------------------------------------------ */
/* Requests and answers                                               */

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
 * rtrs_get_request() - what the client wants
 * @chunk: the chunk; the client may change it at any time
 * @pool: of the session
 * @off: of the RTRS message in it, from rtrs_get_imm()
 * @req: result
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0 or -EPROTO; the path is of no use any more.
 */
int rtrs_get_request(const void *chunk, const struct rtrs_pool *pool, u32 off,
		     struct rtrs_request *req, char *why, size_t whylen);

/**
 * rtrs_put_rkey_rsp() - a chunk's key from now on
 * @msg: result
 * @id: number of the chunk
 * @rkey: key
 */
void rtrs_put_rkey_rsp(struct rtrs_msg_rkey_rsp *msg, u16 id, u32 rkey);

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
