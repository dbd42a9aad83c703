// SPDX-License-Identifier: GPL-2.0
/* has to fail, as a call of something unknown does in every other probe */
#include <linux/module.h>

int f(void);
int f(void)
{
	return unbd_no_kernel_has_this();
}
