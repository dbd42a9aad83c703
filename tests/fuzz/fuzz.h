/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the bytes a fuzzer invents are to be read. tests/unit writes its tables
 * in these forms for a start.
 */
#ifndef UNBD_FUZZ_H
#define UNBD_FUZZ_H

#include <linux/kernel.h>
#include <linux/types.h>

#include "transport-tcp/nbd-client-codec.h"

/* "lines": the first byte says what the rest is to be taken for. */
enum fuzz_line {
	FUZZ_MAP,
	FUZZ_PATH,
	FUZZ_UNMAP,
	FUZZ_RESIZE,
	FUZZ_POLICY,
	FUZZ_EXPORT,
	FUZZ_UNEXPORT,
	FUZZ_LISTEN,
	FUZZ_CIDR,
	FUZZ_ADDRESS,
	FUZZ_LINES,
};

/*
 * "server": likewise. Behind FUZZ_REQUEST come the header style, two bytes of
 * transmission flags (bit 15: no metadata context), and request headers.
 */
enum fuzz_server {
	FUZZ_FLAGS,
	FUZZ_OPTION,
	FUZZ_NAME,
	FUZZ_INFO,
	FUZZ_LIST_META,
	FUZZ_SET_META,
	FUZZ_REQUEST,
	FUZZ_SERVERS,
};

/*
 * "handshake" and "replies": the first byte is a header style, the rest what
 * the server says. These requests, 1 to 4, wait for replies; each is at
 * another place, so that offsets can be mixed up.
 */
#define FUZZ_REQUESTS	4
#define FUZZ_LENGTH	4096
#define FUZZ_COOKIE(n)	(0xc00c1e0000000000ULL | (n))

static inline u64 fuzz_offset(int n)
{
	return n < FUZZ_REQUESTS ? n * 0x100000000ULL : 0;
}

static inline void fuzz_request(struct nbd_inflight *req, int n)
{
	static const u16 commands[FUZZ_REQUESTS] = {
		NBD_CMD_READ, NBD_CMD_READ, NBD_CMD_WRITE, NBD_CMD_FLUSH,
	};
	u32 length = n < FUZZ_REQUESTS ? FUZZ_LENGTH : 0;

	nbd_inflight_init(req, commands[n - 1], fuzz_offset(n), length);
}

/* Stops the fuzzer, which then keeps the input. */
#define must(condition)							\
	do {								\
		if (!(condition)) {					\
			fprintf(stderr, "%s:%d: not %s\n", __FILE__,	\
				__LINE__, #condition);			\
			abort();					\
		}							\
	} while (0)

/* An error has a message, and a message is one line of a log. */
static inline void must_say_why(int error, const char *why, size_t size)
{
	size_t len = strnlen(why, size);

	must(error < 0 && error > -4096);
	must(len && len < size);
	must(!memchr(why, '\n', len) && !memchr(why, '\033', len));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#endif
