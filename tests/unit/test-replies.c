// SPDX-License-Identifier: GPL-2.0
/*
 * What the client makes of a server's replies.
 *
 * A case is a stream of bytes and what the parser asks its caller to do with
 * it, written down as words: "D1@0+512" 512 bytes of data for request 1 at its
 * start, "Z1@0+512" the same zeroed, "S9" 9 bytes thrown away, "1=0" request 1
 * is done with error 0, "!..." the connection is lost because of "...".
 */
#include "transport-tcp/client/codec.h"

#include "../fuzz/fuzz.h"
#include "unit.h"

#define REQUESTS	FUZZ_REQUESTS
#define LENGTH		FUZZ_LENGTH
#define COOKIE(n)	FUZZ_COOKIE(n)

#define offset_of	fuzz_offset

/* ------------------------------------------------------------------ */
/* Writing replies                                                    */

static struct bytes stream;
static enum nbd_header_style style;

static void simple(int n, u32 error)
{
	put32(&stream, NBD_SIMPLE_REPLY_MAGIC);
	put32(&stream, error);
	put64(&stream, COOKIE(n));
}

static void data(u32 len)
{
	while (len--)
		put8(&stream, 'd');
}

static void chunk(int n, u16 flags, u16 type, u64 len)
{
	bool extended = style == NBD_HEADERS_EXTENDED;

	put32(&stream, extended ? NBD_EXTENDED_REPLY_MAGIC :
	      NBD_STRUCTURED_REPLY_MAGIC);
	put16(&stream, flags);
	put16(&stream, type);
	put64(&stream, COOKIE(n));
	if (extended) {
		put64(&stream, offset_of(n));
		put64(&stream, len);
	} else {
		put32(&stream, len);
	}
}

static void chunk_data(int n, u16 flags, u32 pos, u32 len)
{
	chunk(n, flags, NBD_REPLY_TYPE_OFFSET_DATA, 8 + len);
	put64(&stream, offset_of(n) + pos);
	data(len);
}

static void chunk_hole(int n, u16 flags, u32 pos, u32 len)
{
	chunk(n, flags, NBD_REPLY_TYPE_OFFSET_HOLE, 12);
	put64(&stream, offset_of(n) + pos);
	put32(&stream, len);
}

static void chunk_none(int n)
{
	chunk(n, 1, NBD_REPLY_TYPE_NONE, 0);
}

static void chunk_error(int n, u16 flags, u16 type, u32 error,
			const char *text)
{
	u32 more = type == NBD_REPLY_TYPE_ERROR_OFFSET ? 8 : 0;

	chunk(n, flags, type, 6 + strlen(text) + more);
	put32(&stream, error);
	put16(&stream, strlen(text));
	put_text(&stream, text);
	put_zeroes(&stream, more);
}

/* ------------------------------------------------------------------ */
/* Streams                                                            */

static void simple_all(void)
{
	simple(3, 0);
	simple(1, 0);
	data(LENGTH);
	simple(4, 0);
	simple(2, 0);
	data(LENGTH);
}

static void simple_errors(void)
{
	simple(1, NBD_EIO);
	simple(2, 4711);
	simple(3, NBD_ENOSPC);
	simple(4, NBD_ESHUTDOWN);
}

static void simple_unknown_cookie(void)
{
	simple(5, 0);
}

static void simple_twice(void)
{
	simple(3, 0);
	simple(3, 0);
}

static void bad_magic(void)
{
	put32(&stream, NBD_REQUEST_MAGIC);
	put_zeroes(&stream, 12);
}

static void structured_in_order(void)
{
	chunk_data(1, 0, 0, 1024);
	chunk_hole(1, 0, 1024, 2048);
	chunk_data(1, 1, 3072, 1024);
}

static void structured_one_chunk(void)
{
	chunk_data(1, 1, 0, LENGTH);
}

static void structured_then_none(void)
{
	chunk_data(1, 0, 0, LENGTH);
	chunk_none(1);
}

