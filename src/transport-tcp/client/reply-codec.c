// SPDX-License-Identifier: GPL-2.0
/*
 * NBD client: what a server's replies mean and where their data belong.
 *
 * A read's data may come in many chunks. As long as they come in order, the
 * number of bytes received is also the place of the next one, and nothing can
 * be missing or twice. Servers may send them in any order, though; then the
 * rest of the buffer is zeroed before the first chunk out of order is placed.
 * So whatever a hostile server counts as "all", it cannot make us hand out
 * pages nobody has written to.
 */
#include <asm/byteorder.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "codec.h"
#include "transport-tcp/nbd-text.h"

/* Errors reported for one request. Only the first counts. */
#define MAX_ERROR_CHUNKS	64

/* Which step has just been carried out */
enum {
	RP_START,
	RP_HEADER,	/* simple reply or the start of a structured one */
	RP_LENGTH,	/* rest of a structured reply's head */
	RP_EXTENDED,	/* head of an extended reply */
	RP_DATA,	/* struct nbd_chunk_data */
	RP_HOLE,	/* struct nbd_chunk_hole */
	RP_ERROR,	/* struct nbd_chunk_error */
	RP_ZEROED,	/* gaps are zeroed, the chunk can be placed */
	RP_PLACED,	/* whatever the chunk carried has been dealt with */
	RP_FATAL,
};

static enum nbd_reply_action next_chunk(struct nbd_reply_parser *p);

__printf(2, 3)
static enum nbd_reply_action fatal(struct nbd_reply_parser *p,
				   const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(p->why, p->whylen, fmt, args);
	va_end(args);
	p->state = RP_FATAL;
	return NBD_REPLY_FATAL;
}

/* Receive into the header buffer, @at bytes behind its start. */
static enum nbd_reply_action receive(struct nbd_reply_parser *p, u32 at,
				     u32 len, int state)
{
	p->buf = p->header + at;
	p->len = len;
	p->state = state;
	return NBD_REPLY_HEADER;
}

/* ------------------------------------------------------------------ */
/* End of a chunk                                                     */

static enum nbd_reply_action end_reply(struct nbd_reply_parser *p)
{
	struct nbd_inflight *req = p->req;

	if (req->cmd == NBD_CMD_READ && !req->error &&
	    req->received != req->length)
		return fatal(p, "READ came back short, %u bytes of %u",
			     req->received, req->length);
	p->state = RP_START;
	return NBD_REPLY_DONE;
}

static enum nbd_reply_action end_chunk(struct nbd_reply_parser *p)
{
	if (p->flags & NBD_REPLY_FLAG_DONE)
		return end_reply(p);
	return next_chunk(p);
}

/* ------------------------------------------------------------------ */
/* Data and holes                                                     */

/* The chunk is known to fit: hand it to the caller. */
static enum nbd_reply_action put_piece(struct nbd_reply_parser *p)
{
	p->pos = p->piece_pos;
	p->len = p->piece_len;
	p->req->received += p->piece_len;
	p->state = RP_PLACED;
	return p->type == NBD_REPLY_TYPE_OFFSET_HOLE ? NBD_REPLY_ZERO :
		NBD_REPLY_DATA;
}

static enum nbd_reply_action place(struct nbd_reply_parser *p, u64 offset,
				   u32 len)
{
	struct nbd_inflight *req = p->req;
	u64 pos = offset - req->offset;

	if (offset < req->offset || pos >= req->length ||
	    len > req->length - pos)
		return fatal(p, "%u bytes at %llu answer a READ of %u at %llu",
			     len, offset, req->length, req->offset);
	if (len > req->length - req->received ||
	    (!req->scattered && pos < req->received))
		return fatal(p, "chunks of a READ at %llu overlap",
			     req->offset);
	p->piece_pos = pos;
	p->piece_len = len;
	if (req->scattered || pos == req->received)
		return put_piece(p);

	req->scattered = true;
	p->pos = req->received;
	p->len = req->length - req->received;
	p->state = RP_ZEROED;
	return NBD_REPLY_ZERO;
}

static enum nbd_reply_action got_data(struct nbd_reply_parser *p)
{
	const struct nbd_chunk_data *w = (void *)p->header;

	return place(p, be64_to_cpu(w->offset), p->chunk_len - sizeof(*w));
}

static enum nbd_reply_action got_hole(struct nbd_reply_parser *p)
{
	const struct nbd_chunk_hole *w = (void *)p->header;

