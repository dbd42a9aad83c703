// SPDX-License-Identifier: GPL-2.0
/*
 * What the options of a handshake are answered with.
 */
#include <linux/slab.h>

#include "server.h"

/* Replies to one option that are kept in memory: some 15,000 exports. */
#define SRV_MAX_REPLY		(4u << 20)

/* ------------------------------------------------------------------ */
/* Replies                                                            */

/**
 * srv_hs_room() - room for more replies
 * @hs: handshake
 * @len: bytes
 *
 * Return: where to put them; whoever does adds to @hs->out_len. NULL if there
 * is no memory, or if it were too much.
 */
u8 *srv_hs_room(struct srv_handshake *hs, u32 len)
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

/**
 * srv_hs_refuse() - answer the option in hand with an error
 * @hs: handshake
 * @error: NBD_REP_ERR_*
 * @text: for people
 *
 * Return: 0 or -ENOMEM.
 */
int srv_hs_refuse(struct srv_handshake *hs, u32 error, const char *text)
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

/*
 * Open an export. What is still to be done for the client would come after what
 * it wants now, so that is waited for. On error the log has why.
 */
static int srv_hs_open(struct srv_conn *conn, const char *name,
		       struct unbd_export_info *info)
{
	int err = unbd_conn_settle(&conn->base, name);

	return err ? err : unbd_export_open(&conn->base, name, info);
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
	err = srv_hs_open(conn, name, &info);
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
		err = srv_hs_open(conn, name, &info);
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

/**
 * srv_option_known() - is it of any use to receive an option's data?
 * @id: of the option
 */
bool srv_option_known(u32 id)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(srv_options); i++)
		if (srv_options[i].id == id)
			return true;
	return false;
}

/**
 * srv_option_answer() - an option has come
 * @conn: connection, with a known option and its data in conn->hs
 *
 * From the handshake's work. May wait for the core.
 *
 * Return: 0, and the answer is in conn->hs; or -errno, with which the
 * connection ends.
 */
int srv_option_answer(struct srv_conn *conn)
{
	unsigned int i;

	for (i = 0; srv_options[i].id != conn->hs->opt.id; i++)
		;
	return srv_options[i].fn(conn);
}
