// SPDX-License-Identifier: GPL-2.0
/* v6.9, f3a608827d1f: the kernel opens block devices as files */
#include <linux/blkdev.h>

struct file *f(const char *path);
struct file *f(const char *path)
{
	return bdev_file_open_by_path(path, BLK_OPEN_READ, NULL, NULL);
}
