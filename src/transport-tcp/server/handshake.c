// SPDX-License-Identifier: GPL-2.0
/*
 * Option haggling, the server's side of "Newstyle negotiation".
 *
 * No thread waits for a client: the work runs when something has come, takes
 * it as far as it goes and returns. A client that dawdles has only its few
 * kilobytes until the deadline.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "server.h"

/* More options than this are no attempt to get at an export. */
#define SRV_MAX_OPTIONS		1024

/* Replies to one option that are kept in memory: some 15,000 exports. */
#define SRV_MAX_REPLY		(4u << 20)

/**
 * enum srv_hs_step - what the next bytes are
 * @SRV_HS_FLAGS: the client's flags
 * @SRV_HS_OPTION: head of an option
 * @SRV_HS_DATA: data of an option
 * @SRV_HS_SKIP: data of an option that is answered with an error
 */
enum srv_hs_step {
	SRV_HS_FLAGS,
	SRV_HS_OPTION,
	SRV_HS_DATA,
	SRV_HS_SKIP,
};

/**
 * enum srv_hs_next - what is to be done when the replies have been sent
 * @SRV_HS_GO_ON: take the next option
 * @SRV_HS_LIVE: serve requests
 * @SRV_HS_FAREWELL: close
 */
enum srv_hs_next {
	SRV_HS_GO_ON,
	SRV_HS_LIVE,
	SRV_HS_FAREWELL,
};

/**
 * struct srv_handshake - a handshake under way
 * @step: see above
 * @next: see above
 * @admitted: the core knows the connection
 * @fixed: the client understands replies to options
 * @no_zeroes: the client wants no padding
 * @opt: option that is being received or answered
 * @options: how many there were
 * @have: bytes of @need that have come
 * @need: bytes of this step
 * @error: NBD_REP_ERR_* to answer with after skipping
 * @head: flags or head of an option
 * @data: data of an option, NBD_OPTION_DATA_MAX bytes; allocated when needed
 * @meta_name: export that base:allocation was selected for, NULL if none
 * @out: replies
 * @out_size: bytes allocated
 * @out_len: bytes in use
 * @out_at: first byte that was not sent
 */
struct srv_handshake {
	enum srv_hs_step step;
	enum srv_hs_next next;
	bool admitted;
	bool fixed;
	bool no_zeroes;
	struct nbd_option opt;
	unsigned int options;
	u32 have;
	u32 need;
	u32 error;
	u8 head[sizeof(struct nbd_opt_header)];
	u8 *data;
	char *meta_name;
	u8 *out;
	u32 out_size;
	u32 out_len;
	u32 out_at;
};

/* ------------------------------------------------------------------ */
/* Replies                                                            */

/* Room for @len more bytes of replies, or NULL. */
static u8 *srv_hs_room(struct srv_handshake *hs, u32 len)
{
	u32 size = max(hs->out_size, 512u);
	u8 *out;

	while (size < hs->out_len + len)
		size *= 2;
	if (size > SRV_MAX_REPLY)
		return NULL;
	if (size > hs->out_size) {
		out = krealloc(hs->out, size, GFP_KERNEL | __GFP_NOWARN);
		if (!out)
			return NULL;
		hs->out = out;
		hs->out_size = size;
	}
	return hs->out + hs->out_len;
}

static int srv_hs_ack(struct srv_handshake *hs)
{
	u8 *buf = srv_hs_room(hs, sizeof(struct nbd_opt_reply));

	if (!buf)
		return -ENOMEM;
	hs->out_len += nbd_put_option_reply(buf, hs->opt.id, NBD_REP_ACK, 0);
	return 0;
}

static int srv_hs_refuse(struct srv_handshake *hs, u32 error, const char *text)
{
	u32 size = sizeof(struct nbd_opt_reply) + strlen(text);
	u8 *buf = srv_hs_room(hs, size);

	if (!buf)
		return -ENOMEM;
	hs->out_len += nbd_put_option_error(buf, size, hs->opt.id, error,
					    text);
	return 0;
}

