// SPDX-License-Identifier: GPL-2.0
/*
 * NBD server: requests, decoded and checked.
 */
#include <asm/byteorder.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "codec.h"
#include "transport-tcp/nbd-text.h"

/* Writes the message, is the value of enum nbd_error */
#define refuse(why, whylen, err, ...) \
	(snprintf(why, whylen, __VA_ARGS__), (u32)(err))

/**
 * struct command - what a client may ask for
 * @needs: transmission flag without which it may not, or 0
 * @flags: NBD_CMD_FLAG_* that make sense with it, but for FUA
 * @changes: refused on a read-only export
 * @payload: @needs memory for its data, here or in the reply
 */
struct command {
	u16 needs;
	u16 flags;
	bool changes;
	bool payload;
};

static const struct command commands[] = {
	[NBD_CMD_READ] = {
		.flags = NBD_CMD_FLAG_DF, .payload = true,
	},
	[NBD_CMD_WRITE] = {
		.flags = NBD_CMD_FLAG_PAYLOAD_LEN,
		.changes = true, .payload = true,
	},
	[NBD_CMD_DISC] = { 0 },
	[NBD_CMD_FLUSH] = { .needs = NBD_FLAG_SEND_FLUSH },
	[NBD_CMD_TRIM] = { .needs = NBD_FLAG_SEND_TRIM, .changes = true },
	[NBD_CMD_CACHE] = { .needs = NBD_FLAG_SEND_CACHE },
	[NBD_CMD_WRITE_ZEROES] = {
		.needs = NBD_FLAG_SEND_WRITE_ZEROES,
		.flags = NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO,
		.changes = true,
	},
	[NBD_CMD_BLOCK_STATUS] = { .flags = NBD_CMD_FLAG_REQ_ONE },
};

static bool has_range(u16 cmd)
{
	return cmd != NBD_CMD_FLUSH && cmd != NBD_CMD_DISC;
}

/* ------------------------------------------------------------------ */
/* Checks of a request whose header is in order; 0 or enum nbd_error   */

static u32 check_command(const struct nbd_session_params *s,
			 const struct nbd_request *req,
			 char *why, size_t whylen)
{
	const struct command *c = &commands[req->cmd];

	if ((c->needs & ~s->flags) ||
	    (req->cmd == NBD_CMD_BLOCK_STATUS && !s->allocation))
		return refuse(why, whylen, NBD_EINVAL, "%s was not offered",
			      nbd_cmd_name(req->cmd));
	if (c->changes && (s->flags & NBD_FLAG_READ_ONLY))
		return refuse(why, whylen, NBD_EPERM,
			      "%s on a read-only export",
			      nbd_cmd_name(req->cmd));
	return 0;
}

static u32 check_flags(const struct nbd_session_params *s,
		       const struct nbd_request *req, char *why, size_t whylen)
{
	u16 allowed = commands[req->cmd].flags;

	/* "FUA ... valid on all commands once negotiated" */
	if (s->flags & NBD_FLAG_SEND_FUA)
		allowed |= NBD_CMD_FLAG_FUA;
	if (!(s->flags & NBD_FLAG_SEND_FAST_ZERO))
		allowed &= ~NBD_CMD_FLAG_FAST_ZERO;
	if (!(s->flags & NBD_FLAG_SEND_DF))
		allowed &= ~NBD_CMD_FLAG_DF;
	if (s->headers != NBD_HEADERS_EXTENDED)
		allowed &= ~NBD_CMD_FLAG_PAYLOAD_LEN;

	if (req->flags & ~allowed)
		return refuse(why, whylen, NBD_EINVAL,
			      "%s with flags 0x%x, of which 0x%x are allowed",
			      nbd_cmd_name(req->cmd), req->flags, allowed);
	if (req->cmd == NBD_CMD_WRITE && s->headers == NBD_HEADERS_EXTENDED &&
	    !(req->flags & NBD_CMD_FLAG_PAYLOAD_LEN))
		return refuse(why, whylen, NBD_EINVAL,
			      "extended WRITE without a payload");
	return 0;
}

