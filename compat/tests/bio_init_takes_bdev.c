// SPDX-License-Identifier: GPL-2.0
/* v5.18: bio_init() gets the device and the operation */
#include <linux/bio.h>
#include <linux/blkdev.h>

void f(struct bio *bio, struct block_device *bdev, struct bio_vec *vec);
void f(struct bio *bio, struct block_device *bdev, struct bio_vec *vec)
{
	bio_init(bio, bdev, vec, 4, REQ_OP_READ);
}
