// SPDX-License-Identifier: GPL-2.0
/* v6.5, dc97391e6610 removed it; MSG_SPLICE_PAGES works from there on only */
#include <linux/net.h>

int f(struct socket *sock, struct page *page);
int f(struct socket *sock, struct page *page)
{
	return kernel_sendpage(sock, page, 0, 1, 0);
}
