// SPDX-License-Identifier: GPL-2.0
/*
 * Mapping and unmapping: a device, its legs and its disk come and go.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include "client.h"

static bool is_mapped(struct unbd_session *session, const char *export_name)
{
	struct unbd_device *dev;

	list_for_each_entry(dev, &session->devices, entry)
		if (!strcmp(dev->export_name, export_name))
			return true;
	return false;
}

/* Makes the objects of a mapping and lets their paths begin to connect. */
static struct unbd_device *begin_mapping(struct unbd_session *session,
					 const struct unbd_map_options *o,
					 struct unbd_asked_paths *asked,
					 char *why, size_t len)
{
	struct unbd_device *dev;
	unsigned int noio;
	int err;

	noio = unbd_session_lock(session);
	if (is_mapped(session, o->device_path)) {
		snprintf(why, len, "the export is mapped already");
		err = -EEXIST;
		goto unlock;
	}
	err = unbd_session_ask_paths(session, o, asked, why, len);
	if (err)
		goto unlock;
	dev = unbd_device_create(session, o);
	if (IS_ERR(dev)) {
		snprintf(why, len, "out of memory");
		err = PTR_ERR(dev);
		goto unlock;
	}
	list_add_tail(&dev->entry, &session->devices);
	err = unbd_session_add_legs(dev);
	unbd_session_kick(session);
	unbd_session_unlock(session, noio);
	if (!err)
		return dev;
	snprintf(why, len, "out of memory");
	WRITE_ONCE(dev->removing, true);
	unbd_device_fail(dev);
	unbd_session_remove_legs(dev, true);
	noio = unbd_session_lock(session);
	list_del(&dev->entry);
	unbd_device_put(dev);
unlock:
	unbd_session_unlock(session, noio);
	return ERR_PTR(err);
}

static bool was_tried(struct unbd_leg *leg)
{
	/* Pairs with unbd_leg_tried(): then there is an error and a reason. */
	return smp_load_acquire(&leg->tried);
}

/* Has a leg come up, or has each been tried in vain? */
static bool attempts_over(struct unbd_device *dev)
{
	int idx = srcu_read_lock(&dev->srcu);
	struct unbd_leg *leg = NULL;
	bool over = true;

	while ((leg = unbd_next_leg(dev, leg))) {
		if (READ_ONCE(leg->live)) {
			over = true;
			break;
		}
		if (!was_tried(leg))
			over = false;
	}
	srcu_read_unlock(&dev->srcu, idx);
	return over;
}

/* Says of each path that is not up why; returns the first error. */
static int collect_errors(struct unbd_device *dev, bool log,
			  char *why, size_t len)
{
	int idx = srcu_read_lock(&dev->srcu);
	int err = -ENOTCONN;
	struct unbd_leg *leg = NULL;

	snprintf(why, len, "no path");
	while ((leg = unbd_next_leg(dev, leg))) {
		if (READ_ONCE(leg->live) || !was_tried(leg))
			continue;
		if (log) {
			pr_warn("%s: not up yet: %s (%d)\n", leg->path->name,
				leg->why, leg->error);
		} else {
			snprintf(why, len, "%s: %s", leg->path->dst, leg->why);
			err = leg->error;
			break;
		}
	}
	srcu_read_unlock(&dev->srcu, idx);
	return err;
}

static int wait_for_leg(struct unbd_device *dev, char *why, size_t len)
{
	int err = wait_event_killable(dev->wait, attempts_over(dev));

	if (err) {
		snprintf(why, len, "interrupted");
		return -EINTR;
	}
	if (!unbd_device_has_leg(dev))
		return collect_errors(dev, false, why, len);
	return 0;
}

/* The mapping will last: from now on its legs do what they can to come up. */
static void keep_device(struct unbd_device *dev)
{
	WRITE_ONCE(dev->mapped, true);
	unbd_device_kick_legs(dev, false);
}

static void forget_device(struct unbd_device *dev)
{
	struct unbd_session *session = dev->session;

	mutex_lock(&session->mutex);
	list_del(&dev->entry);
	mutex_unlock(&session->mutex);
	unbd_device_put(dev);
}

static int show_disk(struct unbd_device *dev, char *why, size_t len)
{
	int err = unbd_disk_add(dev, why, len);

	if (err)
		return err;
	pr_info("unbd%u: %s of %s, %llu bytes, %u+%u queues\n", dev->index,
		*dev->export_name ? dev->export_name : "default export",
		dev->session->name, dev->geometry.size, dev->nr_queues,
		dev->nr_poll_queues);
	collect_errors(dev, true, why, len);
	return 0;
}

