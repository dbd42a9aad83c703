// SPDX-License-Identifier: GPL-2.0
/*
 * ctl/sessions/NAME and ctl/sessions/NAME/paths/N.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/slab.h>

#include <unbd/sysfs.h>

#include "client.h"

/* Longest address that a transport describes, in bytes with NUL. */
#define ADDRESS_LEN	UNBD_ADDRESS_LEN

static struct unbd_session *to_session(struct kobject *kobj)
{
	return container_of(kobj, struct unbd_session, kobj);
}

static ssize_t policy_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *page)
{
	struct unbd_session *session = to_session(kobj);

	return sysfs_emit(page, "%s\n",
			  unbd_policy_name(READ_ONCE(session->policy)));
}

static ssize_t policy_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *page, size_t count)
{
	struct unbd_session *session = to_session(kobj);
	char why[UNBD_WHY_LEN];
	enum unbd_policy policy;
	int err;

	err = unbd_parse_policy(page, &policy, why, sizeof(why));
	if (err) {
		pr_err("%s: policy: %s (%d)\n", session->name, why, err);
		return err;
	}
	WRITE_ONCE(session->policy, policy);
	return count;
}

static ssize_t keepalive_show(struct kobject *kobj,
			      struct kobj_attribute *attr, char *page)
{
	return sysfs_emit(page, "%u\n", to_session(kobj)->keepalive);
}

static ssize_t add_path_show(struct kobject *kobj, struct kobj_attribute *attr,
			     char *page)
{
	return sysfs_emit(page, "Usage: echo \"[SRC,]DST\" > %s\n",
			  attr->attr.name);
}

static int add_written(struct unbd_session *session, const char *page,
		       size_t count)
{
	char why[UNBD_WHY_LEN] = "out of memory";
	struct unbd_path_option *spec;
	int err = -ENOMEM;
	char *line;

	line = kstrndup(page, count, GFP_KERNEL);
	spec = kzalloc(sizeof(*spec), GFP_KERNEL);
	if (line && spec)
		err = unbd_parse_path(strim(line), spec, why, sizeof(why));
	if (!err)
		err = unbd_session_add_path(session, spec, why, sizeof(why));
	if (err)
		pr_err("%s: add_path: %s (%d)\n", session->name, why, err);
	kfree(spec);
	kfree(line);
	return err;
}

/* It may wait for modprobe, and the session goes with its last disk. */
static ssize_t add_path_store(struct kobject *kobj,
			      struct kobj_attribute *attr,
			      const char *page, size_t count)
{
	struct kernfs_node *kn;
	int err;

	kobject_get(kobj);
	kn = sysfs_break_active_protection(kobj, &attr->attr);
	if (!kn) {
		kobject_put(kobj);
		return -ENODEV;
	}
	err = add_written(to_session(kobj), page, count);
	sysfs_unbreak_active_protection(kn);
	kobject_put(kobj);
	return err ? err : count;
}

static struct kobj_attribute policy_attr = __ATTR_RW(policy);
static struct kobj_attribute keepalive_attr = __ATTR_RO(keepalive);
static struct kobj_attribute add_path_attr = __ATTR_RW(add_path);

static struct attribute *session_attrs[] = {
	&policy_attr.attr,
	&keepalive_attr.attr,
	&add_path_attr.attr,
	NULL,
};
ATTRIBUTE_GROUPS(session);

static void release_session(struct kobject *kobj)
{
	unbd_session_release(to_session(kobj));
}

const struct kobj_type unbd_session_files = {
	.release	= release_session,
	.sysfs_ops	= &unbd_object_ops,
	.default_groups	= session_groups,
};

static struct unbd_path *to_path(struct kobject *kobj)
{
	return container_of(kobj, struct unbd_path, kobj);
}

static ssize_t state_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *page)
{
	return sysfs_emit(page, "%s\n",
			  unbd_path_state_name(READ_ONCE(to_path(kobj)->state)));
}

static ssize_t transport_show(struct kobject *kobj,
			      struct kobj_attribute *attr, char *page)
{
	return sysfs_emit(page, "%s\n", to_path(kobj)->ops->name);
}

/* The address in use if the transport knows better than the user's words. */
static ssize_t show_address(struct unbd_path *path, bool source, char *page)
{
	const char *text = source ? path->src : path->dst;
	char src[ADDRESS_LEN] = "", dst[ADDRESS_LEN] = "";

	if (source && !text && path->ops->describe) {
		path->ops->describe(path, src, dst, sizeof(src));
		text = src;
	}
	return sysfs_emit(page, "%s\n", text ? text : "");
}

static ssize_t src_show(struct kobject *kobj, struct kobj_attribute *attr,
			char *page)
{
	return show_address(to_path(kobj), true, page);
}

static ssize_t dst_show(struct kobject *kobj, struct kobj_attribute *attr,
			char *page)
{
	return show_address(to_path(kobj), false, page);
}

static struct unbd_path_counters sum_counters(const struct unbd_path *path)
{
	struct unbd_path_counters sum = {};
	const struct unbd_path_counters *c;
	unsigned int cpu, i;

