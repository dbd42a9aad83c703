// SPDX-License-Identifier: GPL-2.0
/*
 * NBD client: the handshake, until an export is open.
 */
#include <asm/byteorder.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "codec.h"
#include "transport-tcp/nbd-text.h"

/* Replies to one option. GO has some four; more is a server wasting time. */
#define MAX_REPLIES	64

/* How much of a peer's text goes to the log. */
#define TEXT_LEN	64

/* Transmission flags with a meaning for this client. */
#define KNOWN_FLAGS	(NBD_FLAG_HAS_FLAGS | NBD_FLAG_READ_ONLY |	\
			 NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |	\
			 NBD_FLAG_ROTATIONAL | NBD_FLAG_SEND_TRIM |	\
			 NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_DF |	\
			 NBD_FLAG_CAN_MULTI_CONN | NBD_FLAG_SEND_CACHE | \
			 NBD_FLAG_SEND_FAST_ZERO)

/* Which step has just been carried out */
enum {
	HS_START,
	HS_GREETING,		/* received struct nbd_greeting */
	HS_OLDSTYLE,		/* received struct nbd_oldstyle_export */
	HS_FLAGS,		/* received the handshake flags */
	HS_OPTION_SENT,
	HS_EXPORT,		/* received struct nbd_export_reply */
	HS_REPLY,		/* received struct nbd_opt_reply */
	HS_REPLY_DATA,		/* received the data behind it */
	HS_ABORT_SENT,
	HS_DONE,
	HS_FAILED,
};

/* ------------------------------------------------------------------ */
/* Words                                                              */

static const char *rep_name(u32 type)
{
	switch (type) {
	case NBD_REP_ACK:
		return "ACK";
	case NBD_REP_SERVER:
		return "SERVER";
	case NBD_REP_INFO:
		return "INFO";
	case NBD_REP_META_CONTEXT:
		return "META_CONTEXT";
	case NBD_REP_UNBD_INSTANCE:
		return "UNBD_INSTANCE";
	case NBD_REP_ERR_UNSUP:
		return "ERR_UNSUP";
	case NBD_REP_ERR_POLICY:
		return "ERR_POLICY";
	case NBD_REP_ERR_INVALID:
		return "ERR_INVALID";
	case NBD_REP_ERR_PLATFORM:
		return "ERR_PLATFORM";
	case NBD_REP_ERR_TLS_REQD:
		return "ERR_TLS_REQD";
	case NBD_REP_ERR_UNKNOWN:
		return "ERR_UNKNOWN";
	case NBD_REP_ERR_SHUTDOWN:
		return "ERR_SHUTDOWN";
	case NBD_REP_ERR_BLOCK_SIZE_REQD:
		return "ERR_BLOCK_SIZE_REQD";
	case NBD_REP_ERR_TOO_BIG:
		return "ERR_TOO_BIG";
	case NBD_REP_ERR_EXT_HEADER_REQD:
		return "ERR_EXT_HEADER_REQD";
	}
	return type & NBD_REP_ERROR_BIT ? "an unknown error" :
		"an unknown reply";
}

/*
 * Make a peer's string fit for the log: a line is one line of printable ASCII,
 * whoever wrote part of it. What does not fit is left out.
 */
static void clean_text(char *out, size_t size, const u8 *text, size_t len)
{
	size_t i;

	for (i = 0; i < len && i + 1 < size; i++)
		out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	out[i] = '\0';
}

/* ------------------------------------------------------------------ */
/* Steps                                                              */

static enum nbd_handshake_step set_failed(struct nbd_handshake *hs, int error)
{
	hs->error = error;
	hs->state = HS_FAILED;
	return NBD_HANDSHAKE_FAILED;
}

__printf(3, 4)
static enum nbd_handshake_step fail(struct nbd_handshake *hs, int error,
				    const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(hs->why, hs->whylen, fmt, args);
	va_end(args);
	return set_failed(hs, error);
}

static enum nbd_handshake_step receive(struct nbd_handshake *hs, u32 len,
				       int state)
{
	hs->buf = hs->data;
	hs->len = len;
	hs->state = state;
	return NBD_HANDSHAKE_RECV;
}

