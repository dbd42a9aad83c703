// SPDX-License-Identifier: GPL-2.0
/*
 * RTRS messages as the client needs them. See rtrs-codec.h.
 */
#include <asm/byteorder.h>
#include <linux/string.h>

#include <unbd/parse.h>

#include "rtrs-codec.h"

/* ------------------------------------------------------------------ */
/* Connecting                                                         */

void rtrs_put_conn_req(struct rtrs_msg_conn_req *msg,
		       const struct rtrs_conn_params *p)
{
	memset(msg, 0, sizeof(*msg));
	msg->magic = cpu_to_le16(RTRS_MAGIC);
	msg->version = cpu_to_le16(RTRS_VERSION);
	msg->cid = cpu_to_le16(p->cid);
	msg->cid_num = cpu_to_le16(p->cid_num);
	msg->recon_cnt = cpu_to_le16(p->recon_cnt);
	memcpy(msg->sess_uuid, p->sess_uuid, sizeof(msg->sess_uuid));
	memcpy(msg->paths_uuid, p->paths_uuid, sizeof(msg->paths_uuid));
	msg->first_conn = p->first_conn ? RTRS_FIRST_CONN : 0;
}

int rtrs_get_conn_rsp(const void *data, size_t len, struct rtrs_pool *pool,
		      char *why, size_t whylen)
{
	struct rtrs_msg_conn_rsp msg;
	int err;

	if (len < sizeof(msg))
		return unbd_why(why, whylen, -EPROTO,
				"accepted with %zu bytes, wanted %zu", len,
				sizeof(msg));
	memcpy(&msg, data, sizeof(msg));
	err = unbd_rtrs_check_head(le16_to_cpu(msg.magic),
				   le16_to_cpu(msg.version), why, whylen);
	if (err)
		return err;
	if (msg.errno_)
		return unbd_why(why, whylen, -EPROTO,
				"accepted with error %d",
				(s16)le16_to_cpu(msg.errno_));
	if (!pool)
		return 0;
	return unbd_rtrs_pool_init(pool, le16_to_cpu(msg.queue_depth),
				   le32_to_cpu(msg.max_io_size),
				   le32_to_cpu(msg.max_hdr_size),
				   le32_to_cpu(msg.flags) & RTRS_MSG_NEW_RKEY_F,
				   why, whylen);
}

int rtrs_get_reject(const void *data, size_t len, char *why, size_t whylen)
{
	struct rtrs_msg_conn_rsp msg = {};
	u16 version;
	int err;

	if (len >= offsetof(struct rtrs_msg_conn_rsp, queue_depth))
		memcpy(&msg, data, len < sizeof(msg) ? len : sizeof(msg));
	if (le16_to_cpu(msg.magic) != RTRS_MAGIC)
		return unbd_why(why, whylen, -EPROTO,
				"who listens there does not speak RTRS");
	version = le16_to_cpu(msg.version);
	if (version >> 8 != RTRS_VERSION_MAJOR)
		return unbd_why(why, whylen, -EPROTONOSUPPORT,
				"the server speaks RTRS %u.%u, we %u",
				version >> 8, version & 0xff,
				RTRS_VERSION_MAJOR);
	err = (s16)le16_to_cpu(msg.errno_);
	/* -MAX_ERRNO, and nothing that means something to this kernel only */
	if (err >= 0 || err < -RTRS_RSP_ERRNO_MAX)
		return unbd_why(why, whylen, -EPROTO,
				"the server refuses with error %d", err);
	return err;
}

/* ------------------------------------------------------------------ */
/* Exchange of information                                            */

int rtrs_put_info_req(struct rtrs_msg_info_req *msg, const char *name)
{
	size_t len = strlen(name);

	if (len >= sizeof(msg->pathname))
		return -ENAMETOOLONG;
	memset(msg, 0, sizeof(*msg));
	msg->type = cpu_to_le16(RTRS_MSG_INFO_REQ);
	memcpy(msg->pathname, name, len);
	return 0;
}

/* One descriptor may have several chunks in it. Returns how many, or 0. */
static u32 take_desc(const struct rtrs_sg_desc *wire,
		     const struct rtrs_pool *pool, struct rtrs_chunk *chunks,
		     u32 room)
{
	u64 addr = le64_to_cpu(wire->addr);
	u32 key = le32_to_cpu(wire->key);
	u32 len = le32_to_cpu(wire->len);
	u32 nr = len / pool->chunk_size;
	u32 i;

	if (!nr || len % pool->chunk_size || nr > room || addr + len < addr)
		return 0;
	for (i = 0; i < nr; i++) {
		chunks[i].addr = addr + (u64)i * pool->chunk_size;
		chunks[i].rkey = key;
	}
	return nr;
}