	for_each_possible_cpu(cpu) {
		c = per_cpu_ptr(path->counters, cpu);
		for (i = 0; i < UNBD_NR_IO; i++) {
			sum.requests[i] += c->requests[i];
			sum.bytes[i] += c->bytes[i];
		}
		sum.errors += c->errors;
		sum.time_ns += c->time_ns;
		sum.sent += c->sent;
		sum.returned += c->returned;
	}
	return sum;
}

/* One may have ended between a look at this and at that processor. */
static u64 in_flight(const struct unbd_path_counters *sum)
{
	u64 ended = sum->returned;
	unsigned int i;

	for (i = 0; i < UNBD_NR_IO; i++)
		ended += sum->requests[i];
	return sum->sent > ended ? sum->sent - ended : 0;
}

static ssize_t stats_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *page)
{
	struct unbd_path *path = to_path(kobj);
	struct unbd_path_counters sum = sum_counters(path);
	int len;

	len = sysfs_emit(page, "failures %d\nreconnects %d\n",
			 atomic_read(&path->failures),
			 atomic_read(&path->reconnects));
	len += sysfs_emit_at(page, len, "reads %llu\nread_bytes %llu\n",
			     sum.requests[UNBD_IO_READ],
			     sum.bytes[UNBD_IO_READ]);
	len += sysfs_emit_at(page, len, "writes %llu\nwrite_bytes %llu\n",
			     sum.requests[UNBD_IO_WRITE],
			     sum.bytes[UNBD_IO_WRITE]);
	len += sysfs_emit_at(page, len, "others %llu\nother_bytes %llu\n",
			     sum.requests[UNBD_IO_OTHER],
			     sum.bytes[UNBD_IO_OTHER]);
	len += sysfs_emit_at(page, len, "errors %llu\ntime_us %llu\n",
			     sum.errors, div_u64(sum.time_ns, NSEC_PER_USEC));
	return len + sysfs_emit_at(page, len, "in_flight %llu\n",
				   in_flight(&sum));
}

static int check_one(struct unbd_path *path, const char *what,
		     const char *page)
{
	if (sysfs_streq(page, "1"))
		return 0;
	pr_err("%s: %s: write 1 to do it (%d)\n", path->name, what, -EINVAL);
	return -EINVAL;
}

static ssize_t reconnect_store(struct kobject *kobj,
			       struct kobj_attribute *attr,
			       const char *page, size_t count)
{
	struct unbd_path *path = to_path(kobj);
	int err = check_one(path, "reconnect", page);

	if (err)
		return err;
	err = unbd_path_reconnect(path, true);
	if (err)
		pr_err("%s: reconnect: %s (%d)\n", path->name,
		       err == -ENODEV ? "the path is being removed" :
		       "it cannot be connected a second time", err);
	return err ? err : count;
}

static ssize_t disconnect_store(struct kobject *kobj,
				struct kobj_attribute *attr,
				const char *page, size_t count)
{
	int err = check_one(to_path(kobj), "disconnect", page);

	if (err)
		return err;
	unbd_path_disconnect(to_path(kobj));
	return count;
}

/* The file goes with its directory, so it must not be waited for. */
static ssize_t remove_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *page, size_t count)
{
	struct unbd_path *path = to_path(kobj);
	char why[UNBD_WHY_LEN];
	struct kernfs_node *kn;
	int err;

	err = check_one(path, "remove", page);
	if (err)
		return err;
	kobject_get(kobj);
	kn = sysfs_break_active_protection(kobj, &attr->attr);
	if (!kn) {
		kobject_put(kobj);
		return -ENODEV;
	}
	err = unbd_session_remove_path(path, why, sizeof(why));
	if (err)
		pr_err("%s: remove: %s (%d)\n", path->name, why, err);
	sysfs_unbreak_active_protection(kn);
	kobject_put(kobj);
	return err ? err : count;
}

static struct kobj_attribute state_attr = __ATTR_RO(state);
static struct kobj_attribute transport_attr = __ATTR_RO(transport);
static struct kobj_attribute src_attr = __ATTR_RO(src);
static struct kobj_attribute dst_attr = __ATTR_RO(dst);
static struct kobj_attribute stats_attr = __ATTR_RO(stats);
static struct kobj_attribute reconnect_attr = __ATTR_WO(reconnect);
static struct kobj_attribute disconnect_attr = __ATTR_WO(disconnect);
static struct kobj_attribute remove_attr = __ATTR_WO(remove);

static struct attribute *path_attrs[] = {
	&state_attr.attr,
	&transport_attr.attr,
	&src_attr.attr,
	&dst_attr.attr,
	&stats_attr.attr,
	&reconnect_attr.attr,
	&disconnect_attr.attr,
	&remove_attr.attr,
	NULL,
};
ATTRIBUTE_GROUPS(path);

static void release_path(struct kobject *kobj)
{
	sysfs_put(to_path(kobj)->state_file);
	unbd_path_release(to_path(kobj));
}

const struct kobj_type unbd_path_files = {
	.release	= release_path,
	.sysfs_ops	= &unbd_object_ops,
	.default_groups	= path_groups,
};
