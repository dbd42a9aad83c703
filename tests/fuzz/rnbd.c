// SPDX-License-Identifier: GPL-2.0
/*
 * RNBD: what clients send to the server, and servers to the client.
 */
#include "transport-rdma/client/rnbd-codec.h"
#include "transport-rdma/server/rnbd-codec.h"

#include "fuzz.h"

#define UNTOUCHED	0xaa

static char why[UNBD_WHY_LEN];

static bool refused(int err)
{
	if (err)
		must_say_why(err, why, sizeof(why));
	return err;
}

/* ------------------------------------------------------------------ */
/* Session                                                            */

static void check_version(int err, u8 ver)
{
	must(err ? ver == UNTOUCHED : ver <= RNBD_VERSION_MAJOR);
	if (refused(err))
		must(err == -EPROTO);
}

static void get_sess_info(const u8 *data, size_t len)
{
	u8 ver = UNTOUCHED;
	int err = rnbd_get_sess_info(data, len, &ver, why, sizeof(why));

	check_version(err, ver);
}

static void get_sess_info_rsp(const u8 *data, size_t len)
{
	struct rnbd_msg_sess_info_rsp msg;
	u8 again, ver = UNTOUCHED;
	int err = rnbd_get_sess_info_rsp(data, len, &ver, why, sizeof(why));

	check_version(err, ver);
	if (err)
		return;
	rnbd_put_sess_info_rsp(&msg, ver);
	must(!rnbd_get_sess_info_rsp(&msg, sizeof(msg), &again, why,
				     sizeof(why)));
	must(again == ver);
}

/* ------------------------------------------------------------------ */
/* Devices                                                            */

static void check_open(const char *name, enum unbd_access_mode mode)
{
	char *again = malloc(RNBD_DEV_NAME_LEN);
	enum unbd_access_mode mode_again;
	struct rnbd_msg_open msg;

	must(*name && strnlen(name, RNBD_DEV_NAME_LEN) < RNBD_DEV_NAME_LEN);
	must(!strpbrk(name, "\t\n\033\177"));
	must(mode == UNBD_ACCESS_RW || mode == UNBD_ACCESS_RO ||
	     mode == UNBD_ACCESS_MIGRATION);
	must(!rnbd_put_open(&msg, name, mode));
	must(!rnbd_get_open(&msg, sizeof(msg), again, &mode_again, why,
			    sizeof(why)));
	must(!strcmp(again, name) && mode_again == mode);
	free(again);
}

static void get_open(const u8 *data, size_t len)
{
	char *name = malloc(RNBD_DEV_NAME_LEN);
	enum unbd_access_mode mode;

	must(name);
	if (!refused(rnbd_get_open(data, len, name, &mode, why, sizeof(why))))
		check_open(name, mode);
	free(name);
}

static bool is_power_of_two(u64 n)
{
	return n && !(n & (n - 1));
}

/* What becomes a disk's size and limits */
static void check_info(const struct rnbd_device_info *info)
{
	u32 block = info->logical_block_size;

	must(is_power_of_two(block) && block >= 512 && block <= 65536);
	must(is_power_of_two(info->physical_block_size));
	must(info->physical_block_size >= block);
	must(!(info->size >> 63) && !(info->size % block));
	must(!(info->max_io % block) && !(info->max_discard % block));
	must(!(info->max_write_zeroes % block));
	must(is_power_of_two(info->discard_granularity));
	must(info->discard_granularity >= block);
	must(info->discard_alignment < info->discard_granularity);
}

static void get_open_rsp(const u8 *data, size_t len)
{
	struct rnbd_device_info info, again;
	struct rnbd_msg_open_rsp msg, same;

	if (refused(rnbd_get_open_rsp(data, len, &info, why, sizeof(why))))
		return;
	check_info(&info);
	rnbd_put_open_rsp(&msg, &info);
	must(!rnbd_get_open_rsp(&msg, sizeof(msg), &again, why, sizeof(why)));
	must(again.size == info.size && again.max_io == info.max_io);
	must(again.max_discard == info.max_discard);
	must(again.max_write_zeroes == info.max_write_zeroes);
	must(again.write_cache == info.write_cache && again.fua == info.fua);
	must(again.fences == info.fences);
	rnbd_put_open_rsp(&same, &again);
	must(!memcmp(&msg, &same, sizeof(msg)));
}

