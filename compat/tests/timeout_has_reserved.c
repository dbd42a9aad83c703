// SPDX-License-Identifier: GPL-2.0
/* v6.0 removed the flag "reserved" of timeout() */
#include <linux/blk-mq.h>

static enum blk_eh_timer_return timeout(struct request *rq, bool reserved)
{
	return BLK_EH_DONE;
}

const struct blk_mq_ops ops = { .timeout = timeout };
