/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The RNBD wire format, version 2: block devices, carried by RTRS.
 *
 * Structures and fields are named as in the kernel's rnbd-proto.h, so that
 * one can look them up there; the offsets are asserted in tests/unit. All
 * integers are little-endian. Each message is the user header of an RTRS
 * request; what answers it is the data of an RTRS read.
 *
 * The minor version (2.2 since Linux 7.2) is not on the wire.
 */
#ifndef UNBD_PROTO_RNBD_H
#define UNBD_PROTO_RNBD_H

#include <linux/types.h>

#include <unbd/fence.h>
#include <unbd/instance.h>

#define RNBD_VERSION_MAJOR	2

/**
 * enum rnbd_msg_type - which message it is
 * @RNBD_MSG_SESS_INFO: &struct rnbd_msg_sess_info, RTRS read
 * @RNBD_MSG_SESS_INFO_RSP: &struct rnbd_msg_sess_info_rsp, its data
 * @RNBD_MSG_OPEN: &struct rnbd_msg_open, RTRS read
 * @RNBD_MSG_OPEN_RSP: &struct rnbd_msg_open_rsp, its data
 * @RNBD_MSG_IO: &struct rnbd_msg_io, RTRS read or write
 * @RNBD_MSG_CLOSE: &struct rnbd_msg_close, RTRS write without data
 * @RNBD_MSG_UNBD_FENCE: unbd's own, &struct rnbd_msg_unbd_fence, RTRS read;
 *	only for a server that has said RNBD_UNBD_FENCES
 * @RNBD_MSG_UNBD_FENCE_RSP: &struct rnbd_msg_unbd_fence_rsp, its data
 */
enum rnbd_msg_type {
	RNBD_MSG_SESS_INFO	= 0,
	RNBD_MSG_SESS_INFO_RSP	= 1,
	RNBD_MSG_OPEN		= 2,
	RNBD_MSG_OPEN_RSP	= 3,
	RNBD_MSG_IO		= 4,
	RNBD_MSG_CLOSE		= 5,
	RNBD_MSG_UNBD_FENCE	= 0x7562,
	RNBD_MSG_UNBD_FENCE_RSP	= 0x7563,
};

/**
 * struct rnbd_msg_hdr - in front of every message
 * @type: enum rnbd_msg_type
 * @padding: 0
 */
struct rnbd_msg_hdr {
	__le16 type;
	__le16 padding;
};

/**
 * struct rnbd_msg_sess_info - first message of a session
 * @hdr: RNBD_MSG_SESS_INFO
 * @ver: RNBD_VERSION_MAJOR
 * @reserved: 0
 */
struct rnbd_msg_sess_info {
	struct rnbd_msg_hdr hdr;
	__u8 ver;
	__u8 reserved[31];
};

/**
 * struct rnbd_msg_sess_info_rsp - its answer
 * @hdr: RNBD_MSG_SESS_INFO_RSP
 * @ver: the lower one of both ends' versions
 * @reserved: 0
 */
struct rnbd_msg_sess_info_rsp {
	struct rnbd_msg_hdr hdr;
	__u8 ver;
	__u8 reserved[31];
};

/* &rnbd_msg_open.access_mode */
enum rnbd_access_mode {
	RNBD_ACCESS_RO		= 0,
	RNBD_ACCESS_RW		= 1,
	RNBD_ACCESS_MIGRATION	= 2,
};

#define RNBD_DEV_NAME_LEN	255

/**
 * struct rnbd_msg_open - open a device
 * @hdr: RNBD_MSG_OPEN
 * @access_mode: enum rnbd_access_mode
 * @resv1: 0
 * @dev_name: of the device, ended by a NUL
 * @reserved: 0
 */
struct rnbd_msg_open {
	struct rnbd_msg_hdr hdr;
	__u8 access_mode;
	__u8 resv1;
	__u8 dev_name[RNBD_DEV_NAME_LEN];
	__u8 reserved[3];
};

/**
 * struct rnbd_msg_close - close a device
 * @hdr: RNBD_MSG_CLOSE
 * @device_id: from &rnbd_msg_open_rsp
 */
struct rnbd_msg_close {
	struct rnbd_msg_hdr hdr;
	__le32 device_id;
};

