// SPDX-License-Identifier: GPL-2.0
/* v6.3: fill in a bio_vec */
#include <linux/bvec.h>

void f(struct bio_vec *bv, struct page *page);
void f(struct bio_vec *bv, struct page *page)
{
	bvec_set_page(bv, page, 1, 0);
}
