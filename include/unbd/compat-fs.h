/* SPDX-License-Identifier: GPL-2.0 */
/* What <unbd/compat.h> leaves out because few need it: directories. */
#ifndef UNBD_COMPAT_FS_H
#define UNBD_COMPAT_FS_H

#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/path.h>
#include <linux/sched.h>

#include <unbd/compat.h>

/* <linux/namei.h> */

#ifndef HAVE_START_REMOVING_DENTRY
static inline struct dentry *start_removing_dentry(struct dentry *parent,
						   struct dentry *child)
{
	struct inode *dir = d_inode(parent);

	inode_lock_nested(dir, I_MUTEX_PARENT);
	if (IS_DEADDIR(dir) || child->d_parent != parent ||
	    d_unhashed(child) || d_is_negative(child)) {
		inode_unlock(dir);
		return ERR_PTR(-ENOENT);
	}
	return dget(child);
}

static inline void end_removing(struct dentry *child)
{
	if (IS_ERR(child))
		return;
	inode_unlock(d_inode(child->d_parent));
	dput(child);
}
#endif

/* <linux/fs_struct.h> */

/**
 * unbd_enter_init_fs() - look names up as init does
 *
 * From a kernel thread; undone by unbd_leave_init_fs(). Older kernels share
 * init's root directory with their threads anyway.
 */
static inline struct fs_struct *unbd_enter_init_fs(void)
{
#ifdef HAVE_OVERRIDE_INIT_FS
	return __override_init_fs();
#else
	return NULL;
#endif
}

/**
 * unbd_leave_init_fs() - undo unbd_enter_init_fs()
 * @old: what it returned
 */
static inline void unbd_leave_init_fs(struct fs_struct *old)
{
#ifdef HAVE_OVERRIDE_INIT_FS
	__revert_init_fs(old);
#endif
}

/* <linux/fs.h> */

static inline int compat_vfs_unlink(struct vfsmount *mnt, struct inode *dir,
				    struct dentry *dentry)
{
#if defined(HAVE_VFS_UNLINK_TAKES_IDMAP)
	return vfs_unlink(mnt_idmap(mnt), dir, dentry, NULL);
#elif defined(HAVE_VFS_UNLINK_TAKES_USER_NS)
	return vfs_unlink(mnt_user_ns(mnt), dir, dentry, NULL);
#else
	return vfs_unlink(dir, dentry, NULL);
#endif
}

/**
 * unbd_unlink() - remove a name from its directory
 * @path: what is to be removed, no directory
 *
 * Process context, may sleep; with the rights of the process. Return: 0 or
 * -errno, -ENOENT if the name is gone already.
 */
static inline int unbd_unlink(const struct path *path)
{
	struct dentry *parent = dget_parent(path->dentry);
	struct dentry *dentry;
	int err = mnt_want_write(path->mnt);

	if (err)
		goto put_parent;
	dentry = start_removing_dentry(parent, path->dentry);
	if (IS_ERR(dentry)) {
		err = -ENOENT;
	} else {
		err = compat_vfs_unlink(path->mnt, d_inode(parent), dentry);
		end_removing(dentry);
	}
	mnt_drop_write(path->mnt);
put_parent:
	dput(parent);
	return err;
}

#endif /* UNBD_COMPAT_FS_H */
