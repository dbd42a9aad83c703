/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RTRS as both ends need it: what they agree upon, and immediate data. The rest
 * is in the codecs of client/ and server/.
 *
 * What takes apart reads each byte of the wire once, checks everything the
 * peer can get wrong, and says in one sentence what it was.
 *
 * Plain C without kernel services: compiled into unbd-rdma and, unchanged,
 * into tests/unit and tests/fuzz. Nothing here allocates or logs.
 */
#ifndef UNBD_RTRS_CODEC_H
#define UNBD_RTRS_CODEC_H

#include <asm/byteorder.h>
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

/* Bytes behind the user header */
#define RTRS_WRITE_LEN		sizeof(struct rtrs_msg_rdma_write)
#define RTRS_READ_LEN(sg_cnt)	(sizeof(struct rtrs_msg_rdma_read) + \
				 (sg_cnt) * sizeof(struct rtrs_sg_desc))

static inline size_t rtrs_info_rsp_len(u32 sg_cnt)
{
	return sizeof(struct rtrs_msg_info_rsp) +
		sg_cnt * sizeof(struct rtrs_sg_desc);
}

/**
 * rtrs_put_desc() - a piece of registered memory
 * @desc: result
 * @addr: its address
 * @key: rkey
 * @len: bytes
 */
static inline void rtrs_put_desc(struct rtrs_sg_desc *desc, u64 addr, u32 key,
				 u32 len)
{
	desc->addr = cpu_to_le64(addr);
	desc->key = cpu_to_le32(key);
	desc->len = cpu_to_le32(len);
}

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
 * unbd_rtrs_check_head() - does the peer speak RTRS as we do?
 * @magic: from its message
 * @version: likewise
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0 or -EPROTO.
 */
int unbd_rtrs_check_head(u16 magic, u16 version, char *why, size_t whylen);

/**
 * unbd_rtrs_pool_init() - a pool of that many chunks of that size
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
int unbd_rtrs_pool_init(struct rtrs_pool *pool, u32 queue_depth,
			u32 max_io_size, u32 max_hdr_size, bool new_rkey,
			char *why, size_t whylen);

/**
 * unbd_rtrs_get_imm() - immediate data, received
 * @imm: as received
 * @pool: of the session
 * @out: result
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0, or -EPROTO for an unknown type, a chunk or an offset that is not
 * in the pool: the path is of no use any more.
 */
int unbd_rtrs_get_imm(u32 imm, const struct rtrs_pool *pool,
		      struct rtrs_imm *out, char *why, size_t whylen);

#endif
