// SPDX-License-Identifier: GPL-2.0
/*
 * Devices: what a mapping is, from its making to its last reference, which is
 * one of its directory in sysfs.
 */
#include <linux/slab.h>

#include "client.h"

const struct kobj_type *unbd_device_ktype;

/* Called when the last reference to the device's directory has gone. */
void unbd_device_release(struct unbd_device *dev)
{
	struct unbd_session *session = dev->session;

	unbd_fence_forget(dev);
	unbd_replay_exit(dev);
	cleanup_srcu_struct(&dev->srcu);
	unbd_number_put(dev->number);
	mutex_destroy(&dev->mutex);
	kfree(dev->export_name);
	kfree(dev);
	unbd_session_put(session);
}

/**
 * unbd_device_create() - make a device of a session, without legs or a disk
 * @session: session, kept by the device
 * @o: what the user wrote
 *
 * Return: the device or an ERR_PTR().
 */
struct unbd_device *unbd_device_create(struct unbd_session *session,
				       const struct unbd_map_options *o)
{
	struct unbd_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	int err = -ENOMEM;

	if (!dev)
		return ERR_PTR(-ENOMEM);
	dev->export_name = kstrdup(o->device_path, GFP_KERNEL);
	if (!dev->export_name)
		goto free;
	err = init_srcu_struct(&dev->srcu);
	if (err)
		goto free;
	dev->number = unbd_number_new(&dev->index);
	if (IS_ERR(dev->number)) {
		err = PTR_ERR(dev->number);
		goto free_srcu;
	}
	kobject_init(&dev->kobj, unbd_device_ktype);
	mutex_init(&dev->mutex);
	init_waitqueue_head(&dev->wait);
	INIT_LIST_HEAD(&dev->entry);
	INIT_DELAYED_WORK(&dev->fail_work, unbd_fail_work);
	spin_lock_init(&dev->split_lock);
	bio_list_init(&dev->split_bios);
	INIT_WORK(&dev->split_work, unbd_split_work);
	INIT_WORK(&dev->scan_work, unbd_scan_work);
	INIT_LIST_HEAD(&dev->fences);
	spin_lock_init(&dev->fence_lock);
	unbd_replay_init(dev, o->replay);
	dev->session = unbd_session_get(session);
	dev->access_mode = o->access_mode;
	dev->io_timeout = o->io_timeout;
	dev->fail_timeout = o->fail_timeout;
	dev->queue_depth = o->queue_depth;
	/* blk-mq makes no more of them: the rest would only be connections. */
	dev->want_queues = o->nr_queues ?
		min_t(unsigned int, o->nr_queues, nr_cpu_ids) :
		num_online_cpus();
	dev->want_poll_queues =
		o->nr_poll_queues == UNBD_POLL_QUEUE_PER_CPU ?
		num_online_cpus() : o->nr_poll_queues;
	return dev;

free_srcu:
	cleanup_srcu_struct(&dev->srcu);
free:
	kfree(dev->export_name);
	kfree(dev);
	return ERR_PTR(err);
}
