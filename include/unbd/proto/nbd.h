/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The NBD wire format: every number and structure two ends exchange.
 *
 * Section names in the comments are those of the protocol's own document
 * (doc/proto.md of the NBD project). All integers on the wire are big-endian.
 * Nothing here needs the kernel: <linux/types.h> exists in user space too.
 */
#ifndef UNBD_PROTO_NBD_H
#define UNBD_PROTO_NBD_H

#include <linux/types.h>

#define NBD_DEFAULT_PORT	10809

/* "String values": a name is at most this long, without a NUL. */
#define NBD_MAX_STRING		4096

/* "Size constraints": what holds where nothing was negotiated. */
#define NBD_DEFAULT_MIN_BLOCK	1u
#define NBD_DEFAULT_PREF_BLOCK	4096u
#define NBD_DEFAULT_MAX_PAYLOAD	(32u << 20)
#define NBD_MIN_BLOCK_LIMIT	(64u << 10)
#define NBD_MIN_PREF_BLOCK	512u
#define NBD_NO_PAYLOAD_LIMIT	0xffffffffu

/* ------------------------------------------------------------------ */
/* "Handshake"                                                        */

#define NBD_INIT_MAGIC		0x4e42444d41474943ULL	/* "NBDMAGIC" */
#define NBD_OLDSTYLE_MAGIC	0x0000420281861253ULL
#define NBD_OPTION_MAGIC	0x49484156454f5054ULL	/* "IHAVEOPT" */
#define NBD_OPTION_REPLY_MAGIC	0x0003e889045565a9ULL

/* Zeroes behind the export's description, unless NO_ZEROES was agreed. */
#define NBD_PADDING		124

/* Server's handshake flags (16 bits) and the client's answer (32 bits). */
#define NBD_FLAG_FIXED_NEWSTYLE		(1u << 0)
#define NBD_FLAG_NO_ZEROES		(1u << 1)
#define NBD_FLAG_C_FIXED_NEWSTYLE	(1u << 0)
#define NBD_FLAG_C_NO_ZEROES		(1u << 1)

/**
 * struct nbd_greeting - first bytes of every server, "Newstyle negotiation"
 * @magic: NBD_INIT_MAGIC
 * @version: NBD_OPTION_MAGIC or NBD_OLDSTYLE_MAGIC
 */
struct nbd_greeting {
	__be64 magic;
	__be64 version;
} __attribute__((packed));

/**
 * struct nbd_newstyle_greeting - greeting of a newstyle server
 * @magic: NBD_INIT_MAGIC
 * @version: NBD_OPTION_MAGIC
 * @flags: NBD_FLAG_FIXED_NEWSTYLE and NBD_FLAG_NO_ZEROES
 */
struct nbd_newstyle_greeting {
	__be64 magic;
	__be64 version;
	__be16 flags;
} __attribute__((packed));

/**
 * struct nbd_oldstyle_export - rest of an oldstyle greeting
 * @size: bytes
 * @flags: transmission flags in the lower 16 bits
 * @zeroes: reserved
 *
 * "Oldstyle negotiation": there are no names, options or answers; the
 * transmission phase follows at once.
 */
struct nbd_oldstyle_export {
	__be64 size;
	__be32 flags;
	__u8 zeroes[NBD_PADDING];
} __attribute__((packed));

/**
 * struct nbd_export_reply - answer to NBD_OPT_EXPORT_NAME
 * @size: bytes
 * @flags: transmission flags
 * @zeroes: not sent if both sides set NO_ZEROES
 */
struct nbd_export_reply {
	__be64 size;
	__be16 flags;
	__u8 zeroes[NBD_PADDING];
} __attribute__((packed));

/* "Option types" */
enum nbd_opt {
	NBD_OPT_EXPORT_NAME		= 1,
	NBD_OPT_ABORT			= 2,
	NBD_OPT_LIST			= 3,
	NBD_OPT_PEEK_EXPORT		= 4,	/* withdrawn */
	NBD_OPT_STARTTLS		= 5,
	NBD_OPT_INFO			= 6,
	NBD_OPT_GO			= 7,
	NBD_OPT_STRUCTURED_REPLY	= 8,
	NBD_OPT_LIST_META_CONTEXT	= 9,
	NBD_OPT_SET_META_CONTEXT	= 10,
	NBD_OPT_EXTENDED_HEADERS	= 11,
	NBD_OPT_UNBD_FENCE		= 0x756e6264,
};

