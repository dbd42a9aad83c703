// SPDX-License-Identifier: GPL-2.0
/*
 * What other programs are told: a "change" event of ctl for each state that a
 * path or a disk gets into, and poll(2) on its file "state" returns.
 *
 * Not an event of the disk, which would have udev read from it. And sent by a
 * worker that nobody waits for: to send one takes memory, which there may not be
 * before the path that it tells of is back.
 */
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "client.h"

/**
 * struct event - an event that has not been sent
 * @entry: in events
 * @session: the event's variables
 * @what: which path or disk
 * @state: that it is in
 */
struct event {
	struct list_head entry;
	char session[sizeof("UNBD_SESSION=") + UNBD_NAME_MAX];
	char what[32];
	char state[32];
};

static struct kobject *sender;
static struct workqueue_struct *events_wq;
static LIST_HEAD(events);
static DEFINE_SPINLOCK(events_lock);

static void send_events(struct work_struct *work)
{
	struct event *event, *next;
	char *env[4] = {};
	LIST_HEAD(list);

	spin_lock(&events_lock);
	list_splice_init(&events, &list);
	spin_unlock(&events_lock);
	list_for_each_entry_safe(event, next, &list, entry) {
		env[0] = event->session;
		env[1] = event->what;
		env[2] = event->state;
		kobject_uevent_env(sender, KOBJ_CHANGE, env);
		kfree(event);
	}
}

static DECLARE_WORK(events_work, send_events);

static struct event *make_event(const struct unbd_session *session,
				const char *state)
{
	struct event *event = kmalloc(sizeof(*event), GFP_NOWAIT | __GFP_NOWARN);

	if (!event)
		return NULL;
	snprintf(event->session, sizeof(event->session), "UNBD_SESSION=%s",
		 session->name);
	snprintf(event->state, sizeof(event->state), "UNBD_STATE=%s", state);
	return event;
}

static void wake_pollers(struct kernfs_node *state_file)
{
	if (state_file)
		sysfs_notify_dirent(state_file);
}

static void queue_event(struct event *event)
{
	spin_lock(&events_lock);
	list_add_tail(&event->entry, &events);
	spin_unlock(&events_lock);
	queue_work(events_wq, &events_work);
}

/**
 * unbd_path_event() - tell of the state that a path has got into
 * @path: path
 * @state: the state's name
 *
 * Process context. Without memory there is no event; the log has it.
 */
void unbd_path_event(const struct unbd_path *path, const char *state)
{
	struct event *event = make_event(path->session, state);

	wake_pollers(READ_ONCE(path->state_file));
	if (!event)
		return;
	snprintf(event->what, sizeof(event->what), "UNBD_PATH=%u", path->index);
	queue_event(event);
}

/**
 * unbd_device_event() - tell of the state that a disk has got into
 * @dev: its device
 * @state: the state's name
 *
 * As unbd_path_event().
 */
void unbd_device_event(const struct unbd_device *dev, const char *state)
{
	struct event *event = make_event(dev->session, state);

	wake_pollers(READ_ONCE(dev->state_file));
	if (!event)
		return;
	snprintf(event->what, sizeof(event->what), "UNBD_DEVICE=unbd%u",
		 dev->index);
	queue_event(event);
}

/**
 * unbd_events_init() - begin to send events
 * @kobj: whose they are
 *
 * Return: 0 or -ENOMEM.
 */
int unbd_events_init(struct kobject *kobj)
{
	/* Its own: no path may wait behind one that waits for memory. */
	events_wq = alloc_ordered_workqueue("unbd-events", WQ_MEM_RECLAIM);
	if (!events_wq)
		return -ENOMEM;
	sender = kobject_get(kobj);
	return 0;
}

/**
 * unbd_events_exit() - send what is left
 *
 * There are no paths any more. May sleep.
 */
void unbd_events_exit(void)
{
	destroy_workqueue(events_wq);
	kobject_put(sender);
}
