// SPDX-License-Identifier: GPL-2.0
/* v5.11, f3ba3c710ac5: mappings that may be held while sleeping */
#include <linux/highmem.h>

void *f(struct page *page);
void *f(struct page *page)
{
	return kmap_local_page(page);
}
