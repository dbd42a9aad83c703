// SPDX-License-Identifier: GPL-2.0
/*
 * RTRS messages: where each field is, and what a hostile peer may send.
 */
#include "transport-rdma/client/rtrs-codec.h"
#include "transport-rdma/server/rtrs-codec.h"

#include "unit.h"

static char why[160];

/* The offsets of the protocol, in the order of the document */
#define AT(type, field, offset)						\
	_Static_assert(offsetof(struct type, field) == (offset), #field)
#define SIZE(type, size)						\
	_Static_assert(sizeof(struct type) == (size), #type)

SIZE(rtrs_msg_conn_req, 56);
AT(rtrs_msg_conn_req, magic, 2);
AT(rtrs_msg_conn_req, version, 4);
AT(rtrs_msg_conn_req, cid, 6);
AT(rtrs_msg_conn_req, cid_num, 8);
AT(rtrs_msg_conn_req, recon_cnt, 10);
AT(rtrs_msg_conn_req, sess_uuid, 12);
AT(rtrs_msg_conn_req, paths_uuid, 28);
AT(rtrs_msg_conn_req, first_conn, 44);
SIZE(rtrs_msg_conn_rsp, 56);
AT(rtrs_msg_conn_rsp, errno_, 4);
AT(rtrs_msg_conn_rsp, queue_depth, 6);
AT(rtrs_msg_conn_rsp, max_io_size, 8);
AT(rtrs_msg_conn_rsp, max_hdr_size, 12);
AT(rtrs_msg_conn_rsp, flags, 16);
SIZE(rtrs_msg_info_req, 272);
AT(rtrs_msg_info_req, pathname, 2);
SIZE(rtrs_msg_info_rsp, 8);
AT(rtrs_msg_info_rsp, sg_cnt, 2);
SIZE(rtrs_sg_desc, 16);
AT(rtrs_sg_desc, key, 8);
AT(rtrs_sg_desc, len, 12);
SIZE(rtrs_msg_rdma_write, 4);
SIZE(rtrs_msg_rdma_read, 8);
AT(rtrs_msg_rdma_read, usr_len, 2);
AT(rtrs_msg_rdma_read, flags, 4);
AT(rtrs_msg_rdma_read, sg_cnt, 6);
SIZE(rtrs_msg_rkey_rsp, 8);
AT(rtrs_msg_rkey_rsp, buf_id, 2);
AT(rtrs_msg_rkey_rsp, rkey, 4);

/* ------------------------------------------------------------------ */
/* Wire in pieces: little-endian                                      */

static void le(struct bytes *b, u64 value, unsigned int bytes)
{
	while (bytes--) {
		put8(b, value);
		value >>= 8;
	}
}

static void same_bytes(const char *what, const void *got, size_t len,
		       struct bytes *wanted)
{
	const u8 *at = got;
	size_t i;

	check_int("length", len, wanted->len);
	for (i = 0; i < len; i++)
		check(at[i] == wanted->at[i],
		      "%s: byte %zu is 0x%02x and not 0x%02x", what, i, at[i],
		      wanted->at[i]);
	release(wanted);
}

static struct rtrs_pool pool_of(u32 depth, u32 io, u32 hdr)
{
	struct rtrs_pool pool;

	check_int("pool", unbd_rtrs_pool_init(&pool, depth, io, hdr, false, why,
					      sizeof(why)), 0);
	return pool;
}

/* What an in-tree server has by default */
static struct rtrs_pool usual_pool(void)
{
	return pool_of(512, 131072 - 4096, 4096);
}

/* ------------------------------------------------------------------ */
/* Connecting                                                         */

static const u8 uuid_a[RTRS_UUID_LEN] = "0123456789abcde";
static const u8 uuid_b[RTRS_UUID_LEN] = "ABCDEFGHIJKLMNO";

static struct bytes conn_req(u16 magic, u16 version, u16 cid, u16 cid_num)
{
	struct bytes b = {};

	le(&b, 0, 2);
	le(&b, magic, 2);
	le(&b, version, 2);
	le(&b, cid, 2);
	le(&b, cid_num, 2);
	le(&b, 7, 2);
	put(&b, uuid_a, sizeof(uuid_a));
	put(&b, uuid_b, sizeof(uuid_b));
	put8(&b, 1);
	put_zeroes(&b, 11);
	return b;
}

static void test_conn_req(void)
{
	struct rtrs_conn_params p = { .cid = 3, .cid_num = 5, .recon_cnt = 7,
				      .first_conn = true };
	struct bytes b = conn_req(0x1bbd, 0x0200, 3, 5);
	struct rtrs_conn_params got;
	struct rtrs_msg_conn_req msg;

	memcpy(p.sess_uuid, uuid_a, sizeof(uuid_a));
	memcpy(p.paths_uuid, uuid_b, sizeof(uuid_b));
	rtrs_put_conn_req(&msg, &p);
	check_int("error", rtrs_get_conn_req(b.at, b.len, &got, why,
					     sizeof(why)), 0);
	same_bytes("conn_req", &msg, sizeof(msg), &b);
	check_int("cid", got.cid, 3);
	check_int("cid_num", got.cid_num, 5);
	check_int("recon_cnt", got.recon_cnt, 7);
	check_int("first_conn", got.first_conn, 1);
	check(!memcmp(got.sess_uuid, uuid_a, 16), "sess_uuid");
	check(!memcmp(got.paths_uuid, uuid_b, 16), "paths_uuid");
}

static void bad_conn_req(struct bytes b, size_t len, const char *part)
{
	struct rtrs_conn_params got;

	check_int("error", rtrs_get_conn_req(b.at, len, &got, why,
					     sizeof(why)), -ECONNRESET);
	check_why(why, part);
	release(&b);
}

static void test_bad_conn_req(void)
{
	struct bytes cut = {};

	put_zeroes(&cut, 55);
	bad_conn_req(cut, 55, "55 bytes");
	bad_conn_req(conn_req(0x1bbe, 0x200, 0, 1), 56, "magic 0x1bbe");
	bad_conn_req(conn_req(0x1bbd, 0x300, 0, 1), 56, "version 3.0");
	bad_conn_req(conn_req(0x1bbd, 0x200, 1, 1), 56, "connection 1 of 1");
	bad_conn_req(conn_req(0x1bbd, 0x200, 0, 0), 56, "connection 0 of 0");
	bad_conn_req(conn_req(0x1bbd, 0x200, 0, 4097), 56, "of 4097");
}

static struct bytes conn_rsp(u16 error, u16 depth, u32 io, u32 hdr, u32 flags)
{
	struct bytes b = {};

	le(&b, 0x1bbd, 2);
	le(&b, 0x0201, 2);
	le(&b, error, 2);
	le(&b, depth, 2);
	le(&b, io, 4);
	le(&b, hdr, 4);
	le(&b, flags, 4);
	put_zeroes(&b, 36 + 140);	/* as padded by the CM */
	return b;
}

static void test_conn_rsp(void)
{
	struct bytes b = conn_rsp(0, 512, 126976, 4096, 2);
	struct rtrs_msg_conn_rsp msg;
	struct rtrs_pool pool;

	check_int("error", rtrs_get_conn_rsp(b.at, b.len, &pool, why,
					     sizeof(why)), 0);
	check_int("queue_depth", pool.queue_depth, 512);
	check_int("max_io_size", pool.max_io_size, 126976);
	check_int("chunk_size", pool.chunk_size, 131072);
	check_int("off_bits", pool.off_bits, 19);
	check_int("new_rkey", pool.new_rkey, 1);
	rtrs_put_conn_rsp(&msg, &pool);
	b.at[2] = 0;
	b.len = 56;
	same_bytes("conn_rsp", &msg, sizeof(msg), &b);
}

static void bad_conn_rsp(struct bytes b, size_t len, const char *part)
{
	struct rtrs_pool pool;

	check_int("error", rtrs_get_conn_rsp(b.at, len, &pool, why,
					     sizeof(why)), -EPROTO);
	check_why(why, part);
	release(&b);
}

static void test_bad_conn_rsp(void)
{
	struct bytes wrong = conn_rsp(0, 512, 126976, 4096, 0);

	wrong.at[0] = 0;
	bad_conn_rsp(wrong, wrong.len, "magic 0x1b00");
	bad_conn_rsp(conn_rsp(0, 1, 4096, 4096, 0), 55, "55 bytes");
	bad_conn_rsp(conn_rsp(-5, 1, 4096, 4096, 0), 56, "error -5");
	bad_conn_rsp(conn_rsp(0, 0, 4096, 4096, 0), 56, "queue depth 0");
	bad_conn_rsp(conn_rsp(0, 1, 4095, 4096, 0), 56, "4095");
	bad_conn_rsp(conn_rsp(0, 1, 4096, 511, 0), 56, "511");
	bad_conn_rsp(conn_rsp(0, 1, 0xfffff000, 4096, 0), 56, "4294963200");
	bad_conn_rsp(conn_rsp(0, 1, 4096, 0xfffff000, 0), 56, "4294963200");
	bad_conn_rsp(conn_rsp(0, 65535, 4096, 4096, 0), 56, "too many");
	bad_conn_rsp(conn_rsp(0, 513, 520192, 4096, 0), 56, "too many");
}

static void test_extreme_pools(void)
{
	check_int("bits", pool_of(1, 4096, 512).off_bits, 28);
	check_int("bits", pool_of(512, 520192, 4096).off_bits, 19);
	check_int("bits", pool_of(2048, 126976, 4096).off_bits, 17);
	check_int("bits", pool_of(32768, 4096, 4096).off_bits, 13);
}

static int reject(const void *data, size_t len)
{
	return rtrs_get_reject(data, len, why, sizeof(why));
}

static void test_reject(void)
{
	struct rtrs_msg_conn_rsp msg;
	struct bytes b = {};

	rtrs_put_reject(&msg, -EEXIST);
	put(&b, &msg, 6);
	check_int("reject", reject(b.at, 6), -EEXIST);
	check_int("cut", reject(b.at, 5), -EPROTO);
	check_int("none", reject(NULL, 0), -EPROTO);
	b.at[3] = 3;
	check_int("version", reject(b.at, 6), -EPROTONOSUPPORT);
	check_why(why, "RTRS 3.0");
	b.at[0] = 0;
	check_int("magic", reject(b.at, 6), -EPROTO);
	rtrs_put_reject(&msg, 5);
	check_int("positive", reject(&msg, 56), -EPROTO);
	rtrs_put_reject(&msg, -512);
	check_int("beyond", reject(&msg, 56), -EPROTO);
	release(&b);
}

/* ------------------------------------------------------------------ */
/* Exchange of information                                            */

static struct bytes info_req(const char *name, size_t name_len)
{
	struct bytes b = {};

	le(&b, 0, 2);
	put(&b, name, name_len);
	put_zeroes(&b, 270 - name_len);
	return b;
}

static void test_info_req(void)
{
	struct bytes b = info_req("bed-1.a", 7);
	struct rtrs_msg_info_req msg;
	char name[255];

	check_int("put", rtrs_put_info_req(&msg, "bed-1.a"), 0);
	check_int("get", rtrs_get_info_req(b.at, b.len, name, why,
					   sizeof(why)), 0);
	check_text("name", name, "bed-1.a");
	same_bytes("info_req", &msg, sizeof(msg), &b);
}

static void bad_info_req(struct bytes b, int err, const char *part)
{
	char name[255];

	check_int("error", rtrs_get_info_req(b.at, b.len, name, why,
					     sizeof(why)), err);
	check_why(why, part);
	release(&b);
}

static void test_bad_info_req(void)
{
	struct rtrs_msg_info_req msg;
	struct bytes b = {};
	char full[256];

	memset(full, 'x', 255);
	full[255] = '\0';
	check_int("put", rtrs_put_info_req(&msg, full), -ENAMETOOLONG);
	bad_info_req(info_req(full, 255), -EINVAL, "without an end");
	bad_info_req(info_req("", 0), -EINVAL, "no value");
	bad_info_req(info_req("..", 2), -EINVAL, "not a name");
	bad_info_req(info_req("a/b", 3), -EINVAL, "'/'");
	bad_info_req(info_req("a\nb", 3), -EINVAL, "0x0a");
	put_zeroes(&b, 271);
	bad_info_req(b, -EPROTO, "271 bytes");
	b = info_req("a", 1);
	b.at[0] = 4;
	bad_info_req(b, -EPROTO, "type 4");
}

static struct bytes info_rsp(u16 type, u16 sg_cnt)
{
	struct bytes b = {};

	le(&b, type, 2);
	le(&b, sg_cnt, 2);
	le(&b, 0, 4);
	return b;
}

static void desc(struct bytes *b, u64 addr, u32 key, u32 len)
{
	le(b, addr, 8);
	le(b, key, 4);
	le(b, len, 4);
}

static void test_info_rsp(void)
{
	struct rtrs_pool pool = pool_of(4, 4096, 4096);
	struct bytes b = info_rsp(1, 2), head = info_rsp(1, 2);
	struct rtrs_msg_info_rsp msg;
	struct rtrs_chunk chunks[4];
	struct rtrs_sg_desc d;

	desc(&b, 0x1000, 7, 3 * 8192);
	desc(&b, 0xffffffffffff0000, 9, 8192);
	check_int("error", rtrs_get_info_rsp(b.at, b.len, &pool, chunks, why,
					     sizeof(why)), 0);
	check_int("addr", chunks[2].addr, 0x1000 + 2 * 8192);
	check_int("rkey", chunks[2].rkey, 7);
	check_int("addr", chunks[3].addr, (long long)0xffffffffffff0000);
	check_int("rkey", chunks[3].rkey, 9);
	rtrs_put_info_rsp(&msg, 2);
	same_bytes("info_rsp", &msg, sizeof(msg), &head);
	rtrs_put_desc(&d, 0x1000, 7, 3 * 8192);
	check(!memcmp(&d, b.at + 8, sizeof(d)), "descriptor differs");
	release(&b);
}

static void bad_info_rsp(struct bytes b, const char *part)
{
	struct rtrs_pool pool = pool_of(2, 4096, 4096);
	struct rtrs_chunk *chunks = calloc(2, sizeof(*chunks));

	check_int("error", rtrs_get_info_rsp(b.at, b.len, &pool, chunks, why,
					     sizeof(why)), -EPROTO);
	check_why(why, part);
	free(chunks);
	release(&b);
}

static void bad_desc(u16 cnt, u64 addr, u32 len1, u32 len2, const char *part)
{
	struct bytes b = info_rsp(1, cnt);

	desc(&b, addr, 1, len1);
	desc(&b, addr, 1, len2);
	bad_info_rsp(b, part);
}

static void test_bad_info_rsp(void)
{
	struct bytes b = {};

	put_zeroes(&b, 7);
	bad_info_rsp(b, "7 bytes");
	bad_info_rsp(info_rsp(0, 1), "type 0");
	bad_info_rsp(info_rsp(1, 0), "0 descriptors");
	bad_info_rsp(info_rsp(1, 1), "1 descriptors");
	bad_desc(3, 0, 8192, 8192, "3 descriptors");
	bad_desc(65535, 0, 8192, 8192, "65535 descriptors");
	bad_desc(1, 0, 8192, 8192, "1 chunks described");
	bad_desc(2, 0, 16384, 8192, "descriptor 1 of 2");
	bad_desc(2, 0, 24576, 8192, "descriptor 0 of 2");
	bad_desc(2, 0, 0, 8192, "has 0 bytes");
	bad_desc(2, 0, 8191, 8192, "has 8191 bytes");
	bad_desc(1, 0, 0xffffe000, 0, "has 4294959104 bytes");
	bad_desc(2, -8191ULL, 8192, 8192, "descriptor 0");
}

/* ------------------------------------------------------------------ */
/* Immediate data                                                     */

static void test_imm(void)
{
	struct rtrs_pool pool = usual_pool();
	struct rtrs_imm imm;

	check_int("io_req", rtrs_imm_io_req(&pool, 511, 0x1ffff),
		  0x0ff9ffff);
	check_int("error", unbd_rtrs_get_imm(0x0ff9ffff, &pool, &imm, why,
					     sizeof(why)), 0);
	check_int("id", imm.id, 511);
	check_int("off", imm.off, 0x1ffff);
	check_int("rsp", rtrs_imm_io_rsp(5, -EIO, false), 0x10280005);
	check_int("rsp", rtrs_imm_io_rsp(5, EIO, true), 0x20280005);
	check_int("error", unbd_rtrs_get_imm(0x20280005, &pool, &imm, why,
					     sizeof(why)), 0);
	check_int("type", imm.type, RTRS_IO_RSP_W_INV_IMM);
	check_int("id", imm.id, 5);
	check_int("err", imm.err, -EIO);
	check_int("ENOTSUPP", rtrs_imm_io_rsp(0, -524, false), 0x10280000);
	check_int("hb", rtrs_imm_hb(false, 0), 0x80000000);
	check_int("ack", rtrs_imm_hb(true, 0), 0x90000000);
	check_int("news", rtrs_imm_hb(false, 0x30000007), 0x80000007);
}

static void bad_imm(u32 value)
{
	struct rtrs_pool pool = pool_of(500, 4096, 4096);
	struct rtrs_imm imm;

	check_int("error", unbd_rtrs_get_imm(value, &pool, &imm, why,
					     sizeof(why)), -EPROTO);
	check_why(why, "immediate data 0x");
}

static void test_bad_imm(void)
{
	bad_imm(0x30000000);
	bad_imm(0x70000000);
	bad_imm(0xa0000000);
	bad_imm(0xffffffff);
	bad_imm(500 << 19);		/* chunk */
	bad_imm(8192);			/* offset */
	bad_imm(0x10000000 + 500);
	bad_imm(0x1007ffff);
	bad_imm(0x20000000 + 512);
}

/* ------------------------------------------------------------------ */
/* Requests                                                           */

/* Puts what comes behind the user header at the very end of a chunk. */
static int get(const struct rtrs_pool *pool, const struct bytes *msg, u32 off,
	       struct rtrs_request *req)
{
	u8 *chunk = calloc(1, pool->chunk_size);
	size_t n = msg->len;
	int err;

	if (off + n > pool->chunk_size)
		n = pool->chunk_size - off;
	if (n)
		memcpy(chunk + off, msg->at, n);
	err = rtrs_get_request(chunk, pool, off, req, why, sizeof(why));
	free(chunk);
	return err;
}

static void test_write(void)
{
	struct rtrs_pool pool = usual_pool();
	struct rtrs_request req;
	struct bytes b = {};
	u8 buf[4];

	le(&b, 2, 2);
	le(&b, 32, 2);
	check_int("error", get(&pool, &b, 4096 + 32, &req), 0);
	check_int("is_read", req.is_read, 0);
	check_int("data_len", req.data_len, 4096);
	check_int("usr_off", req.usr_off, 4096);
	check_int("usr_len", req.usr_len, 32);
	check_int("len", rtrs_put_write(buf, 32), sizeof(buf));
	same_bytes("write", buf, sizeof(buf), &b);
}

static struct bytes read_msg(u16 usr_len, u16 flags, u16 sg_cnt, u32 len)
{
	struct bytes b = {};

	le(&b, 3, 2);
	le(&b, usr_len, 2);
	le(&b, flags, 2);
	le(&b, sg_cnt, 2);
	desc(&b, 0x123456789abcdef0, 0xcafe, len);
	return b;
}

static void test_read(void)
{
	struct bytes b = read_msg(32, 1, 1, 4096);
	struct rtrs_pool pool = usual_pool();
	struct rtrs_request req;
	u8 buf[24];

	check_int("error", get(&pool, &b, 4096 + 32, &req), 0);
	check_int("is_read", req.is_read, 1);
	check_int("data_len", req.data_len, 4096);
	check_int("need_inval", req.need_inval, 1);
	check_int("desc_addr", req.desc_addr, 0x123456789abcdef0);
	check_int("desc_key", req.desc_key, 0xcafe);
	check_int("desc_len", req.desc_len, 4096);
	check_int("len", rtrs_put_read(buf, 32, 4096, 0x123456789abcdef0,
				       0xcafe), sizeof(buf));
	same_bytes("read", buf, sizeof(buf), &b);
	b = read_msg(32, 0, 0, 0);
	check_int("error", get(&pool, &b, 32, &req), 0);
	check_int("has_desc", req.has_desc, 0);
	check_int("len", rtrs_put_read(buf, 32, 0, 1, 2), 8);
	b.len = 8;
	same_bytes("read without data", buf, 8, &b);
}

static void bad_request(struct bytes b, u32 off, const char *part)
{
	struct rtrs_pool pool = pool_of(16, 8192, 1024);
	struct rtrs_request req;

	check_int("error", get(&pool, &b, off, &req), -EPROTO);
	check_why(why, part);
	release(&b);
}

static void test_bad_request(void)
{
	struct bytes b = {};
	u32 off;

	for (off = 9213; off < 9216; off++)
		bad_request((struct bytes){}, off, "of 9216 bytes");
	bad_request(read_msg(32, 0, 0, 0), 9216 - 7, "read request in 7");
	bad_request(read_msg(32, 0, 1, 8), 9216 - 23, "1 descriptors in 23");
	bad_request(read_msg(32, 0, 2, 8), 4096, "2 descriptors");
	bad_request(read_msg(32, 0, 0, 8), 4096, "to nowhere");
	bad_request(read_msg(32, 0, 1, 0), 4096, "to memory of 0");
	bad_request(read_msg(32, 0, 1, 8193), 4096, "to memory of 8193");
	bad_request(read_msg(33, 0, 1, 8), 32, "ends at 32");
	bad_request(read_msg(65535, 0, 1, 8), 4096, "65535 bytes ends");
	bad_request(read_msg(1001, 0, 1, 8), 1001, "1025 of headers");
	bad_request(read_msg(0, 0, 1, 8), 8193, "8193 bytes of data");
	le(&b, 4, 2);
	le(&b, 0, 2);
	bad_request(b, 0, "type 4");
}

static void test_rkey_rsp(void)
{
	struct rtrs_msg_rkey_rsp msg;
	struct bytes b = {};
	u32 rkey;

	le(&b, 4, 2);
	le(&b, 511, 2);
	le(&b, 0xdeadbeef, 4);
	check_int("error", rtrs_get_rkey_rsp(b.at, 8, 511, &rkey, why,
					     sizeof(why)), 0);
	check_int("rkey", rkey, 0xdeadbeef);
	check_int("cut", rtrs_get_rkey_rsp(b.at, 7, 511, &rkey, why,
					   sizeof(why)), -EPROTO);
	check_why(why, "7 bytes");
	check_int("other", rtrs_get_rkey_rsp(b.at, 8, 510, &rkey, why,
					     sizeof(why)), -EPROTO);
	check_why(why, "wanted RKEY_RSP for 510");
	rtrs_put_rkey_rsp(&msg, 511, 0xdeadbeef);
	same_bytes("rkey_rsp", &msg, sizeof(msg), &b);
}

static const struct rtrs_row {
	const char *name;
	void (*run)(void);
} rows[] = {
	{ "connection request", test_conn_req },
	{ "bad connection request", test_bad_conn_req },
	{ "accept", test_conn_rsp },
	{ "bad accept", test_bad_conn_rsp },
	{ "extreme pools", test_extreme_pools },
	{ "reject", test_reject },
	{ "INFO_REQ", test_info_req },
	{ "bad INFO_REQ", test_bad_info_req },
	{ "INFO_RSP", test_info_rsp },
	{ "bad INFO_RSP", test_bad_info_rsp },
	{ "immediate data", test_imm },
	{ "bad immediate data", test_bad_imm },
	{ "write", test_write },
	{ "read", test_read },
	{ "bad requests", test_bad_request },
	{ "RKEY_RSP", test_rkey_rsp },
};

static const char *row_name(size_t row)
{
	return rows[row].name;
}

static void run(size_t row)
{
	rows[row].run();
}

const struct unit_suite rtrs_suite = {
	"rtrs", ARRAY_SIZE(rows), row_name, run, NULL, NULL,
};
