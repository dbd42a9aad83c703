// SPDX-License-Identifier: GPL-2.0
/* v5.19: is there a volatile write cache, asked of the bdev */
#include <linux/blkdev.h>

bool f(struct block_device *bdev);
bool f(struct block_device *bdev)
{
	return bdev_write_cache(bdev) && bdev_fua(bdev);
}