/* The disk belongs to who unmaps it by now, which may happen at any time. */
static int await_partitions(struct unbd_device *dev, char *why, size_t len)
{
	int err = unbd_disk_scanned(dev);

	if (err == -EINTR) {
		unbd_unmap(dev, true, why, len);
		snprintf(why, len, "interrupted");
	} else if (err) {
		snprintf(why, len, "unmapped before its partitions were read");
	}
	return err;
}

/**
 * unbd_map() - map an export as a disk
 * @o: what the user wrote
 * @why: gets the reason of a failure
 * @len: size of @why
 *
 * In the context of the process that maps; waits until a path is up or all
 * have been tried. Return: 0, or -errno with nothing left behind.
 */
int unbd_map(struct unbd_map_options *o, char *why, size_t len)
{
	struct unbd_session *session;
	struct unbd_device *dev;
	struct unbd_asked_paths asked = {};
	unsigned int i;
	int err;

	for (i = 0; i < o->nr_paths; i++)
		unbd_transport_load(o->paths[i].transport);
	session = unbd_session_enter(o, why, len);
	if (IS_ERR(session))
		return PTR_ERR(session);
	dev = begin_mapping(session, o, &asked, why, len);
	if (IS_ERR(dev)) {
		err = PTR_ERR(dev);
		goto leave;
	}
	err = wait_for_leg(dev, why, len);
	if (err)
		goto forget;
	keep_device(dev);
	unbd_device_get(dev);
	err = show_disk(dev, why, len);
	if (!err) {
		err = await_partitions(dev, why, len);
		unbd_session_forget_paths(&asked, !err);
		unbd_device_put(dev);
		return err;
	}
	unbd_device_put(dev);
forget:
	WRITE_ONCE(dev->removing, true);
	unbd_device_fail(dev);
	unbd_session_remove_legs(dev, true);
	forget_device(dev);
leave:
	unbd_session_forget_paths(&asked, false);
	unbd_session_leave(session);
	return err;
}

/**
 * unbd_unmap() - take a disk away
 * @dev: device, kept by the caller
 * @force: even if it is open; what its users do then fails
 * @why: gets the reason of a refusal
 * @len: size of @why
 *
 * With @force it never waits for the server. Return: 0, -EBUSY when the disk
 * is open, -ENODEV when someone else is removing it.
 */
int unbd_unmap(struct unbd_device *dev, bool force, char *why, size_t len)
{
	struct unbd_session *session = dev->session;
	int err = unbd_disk_claim(dev, force);

	if (err) {
		snprintf(why, len, err == -EBUSY ? "the device is in use" :
			 "the device is being removed");
		return err;
	}
	/* A resize waits no longer, so that nobody has to wait for it. */
	wake_up_all(&dev->wait);
	/* Nobody has it open: without a server there is nothing to wait for. */
	if (!unbd_device_has_leg(dev))
		force = true;
	pr_info("unbd%u: unmapped%s\n", dev->index, force ? " by force" : "");
	if (force) {
		unbd_device_fail(dev);
		unbd_session_remove_legs(dev, false);
	}
	unbd_disk_remove(dev, force);
	if (!force)
		unbd_session_remove_legs(dev, true);
	forget_device(dev);
	unbd_session_leave(session);
	return 0;
}

/* The next disk that nobody is removing, with a reference */
static struct unbd_device *device_behind(struct unbd_session *session,
					 long long last)
{
	struct unbd_device *dev, *found = NULL;

	mutex_lock(&session->mutex);
	list_for_each_entry(dev, &session->devices, entry) {
		if (dev->index <= last || !READ_ONCE(dev->added) ||
		    READ_ONCE(dev->removing))
			continue;
		if (!found || dev->index < found->index)
			found = dev;
	}
	if (found)
		unbd_device_get(found);
	mutex_unlock(&session->mutex);
	return found;
}

int unbd_unmap_session(const char *sessname, bool force, char *why,
		       size_t len)
{
	struct unbd_session *session;
	char cause[UNBD_WHY_LEN];
	struct unbd_device *dev;
	long long last = -1;
	int err, result = 0;

	session = unbd_session_find(sessname);
	if (!session)
		return 0;
	while ((dev = device_behind(session, last))) {
		last = dev->index;
		err = unbd_unmap(dev, force, cause, sizeof(cause));
		if (err && !result)
			result = unbd_why(why, len, err, "unbd%u: %s",
					  dev->index, cause);
		unbd_device_put(dev);
	}
	unbd_session_put(session);
	return result;
}
EXPORT_SYMBOL_UNBD(unbd_unmap_session);
