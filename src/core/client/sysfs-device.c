// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/block/unbdN/unbd, and the link to the disk in ctl/devices.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <unbd/sysfs.h>

#include "client.h"

static struct unbd_device *to_device(struct kobject *kobj)
{
	return container_of(kobj, struct unbd_device, kobj);
}

static ssize_t state_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *page)
{
	return sysfs_emit(page, "%s\n", unbd_device_state(to_device(kobj)));
}

static ssize_t session_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *page)
{
	return sysfs_emit(page, "%s\n", to_device(kobj)->session->name);
}

static ssize_t mapping_path_show(struct kobject *kobj,
				 struct kobj_attribute *attr, char *page)
{
	return sysfs_emit(page, "%s\n", to_device(kobj)->export_name);
}

static ssize_t access_mode_show(struct kobject *kobj,
				struct kobj_attribute *attr, char *page)
{
	return sysfs_emit(page, "%s\n",
			  unbd_access_mode_name(to_device(kobj)->access_mode));
}

static ssize_t nr_poll_queues_show(struct kobject *kobj,
				   struct kobj_attribute *attr, char *page)
{
	return sysfs_emit(page, "%u\n", to_device(kobj)->nr_poll_queues);
}

static ssize_t fail_timeout_show(struct kobject *kobj,
				 struct kobj_attribute *attr, char *page)
{
	return sysfs_emit(page, "%d\n", to_device(kobj)->fail_timeout);
}

static ssize_t replay_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *page)
{
	size_t limit = to_device(kobj)->replay.limit;

	return limit ? sysfs_emit(page, "%zu\n", limit) :
		sysfs_emit(page, "off\n");
}

static ssize_t unmap_device_show(struct kobject *kobj,
				 struct kobj_attribute *attr, char *page)
{
	return sysfs_emit(page, "Usage: echo normal|force > %s\n",
			  attr->attr.name);
}

/* The file goes with the disk, so it must not be waited for. */
static ssize_t unmap_device_store(struct kobject *kobj,
				  struct kobj_attribute *attr,
				  const char *page, size_t count)
{
	struct unbd_device *dev = to_device(kobj);
	unsigned int index = dev->index;
	char why[UNBD_WHY_LEN];
	struct kernfs_node *kn;
	bool force;
	int err;

	err = unbd_parse_unmap(page, &force, why, sizeof(why));
	if (err) {
		pr_err("unbd%u: unmap_device: %s (%d)\n", index, why, err);
		return err;
	}
	unbd_device_get(dev);
	kn = sysfs_break_active_protection(kobj, &attr->attr);
	if (!kn) {
		unbd_device_put(dev);
		return -ENODEV;
	}
	err = unbd_unmap(dev, force, why, sizeof(why));
	if (err)
		pr_err("unbd%u: unmap_device: %s (%d)\n", index, why, err);
	sysfs_unbreak_active_protection(kn);
	unbd_device_put(dev);
	return err ? err : count;
}

static ssize_t resize_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *page)
{
	return sysfs_emit(page,
			  "Usage: echo SECTORS > %s (0 for what the server has)\n",
			  attr->attr.name);
}

static ssize_t resize_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *page, size_t count)
{
	struct unbd_device *dev = to_device(kobj);
	char why[UNBD_WHY_LEN] = "interrupted";
	u64 sectors;
	int err;

	err = unbd_parse_resize(page, &sectors, why, sizeof(why));
	if (!err)
		err = unbd_device_resize(dev, sectors, why, sizeof(why));
	if (err)
		pr_err("unbd%u: resize: %s (%d)\n", dev->index, why, err);
	return err ? err : count;
}

static ssize_t remap_device_show(struct kobject *kobj,
				 struct kobj_attribute *attr, char *page)
{
	return sysfs_emit(page, "Usage: echo 1 > %s\n", attr->attr.name);
}

static ssize_t remap_device_store(struct kobject *kobj,
				  struct kobj_attribute *attr,
				  const char *page, size_t count)
{
	struct unbd_device *dev = to_device(kobj);

	if (!sysfs_streq(page, "1")) {
		pr_err("unbd%u: remap_device: write 1 to do it (%d)\n",
		       dev->index, -EINVAL);
		return -EINVAL;
	}
	unbd_session_reconnect(dev->session);
	return count;
}

static struct kobj_attribute state_attr = __ATTR_RO(state);
static struct kobj_attribute session_attr = __ATTR_RO(session);
static struct kobj_attribute mapping_path_attr = __ATTR_RO(mapping_path);
static struct kobj_attribute access_mode_attr = __ATTR_RO(access_mode);
static struct kobj_attribute nr_poll_queues_attr = __ATTR_RO(nr_poll_queues);
static struct kobj_attribute fail_timeout_attr = __ATTR_RO(fail_timeout);
static struct kobj_attribute replay_attr = __ATTR_RO(replay);
static struct kobj_attribute unmap_device_attr = __ATTR_RW(unmap_device);
static struct kobj_attribute resize_attr = __ATTR_RW(resize);
static struct kobj_attribute remap_device_attr = __ATTR_RW(remap_device);

static struct attribute *device_attrs[] = {
	&state_attr.attr,
	&session_attr.attr,
	&mapping_path_attr.attr,
	&access_mode_attr.attr,
	&nr_poll_queues_attr.attr,
	&fail_timeout_attr.attr,
	&replay_attr.attr,
	&unmap_device_attr.attr,
	&resize_attr.attr,
	&remap_device_attr.attr,
	NULL,
};

static const struct attribute_group device_group = {
	.attrs = device_attrs,
};

static ssize_t show_stat(struct kobject *kobj, enum unbd_device_stat stat,
			 char *page)
{
	return sysfs_emit(page, "%d\n",
			  atomic_read(&to_device(kobj)->stats[stat]));
}

#define STAT_ATTR(name, stat)						\
static ssize_t name##_show(struct kobject *kobj,			\
			   struct kobj_attribute *attr, char *page)	\
{									\
	return show_stat(kobj, stat, page);				\
}									\
static struct kobj_attribute name##_attr = __ATTR_RO(name)

STAT_ATTR(requeued, UNBD_STAT_REQUEUED);
STAT_ATTR(parked, UNBD_STAT_PARKED);
STAT_ATTR(timeouts, UNBD_STAT_TIMEOUTS);
STAT_ATTR(failed, UNBD_STAT_FAILED);
STAT_ATTR(fenced, UNBD_STAT_FENCED);
STAT_ATTR(replayed, UNBD_STAT_REPLAYED);

static struct attribute *stats_attrs[] = {
	&requeued_attr.attr,
	&parked_attr.attr,
	&timeouts_attr.attr,
	&failed_attr.attr,
	&fenced_attr.attr,
	&replayed_attr.attr,
	NULL,
};

static const struct attribute_group stats_group = {
	.name = "stats",
	.attrs = stats_attrs,
};

static const struct attribute_group *device_groups[] = {
	&device_group,
	&stats_group,
	NULL,
};

static void release_device(struct kobject *kobj)
{
	sysfs_put(to_device(kobj)->state_file);
	unbd_device_release(to_device(kobj));
}

const struct kobj_type unbd_device_files = {
	.release	= release_device,
	.sysfs_ops	= &unbd_object_ops,
	.default_groups	= device_groups,
};