/* The core does not let the client have the export. */
static int srv_hs_refuse_export(struct srv_handshake *hs, int error)
{
	switch (error) {
	case -ENOENT:
		return srv_hs_refuse(hs, NBD_REP_ERR_UNKNOWN,
				     "no such export");
	case -EACCES:
		return srv_hs_refuse(hs, NBD_REP_ERR_POLICY,
				     "this export is not for you");
	case -EUSERS:
		return srv_hs_refuse(hs, NBD_REP_ERR_POLICY,
				     "the export has too many connections");
	case -EBUSY:
		return srv_hs_refuse(hs, NBD_REP_ERR_POLICY,
				     "the export is in use");
	case -ETIMEDOUT:
		return srv_hs_refuse(hs, NBD_REP_ERR_POLICY,
				     "what your former connection has begun is not done");
	case -ESHUTDOWN:
		return srv_hs_refuse(hs, NBD_REP_ERR_SHUTDOWN,
				     "the export is being withdrawn");
	}
	return srv_hs_refuse(hs, NBD_REP_ERR_PLATFORM,
			     "the export cannot be opened");
}

/* ------------------------------------------------------------------ */
/* Exports                                                            */

/* What the client is told of an export and may then use. */
static u16 srv_flags(const struct srv_conn *conn,
		     const struct unbd_export_info *info)
{
	u16 flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_CACHE;

	/* All connections to an export share one storage and its cache. */
	flags |= NBD_FLAG_CAN_MULTI_CONN;
	if (conn->params.headers != NBD_HEADERS_SIMPLE)
		flags |= NBD_FLAG_SEND_DF;
	if (info->features & UNBD_EXPORT_ROTATIONAL)
		flags |= NBD_FLAG_ROTATIONAL;
	if (info->features & UNBD_EXPORT_READ_ONLY)
		return flags | NBD_FLAG_READ_ONLY;
	/* Without a cache, too: it can be switched on while we serve. */
	flags |= NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA;
	if (info->features & UNBD_EXPORT_DISCARD)
		flags |= NBD_FLAG_SEND_TRIM;
	if (info->features & UNBD_EXPORT_WRITE_ZEROES) {
		flags |= NBD_FLAG_SEND_WRITE_ZEROES;
		if (info->features & UNBD_EXPORT_FAST_ZERO)
			flags |= NBD_FLAG_SEND_FAST_ZERO;
	}
	return flags;
}

/* An export has been opened: from now on it is what requests are about. */
static void srv_hs_agree(struct srv_conn *conn, const char *name,
			 const struct unbd_export_info *info)
{
	struct srv_handshake *hs = conn->hs;

	conn->params.size = info->size;
	conn->params.flags = srv_flags(conn, info);
	conn->params.max_payload = SRV_MAX_PAYLOAD;
	conn->params.allocation = hs->meta_name && !strcmp(hs->meta_name, name);
	conn->maps = info->features & UNBD_EXPORT_EXTENTS;
	conn->sparse = conn->maps &&
		       conn->params.headers != NBD_HEADERS_SIMPLE;
	hs->next = SRV_HS_LIVE;
}

static int srv_hs_put_block_size(struct srv_handshake *hs,
				 const struct unbd_export_info *info)
{
	u32 min = clamp(info->min_io, 1u, NBD_MIN_BLOCK_LIMIT);
	u32 preferred = max3(info->preferred_io, min, NBD_MIN_PREF_BLOCK);
	u8 *buf = srv_hs_room(hs, sizeof(struct nbd_opt_reply) +
				  sizeof(struct nbd_info_block_size));

	if (!buf)
		return -ENOMEM;
	hs->out_len += nbd_put_info_block_size(buf, hs->opt.id, min,
					       min(preferred, SRV_MAX_PAYLOAD),
					       SRV_MAX_PAYLOAD);
	return 0;
}

static int srv_hs_put_name(struct srv_handshake *hs, const char *name)
{
	u32 len = strlen(name);
	u8 *buf = srv_hs_room(hs, sizeof(struct nbd_opt_reply) + 2 + len);
	u32 head;

	if (!buf)
		return -ENOMEM;
	head = nbd_put_info_text(buf, hs->opt.id, NBD_INFO_NAME, len);
	memcpy(buf + head, name, len);
	hs->out_len += head + len;
	return 0;
}

static int srv_hs_put_stable(struct srv_handshake *hs)
{
	u8 *buf = srv_hs_room(hs, sizeof(struct nbd_opt_reply) + 2);

	if (!buf)
		return -ENOMEM;
	hs->out_len += nbd_put_info_text(buf, hs->opt.id, NBD_INFO_UNBD_STABLE,
					 0);
	return 0;
}

