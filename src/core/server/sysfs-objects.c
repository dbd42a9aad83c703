// SPDX-License-Identifier: GPL-2.0
/*
 * ctl/exports/NAME and ctl/connections/N.
 *
 * The files look at what unbd_server_mutex protects; so a directory is only
 * ever removed without it.
 */
#define pr_fmt(fmt) "unbd-server: " fmt

#include <linux/kobject.h>
#include <linux/sysfs.h>

#include <unbd/sysfs.h>

#include "server.h"

static struct unbd_export *export_of(struct kobject *kobj)
{
	return container_of(kobj, struct unbd_export, kobj);
}

static struct unbd_conn *conn_of(struct kobject *kobj)
{
	return container_of(kobj, struct unbd_conn, kobj);
}

/* A file of the directory stats in both kinds of directories */
struct counter_attr {
	const char *name;
	unsigned int which;
	/* Filled by unbd_sysfs_init_objects() */
	struct kobj_attribute export;
	struct kobj_attribute conn;
};

static ssize_t export_counter_show(struct kobject *kobj,
				   struct kobj_attribute *attr, char *page)
{
	struct counter_attr *counter = container_of(attr, struct counter_attr,
						    export);
	u64 value;

	mutex_lock(&unbd_server_mutex);
	value = unbd_export_count(export_of(kobj), counter->which);
	mutex_unlock(&unbd_server_mutex);
	return sysfs_emit(page, "%llu\n", value);
}

static ssize_t conn_counter_show(struct kobject *kobj,
				 struct kobj_attribute *attr, char *page)
{
	struct counter_attr *counter = container_of(attr, struct counter_attr,
						    conn);

	return sysfs_emit(page, "%llu\n",
			  unbd_conn_count(conn_of(kobj), counter->which));
}

static struct counter_attr counters[] = {
	{ "reads", UNBD_IO_READ },
	{ "writes", UNBD_IO_WRITE },
	{ "flushes", UNBD_IO_FLUSH },
	{ "discards", UNBD_IO_DISCARD },
	{ "secure_erases", UNBD_IO_SECURE_ERASE },
	{ "write_zeroes", UNBD_IO_WRITE_ZEROES },
	{ "prefetches", UNBD_IO_PREFETCH },
	{ "bytes_read", UNBD_COUNT_BYTES_READ },
	{ "bytes_written", UNBD_COUNT_BYTES_WRITTEN },
	{ "errors", UNBD_COUNT_ERRORS },
};

static struct attribute *export_stats_attrs[ARRAY_SIZE(counters) + 1];
static struct attribute *conn_stats_attrs[ARRAY_SIZE(counters) + 1];

static const struct attribute_group export_stats = {
	.name = "stats",
	.attrs = export_stats_attrs,
};

static const struct attribute_group conn_stats = {
	.name = "stats",
	.attrs = conn_stats_attrs,
};

static ssize_t device_path_show(struct kobject *kobj,
				struct kobj_attribute *attr, char *page)
{
	return sysfs_emit(page, "%s\n", export_of(kobj)->device_path);
}

static ssize_t access_mode_show(struct kobject *kobj,
				struct kobj_attribute *attr, char *page)
{
	return sysfs_emit(page, "%s\n",
			  unbd_access_mode_name(export_of(kobj)->access_mode));
}

static ssize_t size_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *page)
{
	struct unbd_export *export = export_of(kobj);

	return sysfs_emit(page, "%llu\n", export->ops->size(export));
}

static ssize_t clients_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *page)
{
	return unbd_acl_print(export_of(kobj), page);
}

static ssize_t features_show(struct kobject *kobj, struct kobj_attribute *attr,
			     char *page)
{
	static const char * const names[] = {
		"read-only", "rotational", "write-cache", "discard",
		"write-zeroes", "fast-zero", "extents", "secure-erase",
		"stable-writes",
	};
	struct unbd_export_info info;
	unsigned int i;
	int at = 0;

	unbd_export_info(export_of(kobj), &info);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (info.features & BIT(i))
			at += sysfs_emit_at(page, at, "%s%s", at ? " " : "",
					    names[i]);
	return at + sysfs_emit_at(page, at, "\n");
}

static ssize_t kind_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *page)
{
	return sysfs_emit(page, "%s\n", export_of(kobj)->ops->kind);
}

static ssize_t export_state_show(struct kobject *kobj,
				 struct kobj_attribute *attr, char *page)
{
	switch (READ_ONCE(export_of(kobj)->state)) {
	case UNBD_EXPORT_REMOVING:
		return sysfs_emit(page, "removing\n");
	default:
		return sysfs_emit(page, "live\n");
	}
}

static ssize_t connections_show(struct kobject *kobj,
				struct kobj_attribute *attr, char *page)
{
	return sysfs_emit(page, "%u\n", READ_ONCE(export_of(kobj)->nr_conns));
}

