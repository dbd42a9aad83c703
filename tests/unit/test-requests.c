// SPDX-License-Identifier: GPL-2.0
/*
 * What the server makes of options and requests, and both codecs together.
 */
#include "transport-tcp/client/codec.h"
#include "transport-tcp/server/codec.h"

#include "../fuzz/fuzz.h"
#include "unit.h"

#define MIB	(1024 * 1024)

static char why[160];

/* ------------------------------------------------------------------ */
/* Options                                                            */

/* Which decoder a row is for; order of enum fuzz_server */
enum decoder { FLAGS, OPTION, NAME, INFO, LIST_META, SET_META };

static const struct option_row {
	const char *name;
	enum decoder decoder;
	const char *wire;	/* "4:7" is 7 in 4 bytes, 'text' is text */
	long long error;
	const char *result;	/* or part of the message */
} option_rows[] = {
	{ "no flags", FLAGS, "4:0", 0, "fixed 0 no_zeroes 0" },
	{ "both flags", FLAGS, "4:3", 0, "fixed 1 no_zeroes 1" },
	{ "unknown flags", FLAGS, "4:5", -EPROTO, "unknown flags 0x5" },
	{ "GO", OPTION, "8:0x49484156454f5054 4:7 4:100", 0, "7+100" },
	{ "unknown option", OPTION, "8:0x49484156454f5054 4:77 4:0", 0,
	  "77+0" },
	{ "longest option", OPTION, "8:0x49484156454f5054 4:7 4:1048576", 0,
	  "7+1048576" },
	{ "option too long", OPTION, "8:0x49484156454f5054 4:7 4:1048577",
	  -EPROTO, "GO (7) with 1048577 bytes" },
	{ "option without its magic", OPTION, "8:1 4:7 4:0", -EPROTO,
	  "magic 0x1" },
	{ "export name", NAME, "'vol0'", 0, "vol0" },
	{ "no export name", NAME, "", 0, "" },
	{ "longest export name", NAME, "*4096", 0, NULL },
	{ "export name too long", NAME, "*4097", -EPROTO, "4097 bytes" },
	{ "export name with a NUL", NAME, "'vol0' 1:0", -EPROTO, "5 bytes" },
	{ "info without wishes", INFO, "4:4 'vol0' 2:0", 0, "vol0 000" },
	{ "info with all wishes", INFO,
	  "4:4 'vol0' 2:5 2:3 2:0 2:1 2:2 2:999", 0, "vol0 111" },
	{ "info about the default export", INFO, "4:0 2:1 2:3", 0, " 001" },
	{ "longest name", INFO, "4:4096 *4096 2:0", 0, NULL },
	{ "name too long", INFO, "4:4097 *4097 2:0", NBD_REP_ERR_INVALID,
	  "export name" },
	{ "name with a NUL", INFO, "4:2 'a' 1:0 2:0", NBD_REP_ERR_INVALID,
	  "export name" },
	{ "empty option", INFO, "", NBD_REP_ERR_INVALID, "export name" },
	{ "length cut", INFO, "2:0", NBD_REP_ERR_INVALID, "export name" },
	{ "name longer than the option", INFO, "4:5 'vol0'",
	  NBD_REP_ERR_INVALID, "export name" },
	{ "absurd name length", INFO, "4:4294967295 'vol0' 2:0",
	  NBD_REP_ERR_INVALID, "export name" },
	{ "count missing", INFO, "4:4 'vol0'", NBD_REP_ERR_INVALID,
	  "information requests" },
	{ "fewer wishes than said", INFO, "4:0 2:2 2:3", NBD_REP_ERR_INVALID,
	  "information requests" },
	{ "more wishes than said", INFO, "4:0 2:1 2:3 2:3",
	  NBD_REP_ERR_INVALID, "information requests" },
	{ "half a wish", INFO, "4:0 2:1 1:3", NBD_REP_ERR_INVALID,
	  "information requests" },
	{ "set base:allocation", SET_META, "4:1 'a' 4:1 4:15 'base:allocation'",
	  0, "a 1 1" },
	{ "set some, ours among them", SET_META,
	  "4:1 'a' 4:3 4:3 'x-y' 4:15 'base:allocation' 4:0", 0, "a 3 1" },
	{ "set base:", SET_META, "4:1 'a' 4:1 4:5 'base:'", 0, "a 1 0" },
	{ "set something longer", SET_META,
	  "4:1 'a' 4:1 4:16 'base:allocation2'", 0, "a 1 0" },
	{ "set nothing", SET_META, "4:1 'a' 4:0", 0, "a 0 0" },
	{ "list all", LIST_META, "4:1 'a' 4:0", 0, "a 0 1" },
	{ "list base:", LIST_META, "4:1 'a' 4:1 4:5 'base:'", 0, "a 1 1" },
	{ "list qemu:", LIST_META, "4:1 'a' 4:1 4:5 'qemu:'", 0, "a 1 0" },
	{ "queries missing", SET_META, "4:1 'a'", NBD_REP_ERR_INVALID,
	  "number of queries" },
	{ "fewer queries than said", SET_META, "4:0 4:2 4:0",
	  NBD_REP_ERR_INVALID, "2 queries" },
	{ "absurd number of queries", SET_META, "4:0 4:4294967295 4:0",
	  NBD_REP_ERR_INVALID, "4294967295 queries" },
	{ "query longer than the option", SET_META, "4:0 4:1 4:6 'base:'",
	  NBD_REP_ERR_INVALID, "1 queries" },
	{ "query too long", SET_META, "4:0 4:1 4:4097 *4097",
	  NBD_REP_ERR_INVALID, "1 queries" },
	{ "more behind the queries", SET_META, "4:0 4:0 1:0",
	  NBD_REP_ERR_INVALID, "1 bytes behind" },
};

