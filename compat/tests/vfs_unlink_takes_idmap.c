// SPDX-License-Identifier: GPL-2.0
/* v6.3, abf08576afe3: operations take the mount's idmap */
#include <linux/fs.h>
#include <linux/mount.h>

int f(struct vfsmount *mnt, struct inode *dir, struct dentry *dentry);
int f(struct vfsmount *mnt, struct inode *dir, struct dentry *dentry)
{
	return vfs_unlink(mnt_idmap(mnt), dir, dentry, NULL);
}
