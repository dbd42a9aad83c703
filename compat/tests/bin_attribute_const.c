// SPDX-License-Identifier: GPL-2.0
/* by v7.2: the callbacks of a bin_attribute take it const */
#include <linux/sysfs.h>

static ssize_t show(struct file *file, struct kobject *kobj,
		    const struct bin_attribute *attr, char *buf, loff_t at,
		    size_t size)
{
	return 0;
}

const struct bin_attribute attr = { .read = show };