static const char *option_name(size_t row)
{
	return option_rows[row].name;
}

/* See struct option_row */
static struct bytes write_wire(const char *text)
{
	struct bytes b = { NULL, 0 };
	unsigned long long value;
	char *end;
	int size;

	while (*text) {
		if (*text == '\'') {
			for (text++; *text != '\''; text++)
				put8(&b, *text);
			text++;
		} else if (*text == '*') {
			for (value = strtoull(text + 1, &end, 10); value;
			     value--)
				put8(&b, 'n');
			text = end;
		} else {
			size = strtol(text, &end, 10);
			value = strtoull(end + 1, &end, 0);
			while (size--)
				put8(&b, value >> 8 * size);
			text = end;
		}
		text += strspn(text, " ");
	}
	return b;
}

static void print_meta(const struct nbd_export_request *req, char *text,
		       size_t size)
{
	snprintf(text, size, "%.*s %u %d", (int)req->name_len, req->name,
		 req->queries, req->allocation);
}

static long long decode(enum decoder decoder, const struct bytes *b,
			char *text, size_t size)
{
	struct nbd_export_request req;
	struct nbd_option opt;
	bool fixed, no_zeroes;
	long long err;

	switch (decoder) {
	case FLAGS:
		err = nbd_get_client_flags(b->at, &fixed, &no_zeroes, why,
					   sizeof(why));
		if (!err)
			snprintf(text, size, "fixed %d no_zeroes %d", fixed,
				 no_zeroes);
		return err;
	case OPTION:
		err = nbd_get_option(b->at, &opt, why, sizeof(why));
		snprintf(text, size, "%u+%u", opt.id, opt.len);
		return err;
	case NAME:
		err = nbd_get_export_name(b->at, b->len, &req, why,
					  sizeof(why));
		if (!err)
			snprintf(text, size, "%.*s", (int)req.name_len,
				 req.name);
		return err;
	case INFO:
		err = nbd_get_info(b->at, b->len, &req, why, sizeof(why));
		if (!err)
			snprintf(text, size, "%.*s %d%d%d", (int)req.name_len,
				 req.name, req.want_name, req.want_description,
				 req.want_block_size);
		return err;
	default:
		err = nbd_get_meta(decoder == SET_META ?
				   NBD_OPT_SET_META_CONTEXT :
				   NBD_OPT_LIST_META_CONTEXT, b->at, b->len,
				   &req, why, sizeof(why));
		if (!err)
			print_meta(&req, text, size);
		return err;
	}
}

