// SPDX-License-Identifier: GPL-2.0
/* v5.17, 46e7eac647b3: GENHD_FL_NO_PART_SCAN has become GENHD_FL_NO_PART */
#include <linux/blkdev.h>

void f(struct gendisk *disk);
void f(struct gendisk *disk)
{
	disk->flags |= GENHD_FL_NO_PART;
}
