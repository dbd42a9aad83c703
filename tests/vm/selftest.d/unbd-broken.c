// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-broken - a module with the bugs that the test bed must notice
 *
 * Loading it with bug=NAME runs one of them; see ../selftest.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

static char *bug = "";
module_param(bug, charp, 0444);
MODULE_PARM_DESC(bug, "free, sleep, inversion, leak or pin");

static DEFINE_SPINLOCK(one);
static DEFINE_SPINLOCK(other);
static void *kept;

static void use_freed(void)
{
	char *p = kmalloc(64, GFP_KERNEL);
	char *alias = p;

	OPTIMIZER_HIDE_VAR(alias);
	kfree(p);
	pr_info("read %d\n", READ_ONCE(alias[8]));
}

static void sleep_atomically(void)
{
	spin_lock(&one);
	msleep(20);
	spin_unlock(&one);
}

static void invert_locks(void)
{
	spin_lock(&one);
	spin_lock(&other);
	spin_unlock(&other);
	spin_unlock(&one);
	spin_lock(&other);
	spin_lock(&one);
	spin_unlock(&one);
	spin_unlock(&other);
}

static void leak(void)
{
	/* The pointers that are left in registers and on the stack count. */
	for (int i = 0; i < 16; i++)
		kept = kmalloc(1000, GFP_KERNEL);
	kept = NULL;
}

static int __init broken_init(void)
{
	if (!strcmp(bug, "free"))
		use_freed();
	else if (!strcmp(bug, "sleep"))
		sleep_atomically();
	else if (!strcmp(bug, "inversion"))
		invert_locks();
	else if (!strcmp(bug, "leak"))
		leak();
	else if (!strcmp(bug, "pin"))
		__module_get(THIS_MODULE);
	else
		return -EINVAL;
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);
MODULE_DESCRIPTION("bugs for the test bed to find");
MODULE_LICENSE("GPL");
