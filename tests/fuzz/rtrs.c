// SPDX-License-Identifier: GPL-2.0
/*
 * RTRS: what clients send to the server, and servers to the client.
 */
#include <asm/byteorder.h>

#include <unbd/parse.h>

#include "transport-rdma/client/rnbd-codec.h"
#include "transport-rdma/client/rtrs-codec.h"
#include "transport-rdma/server/rnbd-codec.h"
#include "transport-rdma/server/rtrs-codec.h"

#include "fuzz.h"
#include "meanwhile.h"

#define UNTOUCHED	0xaaaaaaaa

static char why[UNBD_WHY_LEN];

static bool refused(int err, int wanted)
{
	if (!err)
		return false;
	must_say_why(err, why, sizeof(why));
	must(err == wanted);
	return true;
}

/* ------------------------------------------------------------------ */
/* Chunks                                                             */

static void must_come_back(const struct rtrs_pool *pool, u32 id, u32 off)
{
	struct rtrs_imm imm;

	must(!unbd_rtrs_get_imm(rtrs_imm_io_req(pool, id, off), pool, &imm, why,
				sizeof(why)));
	must(imm.type == RTRS_IO_REQ_IMM && imm.id == id && imm.off == off);
}

static void check_pool(const struct rtrs_pool *pool)
{
	must(pool->queue_depth && pool->queue_depth <= RTRS_MAX_QUEUE_DEPTH);
	must(pool->max_io_size >= RTRS_MIN_IO_SIZE);
	must(pool->max_hdr_size >= RTRS_MIN_HDR_SIZE);
	must(pool->chunk_size > pool->max_io_size);
	must(pool->chunk_size - pool->max_io_size == pool->max_hdr_size);
	must((u64)(pool->queue_depth - 1) << pool->off_bits <=
	     RTRS_IMM_PAYLOAD_MASK);
	must(1ULL << pool->off_bits >= pool->chunk_size);
	must_come_back(pool, 0, pool->chunk_size - 1);
	must_come_back(pool, pool->queue_depth - 1, 0);
	must_come_back(pool, pool->queue_depth - 1, pool->chunk_size - 1);
}

/* The last one is as large as can be named at all. */
static void choose_pool(struct rtrs_pool *pool, u8 choice)
{
	static const struct {
		u32 depth, io, hdr;
	} sizes[] = {
		{ 4, 4096, 4096 }, { 5, 8192, 512 }, { 500, 126976, 4096 },
		{ 1, (1 << 28) - 4096, 4096 },
	};
	u8 i = choice % ARRAY_SIZE(sizes);

	must(!unbd_rtrs_pool_init(pool, sizes[i].depth, sizes[i].io,
				  sizes[i].hdr, false, why, sizeof(why)));
}

/* ------------------------------------------------------------------ */
/* Connecting                                                         */

static void get_conn_req(const u8 *data, size_t len)
{
	const size_t from = offsetof(struct rtrs_msg_conn_req, cid);
	const size_t to = offsetof(struct rtrs_msg_conn_req, first_conn);
	struct rtrs_conn_params p, again;
	struct rtrs_msg_conn_req msg;

	if (refused(rtrs_get_conn_req(data, len, &p, why, sizeof(why)),
		    -ECONNRESET))
		return;
	must(len >= sizeof(msg));
	must(p.cid_num && p.cid_num <= RTRS_MAX_CONNS && p.cid < p.cid_num);
	rtrs_put_conn_req(&msg, &p);
	must(!memcmp(&msg.cid, data + from, to - from));
	must(!rtrs_get_conn_req(&msg, sizeof(msg), &again, why, sizeof(why)));
	must(again.first_conn == p.first_conn);
}

static void get_conn_rsp(const u8 *data, size_t len)
{
	struct rtrs_pool pool, again;
	struct rtrs_msg_conn_rsp msg;

	if (refused(rtrs_get_conn_rsp(data, len, &pool, why, sizeof(why)),
		    -EPROTO))
		return;
	must(len >= sizeof(msg));
	must(!rtrs_get_conn_rsp(data, len, NULL, why, sizeof(why)));
	check_pool(&pool);
	rtrs_put_conn_rsp(&msg, &pool);
	must(!rtrs_get_conn_rsp(&msg, sizeof(msg), &again, why, sizeof(why)));
	must(again.queue_depth == pool.queue_depth);
	must(again.max_io_size == pool.max_io_size);
	must(again.max_hdr_size == pool.max_hdr_size);
	must(again.new_rkey == pool.new_rkey);
}

/* Whatever the server says: it is an error, and one that callers know. */
static void get_reject(const u8 *data, size_t len)
{
	int err = rtrs_get_reject(data, len, why, sizeof(why));
	struct rtrs_msg_conn_rsp msg;

	must(err < 0 && err >= -RTRS_RSP_ERRNO_MAX);
	if (*why)
		must_say_why(err, why, sizeof(why));
	rtrs_put_reject(&msg, err);
	must(rtrs_get_reject(&msg, sizeof(msg), why, sizeof(why)) == err);
}

/* ------------------------------------------------------------------ */
/* Exchange of information                                            */

