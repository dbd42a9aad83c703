/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The server's side of the NBD protocol, without a socket.
 *
 * Decoders check everything a client can get wrong and say in one sentence
 * what it was; builders fill a caller's buffer and return the bytes used.
 *
 * Plain C without kernel services: compiled into unbd-tcp-server and,
 * unchanged, into tests/unit and tests/fuzz. Nothing here allocates or logs.
 */
#ifndef UNBD_TCP_SERVER_CODEC_H
#define UNBD_TCP_SERVER_CODEC_H

#include <linux/types.h>

#include <unbd/fence.h>
#include <unbd/instance.h>
#include <unbd/proto/nbd.h>

/* ------------------------------------------------------------------ */
/* Handshake: what comes in                                           */

/*
 * Option data that are looked at: a name of NBD_MAX_STRING, its two counters
 * and room for some metadata queries. What is longer gets ERR_TOO_BIG.
 */
#define NBD_OPTION_DATA_MAX	(2 * NBD_MAX_STRING)

/* Longer than this it is not an option any more: drop the connection. */
#define NBD_OPTION_SKIP_MAX	(1024 * 1024)

/**
 * struct nbd_option - head of an option, decoded
 * @id: enum nbd_opt, or something newer
 * @len: bytes of data; at most NBD_OPTION_SKIP_MAX
 */
struct nbd_option {
	u32 id;
	u32 len;
};

/**
 * struct nbd_export_request - data of INFO, GO and the metadata options
 * @name: export name, not NUL-terminated, has no NUL in it
 * @name_len: its length, at most NBD_MAX_STRING
 * @want_name: INFO/GO: NBD_INFO_NAME is asked for
 * @want_description: INFO/GO: NBD_INFO_DESCRIPTION
 * @want_block_size: INFO/GO: NBD_INFO_BLOCK_SIZE, so the client will obey it
 * @queries: metadata: number of queries; a LIST of none means "all"
 * @allocation: metadata: one of them selects base:allocation
 */
struct nbd_export_request {
	const char *name;
	u32 name_len;
	bool want_name;
	bool want_description;
	bool want_block_size;
	u32 queries;
	bool allocation;
};

/**
 * nbd_get_client_flags() - the client's answer to our greeting
 * @wire: 4 bytes
 * @fixed: client speaks fixed newstyle
 * @no_zeroes: client wants no padding behind NBD_OPT_EXPORT_NAME's reply
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0, or -EPROTO for flags we did not offer: drop the connection.
 */
int nbd_get_client_flags(const void *wire, bool *fixed, bool *no_zeroes,
			 char *why, size_t whylen);

/**
 * nbd_get_option() - head of an option
 * @wire: sizeof(struct nbd_opt_header) bytes
 * @opt: result
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0, or -EPROTO (no option, or beyond NBD_OPTION_SKIP_MAX): drop the
 * connection.
 */
int nbd_get_option(const void *wire, struct nbd_option *opt,
		   char *why, size_t whylen);

/**
 * nbd_get_export_name() - data of NBD_OPT_EXPORT_NAME
 * @data: @len bytes, which @req points into afterwards
 * @len: of the option
 * @req: result
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0, or -EPROTO: drop the connection, this option has no error reply.
 */
int nbd_get_export_name(const void *data, u32 len,
			struct nbd_export_request *req,
			char *why, size_t whylen);

/**
 * nbd_get_info() - data of NBD_OPT_INFO and NBD_OPT_GO
 * @data: @len bytes, which @req points into afterwards
 * @len: of the option
 * @req: result
 * @why: message on error; fit to be sent to the client, too
 * @whylen: its size
 *
 * Return: 0, or the NBD_REP_ERR_* to answer with.
 */
u32 nbd_get_info(const void *data, u32 len, struct nbd_export_request *req,
		 char *why, size_t whylen);

/**
 * nbd_get_meta() - data of NBD_OPT_LIST_META_CONTEXT and _SET_META_CONTEXT
 * @option: which of the two: LIST understands "base:" and an empty list
 * @data: @len bytes, which @req points into afterwards
 * @len: of the option
 * @req: result
 * @why: message on error; fit to be sent to the client, too
 * @whylen: its size
 *
 * Return: 0, or the NBD_REP_ERR_* to answer with.
 */
u32 nbd_get_meta(u32 option, const void *data, u32 len,
		 struct nbd_export_request *req, char *why, size_t whylen);

