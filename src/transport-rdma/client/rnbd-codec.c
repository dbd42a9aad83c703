// SPDX-License-Identifier: GPL-2.0
/*
 * RNBD messages as the client needs them. See rnbd-codec.h.
 */
#include <linux/string.h>

#include "rnbd-codec.h"

#define MAX_BLOCK_SIZE	65536u

/* What the kernel can count in bytes with a sign */
#define MAX_SECTORS	(0x7fffffffffffffffULL / RNBD_SECTOR_BYTES)

static bool is_power_of_two(u32 n)
{
	return n && !(n & (n - 1));
}

/* ------------------------------------------------------------------ */
/* Session                                                            */

void rnbd_put_sess_info(struct rnbd_msg_sess_info *msg)
{
	memset(msg, 0, sizeof(*msg));
	msg->hdr = rnbd_header(RNBD_MSG_SESS_INFO);
	msg->ver = RNBD_VERSION_MAJOR;
}

int rnbd_get_sess_info_rsp(const void *data, size_t len, u8 *ver,
			   char *why, size_t whylen)
{
	struct rnbd_msg_sess_info_rsp msg;
	int err;

	err = unbd_rnbd_get_message(&msg, sizeof(msg), data, len,
				    RNBD_MSG_SESS_INFO_RSP, why, whylen);
	if (!err)
		*ver = rnbd_lower_version(msg.ver);
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
	msg->hdr = rnbd_header(RNBD_MSG_OPEN);
	msg->access_mode = mode_to_wire(mode);
	memcpy(msg->dev_name, name, len);
	return 0;
}

static int check_sizes(struct rnbd_device_info *info, u64 nsectors,
		       char *why, size_t whylen)
{
	u32 block = info->logical_block_size;

	if (nsectors > MAX_SECTORS)
		return unbd_why(why, whylen, -EPROTO, "%llu sectors",
				(unsigned long long)nsectors);
	if (!is_power_of_two(block) || block < RNBD_SECTOR_BYTES ||
	    block > MAX_BLOCK_SIZE)
		return unbd_why(why, whylen, -EPROTO,
				"logical blocks of %u bytes", block);
	if (!is_power_of_two(info->physical_block_size) ||
	    info->physical_block_size < block)
		info->physical_block_size = block;
	/* What is behind the last whole block is out of reach. */
	info->size = nsectors * RNBD_SECTOR_BYTES & ~(u64)(block - 1);
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

	err = unbd_rnbd_get_message(&msg, sizeof(msg), data, len,
				    RNBD_MSG_OPEN_RSP, why, whylen);
	if (err)
		return err;
	*info = (struct rnbd_device_info){
		.device_id = le32_to_cpu(msg.device_id),
		.max_io = (u64)le32_to_cpu(msg.max_hw_sectors) *
			RNBD_SECTOR_BYTES,
		.max_write_zeroes = RNBD_SECTOR_BYTES *
			(u64)le32_to_cpu(msg.max_write_zeroes_sectors),
		.max_discard = RNBD_SECTOR_BYTES *
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
	msg->hdr = rnbd_header(RNBD_MSG_CLOSE);
	msg->device_id = cpu_to_le32(device_id);
}

size_t rnbd_put_fence(struct rnbd_msg_unbd_fence *msg,
		      const struct unbd_key *keys, unsigned int nr)
{
	msg->hdr = rnbd_header(RNBD_MSG_UNBD_FENCE);
	memcpy(msg->keys, keys, nr * sizeof(*keys));
	return sizeof(msg->hdr) + nr * sizeof(*keys);
}

int rnbd_get_fence_rsp(const void *data, size_t len,
		       struct unbd_instance *instance, char *why,
		       size_t whylen)
{
	struct rnbd_msg_unbd_fence_rsp rsp;
	int err;

	err = unbd_rnbd_get_message(&rsp, sizeof(rsp), data, len,
				    RNBD_MSG_UNBD_FENCE_RSP, why, whylen);
	if (!err)
		*instance = rsp.instance;
	return err;
}

/* ------------------------------------------------------------------ */
/* I/O                                                                */

void rnbd_put_io(struct rnbd_msg_io *msg, const struct rnbd_io *io)
{
	*msg = (struct rnbd_msg_io){
		.hdr = rnbd_header(RNBD_MSG_IO),
		.device_id = cpu_to_le32(io->device_id),
		.sector = cpu_to_le64(io->sector),
		.rw = cpu_to_le32(io->op | io->flags),
		.bi_size = cpu_to_le32(io->bytes),
		.prio = cpu_to_le16(io->prio),
	};
}
