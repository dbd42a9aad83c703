// SPDX-License-Identifier: GPL-2.0
/* v6.4: class_create() lost the module */
#include <linux/device.h>

struct class *f(void);
struct class *f(void)
{
	return class_create("x");
}
