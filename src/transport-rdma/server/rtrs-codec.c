// SPDX-License-Identifier: GPL-2.0
/*
 * RTRS messages as the server needs them. See rtrs-codec.h.
 */
#include <asm/byteorder.h>
#include <linux/string.h>

#include <unbd/parse.h>

#include "rtrs-codec.h"

/* ------------------------------------------------------------------ */
/* Connecting                                                         */

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
	if (unbd_rtrs_check_head(le16_to_cpu(msg.magic),
				 le16_to_cpu(msg.version), why, whylen))
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

/* ------------------------------------------------------------------ */
/* Exchange of information                                            */

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

/* ------------------------------------------------------------------ */
/* Requests and answers                                               */

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

u32 rtrs_imm_io_rsp(u32 id, int err, bool inv)
{
	u32 type = inv ? RTRS_IO_RSP_W_INV_IMM : RTRS_IO_RSP_IMM;
	u32 positive = err < 0 ? -(u32)err : (u32)err;

	if (positive > RTRS_RSP_ERRNO_MAX)
		positive = EIO;
	return type << RTRS_IMM_TYPE_SHIFT | positive << RTRS_RSP_ID_BITS |
		(id & RTRS_RSP_ID_MASK);
}

void rtrs_put_rkey_rsp(struct rtrs_msg_rkey_rsp *msg, u16 id, u32 rkey)
{
	msg->type = cpu_to_le16(RTRS_MSG_RKEY_RSP);
	msg->buf_id = cpu_to_le16(id);
	msg->rkey = cpu_to_le32(rkey);
}
