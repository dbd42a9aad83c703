// SPDX-License-Identifier: GPL-2.0
/* v5.18, 07888c665b40: bio_alloc() gets the device and the operation */
#include <linux/bio.h>
#include <linux/blkdev.h>

struct bio *f(struct block_device *bdev);
struct bio *f(struct block_device *bdev)
{
	return bio_alloc(bdev, 4, REQ_OP_READ, GFP_NOIO);
}
