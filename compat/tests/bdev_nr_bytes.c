// SPDX-License-Identifier: GPL-2.0
/* v5.16: the size of a bdev without its inode */
#include <linux/blkdev.h>

loff_t f(struct block_device *bdev);
loff_t f(struct block_device *bdev)
{
	return bdev_nr_bytes(bdev);
}