/*
 * NBD_OPT_UNBD_FENCE ("unbd") is between our own ends, before GO; others
 * answer NBD_REP_ERR_UNSUP. Its data are keys, &struct unbd_key: the first
 * is this connection's from now on. Connections that have one of the others
 * are closed, and the answer comes when none of their requests can reach the
 * storage any more: NBD_REP_UNBD_INSTANCE with a &struct unbd_instance, then
 * NBD_REP_ACK.
 */

/**
 * struct nbd_opt_header - head of each option a client sends
 * @magic: NBD_OPTION_MAGIC
 * @option: enum nbd_opt
 * @len: bytes of data that follow
 */
struct nbd_opt_header {
	__be64 magic;
	__be32 option;
	__be32 len;
} __attribute__((packed));

/* "Option reply types" */
#define NBD_REP_ACK			1u
#define NBD_REP_SERVER			2u
#define NBD_REP_INFO			3u
#define NBD_REP_META_CONTEXT		4u
#define NBD_REP_UNBD_INSTANCE		0x756e6264u
#define NBD_REP_ERROR_BIT		(1u << 31)
#define NBD_REP_ERR_UNSUP		(NBD_REP_ERROR_BIT | 1)
#define NBD_REP_ERR_POLICY		(NBD_REP_ERROR_BIT | 2)
#define NBD_REP_ERR_INVALID		(NBD_REP_ERROR_BIT | 3)
#define NBD_REP_ERR_PLATFORM		(NBD_REP_ERROR_BIT | 4)
#define NBD_REP_ERR_TLS_REQD		(NBD_REP_ERROR_BIT | 5)
#define NBD_REP_ERR_UNKNOWN		(NBD_REP_ERROR_BIT | 6)
#define NBD_REP_ERR_SHUTDOWN		(NBD_REP_ERROR_BIT | 7)
#define NBD_REP_ERR_BLOCK_SIZE_REQD	(NBD_REP_ERROR_BIT | 8)
#define NBD_REP_ERR_TOO_BIG		(NBD_REP_ERROR_BIT | 9)
#define NBD_REP_ERR_EXT_HEADER_REQD	(NBD_REP_ERROR_BIT | 10)

/**
 * struct nbd_opt_reply - head of each reply to an option
 * @magic: NBD_OPTION_REPLY_MAGIC
 * @option: the option answered, enum nbd_opt
 * @type: NBD_REP_*
 * @len: bytes of data that follow
 */
struct nbd_opt_reply {
	__be64 magic;
	__be32 option;
	__be32 type;
	__be32 len;
} __attribute__((packed));

/* "NBD_OPT_GO", "NBD_REP_INFO": kinds of information about an export */
enum nbd_info {
	NBD_INFO_EXPORT		= 0,
	NBD_INFO_NAME		= 1,
	NBD_INFO_DESCRIPTION	= 2,
	NBD_INFO_BLOCK_SIZE	= 3,
	/* Between our own ends, after NBD_OPT_UNBD_FENCE, without more data: */
	NBD_INFO_UNBD_STABLE	= 0x7562,	/* no volatile cache */
};

/**
 * struct nbd_info_export - NBD_REP_INFO with NBD_INFO_EXPORT, 12 bytes
 * @type: NBD_INFO_EXPORT
 * @size: bytes
 * @flags: transmission flags
 */
struct nbd_info_export {
	__be16 type;
	__be64 size;
	__be16 flags;
} __attribute__((packed));

/**
 * struct nbd_info_block_size - NBD_REP_INFO with NBD_INFO_BLOCK_SIZE, 14 bytes
 * @type: NBD_INFO_BLOCK_SIZE
 * @min: bytes; a power of two, at most 64 KiB
 * @preferred: bytes; a power of two, at least 512
 * @max_payload: bytes, or NBD_NO_PAYLOAD_LIMIT
 */
struct nbd_info_block_size {
	__be16 type;
	__be32 min;
	__be32 preferred;
	__be32 max_payload;
} __attribute__((packed));

/* ------------------------------------------------------------------ */
/* "Transmission flags"                                               */

#define NBD_FLAG_HAS_FLAGS		(1u << 0)
#define NBD_FLAG_READ_ONLY		(1u << 1)
#define NBD_FLAG_SEND_FLUSH		(1u << 2)
#define NBD_FLAG_SEND_FUA		(1u << 3)
#define NBD_FLAG_ROTATIONAL		(1u << 4)
#define NBD_FLAG_SEND_TRIM		(1u << 5)
#define NBD_FLAG_SEND_WRITE_ZEROES	(1u << 6)
#define NBD_FLAG_SEND_DF		(1u << 7)
#define NBD_FLAG_CAN_MULTI_CONN		(1u << 8)
#define NBD_FLAG_SEND_RESIZE		(1u << 9)
#define NBD_FLAG_SEND_CACHE		(1u << 10)
#define NBD_FLAG_SEND_FAST_ZERO		(1u << 11)
#define NBD_FLAG_BLOCK_STATUS_PAYLOAD	(1u << 12)

