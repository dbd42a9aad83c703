// SPDX-License-Identifier: GPL-2.0
/*
 * Parameters of the shared memory modules, and elements of the block protocol.
 */
#include <unbd/parse.h>

#include "transport-shm/client/block-codec.h"
#include "transport-shm/options.h"
#include "transport-shm/server/block-codec.h"

#include "../fuzz/fuzz.h"
#include "unit.h"

/* ------------------------------------------------------------------ */
/* connections= and devices=                                          */

#define ADA	"5155684453516f3d 5155684453516f3d"

static const struct option_row {
	const char *text;
	int error;
	const char *result;	/* or part of the message */
} rows[] = {
	{ "1:blockdev_request1:blockdev_response1:blockdev_mem", 0,
	  "1 muen@/blockdev_request1 muen@/blockdev_response1 "
	  "muen@/blockdev_mem " ADA },
	{ "7:a:b:c:9570208dca77db19:9851be3282fef0dc", 0,
	  "7 muen@/a muen@/b muen@/c 9570208dca77db19 9851be3282fef0dc" },
	{ "7:a:b:c:0x10:20", 0, "7 muen@/a muen@/b muen@/c 10 20" },
	{ "1:loop@a/q:loop@a/r:loop@b/m", 0,
	  "1 loop@a/q loop@a/r loop@b/m " ADA },
	{ "1:muen/q:muen/r:muen/m", 0, "1 muen@/q muen@/r muen@/m " ADA },
	{ "1:ivshmem@0000:00:04.0/q:ivshmem@0000:00:04.0/r:mem@0x10000000/m", 0,
	  "1 ivshmem@0000:00:04.0/q ivshmem@0000:00:04.0/r mem@0x10000000/m "
	  ADA },
	{ "1:ivshmem@0000:00:04.0+0x1000+0x8000:ivshmem@0000:00:04.0+0+4096:m",
	  0, "1 ivshmem@0000:00:04.0+4096+32768 ivshmem@0000:00:04.0+0+4096 "
	  "muen@/m " ADA },
	{ "1:a:b:c,2:d:e:f:1:2", 0, "1 muen@/a muen@/b muen@/c " ADA
	  ", 2 muen@/d muen@/e muen@/f 1 2" },
	{ "1:loop@a/q:loop@a/r:loop@a/m,2:d:e:f", 0,
	  "1 loop@a/q loop@a/r loop@a/m " ADA
	  ", 2 muen@/d muen@/e muen@/f " ADA },
	{ "", -EINVAL, "\"\" is not the number" },
	{ "x:a:b:c", -EINVAL, "\"x\" is not the number" },
	{ "-1:a:b:c", -EINVAL, "\"-1\" is not the number" },
	{ "+1:a:b:c", -EINVAL, "\"+1\" is not the number" },
	{ "4294967296:a:b:c", -EINVAL, "is not the number" },
	{ "1", -EINVAL, "REQUEST" },
	{ "1:a", -EINVAL, "REQUEST" },
	{ "1:a:b", -EINVAL, "REQUEST" },
	{ "1:a:b,2:c:d:e", -EINVAL, "REQUEST" },
	{ "1:a:b:", -EINVAL, "no name" },
	{ "1::b:c", -EINVAL, "no name" },
	{ "1:a:b:c:1", -EINVAL, "two protocols" },
	{ "1:a:b:c:", -EINVAL, "two protocols" },
	{ "1:a:b:c:0:1", -EINVAL, "two protocols" },
	{ "1:a:b:c:x:1", -EINVAL, "two protocols" },
	{ "1:a:b:c:1:2:3", -EINVAL, "too much" },
	{ "1:a:b:c,", -EINVAL, "too much" },
	{ "1:loop@a:b:c", -EINVAL, "PROVIDER@PLACE" },
	{ "1:loop@/a:b:c", -EINVAL, "PROVIDER@PLACE" },
	{ "1:loop@a/:b:c", -EINVAL, "no name" },
	{ "1:mem@0+1:b:c", -EINVAL, "OFFSET" },
	{ "1:mem@0+1+0:b:c", -EINVAL, "OFFSET" },
	{ "1:mem@0+x+1:b:c", -EINVAL, "OFFSET" },
	{ "1:providerproviderprovider/a:b:c", -ENAMETOOLONG, "provider" },
};