static u32 check_range(const struct nbd_session_params *s,
		       const struct nbd_request *req, char *why, size_t whylen)
{
	bool fills = req->cmd == NBD_CMD_WRITE ||
		req->cmd == NBD_CMD_WRITE_ZEROES;

	if (!has_range(req->cmd)) {
		if (!req->offset && !req->length)
			return 0;
		return refuse(why, whylen, NBD_EINVAL, "%s with a range",
			      nbd_cmd_name(req->cmd));
	}
	if (!req->length)
		return refuse(why, whylen, NBD_EINVAL, "%s of no length",
			      nbd_cmd_name(req->cmd));
	if (req->offset > s->size || req->length > s->size - req->offset)
		return refuse(why, whylen, fills ? NBD_ENOSPC : NBD_EINVAL,
			      "%s of %llu bytes at %llu, past the end at %llu",
			      nbd_cmd_name(req->cmd), req->length, req->offset,
			      s->size);
	if (commands[req->cmd].payload && req->length > s->max_payload)
		return refuse(why, whylen, req->flags & NBD_CMD_FLAG_DF ?
			      NBD_EOVERFLOW : NBD_EINVAL,
			      "%s of %llu bytes, %u are allowed",
			      nbd_cmd_name(req->cmd), req->length,
			      s->max_payload);
	return 0;
}

static u32 check_watch(const struct nbd_request *req, char *why, size_t whylen)
{
	if (!req->flags && !req->length)
		return 0;
	return refuse(why, whylen, NBD_EINVAL, "%s with flags 0x%x of %llu bytes",
		      nbd_cmd_name(req->cmd), req->flags, req->length);
}

static u32 check(const struct nbd_session_params *s,
		 const struct nbd_request *req, char *why, size_t whylen)
{
	u32 error;

	if (req->cmd == NBD_CMD_UNBD_WATCH)
		return check_watch(req, why, whylen);
	if (req->cmd >= ARRAY_SIZE(commands))
		return refuse(why, whylen, NBD_EINVAL, "unknown command %u",
			      req->cmd);
	error = check_flags(s, req, why, whylen);
	if (!error)
		error = check_command(s, req, why, whylen);
	if (!error)
		error = check_range(s, req, why, whylen);
	return error;
}

/* ------------------------------------------------------------------ */
/* Decoding                                                           */

static bool get_compact(const void *wire, struct nbd_request *req, u32 *magic)
{
	struct nbd_compact_request w;

	memcpy(&w, wire, sizeof(w));
	*magic = be32_to_cpu(w.magic);
	req->flags = be16_to_cpu(w.flags);
	req->cmd = be16_to_cpu(w.type);
	req->cookie = be64_to_cpu(w.cookie);
	req->offset = be64_to_cpu(w.offset);
	req->length = be32_to_cpu(w.length);
	return *magic == NBD_REQUEST_MAGIC;
}

static bool get_extended(const void *wire, struct nbd_request *req, u32 *magic)
{
	struct nbd_extended_request w;

	memcpy(&w, wire, sizeof(w));
	*magic = be32_to_cpu(w.magic);
	req->flags = be16_to_cpu(w.flags);
	req->cmd = be16_to_cpu(w.type);
	req->cookie = be64_to_cpu(w.cookie);
	req->offset = be64_to_cpu(w.offset);
	req->length = be64_to_cpu(w.length);
	return *magic == NBD_EXTENDED_REQUEST_MAGIC;
}

/* Extended headers say themselves what follows, compact ones imply it. */
static bool has_payload(const struct nbd_session_params *s,
			const struct nbd_request *req)
{
	if (s->headers == NBD_HEADERS_EXTENDED)
		return req->flags & NBD_CMD_FLAG_PAYLOAD_LEN;
	return req->cmd == NBD_CMD_WRITE;
}

enum nbd_request_verdict nbd_get_request(const void *wire,
					 const struct nbd_session_params *s,
					 struct nbd_request *req,
					 char *why, size_t whylen)
{
	bool extended = s->headers == NBD_HEADERS_EXTENDED;
	u32 magic;

	memset(req, 0, sizeof(*req));
	if (!(extended ? get_extended(wire, req, &magic) :
	      get_compact(wire, req, &magic))) {
		snprintf(why, whylen, "request with magic 0x%08x", magic);
		return NBD_REQUEST_FATAL;
	}
	/* There is no reply to it that could say what is wrong. */
	if (req->cmd == NBD_CMD_DISC) {
		req->flags = 0;
		req->offset = 0;
		req->length = 0;
	}
	if (has_payload(s, req)) {
		if (req->length > U32_MAX) {
			snprintf(why, whylen, "payload of %llu bytes",
				 req->length);
			return NBD_REQUEST_FATAL;
		}
		req->payload = req->length;
	}
	req->error = check(s, req, why, whylen);
	req->flags &= ~NBD_CMD_FLAG_PAYLOAD_LEN;
	return req->error ? NBD_REQUEST_REFUSED : NBD_REQUEST_OK;
}