static void structured_interleaved(void)
{
	chunk_data(1, 0, 0, 1024);
	chunk_hole(2, 0, 0, 1);
	chunk_none(3);
	chunk_data(2, 1, 1, LENGTH - 1);
	chunk_data(1, 1, 1024, LENGTH - 1024);
	chunk_none(4);
}

static void structured_backwards(void)
{
	chunk_data(1, 0, 2048, 2048);
	chunk_data(1, 1, 0, 2048);
}

static void structured_out_of_order_later(void)
{
	chunk_data(1, 0, 0, 512);
	chunk_hole(1, 0, 3584, 512);
	chunk_data(1, 1, 512, 3072);
}

static void structured_simple_for_others(void)
{
	simple(3, 0);
	simple(4, NBD_EIO);
	chunk_data(1, 1, 0, LENGTH);
}

static void read_error_simple(void)
{
	simple(1, NBD_EINVAL);
	chunk_data(2, 0, 0, 512);
	simple(2, NBD_EIO);
}

static void read_data_simple(void)
{
	simple(1, 0);
	data(LENGTH);
}

static void error_text(void)
{
	chunk_error(1, 1, NBD_REPLY_TYPE_ERROR, NBD_EIO, "bad disk");
}

static void error_no_text(void)
{
	chunk_error(3, 1, NBD_REPLY_TYPE_ERROR, NBD_ENOSPC, "");
}

static void error_offset(void)
{
	chunk_data(1, 0, 0, 512);
	chunk_error(1, 0, NBD_REPLY_TYPE_ERROR_OFFSET, NBD_EIO, "here");
	chunk_error(1, 1, NBD_REPLY_TYPE_ERROR_OFFSET, NBD_EPERM, "");
}

static void error_then_data(void)
{
	chunk_error(1, 0, NBD_REPLY_TYPE_ERROR, NBD_EIO, "");
	chunk_data(1, 0, 0, 512);
	chunk_none(1);
}

static void error_of_future(void)
{
	chunk(1, 1, NBD_REPLY_TYPE_ERROR_BIT | 77, 6 + 2 + 5);
	put32(&stream, NBD_ENOTSUP);
	put16(&stream, 2);
	put_text(&stream, "hi+more");
}

static void error_zero(void)
{
	chunk_error(1, 1, NBD_REPLY_TYPE_ERROR, 0, "");
}

static void error_text_wrong(void)
{
	chunk(1, 1, NBD_REPLY_TYPE_ERROR, 6 + 4);
	put32(&stream, NBD_EIO);
	put16(&stream, 5);
}

static void error_text_short(void)
{
	chunk(1, 1, NBD_REPLY_TYPE_ERROR, 6 + 4);
	put32(&stream, NBD_EIO);
	put16(&stream, 3);
}

static void error_too_short(void)
{
	chunk(1, 1, NBD_REPLY_TYPE_ERROR, 5);
}

static void error_too_long(void)
{
	chunk(1, 1, NBD_REPLY_TYPE_ERROR, 6 + 8 + NBD_MAX_STRING + 1);
}

static void error_endless(void)
{
	int i;

	for (i = 0; i < 65; i++)
		chunk_error(1, 0, NBD_REPLY_TYPE_ERROR, NBD_EIO, "");
}

static void short_read(void)
{
	chunk_data(1, 0, 0, 1024);
	chunk_none(1);
}

static void short_read_done(void)
{
	chunk_data(1, 1, 0, LENGTH - 1);
}

static void empty_read(void)
{
	chunk_none(1);
}

static void overlap(void)
{
	chunk_data(1, 0, 0, 1024);
	chunk_data(1, 1, 1023, LENGTH - 1024);
}

static void overlap_hole(void)
{
	chunk_data(1, 0, 0, 1024);
	chunk_hole(1, 1, 0, 1024);
}

static void more_than_asked(void)
{
	chunk_data(1, 0, 2048, 2048);
	chunk_data(1, 0, 0, 2048);
	chunk_data(1, 1, 0, 1);
}

static void same_half_twice(void)
{
	chunk_data(1, 0, 2048, 2048);
	chunk_data(1, 1, 2048, 2048);
}

static void before_request(void)
{
	chunk(1, 1, NBD_REPLY_TYPE_OFFSET_DATA, 8 + 512);
	put64(&stream, offset_of(1) - 1);
}

