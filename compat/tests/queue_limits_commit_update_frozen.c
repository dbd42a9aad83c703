// SPDX-License-Identifier: GPL-2.0
/* v6.14: update limits and freeze in one go */
#include <linux/blkdev.h>

int f(struct request_queue *q, struct queue_limits *lim);
int f(struct request_queue *q, struct queue_limits *lim)
{
	*lim = queue_limits_start_update(q);
	return queue_limits_commit_update_frozen(q, lim);
}
