// SPDX-License-Identifier: GPL-2.0
/* v6.2, 7f576b2593a9: an unbiased random number below a limit */
#include <linux/random.h>

u32 f(void);
u32 f(void)
{
	return get_random_u32_below(3);
}
