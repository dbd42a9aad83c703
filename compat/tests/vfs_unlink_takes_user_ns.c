// SPDX-License-Identifier: GPL-2.0
/* v5.12, 6521f8917082: operations take the mount's user namespace, up to 6.2 */
#include <linux/fs.h>
#include <linux/mount.h>

int f(struct vfsmount *mnt, struct inode *dir, struct dentry *dentry);
int f(struct vfsmount *mnt, struct inode *dir, struct dentry *dentry)
{
	return vfs_unlink(mnt_user_ns(mnt), dir, dentry, NULL);
}
