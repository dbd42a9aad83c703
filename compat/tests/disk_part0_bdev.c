// SPDX-License-Identifier: GPL-2.0
/* v5.11, 8446fe9255be: a disk's block_device lasts as long as the disk */
#include <linux/blkdev.h>

struct block_device *f(struct gendisk *disk);
struct block_device *f(struct gendisk *disk)
{
	return disk->part0;
}
