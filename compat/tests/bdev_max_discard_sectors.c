// SPDX-License-Identifier: GPL-2.0
/* v5.19, cf0fbf894bb5: limits are asked of the bdev, not of its queue */
#include <linux/blkdev.h>

unsigned int f(struct block_device *bdev);
unsigned int f(struct block_device *bdev)
{
	return bdev_max_discard_sectors(bdev);
}
