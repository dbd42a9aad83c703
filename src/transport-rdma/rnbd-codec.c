// SPDX-License-Identifier: GPL-2.0
/*
 * RNBD messages, packed and taken apart. See rnbd-codec.h.
 */
#include <asm/byteorder.h>
#include <linux/string.h>

#include "rnbd-codec.h"

#define SECTOR_BYTES	512u
#define MAX_BLOCK_SIZE	65536u

/* What the kernel can count in bytes with a sign */
#define MAX_SECTORS	(0x7fffffffffffffffULL / SECTOR_BYTES)

static bool is_power_of_two(u32 n)
{
	return n && !(n & (n - 1));
}

static struct rnbd_msg_hdr header(enum rnbd_msg_type type)
{
	return (struct rnbd_msg_hdr){ .type = cpu_to_le16(type) };
}

int rnbd_get_type(const void *data, size_t len)
{
	struct rnbd_msg_hdr hdr;

	if (len < sizeof(hdr))
		return -EPROTO;
	memcpy(&hdr, data, sizeof(hdr));
	return le16_to_cpu(hdr.type);
}

/* Copies a message of just that type and at least that length. */
static int take(void *msg, size_t wanted, const void *data, size_t len,
		enum rnbd_msg_type type, char *why, size_t whylen)
{
	int got = rnbd_get_type(data, len);

	if (got != (int)type || len < wanted)
		return unbd_why(why, whylen, -EPROTO,
				"message of type %d with %zu bytes, wanted type %d with %zu",
				got, len, (int)type, wanted);
	memcpy(msg, data, wanted);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Session                                                            */

static u8 lower_version(u8 ver)
{
	return ver < RNBD_VERSION_MAJOR ? ver : RNBD_VERSION_MAJOR;
}

void rnbd_put_sess_info(struct rnbd_msg_sess_info *msg)
{
	memset(msg, 0, sizeof(*msg));
	msg->hdr = header(RNBD_MSG_SESS_INFO);
	msg->ver = RNBD_VERSION_MAJOR;
}

int rnbd_get_sess_info(const void *data, size_t len, u8 *ver,
		       char *why, size_t whylen)
{
	struct rnbd_msg_sess_info msg;
	int err;

	err = take(&msg, sizeof(msg), data, len, RNBD_MSG_SESS_INFO, why,
		   whylen);
	if (!err)
		*ver = lower_version(msg.ver);
	return err;
}

void rnbd_put_sess_info_rsp(struct rnbd_msg_sess_info_rsp *msg, u8 ver)
{
	memset(msg, 0, sizeof(*msg));
	msg->hdr = header(RNBD_MSG_SESS_INFO_RSP);
	msg->ver = ver;
}

int rnbd_get_sess_info_rsp(const void *data, size_t len, u8 *ver,
			   char *why, size_t whylen)
{
	struct rnbd_msg_sess_info_rsp msg;
	int err;

	err = take(&msg, sizeof(msg), data, len, RNBD_MSG_SESS_INFO_RSP, why,
		   whylen);
	if (!err)
		*ver = lower_version(msg.ver);
	return err;
}

/* ------------------------------------------------------------------ */
/* Devices                                                            */

static u8 mode_to_wire(enum unbd_access_mode mode)
{
	switch (mode) {
	case UNBD_ACCESS_RO:
		return RNBD_ACCESS_RO;
	case UNBD_ACCESS_MIGRATION:
		return RNBD_ACCESS_MIGRATION;
	case UNBD_ACCESS_RW:
		break;
	}
	return RNBD_ACCESS_RW;
}

int rnbd_put_open(struct rnbd_msg_open *msg, const char *name,
		  enum unbd_access_mode mode)
{
	size_t len = strlen(name);