static void behind_request(void)
{
	chunk_data(1, 1, LENGTH, 1);
}

static void across_end(void)
{
	chunk_hole(1, 1, LENGTH - 511, 512);
}

static void offset_wraps(void)
{
	chunk(1, 1, NBD_REPLY_TYPE_OFFSET_HOLE, 12);
	put64(&stream, ~0ULL);
	put32(&stream, 512);
}

static void chunk_longer_than_request(void)
{
	chunk(1, 1, NBD_REPLY_TYPE_OFFSET_DATA, 8 + LENGTH + 1);
}

static void data_without_data(void)
{
	chunk(1, 1, NBD_REPLY_TYPE_OFFSET_DATA, 8);
}

static void hole_of_nothing(void)
{
	chunk_hole(1, 0, 0, 0);
}

static void hole_too_long(void)
{
	chunk(1, 1, NBD_REPLY_TYPE_OFFSET_HOLE, 13);
}

static void hole_huge(void)
{
	chunk_hole(1, 0, 0, 0xffffffff);
}

static void data_to_write(void)
{
	chunk_data(3, 1, 0, 512);
}

static void hole_to_flush(void)
{
	chunk(4, 1, NBD_REPLY_TYPE_OFFSET_HOLE, 12);
}

static void none_not_done(void)
{
	chunk(3, 0, NBD_REPLY_TYPE_NONE, 0);
}

static void none_with_payload(void)
{
	chunk(3, 1, NBD_REPLY_TYPE_NONE, 1);
}

static void block_status(void)
{
	chunk(1, 1, NBD_REPLY_TYPE_BLOCK_STATUS, 12);
}

static void unknown_type(void)
{
	chunk(1, 1, 99, 0);
}

static void unknown_flags(void)
{
	chunk_data(1, 3, 0, 4096);
}

static void unknown_cookie(void)
{
	chunk(9, 1, NBD_REPLY_TYPE_NONE, 0);
}

static void done_twice(void)
{
	chunk_none(3);
	chunk_none(3);
}

static void simple_reply(void)
{
	simple(3, 0);
	put_zeroes(&stream, 16);
}

static void structured_reply(void)
{
	put32(&stream, NBD_STRUCTURED_REPLY_MAGIC);
	put16(&stream, 1);
	put16(&stream, 0);
	put64(&stream, COOKIE(3));
	put_zeroes(&stream, 16);
}

static void extended_reply(void)
{
	put32(&stream, NBD_EXTENDED_REPLY_MAGIC);
	put_zeroes(&stream, 28);
}

static void wrong_echo(void)
{
	put32(&stream, NBD_EXTENDED_REPLY_MAGIC);
	put16(&stream, 1);
	put16(&stream, NBD_REPLY_TYPE_NONE);
	put64(&stream, COOKIE(3));
	put64(&stream, offset_of(3) + 1);
	put64(&stream, 0);
}

static void length_beyond_32_bits(void)
{
	chunk(1, 1, NBD_REPLY_TYPE_OFFSET_DATA, 0x100000000ULL + 8 + 512);
}

/* ------------------------------------------------------------------ */

enum {
	SIMPLE = 1 << NBD_HEADERS_SIMPLE,
	STRUCT = 1 << NBD_HEADERS_STRUCTURED,
	EXT = 1 << NBD_HEADERS_EXTENDED,
	CHUNKS = STRUCT | EXT,
};