static void get_info_req(const u8 *data, size_t len)
{
	char *name = malloc(RTRS_PATHNAME_LEN);
	struct rtrs_msg_info_req msg;
	int err = rtrs_get_info_req(data, len, name, why, sizeof(why));

	if (err) {
		must(refused(err, err == -EINVAL ? err : -EPROTO));
	} else {
		must(len == sizeof(msg));
		must(memchr(name, 0, RTRS_PATHNAME_LEN));
		must(!unbd_check_line(name, why, sizeof(why)));
		must(!unbd_check_name("", name, why, sizeof(why)));
		must(!rtrs_put_info_req(&msg, name));
		must(!strcmp((char *)msg.pathname, name));
		must(!rtrs_get_info_req(&msg, sizeof(msg), name, why,
					sizeof(why)));
	}
	free(name);
}

static struct rtrs_sg_desc desc_at(const u8 *data, u32 n)
{
	struct rtrs_sg_desc desc;

	memcpy(&desc, data + rtrs_info_rsp_len(n), sizeof(desc));
	return desc;
}

/* They are what the descriptors say, one behind the other. */
static void check_chunks(const struct rtrs_pool *pool,
			 const struct rtrs_chunk *chunks, const u8 *data)
{
	struct rtrs_sg_desc desc;
	u32 i, n = 0, pos = 0;

	for (i = 0; i < pool->queue_depth; i++) {
		desc = desc_at(data, n);
		must(chunks[i].addr == le64_to_cpu(desc.addr) + pos);
		must(chunks[i].rkey == le32_to_cpu(desc.key));
		must(chunks[i].addr + pool->chunk_size > chunks[i].addr);
		pos += pool->chunk_size;
		must(pos <= le32_to_cpu(desc.len));
		if (pos == le32_to_cpu(desc.len)) {
			pos = 0;
			n++;
		}
	}
	must(!pos);
}

/* Each with a descriptor of its own, they are the same again. */
static void put_chunks(const struct rtrs_pool *pool,
		       const struct rtrs_chunk *chunks)
{
	size_t len = rtrs_info_rsp_len(pool->queue_depth);
	struct rtrs_msg_info_rsp *msg = malloc(len);
	struct rtrs_chunk *again = calloc(pool->queue_depth, sizeof(*again));
	u32 i;

	must(msg && again);
	rtrs_put_info_rsp(msg, pool->queue_depth);
	for (i = 0; i < pool->queue_depth; i++)
		rtrs_put_desc(&msg->desc[i], chunks[i].addr, chunks[i].rkey,
			      pool->chunk_size);
	must(!rtrs_get_info_rsp(msg, len, pool, again, why, sizeof(why)));
	for (i = 0; i < pool->queue_depth; i++)
		must(again[i].addr == chunks[i].addr &&
		     again[i].rkey == chunks[i].rkey);
	free(again);
	free(msg);
}

static void get_info_rsp(const u8 *data, size_t len,
			 const struct rtrs_pool *pool)
{
	struct rtrs_chunk *chunks = calloc(pool->queue_depth, sizeof(*chunks));

	must(chunks);
	if (!refused(rtrs_get_info_rsp(data, len, pool, chunks, why,
				       sizeof(why)), -EPROTO)) {
		check_chunks(pool, chunks, data);
		put_chunks(pool, chunks);
	}
	free(chunks);
}

/* ------------------------------------------------------------------ */
/* Requests and answers                                               */

static void get_imm(u32 value, const struct rtrs_pool *pool)
{
	struct rtrs_imm imm;
	u32 again;

	if (refused(unbd_rtrs_get_imm(value, pool, &imm, why, sizeof(why)),
		    -EPROTO))
		return;
	must(imm.id < pool->queue_depth && imm.off < pool->chunk_size);
	must(imm.err <= 0 && imm.err >= -RTRS_RSP_ERRNO_MAX);
	switch (imm.type) {
	case RTRS_IO_REQ_IMM:
		again = rtrs_imm_io_req(pool, imm.id, imm.off);
		break;
	case RTRS_IO_RSP_IMM:
	case RTRS_IO_RSP_W_INV_IMM:
		again = rtrs_imm_io_rsp(imm.id, imm.err,
					imm.type == RTRS_IO_RSP_W_INV_IMM);
		break;
	default:
		again = rtrs_imm_hb(imm.type == RTRS_HB_ACK_IMM, imm.news);
	}
	must(again == value);
}

static void get_rkey_rsp(const u8 *data, size_t len, u16 id)
{
	struct rtrs_msg_rkey_rsp msg;
	u32 rkey = UNTOUCHED;

	if (refused(rtrs_get_rkey_rsp(data, len, id, &rkey, why, sizeof(why)),
		    -EPROTO)) {
		must(rkey == UNTOUCHED);
		return;
	}
	must(len >= sizeof(msg));
	rtrs_put_rkey_rsp(&msg, id, rkey);
	must(!memcmp(&msg, data, sizeof(msg)));
}

/* A chunk that the client goes on writing to while the server reads it */
static struct {
	u8 *chunk;
	u32 size;
	u32 at;
	struct fuzz_input changes;
} client;