static enum nbd_handshake_step done(struct nbd_handshake *hs)
{
	hs->state = HS_DONE;
	return NBD_HANDSHAKE_DONE;
}

/* ------------------------------------------------------------------ */
/* What a server says about its export                                */

static bool power_of_two(u32 n)
{
	return n && !(n & (n - 1));
}

static void set_flags(struct nbd_export_info *info, u16 flags)
{
	/*
	 * Without HAS_FLAGS the other bits mean nothing; yet taking a disk for
	 * read-only when it may be is safe, the reverse is not.
	 */
	if (!(flags & NBD_FLAG_HAS_FLAGS))
		flags &= NBD_FLAG_READ_ONLY;
	flags &= KNOWN_FLAGS;
	if (!(flags & NBD_FLAG_SEND_WRITE_ZEROES))
		flags &= ~NBD_FLAG_SEND_FAST_ZERO;
	if (info->headers == NBD_HEADERS_SIMPLE)
		flags &= ~NBD_FLAG_SEND_DF;
	info->flags = flags;
}

/* "Size constraints" */
static bool block_sizes_valid(const struct nbd_export_info *info)
{
	u32 floor = info->preferred_block;

	if (!power_of_two(info->min_block) ||
	    info->min_block > NBD_MIN_BLOCK_LIMIT)
		return false;
	if (!power_of_two(info->preferred_block) ||
	    info->preferred_block < info->min_block ||
	    info->preferred_block < NBD_MIN_PREF_BLOCK ||
	    info->preferred_block > NBD_DEFAULT_MAX_PAYLOAD)
		return false;

	/* A small export need not take requests larger than itself. */
	if (info->size < floor)
		floor = info->size;
	return info->max_payload >= floor &&
		info->max_payload >= info->min_block;
}

/* All that was said about the export has come: is it sound as a whole? */
static enum nbd_handshake_step finish(struct nbd_handshake *hs)
{
	struct nbd_export_info *info = &hs->info;

	if (info->size > LLONG_MAX)
		return fail(hs, -EFBIG, "export size %llu is absurd",
			    info->size);
	if (!block_sizes_valid(info))
		return fail(hs, -EPROTO,
			    "block sizes %u/%u/%u of the server make no sense",
			    info->min_block, info->preferred_block,
			    info->max_payload);
	info->max_payload -= info->max_payload % info->min_block;
	return done(hs);
}

static void set_export(struct nbd_handshake *hs, u64 size, u16 flags)
{
	hs->info.size = size;
	set_flags(&hs->info, flags);
	hs->have_export = true;
}

static enum nbd_handshake_step got_oldstyle(struct nbd_handshake *hs)
{
	const struct nbd_oldstyle_export *w = (void *)hs->data;

	set_export(hs, be64_to_cpu(w->size), be32_to_cpu(w->flags) & 0xffff);
	if (hs->name_len)
		snprintf(hs->why, hs->whylen,
			 "oldstyle server has one export without a name, \"%.64s\" cannot be asked for",
			 hs->name);
	return finish(hs);
}

static enum nbd_handshake_step got_export(struct nbd_handshake *hs)
{
	const struct nbd_export_reply *w = (void *)hs->data;

	set_export(hs, be64_to_cpu(w->size), be16_to_cpu(w->flags));
	return finish(hs);
}

/* ------------------------------------------------------------------ */
/* Options                                                            */

static u32 put_opt_header(u8 *buf, u32 option, u32 len)
{
	struct nbd_opt_header w = {
		.magic = cpu_to_be64(NBD_OPTION_MAGIC),
		.option = cpu_to_be32(option),
		.len = cpu_to_be32(len),
	};

	memcpy(buf, &w, sizeof(w));
	return sizeof(w);
}

