// SPDX-License-Identifier: GPL-2.0
/*
 * RNBD messages: where each field is, and what a hostile peer may send.
 */
#include "transport-rdma/client/rnbd-codec.h"
#include "transport-rdma/server/rnbd-codec.h"

#include <asm/byteorder.h>

#include "unit.h"

static char why[160];

#define AT(type, field, offset)						\
	_Static_assert(offsetof(struct type, field) == (offset), #field)
#define SIZE(type, size)						\
	_Static_assert(sizeof(struct type) == (size), #type)

SIZE(rnbd_msg_sess_info, 36);
SIZE(rnbd_msg_sess_info_rsp, 36);
AT(rnbd_msg_sess_info, ver, 4);
SIZE(rnbd_msg_open, 264);
AT(rnbd_msg_open, access_mode, 4);
AT(rnbd_msg_open, dev_name, 6);
SIZE(rnbd_msg_close, 8);
AT(rnbd_msg_close, device_id, 4);
SIZE(rnbd_msg_unbd_fence, 276);
AT(rnbd_msg_unbd_fence, keys, 4);
SIZE(rnbd_msg_unbd_fence_rsp, 20);
AT(rnbd_msg_unbd_fence_rsp, instance, 4);
SIZE(rnbd_msg_open_rsp, 56);
AT(rnbd_msg_open_rsp, device_id, 4);
AT(rnbd_msg_open_rsp, nsectors, 8);
AT(rnbd_msg_open_rsp, max_hw_sectors, 16);
AT(rnbd_msg_open_rsp, max_write_zeroes_sectors, 20);
AT(rnbd_msg_open_rsp, max_discard_sectors, 24);
AT(rnbd_msg_open_rsp, discard_granularity, 28);
AT(rnbd_msg_open_rsp, discard_alignment, 32);
AT(rnbd_msg_open_rsp, physical_block_size, 36);
AT(rnbd_msg_open_rsp, logical_block_size, 38);
AT(rnbd_msg_open_rsp, max_segments, 40);
AT(rnbd_msg_open_rsp, secure_discard, 42);
AT(rnbd_msg_open_rsp, rotational, 44);
AT(rnbd_msg_open_rsp, cache_policy, 45);
SIZE(rnbd_msg_io, 32);
AT(rnbd_msg_io, device_id, 4);
AT(rnbd_msg_io, sector, 8);
AT(rnbd_msg_io, rw, 16);
AT(rnbd_msg_io, bi_size, 20);
AT(rnbd_msg_io, prio, 24);

static void test_sess_info(void)
{
	struct rnbd_msg_sess_info_rsp rsp;
	struct rnbd_msg_sess_info msg;
	u8 ver = 0;

	rnbd_put_sess_info(&msg);
	check_int("type", unbd_rnbd_get_type(&msg, sizeof(msg)), 0);
	check_int("get", rnbd_get_sess_info(&msg, sizeof(msg), &ver, why,
					    sizeof(why)), 0);
	check_int("ver", ver, 2);
	msg.ver = 9;
	check_int("get", rnbd_get_sess_info(&msg, sizeof(msg), &ver, why,
					    sizeof(why)), 0);
	check_int("ver", ver, 2);
	rnbd_put_sess_info_rsp(&rsp, 1);
	check_int("get", rnbd_get_sess_info_rsp(&rsp, sizeof(rsp), &ver, why,
						sizeof(why)), 0);
	check_int("ver", ver, 1);
	check_int("cut", rnbd_get_sess_info(&msg, 35, &ver, why, sizeof(why)),
		  -EPROTO);
	check_why(why, "35 bytes");
	check_int("other", rnbd_get_sess_info(&rsp, 36, &ver, why,
					      sizeof(why)), -EPROTO);
	check_why(why, "type 1");
	check_int("nothing", unbd_rnbd_get_type(&msg, 3), -EPROTO);
}

static int get_open(const struct rnbd_msg_open *msg, size_t len)
{
	enum unbd_access_mode mode;
	struct bytes b = {};
	char name[255];
	int err;

	put(&b, msg, len);
	err = rnbd_get_open(b.at, b.len, name, &mode, why, sizeof(why));
	release(&b);
	return err;
}

static void test_open(void)
{
	static const struct {
		enum unbd_access_mode mode;
		u8 wire;
	} modes[] = {
		{ UNBD_ACCESS_RO, 0 }, { UNBD_ACCESS_RW, 1 },
		{ UNBD_ACCESS_MIGRATION, 2 },
	};
	enum unbd_access_mode mode;
	struct rnbd_msg_open msg;
	char name[255];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		check_int("put", rnbd_put_open(&msg, "/dev/ram0",
					       modes[i].mode), 0);
		check_int("mode", msg.access_mode, modes[i].wire);
		check_int("get", rnbd_get_open(&msg, sizeof(msg), name, &mode,
					       why, sizeof(why)), 0);
		check_int("mode", mode, modes[i].mode);
		check_text("name", name, "/dev/ram0");
	}
}

static void test_bad_open(void)
{
	struct rnbd_msg_open msg;
	char full[256];

	memset(full, 'x', 255);
	full[255] = '\0';
	check_int("put", rnbd_put_open(&msg, full, UNBD_ACCESS_RW),
		  -ENAMETOOLONG);
	check_int("put", rnbd_put_open(&msg, full + 1, UNBD_ACCESS_RW), 0);
	check_int("longest", get_open(&msg, sizeof(msg)), 0);
	check_int("cut", get_open(&msg, 263), -EPROTO);
	msg.dev_name[254] = 'x';
	check_int("no end", get_open(&msg, sizeof(msg)), -EINVAL);
	check_why(why, "without an end");
	msg.dev_name[3] = '\n';
	check_int("control", get_open(&msg, sizeof(msg)), -EINVAL);
	check_why(why, "0x0a");
	msg.dev_name[0] = '\0';
	check_int("empty", get_open(&msg, sizeof(msg)), -EINVAL);
	check_why(why, "no device name");
	msg.access_mode = 3;
	check_int("mode", get_open(&msg, sizeof(msg)), -EINVAL);
	check_why(why, "access mode 3");
}

/* What a server of 6.1 says of a RAM disk */
static struct rnbd_msg_open_rsp ram_disk(void)
{
	return (struct rnbd_msg_open_rsp){
		.hdr.type = cpu_to_le16(3),
		.device_id = cpu_to_le32(7),
		.nsectors = cpu_to_le64(524288),
		.max_hw_sectors = cpu_to_le32(1024),
		.max_discard_sectors = cpu_to_le32(0xffffffff),
		.discard_granularity = cpu_to_le32(4096),
		.physical_block_size = cpu_to_le16(4096),
		.logical_block_size = cpu_to_le16(512),
		.max_segments = cpu_to_le16(128),
		.secure_discard = cpu_to_le16(1),
		.cache_policy = 3,
	};
}

static int get_open_rsp(const struct rnbd_msg_open_rsp *msg,
			struct rnbd_device_info *info)
{
	memset(info, 0xaa, sizeof(*info));
	return rnbd_get_open_rsp(msg, sizeof(*msg), info, why, sizeof(why));
}

static void test_open_rsp(void)
{
	struct rnbd_msg_open_rsp msg = ram_disk(), again;
	struct rnbd_device_info info;

	check_int("get", get_open_rsp(&msg, &info), 0);
	check_int("device_id", info.device_id, 7);
	check_int("size", info.size, 268435456);
	check_int("max_io", info.max_io, 524288);
	check_int("max_discard", info.max_discard, 0xffffffffULL * 512);
	check_int("physical", info.physical_block_size, 4096);
	check_int("logical", info.logical_block_size, 512);
	check_int("secure_erase", info.secure_erase, 1);
	check_int("write_cache", info.write_cache, 1);
	check_int("fua", info.fua, 1);
	rnbd_put_open_rsp(&again, &info);
	check_int("policy", again.cache_policy, 0x83);
	check_int("fences", info.fences, 0);
	info.fences = true;
	rnbd_put_open_rsp(&again, &info);
	check_int("policy", again.cache_policy, 0xc3);
	check_int("get", get_open_rsp(&again, &info), 0);
	check_int("fences", info.fences, 1);
	again.cache_policy = 3;
	check(!memcmp(&msg, &again, sizeof(msg)), "not the same again");
}

/* A server of 5.10 leaves the policy 0 and means WRITE_SAME. */
static void test_unknown_cache(void)
{
	struct rnbd_msg_open_rsp msg = ram_disk();
	struct rnbd_device_info info;

	msg.cache_policy = 0;
	msg.max_write_zeroes_sectors = cpu_to_le32(128);
	check_int("get", get_open_rsp(&msg, &info), 0);
	check_int("write_cache", info.write_cache, 1);
	check_int("fua", info.fua, 0);
	check_int("max_write_zeroes", info.max_write_zeroes, 0);
	msg.cache_policy = RNBD_CACHE_KNOWN;
	check_int("get", get_open_rsp(&msg, &info), 0);
	check_int("write_cache", info.write_cache, 0);
	check_int("max_write_zeroes", info.max_write_zeroes, 65536);
}

static void test_odd_open_rsp(void)
{
	struct rnbd_msg_open_rsp msg = ram_disk();
	struct rnbd_device_info info;

	msg.logical_block_size = cpu_to_le16(4096);
	msg.physical_block_size = cpu_to_le16(513);
	msg.discard_granularity = cpu_to_le32(1);
	msg.discard_alignment = cpu_to_le32(0xffffffff);
	msg.nsectors = cpu_to_le64(15);
	msg.max_hw_sectors = cpu_to_le32(9);
	check_int("get", get_open_rsp(&msg, &info), 0);
	check_int("size", info.size, 4096);
	check_int("max_io", info.max_io, 4096);
	check_int("physical", info.physical_block_size, 4096);
	check_int("granularity", info.discard_granularity, 4096);
	check_int("alignment", info.discard_alignment, 0);
}

static void test_bad_open_rsp(void)
{
	static const u16 blocks[] = { 0, 1, 256, 513, 4097, 65535 };
	struct rnbd_msg_open_rsp msg = ram_disk();
	struct rnbd_device_info info;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(blocks); i++) {
		msg.logical_block_size = cpu_to_le16(blocks[i]);
		check_int("block", get_open_rsp(&msg, &info), -EPROTO);
		check_why(why, "logical blocks");
	}
	msg = ram_disk();
	msg.nsectors = cpu_to_le64(1ULL << 54);
	check_int("size", get_open_rsp(&msg, &info), -EPROTO);
	check_why(why, "18014398509481984 sectors");
	check_int("cut", rnbd_get_open_rsp(&msg, 55, &info, why, sizeof(why)),
		  -EPROTO);
	msg.hdr.type = 0;
	check_int("type", get_open_rsp(&msg, &info), -EPROTO);
}

