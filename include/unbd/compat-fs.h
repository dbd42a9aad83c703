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
#include <linux/sched/task.h>

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

#ifdef HAVE_OVERRIDE_INIT_FS
static inline struct fs_struct *compat_swap_fs(struct fs_struct *fs)
{
	struct fs_struct *old = current->fs;

	WRITE_ONCE(current->fs, fs);
	return old;
}
#else
/* Others look at it by way of /proc. */
static inline struct fs_struct *compat_swap_fs(struct fs_struct *fs)
{
	struct fs_struct *old = current->fs;

	task_lock(current);
	current->fs = fs;
	task_unlock(current);
	return old;
}
#endif

static inline void compat_init_fs(struct fs_struct *fs)
{
	fs->users = 1;
#ifdef HAVE_FS_STRUCT_SEQLOCK
	seqlock_init(&fs->seq);
#else
	spin_lock_init(&fs->lock);
	seqcount_spinlock_init(&fs->seq, &fs->lock);
#endif
}

static inline void compat_get_init_root(struct path *root)
{
#ifdef HAVE_OVERRIDE_INIT_FS
	struct fs_struct *old = __override_init_fs();

	get_fs_root(current->fs, root);
	__revert_init_fs(old);
#else
	get_fs_root(init_task.fs, root);
#endif
}

/**
 * unbd_keep_root() - remember where a process looks names up
 * @fs: zeroed; gets the root directory of the calling process, with a reference,
 *	unless that is init's, which may become another one
 *
 * Undone by unbd_forget_root(). Process context, may sleep.
 */
static inline void unbd_keep_root(struct fs_struct *fs)
{
	struct path root;

	compat_get_init_root(&root);
	get_fs_root(current->fs, &fs->root);
	if (path_equal(&root, &fs->root)) {
		path_put(&fs->root);
		fs->root = (struct path){};
	} else {
		compat_init_fs(fs);
		fs->pwd = fs->root;
		path_get(&fs->pwd);
	}
	path_put(&root);
}

/**
 * unbd_forget_root() - undo unbd_keep_root()
 * @fs: that, or zeroed
 */
static inline void unbd_forget_root(struct fs_struct *fs)
{
	path_put(&fs->root);
	path_put(&fs->pwd);
}

/**
 * unbd_enter_root() - look names up from a root directory
 * @fs: of unbd_keep_root(), or NULL for init's
 *
 * From a kernel thread. Older kernels share init's root directory with theirs
 * anyway.
 *
 * Return: for unbd_leave_root().
 */
static inline struct fs_struct *unbd_enter_root(struct fs_struct *fs)
{
	if (fs && fs->root.dentry)
		return compat_swap_fs(fs);
#ifdef HAVE_OVERRIDE_INIT_FS
	return __override_init_fs();
#else
	return current->fs;
#endif
}

/**
 * unbd_leave_root() - undo unbd_enter_root()
 * @old: what it returned
 */
static inline void unbd_leave_root(struct fs_struct *old)
{
	if (old != current->fs)
		compat_swap_fs(old);
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
