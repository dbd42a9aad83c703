/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the bytes a fuzzer invents are to be read. tests/unit writes its tables
 * in these forms for a start.
 */
#ifndef UNBD_FUZZ_H
#define UNBD_FUZZ_H

#include <linux/kernel.h>
#include <linux/types.h>

#include "transport-tcp/client/codec.h"

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
	FUZZ_RDMA_ADDRESS,
	FUZZ_SHM_CONNECTIONS,
	FUZZ_SHM_DEVICES,
	FUZZ_SHM_REMOVE,
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

/*
 * "rtrs": the first byte says which decoder the rest is for. In front of what
 * depends on the server's chunks is a byte that says how many and how large
 * they are, see rtrs.c. FUZZ_RTRS_REQUEST goes on with the offset of the
 * message in its chunk (16 bits, the upper one: at its end), how many bytes of
 * what follows lie before that offset, how many follow, these, and what the
 * client changes meanwhile.
 */
enum fuzz_rtrs {
	FUZZ_CONN_REQ,
	FUZZ_CONN_RSP,
	FUZZ_REJECT,
	FUZZ_INFO_REQ,
	FUZZ_INFO_RSP,
	FUZZ_IMM,
	FUZZ_RKEY_RSP,
	FUZZ_RTRS_REQUEST,
	FUZZ_RTRS,
};

/*
 * "rnbd": likewise. In front of an I/O message: 1 if it came as an RTRS read,
 * and how many bytes of data with it (32 bits).
 */
enum fuzz_rnbd {
	FUZZ_SESS_INFO,
	FUZZ_SESS_INFO_RSP,
	FUZZ_OPEN,
	FUZZ_OPEN_RSP,
	FUZZ_CLOSE,
	FUZZ_FENCE,
	FUZZ_FENCE_RSP,
	FUZZ_IO,
	FUZZ_RNBD,
};

/*
 * "muenblock": a request, what the server has: bytes of the buffer (64 bits), a
 * block as a power of two, the unit of offsets; and a response.
 */

/*
 * "channel": FUZZ_HOSTILE or an honest writer, number of slots, and steps. Of
 * a step bit 7 says that the other end is at work meanwhile: whenever memory
 * is looked at or written to, the next byte is a step of its own, and of that
 * bit 7 says that another one follows at once.
 */
enum fuzz_channel {
	FUZZ_NOTHING,
	FUZZ_GET,
	FUZZ_DRAIN,
	FUZZ_PUT,
	FUZZ_ACTIVATE,
	FUZZ_DEACTIVATE,
	FUZZ_MEDDLE,
	FUZZ_CHANNEL,
};

/*
 * "directory": FUZZ_HOSTILE or not, FUZZ_FRESH if nobody has begun with the
 * page, the memory's pages, and steps likewise.
 */
enum fuzz_directory {
	FUZZ_IDLE,
	FUZZ_FIND,
	FUZZ_GIVE_UP,
	FUZZ_BEGIN,
	FUZZ_FORGE,
	FUZZ_SPOIL,
	FUZZ_DIRECTORY,
};

#define FUZZ_HOSTILE	0x01
#define FUZZ_FRESH	0x02
#define FUZZ_MEANWHILE	0x80

/**
 * struct fuzz_input - what is left of the bytes
 * @at: the next one
 * @left: so many; zeroes follow them
 */
struct fuzz_input {
	const u8 *at;
	size_t left;
};

static inline void fuzz_take(struct fuzz_input *in, void *to, size_t len)
{
	size_t n = len < in->left ? len : in->left;

	memset(to, 0, len);
	if (!n)
		return;
	memcpy(to, in->at, n);
	in->at += n;
	in->left -= n;
}

static inline u8 fuzz_u8(struct fuzz_input *in)
{
	u8 value;

	fuzz_take(in, &value, sizeof(value));
	return value;
}

static inline u16 fuzz_u16(struct fuzz_input *in)
{
	u16 value;

	fuzz_take(in, &value, sizeof(value));
	return value;
}

static inline u32 fuzz_u32(struct fuzz_input *in)
{
	u32 value;

	fuzz_take(in, &value, sizeof(value));
	return value;
}

static inline u64 fuzz_u64(struct fuzz_input *in)
{
	u64 value;

	fuzz_take(in, &value, sizeof(value));
	return value;
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

/* In memory of just their size, for the address sanitizer */
static inline u8 *fuzz_copy(const void *data, size_t len)
{
	u8 *copy = malloc(len);

	must(copy);
	if (len)
		memcpy(copy, data, len);
	return copy;
}

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
