/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The RTRS wire format, version 2.0: what two ends exchange below RNBD.
 *
 * Structures and fields are named as in the kernel's rtrs-pri.h, so that one
 * can look them up there; the offsets are asserted in tests/unit. All
 * integers are little-endian but the 32 bits of immediate data, which verbs
 * carry big-endian. Nothing here needs the kernel.
 */
#ifndef UNBD_PROTO_RTRS_H
#define UNBD_PROTO_RTRS_H

#include <linux/types.h>

/* RNBD's; RTRS itself has none. */
#define RTRS_DEFAULT_PORT	1234

#define RTRS_MAGIC		0x1bbd
#define RTRS_VERSION_MAJOR	2
#define RTRS_VERSION_MINOR	0
#define RTRS_VERSION		(RTRS_VERSION_MAJOR << 8 | RTRS_VERSION_MINOR)

#define RTRS_UUID_LEN		16

/* Connections of one path that an in-tree server takes, service included */
#define RTRS_MAX_CONNS		4096

/* Of a message to be sent on the service connection; receives posted there */
#define RTRS_SERVICE_DEPTH	512

/* What cannot be more: 16 bits, and rsp immediates have 19 of them. */
#define RTRS_MAX_QUEUE_DEPTH	65535

/* "first path of a session" in &rtrs_msg_conn_req.first_conn */
#define RTRS_FIRST_CONN		0x01

/**
 * struct rtrs_msg_conn_req - private data of every RDMA connection request
 * @cma_version: 0; belongs to the connection manager for AF_IB
 * @ip_version: 0; likewise
 * @magic: RTRS_MAGIC
 * @version: RTRS_VERSION; the major part must be equal
 * @cid: number of the connection in its path, 0 is the service connection
 * @cid_num: connections of the path; the same in each of them
 * @recon_cnt: attempts to connect the path, this one included
 * @sess_uuid: names the path, also after a reconnect
 * @paths_uuid: names the session, which all its paths share
 * @first_conn: RTRS_FIRST_CONN on the first path of a session and on every
 *	reconnect; kernels have a bit field here, of which the lowest bit on
 *	little-endian machines is meant
 * @reserved: 0
 */
struct rtrs_msg_conn_req {
	__u8 cma_version;
	__u8 ip_version;
	__le16 magic;
	__le16 version;
	__le16 cid;
	__le16 cid_num;
	__le16 recon_cnt;
	__u8 sess_uuid[RTRS_UUID_LEN];
	__u8 paths_uuid[RTRS_UUID_LEN];
	__u8 first_conn;
	__u8 reserved[11];
};

/* &rtrs_msg_conn_rsp.flags: each answer brings a chunk's next rkey along */
#define RTRS_MSG_NEW_RKEY_F	(1u << 1)

/**
 * struct rtrs_msg_conn_rsp - private data of an accept or a reject
 * @magic: RTRS_MAGIC
 * @version: RTRS_VERSION
 * @errno_: 0 in an accept, a negative errno in a reject
 * @queue_depth: chunks of the session
 * @max_io_size: bytes of data of one request
 * @max_hdr_size: bytes for the headers behind the data; a chunk has room for
 *	both
 * @flags: RTRS_MSG_NEW_RKEY_F
 * @reserved: 0
 *
 * Only the answer to the service connection counts. A reject has nothing but
 * the first three.
 */
struct rtrs_msg_conn_rsp {
	__le16 magic;
	__le16 version;
	__le16 errno_;
	__le16 queue_depth;
	__le32 max_io_size;
	__le32 max_hdr_size;
	__le32 flags;
	__u8 reserved[36];
};

/**
 * enum rtrs_msg_type - first two bytes of all messages that follow
 * @RTRS_MSG_INFO_REQ: &struct rtrs_msg_info_req
 * @RTRS_MSG_INFO_RSP: &struct rtrs_msg_info_rsp
 * @RTRS_MSG_WRITE: &struct rtrs_msg_rdma_write
 * @RTRS_MSG_READ: &struct rtrs_msg_rdma_read
 * @RTRS_MSG_RKEY_RSP: &struct rtrs_msg_rkey_rsp
 */
