// SPDX-License-Identifier: GPL-2.0
/* v5.15, 83cbce957446: add_disk() can fail */
#include <linux/blk-mq.h>
#include <linux/blkdev.h>

int f(struct gendisk *disk);
int f(struct gendisk *disk)
{
	return add_disk(disk);
}