static void run_option(size_t row)
{
	const struct option_row *r = &option_rows[row];
	struct bytes b = write_wire(r->wire);
	char text[8192];

	check_int("error", decode(r->decoder, &b, text, sizeof(text)),
		  r->error);
	if (r->error)
		check_why(why, r->result);
	else if (r->result)
		check_text("result", text, r->result);

	/* Any part of it is read without reading behind it. */
	while (r->decoder >= NAME && b.len) {
		struct bytes part = { NULL, 0 };

		b.len -= b.len > 64 ? 61 : 1;
		put(&part, b.at, b.len);
		decode(r->decoder, &part, text, sizeof(text));
		release(&part);
	}
	release(&b);
}

static void seed_option(size_t row, struct bytes *b)
{
	struct bytes wire = write_wire(option_rows[row].wire);

	put8(b, FUZZ_FLAGS + option_rows[row].decoder);
	put(b, wire.at, wire.len);
	release(&wire);
}

const struct unit_suite option_suite = {
	"server options", ARRAY_SIZE(option_rows), option_name, run_option,
	"server", seed_option,
};

/* ------------------------------------------------------------------ */
/* Requests                                                           */

enum {
	RO = NBD_FLAG_HAS_FLAGS | NBD_FLAG_READ_ONLY | NBD_FLAG_SEND_FLUSH,
	BARE = NBD_FLAG_HAS_FLAGS,
	ALL = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |
		NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES |
		NBD_FLAG_SEND_DF | NBD_FLAG_SEND_CACHE |
		NBD_FLAG_SEND_FAST_ZERO,
	/* in the flags of a row: no context was selected */
	NO_CONTEXT = 1 << 15,
};

#define COMPACT		NBD_HEADERS_STRUCTURED
#define EXTENDED	NBD_HEADERS_EXTENDED
#define EXPORT_SIZE	(100ULL * MIB)
#define MAX_PAYLOAD	(32u * MIB)

