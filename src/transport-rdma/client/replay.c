// SPDX-License-Identifier: GPL-2.0
/*
 * Writing again what a server has lost: before a leg carries anything else, one
 * request at a time, on the service connection.
 */
#include <linux/mm.h>

#include "client.h"

/* Bytes of one request: data are copied, and memory is short sometimes. */
static u32 piece(const struct unbd_geometry *g, bool zeroes)
{
	return zeroes ? g->max_write_zeroes :
		max_t(u32, PAGE_SIZE, g->logical_block_size);
}

static int write_again(struct unbd_leg *base, const struct unbd_write *write,
		       char *why, size_t len)
{
	bool zeroes = !write->nr_pages && base->geometry.max_write_zeroes;
	u32 most = piece(&base->geometry, zeroes);
	struct rnbd_io io = {
		.op = zeroes ? RNBD_OP_WRITE_ZEROES : RNBD_OP_WRITE,
		.flags = zeroes && write->kind == UNBD_WRITE_ZEROES ?
			RNBD_F_NOUNMAP : 0,
	};
	u32 done = 0;
	int err = 0;

	for (; !err && done < write->length; done += io.bytes) {
		io.sector = (write->offset + done) >> SECTOR_SHIFT;
		io.bytes = min(write->length - done, most);
		err = clt_ask_io(to_clt_leg(base), &io, write, done, why,
				 len);
	}
	return err;
}

static int flush(struct unbd_leg *base, char *why, size_t len)
{
	struct rnbd_io io = { .op = RNBD_OP_FLUSH };

	return clt_ask_io(to_clt_leg(base), &io, NULL, 0, why, len);
}

const struct unbd_replay_ops clt_replay_ops = {
	.write	= write_again,
	.flush	= flush,
};
