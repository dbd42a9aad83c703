// SPDX-License-Identifier: GPL-2.0
/*
 * RNBD messages as the server needs them. See rnbd-codec.h.
 */
#include <linux/string.h>

#include "rnbd-codec.h"

/* ------------------------------------------------------------------ */
/* Session                                                            */

int rnbd_get_sess_info(const void *data, size_t len, u8 *ver,
		       char *why, size_t whylen)
{
	struct rnbd_msg_sess_info msg;
	int err;

	err = unbd_rnbd_get_message(&msg, sizeof(msg), data, len,
				    RNBD_MSG_SESS_INFO, why, whylen);
	if (!err)
		*ver = rnbd_lower_version(msg.ver);
	return err;
}

void rnbd_put_sess_info_rsp(struct rnbd_msg_sess_info_rsp *msg, u8 ver)
{
	memset(msg, 0, sizeof(*msg));
	msg->hdr = rnbd_header(RNBD_MSG_SESS_INFO_RSP);
	msg->ver = ver;
}

/* ------------------------------------------------------------------ */
/* Devices                                                            */

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

	err = unbd_rnbd_get_message(&msg, sizeof(msg), data, len, RNBD_MSG_OPEN,
				    why, whylen);
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
	bytes /= RNBD_SECTOR_BYTES;
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
	msg->hdr = rnbd_header(RNBD_MSG_OPEN_RSP);
	msg->device_id = cpu_to_le32(info->device_id);
	msg->nsectors = cpu_to_le64(info->size / RNBD_SECTOR_BYTES);
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

int rnbd_get_close(const void *data, size_t len, u32 *device_id,
		   char *why, size_t whylen)
{
	struct rnbd_msg_close msg;
	int err;

	err = unbd_rnbd_get_message(&msg, sizeof(msg), data, len,
				    RNBD_MSG_CLOSE, why, whylen);
	if (!err)
		*device_id = le32_to_cpu(msg.device_id);
	return err;
}

int rnbd_get_fence(const void *data, size_t len, struct unbd_key *keys,
		   unsigned int *nr, char *why, size_t whylen)
{
	struct rnbd_msg_hdr hdr;
	size_t size;
	int err;

	err = unbd_rnbd_get_message(&hdr, sizeof(hdr), data, len,
				    RNBD_MSG_UNBD_FENCE, why, whylen);
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
	rsp->hdr = rnbd_header(RNBD_MSG_UNBD_FENCE_RSP);
	rsp->instance = *instance;
}

/* ------------------------------------------------------------------ */
/* I/O                                                                */

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
	err = unbd_rnbd_get_message(&msg, RNBD_MIN_IO_LEN, data, len,
				    RNBD_MSG_IO, why, whylen);
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
