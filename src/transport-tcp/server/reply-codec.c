// SPDX-License-Identifier: GPL-2.0
/*
 * NBD server: the heads of the replies, encoded.
 */
#include <asm/byteorder.h>
#include <linux/errno.h>
#include <linux/string.h>

#include "codec.h"

static u32 put_simple(void *buf, const struct nbd_request *req, u32 error)
{
	struct nbd_simple_reply w = {
		.magic = cpu_to_be32(NBD_SIMPLE_REPLY_MAGIC),
		.error = cpu_to_be32(error),
		.cookie = cpu_to_be64(req->cookie),
	};

	memcpy(buf, &w, sizeof(w));
	return sizeof(w);
}

static u32 put_structured(void *buf, const struct nbd_request *req, u16 type,
			  u32 len, bool done)
{
	struct nbd_structured_reply w = {
		.magic = cpu_to_be32(NBD_STRUCTURED_REPLY_MAGIC),
		.flags = cpu_to_be16(done ? NBD_REPLY_FLAG_DONE : 0),
		.type = cpu_to_be16(type),
		.cookie = cpu_to_be64(req->cookie),
		.length = cpu_to_be32(len),
	};

	memcpy(buf, &w, sizeof(w));
	return sizeof(w);
}

static u32 put_extended(void *buf, const struct nbd_request *req, u16 type,
			u32 len, bool done)
{
	struct nbd_extended_reply w = {
		.magic = cpu_to_be32(NBD_EXTENDED_REPLY_MAGIC),
		.flags = cpu_to_be16(done ? NBD_REPLY_FLAG_DONE : 0),
		.type = cpu_to_be16(type),
		.cookie = cpu_to_be64(req->cookie),
		.offset = cpu_to_be64(req->offset),
		.length = cpu_to_be64(len),
	};

	memcpy(buf, &w, sizeof(w));
	return sizeof(w);
}

/* Head of a chunk with the fixed part of its payload; @more bytes follow. */
static u32 put_chunk(void *buf, enum nbd_header_style headers,
		     const struct nbd_request *req, u16 type, bool done,
		     const void *fixed, u32 len, u32 more)
{
	u32 head = headers == NBD_HEADERS_EXTENDED ?
		put_extended(buf, req, type, len + more, done) :
		put_structured(buf, req, type, len + more, done);

	if (len)
		memcpy((u8 *)buf + head, fixed, len);
	return head + len;
}

u32 nbd_put_reply(void *buf, enum nbd_header_style headers,
		  const struct nbd_request *req, u32 error)
{
	struct nbd_chunk_error w = { .error = cpu_to_be32(error) };

	/* Shorter, and allowed for anything that is not a READ. */
	if (headers == NBD_HEADERS_SIMPLE ||
	    (headers == NBD_HEADERS_STRUCTURED && req->cmd != NBD_CMD_READ &&
	     req->cmd != NBD_CMD_BLOCK_STATUS))
		return put_simple(buf, req, error);
	if (error)
		return put_chunk(buf, headers, req, NBD_REPLY_TYPE_ERROR, true,
				 &w, sizeof(w), 0);
	return put_chunk(buf, headers, req, NBD_REPLY_TYPE_NONE, true,
			 NULL, 0, 0);
}

u32 nbd_put_data(void *buf, enum nbd_header_style headers,
		 const struct nbd_request *req, u64 offset, u32 len, bool done)
{
	struct nbd_chunk_data w = { .offset = cpu_to_be64(offset) };

	if (headers == NBD_HEADERS_SIMPLE)
		return put_simple(buf, req, 0);
	return put_chunk(buf, headers, req, NBD_REPLY_TYPE_OFFSET_DATA, done,
			 &w, sizeof(w), len);
}

u32 nbd_put_hole(void *buf, enum nbd_header_style headers,
		 const struct nbd_request *req, u64 offset, u32 len, bool done)
{
	struct nbd_chunk_hole w = {
		.offset = cpu_to_be64(offset),
		.length = cpu_to_be32(len),
	};

	return put_chunk(buf, headers, req, NBD_REPLY_TYPE_OFFSET_HOLE, done,
			 &w, sizeof(w), 0);
}

u32 nbd_put_block_status(void *buf, enum nbd_header_style headers,
			 const struct nbd_request *req, u32 context_id,
			 u32 count)
{
	struct nbd_block_status_ext w = {
		.context_id = cpu_to_be32(context_id),
		.count = cpu_to_be32(count),
	};
	u32 more = count * nbd_extent_size(headers);

	/* The older layout is the newer one without the count. */
	if (headers == NBD_HEADERS_EXTENDED)
		return put_chunk(buf, headers, req,
				 NBD_REPLY_TYPE_BLOCK_STATUS_EXT, true, &w,
				 sizeof(w), more);
	return put_chunk(buf, headers, req, NBD_REPLY_TYPE_BLOCK_STATUS, true,
			 &w.context_id, sizeof(w.context_id), more);
}

u32 nbd_put_extent(void *buf, enum nbd_header_style headers, u64 len,
		   u32 state)
{
	struct nbd_extent w = {
		.length = cpu_to_be32(len),
		.flags = cpu_to_be32(state),
	};
	struct nbd_extent_ext ext = {
		.length = cpu_to_be64(len),
		.flags = cpu_to_be64(state),
	};

	if (headers == NBD_HEADERS_EXTENDED)
		memcpy(buf, &ext, sizeof(ext));
	else
		memcpy(buf, &w, sizeof(w));
	return nbd_extent_size(headers);
}

u32 nbd_error_from_errno(int error)
{
	switch (error) {
	case 0:
		return NBD_SUCCESS;
	case -EPERM:
	case -EROFS:
	case -EACCES:
		return NBD_EPERM;
	case -ENOMEM:
		return NBD_ENOMEM;
	case -EINVAL:
		return NBD_EINVAL;
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		return NBD_ENOSPC;
	case -EOVERFLOW:
		return NBD_EOVERFLOW;
	case -EOPNOTSUPP:
		return NBD_ENOTSUP;
	case -ESHUTDOWN:
		return NBD_ESHUTDOWN;
	}
	return NBD_EIO;
}