static const struct request_row {
	const char *name;
	enum nbd_header_style headers;
	unsigned int export_flags;
	u16 flags;
	u16 cmd;
	u64 offset;
	u64 length;
	u32 error;
	u32 payload;
	const char *why;
} request_rows[] = {
	{ "read", COMPACT, BARE, 0, NBD_CMD_READ, 0, 1, 0, 0, NULL },
	{ "read to the end", COMPACT, BARE, 0, NBD_CMD_READ, EXPORT_SIZE - 512,
	  512, 0, 0, NULL },
	{ "read, the most", COMPACT, BARE, 0, NBD_CMD_READ, 0, MAX_PAYLOAD, 0,
	  0, NULL },
	{ "read too much", COMPACT, BARE, 0, NBD_CMD_READ, 0, MAX_PAYLOAD + 1,
	  NBD_EINVAL, 0, "33554433 bytes, 33554432 are allowed" },
	{ "read too much in one piece", COMPACT, ALL, NBD_CMD_FLAG_DF,
	  NBD_CMD_READ, 0, MAX_PAYLOAD + 1, NBD_EOVERFLOW, 0, "allowed" },
	{ "read past the end", COMPACT, BARE, 0, NBD_CMD_READ, EXPORT_SIZE - 1,
	  2, NBD_EINVAL, 0, "READ of 2 bytes at 104857599, past the end" },
	{ "read behind the end", COMPACT, BARE, 0, NBD_CMD_READ, EXPORT_SIZE,
	  1, NBD_EINVAL, 0, "past the end" },
	{ "read, offset wraps", COMPACT, BARE, 0, NBD_CMD_READ, ~0ULL, 512,
	  NBD_EINVAL, 0, "past the end" },
	{ "read nothing", COMPACT, BARE, 0, NBD_CMD_READ, 0, 0, NBD_EINVAL, 0,
	  "READ of no length" },
	{ "read without DF offered", COMPACT, BARE, NBD_CMD_FLAG_DF,
	  NBD_CMD_READ, 0, 1, NBD_EINVAL, 0, "flags 0x4, of which 0x0" },
	{ "read with FUA", COMPACT, ALL, NBD_CMD_FLAG_FUA, NBD_CMD_READ, 0, 1,
	  0, 0, NULL },
	{ "read without FUA offered", COMPACT, BARE, NBD_CMD_FLAG_FUA,
	  NBD_CMD_READ, 0, 1, NBD_EINVAL, 0, "flags 0x1" },
	{ "read with NO_HOLE", COMPACT, ALL, NBD_CMD_FLAG_NO_HOLE,
	  NBD_CMD_READ, 0, 1, NBD_EINVAL, 0, "flags 0x2, of which 0x5" },
	{ "write", COMPACT, BARE, 0, NBD_CMD_WRITE, 512, 512, 0, 512, NULL },
	{ "write with FUA", COMPACT, ALL, NBD_CMD_FLAG_FUA, NBD_CMD_WRITE, 0,
	  512, 0, 512, NULL },
	{ "write to a read-only export", COMPACT, RO, 0, NBD_CMD_WRITE, 0, 512,
	  NBD_EPERM, 512, "WRITE on a read-only export" },
	{ "write past the end", COMPACT, BARE, 0, NBD_CMD_WRITE, EXPORT_SIZE,
	  512, NBD_ENOSPC, 512, "past the end" },
	{ "write too much", COMPACT, BARE, 0, NBD_CMD_WRITE, 0,
	  MAX_PAYLOAD + 1, NBD_EINVAL, MAX_PAYLOAD + 1, "are allowed" },
	{ "write 4 GiB", COMPACT, BARE, 0, NBD_CMD_WRITE, 0, 0xffffffff,
	  NBD_ENOSPC, 0xffffffff, "past the end" },
	{ "write nothing", COMPACT, BARE, 0, NBD_CMD_WRITE, 0, 0, NBD_EINVAL,
	  0, "no length" },
	{ "write with PAYLOAD_LEN", COMPACT, ALL, NBD_CMD_FLAG_PAYLOAD_LEN,
	  NBD_CMD_WRITE, 0, 512, NBD_EINVAL, 512, "flags 0x20" },
	{ "disconnect", COMPACT, BARE, 0, NBD_CMD_DISC, 0, 0, 0, 0, NULL },
	{ "disconnect with a range", COMPACT, BARE, 0, NBD_CMD_DISC, 1, 1,
	  0, 0, NULL },
	{ "disconnect with flags", COMPACT, ALL, NBD_CMD_FLAG_DF, NBD_CMD_DISC,
	  0, 0, 0, 0, NULL },
	{ "flush", COMPACT, ALL, 0, NBD_CMD_FLUSH, 0, 0, 0, 0, NULL },
	{ "flush a read-only export", COMPACT, RO, 0, NBD_CMD_FLUSH, 0, 0, 0,
	  0, NULL },
	{ "flush not offered", COMPACT, BARE, 0, NBD_CMD_FLUSH, 0, 0,
	  NBD_EINVAL, 0, "FLUSH was not offered" },
	{ "flush with a range", COMPACT, ALL, 0, NBD_CMD_FLUSH, 0, 512,
	  NBD_EINVAL, 0, "FLUSH with a range" },
	{ "trim, more than a payload", COMPACT, ALL, 0, NBD_CMD_TRIM, 0,
	  EXPORT_SIZE, 0, 0, NULL },
	{ "trim not offered", COMPACT, BARE, 0, NBD_CMD_TRIM, 0, 512,
	  NBD_EINVAL, 0, "TRIM was not offered" },
	{ "trim past the end", COMPACT, ALL, 0, NBD_CMD_TRIM, 512, EXPORT_SIZE,
	  NBD_EINVAL, 0, "past the end" },
	{ "trim a read-only export", COMPACT, ALL | NBD_FLAG_READ_ONLY, 0,
	  NBD_CMD_TRIM, 0, 512, NBD_EPERM, 0, "read-only" },
	{ "zero", COMPACT, ALL, NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO |
	  NBD_CMD_FLAG_FUA, NBD_CMD_WRITE_ZEROES, 0, EXPORT_SIZE, 0, 0, NULL },
	{ "zero not offered", COMPACT, BARE, 0, NBD_CMD_WRITE_ZEROES, 0, 512,
	  NBD_EINVAL, 0, "not offered" },
	{ "zero past the end", COMPACT, ALL, 0, NBD_CMD_WRITE_ZEROES, 1,
	  EXPORT_SIZE, NBD_ENOSPC, 0, "past the end" },
	{ "fast zero not offered", COMPACT, ALL & ~NBD_FLAG_SEND_FAST_ZERO,
	  NBD_CMD_FLAG_FAST_ZERO, NBD_CMD_WRITE_ZEROES, 0, 512, NBD_EINVAL, 0,
	  "flags 0x10" },
	{ "zero a read-only export", COMPACT, ALL | NBD_FLAG_READ_ONLY, 0,
	  NBD_CMD_WRITE_ZEROES, 0, 512, NBD_EPERM, 0, "read-only" },
	{ "cache", COMPACT, ALL, 0, NBD_CMD_CACHE, 0, EXPORT_SIZE, 0, 0,
	  NULL },
	{ "cache not offered", COMPACT, BARE, 0, NBD_CMD_CACHE, 0, 512,
	  NBD_EINVAL, 0, "not offered" },
	{ "block status", COMPACT, BARE, NBD_CMD_FLAG_REQ_ONE,
	  NBD_CMD_BLOCK_STATUS, 0, EXPORT_SIZE, 0, 0, NULL },
	{ "block status without a context", COMPACT, BARE | NO_CONTEXT, 0,
	  NBD_CMD_BLOCK_STATUS, 0, 512, NBD_EINVAL, 0, "not offered" },
	{ "block status of nothing", COMPACT, BARE, 0, NBD_CMD_BLOCK_STATUS, 0,
	  0, NBD_EINVAL, 0, "no length" },
	{ "resize", COMPACT, ALL, 0, NBD_CMD_RESIZE, 0, 512, NBD_EINVAL, 0,
	  "unknown command 8" },
	{ "watch", COMPACT, BARE, 0, NBD_CMD_UNBD_WATCH, ~0ULL, 0, 0, 0,
	  NULL },
	{ "watch with a range", EXTENDED, ALL, 0, NBD_CMD_UNBD_WATCH, 0, 512,
	  NBD_EINVAL, 0, "UNBD_WATCH with flags 0x0 of 512 bytes" },
	{ "watch with a flag", COMPACT, ALL, NBD_CMD_FLAG_FUA,
	  NBD_CMD_UNBD_WATCH, 0, 0, NBD_EINVAL, 0, "flags 0x1 of 0 bytes" },
	{ "unknown command", COMPACT, ALL, 0, 0xffff, 0, 512, NBD_EINVAL, 0,
	  "unknown command 65535" },
	{ "unknown flag", COMPACT, ALL, 0x8000, NBD_CMD_READ, 0, 512,
	  NBD_EINVAL, 0, "flags 0x8000" },
	{ "extended read", EXTENDED, ALL, 0, NBD_CMD_READ, 0, 512, 0, 0,
	  NULL },
	{ "extended read beyond 32 bits", EXTENDED, ALL, 0, NBD_CMD_READ, 0,
	  1ULL << 32, NBD_EINVAL, 0, "past the end" },
	{ "extended write", EXTENDED, ALL, NBD_CMD_FLAG_PAYLOAD_LEN,
	  NBD_CMD_WRITE, 0, 512, 0, 512, NULL },
	{ "extended write without a payload", EXTENDED, ALL, 0, NBD_CMD_WRITE,
	  0, 512, NBD_EINVAL, 0, "without a payload" },
	{ "extended read with a payload", EXTENDED, ALL,
	  NBD_CMD_FLAG_PAYLOAD_LEN, NBD_CMD_READ, 0, 512, NBD_EINVAL, 512,
	  "flags 0x20" },
	{ "extended unknown command with a payload", EXTENDED, ALL,
	  NBD_CMD_FLAG_PAYLOAD_LEN, 99, 0, 512, NBD_EINVAL, 512,
	  "unknown command 99" },
	{ "extended trim", EXTENDED, ALL, 0, NBD_CMD_TRIM, 0, EXPORT_SIZE, 0,
	  0, NULL },
	{ "extended trim, length wraps", EXTENDED, ALL, 0, NBD_CMD_TRIM, 512,
	  ~0ULL, NBD_EINVAL, 0, "past the end" },
};

