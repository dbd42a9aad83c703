// SPDX-License-Identifier: GPL-2.0
/*
 * NBD client: requests, encoded.
 */
#include <asm/byteorder.h>
#include <linux/string.h>

#include "codec.h"

static u32 put_compact(void *buf, u16 cmd, u16 flags, u64 cookie, u64 offset,
		       u32 length)
{
	struct nbd_compact_request w = {
		.magic = cpu_to_be32(NBD_REQUEST_MAGIC),
		.flags = cpu_to_be16(flags),
		.type = cpu_to_be16(cmd),
		.cookie = cpu_to_be64(cookie),
		.offset = cpu_to_be64(offset),
		.length = cpu_to_be32(length),
	};

	memcpy(buf, &w, sizeof(w));
	return sizeof(w);
}

static u32 put_extended(void *buf, u16 cmd, u16 flags, u64 cookie, u64 offset,
			u32 length)
{
	struct nbd_extended_request w = {
		.magic = cpu_to_be32(NBD_EXTENDED_REQUEST_MAGIC),
		.flags = cpu_to_be16(flags),
		.type = cpu_to_be16(cmd),
		.cookie = cpu_to_be64(cookie),
		.offset = cpu_to_be64(offset),
		.length = cpu_to_be64(length),
	};

	memcpy(buf, &w, sizeof(w));
	return sizeof(w);
}

u32 nbd_put_request(void *buf, enum nbd_header_style headers, u16 cmd,
		    u16 flags, u64 cookie, u64 offset, u32 length)
{
	if (headers != NBD_HEADERS_EXTENDED)
		return put_compact(buf, cmd, flags, cookie, offset, length);
	if (cmd == NBD_CMD_WRITE)
		flags |= NBD_CMD_FLAG_PAYLOAD_LEN;
	return put_extended(buf, cmd, flags, cookie, offset, length);
}