/* u32 name length, name, u16 count, count x u16 information types */
static u32 put_go(const struct nbd_handshake *hs, u8 *buf)
{
	__be32 name_len = cpu_to_be32(hs->name_len);
	__be16 infos[2] = { cpu_to_be16(1), cpu_to_be16(NBD_INFO_BLOCK_SIZE) };
	u32 len = put_opt_header(buf, NBD_OPT_GO, sizeof(name_len) +
				 hs->name_len + sizeof(infos));

	memcpy(buf + len, &name_len, sizeof(name_len));
	len += sizeof(name_len);
	memcpy(buf + len, hs->name, hs->name_len);
	len += hs->name_len;
	memcpy(buf + len, infos, sizeof(infos));
	return len + sizeof(infos);
}

static u32 put_fence(const struct nbd_handshake *hs, u8 *buf)
{
	u32 size = hs->nr_keys * sizeof(*hs->keys);
	u32 len = put_opt_header(buf, NBD_OPT_UNBD_FENCE, size);

	memcpy(buf + len, hs->keys, size);
	return len + size;
}

static u32 put_option(const struct nbd_handshake *hs, u8 *buf, u32 option)
{
	u32 len;

	if (option == NBD_OPT_GO)
		return put_go(hs, buf);
	if (option == NBD_OPT_UNBD_FENCE)
		return put_fence(hs, buf);
	if (option != NBD_OPT_EXPORT_NAME)
		return put_opt_header(buf, option, 0);
	len = put_opt_header(buf, option, hs->name_len);
	memcpy(buf + len, hs->name, hs->name_len);
	return len + hs->name_len;
}

/* @head bytes are in the buffer already and go out in front of the option. */
static enum nbd_handshake_step send_option(struct nbd_handshake *hs, u32 head,
					   u32 option)
{
	hs->option = option;
	hs->replies = 0;
	hs->buf = hs->data;
	hs->len = head + put_option(hs, hs->data + head, option);
	hs->state = option == NBD_OPT_ABORT ? HS_ABORT_SENT : HS_OPTION_SENT;
	return NBD_HANDSHAKE_SEND;
}

/* The best header style first; what is refused leads to the next. */
static u32 header_option(const struct nbd_handshake *hs)
{
	switch (hs->max_headers) {
	case NBD_HEADERS_EXTENDED:
		return NBD_OPT_EXTENDED_HEADERS;
	case NBD_HEADERS_STRUCTURED:
		return NBD_OPT_STRUCTURED_REPLY;
	case NBD_HEADERS_SIMPLE:
		break;
	}
	return NBD_OPT_GO;
}

static enum nbd_handshake_step option_acked(struct nbd_handshake *hs)
{
	switch (hs->option) {
	case NBD_OPT_UNBD_FENCE:
		hs->info.fences = true;
		return send_option(hs, 0, header_option(hs));
	case NBD_OPT_EXTENDED_HEADERS:
		hs->info.headers = NBD_HEADERS_EXTENDED;
		return send_option(hs, 0, NBD_OPT_GO);
	case NBD_OPT_STRUCTURED_REPLY:
		hs->info.headers = NBD_HEADERS_STRUCTURED;
		return send_option(hs, 0, NBD_OPT_GO);
	}
	if (!hs->have_export)
		return fail(hs, -EPROTO,
			    "server acknowledged GO without the export's size");
	return finish(hs);
}

static int rep_to_errno(u32 type)
{
	switch (type) {
	case NBD_REP_ERR_UNKNOWN:
		return -ENOENT;
	case NBD_REP_ERR_POLICY:
		return -EACCES;
	case NBD_REP_ERR_TLS_REQD:
		return -ENOKEY;
	case NBD_REP_ERR_SHUTDOWN:
		return -ESHUTDOWN;
	case NBD_REP_ERR_INVALID:
	case NBD_REP_ERR_BLOCK_SIZE_REQD:
		return -EINVAL;
	case NBD_REP_ERR_TOO_BIG:
		return -ENAMETOOLONG;
	case NBD_REP_ERR_UNSUP:
	case NBD_REP_ERR_PLATFORM:
	case NBD_REP_ERR_EXT_HEADER_REQD:
		return -EOPNOTSUPP;
	}
	return -EPROTO;
}

