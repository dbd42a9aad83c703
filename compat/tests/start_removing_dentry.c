// SPDX-License-Identifier: GPL-2.0
/* v6.19: directories are locked by the functions that look names up */
#include <linux/namei.h>

struct dentry *f(struct dentry *parent, struct dentry *child);
struct dentry *f(struct dentry *parent, struct dentry *child)
{
	return start_removing_dentry(parent, child);
}
