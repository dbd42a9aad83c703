// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/devices/virtual/unbd-server/ctl: the files that take orders, and the
 * directories that hold exports and connections.
 */
#define pr_fmt(fmt) "unbd-server: " fmt

#include <linux/device.h>
#include <linux/slab.h>

#include <unbd/sysfs.h>

#include "server.h"

static struct class *ctl_class;
static struct device *ctl_device;

/* Carries out one line that was written; logs why if it cannot be done. */
static ssize_t obey(const struct device_attribute *attr, const char *page,
		    size_t count,
		    int (*order)(char *line, char *why, size_t len))
{
	char why[UNBD_WHY_LEN] = "";
	char *line;
	int err;

	err = unbd_may_order(attr->attr.name);
	if (err)
		return err;
	/* sysfs passes a page at a time: what fills it may go on behind. */
	if (count >= PAGE_SIZE) {
		pr_err("%s: the line is longer than %lu bytes (%d)\n",
		       attr->attr.name, PAGE_SIZE - 1, -E2BIG);
		return -E2BIG;
	}
	line = kstrndup(page, count, GFP_KERNEL);
	if (!line) {
		pr_err("%s: no memory (%d)\n", attr->attr.name, -ENOMEM);
		return -ENOMEM;
	}
	err = order(line, why, sizeof(why));
	kfree(line);
	if (!err)
		return count;
	pr_err("%s: %s (%d)\n", attr->attr.name, why, err);
	return err;
}

static int export_line(char *line, char *why, size_t len)
{
	struct unbd_export_options *o;
	char cause[UNBD_WHY_LEN] = "";
	int err;

	o = kzalloc(sizeof(*o), GFP_KERNEL);
	if (!o)
		return unbd_why(why, len, -ENOMEM, "no memory");
	err = unbd_parse_export(line, o, why, len);
	if (!err) {
		err = unbd_export_add(o, cause, sizeof(cause));
		if (err)
			snprintf(why, len, "name=%.64s: %s", o->name, cause);
	}
	kfree(o);
	return err;
}

static int unexport_line(char *line, char *why, size_t len)
{
	struct unbd_unexport_options o;
	char cause[UNBD_WHY_LEN] = "";
	int err;

	err = unbd_parse_unexport(line, &o, why, len);
	if (err)
		return err;
	err = unbd_export_remove(o.name, o.force, cause, sizeof(cause));
	return err ? unbd_why(why, len, err, "%.64s: %s", o.name, cause) : 0;
}

static ssize_t export_device_show(struct device *dev,
				  struct device_attribute *attr, char *page)
{
	return sysfs_emit(page,
"Usage: echo \"name=NAME device_path=PATH [access_mode=rw|ro|migration]\n"
"	[clients=ADDRESS[/BITS][,...]]\" > %s\n"
"PATH is a block device or a regular file.\n", attr->attr.name);
}

static ssize_t export_device_store(struct device *dev,
				   struct device_attribute *attr,
				   const char *page, size_t count)
{
	return obey(attr, page, count, export_line);
}
static DEVICE_ATTR_RW(export_device);

static ssize_t unexport_device_show(struct device *dev,
				    struct device_attribute *attr, char *page)
{
	return sysfs_emit(page, "Usage: echo \"NAME [force]\" > %s\n",
			  attr->attr.name);
}

static ssize_t unexport_device_store(struct device *dev,
				     struct device_attribute *attr,
				     const char *page, size_t count)
{
	return obey(attr, page, count, unexport_line);
}
static DEVICE_ATTR_RW(unexport_device);

static ssize_t listen_show(struct device *dev, struct device_attribute *attr,
			   char *page)
{
	return sysfs_emit(page,
"Usage: echo ADDRESS > %s\n"
"Addresses: tcp:IP[:PORT] tcp:[IP6]:PORT unix:FILE vsock:CID|any[:PORT]\n"
"	rdma:IP[:PORT]\n", attr->attr.name);
}

