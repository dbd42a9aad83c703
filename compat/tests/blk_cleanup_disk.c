// SPDX-License-Identifier: GPL-2.0
/* v5.14 to v6.0, 8b9ab6266204 removed it: put_disk() was not enough */
#include <linux/blkdev.h>

void f(struct gendisk *disk);
void f(struct gendisk *disk)
{
	blk_cleanup_disk(disk);
}
