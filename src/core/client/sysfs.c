// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/devices/virtual/unbd-client/ctl: map_device, and the directories that
 * hold sessions and devices.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/device.h>
#include <linux/module.h>
#include <linux/slab.h>

#include <unbd/sysfs.h>

#include "client.h"

static struct class *ctl_class;
static struct device *ctl_device;

static ssize_t map_device_show(struct device *dev,
			       struct device_attribute *attr, char *page)
{
	return sysfs_emit(page,
"Usage: echo \"sessname=NAME path=[SRC,]DST [path=...] device_path=EXPORT\n"
"	[access_mode=rw|ro|migration] [nr_queues=N] [nr_poll_queues=N]\n"
"	[queue_depth=N] [policy=min-inflight|round-robin|min-latency|prefer]\n"
"	[io_timeout=SECONDS] [fail_timeout=SECONDS|-1] [keepalive=SECONDS]\n"
"	[tls=off|x509|psk] [replay=off|BYTES[K|M|G]]\" > %s\n"
"Paths: tcp:HOST[:PORT] unix:FILE vsock:CID:PORT fd:N ip:HOST ip6:HOST\n"
"	gid:GID rdma:HOST[:PORT] shm:ID\n", attr->attr.name);
}

static int map_options(struct unbd_map_options *o, char *why, size_t len)
{
	char cause[UNBD_WHY_LEN] = "";
	int err;

	if (o->tls != UNBD_TLS_OFF)
		return unbd_why(why, len, -EOPNOTSUPP,
				"tls=%s is not supported",
				unbd_tls_mode_name(o->tls));
	err = unbd_map(o, cause, sizeof(cause));
	if (err)
		snprintf(why, len, "sessname=%s device_path=%s: %s",
			 o->sessname, o->device_path, cause);
	return err;
}

int unbd_map_line(char *line, char *why, size_t len)
{
	struct unbd_map_options *o = kzalloc(sizeof(*o), GFP_KERNEL);
	int err;

	if (!o)
		return unbd_why(why, len, -ENOMEM, "out of memory");
	err = unbd_parse_map(line, o, why, len);
	if (!err)
		err = map_options(o, why, len);
	kfree(o);
	return err;
}
EXPORT_SYMBOL_UNBD(unbd_map_line);

/* The names may be long: their part of the message is not to be cut off. */
#define MAP_WHY_LEN	(UNBD_WHY_LEN + 512)

static int map_and_report(char *line)
{
	char *why = kzalloc(MAP_WHY_LEN, GFP_KERNEL);
	int err;

	if (!why)
		return -ENOMEM;
	err = unbd_map_line(line, why, MAP_WHY_LEN);
	if (err)
		pr_err("map_device: %s (%d)\n", why, err);
	kfree(why);
	return err;
}

static ssize_t map_device_store(struct device *dev,
				struct device_attribute *attr,
				const char *page, size_t count)
{
	char *line;
	int err;

	err = unbd_may_order(attr->attr.name);
	if (err)
		return err;
	/* sysfs passes a page at a time: what fills it may go on behind. */
	if (count >= PAGE_SIZE) {
		pr_err("map_device: the line is longer than %lu bytes (%d)\n",
		       PAGE_SIZE - 1, -E2BIG);
		return -E2BIG;
	}
	line = kstrndup(page, count, GFP_KERNEL);
	if (!line)
		return -ENOMEM;
	err = map_and_report(line);
	kfree(line);
	return err ? err : count;
}

static DEVICE_ATTR_RW(map_device);

static struct attribute *ctl_attrs[] = {
	&dev_attr_map_device.attr,
	NULL,
};
ATTRIBUTE_GROUPS(ctl);

/**
 * unbd_sysfs_init() - make ctl, and let disks be mapped
 *
 * May sleep. Return: 0 or -errno, and nothing is left.
 */
int unbd_sysfs_init(void)
{
	int err;

	unbd_session_ktype = &unbd_session_files;
	unbd_path_ktype = &unbd_path_files;
	unbd_device_ktype = &unbd_device_files;
	ctl_class = class_create("unbd-client");
	if (IS_ERR(ctl_class))
		return PTR_ERR(ctl_class);
	ctl_device = device_create(ctl_class, NULL, MKDEV(0, 0), NULL, "ctl");
	if (IS_ERR(ctl_device)) {
		err = PTR_ERR(ctl_device);
		goto class;
	}
	err = -ENOMEM;
	unbd_sessions_kobj = kobject_create_and_add("sessions",
						    &ctl_device->kobj);
	if (!unbd_sessions_kobj)
		goto device;
	unbd_devices_kobj = kobject_create_and_add("devices",
						   &ctl_device->kobj);
	if (!unbd_devices_kobj)
		goto sessions;
	err = unbd_events_init(&ctl_device->kobj);
	if (err)
		goto devices;
	/* Last: from here on there may be mappings. */
	err = sysfs_create_groups(&ctl_device->kobj, ctl_groups);
	if (!err)
		return 0;
	unbd_events_exit();
devices:
	kobject_put(unbd_devices_kobj);
sessions:
	kobject_put(unbd_sessions_kobj);
device:
	device_unregister(ctl_device);
class:
	class_destroy(ctl_class);
	return err;
}

void unbd_sysfs_exit(void)
{
	sysfs_remove_groups(&ctl_device->kobj, ctl_groups);
	kobject_put(unbd_devices_kobj);
	kobject_put(unbd_sessions_kobj);
	device_unregister(ctl_device);
	class_destroy(ctl_class);
}