/**
 * nbd_get_fence() - data of NBD_OPT_UNBD_FENCE
 * @len: of the option
 * @nr_keys: result, from 1 to UNBD_MAX_KEYS
 * @why: message on error; fit to be sent to the client, too
 * @whylen: its size
 *
 * Return: 0, or the NBD_REP_ERR_* to answer with.
 */
u32 nbd_get_fence(u32 len, unsigned int *nr_keys, char *why, size_t whylen);

/* ------------------------------------------------------------------ */
/* Handshake: what goes out                                           */

/* Each returns the bytes written to @buf. */

/** nbd_put_greeting() - newstyle greeting, 18 bytes */
u32 nbd_put_greeting(void *buf, u16 handshake_flags);

/** nbd_put_option_reply() - head of a reply (20 bytes), @len bytes follow */
u32 nbd_put_option_reply(void *buf, u32 option, u32 type, u32 len);

/**
 * nbd_put_option_error() - a whole error reply with its text
 * @buf: result
 * @size: of @buf, at least 20; a text that does not fit is cut
 * @option: being answered
 * @type: NBD_REP_ERR_*
 * @text: for people
 */
u32 nbd_put_option_error(void *buf, u32 size, u32 option, u32 type,
			 const char *text);

/** nbd_put_info_export() - a whole NBD_INFO_EXPORT reply, 32 bytes */
u32 nbd_put_info_export(void *buf, u32 option, u64 size, u16 flags);

/** nbd_put_info_block_size() - a whole NBD_INFO_BLOCK_SIZE reply, 34 bytes */
u32 nbd_put_info_block_size(void *buf, u32 option, u32 min, u32 preferred,
			    u32 max_payload);

/**
 * nbd_put_info_text() - head of a NAME or DESCRIPTION reply, 22 bytes
 * @buf: result
 * @option: being answered
 * @info: NBD_INFO_NAME or NBD_INFO_DESCRIPTION, or any without data
 * @len: bytes of text that the caller sends after it
 */
u32 nbd_put_info_text(void *buf, u32 option, u16 info, u32 len);

/** nbd_put_instance() - a whole NBD_REP_UNBD_INSTANCE, 36 bytes */
u32 nbd_put_instance(void *buf, u32 option,
		     const struct unbd_instance *instance);

/** nbd_put_list_entry() - head of a NBD_REP_SERVER, 24 bytes; name follows */
u32 nbd_put_list_entry(void *buf, u32 name_len);

/**
 * nbd_put_meta_context() - a whole NBD_REP_META_CONTEXT for base:allocation
 * @buf: 64 bytes
 * @option: being answered
 * @id: 0 when listing, else the id that BLOCK_STATUS replies will carry
 */
u32 nbd_put_meta_context(void *buf, u32 option, u32 id);

/**
 * nbd_put_export_reply() - answer to NBD_OPT_EXPORT_NAME
 * @buf: sizeof(struct nbd_export_reply)
 * @size: of the export in bytes
 * @flags: transmission flags
 * @no_zeroes: agreed upon, so that the padding is left out
 */
u32 nbd_put_export_reply(void *buf, u64 size, u16 flags, bool no_zeroes);

/* ------------------------------------------------------------------ */
/* Requests                                                           */

/**
 * struct nbd_session_params - what requests are checked against
 * @size: of the export in bytes
 * @flags: transmission flags that were sent to the client
 * @headers: style agreed upon
 * @allocation: base:allocation was selected, so BLOCK_STATUS is allowed
 * @max_payload: bytes of data in one READ or WRITE
 */
struct nbd_session_params {
	u64 size;
	u16 flags;
	enum nbd_header_style headers;
	bool allocation;
	u32 max_payload;
};

/**
 * struct nbd_request - a request, decoded
 * @cookie: the client's name for it
 * @offset: bytes
 * @length: bytes; 0 for FLUSH and DISC
 * @cmd: enum nbd_cmd; only meaningful with NBD_REQUEST_OK
 * @flags: NBD_CMD_FLAG_* without NBD_CMD_FLAG_PAYLOAD_LEN
 * @payload: bytes that follow the header: a WRITE's data, or what is to be
 *	thrown away with NBD_REQUEST_REFUSED
 * @error: enum nbd_error with NBD_REQUEST_REFUSED
 */
struct nbd_request {
	u64 cookie;
	u64 offset;
	u64 length;
	u16 cmd;
	u16 flags;
	u32 payload;
	u32 error;
};

