// SPDX-License-Identifier: GPL-2.0
/* v6.7, e719b4d15674, to v6.8: the kernel opens block devices as handles */
#include <linux/blkdev.h>

struct block_device *f(const char *path);
struct block_device *f(const char *path)
{
	struct bdev_handle *handle = bdev_open_by_path(path, BLK_OPEN_READ,
						       NULL, NULL);

	if (IS_ERR(handle))
		return ERR_CAST(handle);
	bdev_release(handle);
	return handle->bdev;
}