static void test_close(void)
{
	struct rnbd_msg_close msg;
	u32 id;

	rnbd_put_close(&msg, 0x12345678);
	check_int("get", rnbd_get_close(&msg, sizeof(msg), &id, why,
					sizeof(why)), 0);
	check_int("device_id", id, 0x12345678);
	check_int("cut", rnbd_get_close(&msg, 7, &id, why, sizeof(why)),
		  -EPROTO);
}

static int get_fence(const void *msg, size_t len, struct unbd_key *keys,
		     unsigned int *nr)
{
	*nr = 0;
	return rnbd_get_fence(msg, len, keys, nr, why, sizeof(why));
}

static void test_fence(void)
{
	struct unbd_key keys[UNBD_MAX_KEYS], got[UNBD_MAX_KEYS];
	struct rnbd_msg_unbd_fence msg;
	unsigned int nr;
	size_t i;

	for (i = 0; i < sizeof(keys); i++)
		((u8 *)keys)[i] = i;
	check_int("shortest", rnbd_put_fence(&msg, keys, 1), 20);
	check_int("type", unbd_rnbd_get_type(&msg, 20), 0x7562);
	check_int("get", get_fence(&msg, 20, got, &nr), 0);
	check_int("keys", nr, 1);
	check_int("longest", rnbd_put_fence(&msg, keys, UNBD_MAX_KEYS), 276);
	check_int("get", get_fence(&msg, 276, got, &nr), 0);
	check_int("keys", nr, UNBD_MAX_KEYS);
	check(!memcmp(got, keys, sizeof(keys)), "not the same keys");
}

