// SPDX-License-Identifier: GPL-2.0
/*
 * RTRS as both ends need it. See rtrs-codec.h.
 */
#include <unbd/compat.h>
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

int unbd_rtrs_check_head(u16 magic, u16 version, char *why, size_t whylen)
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
EXPORT_SYMBOL_UNBD(unbd_rtrs_check_head);

int unbd_rtrs_pool_init(struct rtrs_pool *pool, u32 queue_depth,
			u32 max_io_size, u32 max_hdr_size, bool new_rkey,
			char *why, size_t whylen)
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
EXPORT_SYMBOL_UNBD(unbd_rtrs_pool_init);

int unbd_rtrs_get_imm(u32 imm, const struct rtrs_pool *pool,
		      struct rtrs_imm *out, char *why, size_t whylen)
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
EXPORT_SYMBOL_UNBD(unbd_rtrs_get_imm);
