// SPDX-License-Identifier: GPL-2.0
/* v6.5, 0718afd47f70, 2736e8eeb0cc, to v6.7: with what its holder can do */
#include <linux/blkdev.h>

struct block_device *f(const char *path, void *holder);
struct block_device *f(const char *path, void *holder)
{
	struct block_device *bdev = blkdev_get_by_path(path, BLK_OPEN_READ,
						       holder, NULL);

	if (!IS_ERR(bdev))
		blkdev_put(bdev, holder);
	return bdev;
}