int rtrs_get_info_rsp(const void *data, size_t len,
		      const struct rtrs_pool *pool, struct rtrs_chunk *chunks,
		      char *why, size_t whylen)
{
	const u8 *at = (const u8 *)data + sizeof(struct rtrs_msg_info_rsp);
	struct rtrs_msg_info_rsp msg;
	struct rtrs_sg_desc desc;
	u32 n, i, nr, got = 0;

	if (len < sizeof(msg))
		return unbd_why(why, whylen, -EPROTO,
				"INFO_RSP of %zu bytes", len);
	memcpy(&msg, data, sizeof(msg));
	n = le16_to_cpu(msg.sg_cnt);
	if (le16_to_cpu(msg.type) != RTRS_MSG_INFO_RSP)
		return unbd_why(why, whylen, -EPROTO,
				"message of type %u, wanted INFO_RSP",
				le16_to_cpu(msg.type));
	if (!n || n > pool->queue_depth || len < rtrs_info_rsp_len(n))
		return unbd_why(why, whylen, -EPROTO,
				"INFO_RSP of %zu bytes for %u descriptors and %u chunks",
				len, n, pool->queue_depth);
	for (i = 0; i < n; i++, at += sizeof(desc)) {
		memcpy(&desc, at, sizeof(desc));
		nr = take_desc(&desc, pool, chunks + got,
			       pool->queue_depth - got);
		if (!nr)
			return unbd_why(why, whylen, -EPROTO,
					"descriptor %u of %u has %u bytes, chunks have %u",
					i, n, le32_to_cpu(desc.len),
					pool->chunk_size);
		got += nr;
	}
	if (got != pool->queue_depth)
		return unbd_why(why, whylen, -EPROTO,
				"%u chunks described, wanted %u", got,
				pool->queue_depth);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Requests and answers                                               */

u32 rtrs_imm_io_req(const struct rtrs_pool *pool, u32 id, u32 off)
{
	return (u32)RTRS_IO_REQ_IMM << RTRS_IMM_TYPE_SHIFT |
		id << pool->off_bits | off;
}

size_t rtrs_put_write(void *buf, u16 usr_len)
{
	struct rtrs_msg_rdma_write msg = {
		.type = cpu_to_le16(RTRS_MSG_WRITE),
		.usr_len = cpu_to_le16(usr_len),
	};

	memcpy(buf, &msg, sizeof(msg));
	return sizeof(msg);
}

size_t rtrs_put_read(void *buf, u16 usr_len, u32 len, u64 addr, u32 key)
{
	struct rtrs_msg_rdma_read msg = {
		.type = cpu_to_le16(RTRS_MSG_READ),
		.usr_len = cpu_to_le16(usr_len),
		.flags = cpu_to_le16(len ? RTRS_MSG_NEED_INVAL_F : 0),
		.sg_cnt = cpu_to_le16(len ? 1 : 0),
	};
	struct rtrs_sg_desc desc;

	memcpy(buf, &msg, sizeof(msg));
	if (!len)
		return sizeof(msg);
	rtrs_put_desc(&desc, addr, key, len);
	memcpy((u8 *)buf + sizeof(msg), &desc, sizeof(desc));
	return RTRS_READ_LEN(1);
}

int rtrs_get_rkey_rsp(const void *data, size_t len, u32 id, u32 *rkey,
		      char *why, size_t whylen)
{
	struct rtrs_msg_rkey_rsp msg;

	if (len < sizeof(msg))
		return unbd_why(why, whylen, -EPROTO,
				"RKEY_RSP of %zu bytes", len);
	memcpy(&msg, data, sizeof(msg));
	if (le16_to_cpu(msg.type) != RTRS_MSG_RKEY_RSP ||
	    le16_to_cpu(msg.buf_id) != id)
		return unbd_why(why, whylen, -EPROTO,
				"message of type %u for chunk %u, wanted RKEY_RSP for %u",
				le16_to_cpu(msg.type),
				le16_to_cpu(msg.buf_id), id);
	*rkey = le32_to_cpu(msg.rkey);
	return 0;
}
