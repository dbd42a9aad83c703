// SPDX-License-Identifier: GPL-2.0
/* v5.15, e6e7471706dc: map a bio_vec */
#include <linux/bvec.h>
#include <linux/highmem.h>

void *f(struct bio_vec *bv);
void *f(struct bio_vec *bv)
{
	return bvec_kmap_local(bv);
}