static const char *option_name(size_t row)
{
	return rows[row].text;
}

static int print_region(char *to, const struct shm_region_name *n)
{
	if (n->length)
		return sprintf(to, " %s@%s+%llu+%llu", n->provider, n->place,
			       n->offset, n->length);
	return sprintf(to, " %s@%s/%s", n->provider, n->place, n->name);
}

static void run_option(size_t row)
{
	const struct option_row *r = &rows[row];
	char *text = strdup(r->text);
	struct shm_connection_option o;
	char why[UNBD_WHY_LEN] = "";
	const char *at = text;
	char result[1024];
	int n = 0, err;

	do {
		err = shm_parse_connection(&at, &o, why, sizeof(why));
		check(err || at > text, "nothing was taken");
		if (err)
			break;
		n += sprintf(result + n, "%s%u", n ? ", " : "", o.id);
		n += print_region(result + n, &o.request);
		n += print_region(result + n, &o.response);
		n += print_region(result + n, &o.buffer);
		n += sprintf(result + n, " %llx %llx", o.request_protocol,
			     o.response_protocol);
	} while (*at);
	check_int("error", err, r->error);
	if (err)
		check_why(why, r->result);
	else
		check_text("result", result, r->result);
	free(text);
}

static void seed_option(size_t row, struct bytes *b)
{
	put8(b, FUZZ_SHM_CONNECTIONS);
	put_text(b, rows[row].text);
}

const struct unit_suite shm_option_suite = {
	"shm connections", ARRAY_SIZE(rows), option_name, run_option, "lines",
	seed_option,
};

/* ------------------------------------------------------------------ */
/* The rest                                                           */

static void devices(void)
{
	const char *text = "/dev/sda:1,/dev/disk/by-path/pci-0000:00:1f:22,vol:3\n";
	struct shm_device_option o;
	char why[UNBD_WHY_LEN];
	unsigned int i;
	static const char * const bad[] = {
		"", ":1", "/dev/sda", "/dev/sda:", "/dev/sda:x", "/dev/sda:1,",
	};

	check_int("error", shm_parse_device(&text, &o, why, sizeof(why)), 0);
	check_text("path", o.path, "/dev/sda");
	check_int("id", o.id, 1);
	check_int("error", shm_parse_device(&text, &o, why, sizeof(why)), 0);
	check_text("path", o.path, "/dev/disk/by-path/pci-0000:00:1f");
	check_int("id", o.id, 22);
	check_int("error", shm_parse_device(&text, &o, why, sizeof(why)), 0);
	check_text("path", o.path, "vol");
	check(!*text, "something is left");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		text = bad[i];
		check_int(bad[i], shm_parse_device(&text, &o, why, sizeof(why)),
			  -EINVAL);
	}
}

static void wire(void)
{
	static const u8 wanted[32] = {
		1, 0, 2, 0, 0x21, 0x43, 0x65, 0x87, 0, 0x10, 0, 0, 0, 0, 0, 0,
		8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 2, 0, 0, 0, 0, 0,
	};
	struct shm_request rq = { MUENBLOCK_READ, 2, 0x87654321, 0x1000,
				  0x0102030405060708, 0x20000 }, back;
	struct shm_response rp = { MUENBLOCK_RESET, 3, 4, 5 }, again;
	struct muenblock_response small;
	struct muenblock_request w;

	check_int("request", sizeof(w), 32);
	check_int("response", sizeof(small), 16);
	clt_pack_request(&w, &rq);
	check(!memcmp(&w, wanted, sizeof(w)), "packed wrongly");
	srv_unpack_request(&back, &w);
	check(!memcmp(&rq, &back, sizeof(rq)), "unpacked wrongly");
	srv_pack_response(&small, &rp);
	check_int("kind", *(u8 *)&small, 0x1f);
	check_int("status", ((u8 *)&small)[8], 5);
	clt_unpack_response(&again, &small);
	check(!memcmp(&rp, &again, sizeof(rp)), "unpacked wrongly");
}

