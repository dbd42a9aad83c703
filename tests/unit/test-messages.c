// SPDX-License-Identifier: GPL-2.0
/*
 * RTRS and RNBD: a good message of each kind, which one end puts and the other
 * one takes. Fuzzers start from these.
 */
#include "transport-rdma/client/rnbd-codec.h"
#include "transport-rdma/client/rtrs-codec.h"
#include "transport-rdma/server/rnbd-codec.h"
#include "transport-rdma/server/rtrs-codec.h"

#include "../fuzz/fuzz.h"
#include "unit.h"

#define SECTORS	8
#define BYTES	(SECTORS * 512)
#define USER	sizeof(struct rnbd_msg_io)

/**
 * struct message_row - a message
 * @name: of it
 * @kind: enum fuzz_rtrs or enum fuzz_rnbd
 * @head: what fuzz.h wants in front
 * @head_len: bytes of it
 * @put: appends the message
 * @get: gets exactly that
 */
struct message_row {
	const char *name;
	u8 kind;
	u8 head[5];
	size_t head_len;
	void (*put)(struct bytes *b);
	int (*get)(const u8 *at, size_t len);
};

static char why[UNBD_WHY_LEN];

static void run_row(const struct message_row *r)
{
	struct bytes b = {};

	r->put(&b);
	check(!r->get(b.at, b.len), "refused: %s", why);
	release(&b);
}

static void seed_row(const struct message_row *r, struct bytes *b)
{
	put8(b, r->kind);
	put(b, r->head, r->head_len);
	r->put(b);
}

/* ------------------------------------------------------------------ */
/* RTRS                                                               */

/* The first choice of the fuzzer */
static struct rtrs_pool a_pool(void)
{
	struct rtrs_pool pool;

	check_int("pool", unbd_rtrs_pool_init(&pool, 4, 4096, 4096, false, why,
					      sizeof(why)), 0);
	return pool;
}

static void put_conn_req(struct bytes *b)
{
	struct rtrs_conn_params p = { .cid = 1, .cid_num = 3, .recon_cnt = 1 };
	struct rtrs_msg_conn_req msg;

	rtrs_put_conn_req(&msg, &p);
	put(b, &msg, sizeof(msg));
}

static int get_conn_req(const u8 *at, size_t len)
{
	struct rtrs_conn_params p;

	return rtrs_get_conn_req(at, len, &p, why, sizeof(why));
}

static void put_conn_rsp(struct bytes *b)
{
	struct rtrs_pool pool = a_pool();
	struct rtrs_msg_conn_rsp msg;

	rtrs_put_conn_rsp(&msg, &pool);
	put(b, &msg, sizeof(msg));
}

static int get_conn_rsp(const u8 *at, size_t len)
{
	struct rtrs_pool pool;

	return rtrs_get_conn_rsp(at, len, &pool, why, sizeof(why));
}

static void put_reject(struct bytes *b)
{
	struct rtrs_msg_conn_rsp msg;

	rtrs_put_reject(&msg, -EBUSY);
	put(b, &msg, sizeof(msg));
}

static int get_reject(const u8 *at, size_t len)
{
	return rtrs_get_reject(at, len, why, sizeof(why)) + EBUSY;
}

/* With the longest name there can be */
static void put_info_req(struct bytes *b)
{
	char name[RTRS_PATHNAME_LEN] = "";
	struct rtrs_msg_info_req msg;

	memset(name, 'x', sizeof(name) - 1);
	check_int("put", rtrs_put_info_req(&msg, name), 0);
	put(b, &msg, sizeof(msg));
}

static int get_info_req(const u8 *at, size_t len)
{
	char name[RTRS_PATHNAME_LEN];

	return rtrs_get_info_req(at, len, name, why, sizeof(why));
}

static void put_info_rsp(struct bytes *b)
{
	struct rtrs_pool pool = a_pool();
	struct rtrs_msg_info_rsp msg;
	struct rtrs_sg_desc desc[2];

	rtrs_put_info_rsp(&msg, ARRAY_SIZE(desc));
	rtrs_put_desc(&desc[0], 0x10000, 1, 3 * pool.chunk_size);
	rtrs_put_desc(&desc[1], 0x80000, 2, pool.chunk_size);
	put(b, &msg, sizeof(msg));
	put(b, desc, sizeof(desc));
}

static int get_info_rsp(const u8 *at, size_t len)
{
	struct rtrs_pool pool = a_pool();
	struct rtrs_chunk chunks[4];

	return rtrs_get_info_rsp(at, len, &pool, chunks, why, sizeof(why));
}

static void put_imm(struct bytes *b, u32 value)
{
	put(b, &value, sizeof(value));
}

static void put_imm_req(struct bytes *b)
{
	struct rtrs_pool pool = a_pool();

	put_imm(b, rtrs_imm_io_req(&pool, 3, BYTES));
}

static void put_imm_rsp(struct bytes *b)
{
	put_imm(b, rtrs_imm_io_rsp(3, -EIO, true));
}