static void test_fence_rsp(void)
{
	struct unbd_instance instance = { "of a server" }, got;
	struct rnbd_msg_unbd_fence_rsp rsp;

	rnbd_put_fence_rsp(&rsp, &instance);
	check_int("type", unbd_rnbd_get_type(&rsp, sizeof(rsp)), 0x7563);
	check_int("get", rnbd_get_fence_rsp(&rsp, sizeof(rsp), &got, why,
					    sizeof(why)), 0);
	check(!memcmp(&got, &instance, sizeof(got)), "another instance");
	check_int("cut", rnbd_get_fence_rsp(&rsp, 19, &got, why, sizeof(why)),
		  -EPROTO);
	memset(&rsp, 0, sizeof(rsp));
	check_int("nothing", rnbd_get_fence_rsp(&rsp, sizeof(rsp), &got, why,
						sizeof(why)), -EPROTO);
}

static void test_bad_fence(void)
{
	struct unbd_key keys[UNBD_MAX_KEYS + 1];
	struct rnbd_msg_unbd_fence msg[2];
	unsigned int nr;

	memset(keys, 0, sizeof(keys));
	memset(msg, 0, sizeof(msg));
	rnbd_put_fence(msg, keys, 1);
	check_int("no key", get_fence(msg, 4, keys, &nr), -EPROTO);
	check_why(why, "0 bytes are not 1 to 17 keys");
	check_int("cut", get_fence(msg, 35, keys, &nr), -EPROTO);
	check_int("too many", get_fence(msg, 292, keys, &nr), -EPROTO);
	check_why(why, "288 bytes are not 1 to 17 keys");
	check_int("no header", get_fence(msg, 3, keys, &nr), -EPROTO);
	msg[0].hdr.type = 0;
	check_int("type", get_fence(msg, 20, keys, &nr), -EPROTO);
	check_int("keys", nr, 0);
}