static const char *request_name(size_t row)
{
	return request_rows[row].name;
}

static struct bytes write_request(const struct request_row *r)
{
	struct bytes b = { NULL, 0 };
	bool extended = r->headers == NBD_HEADERS_EXTENDED;

	put32(&b, extended ? NBD_EXTENDED_REQUEST_MAGIC : NBD_REQUEST_MAGIC);
	put16(&b, r->flags);
	put16(&b, r->cmd);
	put64(&b, 0x1122334455667788ULL);
	put64(&b, r->offset);
	if (extended)
		put64(&b, r->length);
	else
		put32(&b, r->length);
	return b;
}

static struct nbd_session_params params(const struct request_row *r)
{
	return (struct nbd_session_params){
		.size = EXPORT_SIZE,
		.flags = r->export_flags & ~NO_CONTEXT,
		.headers = r->headers,
		.allocation = !(r->export_flags & NO_CONTEXT),
		.max_payload = MAX_PAYLOAD,
	};
}

/* Any other first four bytes end the connection. */
static void check_magic(struct bytes *b, const struct nbd_session_params *s)
{
	struct nbd_request req;
	int i;

	for (i = 0; i < 4; i++) {
		b->at[i] ^= 1;
		check_int("verdict on a wrong magic",
			  nbd_get_request(b->at, s, &req, why, sizeof(why)),
			  NBD_REQUEST_FATAL);
		check_why(why, "request with magic 0x");
		b->at[i] ^= 1;
	}
}