static void get_close(const u8 *data, size_t len)
{
	u32 id = UNTOUCHED;
	struct rnbd_msg_close msg, again;

	if (refused(rnbd_get_close(data, len, &id, why, sizeof(why)))) {
		must(id == UNTOUCHED);
		return;
	}
	rnbd_put_close(&msg, id);
	memcpy(&again, data, sizeof(again));
	must(msg.device_id == again.device_id);
	must(msg.hdr.type == again.hdr.type);
}

static void get_fence(const u8 *data, size_t len)
{
	struct unbd_key *keys = malloc(UNBD_MAX_KEYS * sizeof(*keys));
	struct rnbd_msg_unbd_fence msg;
	unsigned int nr = UNTOUCHED;
	size_t from = sizeof(msg.hdr);

	must(keys);
	if (refused(rnbd_get_fence(data, len, keys, &nr, why, sizeof(why)))) {
		must(nr == UNTOUCHED);
	} else {
		must(nr && nr <= UNBD_MAX_KEYS);
		must(rnbd_put_fence(&msg, keys, nr) == len);
		must(!memcmp((u8 *)&msg + from, data + from, len - from));
	}
	free(keys);
}

static void get_fence_rsp(const u8 *data, size_t len)
{
	struct rnbd_msg_unbd_fence_rsp msg;
	struct unbd_instance instance;
	size_t from = sizeof(msg.hdr);

	if (refused(rnbd_get_fence_rsp(data, len, &instance, why,
				       sizeof(why))))
		return;
	must(len >= sizeof(msg));
	rnbd_put_fence_rsp(&msg, &instance);
	must(!memcmp((u8 *)&msg + from, data + from, sizeof(msg) - from));
}

/* ------------------------------------------------------------------ */
/* I/O                                                                */

static void check_io(const struct rnbd_io *io, bool is_read, u32 data_len)
{
	bool flush = io->op == RNBD_OP_FLUSH;

	must(io->op <= RNBD_OP_WRITE_ZEROES);
	must(is_read == (flush || io->op == RNBD_OP_READ));
	must(!io->bytes == flush && (!flush || !io->sector));
	must(data_len == (rnbd_op_has_data(io->op) ? io->bytes : 0));
	must(!(io->flags & RNBD_OP_MASK));
}

static void put_io(const struct rnbd_io *io, bool is_read, u32 data_len)
{
	struct rnbd_msg_io msg;
	struct rnbd_io again;

	rnbd_put_io(&msg, io);
	must(!rnbd_get_io(&msg, sizeof(msg), is_read, data_len, &again, why,
			  sizeof(why)));
	must(again.device_id == io->device_id && again.sector == io->sector);
	must(again.op == io->op && again.flags == io->flags);
	must(again.bytes == io->bytes && again.prio == io->prio);
}

static void get_io(const u8 *data, size_t len, bool is_read, u32 data_len)
{
	struct rnbd_io io;
	int err = rnbd_get_io(data, len, is_read, data_len, &io, why,
			      sizeof(why));

	if (refused(err)) {
		must(err == -EPROTO || err == -EOPNOTSUPP || err == -EINVAL);
		return;
	}
	must(len >= RNBD_MIN_IO_LEN);
	check_io(&io, is_read, data_len);
	put_io(&io, is_read, data_len);
}

/* ------------------------------------------------------------------ */

static void get_message(enum fuzz_rnbd kind, const u8 *data, size_t len)
{
	int type = unbd_rnbd_get_type(data, len);

	must(type == -EPROTO || (type >= 0 && type < 0x10000));
	if (kind == FUZZ_SESS_INFO)
		get_sess_info(data, len);
	else if (kind == FUZZ_SESS_INFO_RSP)
		get_sess_info_rsp(data, len);
	else if (kind == FUZZ_OPEN)
		get_open(data, len);
	else if (kind == FUZZ_OPEN_RSP)
		get_open_rsp(data, len);
	else if (kind == FUZZ_CLOSE)
		get_close(data, len);
	else if (kind == FUZZ_FENCE)
		get_fence(data, len);
	else
		get_fence_rsp(data, len);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	enum fuzz_rnbd kind = fuzz_u8(&in) % FUZZ_RNBD;
	bool is_read = false;
	u32 data_len = 0;
	u8 *copy;

	memset(why, 0, sizeof(why));
	if (kind == FUZZ_IO) {
		is_read = fuzz_u8(&in) & 1;
		data_len = fuzz_u32(&in);
	}
	copy = fuzz_copy(in.at, in.left);
	if (kind == FUZZ_IO)
		get_io(copy, in.left, is_read, data_len);
	else
		get_message(kind, copy, in.left);
	free(copy);
	return 0;
}