static void test_io(void)
{
	struct rnbd_io io = { .device_id = 7, .sector = 1ULL << 40,
			      .op = RNBD_OP_WRITE, .flags = RNBD_F_FUA,
			      .bytes = 4096, .prio = 16388 };
	struct rnbd_msg_io msg;
	struct rnbd_io got;

	memset(&msg, 0xaa, sizeof(msg));
	rnbd_put_io(&msg, &io);
	check_int("rw", le32_to_cpu(msg.rw), 0x201);
	check_int("padding", msg.padding[5], 0);
	check_int("get", rnbd_get_io(&msg, sizeof(msg), false, 4096, &got, why,
				     sizeof(why)), 0);
	check_int("device_id", got.device_id, io.device_id);
	check_int("sector", got.sector, io.sector);
	check_int("op", got.op, io.op);
	check_int("flags", got.flags, io.flags);
	check_int("bytes", got.bytes, io.bytes);
	check_int("prio", got.prio, io.prio);
	check_int("short", rnbd_get_io(&msg, 24, false, 4096, &got, why,
				       sizeof(why)), 0);
	check_int("prio", got.prio, 0);
}

/* As kernels send it: sector ~0, which must not reach a disk. */
static void test_flush(void)
{
	struct rnbd_io io = { .sector = ~0ULL, .op = RNBD_OP_FLUSH,
			      .flags = RNBD_F_SYNC | RNBD_F_FUA };
	struct rnbd_msg_io msg;
	struct rnbd_io got;

	rnbd_put_io(&msg, &io);
	check_int("get", rnbd_get_io(&msg, sizeof(msg), true, 0, &got, why,
				     sizeof(why)), 0);
	check_int("sector", got.sector, 0);
	check_int("bytes", got.bytes, 0);
}

