// SPDX-License-Identifier: GPL-2.0
/*
 * Devices that clients name: dev_search_path, as RNBD has it.
 *
 * Off until the administrator sets it. An export that bears the name goes
 * first; so a server can do with exports what it could not with a directory,
 * such as letting only some clients in.
 */
#define pr_fmt(fmt) "unbd-server: " fmt

#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include <unbd/compat-fs.h>

#include "server.h"

/* Names that are tried for an ad-hoc export's directory */
#define NAME_TRIES	100

static DEFINE_MUTEX(search_mutex);
/* Under search_mutex; NULL is off. */
static char *search_path;

static int search_path_set(const char *value, const struct kernel_param *kp)
{
	char why[UNBD_WHY_LEN] = "no memory";
	char *path, *old;
	int err = -ENOMEM;

	path = kstrdup(value, GFP_KERNEL);
	if (path) {
		strim(path);
		err = unbd_check_search_path(path, why, sizeof(why));
	}
	if (err) {
		pr_err("dev_search_path: %s (%d)\n", why, err);
		kfree(path);
		return err;
	}
	if (!*path) {
		kfree(path);
		path = NULL;
	}
	mutex_lock(&search_mutex);
	old = search_path;
	WRITE_ONCE(search_path, path);
	mutex_unlock(&search_mutex);
	kfree(old);
	return 0;
}

static int search_path_get(char *page, const struct kernel_param *kp)
{
	int n;

	mutex_lock(&search_mutex);
	n = sysfs_emit(page, "%s\n", search_path ?: "");
	mutex_unlock(&search_mutex);
	return n;
}

static void search_path_free(void *arg)
{
	kfree(search_path);
}

static const struct kernel_param_ops search_path_ops = {
	.set = search_path_set,
	.get = search_path_get,
	.free = search_path_free,
};

module_param_cb(dev_search_path, &search_path_ops, NULL, 0644);
MODULE_PARM_DESC(dev_search_path,
		 "directory below which RDMA clients may open any block device by its name; %SESSNAME% in it stands for the name of the client's session (default: none)");

/**
 * unbd_search_enabled() - may clients name devices?
 */
bool unbd_search_enabled(void)
{
	return READ_ONCE(search_path);
}

static int make_path(const char *session, const char *name, char *path,
		     char *why, size_t len)
{
	int err;

	mutex_lock(&search_mutex);
	err = search_path ? unbd_search_path(search_path, session, name, path,
					     why, len) :
		unbd_why(why, len, -ENOENT, "there is no such export");
	mutex_unlock(&search_mutex);
	return err;
}

/* The path and who uses it, as in /sys/class/rnbd-server */
static void make_name(char *buf, const char *path, const char *session,
		      unsigned int try)
{
	int n = snprintf(buf, UNBD_EXPORT_NAME_LEN, "%.180s@%.60s", path,
			 session);

	strreplace(buf, '/', '!');
	if (try)
		snprintf(buf + n, UNBD_EXPORT_NAME_LEN - n, "#%u", try);
}

static int open_adhoc(struct unbd_conn *conn, const char *session,
		      struct unbd_export_options *o, char *name_buf,
		      struct unbd_export_info *info, char *why, size_t len)
{
	struct fs_struct *fs = unbd_enter_root(NULL);
	unsigned int try;
	int err = -EEXIST;

	o->adhoc = true;
	o->name = name_buf;
	for (try = 0; err == -EEXIST && try < NAME_TRIES; try++) {
		make_name(name_buf, o->device_path, session, try);
		err = unbd_export_open_adhoc(conn, o, info, why, len);
	}
	unbd_leave_root(fs);
	return err;
}

static int search_device(struct unbd_conn *conn, const char *session,
			 const char *name, enum unbd_access_mode mode,
			 struct unbd_export_info *info, char *why, size_t len)
{
	struct unbd_export_options *o = kzalloc(sizeof(*o), GFP_KERNEL);
	char *path = kmalloc(UNBD_DEVICE_PATH_MAX + 1, GFP_KERNEL);
	char *name_buf = kmalloc(UNBD_EXPORT_NAME_LEN, GFP_KERNEL);
	int err = -ENOMEM;

	if (o && path && name_buf) {
		o->access_mode = mode;
		o->device_path = path;
		err = make_path(session, name, path, why, len);
		if (!err)
			err = open_adhoc(conn, session, o, name_buf, info, why,
					 len);
	} else {
		snprintf(why, len, "no memory");
	}
	kfree(name_buf);
	kfree(path);
	kfree(o);
	return err;
}

int unbd_export_open_device(struct unbd_conn *conn, const char *session,
			    const char *name, enum unbd_access_mode mode,
			    struct unbd_export_info *info)
{
	unsigned int noio = memalloc_noio_save();
	char why[UNBD_WHY_LEN] = "";
	int err;

	err = unbd_export_open_named(conn, name, mode, info);
	if (err == -ENOENT && *name && unbd_search_enabled())
		err = search_device(conn, session, name, mode, info, why,
				    sizeof(why));
	else if (err)
		strscpy(why, unbd_export_refusal(name, err), sizeof(why));
	memalloc_noio_restore(noio);
	if (err)
		pr_warn_ratelimited("refused %s \"%*pE\" as %s: %s (%d)\n",
				    conn->peer_name, unbd_logged_len(name), name,
				    unbd_access_mode_name(mode), why, err);
	return err;
}
EXPORT_SYMBOL_UNBD(unbd_export_open_device);
