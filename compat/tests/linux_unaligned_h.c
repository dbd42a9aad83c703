// SPDX-License-Identifier: GPL-2.0
/* v6.12, 5f60d5f6bbc1: was <asm/unaligned.h> */
#include <linux/unaligned.h>

u64 f(void *p);
u64 f(void *p)
{
	return get_unaligned_be64(p);
}