enum rtrs_msg_type {
	RTRS_MSG_INFO_REQ	= 0,
	RTRS_MSG_INFO_RSP	= 1,
	RTRS_MSG_WRITE		= 2,
	RTRS_MSG_READ		= 3,
	RTRS_MSG_RKEY_RSP	= 4,
};

#define RTRS_PATHNAME_LEN	255

/**
 * struct rtrs_msg_info_req - the client's name, when all connections are up
 * @type: RTRS_MSG_INFO_REQ
 * @pathname: name of the session, padded with NULs
 * @reserved: 0
 */
struct rtrs_msg_info_req {
	__le16 type;
	__u8 pathname[RTRS_PATHNAME_LEN];
	__u8 reserved[15];
};

/**
 * struct rtrs_sg_desc - a piece of registered memory
 * @addr: as the registration has it
 * @key: rkey
 * @len: bytes
 */
struct rtrs_sg_desc {
	__le64 addr;
	__le32 key;
	__le32 len;
};

/**
 * struct rtrs_msg_info_rsp - where the server's chunks are
 * @type: RTRS_MSG_INFO_RSP
 * @sg_cnt: entries of @desc; each has the same number of chunks in it
 * @reserved: 0
 * @desc: all chunks in the order of their numbers
 */
struct rtrs_msg_info_rsp {
	__le16 type;
	__le16 sg_cnt;
	__u8 reserved[4];
	struct rtrs_sg_desc desc[];
};

/**
 * struct rtrs_msg_rdma_write - last in a chunk: data, user header, this
 * @type: RTRS_MSG_WRITE
 * @usr_len: bytes of user header in front of it
 */
struct rtrs_msg_rdma_write {
	__le16 type;
	__le16 usr_len;
};

/* &rtrs_msg_rdma_read.flags: answer with SEND_WITH_INV of the descriptor */
#define RTRS_MSG_NEED_INVAL_F	(1u << 0)

/**
 * struct rtrs_msg_rdma_read - last in a chunk: a hole, user header, this
 * @type: RTRS_MSG_READ
 * @usr_len: bytes of user header in front of it
 * @flags: RTRS_MSG_NEED_INVAL_F
 * @sg_cnt: entries of @desc, 0 or 1
 * @desc: where the client wants the data
 */
struct rtrs_msg_rdma_read {
	__le16 type;
	__le16 usr_len;
	__le16 flags;
	__le16 sg_cnt;
	struct rtrs_sg_desc desc[];
};

/**
 * struct rtrs_msg_rkey_rsp - with an answer: the chunk's key from now on
 * @type: RTRS_MSG_RKEY_RSP
 * @buf_id: number of the chunk, as in the immediate data
 * @rkey: its new key
 */
struct rtrs_msg_rkey_rsp {
	__le16 type;
	__le16 buf_id;
	__le32 rkey;
};

/* Immediate data: four bits of type, 28 of payload */
#define RTRS_IMM_TYPE_SHIFT	28
#define RTRS_IMM_PAYLOAD_BITS	28
#define RTRS_IMM_PAYLOAD_MASK	((1u << RTRS_IMM_PAYLOAD_BITS) - 1)

/**
 * enum rtrs_imm_type - what immediate data say
 * @RTRS_IO_REQ_IMM: to the server: chunk and offset of the message in it
 * @RTRS_IO_RSP_IMM: to the client: chunk and errno
 * @RTRS_IO_RSP_W_INV_IMM: likewise, and SEND_WITH_INV has gone ahead
 * @RTRS_HB_MSG_IMM: are you there?
 * @RTRS_HB_ACK_IMM: I am
 */
enum rtrs_imm_type {
	RTRS_IO_REQ_IMM		= 0,
	RTRS_IO_RSP_IMM		= 1,
	RTRS_IO_RSP_W_INV_IMM	= 2,
	RTRS_HB_MSG_IMM		= 8,
	RTRS_HB_ACK_IMM		= 9,
};

/* Payload of an answer: errno in the upper bits, chunk in the lower */
#define RTRS_RSP_ID_BITS	19
#define RTRS_RSP_ID_MASK	((1u << RTRS_RSP_ID_BITS) - 1)
#define RTRS_RSP_ERRNO_MAX	0x1ff

#endif