/* Whatever bytes come, what is accepted is inside the export. */
static void check_changed(struct bytes *b, const struct nbd_session_params *s)
{
	struct nbd_request req;
	size_t bit;

	for (bit = 0; bit < b->len * 8; bit++) {
		b->at[bit / 8] ^= 1 << bit % 8;
		if (!nbd_get_request(b->at, s, &req, why, sizeof(why)) &&
		    req.cmd != NBD_CMD_UNBD_WATCH)
			check(req.offset <= s->size &&
			      req.length <= s->size - req.offset &&
			      req.payload <= s->max_payload,
			      "bit %zu: %llu at %llu", bit, req.length,
			      req.offset);
		b->at[bit / 8] ^= 1 << bit % 8;
	}
}

static void run_request(size_t row)
{
	const struct request_row *r = &request_rows[row];
	struct nbd_session_params s = params(r);
	struct bytes b = write_request(r);
	struct nbd_request req;

	check_int("size", b.len, nbd_request_size(r->headers));
	memset(&req, 0xaa, sizeof(req));
	check_int("verdict", nbd_get_request(b.at, &s, &req, why, sizeof(why)),
		  r->error ? NBD_REQUEST_REFUSED : NBD_REQUEST_OK);
	check_int("error", req.error, r->error);
	check_int("payload", req.payload, r->payload);
	check_int("command", req.cmd, r->cmd);
	check_int("cookie", req.cookie, 0x1122334455667788ULL);
	if (r->error)
		check_why(why, r->why);
	if (r->cmd == NBD_CMD_DISC) {
		check(!req.flags && !req.offset && !req.length,
		      "a DISC with something in it");
	} else {
		check_int("flags", req.flags,
			  r->flags & ~NBD_CMD_FLAG_PAYLOAD_LEN);
	}
	if (!r->error && r->cmd != NBD_CMD_DISC) {
		check_int("offset", req.offset, r->offset);
		check_int("length", req.length, r->length);
	}
	check_magic(&b, &s);
	check_changed(&b, &s);
	release(&b);
}

static void seed_request(size_t row, struct bytes *b)
{
	struct bytes wire = write_request(&request_rows[row]);

	put8(b, FUZZ_REQUEST);
	put8(b, request_rows[row].headers);
	put16(b, request_rows[row].export_flags);
	put(b, wire.at, wire.len);
	release(&wire);
}

const struct unit_suite request_suite = {
	"server requests", ARRAY_SIZE(request_rows), request_name,
	run_request, "server", seed_request,
};

/* ------------------------------------------------------------------ */
/* Both ends                                                          */

/* What the client asks and how the server answers */
enum answer { SUCCESS, REFUSAL, DATA, DATA_AND_HOLE, HOLE };

static const struct pair_row {
	const char *name;
	u16 cmd;
	enum answer answer;
} pair_rows[] = {
	{ "write", NBD_CMD_WRITE, SUCCESS },
	{ "write fails", NBD_CMD_WRITE, REFUSAL },
	{ "flush", NBD_CMD_FLUSH, SUCCESS },
	{ "trim", NBD_CMD_TRIM, SUCCESS },
	{ "zero fails", NBD_CMD_WRITE_ZEROES, REFUSAL },
	{ "read", NBD_CMD_READ, DATA },
	{ "read fails", NBD_CMD_READ, REFUSAL },
	{ "read data and a hole", NBD_CMD_READ, DATA_AND_HOLE },
	{ "read a hole", NBD_CMD_READ, HOLE },
};