static ssize_t listen_store(struct device *dev, struct device_attribute *attr,
			    const char *page, size_t count)
{
	return obey(attr, page, count, unbd_listen);
}
static DEVICE_ATTR_RW(listen);

static ssize_t unlisten_show(struct device *dev, struct device_attribute *attr,
			     char *page)
{
	return sysfs_emit(page,
"Usage: echo ADDRESS > %s\n"
"ADDRESS is one line of the file listeners, of this network namespace or, in\n"
"the first one, of any. Connections stay.\n",
			  attr->attr.name);
}

static ssize_t unlisten_store(struct device *dev,
			      struct device_attribute *attr,
			      const char *page, size_t count)
{
	return obey(attr, page, count, unbd_unlisten);
}
static DEVICE_ATTR_RW(unlisten);

/* There may be more than a page of them, which other files do not give. */
UNBD_BIN_READ(listeners_read, unbd_listeners_read)
static const struct bin_attribute listeners_attr = {
	.attr = { .name = "listeners", .mode = 0444 },
	.read = listeners_read,
};

static int drain(char *line, char *why, size_t len)
{
	bool on;
	int err = kstrtobool(strim(line), &on);

	if (err)
		return unbd_why(why, len, err, "1 or 0 is expected");
	err = unbd_drain(on);
	if (err)
		return unbd_why(why, len, err,
				"connections still wait for their storage");
	pr_info("%s\n", on ? "drained" : "clients are admitted again");
	return 0;
}

static ssize_t drain_show(struct device *dev, struct device_attribute *attr,
			  char *page)
{
	return sysfs_emit(page, "%d\n", unbd_conns_are_drained());
}

static ssize_t drain_store(struct device *dev, struct device_attribute *attr,
			   const char *page, size_t count)
{
	return obey(attr, page, count, drain);
}
static DEVICE_ATTR_RW(drain);

static struct attribute *ctl_attrs[] = {
	&dev_attr_export_device.attr,
	&dev_attr_unexport_device.attr,
	&dev_attr_listen.attr,
	&dev_attr_unlisten.attr,
	&dev_attr_drain.attr,
	NULL,
};
ATTRIBUTE_GROUPS(ctl);

int unbd_sysfs_init(void)
{
	int err;

	unbd_sysfs_init_objects();
	ctl_class = class_create("unbd-server");
	if (IS_ERR(ctl_class))
		return PTR_ERR(ctl_class);
	ctl_device = device_create(ctl_class, NULL, MKDEV(0, 0), NULL, "ctl");
	if (IS_ERR(ctl_device)) {
		err = PTR_ERR(ctl_device);
		goto class;
	}
	err = -ENOMEM;
	unbd_exports_kobj = kobject_create_and_add("exports",
						   &ctl_device->kobj);
	if (!unbd_exports_kobj)
		goto device;
	unbd_connections_kobj = kobject_create_and_add("connections",
						       &ctl_device->kobj);
	if (!unbd_connections_kobj)
		goto exports;
	err = sysfs_create_bin_file(&ctl_device->kobj, &listeners_attr);
	if (err)
		goto connections;
	/* Last: from here on there may be exports. */
	err = sysfs_create_groups(&ctl_device->kobj, ctl_groups);
	if (!err)
		return 0;
	sysfs_remove_bin_file(&ctl_device->kobj, &listeners_attr);
connections:
	kobject_put(unbd_connections_kobj);
exports:
	kobject_put(unbd_exports_kobj);
device:
	device_unregister(ctl_device);
class:
	class_destroy(ctl_class);
	return err;
}

void unbd_sysfs_exit(void)
{
	/* First: nobody gives orders any more, and none is being obeyed. */
	sysfs_remove_groups(&ctl_device->kobj, ctl_groups);
	sysfs_remove_bin_file(&ctl_device->kobj, &listeners_attr);
	unbd_export_remove_all();
	kobject_put(unbd_connections_kobj);
	kobject_put(unbd_exports_kobj);
	device_unregister(ctl_device);
	class_destroy(ctl_class);
}
