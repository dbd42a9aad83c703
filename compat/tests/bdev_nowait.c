// SPDX-License-Identifier: GPL-2.0
/* v6.2: does the device take bios that must not wait, asked of the bdev */
#include <linux/blkdev.h>

bool f(struct block_device *bdev);
bool f(struct block_device *bdev)
{
	return bdev_nowait(bdev);
}
