// SPDX-License-Identifier: GPL-2.0
/* v6.12: sendpage_ok() for a run of pages */
#include <linux/net.h>

bool f(struct page *page);
bool f(struct page *page)
{
	return sendpages_ok(page, 1, 0);
}