	if (!w->length)
		return fatal(p, "empty hole in the answer to a READ");
	return place(p, be64_to_cpu(w->offset), be32_to_cpu(w->length));
}

/* ------------------------------------------------------------------ */
/* Errors                                                             */

static void note_error(struct nbd_inflight *req, u32 error)
{
	if (!req->error)
		req->error = error ? error : NBD_EINVAL;
}

static enum nbd_reply_action got_error(struct nbd_reply_parser *p)
{
	const struct nbd_chunk_error *w = (void *)p->header;
	u32 rest = p->chunk_len - sizeof(*w);
	u32 expected = be16_to_cpu(w->msg_len);

	if (p->type == NBD_REPLY_TYPE_ERROR_OFFSET)
		expected += sizeof(__be64);

	/* Only kinds of errors from the future may have more behind it. */
	if (rest < expected ||
	    (rest > expected && (p->type == NBD_REPLY_TYPE_ERROR ||
				 p->type == NBD_REPLY_TYPE_ERROR_OFFSET)))
		return fatal(p, "error chunk of %u bytes has %u of text",
			     p->chunk_len, be16_to_cpu(w->msg_len));
	if (++p->req->error_chunks > MAX_ERROR_CHUNKS)
		return fatal(p, "more than %d errors for one request",
			     MAX_ERROR_CHUNKS);

	note_error(p->req, be32_to_cpu(w->error));
	if (!rest)
		return end_chunk(p);
	p->len = rest;
	p->state = RP_PLACED;
	return NBD_REPLY_SKIP;
}

/* ------------------------------------------------------------------ */
/* Start of a chunk                                                   */

/* Every way to start a reply comes by here before it looks at p->req. */
static bool find_request(struct nbd_reply_parser *p, u64 cookie)
{
	p->cookie = cookie;
	p->req = p->lookup(p->ctx, cookie);
	return p->req;
}

static enum nbd_reply_action unknown_cookie(struct nbd_reply_parser *p)
{
	return fatal(p, "reply with unknown cookie 0x%llx", p->cookie);
}

/* Does a chunk of this type and length make sense for the request? */
static bool chunk_fits(const struct nbd_reply_parser *p, u64 len)
{
	const struct nbd_inflight *req = p->req;

	if (p->type & NBD_REPLY_TYPE_ERROR_BIT)
		return len >= sizeof(struct nbd_chunk_error) &&
			len <= sizeof(struct nbd_chunk_error) +
			       NBD_MAX_STRING + sizeof(__be64);
	switch (p->type) {
	case NBD_REPLY_TYPE_NONE:
		return !len && (p->flags & NBD_REPLY_FLAG_DONE);
	case NBD_REPLY_TYPE_OFFSET_DATA:
		return req->cmd == NBD_CMD_READ &&
			len > sizeof(struct nbd_chunk_data) &&
			len <= sizeof(struct nbd_chunk_data) +
			       (u64)req->length;
	case NBD_REPLY_TYPE_OFFSET_HOLE:
		return req->cmd == NBD_CMD_READ &&
			len == sizeof(struct nbd_chunk_hole);
	}
	return false;
}

static enum nbd_reply_action begin_chunk(struct nbd_reply_parser *p, u16 flags,
					 u16 type, u64 len)
{
	p->flags = flags;
	p->type = type;
	if (!chunk_fits(p, len))
		return fatal(p, "chunk of type %u, %llu bytes, flags 0x%x answers %s of %u bytes",
			     p->type, len, p->flags, nbd_cmd_name(p->req->cmd),
			     p->req->length);
	p->chunk_len = len;

	if (p->type & NBD_REPLY_TYPE_ERROR_BIT)
		return receive(p, 0, sizeof(struct nbd_chunk_error), RP_ERROR);
	if (p->type == NBD_REPLY_TYPE_OFFSET_DATA)
		return receive(p, 0, sizeof(struct nbd_chunk_data), RP_DATA);
	if (p->type == NBD_REPLY_TYPE_OFFSET_HOLE)
		return receive(p, 0, sizeof(struct nbd_chunk_hole), RP_HOLE);
	return end_reply(p);
}

static enum nbd_reply_action got_extended(struct nbd_reply_parser *p)
{
	const struct nbd_extended_reply *w = (void *)p->header;

	if (be32_to_cpu(w->magic) != NBD_EXTENDED_REPLY_MAGIC)
		return fatal(p, "reply with magic 0x%08x",
			     be32_to_cpu(w->magic));
	if (!find_request(p, be64_to_cpu(w->cookie)))
		return unknown_cookie(p);
	if (be64_to_cpu(w->offset) != p->req->offset)
		return fatal(p, "reply for offset %llu to a request at %llu",
			     (unsigned long long)be64_to_cpu(w->offset),
			     p->req->offset);
	return begin_chunk(p, be16_to_cpu(w->flags), be16_to_cpu(w->type),
			   be64_to_cpu(w->length));
}

