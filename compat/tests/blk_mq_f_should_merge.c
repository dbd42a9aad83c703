// SPDX-License-Identifier: GPL-2.0
/* v6.14 removed it: merging has to be asked for before */
#include <linux/blk-mq.h>

int flag = BLK_MQ_F_SHOULD_MERGE;