static int srv_hs_put_info(struct srv_conn *conn,
			   const struct nbd_export_request *req,
			   const char *name,
			   const struct unbd_export_info *info)
{
	struct srv_handshake *hs = conn->hs;
	u8 *buf = srv_hs_room(hs, sizeof(struct nbd_opt_reply) +
				  sizeof(struct nbd_info_export));
	int err = 0;

	if (!buf)
		return -ENOMEM;
	hs->out_len += nbd_put_info_export(buf, hs->opt.id, info->size,
					   srv_flags(conn, info));
	if (req->want_name)
		err = srv_hs_put_name(hs, name);
	/* Exports have no descriptions. */
	if (!err && req->want_block_size)
		err = srv_hs_put_block_size(hs, info);
	if (!err && conn->base.has_key &&
	    !(info->features & UNBD_EXPORT_WRITE_CACHE))
		err = srv_hs_put_stable(hs);
	return err ? err : srv_hs_ack(hs);
}

static char *srv_hs_name(const struct nbd_export_request *req)
{
	return kmemdup_nul(req->name, req->name_len, GFP_KERNEL);
}

/* ------------------------------------------------------------------ */
/* Options                                                            */

/* Each returns 0 or -errno, with which the connection ends. */

static int srv_opt_export_name(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	struct unbd_export_info info;
	struct nbd_export_request req;
	char why[UNBD_WHY_LEN];
	char *name;
	u8 *buf;
	int err;

	if (conn->params.headers == NBD_HEADERS_EXTENDED) {
		srv_conn_drop(conn,
			      "sends EXPORT_NAME after EXTENDED_HEADERS");
		return -EPROTO;
	}
	err = nbd_get_export_name(hs->data, hs->opt.len, &req, why,
				  sizeof(why));
	if (err) {
		srv_conn_drop(conn, "%s", why);
		return err;
	}
	name = srv_hs_name(&req);
	buf = srv_hs_room(hs, sizeof(struct nbd_export_reply));
	if (!name || !buf) {
		kfree(name);
		return -ENOMEM;
	}
	err = srv_conn_open(conn, name, &info);
	/* There is no way to tell the client; the core has told the log. */
	if (!err) {
		srv_hs_agree(conn, name, &info);
		hs->out_len += nbd_put_export_reply(buf, info.size,
						    conn->params.flags,
						    hs->no_zeroes);
	}
	kfree(name);
	return err;
}

/* INFO and GO */
static int srv_opt_info(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	bool go = hs->opt.id == NBD_OPT_GO;
	struct unbd_export_info info;
	struct nbd_export_request req;
	char why[UNBD_WHY_LEN];
	char *name;
	u32 error;
	int err;

	error = nbd_get_info(hs->data, hs->opt.len, &req, why, sizeof(why));
	if (error)
		return srv_hs_refuse(hs, error, why);
	name = srv_hs_name(&req);
	if (!name)
		return -ENOMEM;
	if (go)
		err = srv_conn_open(conn, name, &info);
	else
		err = unbd_export_probe(&conn->base, name, &info);
	if (err) {
		err = srv_hs_refuse_export(hs, err);
		goto out;
	}
	if (go)
		srv_hs_agree(conn, name, &info);
	err = srv_hs_put_info(conn, &req, name, &info);
out:
	kfree(name);
	return err;
}

static int srv_opt_abort(struct srv_conn *conn)
{
	conn->hs->next = SRV_HS_FAREWELL;
	return srv_hs_ack(conn->hs);
}

static int srv_list_one(const char *name, void *arg)
{
	struct srv_handshake *hs = arg;
	u32 len = strlen(name);
	u32 head;
	u8 *buf;

	buf = srv_hs_room(hs, sizeof(struct nbd_opt_reply) + sizeof(__be32) +
			      len);
	if (!buf)
		return -ENOMEM;
	head = nbd_put_list_entry(buf, len);
	memcpy(buf + head, name, len);
	hs->out_len += head + len;
	return 0;
}

static int srv_opt_list(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;

	if (hs->opt.len)
		return srv_hs_refuse(hs, NBD_REP_ERR_INVALID,
				     "LIST takes no data");
	if (unbd_export_list(&conn->base, srv_list_one, hs)) {
		hs->out_len = 0;
		return srv_hs_refuse(hs, NBD_REP_ERR_TOO_BIG,
				     "too many exports to list");
	}
	return srv_hs_ack(hs);
}

