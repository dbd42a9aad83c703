// SPDX-License-Identifier: GPL-2.0
/*
 * RTRS messages, packed and taken apart. See rtrs-codec.h.
 */
#include <asm/byteorder.h>
#include <linux/string.h>

#include <unbd/parse.h>

#include "rtrs-codec.h"

/* Bits that the numbers 0 to @n - 1 need */
static u32 bits_for(u32 n)
{
	u32 bits = 0;

	while (bits < 32 && (n - 1) >> bits)
		bits++;
	return bits;
}

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

static int check_head(u16 magic, u16 version, char *why, size_t whylen)
{
	if (magic != RTRS_MAGIC)
		return unbd_why(why, whylen, -EPROTO,
				"magic 0x%04x is not RTRS", magic);
	if (version >> 8 != RTRS_VERSION_MAJOR)
		return unbd_why(why, whylen, -EPROTO,
				"RTRS version %u.%u, wanted %u", version >> 8,
				version & 0xff, RTRS_VERSION_MAJOR);
	return 0;
}

int rtrs_get_conn_req(const void *data, size_t len, struct rtrs_conn_params *p,
		      char *why, size_t whylen)
{
	struct rtrs_msg_conn_req msg;

	if (len < sizeof(msg))
		return unbd_why(why, whylen, -ECONNRESET,
				"connection request of %zu bytes, wanted %zu",
				len, sizeof(msg));
	memcpy(&msg, data, sizeof(msg));
	/* What the kernel's server rejects such a request with */
	if (check_head(le16_to_cpu(msg.magic), le16_to_cpu(msg.version), why,
		       whylen))
		return -ECONNRESET;
	p->cid = le16_to_cpu(msg.cid);
	p->cid_num = le16_to_cpu(msg.cid_num);
	p->recon_cnt = le16_to_cpu(msg.recon_cnt);
	memcpy(p->sess_uuid, msg.sess_uuid, sizeof(p->sess_uuid));
	memcpy(p->paths_uuid, msg.paths_uuid, sizeof(p->paths_uuid));
	p->first_conn = msg.first_conn & RTRS_FIRST_CONN;
	if (!p->cid_num || p->cid_num > RTRS_MAX_CONNS ||
	    p->cid >= p->cid_num)
		return unbd_why(why, whylen, -ECONNRESET,
				"connection %u of %u", p->cid, p->cid_num);
	return 0;
}

void rtrs_put_conn_rsp(struct rtrs_msg_conn_rsp *msg,
		       const struct rtrs_pool *pool)
{
	memset(msg, 0, sizeof(*msg));
	msg->magic = cpu_to_le16(RTRS_MAGIC);
	msg->version = cpu_to_le16(RTRS_VERSION);
	msg->queue_depth = cpu_to_le16(pool->queue_depth);
	msg->max_io_size = cpu_to_le32(pool->max_io_size);
	msg->max_hdr_size = cpu_to_le32(pool->max_hdr_size);
	msg->flags = cpu_to_le32(pool->new_rkey ? RTRS_MSG_NEW_RKEY_F : 0);
}

void rtrs_put_reject(struct rtrs_msg_conn_rsp *msg, int err)
{
	memset(msg, 0, sizeof(*msg));
	msg->magic = cpu_to_le16(RTRS_MAGIC);
	msg->version = cpu_to_le16(RTRS_VERSION);
	msg->errno_ = cpu_to_le16(err);
}