/* Refused for good: say why, and take leave as the protocol wants it. */
static enum nbd_handshake_step give_up(struct nbd_handshake *hs)
{
	char text[TEXT_LEN];

	clean_text(text, sizeof(text), hs->data, hs->reply_len);
	snprintf(hs->why, hs->whylen, "server refused %s with %s%s%s",
		 nbd_opt_name(hs->option), rep_name(hs->reply_type),
		 *text ? ": " : "", text);
	hs->error = rep_to_errno(hs->reply_type);
	return send_option(hs, 0, NBD_OPT_ABORT);
}

static enum nbd_handshake_step option_refused(struct nbd_handshake *hs)
{
	/* These two hold for whatever else we could ask. */
	if (hs->reply_type == NBD_REP_ERR_TLS_REQD ||
	    hs->reply_type == NBD_REP_ERR_SHUTDOWN)
		return give_up(hs);

	switch (hs->option) {
	case NBD_OPT_UNBD_FENCE:
		return send_option(hs, 0, header_option(hs));
	case NBD_OPT_EXTENDED_HEADERS:
		return send_option(hs, 0, NBD_OPT_STRUCTURED_REPLY);
	case NBD_OPT_STRUCTURED_REPLY:
		return send_option(hs, 0, NBD_OPT_GO);
	}

	/* EXPORT_NAME is not allowed once extended headers are agreed. */
	if (hs->reply_type == NBD_REP_ERR_UNSUP &&
	    hs->info.headers != NBD_HEADERS_EXTENDED)
		return send_option(hs, 0, NBD_OPT_EXPORT_NAME);
	return give_up(hs);
}

/* ------------------------------------------------------------------ */
/* Replies to options                                                 */

static enum nbd_handshake_step next_reply(struct nbd_handshake *hs)
{
	return receive(hs, sizeof(struct nbd_opt_reply), HS_REPLY);
}

static enum nbd_handshake_step got_info(struct nbd_handshake *hs)
{
	const struct nbd_info_export *e = (void *)hs->data;
	const struct nbd_info_block_size *b = (void *)hs->data;
	u16 type = be16_to_cpu(e->type);

	if ((type == NBD_INFO_EXPORT && hs->reply_len != sizeof(*e)) ||
	    (type == NBD_INFO_BLOCK_SIZE && hs->reply_len != sizeof(*b)))
		return fail(hs, -EPROTO,
			    "information %u about the export has %u bytes",
			    type, hs->reply_len);

	if (type == NBD_INFO_EXPORT) {
		set_export(hs, be64_to_cpu(e->size), be16_to_cpu(e->flags));
	} else if (type == NBD_INFO_BLOCK_SIZE) {
		hs->info.min_block = be32_to_cpu(b->min);
		hs->info.preferred_block = be32_to_cpu(b->preferred);
		hs->info.max_payload = be32_to_cpu(b->max_payload);
		hs->info.has_block_size = true;
	} else if (type == NBD_INFO_UNBD_STABLE) {
		hs->info.stable = hs->info.has_instance;
	}
	return next_reply(hs);
}

static enum nbd_handshake_step got_instance(struct nbd_handshake *hs)
{
	memcpy(&hs->info.instance, hs->data, sizeof(hs->info.instance));
	hs->info.has_instance = true;
	return next_reply(hs);
}

static enum nbd_handshake_step got_reply_data(struct nbd_handshake *hs)
{
	if (hs->reply_type & NBD_REP_ERROR_BIT)
		return option_refused(hs);
	if (hs->reply_type == NBD_REP_UNBD_INSTANCE)
		return got_instance(hs);
	return got_info(hs);
}

/* May this kind of reply, with this much data, answer our option at all? */
static bool reply_fits(const struct nbd_handshake *hs)
{
	if (hs->reply_type & NBD_REP_ERROR_BIT)
		return hs->reply_len <= NBD_MAX_STRING;
	if (hs->reply_type == NBD_REP_ACK)
		return hs->reply_len == 0;
	if (hs->reply_type == NBD_REP_UNBD_INSTANCE)
		return hs->option == NBD_OPT_UNBD_FENCE &&
			hs->reply_len == sizeof(struct unbd_instance);
	return hs->reply_type == NBD_REP_INFO && hs->option == NBD_OPT_GO &&
		hs->reply_len >= sizeof(__be16) &&
		hs->reply_len <= sizeof(__be16) + NBD_MAX_STRING;
}

