/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The client's side of the NBD protocol, without a socket.
 *
 * Two state machines say what to do with the byte stream and never touch it:
 *
 *	struct nbd_handshake	 until an export is open
 *	struct nbd_reply_parser	 replies to the requests sent afterwards
 *
 * Plain C without kernel services: compiled into unbd-tcp-client and,
 * unchanged, into tests/unit and tests/fuzz. Nothing here allocates or logs.
 * Whatever arrives is hostile until it has been checked here.
 */
#ifndef UNBD_TCP_CLIENT_CODEC_H
#define UNBD_TCP_CLIENT_CODEC_H

#include <linux/types.h>

#include <unbd/fence.h>
#include <unbd/instance.h>
#include <unbd/proto/nbd.h>

/* ------------------------------------------------------------------ */
/* Handshake                                                          */

/**
 * enum nbd_server_style - how far the server's handshake goes
 * @NBD_OLDSTYLE: one export, no options
 * @NBD_PLAIN_NEWSTYLE: NBD_OPT_EXPORT_NAME only
 * @NBD_FIXED_NEWSTYLE: everything
 */
enum nbd_server_style {
	NBD_OLDSTYLE,
	NBD_PLAIN_NEWSTYLE,
	NBD_FIXED_NEWSTYLE,
};

/**
 * struct nbd_export_info - what a server says about an export, checked
 * @size: bytes, fits loff_t
 * @flags: transmission flags without those we do not know or cannot use
 * @min_block: bytes, power of two, at most 64 KiB
 * @preferred_block: bytes, power of two, not below @min_block or 512, at most
 *	NBD_DEFAULT_MAX_PAYLOAD
 * @max_payload: bytes, a multiple of @min_block; NBD_NO_PAYLOAD_LIMIT (rounded
 *	down alike) means the server names no limit
 * @has_block_size: the server named the three; else they are the defaults
 * @style: of the server
 * @headers: agreed upon for the transmission phase
 * @fences: the server knows NBD_OPT_UNBD_FENCE and has done it
 * @has_instance: it has told its @instance then
 * @instance: of the server
 * @stable: it has said that the export has no volatile cache
 */
struct nbd_export_info {
	u64 size;
	u16 flags;
	u32 min_block;
	u32 preferred_block;
	u32 max_payload;
	bool has_block_size;
	enum nbd_server_style style;
	enum nbd_header_style headers;
	bool fences;
	bool has_instance;
	struct unbd_instance instance;
	bool stable;
};

/**
 * enum nbd_handshake_step - what the caller does next
 * @NBD_HANDSHAKE_SEND: send all @len bytes at @buf
 * @NBD_HANDSHAKE_RECV: receive exactly @len bytes to @buf
 * @NBD_HANDSHAKE_DONE: the transmission phase has begun; @info is valid. A
 *	message in @why is a warning worth logging.
 * @NBD_HANDSHAKE_FAILED: @error and @why say what is wrong; close
 */
enum nbd_handshake_step {
	NBD_HANDSHAKE_SEND,
	NBD_HANDSHAKE_RECV,
	NBD_HANDSHAKE_DONE,
	NBD_HANDSHAKE_FAILED,
};

/* Room for the longest thing we send: client flags and GO with a name. */
#define NBD_HANDSHAKE_BUF	4160

/**
 * struct nbd_handshake - a client's handshake
 * @buf: what to send, or where to receive to
 * @len: bytes at @buf
 * @info: result
 * @error: -errno once failed
 *
 * Members below "private" are the codec's. Over 4 KiB: allocate it.
 */
struct nbd_handshake {
	u8 *buf;
	u32 len;
	struct nbd_export_info info;
	int error;

	/* private: */
	const char *name;
	u32 name_len;
	char *why;
	size_t whylen;
	enum nbd_header_style max_headers;
	const struct unbd_key *keys;
	unsigned int nr_keys;
	int state;
	u32 option;		/* the one being answered */
	u32 reply_type;
	u32 reply_len;		/* bytes of its data */
	u32 replies;		/* to this option, bounded */
	bool no_zeroes;
	bool have_export;	/* NBD_INFO_EXPORT has come */
	u8 data[NBD_HANDSHAKE_BUF];
};