/* "Metadata querying" */
#define NBD_META_BASE			"base:"
#define NBD_META_ALLOCATION		"base:allocation"
#define NBD_STATE_HOLE			(1u << 0)
#define NBD_STATE_ZERO			(1u << 1)

/* A BLOCK_STATUS chunk never describes more extents than this. */
#define NBD_MAX_EXTENTS			(1u << 20)

/* ------------------------------------------------------------------ */
/* "Transmission"                                                     */

/**
 * enum nbd_header_style - which headers a connection agreed upon
 * @NBD_HEADERS_SIMPLE: compact requests, simple replies
 * @NBD_HEADERS_STRUCTURED: compact requests, structured (and simple) replies
 * @NBD_HEADERS_EXTENDED: extended requests, extended replies only
 */
enum nbd_header_style {
	NBD_HEADERS_SIMPLE,
	NBD_HEADERS_STRUCTURED,
	NBD_HEADERS_EXTENDED,
};

#define NBD_REQUEST_MAGIC		0x25609513u
#define NBD_EXTENDED_REQUEST_MAGIC	0x21e41c71u
#define NBD_SIMPLE_REPLY_MAGIC		0x67446698u
#define NBD_STRUCTURED_REPLY_MAGIC	0x668e33efu
#define NBD_EXTENDED_REPLY_MAGIC	0x6e8a278cu

/* "Request types" */
enum nbd_cmd {
	NBD_CMD_READ		= 0,
	NBD_CMD_WRITE		= 1,
	NBD_CMD_DISC		= 2,
	NBD_CMD_FLUSH		= 3,
	NBD_CMD_TRIM		= 4,
	NBD_CMD_CACHE		= 5,
	NBD_CMD_WRITE_ZEROES	= 6,
	NBD_CMD_BLOCK_STATUS	= 7,
	NBD_CMD_RESIZE		= 8,	/* an extension nobody implements */
	NBD_CMD_UNBD_WATCH	= 0x7562,
};

/*
 * NBD_CMD_UNBD_WATCH ("ub") is for a server that has answered
 * NBD_OPT_UNBD_FENCE with its instance. The offset is the export's size as
 * the client knows it, the length 0: it is answered when the size is another
 * one. One at a time is allowed on a connection.
 */

/* "Command flags" */
#define NBD_CMD_FLAG_FUA		(1u << 0)
#define NBD_CMD_FLAG_NO_HOLE		(1u << 1)
#define NBD_CMD_FLAG_DF			(1u << 2)
#define NBD_CMD_FLAG_REQ_ONE		(1u << 3)
#define NBD_CMD_FLAG_FAST_ZERO		(1u << 4)
#define NBD_CMD_FLAG_PAYLOAD_LEN	(1u << 5)

/**
 * struct nbd_compact_request - "Compact request message", 28 bytes
 * @magic: NBD_REQUEST_MAGIC
 * @flags: NBD_CMD_FLAG_*
 * @type: enum nbd_cmd
 * @cookie: the client's name for the request, unique while it is in flight
 * @offset: bytes
 * @length: bytes; for NBD_CMD_WRITE as many bytes of data follow
 */
struct nbd_compact_request {
	__be32 magic;
	__be16 flags;
	__be16 type;
	__be64 cookie;
	__be64 offset;
	__be32 length;
} __attribute__((packed));

/**
 * struct nbd_extended_request - "Extended request message", 32 bytes
 * @magic: NBD_EXTENDED_REQUEST_MAGIC
 * @flags: NBD_CMD_FLAG_*; NBD_CMD_FLAG_PAYLOAD_LEN says data follow
 * @type: enum nbd_cmd
 * @cookie: the client's name for the request, unique while it is in flight
 * @offset: bytes
 * @length: bytes of the payload if there is one, else of the effect
 */
struct nbd_extended_request {
	__be32 magic;
	__be16 flags;
	__be16 type;
	__be64 cookie;
	__be64 offset;
	__be64 length;
} __attribute__((packed));

/**
 * struct nbd_simple_reply - "Simple reply message", 16 bytes
 * @magic: NBD_SIMPLE_REPLY_MAGIC
 * @error: enum nbd_error
 * @cookie: of the request; the data of a successful READ follow
 */
