// SPDX-License-Identifier: GPL-2.0
/* v7.3: bvec_iter.bi_bvec_done got the name bi_offset */
#include <linux/bvec.h>

unsigned int f(struct bvec_iter *iter);
unsigned int f(struct bvec_iter *iter)
{
	return iter->bi_offset;
}
