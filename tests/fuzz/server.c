// SPDX-License-Identifier: GPL-2.0
/*
 * What clients send to the server.
 */
#include "transport-tcp/server/codec.h"

#include "fuzz.h"

#define EXPORT_SIZE	(100 << 20)
#define MAX_PAYLOAD	(32 << 20)

static char why[160];

static void check_name(const struct nbd_export_request *req, const u8 *data,
		       size_t size)
{
	const u8 *name = (const u8 *)req->name;

	must(req->name_len <= NBD_MAX_STRING);
	must(!req->name_len || (name >= data && name < data + size &&
				req->name_len <= data + size - name));
	must(!req->name_len || !memchr(name, 0, req->name_len));
}

static void get_head(enum fuzz_server kind, const u8 *data, size_t size)
{
	struct nbd_option opt;
	bool fixed, no_zeroes;
	int err;

	if (kind == FUZZ_FLAGS) {
		if (size < sizeof(__be32))
			return;
		err = nbd_get_client_flags(data, &fixed, &no_zeroes, why,
					   sizeof(why));
	} else {
		if (size < sizeof(struct nbd_opt_header))
			return;
		err = nbd_get_option(data, &opt, why, sizeof(why));
		if (!err)
			must(opt.len <= NBD_OPTION_SKIP_MAX);
	}
	if (err)
		must_say_why(err, why, sizeof(why));
}

static void get_data(enum fuzz_server kind, const u8 *data, size_t size)
{
	struct nbd_export_request req;
	u32 error;

	if (kind == FUZZ_NAME)
		error = nbd_get_export_name(data, size, &req, why,
					    sizeof(why));
	else if (kind == FUZZ_INFO)
		error = nbd_get_info(data, size, &req, why, sizeof(why));
	else
		error = nbd_get_meta(kind == FUZZ_LIST_META ?
				     NBD_OPT_LIST_META_CONTEXT :
				     NBD_OPT_SET_META_CONTEXT,
				     data, size, &req, why, sizeof(why));
	if (!error) {
		check_name(&req, data, size);
		return;
	}
	must(kind == FUZZ_NAME || (error & NBD_REP_ERROR_BIT));
	must_say_why(-1, why, sizeof(why));
}

static void check_request(const struct nbd_session_params *s,
			  const struct nbd_request *req)
{
	bool range = req->cmd != NBD_CMD_FLUSH && req->cmd != NBD_CMD_DISC;

	must(!req->error);
	if (req->cmd == NBD_CMD_UNBD_WATCH) {
		must(!req->flags && !req->length);
		return;
	}
	must(req->cmd <= NBD_CMD_BLOCK_STATUS);
	must(range == !!req->length);
	must(req->offset <= s->size && req->length <= s->size - req->offset);
	must(req->payload == (req->cmd == NBD_CMD_WRITE ? req->length : 0));
	must(req->payload <= s->max_payload);
	must(req->cmd != NBD_CMD_READ || req->length <= s->max_payload);
	must(!(s->flags & NBD_FLAG_READ_ONLY) ||
	     (req->cmd != NBD_CMD_WRITE && req->cmd != NBD_CMD_TRIM &&
	      req->cmd != NBD_CMD_WRITE_ZEROES));
	must(!(req->flags & NBD_CMD_FLAG_FUA) ||
	     (s->flags & NBD_FLAG_SEND_FUA));
}

/* An answer of each kind; the client's parser sees them in tests/unit. */
static void put_replies(const struct nbd_session_params *s,
			const struct nbd_request *req)
{
	u8 *buf = malloc(NBD_REPLY_HEAD_MAX);

	must(nbd_put_reply(buf, s->headers, req, req->error) <=
	     NBD_REPLY_HEAD_MAX);
	if (s->headers != NBD_HEADERS_SIMPLE) {
		nbd_put_data(buf, s->headers, req, req->offset, 1, false);
		nbd_put_hole(buf, s->headers, req, req->offset, 1, true);
		nbd_put_block_status(buf, s->headers, req, 1, 1);
	}
	free(buf);
}

static void get_requests(const u8 *data, size_t size)
{
	struct nbd_session_params s = {
		.size = EXPORT_SIZE, .max_payload = MAX_PAYLOAD,
	};
	enum nbd_request_verdict verdict;
	struct nbd_request req;
	u32 len;

	if (size < 3)
		return;
	s.headers = data[0] % (NBD_HEADERS_EXTENDED + 1);
	s.flags = data[1] << 8 | data[2];
	s.allocation = !(s.flags & 1 << 15);
	len = nbd_request_size(s.headers);
	for (data += 3, size -= 3; size >= len; data += len, size -= len) {
		verdict = nbd_get_request(data, &s, &req, why, sizeof(why));
		if (verdict == NBD_REQUEST_OK)
			check_request(&s, &req);
		else
			must_say_why(-1, why, sizeof(why));
		if (verdict == NBD_REQUEST_FATAL)
			break;
		must((verdict == NBD_REQUEST_REFUSED) == !!req.error);
		put_replies(&s, &req);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	enum fuzz_server kind;
	u8 *copy;

	if (!size)
		return 0;
	kind = data[0] % FUZZ_SERVERS;
	memset(why, 0, sizeof(why));

	copy = fuzz_copy(data + 1, size - 1);
	if (kind == FUZZ_REQUEST)
		get_requests(copy, size - 1);
	else if (kind >= FUZZ_NAME)
		get_data(kind, copy, size - 1);
	else
		get_head(kind, copy, size - 1);
	free(copy);
	return 0;
}