static void put_imm_hb(struct bytes *b)
{
	put_imm(b, rtrs_imm_hb(true, 7));
}

static int get_imm(const u8 *at, size_t len)
{
	struct rtrs_pool pool = a_pool();
	struct rtrs_imm imm;
	u32 value;

	check_int("bytes", len, sizeof(value));
	memcpy(&value, at, sizeof(value));
	return unbd_rtrs_get_imm(value, &pool, &imm, why, sizeof(why));
}

static void put_rkey_rsp(struct bytes *b)
{
	struct rtrs_msg_rkey_rsp msg;

	rtrs_put_rkey_rsp(&msg, 3, 0xcafe);
	put(b, &msg, sizeof(msg));
}

static int get_rkey_rsp(const u8 *at, size_t len)
{
	u32 rkey;

	return rtrs_get_rkey_rsp(at, len, 3, &rkey, why, sizeof(why));
}

/* A user header with what is behind it, from @BYTES of data on */
static void put_request(struct bytes *b, enum rnbd_op op)
{
	struct rnbd_io io = { .op = op, .bytes = BYTES };
	u8 behind[RTRS_READ_LEN(1)];
	struct rnbd_msg_io msg;

	rnbd_put_io(&msg, &io);
	put(b, &msg, sizeof(msg));
	put(b, behind, op == RNBD_OP_READ ?
	    rtrs_put_read(behind, USER, BYTES, 0x10000, 1) :
	    rtrs_put_write(behind, USER));
}

static void put_read(struct bytes *b)
{
	put_request(b, RNBD_OP_READ);
}

static void put_write(struct bytes *b)
{
	put_request(b, RNBD_OP_WRITE);
}

static int get_request(const u8 *at, size_t len)
{
	struct rtrs_pool pool = a_pool();
	u8 *chunk = calloc(1, pool.chunk_size);
	struct rtrs_request req;
	int err;

	memcpy(chunk + BYTES, at, len);
	err = rtrs_get_request(chunk, &pool, BYTES + USER, &req, why,
			       sizeof(why));
	free(chunk);
	return err;
}

static const struct message_row rtrs_rows[] = {
	{ "connection request", FUZZ_CONN_REQ, {}, 0, put_conn_req,
	  get_conn_req },
	{ "accept", FUZZ_CONN_RSP, {}, 0, put_conn_rsp, get_conn_rsp },
	{ "reject", FUZZ_REJECT, {}, 0, put_reject, get_reject },
	{ "INFO_REQ", FUZZ_INFO_REQ, {}, 0, put_info_req, get_info_req },
	{ "INFO_RSP", FUZZ_INFO_RSP, { 0 }, 1, put_info_rsp, get_info_rsp },
	{ "immediate data, request", FUZZ_IMM, { 0 }, 1, put_imm_req,
	  get_imm },
	{ "immediate data, answer", FUZZ_IMM, { 0 }, 1, put_imm_rsp, get_imm },
	{ "immediate data, heartbeat", FUZZ_IMM, { 0 }, 1, put_imm_hb,
	  get_imm },
	{ "RKEY_RSP", FUZZ_RKEY_RSP, { 3, 0 }, 2, put_rkey_rsp, get_rkey_rsp },
	{ "read", FUZZ_RTRS_REQUEST,
	  { 0, (BYTES + USER) % 256, (BYTES + USER) / 256, USER,
	    USER + RTRS_READ_LEN(1) }, 5, put_read, get_request },
	{ "read at the chunk's end", FUZZ_RTRS_REQUEST,
	  { 0, 0, 0x80, USER, USER + RTRS_READ_LEN(1) }, 5, put_read,
	  get_request },
	{ "write", FUZZ_RTRS_REQUEST,
	  { 0, (BYTES + USER) % 256, (BYTES + USER) / 256, USER,
	    USER + RTRS_WRITE_LEN }, 5, put_write, get_request },
};

static const char *rtrs_name(size_t row)
{
	return rtrs_rows[row].name;
}

static void run_rtrs(size_t row)
{
	run_row(&rtrs_rows[row]);
}

static void seed_rtrs(size_t row, struct bytes *b)
{
	seed_row(&rtrs_rows[row], b);
}

const struct unit_suite rtrs_message_suite = {
	"rtrs messages", ARRAY_SIZE(rtrs_rows), rtrs_name, run_rtrs, "rtrs",
	seed_rtrs,
};

/* ------------------------------------------------------------------ */
/* RNBD                                                               */

static void put_sess_info(struct bytes *b)
{
	struct rnbd_msg_sess_info msg;

	rnbd_put_sess_info(&msg);
	put(b, &msg, sizeof(msg));
}

static int get_sess_info(const u8 *at, size_t len)
{
	u8 ver;

	return rnbd_get_sess_info(at, len, &ver, why, sizeof(why));
}