static void offsets(void)
{
	u64 bytes;

	check_int("blocks", clt_wire_offset(8192, 4096, SHM_OFFSET_BLOCKS), 2);
	check_int("sectors", clt_wire_offset(8192, 4096, SHM_OFFSET_SECTORS),
		  16);
	check_int("bytes", clt_wire_offset(8192, 4096, SHM_OFFSET_BYTES), 8192);
	check_int("error", srv_byte_offset(2, 4096, SHM_OFFSET_BLOCKS, &bytes),
		  0);
	check_int("bytes", bytes, 8192);
	check_int("within a block",
		  srv_byte_offset(1, 4096, SHM_OFFSET_SECTORS, &bytes),
		  -EINVAL);
	check_int("within a block",
		  srv_byte_offset(512, 4096, SHM_OFFSET_BYTES, &bytes),
		  -EINVAL);
	check_int("far away",
		  srv_byte_offset(1ULL << 54, 512, SHM_OFFSET_BLOCKS, &bytes),
		  -EINVAL);
	check_int("far away",
		  srv_byte_offset(~0ULL, 512, SHM_OFFSET_BLOCKS, &bytes),
		  -EINVAL);
}

static void ranges(void)
{
	static const struct {
		u64 length, buffer;
		int error;
	} r[] = {
		{ 512, 0, 0 }, { 4096, 4096, 0 }, { 8192, 0, 0 },
		{ 0, 0, -EINVAL }, { 511, 0, -EINVAL }, { 512, 1, -EINVAL },
		{ 8192 + 512, 0, -EINVAL }, { 512, 8192, -EINVAL },
		{ 4096, 4608, -EINVAL }, { ~511ULL, 0, -EINVAL },
		{ 512, ~511ULL, -EINVAL }, { ~511ULL, 1024, -EINVAL },
		{ 1ULL << 63, 1ULL << 63, -EINVAL },
	};
	struct shm_request rq = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(r); i++) {
		rq.length = r[i].length;
		rq.buffer = r[i].buffer;
		check_int("error", srv_check_range(&rq, 512, 8192), r[i].error);
	}
}

static void statuses(void)
{
	static const int errors[] = { 0, -EOPNOTSUPP, -ENOSPC, -EIO };
	unsigned int i;
	u64 status;
	int err;

	for (i = 0; i < ARRAY_SIZE(errors); i++)
		check_int("error", clt_error_of_status(MUENBLOCK_DISCARD,
				srv_status_of_error(errors[i])), errors[i]);
	/* To fsync() a flush that is not supported would be a good one. */
	check_int("sync", clt_error_of_status(MUENBLOCK_SYNC, 1), -EIO);
	check_int("write", clt_error_of_status(MUENBLOCK_WRITE, 1), -EIO);
	check_int("read", clt_error_of_status(MUENBLOCK_READ, 1), -EIO);
	check_int("EPERM", srv_status_of_error(-EPERM), MUENBLOCK_IOERR);
	for (status = 1; status < 300; status++) {
		err = clt_error_of_status(MUENBLOCK_WRITE, status);
		check(err < 0 && err != -EAGAIN, "status %llu is no error",
		      status);
	}
	check_int("wild", clt_error_of_status(MUENBLOCK_READ, ~0ULL), -EIO);
	check_int("beyond 32 bits",
		  clt_error_of_status(MUENBLOCK_READ, 1ULL << 32), -EIO);
}

static void kinds(void)
{
	unsigned int kind;

	for (kind = 0; kind < 0x10000; kind++)
		check(*clt_kind_name(kind), "kind %u has no name", kind);
}

static const struct codec_row {
	const char *name;
	void (*run)(void);
} codec_rows[] = {
	{ "devices=", devices },
	{ "elements", wire },
	{ "offsets", offsets },
	{ "ranges", ranges },
	{ "status codes", statuses },
	{ "kinds", kinds },
};

static const char *codec_name(size_t row)
{
	return codec_rows[row].name;
}

static void run_codec(size_t row)
{
	codec_rows[row].run();
}

const struct unit_suite shm_codec_suite = {
	"shm elements", ARRAY_SIZE(codec_rows), codec_name, run_codec,
};