static struct kobj_attribute device_path_attr = __ATTR_RO(device_path);
static struct kobj_attribute access_mode_attr = __ATTR_RO(access_mode);
static struct kobj_attribute size_attr = __ATTR_RO(size);
static struct kobj_attribute clients_attr = __ATTR_RO(clients);
static struct kobj_attribute features_attr = __ATTR_RO(features);
static struct kobj_attribute kind_attr = __ATTR_RO(kind);
static struct kobj_attribute connections_attr = __ATTR_RO(connections);
static struct kobj_attribute export_state_attr =
	__ATTR(state, 0444, export_state_show, NULL);

static struct attribute *export_attrs[] = {
	&device_path_attr.attr,
	&access_mode_attr.attr,
	&size_attr.attr,
	&clients_attr.attr,
	&features_attr.attr,
	&kind_attr.attr,
	&export_state_attr.attr,
	&connections_attr.attr,
	NULL,
};

static const struct attribute_group export_group = {
	.attrs = export_attrs,
};

static const struct attribute_group *export_groups[] = {
	&export_group,
	&export_stats,
	NULL,
};

static void export_release(struct kobject *kobj)
{
	unbd_export_release(export_of(kobj));
}

static const struct kobj_type export_ktype = {
	.release = export_release,
	.sysfs_ops = &unbd_object_ops,
	.default_groups = export_groups,
};

static ssize_t peer_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *page)
{
	return sysfs_emit(page, "%s\n", conn_of(kobj)->peer_name);
}

static ssize_t transport_show(struct kobject *kobj,
			      struct kobj_attribute *attr, char *page)
{
	return sysfs_emit(page, "%s\n", conn_of(kobj)->transport);
}

static ssize_t export_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *page)
{
	struct unbd_export *export;
	ssize_t n;

	mutex_lock(&unbd_server_mutex);
	export = conn_of(kobj)->export;
	n = sysfs_emit(page, "%s\n", export ? export->name : "");
	mutex_unlock(&unbd_server_mutex);
	return n;
}

static ssize_t conn_state_show(struct kobject *kobj,
			       struct kobj_attribute *attr, char *page)
{
	struct unbd_conn *conn = conn_of(kobj);

	if (READ_ONCE(conn->closing))
		return sysfs_emit(page, "closing\n");
	if (READ_ONCE(conn->export))
		return sysfs_emit(page, "open\n");
	if (conn->is_path)
		return sysfs_emit(page, "path\n");
	return sysfs_emit(page, "negotiating\n");
}

static ssize_t force_close_show(struct kobject *kobj,
				struct kobj_attribute *attr, char *page)
{
	return sysfs_emit(page, "Usage: echo 1 > %s\n", attr->attr.name);
}

static ssize_t force_close_store(struct kobject *kobj,
				 struct kobj_attribute *attr,
				 const char *page, size_t count)
{
	if (!sysfs_streq(page, "1")) {
		pr_err("unbd-server: connections/%u/force_close: only 1 can be written (%d)\n",
		       conn_of(kobj)->id, -EINVAL);
		return -EINVAL;
	}
	mutex_lock(&unbd_server_mutex);
	unbd_conn_close(conn_of(kobj));
	mutex_unlock(&unbd_server_mutex);
	return count;
}

static struct kobj_attribute peer_attr = __ATTR_RO(peer);
static struct kobj_attribute transport_attr = __ATTR_RO(transport);
static struct kobj_attribute export_attr = __ATTR_RO(export);
static struct kobj_attribute force_close_attr = __ATTR_RW(force_close);
static struct kobj_attribute conn_state_attr =
	__ATTR(state, 0444, conn_state_show, NULL);

static struct attribute *conn_attrs[] = {
	&peer_attr.attr,
	&transport_attr.attr,
	&export_attr.attr,
	&conn_state_attr.attr,
	&force_close_attr.attr,
	NULL,
};

static const struct attribute_group conn_group = {
	.attrs = conn_attrs,
};

static const struct attribute_group *conn_groups[] = {
	&conn_group,
	&conn_stats,
	NULL,
};

static void conn_release(struct kobject *kobj)
{
	unbd_conn_release(conn_of(kobj));
}

static const struct kobj_type conn_ktype = {
	.release = conn_release,
	.sysfs_ops = &unbd_object_ops,
	.default_groups = conn_groups,
};

/**
 * unbd_sysfs_init_objects() - say which files exports and connections have
 *
 * Before the first export.
 */
void unbd_sysfs_init_objects(void)
{
	const struct kobj_attribute none = { .attr.mode = 0444 };
	struct counter_attr *counter;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		counter = &counters[i];
		counter->export = none;
		counter->export.attr.name = counter->name;
		counter->export.show = export_counter_show;
		counter->conn = none;
		counter->conn.attr.name = counter->name;
		counter->conn.show = conn_counter_show;
		export_stats_attrs[i] = &counter->export.attr;
		conn_stats_attrs[i] = &counter->conn.attr;
	}	unbd_export_ktype = &export_ktype;
	unbd_conn_ktype = &conn_ktype;
}