static void bad_io(u32 op, u32 bytes, bool is_read, u32 data_len, int err)
{
	struct rnbd_io io = { .op = op, .bytes = bytes };
	struct rnbd_msg_io msg;
	struct rnbd_io got;

	rnbd_put_io(&msg, &io);
	check_int("error", rnbd_get_io(&msg, sizeof(msg), is_read, data_len,
				       &got, why, sizeof(why)), err);
	check_why(why, "operation");
}

static void test_bad_io(void)
{
	struct rnbd_msg_io msg = {};
	struct rnbd_io got;

	bad_io(RNBD_OP_READ, 4096, true, 512, -EINVAL);
	bad_io(RNBD_OP_READ, 512, true, 4096, -EINVAL);
	bad_io(RNBD_OP_READ, 512, false, 512, -EINVAL);
	bad_io(RNBD_OP_READ, 0, true, 0, -EINVAL);
	bad_io(RNBD_OP_WRITE, 8192, false, 4096, -EINVAL);
	bad_io(RNBD_OP_WRITE, 4096, true, 4096, -EINVAL);
	bad_io(RNBD_OP_WRITE, 0, false, 0, -EINVAL);
	bad_io(RNBD_OP_FLUSH, 0, false, 0, -EINVAL);
	bad_io(RNBD_OP_FLUSH, 0, true, 512, -EINVAL);
	bad_io(RNBD_OP_DISCARD, 4096, false, 4096, -EINVAL);
	bad_io(RNBD_OP_DISCARD, 4096, true, 0, -EINVAL);
	bad_io(RNBD_OP_DISCARD, 0, false, 0, -EINVAL);
	bad_io(6, 4096, true, 4096, -EOPNOTSUPP);
	bad_io(255, 4096, false, 0, -EOPNOTSUPP);
	check_int("cut", rnbd_get_io(&msg, 23, true, 0, &got, why,
				     sizeof(why)), -EPROTO);
	check_int("type", rnbd_get_io(&msg, 32, true, 0, &got, why,
				      sizeof(why)), -EPROTO);
	check_why(why, "wanted type 4");
}

static const struct rnbd_row {
	const char *name;
	void (*run)(void);
} rows[] = {
	{ "SESS_INFO", test_sess_info },
	{ "OPEN", test_open },
	{ "bad OPEN", test_bad_open },
	{ "OPEN_RSP", test_open_rsp },
	{ "OPEN_RSP without a cache policy", test_unknown_cache },
	{ "OPEN_RSP that is odd", test_odd_open_rsp },
	{ "bad OPEN_RSP", test_bad_open_rsp },
	{ "CLOSE", test_close },
	{ "FENCE", test_fence },
	{ "answer to FENCE", test_fence_rsp },
	{ "bad FENCE", test_bad_fence },
	{ "IO", test_io },
	{ "FLUSH", test_flush },
	{ "bad IO", test_bad_io },
};

static const char *row_name(size_t row)
{
	return rows[row].name;
}

static void run(size_t row)
{
	rows[row].run();
}

const struct unit_suite rnbd_suite = {
	"rnbd", ARRAY_SIZE(rows), row_name, run, NULL, NULL,
};