static enum nbd_handshake_step got_reply(struct nbd_handshake *hs)
{
	const struct nbd_opt_reply *w = (void *)hs->data;

	hs->reply_type = be32_to_cpu(w->type);
	hs->reply_len = be32_to_cpu(w->len);

	if (be64_to_cpu(w->magic) != NBD_OPTION_REPLY_MAGIC)
		return fail(hs, -EPROTO, "reply to %s has magic 0x%llx",
			    nbd_opt_name(hs->option),
			    (unsigned long long)be64_to_cpu(w->magic));
	if (be32_to_cpu(w->option) != hs->option)
		return fail(hs, -EPROTO, "reply to %s is for option %u",
			    nbd_opt_name(hs->option), be32_to_cpu(w->option));
	if (!reply_fits(hs))
		return fail(hs, -EPROTO,
			    "reply to %s is %s (0x%x) with %u bytes",
			    nbd_opt_name(hs->option),
			    rep_name(hs->reply_type), hs->reply_type,
			    hs->reply_len);
	if (++hs->replies > MAX_REPLIES)
		return fail(hs, -EPROTO, "more than %d replies to %s",
			    MAX_REPLIES, nbd_opt_name(hs->option));

	if (hs->reply_len)
		return receive(hs, hs->reply_len, HS_REPLY_DATA);
	if (hs->reply_type == NBD_REP_ACK)
		return option_acked(hs);
	return option_refused(hs);
}

/* ------------------------------------------------------------------ */
/* From the greeting to the first option                              */

static enum nbd_handshake_step got_greeting(struct nbd_handshake *hs)
{
	const struct nbd_greeting *w = (void *)hs->data;
	u64 version = be64_to_cpu(w->version);
	char text[sizeof(*w) + 1];

	if (be64_to_cpu(w->magic) != NBD_INIT_MAGIC) {
		clean_text(text, sizeof(text), hs->data, sizeof(*w));
		return fail(hs, -EPROTO,
			    "this is no NBD server, it says \"%s\"", text);
	}
	if (version == NBD_OPTION_MAGIC)
		return receive(hs, sizeof(__be16), HS_FLAGS);
	if (version != NBD_OLDSTYLE_MAGIC)
		return fail(hs, -EPROTO, "unknown NBD version magic 0x%llx",
			    version);

	hs->info.style = NBD_OLDSTYLE;
	return receive(hs, sizeof(struct nbd_oldstyle_export), HS_OLDSTYLE);
}

static enum nbd_handshake_step got_flags(struct nbd_handshake *hs)
{
	u16 flags = hs->data[0] << 8 | hs->data[1];
	__be32 answer;
	u32 ours = 0;

	if (flags & NBD_FLAG_NO_ZEROES)
		ours |= NBD_FLAG_C_NO_ZEROES;
	if (flags & NBD_FLAG_FIXED_NEWSTYLE)
		ours |= NBD_FLAG_C_FIXED_NEWSTYLE;
	hs->no_zeroes = flags & NBD_FLAG_NO_ZEROES;
	answer = cpu_to_be32(ours);
	memcpy(hs->data, &answer, sizeof(answer));

	if (flags & NBD_FLAG_FIXED_NEWSTYLE) {
		hs->info.style = NBD_FIXED_NEWSTYLE;
		return send_option(hs, sizeof(answer), hs->nr_keys ?
				   NBD_OPT_UNBD_FENCE : header_option(hs));
	}
	hs->info.style = NBD_PLAIN_NEWSTYLE;
	return send_option(hs, sizeof(answer), NBD_OPT_EXPORT_NAME);
}

static enum nbd_handshake_step option_sent(struct nbd_handshake *hs)
{
	u32 len = sizeof(struct nbd_export_reply);