static const char *pair_name(size_t row)
{
	return pair_rows[row].name;
}

#define READ_LENGTH	1024

static struct nbd_inflight *lookup_one(void *ctx, u64 cookie)
{
	return cookie == 42 ? ctx : NULL;
}

static void answer(const struct pair_row *r, enum nbd_header_style headers,
		   const struct nbd_request *req, struct bytes *b)
{
	bool chunks = headers != NBD_HEADERS_SIMPLE;
	bool hole = chunks && r->answer >= DATA_AND_HOLE;
	u32 len = hole ? READ_LENGTH / 2 : READ_LENGTH;
	u8 head[NBD_REPLY_HEAD_MAX];

	if (r->answer <= REFUSAL) {
		put(b, head, nbd_put_reply(head, headers, req,
					   r->answer == REFUSAL ? NBD_EIO :
					   0));
		return;
	}
	if (hole && r->answer == HOLE) {
		put(b, head, nbd_put_hole(head, headers, req, req->offset,
					  READ_LENGTH, true));
		return;
	}
	put(b, head, nbd_put_data(head, headers, req, req->offset, len,
				  !hole));
	put_zeroes(b, len);
	if (hole)
		put(b, head, nbd_put_hole(head, headers, req,
					  req->offset + len,
					  READ_LENGTH - len, true));
}

static void hear_answer(const struct pair_row *r,
			enum nbd_header_style headers,
			struct nbd_inflight *req, const struct bytes *b)
{
	struct nbd_reply_parser p;
	enum nbd_reply_action action;
	size_t pos = 0;

	nbd_reply_parser_init(&p, headers, lookup_one, req, why, sizeof(why));
	for (;;) {
		action = nbd_reply_next(&p);
		check(action != NBD_REPLY_FATAL, "fatal: %s", why);
		if (action == NBD_REPLY_DONE)
			break;
		if (action == NBD_REPLY_ZERO)
			continue;
		check(p.len <= b->len - pos, "answer too short");
		if (action == NBD_REPLY_HEADER)
			memcpy(p.buf, b->at + pos, p.len);
		pos += p.len;
	}
	check_int("bytes used", pos, b->len);
	check_int("error", nbd_error_to_errno(req->error),
		  r->answer == REFUSAL ? -EIO : 0);
	if (r->cmd == NBD_CMD_READ && r->answer != REFUSAL)
		check_int("received", req->received, READ_LENGTH);
}

static void run_both(const struct pair_row *r, enum nbd_header_style headers)
{
	struct nbd_session_params s = {
		.size = EXPORT_SIZE, .flags = ALL, .headers = headers,
		.allocation = true, .max_payload = MAX_PAYLOAD,
	};
	bool flush = r->cmd == NBD_CMD_FLUSH;
	u64 offset = flush ? 0 : MIB + 1;
	u32 length = flush ? 0 : READ_LENGTH;
	u8 wire[NBD_REQUEST_HEADER_MAX];
	struct bytes b = { NULL, 0 };
	struct nbd_inflight inflight;
	struct nbd_request req;

	check_int("header", nbd_put_request(wire, headers, r->cmd,
					    NBD_CMD_FLAG_FUA, 42, offset,
					    length),
		  nbd_request_size(headers));
	check_int("verdict", nbd_get_request(wire, &s, &req, why, sizeof(why)),
		  NBD_REQUEST_OK);
	check_int("payload", req.payload, r->cmd == NBD_CMD_WRITE ? length : 0);
	check_int("offset", req.offset, offset);
	check_int("length", req.length, length);
	check_int("flags", req.flags, NBD_CMD_FLAG_FUA);

	nbd_inflight_init(&inflight, r->cmd, offset, length);
	answer(r, headers, &req, &b);
	hear_answer(r, headers, &inflight, &b);
	release(&b);
}

static void run_pair(size_t row)
{
	int headers;

	for (headers = 0; headers <= NBD_HEADERS_EXTENDED; headers++)
		run_both(&pair_rows[row], headers);
}

const struct unit_suite pair_suite = {
	"both codecs", ARRAY_SIZE(pair_rows), pair_name, run_pair,
};