/**
 * struct rnbd_msg_unbd_fence - name a path, and end others
 * @hdr: RNBD_MSG_UNBD_FENCE
 * @keys: the path's own, and those of paths that were lost; as many as the
 *	length of the message says
 *
 * Answered when nothing of the lost paths can reach the storage any more, or
 * with an error after some seconds.
 */
struct rnbd_msg_unbd_fence {
	struct rnbd_msg_hdr hdr;
	struct unbd_key keys[UNBD_MAX_KEYS];
};

/**
 * struct rnbd_msg_unbd_fence_rsp - who has done that
 * @hdr: RNBD_MSG_UNBD_FENCE_RSP
 * @instance: the life that the server's machine is in
 */
struct rnbd_msg_unbd_fence_rsp {
	struct rnbd_msg_hdr hdr;
	struct unbd_instance instance;
};

/* &rnbd_msg_open_rsp.cache_policy; kernels before 5.19 leave it 0 */
#define RNBD_FUA		(1u << 0)
#define RNBD_WRITEBACK		(1u << 1)
/* unbd's own: the byte means what it says, also where it says no to both */
#define RNBD_CACHE_KNOWN	(1u << 7)
/* likewise: RNBD_MSG_UNBD_FENCE is understood */
#define RNBD_UNBD_FENCES	(1u << 6)

/**
 * struct rnbd_msg_open_rsp - what the device is like
 * @hdr: RNBD_MSG_OPEN_RSP
 * @device_id: names it in I/O and close
 * @nsectors: size in units of 512 bytes
 * @max_hw_sectors: of one request, 512 bytes each
 * @max_write_zeroes_sectors: 512 bytes each; before 6.2 it had another name
 *	and meaning (max_write_same_sectors)
 * @max_discard_sectors: 512 bytes each
 * @discard_granularity: bytes
 * @discard_alignment: bytes
 * @physical_block_size: bytes
 * @logical_block_size: bytes
 * @max_segments: of one request
 * @secure_discard: 0, or secure erase is understood
 * @rotational: not 0 for a disk with heads (5.10; "obsolete" since)
 * @cache_policy: RNBD_FUA, RNBD_WRITEBACK, and what is unbd's own
 * @reserved: 0
 */
struct rnbd_msg_open_rsp {
	struct rnbd_msg_hdr hdr;
	__le32 device_id;
	__le64 nsectors;
	__le32 max_hw_sectors;
	__le32 max_write_zeroes_sectors;
	__le32 max_discard_sectors;
	__le32 discard_granularity;
	__le32 discard_alignment;
	__le16 physical_block_size;
	__le16 logical_block_size;
	__le16 max_segments;
	__le16 secure_discard;
	__u8 rotational;
	__u8 cache_policy;
	__u8 reserved[10];
};

/* &rnbd_msg_io.rw: eight bits of operation and flags above them */
#define RNBD_OP_MASK		0xffu

enum rnbd_op {
	RNBD_OP_READ		= 0,
	RNBD_OP_WRITE		= 1,
	RNBD_OP_FLUSH		= 2,
	RNBD_OP_DISCARD		= 3,
	RNBD_OP_SECURE_ERASE	= 4,
	RNBD_OP_WRITE_ZEROES	= 5,	/* before 6.2: WRITE_SAME */
};

#define RNBD_F_SYNC		(1u << 8)
#define RNBD_F_FUA		(1u << 9)
#define RNBD_F_PREFLUSH		(1u << 10)	/* 2.1 */
#define RNBD_F_NOUNMAP		(1u << 11)	/* 2.2 */

/**
 * struct rnbd_msg_io - a block request
 * @hdr: RNBD_MSG_IO
 * @device_id: from &rnbd_msg_open_rsp
 * @sector: units of 512 bytes; means nothing for a FLUSH
 * @rw: enum rnbd_op and RNBD_F_*
 * @bi_size: bytes
 * @prio: as in the bio; may be cut off by old clients
 * @padding: 0; kernels send what happens to be there
 */
struct rnbd_msg_io {
	struct rnbd_msg_hdr hdr;
	__le32 device_id;
	__le64 sector;
	__le32 rw;
	__le32 bi_size;
	__le16 prio;
	__u8 padding[6];
};

#endif