	if (hs->option != NBD_OPT_EXPORT_NAME)
		return next_reply(hs);
	if (hs->no_zeroes)
		len -= NBD_PADDING;
	return receive(hs, len, HS_EXPORT);
}

void nbd_handshake_init(struct nbd_handshake *hs, const char *name,
			enum nbd_header_style max_headers,
			char *why, size_t whylen)
{
	memset(hs, 0, offsetof(struct nbd_handshake, data));
	hs->name = name;
	hs->name_len = strnlen(name, NBD_MAX_STRING + 1);
	hs->max_headers = max_headers;
	hs->why = why;
	hs->whylen = whylen;
	hs->state = HS_START;
	hs->info.min_block = NBD_DEFAULT_MIN_BLOCK;
	hs->info.preferred_block = NBD_DEFAULT_PREF_BLOCK;
	hs->info.max_payload = NBD_DEFAULT_MAX_PAYLOAD;
	if (whylen)
		*why = '\0';
}

static enum nbd_handshake_step start(struct nbd_handshake *hs)
{
	if (hs->name_len > NBD_MAX_STRING)
		return fail(hs, -ENAMETOOLONG,
			    "export name is longer than %d bytes",
			    NBD_MAX_STRING);
	return receive(hs, sizeof(struct nbd_greeting), HS_GREETING);
}

enum nbd_handshake_step nbd_handshake_next(struct nbd_handshake *hs)
{
	switch (hs->state) {
	case HS_START:
		return start(hs);
	case HS_GREETING:
		return got_greeting(hs);
	case HS_OLDSTYLE:
		return got_oldstyle(hs);
	case HS_FLAGS:
		return got_flags(hs);
	case HS_OPTION_SENT:
		return option_sent(hs);
	case HS_EXPORT:
		return got_export(hs);
	case HS_REPLY:
		return got_reply(hs);
	case HS_REPLY_DATA:
		return got_reply_data(hs);
	case HS_DONE:
		return NBD_HANDSHAKE_DONE;
	case HS_ABORT_SENT:
	default:
		return set_failed(hs, hs->error);
	}
}

int nbd_handshake_closed(struct nbd_handshake *hs)
{
	switch (hs->state) {
	case HS_ABORT_SENT:
	case HS_FAILED:
		set_failed(hs, hs->error);
		break;
	case HS_START:
	case HS_GREETING:
		fail(hs, -ECONNRESET,
		     "server closed the connection without a greeting");
		break;
	case HS_EXPORT:
		fail(hs, -ENOENT,
		     "server closed the connection when asked for the export");
		break;
	case HS_OPTION_SENT:
	case HS_REPLY:
	case HS_REPLY_DATA:
		fail(hs, -ECONNRESET, "server closed the connection during %s",
		     nbd_opt_name(hs->option));
		break;
	default:
		fail(hs, -ECONNRESET,
		     "server closed the connection during its greeting");
	}
	return hs->error;
}

int nbd_same_export(const struct nbd_export_info *first,
		    const struct nbd_export_info *other,
		    char *why, size_t whylen)
{
	if (first->size != other->size)
		snprintf(why, whylen, "size was %llu bytes and is %llu",
			 first->size, other->size);
	else if (first->flags != other->flags)
		snprintf(why, whylen, "flags were 0x%x and are 0x%x",
			 first->flags, other->flags);
	else if (first->min_block != other->min_block ||
		 first->preferred_block != other->preferred_block ||
		 first->max_payload != other->max_payload)
		snprintf(why, whylen,
			 "block sizes were %u/%u/%u and are %u/%u/%u",
			 first->min_block, first->preferred_block,
			 first->max_payload, other->min_block,
			 other->preferred_block, other->max_payload);
	else if (first->headers != other->headers)
		snprintf(why, whylen, "header style was %d and is %d",
			 first->headers, other->headers);
	else if (first->has_instance != other->has_instance ||
		 memcmp(&first->instance, &other->instance,
			sizeof(first->instance)))
		snprintf(why, whylen, "the server has restarted meanwhile");
	else
		return 0;
	return -ESTALE;
}
