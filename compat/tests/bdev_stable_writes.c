// SPDX-License-Identifier: GPL-2.0
/* v5.19: must data stay what they are while written, asked of the bdev */
#include <linux/blkdev.h>

bool f(struct block_device *bdev);
bool f(struct block_device *bdev)
{
	return bdev_stable_writes(bdev);
}