static const struct row {
	const char *name;
	int styles;
	void (*write)(void);
	const char *wanted;
} rows[] = {
	{ "all commands", SIMPLE, simple_all,
	  "3=0 D1@0+4096 1=0 4=0 D2@0+4096 2=0" },
	{ "errors", SIMPLE, simple_errors, "1=5 2=4711 3=28 4=108" },
	{ "unknown cookie", SIMPLE, simple_unknown_cookie,
	  "!unknown cookie 0xc00c1e0000000005" },
	{ "one reply twice", SIMPLE, simple_twice, "3=0 !unknown cookie" },
	{ "wrong magic", SIMPLE | STRUCT, bad_magic, "!magic 0x25609513" },
	{ "wrong magic", EXT, extended_reply, "!cookie 0x0" },
	{ "one chunk", CHUNKS, structured_one_chunk, "D1@0+4096 1=0" },
	{ "data, hole, data", CHUNKS, structured_in_order,
	  "D1@0+1024 Z1@1024+2048 D1@3072+1024 1=0" },
	{ "data, then NONE", CHUNKS, structured_then_none, "D1@0+4096 1=0" },
	{ "interleaved replies", CHUNKS, structured_interleaved,
	  "D1@0+1024 Z2@0+1 3=0 D2@1+4095 2=0 D1@1024+3072 1=0 4=0" },
	{ "backwards", CHUNKS, structured_backwards,
	  "Z1@0+4096 D1@2048+2048 D1@0+2048 1=0" },
	{ "out of order later", CHUNKS, structured_out_of_order_later,
	  "D1@0+512 Z1@512+3584 Z1@3584+512 D1@512+3072 1=0" },
	{ "simple replies but to READ", STRUCT, structured_simple_for_others,
	  "3=0 4=5 D1@0+4096 1=0" },
	{ "simple error to READ, as of nbd-server", STRUCT, read_error_simple,
	  "1=22 D2@0+512 2=5" },
	{ "simple data to READ", STRUCT, read_data_simple, "!simple reply" },
	{ "error with text", CHUNKS, error_text, "S8 1=5" },
	{ "error without text", CHUNKS, error_no_text, "3=28" },
	{ "errors at offsets, the first counts", CHUNKS, error_offset,
	  "D1@0+512 S12 S8 1=5" },
	{ "error first, then some data", CHUNKS, error_then_data,
	  "D1@0+512 1=5" },
	{ "unknown kind of error", CHUNKS, error_of_future, "S7 1=95" },
	{ "error without an error", CHUNKS, error_zero, "1=22" },
	{ "error text longer than its chunk", CHUNKS, error_text_wrong,
	  "!error chunk of 10 bytes has 5 of text" },
	{ "error text shorter than its chunk", CHUNKS, error_text_short,
	  "!error chunk of 10 bytes has 3 of text" },
	{ "error too short", CHUNKS, error_too_short,
	  "!chunk of type 32769, 5 bytes" },
	{ "error too long", CHUNKS, error_too_long, "!chunk of type 32769" },
	{ "endless errors", CHUNKS, error_endless, "!more than 64 errors" },
	{ "short read", CHUNKS, short_read, "D1@0+1024 !1024 bytes of 4096" },
	{ "one byte short", CHUNKS, short_read_done,
	  "D1@0+4095 !4095 bytes of 4096" },
	{ "nothing read", CHUNKS, empty_read, "!0 bytes of 4096" },
	{ "overlap", CHUNKS, overlap, "D1@0+1024 !overlap" },
	{ "overlapping hole", CHUNKS, overlap_hole, "D1@0+1024 !overlap" },
	{ "more than asked for", CHUNKS, more_than_asked,
	  "Z1@0+4096 D1@2048+2048 D1@0+2048 !overlap" },
	{ "same half twice, no stale memory", CHUNKS, same_half_twice,
	  "Z1@0+4096 D1@2048+2048 D1@2048+2048 1=0" },
	{ "data before the request", CHUNKS, before_request,
	  "!512 bytes at 4294967295 answer a READ of 4096 at 4294967296" },
	{ "data behind the request", CHUNKS, behind_request, "!1 bytes at" },
	{ "data across its end", CHUNKS, across_end, "!512 bytes at" },
	{ "offset that wraps around", CHUNKS, offset_wraps,
	  "!512 bytes at 18446744073709551615" },
	{ "chunk longer than the request", CHUNKS, chunk_longer_than_request,
	  "!type 1, 4105 bytes, flags 0x1 answers READ of 4096" },
	{ "data chunk without data", CHUNKS, data_without_data,
	  "!type 1, 8 bytes" },
	{ "hole of nothing", CHUNKS, hole_of_nothing, "!empty hole" },
	{ "hole chunk too long", CHUNKS, hole_too_long, "!type 2, 13 bytes" },
	{ "hole of 4 GiB", CHUNKS, hole_huge, "!4294967295 bytes at" },
	{ "data to a WRITE", CHUNKS, data_to_write, "!answers WRITE" },
	{ "hole to a FLUSH", CHUNKS, hole_to_flush, "!answers FLUSH" },
	{ "NONE without DONE", CHUNKS, none_not_done, "!type 0, 0 bytes" },
	{ "NONE with a payload", CHUNKS, none_with_payload, "!type 0, 1 byte" },
	{ "BLOCK_STATUS to a READ", CHUNKS, block_status, "!type 5" },
	{ "unknown type", CHUNKS, unknown_type, "!type 99" },
	{ "unknown flags", CHUNKS, unknown_flags, "D1@0+4096 1=0" },
	{ "unknown cookie", CHUNKS, unknown_cookie, "!unknown cookie" },
	{ "done twice", CHUNKS, done_twice, "3=0 !unknown cookie" },
	{ "structured reply without agreement", SIMPLE, structured_reply,
	  "!magic 0x668e33ef" },
	{ "extended reply without agreement", SIMPLE | STRUCT, extended_reply,
	  "!magic 0x6e8a278c" },
	{ "simple reply", EXT, simple_reply, "!magic 0x67446698" },
	{ "structured reply", EXT, structured_reply, "!magic 0x668e33ef" },
	{ "echoes another offset", EXT, wrong_echo,
	  "!offset 12884901889 to a request at 12884901888" },
	{ "length beyond 32 bits", EXT, length_beyond_32_bits,
	  "!type 1, 4294967816 bytes" },
};

