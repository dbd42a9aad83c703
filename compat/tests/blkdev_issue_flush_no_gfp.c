// SPDX-License-Identifier: GPL-2.0
/* v5.12: flush allocates nothing any more */
#include <linux/blkdev.h>

int f(struct block_device *bdev);
int f(struct block_device *bdev)
{
	return blkdev_issue_flush(bdev);
}