/**
 * enum nbd_request_verdict - what to do with a request
 * @NBD_REQUEST_OK: carry it out
 * @NBD_REQUEST_REFUSED: skip @payload bytes and answer with @error
 * @NBD_REQUEST_FATAL: the stream cannot be followed any more: drop it
 */
enum nbd_request_verdict {
	NBD_REQUEST_OK,
	NBD_REQUEST_REFUSED,
	NBD_REQUEST_FATAL,
};

/** nbd_request_size() - bytes of a request's header */
static inline u32 nbd_request_size(enum nbd_header_style headers)
{
	return headers == NBD_HEADERS_EXTENDED ?
		sizeof(struct nbd_extended_request) :
		sizeof(struct nbd_compact_request);
}

/**
 * nbd_get_request() - decode and check a request's header
 * @wire: nbd_request_size() bytes
 * @s: what was agreed upon; @s->size may change between two calls
 * @req: result
 * @why: message unless NBD_REQUEST_OK
 * @whylen: its size
 *
 * An accepted request lies inside the export, uses only commands and flags
 * that were offered, has a length unless it cannot, and its data are no longer
 * than @s->max_payload. Alignment is not checked.
 */
enum nbd_request_verdict nbd_get_request(const void *wire,
					 const struct nbd_session_params *s,
					 struct nbd_request *req,
					 char *why, size_t whylen);

/* ------------------------------------------------------------------ */
/* Replies                                                            */

/* Room for the longest head below. */
#define NBD_REPLY_HEAD_MAX	48

/**
 * nbd_put_reply() - a reply without data: success or an error
 * @buf: NBD_REPLY_HEAD_MAX bytes
 * @headers: style agreed upon
 * @req: being answered
 * @error: enum nbd_error, 0 for success
 *
 * A READ under simple headers that succeeds has its @req->length bytes of data
 * behind this. Under the others it is the last chunk of the reply.
 */
u32 nbd_put_reply(void *buf, enum nbd_header_style headers,
		  const struct nbd_request *req, u32 error);

/**
 * nbd_put_data() - head of a chunk of data; under simple headers of the reply
 * @buf: NBD_REPLY_HEAD_MAX bytes
 * @headers: style agreed upon
 * @req: READ being answered
 * @offset: in the export
 * @len: bytes of data that follow, at least 1
 * @done: last chunk of the reply
 */
u32 nbd_put_data(void *buf, enum nbd_header_style headers,
		 const struct nbd_request *req, u64 offset, u32 len, bool done);

/**
 * nbd_put_hole() - a whole chunk saying "these read as zeroes"
 * @buf: NBD_REPLY_HEAD_MAX bytes
 * @headers: style agreed upon, not simple
 * @req: READ being answered
 * @offset: in the export
 * @len: bytes, at least 1
 * @done: last chunk of the reply
 */
u32 nbd_put_hole(void *buf, enum nbd_header_style headers,
		 const struct nbd_request *req, u64 offset, u32 len, bool done);

/**
 * nbd_put_block_status() - head of the chunk that answers BLOCK_STATUS
 * @buf: NBD_REPLY_HEAD_MAX bytes
 * @headers: style agreed upon, not simple
 * @req: being answered
 * @context_id: as sent with nbd_put_meta_context()
 * @count: extents that follow, 1 to NBD_MAX_EXTENTS
 *
 * Always the last chunk.
 */
u32 nbd_put_block_status(void *buf, enum nbd_header_style headers,
			 const struct nbd_request *req, u32 context_id,
			 u32 count);

/** nbd_extent_size() - bytes of one extent behind nbd_put_block_status() */
static inline u32 nbd_extent_size(enum nbd_header_style headers)
{
	return headers == NBD_HEADERS_EXTENDED ?
		sizeof(struct nbd_extent_ext) : sizeof(struct nbd_extent);
}

/**
 * nbd_put_extent() - one extent
 * @buf: nbd_extent_size() bytes
 * @headers: style agreed upon
 * @len: bytes; below 4 GiB unless extended
 * @state: NBD_STATE_*
 */
u32 nbd_put_extent(void *buf, enum nbd_header_style headers, u64 len,
		   u32 state);

/**
 * nbd_error_from_errno() - how the protocol says it
 * @error: 0 or -errno
 *
 * Return: enum nbd_error; NBD_EIO for what it has no word for.
 */
u32 nbd_error_from_errno(int error);

#endif