	if (len >= sizeof(msg->dev_name))
		return -ENAMETOOLONG;
	memset(msg, 0, sizeof(*msg));
	msg->hdr = header(RNBD_MSG_OPEN);
	msg->access_mode = mode_to_wire(mode);
	memcpy(msg->dev_name, name, len);
	return 0;
}

static int check_device_name(const char *name, char *why, size_t whylen)
{
	size_t i;

	for (i = 0; i < RNBD_DEV_NAME_LEN && name[i]; i++) {
		unsigned char c = name[i];

		if (c < ' ' || c == 0x7f)
			return unbd_why(why, whylen, -EINVAL,
					"device name with byte 0x%02x", c);
	}
	if (i == RNBD_DEV_NAME_LEN)
		return unbd_why(why, whylen, -EINVAL,
				"device name without an end");
	if (!i)
		return unbd_why(why, whylen, -EINVAL, "no device name");
	return 0;
}

int rnbd_get_open(const void *data, size_t len, char *name,
		  enum unbd_access_mode *mode, char *why, size_t whylen)
{
	struct rnbd_msg_open msg;
	int err;

	err = take(&msg, sizeof(msg), data, len, RNBD_MSG_OPEN, why, whylen);
	if (err)
		return err;
	switch (msg.access_mode) {
	case RNBD_ACCESS_RO:
		*mode = UNBD_ACCESS_RO;
		break;
	case RNBD_ACCESS_RW:
		*mode = UNBD_ACCESS_RW;
		break;
	case RNBD_ACCESS_MIGRATION:
		*mode = UNBD_ACCESS_MIGRATION;
		break;
	default:
		return unbd_why(why, whylen, -EINVAL, "access mode %u",
				msg.access_mode);
	}
	memcpy(name, msg.dev_name, sizeof(msg.dev_name));
	return check_device_name(name, why, whylen);
}

static __le32 sectors(u64 bytes)
{
	bytes /= SECTOR_BYTES;
	return cpu_to_le32(bytes > 0xffffffff ? 0xffffffff : bytes);
}

/* Of 64 KiB, which are one too many, half is said. */
static __le16 block_size(u32 bytes)
{
	return cpu_to_le16(bytes > 0xffff ? 0x8000 : bytes);
}

void rnbd_put_open_rsp(struct rnbd_msg_open_rsp *msg,
		       const struct rnbd_device_info *info)
{
	memset(msg, 0, sizeof(*msg));
	msg->hdr = header(RNBD_MSG_OPEN_RSP);
	msg->device_id = cpu_to_le32(info->device_id);
	msg->nsectors = cpu_to_le64(info->size / SECTOR_BYTES);
	msg->max_hw_sectors = sectors(info->max_io);
	msg->max_write_zeroes_sectors = sectors(info->max_write_zeroes);
	msg->max_discard_sectors = sectors(info->max_discard);
	msg->discard_granularity = cpu_to_le32(info->discard_granularity);
	msg->discard_alignment = cpu_to_le32(info->discard_alignment);
	msg->physical_block_size = block_size(info->physical_block_size);
	msg->logical_block_size = block_size(info->logical_block_size);
	msg->max_segments = cpu_to_le16(info->max_segments > 0xffff ?
					0xffff : info->max_segments);
	msg->secure_discard = cpu_to_le16(info->secure_erase);
	msg->rotational = info->rotational;
	msg->cache_policy = RNBD_CACHE_KNOWN |
		(info->write_cache ? RNBD_WRITEBACK : 0) |
		(info->fua ? RNBD_FUA : 0) |
		(info->fences ? RNBD_UNBD_FENCES : 0);
}

static int check_sizes(struct rnbd_device_info *info, u64 nsectors,
		       char *why, size_t whylen)
{
	u32 block = info->logical_block_size;

	if (nsectors > MAX_SECTORS)
		return unbd_why(why, whylen, -EPROTO, "%llu sectors",
				(unsigned long long)nsectors);
	if (!is_power_of_two(block) || block < SECTOR_BYTES ||
	    block > MAX_BLOCK_SIZE)
		return unbd_why(why, whylen, -EPROTO,
				"logical blocks of %u bytes", block);
	if (!is_power_of_two(info->physical_block_size) ||
	    info->physical_block_size < block)
		info->physical_block_size = block;
	/* What is behind the last whole block is out of reach. */
	info->size = nsectors * SECTOR_BYTES & ~(u64)(block - 1);
	info->max_io &= ~(u64)(block - 1);
	info->max_discard &= ~(u64)(block - 1);
	info->max_write_zeroes &= ~(u64)(block - 1);
	if (!is_power_of_two(info->discard_granularity) ||
	    info->discard_granularity < block)
		info->discard_granularity = block;
	if (info->discard_alignment >= info->discard_granularity)
		info->discard_alignment = 0;
	return 0;
}

static void take_policy(struct rnbd_device_info *info, u8 policy)
{
	info->write_cache = policy & RNBD_WRITEBACK ||
		!(policy & RNBD_CACHE_KNOWN);
	info->fua = policy & RNBD_FUA;
	info->fences = policy & RNBD_CACHE_KNOWN && policy & RNBD_UNBD_FENCES;
	if (!policy)
		info->max_write_zeroes = 0;
}

int rnbd_get_open_rsp(const void *data, size_t len,
		      struct rnbd_device_info *info, char *why, size_t whylen)
{
	struct rnbd_msg_open_rsp msg;
	int err;

