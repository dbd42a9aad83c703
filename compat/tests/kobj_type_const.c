// SPDX-License-Identifier: GPL-2.0
/* by v6.1: kobject_init() takes a const type */
#include <linux/kobject.h>

static const struct kobj_type type;

void f(struct kobject *kobj);
void f(struct kobject *kobj)
{
	kobject_init(kobj, &type);
}
