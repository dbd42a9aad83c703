// SPDX-License-Identifier: GPL-2.0
/* v6.0 removed the flag "reserved" of tag iterators */
#include <linux/blk-mq.h>

static bool iter(struct request *rq, void *data, bool reserved)
{
	return true;
}

void f(struct blk_mq_tag_set *set);
void f(struct blk_mq_tag_set *set)
{
	blk_mq_tagset_busy_iter(set, iter, NULL);
}
