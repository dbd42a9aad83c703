// SPDX-License-Identifier: GPL-2.0
/* v6.14: a frozen queue implies GFP_NOIO */
#include <linux/blk-mq.h>

void f(struct request_queue *q);
void f(struct request_queue *q)
{
	unsigned int memflags = blk_mq_freeze_queue(q);

	blk_mq_unfreeze_queue(q, memflags);
}