struct nbd_simple_reply {
	__be32 magic;
	__be32 error;
	__be64 cookie;
} __attribute__((packed));

/* "Structured reply flags" */
#define NBD_REPLY_FLAG_DONE		(1u << 0)

/* "Structured reply types" */
#define NBD_REPLY_TYPE_NONE		0u
#define NBD_REPLY_TYPE_OFFSET_DATA	1u
#define NBD_REPLY_TYPE_OFFSET_HOLE	2u
#define NBD_REPLY_TYPE_BLOCK_STATUS	5u
#define NBD_REPLY_TYPE_BLOCK_STATUS_EXT	6u
#define NBD_REPLY_TYPE_ERROR_BIT	(1u << 15)
#define NBD_REPLY_TYPE_ERROR		(NBD_REPLY_TYPE_ERROR_BIT | 1)
#define NBD_REPLY_TYPE_ERROR_OFFSET	(NBD_REPLY_TYPE_ERROR_BIT | 2)

/**
 * struct nbd_structured_reply - "Structured reply chunk message", 20 bytes
 * @magic: NBD_STRUCTURED_REPLY_MAGIC
 * @flags: NBD_REPLY_FLAG_DONE on the last chunk of a reply
 * @type: NBD_REPLY_TYPE_*
 * @cookie: of the request
 * @length: bytes of payload that follow
 */
struct nbd_structured_reply {
	__be32 magic;
	__be16 flags;
	__be16 type;
	__be64 cookie;
	__be32 length;
} __attribute__((packed));

/**
 * struct nbd_extended_reply - "Extended reply chunk message", 32 bytes
 * @magic: NBD_EXTENDED_REPLY_MAGIC
 * @flags: NBD_REPLY_FLAG_DONE on the last chunk of a reply
 * @type: NBD_REPLY_TYPE_*
 * @cookie: of the request
 * @offset: of the request, repeated
 * @length: bytes of payload that follow
 */
struct nbd_extended_reply {
	__be32 magic;
	__be16 flags;
	__be16 type;
	__be64 cookie;
	__be64 offset;
	__be64 length;
} __attribute__((packed));

/**
 * struct nbd_chunk_data - payload of OFFSET_DATA before the data themselves
 * @offset: in the export, not in the request
 */
struct nbd_chunk_data {
	__be64 offset;
} __attribute__((packed));

/**
 * struct nbd_chunk_hole - payload of OFFSET_HOLE
 * @offset: in the export, not in the request
 * @length: bytes that read as zeroes
 */
struct nbd_chunk_hole {
	__be64 offset;
	__be32 length;
} __attribute__((packed));

/**
 * struct nbd_chunk_error - payload of ERROR, and the start of ERROR_OFFSET's
 * @error: enum nbd_error, not 0
 * @msg_len: bytes of text that follow; behind it ERROR_OFFSET has its __be64
 */
struct nbd_chunk_error {
	__be32 error;
	__be16 msg_len;
} __attribute__((packed));

/**
 * struct nbd_block_status - start of a BLOCK_STATUS payload
 * @context_id: which metadata context the extents describe
 */
struct nbd_block_status {
	__be32 context_id;
} __attribute__((packed));

/**
 * struct nbd_extent - one extent of a BLOCK_STATUS payload
 * @length: bytes
 * @flags: NBD_STATE_* for base:allocation
 */
struct nbd_extent {
	__be32 length;
	__be32 flags;
} __attribute__((packed));

/**
 * struct nbd_block_status_ext - start of a BLOCK_STATUS_EXT payload
 * @context_id: which metadata context the extents describe
 * @count: extents that follow
 */
struct nbd_block_status_ext {
	__be32 context_id;
	__be32 count;
} __attribute__((packed));

/**
 * struct nbd_extent_ext - one extent of a BLOCK_STATUS_EXT payload
 * @length: bytes
 * @flags: NBD_STATE_* for base:allocation
 */
struct nbd_extent_ext {
	__be64 length;
	__be64 flags;
} __attribute__((packed));

/* "Error values": fixed numbers, whatever errno is on either side */
enum nbd_error {
	NBD_SUCCESS	= 0,
	NBD_EPERM	= 1,
	NBD_EIO		= 5,
	NBD_ENOMEM	= 12,
	NBD_EINVAL	= 22,
	NBD_ENOSPC	= 28,
	NBD_EOVERFLOW	= 75,
	NBD_ENOTSUP	= 95,
	NBD_ESHUTDOWN	= 108,
};

#endif