	err = take(&msg, sizeof(msg), data, len, RNBD_MSG_OPEN_RSP, why,
		   whylen);
	if (err)
		return err;
	*info = (struct rnbd_device_info){
		.device_id = le32_to_cpu(msg.device_id),
		.max_io = (u64)le32_to_cpu(msg.max_hw_sectors) * SECTOR_BYTES,
		.max_write_zeroes = SECTOR_BYTES *
			(u64)le32_to_cpu(msg.max_write_zeroes_sectors),
		.max_discard = SECTOR_BYTES *
			(u64)le32_to_cpu(msg.max_discard_sectors),
		.discard_granularity = le32_to_cpu(msg.discard_granularity),
		.discard_alignment = le32_to_cpu(msg.discard_alignment),
		.physical_block_size = le16_to_cpu(msg.physical_block_size),
		.logical_block_size = le16_to_cpu(msg.logical_block_size),
		.max_segments = le16_to_cpu(msg.max_segments),
		.secure_erase = msg.secure_discard != 0,
		.rotational = msg.rotational,
	};
	take_policy(info, msg.cache_policy);
	return check_sizes(info, le64_to_cpu(msg.nsectors), why, whylen);
}

void rnbd_put_close(struct rnbd_msg_close *msg, u32 device_id)
{
	memset(msg, 0, sizeof(*msg));
	msg->hdr = header(RNBD_MSG_CLOSE);
	msg->device_id = cpu_to_le32(device_id);
}

int rnbd_get_close(const void *data, size_t len, u32 *device_id,
		   char *why, size_t whylen)
{
	struct rnbd_msg_close msg;
	int err;

	err = take(&msg, sizeof(msg), data, len, RNBD_MSG_CLOSE, why, whylen);
	if (!err)
		*device_id = le32_to_cpu(msg.device_id);
	return err;
}

size_t rnbd_put_fence(struct rnbd_msg_unbd_fence *msg,
		      const struct unbd_key *keys, unsigned int nr)
{
	msg->hdr = header(RNBD_MSG_UNBD_FENCE);
	memcpy(msg->keys, keys, nr * sizeof(*keys));
	return sizeof(msg->hdr) + nr * sizeof(*keys);
}

int rnbd_get_fence(const void *data, size_t len, struct unbd_key *keys,
		   unsigned int *nr, char *why, size_t whylen)
{
	struct rnbd_msg_hdr hdr;
	size_t size;
	int err;

	err = take(&hdr, sizeof(hdr), data, len, RNBD_MSG_UNBD_FENCE, why,
		   whylen);
	if (err)
		return err;
	size = len - sizeof(hdr);
	if (!size || size % sizeof(*keys) ||
	    size > UNBD_MAX_KEYS * sizeof(*keys))
		return unbd_why(why, whylen, -EPROTO,
				"%zu bytes are not 1 to %d keys", size,
				UNBD_MAX_KEYS);
	memcpy(keys, (const u8 *)data + sizeof(hdr), size);
	*nr = size / sizeof(*keys);
	return 0;
}

void rnbd_put_fence_rsp(struct rnbd_msg_unbd_fence_rsp *rsp,
			const struct unbd_instance *instance)
{
	rsp->hdr = header(RNBD_MSG_UNBD_FENCE_RSP);
	rsp->instance = *instance;
}

int rnbd_get_fence_rsp(const void *data, size_t len,
		       struct unbd_instance *instance, char *why,
		       size_t whylen)
{
	struct rnbd_msg_unbd_fence_rsp rsp;
	int err;

	err = take(&rsp, sizeof(rsp), data, len, RNBD_MSG_UNBD_FENCE_RSP, why,
		   whylen);
	if (!err)
		*instance = rsp.instance;
	return err;
}

/* ------------------------------------------------------------------ */
/* I/O                                                                */

void rnbd_put_io(struct rnbd_msg_io *msg, const struct rnbd_io *io)
{
	*msg = (struct rnbd_msg_io){
		.hdr = header(RNBD_MSG_IO),
		.device_id = cpu_to_le32(io->device_id),
		.sector = cpu_to_le64(io->sector),
		.rw = cpu_to_le32(io->op | io->flags),
		.bi_size = cpu_to_le32(io->bytes),
		.prio = cpu_to_le16(io->prio),
	};
}

/* RTRS around it must carry what the operation needs, no more and no less. */
static int check_io(const struct rnbd_io *io, bool is_read, u32 data_len,
		    char *why, size_t whylen)
{
	u32 wanted = rnbd_op_has_data(io->op) ? io->bytes : 0;

	if (io->op > RNBD_OP_WRITE_ZEROES)
		return unbd_why(why, whylen, -EOPNOTSUPP,
				"unknown operation %u", io->op);
	if (is_read != rnbd_op_is_read(io->op))
		return unbd_why(why, whylen, -EINVAL, "operation %u as a %s",
				io->op, is_read ? "read" : "write");
	if (data_len != wanted || (!io->bytes && io->op != RNBD_OP_FLUSH))
		return unbd_why(why, whylen, -EINVAL,
				"operation %u of %u bytes with %u bytes of data",
				io->op, io->bytes, data_len);
	return 0;
}

int rnbd_get_io(const void *data, size_t len, bool is_read, u32 data_len,
		struct rnbd_io *io, char *why, size_t whylen)
{
	struct rnbd_msg_io msg = {};
	int err;

	*io = (struct rnbd_io){};
	err = take(&msg, RNBD_MIN_IO_LEN, data, len, RNBD_MSG_IO, why, whylen);
	if (err)
		return err;
	if (len >= RNBD_MIN_IO_LEN + sizeof(msg.prio))
		memcpy(&msg.prio, (const u8 *)data + RNBD_MIN_IO_LEN,
		       sizeof(msg.prio));
	io->device_id = le32_to_cpu(msg.device_id);
	io->op = le32_to_cpu(msg.rw) & RNBD_OP_MASK;
	io->flags = le32_to_cpu(msg.rw) & ~RNBD_OP_MASK;
	io->prio = le16_to_cpu(msg.prio);
	if (io->op != RNBD_OP_FLUSH) {
		io->sector = le64_to_cpu(msg.sector);
		io->bytes = le32_to_cpu(msg.bi_size);
	}
	return check_io(io, is_read, data_len, why, whylen);
}