/**
 * nbd_handshake_init() - begin a handshake
 * @hs: to set up
 * @name: export name, "" for the default; at most NBD_MAX_STRING bytes are
 *	used; must stay valid
 * @max_headers: the best header style to ask for
 * @why: gets one sentence on failure; must stay valid
 * @whylen: its size
 */
void nbd_handshake_init(struct nbd_handshake *hs, const char *name,
			enum nbd_header_style max_headers,
			char *why, size_t whylen);

/**
 * nbd_handshake_fence() - name the connection, and those to be fenced before
 * @hs: handshake that has not begun
 * @keys: the connection's own, then the others'; must stay valid
 * @nr: how many, at most UNBD_MAX_KEYS; 0 is as if this were not called
 *
 * A server that does not know this is none of ours: that is no error.
 */
static inline void nbd_handshake_fence(struct nbd_handshake *hs,
				       const struct unbd_key *keys,
				       unsigned int nr)
{
	hs->keys = keys;
	hs->nr_keys = nr;
}

/**
 * nbd_handshake_next() - the step before has been carried out, what is next?
 * @hs: the handshake
 *
 * After NBD_HANDSHAKE_DONE or _FAILED it keeps saying so. The number of steps
 * is bounded whatever the server sends; the time they take is the caller's to
 * bound.
 *
 * Errors: -ENOENT no such export, -EACCES refused by policy, -ENOKEY the
 * server wants TLS, -ESHUTDOWN it is going down, -EOPNOTSUPP, -EINVAL,
 * -EFBIG a size beyond loff_t, -ENAMETOOLONG, -EPROTO for anything that is not
 * the protocol.
 */
enum nbd_handshake_step nbd_handshake_next(struct nbd_handshake *hs);

/**
 * nbd_handshake_closed() - the connection ended in the middle of a step
 * @hs: the handshake
 *
 * A server that knows no better way to refuse just closes, so the meaning
 * depends on the moment.
 *
 * Return: -errno to give to the user (also in @hs->error), with @why filled.
 */
int nbd_handshake_closed(struct nbd_handshake *hs);

/**
 * nbd_same_export() - is a further connection to the same thing as the first?
 * @first: of the first connection
 * @other: of the further connection, or of a reconnect
 * @why: names the difference
 * @whylen: its size
 *
 * Size, flags, block sizes, header style and instance must agree.
 *
 * Return: 0 or -ESTALE.
 */
int nbd_same_export(const struct nbd_export_info *first,
		    const struct nbd_export_info *other,
		    char *why, size_t whylen);

/* ------------------------------------------------------------------ */
/* Requests                                                           */

#define NBD_REQUEST_HEADER_MAX	sizeof(struct nbd_extended_request)

/**
 * nbd_put_request() - encode a request's header
 * @buf: NBD_REQUEST_HEADER_MAX bytes
 * @headers: style the connection agreed upon
 * @cmd: enum nbd_cmd
 * @flags: NBD_CMD_FLAG_*; NBD_CMD_FLAG_PAYLOAD_LEN is added where needed
 * @cookie: unique among the requests in flight
 * @offset: bytes
 * @length: bytes
 *
 * Return: bytes of header; for NBD_CMD_WRITE @length bytes of data follow.
 */
u32 nbd_put_request(void *buf, enum nbd_header_style headers, u16 cmd,
		    u16 flags, u64 cookie, u64 offset, u32 length);

/* ------------------------------------------------------------------ */
/* Replies                                                            */

/**
 * struct nbd_inflight - what the parser must know and keep of a request
 * @offset: as sent
 * @length: as sent
 * @received: READ: bytes that have come, data and holes
 * @error: first enum nbd_error the server reported, 0 if none
 * @cmd: enum nbd_cmd, as sent
 * @scattered: READ: chunks came out of order, the gaps have been zeroed
 * @error_chunks: bounded
 *
 * Embedded in the driver's part of a request; nbd_inflight_init() before the
 * request is sent. It must stay where it is until the parser says
 * NBD_REPLY_DONE or will not be called again.
 */