/* What BLOCK_STATUS was to tell does not hold any more. */
static void srv_hs_forget_meta(struct srv_handshake *hs)
{
	kfree(hs->meta_name);
	hs->meta_name = NULL;
}

static int srv_opt_structured_reply(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;

	if (conn->params.headers == NBD_HEADERS_EXTENDED)
		return srv_hs_refuse(hs, NBD_REP_ERR_EXT_HEADER_REQD,
				     "extended headers are agreed upon");
	if (hs->opt.len)
		return srv_hs_refuse(hs, NBD_REP_ERR_INVALID,
				     "STRUCTURED_REPLY takes no data");
	if (conn->params.headers == NBD_HEADERS_STRUCTURED)
		return srv_hs_refuse(hs, NBD_REP_ERR_INVALID,
				     "structured replies are agreed upon");
	conn->params.headers = NBD_HEADERS_STRUCTURED;
	return srv_hs_ack(hs);
}

static int srv_opt_extended_headers(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;

	if (hs->opt.len)
		return srv_hs_refuse(hs, NBD_REP_ERR_INVALID,
				     "EXTENDED_HEADERS takes no data");
	if (conn->params.headers == NBD_HEADERS_EXTENDED)
		return srv_hs_refuse(hs, NBD_REP_ERR_INVALID,
				     "extended headers are agreed upon");
	conn->params.headers = NBD_HEADERS_EXTENDED;
	srv_hs_forget_meta(hs);
	return srv_hs_ack(hs);
}

static int srv_hs_put_instance(struct srv_handshake *hs)
{
	u8 *buf = srv_hs_room(hs, sizeof(struct nbd_opt_reply) +
			      sizeof(struct unbd_instance));

	if (!buf)
		return -ENOMEM;
	hs->out_len += nbd_put_instance(buf, hs->opt.id,
					unbd_server_instance());
	return srv_hs_ack(hs);
}

/* Waits, but not for long: the connections that are fenced have storage to. */
static int srv_opt_fence(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	const struct unbd_key *keys = (const void *)hs->data;
	char why[UNBD_WHY_LEN];
	unsigned int nr_keys;
	u32 error;
	int err;

	error = nbd_get_fence(hs->opt.len, &nr_keys, why, sizeof(why));
	if (error)
		return srv_hs_refuse(hs, error, why);
	err = unbd_conn_fence(&conn->base, keys, nr_keys);
	return err ? err : srv_hs_put_instance(hs);
}

static int srv_hs_put_context(struct srv_handshake *hs, u32 id)
{
	u8 *buf = srv_hs_room(hs, 64);

	if (!buf)
		return -ENOMEM;
	hs->out_len += nbd_put_meta_context(buf, hs->opt.id, id);
	return srv_hs_ack(hs);
}

/* LIST_META_CONTEXT and SET_META_CONTEXT */
static int srv_opt_meta_context(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	bool set = hs->opt.id == NBD_OPT_SET_META_CONTEXT;
	struct unbd_export_info info;
	struct nbd_export_request req;
	char why[UNBD_WHY_LEN];
	char *name;
	u32 error;
	int err;

	/* Whatever comes of it, an earlier choice is void. */
	if (set)
		srv_hs_forget_meta(hs);
	if (conn->params.headers == NBD_HEADERS_SIMPLE)
		return srv_hs_refuse(hs, NBD_REP_ERR_INVALID,
				     "needs structured replies");
	error = nbd_get_meta(hs->opt.id, hs->data, hs->opt.len, &req, why,
			     sizeof(why));
	if (error)
		return srv_hs_refuse(hs, error, why);
	name = srv_hs_name(&req);
	if (!name)
		return -ENOMEM;
	err = unbd_export_probe(&conn->base, name, &info);
	if (err) {
		kfree(name);
		return srv_hs_refuse_export(hs, err);
	}
	if (set && req.allocation)
		hs->meta_name = name;
	else
		kfree(name);
	if (!req.allocation)
		return srv_hs_ack(hs);
	return srv_hs_put_context(hs, set ? SRV_ALLOCATION_ID : 0);
}