static const char *row_name(size_t row)
{
	return rows[row].name;
}

/* ------------------------------------------------------------------ */
/* The caller of the parser                                           */

/**
 * struct request - a request in flight
 * @in: what the parser knows of it
 * @pending: not yet done
 * @data: READ: where the data go
 */
struct request {
	struct nbd_inflight in;
	bool pending;
	u8 data[LENGTH];
};

/**
 * struct run - a parser at work
 * @p: the parser
 * @why: its message
 * @requests: in flight
 * @pos: bytes of the stream that are over
 * @log: what it asked for
 * @len: of @log
 */
struct run {
	struct nbd_reply_parser p;
	char why[160];
	struct request requests[REQUESTS];
	size_t pos;
	char log[4096];
	size_t len;
};

static struct nbd_inflight *lookup(void *ctx, u64 cookie)
{
	struct run *run = ctx;
	u64 n = cookie - COOKIE(1);

	if (n >= REQUESTS || !run->requests[n].pending)
		return NULL;
	return &run->requests[n].in;
}

static void note(struct run *run, const char *fmt, ...)
__printf(2, 3);

static void note(struct run *run, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	run->len += vsnprintf(run->log + run->len,
			      sizeof(run->log) - run->len, fmt, args);
	va_end(args);
	check(run->len < sizeof(run->log), "log is full");
}

static struct request *request_of(struct run *run)
{
	size_t n = run->p.cookie - COOKIE(1);

	check(n < REQUESTS && run->p.req == &run->requests[n].in,
	      "cookie and request do not fit");
	return &run->requests[n];
}

static u8 *target(struct run *run)
{
	struct request *req = request_of(run);

	check(req->pending && req->in.cmd == NBD_CMD_READ,
	      "data for something else than a READ");
	check(run->p.len && run->p.pos < LENGTH &&
	      run->p.len <= LENGTH - run->p.pos, "%u bytes at %u",
	      run->p.len, run->p.pos);
	return req->data + run->p.pos;
}

static void done(struct run *run)
{
	struct request *req = request_of(run);

	check(req->pending, "done twice");
	if (req->in.cmd == NBD_CMD_READ && !req->in.error)
		check(!memchr(req->data, 0xaa, LENGTH),
		      "stale memory handed out");
	req->pending = false;
}

