// SPDX-License-Identifier: GPL-2.0
/*
 * NBD server: what clients say in the handshake, and our answers.
 */
#include <asm/byteorder.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "codec.h"
#include "transport-tcp/nbd-text.h"

/* Writes the message, is the error */
#define refuse(why, whylen, err, ...) \
	(snprintf(why, whylen, __VA_ARGS__), (err))

/**
 * struct cursor - what is left of an option's data
 * @pos: next byte
 * @left: bytes from there
 */
struct cursor {
	const u8 *pos;
	u32 left;
};

static bool take(struct cursor *c, u32 len, const u8 **data)
{
	if (len > c->left)
		return false;
	*data = c->pos;
	c->pos += len;
	c->left -= len;
	return true;
}

static bool take_u16(struct cursor *c, u16 *value)
{
	const u8 *data;
	__be16 wire;

	if (!take(c, sizeof(wire), &data))
		return false;
	memcpy(&wire, data, sizeof(wire));
	*value = be16_to_cpu(wire);
	return true;
}

static bool take_u32(struct cursor *c, u32 *value)
{
	const u8 *data;
	__be32 wire;

	if (!take(c, sizeof(wire), &data))
		return false;
	memcpy(&wire, data, sizeof(wire));
	*value = be32_to_cpu(wire);
	return true;
}

/* ------------------------------------------------------------------ */
/* What comes in                                                      */

int nbd_get_client_flags(const void *wire, bool *fixed, bool *no_zeroes,
			 char *why, size_t whylen)
{
	__be32 w;
	u32 flags;

	memcpy(&w, wire, sizeof(w));
	flags = be32_to_cpu(w);
	if (flags & ~(NBD_FLAG_C_FIXED_NEWSTYLE | NBD_FLAG_C_NO_ZEROES))
		return refuse(why, whylen, -EPROTO,
			      "client sets unknown flags 0x%x", flags);
	*fixed = flags & NBD_FLAG_C_FIXED_NEWSTYLE;
	*no_zeroes = flags & NBD_FLAG_C_NO_ZEROES;
	return 0;
}

int nbd_get_option(const void *wire, struct nbd_option *opt,
		   char *why, size_t whylen)
{
	struct nbd_opt_header w;

	memcpy(&w, wire, sizeof(w));
	opt->id = be32_to_cpu(w.option);
	opt->len = be32_to_cpu(w.len);
	if (be64_to_cpu(w.magic) != NBD_OPTION_MAGIC)
		return refuse(why, whylen, -EPROTO, "option with magic 0x%llx",
			      (unsigned long long)be64_to_cpu(w.magic));
	if (opt->len > NBD_OPTION_SKIP_MAX)
		return refuse(why, whylen, -EPROTO,
			      "option %s (%u) with %u bytes of data",
			      nbd_opt_name(opt->id), opt->id, opt->len);
	return 0;
}

/* "String values" */
static bool name_valid(const u8 *name, u32 len)
{
	if (!len)
		return true;
	return len <= NBD_MAX_STRING && !memchr(name, '\0', len);
}

static bool take_name(struct cursor *c, struct nbd_export_request *req)
{
	const u8 *name;

	memset(req, 0, sizeof(*req));
	if (!take_u32(c, &req->name_len) || !take(c, req->name_len, &name))
		return false;
	req->name = (const char *)name;
	return name_valid(name, req->name_len);
}

int nbd_get_export_name(const void *data, u32 len,
			struct nbd_export_request *req,
			char *why, size_t whylen)
{
	memset(req, 0, sizeof(*req));
	if (!name_valid(data, len))
		return refuse(why, whylen, -EPROTO,
			      "export name of %u bytes, or with a NUL", len);
	req->name = data;
	req->name_len = len;
	return 0;
}

static void want_info(struct nbd_export_request *req, u16 info)
{
	switch (info) {
	case NBD_INFO_NAME:
		req->want_name = true;
		break;
	case NBD_INFO_DESCRIPTION:
		req->want_description = true;
		break;
	case NBD_INFO_BLOCK_SIZE:
		req->want_block_size = true;
		break;
	}
}

u32 nbd_get_info(const void *data, u32 len, struct nbd_export_request *req,
		 char *why, size_t whylen)
{
	struct cursor c = { data, len };
	u16 count, info;

	if (!take_name(&c, req))
		return refuse(why, whylen, NBD_REP_ERR_INVALID,
			      "export name does not fit the option");
	if (!take_u16(&c, &count) || c.left != count * sizeof(__be16))
		return refuse(why, whylen, NBD_REP_ERR_INVALID,
			      "information requests do not fit the option");
	while (take_u16(&c, &info))
		want_info(req, info);
	return 0;
}

static bool query_is(const u8 *query, u32 len, const char *text)
{
	return len == strlen(text) && !memcmp(query, text, len);
}

u32 nbd_get_meta(u32 option, const void *data, u32 len,
		 struct nbd_export_request *req, char *why, size_t whylen)
{
	struct cursor c = { data, len };
	bool list = option == NBD_OPT_LIST_META_CONTEXT;
	const u8 *query;
	u32 left, n;

	if (!take_name(&c, req))
		return refuse(why, whylen, NBD_REP_ERR_INVALID,
			      "export name does not fit the option");
	if (!take_u32(&c, &req->queries))
		return refuse(why, whylen, NBD_REP_ERR_INVALID,
			      "number of queries is missing");
	req->allocation = list && !req->queries;