static const struct {
	u32 id;
	int (*fn)(struct srv_conn *conn);
} srv_options[] = {
	{ NBD_OPT_EXPORT_NAME,		srv_opt_export_name },
	{ NBD_OPT_ABORT,		srv_opt_abort },
	{ NBD_OPT_LIST,			srv_opt_list },
	{ NBD_OPT_INFO,			srv_opt_info },
	{ NBD_OPT_GO,			srv_opt_info },
	{ NBD_OPT_STRUCTURED_REPLY,	srv_opt_structured_reply },
	{ NBD_OPT_LIST_META_CONTEXT,	srv_opt_meta_context },
	{ NBD_OPT_SET_META_CONTEXT,	srv_opt_meta_context },
	{ NBD_OPT_EXTENDED_HEADERS,	srv_opt_extended_headers },
	{ NBD_OPT_UNBD_FENCE,		srv_opt_fence },
	/*
	 * NBD_OPT_STARTTLS is to come. It must forget everything that was
	 * agreed upon before it, and nothing may be read ahead of it.
	 */
};

static bool srv_option_known(u32 id)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(srv_options); i++)
		if (srv_options[i].id == id)
			return true;
	return false;
}

/* ------------------------------------------------------------------ */
/* Steps                                                              */

static void srv_hs_expect(struct srv_handshake *hs, enum srv_hs_step step,
			  u32 need)
{
	hs->step = step;
	hs->need = need;
	hs->have = 0;
}

static int srv_hs_option_done(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	unsigned int i;

	for (i = 0; srv_options[i].id != hs->opt.id; i++)
		;
	srv_hs_expect(hs, SRV_HS_OPTION, sizeof(struct nbd_opt_header));
	return srv_options[i].fn(conn);
}

static int srv_hs_skip_done(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;

	srv_hs_expect(hs, SRV_HS_OPTION, sizeof(struct nbd_opt_header));
	return srv_hs_refuse(hs, hs->error,
			     hs->error == NBD_REP_ERR_TOO_BIG ?
			     "the option has too much data" :
			     "this option is not known here");
}

static int srv_hs_flags_done(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	char why[UNBD_WHY_LEN];

	if (nbd_get_client_flags(hs->head, &hs->fixed, &hs->no_zeroes, why,
				 sizeof(why))) {
		srv_conn_drop(conn, "%s", why);
		return -EPROTO;
	}
	srv_hs_expect(hs, SRV_HS_OPTION, sizeof(struct nbd_opt_header));
	return 0;
}

/* The data of an option that nobody will look at. */
static int srv_hs_start_skip(struct srv_conn *conn, u32 error)
{
	struct srv_handshake *hs = conn->hs;

	hs->error = error;
	if (!hs->opt.len)
		return srv_hs_skip_done(conn);
	srv_hs_expect(hs, SRV_HS_SKIP, hs->opt.len);
	return 0;
}

static int srv_hs_start_data(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;

	if (!hs->data)
		hs->data = kmalloc(NBD_OPTION_DATA_MAX, GFP_KERNEL);
	if (!hs->data)
		return -ENOMEM;
	if (!hs->opt.len)
		return srv_hs_option_done(conn);
	srv_hs_expect(hs, SRV_HS_DATA, hs->opt.len);
	return 0;
}

static int srv_hs_head_done(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	char why[UNBD_WHY_LEN];

	if (nbd_get_option(hs->head, &hs->opt, why, sizeof(why))) {
		srv_conn_drop(conn, "%s", why);
		return -EPROTO;
	}
	if (++hs->options > SRV_MAX_OPTIONS) {
		srv_conn_drop(conn, "haggles on after %u options",
			      SRV_MAX_OPTIONS);
		return -EPROTO;
	}
	if (!hs->fixed && hs->opt.id != NBD_OPT_EXPORT_NAME) {
		/* It could make nothing of an answer. */
		srv_conn_drop(conn, "sends option %u without FIXED_NEWSTYLE",
			      hs->opt.id);
		return -EPROTO;
	}
	if (!srv_option_known(hs->opt.id))
		return srv_hs_start_skip(conn, NBD_REP_ERR_UNSUP);
	if (hs->opt.len <= NBD_OPTION_DATA_MAX)
		return srv_hs_start_data(conn);
	if (hs->opt.id == NBD_OPT_EXPORT_NAME) {
		srv_conn_drop(conn, "sends an export name of %u bytes",
			      hs->opt.len);
		return -EPROTO;
	}
	return srv_hs_start_skip(conn, NBD_REP_ERR_TOO_BIG);
}

