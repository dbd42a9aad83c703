// SPDX-License-Identifier: GPL-2.0
/* v5.14: no I/O scheduler unless one is asked for */
#include <linux/blk-mq.h>

int flag = BLK_MQ_F_NO_SCHED_BY_DEFAULT;
