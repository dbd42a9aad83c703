// SPDX-License-Identifier: GPL-2.0
/* v7.2 has bdev_rot(), before it was bdev_nonrot() */
#include <linux/blkdev.h>

bool f(struct block_device *bdev);
bool f(struct block_device *bdev)
{
	return bdev_rot(bdev);
}
