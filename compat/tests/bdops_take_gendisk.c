// SPDX-License-Identifier: GPL-2.0
/* v6.5, d32e2bf83791, ae220766d87c: open and release get the gendisk */
#include <linux/blkdev.h>

static int disk_open(struct gendisk *disk, blk_mode_t mode)
{
	return 0;
}

static void disk_release(struct gendisk *disk)
{
}

const struct block_device_operations ops = {
	.open = disk_open,
	.release = disk_release,
};
