// SPDX-License-Identifier: GPL-2.0
/* v7.2 has an int for the NUMA node of init_request() */
#include <linux/blk-mq.h>

static int init_request(struct blk_mq_tag_set *set, struct request *rq,
			unsigned int hctx_idx, int numa_node)
{
	return 0;
}

const struct blk_mq_ops ops = { .init_request = init_request };
