// SPDX-License-Identifier: GPL-2.0
/* v5.16: poll() may collect completions */
#include <linux/blk-mq.h>

static int poll(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *iob)
{
	return 0;
}

const struct blk_mq_ops ops = { .poll = poll };