int rtrs_pool_init(struct rtrs_pool *pool, u32 queue_depth, u32 max_io_size,
		   u32 max_hdr_size, bool new_rkey, char *why, size_t whylen)
{
	u32 id_bits;

	if (!queue_depth || queue_depth > RTRS_MAX_QUEUE_DEPTH)
		return unbd_why(why, whylen, -EPROTO, "queue depth %u",
				queue_depth);
	if (max_io_size < RTRS_MIN_IO_SIZE ||
	    max_io_size > RTRS_IMM_PAYLOAD_MASK ||
	    max_hdr_size < RTRS_MIN_HDR_SIZE ||
	    max_hdr_size > RTRS_IMM_PAYLOAD_MASK)
		return unbd_why(why, whylen, -EPROTO,
				"chunks of %u bytes for data and %u for headers",
				max_io_size, max_hdr_size);
	pool->queue_depth = queue_depth;
	pool->max_io_size = max_io_size;
	pool->max_hdr_size = max_hdr_size;
	pool->new_rkey = new_rkey;
	pool->chunk_size = max_io_size + max_hdr_size;
	id_bits = bits_for(queue_depth);
	if (id_bits + bits_for(pool->chunk_size) > RTRS_IMM_PAYLOAD_BITS)
		return unbd_why(why, whylen, -EPROTO,
				"%u chunks of %u bytes are too many for %u bits",
				queue_depth, pool->chunk_size,
				RTRS_IMM_PAYLOAD_BITS);
	pool->off_bits = RTRS_IMM_PAYLOAD_BITS - id_bits;
	return 0;
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
	err = check_head(le16_to_cpu(msg.magic), le16_to_cpu(msg.version), why,
			 whylen);
	if (err)
		return err;
	if (msg.errno_)
		return unbd_why(why, whylen, -EPROTO,
				"accepted with error %d",
				(s16)le16_to_cpu(msg.errno_));
	if (!pool)
		return 0;
	return rtrs_pool_init(pool, le16_to_cpu(msg.queue_depth),
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

int rtrs_get_info_req(const void *data, size_t len, char *name,
		      char *why, size_t whylen)
{
	struct rtrs_msg_info_req msg;
	size_t i;

	if (len != sizeof(msg))
		return unbd_why(why, whylen, -EPROTO,
				"INFO_REQ of %zu bytes, wanted %zu", len,
				sizeof(msg));
	memcpy(&msg, data, sizeof(msg));
	if (le16_to_cpu(msg.type) != RTRS_MSG_INFO_REQ)
		return unbd_why(why, whylen, -EPROTO,
				"message of type %u, wanted INFO_REQ",
				le16_to_cpu(msg.type));
	memcpy(name, msg.pathname, sizeof(msg.pathname));
	for (i = 0; i < RTRS_PATHNAME_LEN && name[i]; i++) {
		unsigned char c = name[i];

		if (c < ' ' || c == 0x7f)
			return unbd_why(why, whylen, -EINVAL,
					"session name with byte 0x%02x", c);
	}
	if (i == RTRS_PATHNAME_LEN)
		return unbd_why(why, whylen, -EINVAL,
				"session name without an end");
	return unbd_check_name("session name ", name, why, whylen);
}

void rtrs_put_info_rsp(struct rtrs_msg_info_rsp *msg, u16 sg_cnt)
{
	memset(msg, 0, sizeof(*msg));
	msg->type = cpu_to_le16(RTRS_MSG_INFO_RSP);
	msg->sg_cnt = cpu_to_le16(sg_cnt);
}

void rtrs_put_desc(struct rtrs_sg_desc *desc, u64 addr, u32 key, u32 len)
{
	desc->addr = cpu_to_le64(addr);
	desc->key = cpu_to_le32(key);
	desc->len = cpu_to_le32(len);
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
/* Immediate data                                                     */

u32 rtrs_imm_io_req(const struct rtrs_pool *pool, u32 id, u32 off)
{
	return (u32)RTRS_IO_REQ_IMM << RTRS_IMM_TYPE_SHIFT |
		id << pool->off_bits | off;
}

u32 rtrs_imm_io_rsp(u32 id, int err, bool inv)
{
	u32 type = inv ? RTRS_IO_RSP_W_INV_IMM : RTRS_IO_RSP_IMM;
	u32 positive = err < 0 ? -(u32)err : (u32)err;

	if (positive > RTRS_RSP_ERRNO_MAX)
		positive = EIO;
	return type << RTRS_IMM_TYPE_SHIFT | positive << RTRS_RSP_ID_BITS |
		(id & RTRS_RSP_ID_MASK);
}

int rtrs_get_imm(u32 imm, const struct rtrs_pool *pool, struct rtrs_imm *out,
		 char *why, size_t whylen)
{
	u32 payload = imm & RTRS_IMM_PAYLOAD_MASK;

	*out = (struct rtrs_imm){ .type = imm >> RTRS_IMM_TYPE_SHIFT };
	switch (out->type) {
	case RTRS_IO_REQ_IMM:
		out->id = payload >> pool->off_bits;
		out->off = payload & ((1u << pool->off_bits) - 1);
		break;
	case RTRS_IO_RSP_IMM:
	case RTRS_IO_RSP_W_INV_IMM:
		out->id = payload & RTRS_RSP_ID_MASK;
		out->err = -(int)(payload >> RTRS_RSP_ID_BITS);
		break;
	case RTRS_HB_MSG_IMM:
	case RTRS_HB_ACK_IMM:
		out->news = payload;
		return 0;
	default:
		return unbd_why(why, whylen, -EPROTO,
				"immediate data 0x%08x of unknown type", imm);
	}
	if (out->id >= pool->queue_depth || out->off >= pool->chunk_size)
		return unbd_why(why, whylen, -EPROTO,
				"immediate data 0x%08x: chunk %u of %u, offset %u of %u",
				imm, out->id, pool->queue_depth, out->off,
				pool->chunk_size);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Requests and answers                                               */

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

static int get_read(const u8 *at, u32 room, struct rtrs_request *req,
		    u32 *msg_len, char *why, size_t whylen)
{
	struct rtrs_msg_rdma_read msg;
	struct rtrs_sg_desc desc;
	u32 sg_cnt;

	if (room < sizeof(msg))
		return unbd_why(why, whylen, -EPROTO,
				"read request in %u bytes", room);
	memcpy(&msg, at, sizeof(msg));
	sg_cnt = le16_to_cpu(msg.sg_cnt);
	req->usr_len = le16_to_cpu(msg.usr_len);
	if (sg_cnt > 1 || room < RTRS_READ_LEN(sg_cnt))
		return unbd_why(why, whylen, -EPROTO,
				"read request with %u descriptors in %u bytes",
				sg_cnt, room);
	*msg_len = RTRS_READ_LEN(sg_cnt);
	if (!sg_cnt)
		return 0;
	memcpy(&desc, at + sizeof(msg), sizeof(desc));
	req->has_desc = true;
	req->need_inval = le16_to_cpu(msg.flags) & RTRS_MSG_NEED_INVAL_F;
	req->desc_addr = le64_to_cpu(desc.addr);
	req->desc_key = le32_to_cpu(desc.key);
	req->desc_len = le32_to_cpu(desc.len);
	return 0;
}

static int check_request(const struct rtrs_request *req,
			 const struct rtrs_pool *pool, u32 msg_len,
			 char *why, size_t whylen)
{
	if (req->usr_len + msg_len > pool->max_hdr_size ||
	    req->data_len > pool->max_io_size)
		return unbd_why(why, whylen, -EPROTO,
				"request with %u bytes of data and %u of headers",
				req->data_len, req->usr_len + msg_len);
	if (req->is_read && req->data_len && !req->has_desc)
		return unbd_why(why, whylen, -EPROTO,
				"read of %u bytes to nowhere", req->data_len);
	if (req->has_desc && (!req->desc_len ||
			      req->desc_len > pool->max_io_size))
		return unbd_why(why, whylen, -EPROTO,
				"read of %u bytes to memory of %u",
				req->data_len, req->desc_len);
	return 0;
}

int rtrs_get_request(const void *chunk, const struct rtrs_pool *pool, u32 off,
		     struct rtrs_request *req, char *why, size_t whylen)
{
	struct rtrs_msg_rdma_write msg;
	const u8 *at = (const u8 *)chunk + off;
	u32 msg_len = sizeof(msg);
	int err = 0;

	*req = (struct rtrs_request){};
	if (off > pool->chunk_size - sizeof(msg))
		return unbd_why(why, whylen, -EPROTO,
				"request at %u of %u bytes", off,
				pool->chunk_size);
	memcpy(&msg, at, sizeof(msg));
	switch (le16_to_cpu(msg.type)) {
	case RTRS_MSG_WRITE:
		req->usr_len = le16_to_cpu(msg.usr_len);
		break;
	case RTRS_MSG_READ:
		req->is_read = true;
		err = get_read(at, pool->chunk_size - off, req, &msg_len, why,
			       whylen);
		break;
	default:
		err = unbd_why(why, whylen, -EPROTO, "request of type %u",
			       le16_to_cpu(msg.type));
	}
	if (err)
		return err;
	if (req->usr_len > off)
		return unbd_why(why, whylen, -EPROTO,
				"user header of %u bytes ends at %u",
				req->usr_len, off);
	req->data_len = off - req->usr_len;
	req->usr_off = req->data_len;
	return check_request(req, pool, msg_len, why, whylen);
}

void rtrs_put_rkey_rsp(struct rtrs_msg_rkey_rsp *msg, u16 id, u32 rkey)
{
	msg->type = cpu_to_le16(RTRS_MSG_RKEY_RSP);
	msg->buf_id = cpu_to_le16(id);
	msg->rkey = cpu_to_le32(rkey);
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