static void put_sess_info_rsp(struct bytes *b)
{
	struct rnbd_msg_sess_info_rsp msg;

	rnbd_put_sess_info_rsp(&msg, RNBD_VERSION_MAJOR);
	put(b, &msg, sizeof(msg));
}

static int get_sess_info_rsp(const u8 *at, size_t len)
{
	u8 ver;

	return rnbd_get_sess_info_rsp(at, len, &ver, why, sizeof(why));
}

/* With the longest name there can be */
static void put_open(struct bytes *b)
{
	char name[RNBD_DEV_NAME_LEN] = "";
	struct rnbd_msg_open msg;

	memset(name, 'x', sizeof(name) - 1);
	check_int("put", rnbd_put_open(&msg, name, UNBD_ACCESS_RW), 0);
	put(b, &msg, sizeof(msg));
}

static int get_open(const u8 *at, size_t len)
{
	char name[RNBD_DEV_NAME_LEN];
	enum unbd_access_mode mode;

	return rnbd_get_open(at, len, name, &mode, why, sizeof(why));
}

static void put_open_rsp(struct bytes *b)
{
	struct rnbd_device_info info = {
		.size = 1 << 30, .max_io = 1 << 20, .max_discard = 1 << 26,
		.discard_granularity = 4096, .physical_block_size = 4096,
		.logical_block_size = 512, .write_cache = true,
	};
	struct rnbd_msg_open_rsp msg;

	rnbd_put_open_rsp(&msg, &info);
	put(b, &msg, sizeof(msg));
}

static int get_open_rsp(const u8 *at, size_t len)
{
	struct rnbd_device_info info;

	return rnbd_get_open_rsp(at, len, &info, why, sizeof(why));
}

static void put_close(struct bytes *b)
{
	struct rnbd_msg_close msg;

	rnbd_put_close(&msg, 7);
	put(b, &msg, sizeof(msg));
}

static int get_close(const u8 *at, size_t len)
{
	u32 id;

	return rnbd_get_close(at, len, &id, why, sizeof(why));
}

/* With the most keys there can be */
static void put_fence(struct bytes *b)
{
	const struct unbd_key keys[UNBD_MAX_KEYS] = { { "one" }, { "two" } };
	struct rnbd_msg_unbd_fence msg;

	put(b, &msg, rnbd_put_fence(&msg, keys, UNBD_MAX_KEYS));
}

static int get_fence(const u8 *at, size_t len)
{
	struct unbd_key keys[UNBD_MAX_KEYS];
	unsigned int nr;

	return rnbd_get_fence(at, len, keys, &nr, why, sizeof(why));
}

static void put_fence_rsp(struct bytes *b)
{
	struct unbd_instance instance = { "life" };
	struct rnbd_msg_unbd_fence_rsp rsp;

	rnbd_put_fence_rsp(&rsp, &instance);
	put(b, &rsp, sizeof(rsp));
}

static int get_fence_rsp(const u8 *at, size_t len)
{
	struct unbd_instance instance;

	return rnbd_get_fence_rsp(at, len, &instance, why, sizeof(why));
}

static void put_io(struct bytes *b)
{
	struct rnbd_io io = { .sector = 64, .op = RNBD_OP_WRITE,
			      .flags = RNBD_F_FUA, .bytes = BYTES };
	struct rnbd_msg_io msg;

	rnbd_put_io(&msg, &io);
	put(b, &msg, sizeof(msg));
}

static int get_io(const u8 *at, size_t len)
{
	struct rnbd_io io;

	return rnbd_get_io(at, len, false, BYTES, &io, why, sizeof(why));
}

static const struct message_row rnbd_rows[] = {
	{ "SESS_INFO", FUZZ_SESS_INFO, {}, 0, put_sess_info, get_sess_info },
	{ "SESS_INFO_RSP", FUZZ_SESS_INFO_RSP, {}, 0, put_sess_info_rsp,
	  get_sess_info_rsp },
	{ "OPEN", FUZZ_OPEN, {}, 0, put_open, get_open },
	{ "OPEN_RSP", FUZZ_OPEN_RSP, {}, 0, put_open_rsp, get_open_rsp },
	{ "CLOSE", FUZZ_CLOSE, {}, 0, put_close, get_close },
	{ "FENCE", FUZZ_FENCE, {}, 0, put_fence, get_fence },
	{ "FENCE_RSP", FUZZ_FENCE_RSP, {}, 0, put_fence_rsp, get_fence_rsp },
	{ "IO", FUZZ_IO, { 0, BYTES % 256, BYTES / 256 }, 5, put_io, get_io },
};

static const char *rnbd_name(size_t row)
{
	return rnbd_rows[row].name;
}

static void run_rnbd(size_t row)
{
	run_row(&rnbd_rows[row]);
}

static void seed_rnbd(size_t row, struct bytes *b)
{
	seed_row(&rnbd_rows[row], b);
}

const struct unit_suite rnbd_message_suite = {
	"rnbd messages", ARRAY_SIZE(rnbd_rows), rnbd_name, run_rnbd, "rnbd",
	seed_rnbd,
};
