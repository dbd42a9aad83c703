// SPDX-License-Identifier: GPL-2.0
/* by v6.18: without the queue */
#include <linux/blk-mq.h>
#include <linux/scatterlist.h>

int f(struct request *rq, struct scatterlist *sg);
int f(struct request *rq, struct scatterlist *sg)
{
	return blk_rq_map_sg(rq, sg);
}