static void change_chunk(void)
{
	u8 gap = fuzz_u8(&client.changes);

	if (!gap)
		return;
	client.at = (client.at + gap) % client.size;
	client.chunk[client.at] = fuzz_u8(&client.changes);
}

static void check_request(const struct rtrs_pool *pool, u32 off,
			  const struct rtrs_request *req)
{
	u32 msg_len = req->is_read ? RTRS_READ_LEN(req->has_desc) :
		RTRS_WRITE_LEN;

	must(req->usr_len <= off && req->usr_off == off - req->usr_len);
	must(req->data_len == req->usr_off);
	must(req->data_len <= pool->max_io_size);
	must(off + msg_len <= pool->chunk_size);
	must(req->usr_len + msg_len <= pool->max_hdr_size);
	must(req->is_read || !req->has_desc);
	must(!req->is_read || !req->data_len || req->has_desc);
	must(req->has_desc || !req->need_inval);
	if (req->has_desc)
		must(req->desc_len && req->desc_len <= pool->max_io_size);
}

/* Of the user header RNBD must not read more than there is. */
static void hand_on(const struct rtrs_request *req)
{
	u8 *msg = client.chunk + req->usr_off;
	struct rnbd_io io;

	unbd_rnbd_get_type(msg, req->usr_len);
	rnbd_get_io(msg, req->usr_len, req->is_read, req->data_len, &io, why,
		    sizeof(why));
}

static void put_request(const struct rtrs_pool *pool, u32 off,
			const struct rtrs_request *req)
{
	u8 *at = client.chunk + off;
	struct rtrs_request again;

	if (req->is_read)
		rtrs_put_read(at, req->usr_len, req->desc_len, req->desc_addr,
			      req->desc_key);
	else
		rtrs_put_write(at, req->usr_len);
	must(!rtrs_get_request(client.chunk, pool, off, &again, why,
			       sizeof(why)));
	must(again.is_read == req->is_read && again.usr_len == req->usr_len);
	must(again.data_len == req->data_len);
	must(again.desc_addr == req->desc_addr);
	must(again.desc_key == req->desc_key);
	must(again.desc_len == req->desc_len);
}

/*
 * Where the message begins; its bytes go around that. With the upper bit the
 * last of them is the chunk's last.
 */
static u32 fill_chunk(struct fuzz_input *in)
{
	u16 place = fuzz_u16(in);
	u32 before = fuzz_u8(in), len = fuzz_u8(in);
	u32 off = place % client.size;

	if (place & 0x8000 && len > before)
		off = client.size - (len - before);
	if (before > off)
		before = off;
	if (len > client.size - off + before)
		len = client.size - off + before;
	fuzz_take(in, client.chunk + off - before, len);
	return off;
}

static void get_request(struct fuzz_input *in, const struct rtrs_pool *pool)
{
	struct rtrs_request req;
	u32 off;
	int err;

	client.size = pool->chunk_size;
	client.chunk = calloc(1, client.size);
	must(client.chunk);
	off = fill_chunk(in);
	client.at = off;
	client.changes = *in;
	fuzz_meanwhile = in->left ? change_chunk : NULL;
	err = rtrs_get_request(client.chunk, pool, off, &req, why,
			       sizeof(why));
	if (!refused(err, -EPROTO)) {
		check_request(pool, off, &req);
		hand_on(&req);
		fuzz_meanwhile = NULL;
		put_request(pool, off, &req);
	}
	fuzz_meanwhile = NULL;
	free(client.chunk);
}

/* ------------------------------------------------------------------ */

static void get_message(enum fuzz_rtrs kind, struct fuzz_input *in)
{
	struct rtrs_pool pool;
	u16 id;
	u8 *copy;

	if (kind == FUZZ_INFO_RSP)
		choose_pool(&pool, fuzz_u8(in));
	id = kind == FUZZ_RKEY_RSP ? fuzz_u16(in) : 0;
	copy = fuzz_copy(in->at, in->left);
	if (kind == FUZZ_CONN_REQ)
		get_conn_req(copy, in->left);
	else if (kind == FUZZ_CONN_RSP)
		get_conn_rsp(copy, in->left);
	else if (kind == FUZZ_REJECT)
		get_reject(copy, in->left);
	else if (kind == FUZZ_INFO_REQ)
		get_info_req(copy, in->left);
	else if (kind == FUZZ_INFO_RSP)
		get_info_rsp(copy, in->left, &pool);
	else
		get_rkey_rsp(copy, in->left, id);
	free(copy);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	enum fuzz_rtrs kind = fuzz_u8(&in) % FUZZ_RTRS;
	struct rtrs_pool pool;

	memset(why, 0, sizeof(why));
	if (kind == FUZZ_IMM) {
		choose_pool(&pool, fuzz_u8(&in));
		get_imm(fuzz_u32(&in), &pool);
	} else if (kind == FUZZ_RTRS_REQUEST) {
		/* the small ones */
		choose_pool(&pool, fuzz_u8(&in) % 2);
		get_request(&in, &pool);
	} else {
		get_message(kind, &in);
	}
	return 0;
}
