// SPDX-License-Identifier: GPL-2.0
/*
 * Exports that a transport has made for those who come by it.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "server.h"

/* What the administrator's own lines may not have, either */
static int check_path(const char *path, char *why, size_t len)
{
	int err = unbd_check_line(path, why, len);

	if (!err && *path != '/')
		err = unbd_why(why, len, -EINVAL,
			       "%.64s does not begin with a '/'", path);
	return err;
}

int unbd_export_private(const char *name, const char *device_path,
			enum unbd_access_mode mode, char *why, size_t len)
{
	struct unbd_export_options *o;
	int err;

	err = unbd_check_name("name ", name, why, len);
	if (!err)
		err = check_path(device_path, why, len);
	if (err)
		return err;
	o = kzalloc(sizeof(*o), GFP_KERNEL);
	if (!o)
		return unbd_why(why, len, -ENOMEM, "no memory");
	o->name = name;
	o->device_path = device_path;
	o->access_mode = mode;
	/* Nobody comes from 0.0.0.0. */
	o->nr_clients = 1;
	o->clients[0].prefix = 32;
	err = unbd_export_add(o, why, len);
	kfree(o);
	return err;
}
EXPORT_SYMBOL_UNBD(unbd_export_private);

int unbd_unexport_private(const char *name, char *why, size_t len)
{
	return unbd_export_remove(name, true, why, len);
}
EXPORT_SYMBOL_UNBD(unbd_unexport_private);