/* One step; false at the end of the stream or of the connection. */
static bool step(struct run *run, size_t end)
{
	enum nbd_reply_action action = nbd_reply_next(&run->p);
	int n = run->p.cookie - COOKIE(0);
	bool stream_bytes = action == NBD_REPLY_HEADER ||
		action == NBD_REPLY_DATA || action == NBD_REPLY_SKIP;

	if (stream_bytes && run->p.len > end - run->pos)
		return false;
	switch (action) {
	case NBD_REPLY_HEADER:
		memcpy(run->p.buf, stream.at + run->pos, run->p.len);
		break;
	case NBD_REPLY_DATA:
		memcpy(target(run), stream.at + run->pos, run->p.len);
		note(run, "D%d@%u+%u ", n, run->p.pos, run->p.len);
		break;
	case NBD_REPLY_ZERO:
		memset(target(run), 0, run->p.len);
		note(run, "Z%d@%u+%u ", n, run->p.pos, run->p.len);
		break;
	case NBD_REPLY_SKIP:
		note(run, "S%u ", run->p.len);
		break;
	case NBD_REPLY_DONE:
		done(run);
		note(run, "%d=%u ", n, run->p.req->error);
		break;
	case NBD_REPLY_FATAL:
		note(run, "!");
		return false;
	}
	if (stream_bytes) {
		check(run->p.len, "step of no bytes");
		run->pos += run->p.len;
	}
	return true;
}

static struct run *play(size_t end)
{
	struct run *run = malloc(sizeof(*run));
	int n, steps = 0;

	memset(run, 0xaa, sizeof(*run));
	run->pos = 0;
	run->len = 0;
	*run->log = '\0';
	for (n = 1; n <= REQUESTS; n++) {
		fuzz_request(&run->requests[n - 1].in, n);
		run->requests[n - 1].pending = true;
	}
	nbd_reply_parser_init(&run->p, style, lookup, run, run->why,
			      sizeof(run->why));
	while (step(run, end))
		check(++steps < 10000, "parser does not end");
	return run;
}

/* The words of the log, and for "!" what the message has in it */
static void compare(struct run *run, const char *wanted)
{
	const char *fatal = strchr(wanted, '!');
	size_t len = fatal ? (size_t)(fatal - wanted) : strlen(wanted);
	size_t got;

	got = strcspn(run->log, "!");
	while (got > len && run->log[got - 1] == ' ')
		got--;
	check(got == len && !memcmp(run->log, wanted, len),
	      "\"%s\" and not \"%s\"", run->log, wanted);
	check(!fatal == !strchr(run->log, '!'), "\"%s\": %s", run->log,
	      fatal ? "not fatal" : run->why);
	if (!fatal) {
		check_int("bytes used", run->pos, stream.len);
		check(nbd_reply_idle(&run->p), "not between two replies");
		return;
	}
	check_why(run->why, fatal + 1);
	check_int("once fatal", nbd_reply_next(&run->p), NBD_REPLY_FATAL);
}

/* Wherever the stream ends or lies, memory stays whole; see done(). */
static void cut_and_change(void)
{
	size_t at, cuts = stream.len < 600 ? stream.len : 600;

	for (at = 0; at < cuts; at++) {
		free(play(at));
		stream.at[at] ^= 0x21;
		free(play(stream.len));
		stream.at[at] ^= 0x21;
	}
}

static void run_style(const struct row *r, enum nbd_header_style headers)
{
	struct run *run;

	style = headers;
	r->write();
	run = play(stream.len);
	compare(run, r->wanted);
	free(run);
	cut_and_change();
	release(&stream);
}

static void run(size_t row)
{
	int headers;

	for (headers = 0; headers <= NBD_HEADERS_EXTENDED; headers++)
		if (rows[row].styles & 1 << headers)
			run_style(&rows[row], headers);
}

/* In the best style it has; the fuzzer finds the others. */
static void seed(size_t row, struct bytes *b)
{
	style = NBD_HEADERS_EXTENDED;
	while (!(rows[row].styles & 1 << style))
		style--;
	put8(b, style);
	rows[row].write();
	put(b, stream.at, stream.len);
	release(&stream);
}

const struct unit_suite reply_suite = {
	"client replies", ARRAY_SIZE(rows), row_name, run, "replies", seed,
};