struct nbd_inflight {
	u64 offset;
	u32 length;
	u32 received;
	u32 error;
	u16 cmd;
	bool scattered;
	u8 error_chunks;
};

static inline void nbd_inflight_init(struct nbd_inflight *req, u16 cmd,
				     u64 offset, u32 length)
{
	*req = (struct nbd_inflight){
		.cmd = cmd, .offset = offset, .length = length,
	};
}

/**
 * enum nbd_reply_action - what the caller does next
 * @NBD_REPLY_HEADER: copy @len bytes of the stream to @buf
 * @NBD_REPLY_DATA: @len bytes of the stream belong at @pos of @req's data
 * @NBD_REPLY_ZERO: fill @len bytes at @pos of @req's data with zeroes
 * @NBD_REPLY_SKIP: throw @len bytes of the stream away
 * @NBD_REPLY_DONE: complete @req, with @req->error; the parser has
 *	forgotten it
 * @NBD_REPLY_FATAL: the peer broke the protocol; the reason is in why. The
 *	connection is lost, the requests in flight are not answered.
 */
enum nbd_reply_action {
	NBD_REPLY_HEADER,
	NBD_REPLY_DATA,
	NBD_REPLY_ZERO,
	NBD_REPLY_SKIP,
	NBD_REPLY_DONE,
	NBD_REPLY_FATAL,
};

/**
 * nbd_lookup_fn - find a request in flight
 * @ctx: as given to nbd_reply_parser_init()
 * @cookie: from the wire
 *
 * Return: the request, which must not be completed by anybody else as long as
 * this parser is used; or NULL if there is none.
 */
typedef struct nbd_inflight *nbd_lookup_fn(void *ctx, u64 cookie);

/**
 * struct nbd_reply_parser - what to do with the server's bytes
 * @buf: NBD_REPLY_HEADER: where to
 * @len: bytes of this step
 * @pos: NBD_REPLY_DATA, _ZERO: bytes from the start of the request's data;
 *	@pos + @len never exceeds the request's length
 * @cookie: of @req
 * @req: NBD_REPLY_DATA, _ZERO, _DONE: what lookup() returned
 *
 * Members below "private" are the codec's.
 */
struct nbd_reply_parser {
	u8 *buf;
	u32 len;
	u32 pos;
	u64 cookie;
	struct nbd_inflight *req;

	/* private: */
	nbd_lookup_fn *lookup;
	void *ctx;
	char *why;
	size_t whylen;
	enum nbd_header_style headers;
	int state;
	u16 flags;		/* of the chunk */
	u16 type;
	u32 chunk_len;		/* bytes of its payload */
	u32 piece_pos;		/* where its data belong */
	u32 piece_len;
	u8 header[sizeof(struct nbd_extended_reply)];
};

/**
 * nbd_reply_parser_init() - expect the first reply
 * @p: to set up
 * @headers: style the connection agreed upon
 * @lookup: finds requests
 * @ctx: for @lookup
 * @why: gets one sentence with NBD_REPLY_FATAL; must stay valid
 * @whylen: its size
 */
void nbd_reply_parser_init(struct nbd_reply_parser *p,
			   enum nbd_header_style headers,
			   nbd_lookup_fn *lookup, void *ctx,
			   char *why, size_t whylen);

/**
 * nbd_reply_next() - the step before has been carried out, what is next?
 * @p: parser
 *
 * Any context; never sleeps. NBD_REPLY_HEADER, _DATA and _SKIP have a @len of
 * at least 1. Once NBD_REPLY_FATAL, always NBD_REPLY_FATAL.
 */
enum nbd_reply_action nbd_reply_next(struct nbd_reply_parser *p);

/**
 * nbd_reply_idle() - is the stream between two replies?
 * @p: parser
 *
 * True if the step in hand is the first NBD_REPLY_HEADER of a reply: a
 * connection that ends there, with none of that step's bytes received, ended
 * in order.
 */
bool nbd_reply_idle(const struct nbd_reply_parser *p);

/**
 * nbd_error_to_errno() - what a server's error means here
 * @error: enum nbd_error or anything else
 *
 * Return: 0 or -errno; -EINVAL for a value the protocol does not define.
 */
int nbd_error_to_errno(u32 error);

#endif
