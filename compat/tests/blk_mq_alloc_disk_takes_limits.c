// SPDX-License-Identifier: GPL-2.0
/* v6.9: a disk is made with limits, which have no features before v6.11 */
#include <linux/blk-mq.h>

struct gendisk *f(struct blk_mq_tag_set *set, struct queue_limits *lim);
struct gendisk *f(struct blk_mq_tag_set *set, struct queue_limits *lim)
{
	return blk_mq_alloc_disk(set, lim, NULL);
}
