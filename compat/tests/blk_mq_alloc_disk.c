// SPDX-License-Identifier: GPL-2.0
/* v5.14 to v6.8: blk_mq_alloc_disk() without limits */
#include <linux/blk-mq.h>

struct gendisk *f(struct blk_mq_tag_set *set);
struct gendisk *f(struct blk_mq_tag_set *set)
{
	return blk_mq_alloc_disk(set, NULL);
}
