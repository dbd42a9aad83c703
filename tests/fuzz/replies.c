// SPDX-License-Identifier: GPL-2.0
/*
 * What servers reply to the client's requests.
 */
#include "fuzz.h"

#define UNTOUCHED	0xaa

/**
 * struct request - a request in flight
 * @in: what the parser knows of it
 * @pending: not yet done
 * @touched: READ: which bytes of its data were written
 */
struct request {
	struct nbd_inflight in;
	bool pending;
	u8 touched[FUZZ_LENGTH];
};

static struct request requests[FUZZ_REQUESTS];
static struct nbd_reply_parser p;
static char why[160];

static struct nbd_inflight *lookup(void *ctx, u64 cookie)
{
	u64 n = cookie - FUZZ_COOKIE(1);

	(void)ctx;
	return n < FUZZ_REQUESTS && requests[n].pending ? &requests[n].in :
		NULL;
}

static struct request *request_in_hand(void)
{
	struct request *req = &requests[p.cookie - FUZZ_COOKIE(1)];

	must(p.cookie - FUZZ_COOKIE(1) < FUZZ_REQUESTS);
	must(p.req == &req->in && req->pending);
	return req;
}

static void touch(void)
{
	struct request *req = request_in_hand();

	must(req->in.cmd == NBD_CMD_READ);
	must(p.len && p.pos < FUZZ_LENGTH && p.len <= FUZZ_LENGTH - p.pos);
	memset(req->touched + p.pos, 0, p.len);
}

/* Nothing that was not written to may be handed out. */
static void done(void)
{
	struct request *req = request_in_hand();

	if (req->in.cmd == NBD_CMD_READ && !req->in.error)
		must(!memchr(req->touched, UNTOUCHED, FUZZ_LENGTH));
	req->pending = false;
}

/* False when the stream or the connection has ended. */
static bool step(const u8 **data, size_t *size)
{
	enum nbd_reply_action action = nbd_reply_next(&p);

	switch (action) {
	case NBD_REPLY_FATAL:
		must_say_why(-1, why, sizeof(why));
		return false;
	case NBD_REPLY_DONE:
		done();
		return true;
	case NBD_REPLY_ZERO:
		touch();
		return true;
	case NBD_REPLY_HEADER:
		must(p.buf >= p.header &&
		     p.buf + p.len <= p.header + sizeof(p.header));
		break;
	case NBD_REPLY_DATA:
		touch();
		break;
	case NBD_REPLY_SKIP:
		break;
	}
	must(p.len);
	if (p.len > *size)
		return false;
	if (action == NBD_REPLY_HEADER)
		memcpy(p.buf, *data, p.len);
	*data += p.len;
	*size -= p.len;
	return true;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	int n, steps = 0;

	if (!size)
		return 0;
	for (n = 1; n <= FUZZ_REQUESTS; n++) {
		memset(&requests[n - 1], UNTOUCHED, sizeof(requests[n - 1]));
		fuzz_request(&requests[n - 1].in, n);
		requests[n - 1].pending = true;
	}
	nbd_reply_parser_init(&p, data[0] % (NBD_HEADERS_EXTENDED + 1), lookup,
			      NULL, why, sizeof(why));
	data++;
	size--;
	while (step(&data, &size))
		must(++steps < 100000);
	return 0;
}
