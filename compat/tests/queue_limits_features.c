// SPDX-License-Identifier: GPL-2.0
/* v6.11, 1122c0c1cc71: cache, FUA and rotational are queue limits */
#include <linux/blkdev.h>

void f(struct queue_limits *lim);
void f(struct queue_limits *lim)
{
	lim->features |= BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA |
			 BLK_FEAT_ROTATIONAL | BLK_FEAT_STABLE_WRITES;
}
