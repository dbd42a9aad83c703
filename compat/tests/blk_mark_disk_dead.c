// SPDX-License-Identifier: GPL-2.0
/* v5.17: blk_mark_disk_dead(), was blk_set_queue_dying() */
#include <linux/blkdev.h>

void f(struct gendisk *disk);
void f(struct gendisk *disk)
{
	blk_mark_disk_dead(disk);
}