static int srv_hs_step_done(struct srv_conn *conn)
{
	switch (conn->hs->step) {
	case SRV_HS_FLAGS:
		return srv_hs_flags_done(conn);
	case SRV_HS_OPTION:
		return srv_hs_head_done(conn);
	case SRV_HS_DATA:
		return srv_hs_option_done(conn);
	case SRV_HS_SKIP:
		return srv_hs_skip_done(conn);
	}
	return -EPROTO;
}

/* Return: bytes received, or -errno, -EAGAIN if nothing has come. */
static int srv_hs_receive(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	u32 left = hs->need - hs->have;
	struct iov_iter iter;
	struct kvec vec;
	int n;

	if (hs->step == SRV_HS_SKIP) {
		iov_iter_discard(&iter, ITER_DEST, left);
	} else {
		vec.iov_base = (hs->step == SRV_HS_DATA ? hs->data :
				hs->head) + hs->have;
		vec.iov_len = left;
		iov_iter_kvec(&iter, ITER_DEST, &vec, 1, left);
	}
	n = unbd_stream_recv(&conn->stream, &iter);
	if (n > 0)
		hs->have += n;
	return n;
}

static int srv_hs_send(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	struct kvec vec = {
		.iov_base = hs->out + hs->out_at,
		.iov_len = hs->out_len - hs->out_at,
	};
	struct iov_iter iter;
	int n;

	iov_iter_kvec(&iter, ITER_SOURCE, &vec, 1, vec.iov_len);
	n = unbd_stream_send(&conn->stream, &iter, false);
	if (n < 0)
		return n;
	hs->out_at += n;
	if (hs->out_at == hs->out_len) {
		hs->out_at = 0;
		hs->out_len = 0;
	}
	return 0;
}

/* Return: 0 to go on, -EAGAIN to wait, or -errno. */
static int srv_hs_step(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	int n;

	if (hs->out_len)
		return srv_hs_send(conn);
	n = srv_hs_receive(conn);
	if (n < 0)
		return n;
	return hs->have == hs->need ? srv_hs_step_done(conn) : 0;
}

static void srv_hs_finish(struct srv_conn *conn)
{
	enum srv_hs_next next = conn->hs->next;

	srv_handshake_end(conn);
	if (next == SRV_HS_LIVE)
		srv_conn_live(conn);
	else
		srv_conn_farewell(conn);
}

/**
 * srv_handshake_drive() - take a handshake as far as it goes
 * @conn: connection, from its handshake's work
 */
void srv_handshake_drive(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;
	int err = 0;

	/* A report from before the transmission phase came late. */
	if (!hs || srv_conn_closing(conn))
		return;
	if (!hs->admitted) {
		if (srv_conn_admit(conn))
			return;
		hs->admitted = true;
	}
	while (!err && !srv_conn_closing(conn)) {
		if (hs->next != SRV_HS_GO_ON && !hs->out_len) {
			srv_hs_finish(conn);
			return;
		}
		err = srv_hs_step(conn);
		cond_resched();
	}
	if (err && err != -EAGAIN) {
		if (err == -ENOMEM)
			srv_conn_drop(conn, "no memory for its handshake");
		srv_conn_kill(conn);
	}
}

/**
 * srv_handshake_begin() - prepare a handshake
 * @conn: new connection
 *
 * Return: 0 or -ENOMEM.
 */
int srv_handshake_begin(struct srv_conn *conn)
{
	struct srv_handshake *hs = kzalloc(sizeof(*hs), GFP_KERNEL);
	u8 *buf;

	if (!hs)
		return -ENOMEM;
	conn->hs = hs;
	conn->params.headers = NBD_HEADERS_SIMPLE;
	buf = srv_hs_room(hs, sizeof(struct nbd_newstyle_greeting));
	if (!buf)
		return -ENOMEM;
	hs->out_len = nbd_put_greeting(buf, NBD_FLAG_FIXED_NEWSTYLE |
					    NBD_FLAG_NO_ZEROES);
	srv_hs_expect(hs, SRV_HS_FLAGS, sizeof(__be32));
	return 0;
}

/**
 * srv_handshake_end() - forget a handshake
 * @conn: connection whose handshake's work does not run, or the work itself
 */
void srv_handshake_end(struct srv_conn *conn)
{
	struct srv_handshake *hs = conn->hs;

	if (!hs)
		return;
	conn->hs = NULL;
	kfree(hs->data);
	kfree(hs->meta_name);
	kfree(hs->out);
	kfree(hs);
}