static enum nbd_reply_action got_structured(struct nbd_reply_parser *p)
{
	const struct nbd_structured_reply *w = (void *)p->header;

	if (!find_request(p, be64_to_cpu(w->cookie)))
		return unknown_cookie(p);
	return begin_chunk(p, be16_to_cpu(w->flags), be16_to_cpu(w->type),
			   be32_to_cpu(w->length));
}

static enum nbd_reply_action got_simple(struct nbd_reply_parser *p)
{
	const struct nbd_simple_reply *w = (void *)p->header;
	u32 error = be32_to_cpu(w->error);

	if (!find_request(p, be64_to_cpu(w->cookie)))
		return unknown_cookie(p);
	p->flags = NBD_REPLY_FLAG_DONE;
	p->type = NBD_REPLY_TYPE_OFFSET_DATA;
	if (error)
		note_error(p->req, error);
	if (error || p->req->cmd != NBD_CMD_READ)
		return end_reply(p);

	/*
	 * A simple error to a READ is put up with under structured headers,
	 * nbd-server does it; simple data are not.
	 */
	if (p->headers != NBD_HEADERS_SIMPLE)
		return fatal(p, "simple reply to a READ under structured headers");
	return place(p, p->req->offset, p->req->length);
}

static enum nbd_reply_action got_header(struct nbd_reply_parser *p)
{
	const struct nbd_simple_reply *w = (void *)p->header;
	u32 magic = be32_to_cpu(w->magic);

	if (magic == NBD_SIMPLE_REPLY_MAGIC)
		return got_simple(p);
	if (magic == NBD_STRUCTURED_REPLY_MAGIC &&
	    p->headers == NBD_HEADERS_STRUCTURED)
		return receive(p, sizeof(struct nbd_simple_reply),
			       sizeof(struct nbd_structured_reply) -
			       sizeof(struct nbd_simple_reply), RP_LENGTH);
	return fatal(p, "reply with magic 0x%08x", magic);
}

static enum nbd_reply_action next_chunk(struct nbd_reply_parser *p)
{
	p->req = NULL;
	if (p->headers == NBD_HEADERS_EXTENDED)
		return receive(p, 0, sizeof(struct nbd_extended_reply),
			       RP_EXTENDED);
	return receive(p, 0, sizeof(struct nbd_simple_reply), RP_HEADER);
}

void nbd_reply_parser_init(struct nbd_reply_parser *p,
			   enum nbd_header_style headers,
			   nbd_lookup_fn *lookup, void *ctx,
			   char *why, size_t whylen)
{
	memset(p, 0, sizeof(*p));
	p->headers = headers;
	p->lookup = lookup;
	p->ctx = ctx;
	p->why = why;
	p->whylen = whylen;
	p->state = RP_START;
}

enum nbd_reply_action nbd_reply_next(struct nbd_reply_parser *p)
{
	switch (p->state) {
	case RP_START:
		return next_chunk(p);
	case RP_HEADER:
		return got_header(p);
	case RP_LENGTH:
		return got_structured(p);
	case RP_EXTENDED:
		return got_extended(p);
	case RP_DATA:
		return got_data(p);
	case RP_HOLE:
		return got_hole(p);
	case RP_ERROR:
		return got_error(p);
	case RP_ZEROED:
		return put_piece(p);
	case RP_PLACED:
		return end_chunk(p);
	}
	return NBD_REPLY_FATAL;
}

bool nbd_reply_idle(const struct nbd_reply_parser *p)
{
	return p->state == RP_START || p->state == RP_HEADER ||
		p->state == RP_EXTENDED;
}

int nbd_error_to_errno(u32 error)
{
	switch (error) {
	case NBD_SUCCESS:
		return 0;
	case NBD_EPERM:
		return -EPERM;
	case NBD_EIO:
		return -EIO;
	case NBD_ENOMEM:
		return -ENOMEM;
	case NBD_ENOSPC:
		return -ENOSPC;
	case NBD_EOVERFLOW:
		return -EOVERFLOW;
	case NBD_ENOTSUP:
		return -EOPNOTSUPP;
	case NBD_ESHUTDOWN:
		return -ESHUTDOWN;
	}
	return -EINVAL;
}