	/* Each query takes bytes of the option, so this ends soon enough. */
	for (left = req->queries; left; left--) {
		if (!take_u32(&c, &n) || !take(&c, n, &query) ||
		    n > NBD_MAX_STRING)
			return refuse(why, whylen, NBD_REP_ERR_INVALID,
				      "%u queries do not fit the option",
				      req->queries);
		if (query_is(query, n, NBD_META_ALLOCATION) ||
		    (list && query_is(query, n, NBD_META_BASE)))
			req->allocation = true;
	}
	if (c.left)
		return refuse(why, whylen, NBD_REP_ERR_INVALID,
			      "%u bytes behind the last query", c.left);
	return 0;
}

u32 nbd_get_fence(u32 len, unsigned int *nr_keys, char *why, size_t whylen)
{
	*nr_keys = len / sizeof(struct unbd_key);
	if (!len || len % sizeof(struct unbd_key) || *nr_keys > UNBD_MAX_KEYS)
		return refuse(why, whylen, NBD_REP_ERR_INVALID,
			      "%u bytes are not 1 to %u keys", len,
			      UNBD_MAX_KEYS);
	return 0;
}

/* ------------------------------------------------------------------ */
/* What goes out                                                      */

u32 nbd_put_greeting(void *buf, u16 handshake_flags)
{
	struct nbd_newstyle_greeting w = {
		.magic = cpu_to_be64(NBD_INIT_MAGIC),
		.version = cpu_to_be64(NBD_OPTION_MAGIC),
		.flags = cpu_to_be16(handshake_flags),
	};

	memcpy(buf, &w, sizeof(w));
	return sizeof(w);
}

u32 nbd_put_option_reply(void *buf, u32 option, u32 type, u32 len)
{
	struct nbd_opt_reply w = {
		.magic = cpu_to_be64(NBD_OPTION_REPLY_MAGIC),
		.option = cpu_to_be32(option),
		.type = cpu_to_be32(type),
		.len = cpu_to_be32(len),
	};

	memcpy(buf, &w, sizeof(w));
	return sizeof(w);
}

/* A reply of head and payload, both of known size */
static u32 put_whole(void *buf, u32 option, u32 type, const void *payload,
		     u32 len)
{
	u32 head = nbd_put_option_reply(buf, option, type, len);

	memcpy((u8 *)buf + head, payload, len);
	return head + len;
}

u32 nbd_put_option_error(void *buf, u32 size, u32 option, u32 type,
			 const char *text)
{
	u32 room = size - sizeof(struct nbd_opt_reply);

	if (room > NBD_MAX_STRING)
		room = NBD_MAX_STRING;
	return put_whole(buf, option, type, text, strnlen(text, room));
}

u32 nbd_put_info_export(void *buf, u32 option, u64 size, u16 flags)
{
	struct nbd_info_export w = {
		.type = cpu_to_be16(NBD_INFO_EXPORT),
		.size = cpu_to_be64(size),
		.flags = cpu_to_be16(flags),
	};

	return put_whole(buf, option, NBD_REP_INFO, &w, sizeof(w));
}

u32 nbd_put_info_block_size(void *buf, u32 option, u32 min, u32 preferred,
			    u32 max_payload)
{
	struct nbd_info_block_size w = {
		.type = cpu_to_be16(NBD_INFO_BLOCK_SIZE),
		.min = cpu_to_be32(min),
		.preferred = cpu_to_be32(preferred),
		.max_payload = cpu_to_be32(max_payload),
	};

	return put_whole(buf, option, NBD_REP_INFO, &w, sizeof(w));
}

u32 nbd_put_info_text(void *buf, u32 option, u16 info, u32 len)
{
	__be16 type = cpu_to_be16(info);
	u32 head = nbd_put_option_reply(buf, option, NBD_REP_INFO,
					sizeof(type) + len);

	memcpy((u8 *)buf + head, &type, sizeof(type));
	return head + sizeof(type);
}

u32 nbd_put_instance(void *buf, u32 option,
		     const struct unbd_instance *instance)
{
	return put_whole(buf, option, NBD_REP_UNBD_INSTANCE, instance,
			 sizeof(*instance));
}

u32 nbd_put_list_entry(void *buf, u32 name_len)
{
	__be32 w = cpu_to_be32(name_len);
	u32 head = nbd_put_option_reply(buf, NBD_OPT_LIST, NBD_REP_SERVER,
					sizeof(w) + name_len);

	memcpy((u8 *)buf + head, &w, sizeof(w));
	return head + sizeof(w);
}

u32 nbd_put_meta_context(void *buf, u32 option, u32 id)
{
	static const char name[] = NBD_META_ALLOCATION;
	__be32 w = cpu_to_be32(id);
	u8 payload[sizeof(w) + sizeof(name) - 1];

	memcpy(payload, &w, sizeof(w));
	memcpy(payload + sizeof(w), name, sizeof(name) - 1);
	return put_whole(buf, option, NBD_REP_META_CONTEXT, payload,
			 sizeof(payload));
}

u32 nbd_put_export_reply(void *buf, u64 size, u16 flags, bool no_zeroes)
{
	struct nbd_export_reply w = {
		.size = cpu_to_be64(size),
		.flags = cpu_to_be16(flags),
	};
	u32 len = sizeof(w) - (no_zeroes ? NBD_PADDING : 0);

	memcpy(buf, &w, len);
	return len;
}
