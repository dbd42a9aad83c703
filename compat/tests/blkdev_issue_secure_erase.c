// SPDX-License-Identifier: GPL-2.0
/* v5.19, 44abff2c0b97: was a flag of blkdev_issue_discard() */
#include <linux/blkdev.h>

int f(struct block_device *bdev);
int f(struct block_device *bdev)
{
	return blkdev_issue_secure_erase(bdev, 0, 8, GFP_KERNEL);
}
