// SPDX-License-Identifier: GPL-2.0
/*
 * The gendisk of a device: made from the geometry of its first leg, gone with
 * the mapping.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/blkdev.h>
#include <linux/idr.h>
#include <linux/kref.h>
#include <linux/slab.h>

#include "client.h"

/* udev looks at each new disk: who unmaps it waits that long for others. */
#define CLOSING_TIME	HZ

/* ctl/devices */
struct kobject *unbd_devices_kobj;

static DEFINE_IDA(numbers);

/*
 * Guards openers, removing and the way from a disk to its device. An opener
 * may hold on to a disk for longer than its mapping lasts: it then finds no
 * device behind it.
 */
static DEFINE_MUTEX(openers_mutex);
static DECLARE_WAIT_QUEUE_HEAD(closed);

/**
 * struct unbd_number - the number in a disk's name
 * @ref: the device has one, and each opener of its disk
 * @n: it
 * @openers: of the disk and its partitions
 * @dev: the device while there is a disk of it
 *
 * What a file system says of itself goes by the disk's name. As long as one is
 * mounted somewhere, another disk must not have the number.
 */
struct unbd_number {
	struct kref ref;
	unsigned int n;
	unsigned int openers;
	struct unbd_device *dev;
};

/**
 * unbd_number_new() - the lowest number that nobody has
 * @n: gets it
 *
 * May sleep. Return: with a reference, or ERR_PTR().
 */
struct unbd_number *unbd_number_new(unsigned int *n)
{
	struct unbd_number *number = kzalloc(sizeof(*number), GFP_KERNEL);
	int id;

	if (!number)
		return ERR_PTR(-ENOMEM);
	id = ida_alloc(&numbers, GFP_KERNEL);
	if (id < 0) {
		kfree(number);
		return ERR_PTR(id);
	}
	kref_init(&number->ref);
	number->n = id;
	*n = id;
	return number;
}

static void release_number(struct kref *ref)
{
	struct unbd_number *number = container_of(ref, struct unbd_number, ref);

	ida_free(&numbers, number->n);
	kfree(number);
}

void unbd_number_put(struct unbd_number *number)
{
	kref_put(&number->ref, release_number);
}

static int open_disk(struct gendisk *disk)
{
	struct unbd_number *number;
	int err = -ENXIO;

	mutex_lock(&openers_mutex);
	number = disk->private_data;
	if (number && number->dev && !number->dev->removing) {
		number->openers++;
		kref_get(&number->ref);
		err = 0;
	}
	mutex_unlock(&openers_mutex);
	return err;
}

static void release_disk(struct gendisk *disk)
{
	struct unbd_number *number = disk->private_data;

	mutex_lock(&openers_mutex);
	if (!--number->openers && !number->dev)
		disk->private_data = NULL;
	mutex_unlock(&openers_mutex);
	wake_up_all(&closed);
	unbd_number_put(number);
}

UNBD_BDEV_OPEN(unbd_bdev_open, open_disk)
UNBD_BDEV_RELEASE(unbd_bdev_release, release_disk)

static int try_claim(struct unbd_device *dev, bool force)
{
	int err = 0;

	mutex_lock(&openers_mutex);
	if (dev->removing)
		err = -ENODEV;
	else if (dev->number->openers && !force)
		err = -EBUSY;
	else
		WRITE_ONCE(dev->removing, true);
	mutex_unlock(&openers_mutex);
	return err;
}

/**
 * unbd_disk_claim() - decide that a device goes away
 * @dev: the device
 * @force: even if it is open
 *
 * Without @force it waits a second for who has the disk open.
 *
 * Return: 0 for the caller who may remove it, -EBUSY when it is open,
 * -ENODEV when another caller is removing it.
 */
int unbd_disk_claim(struct unbd_device *dev, bool force)
{
	int err = try_claim(dev, force);

	if (err == -EBUSY &&
	    wait_event_killable_timeout(closed,
					!READ_ONCE(dev->number->openers),
					CLOSING_TIME) > 0)
		err = try_claim(dev, force);
	return err;
}

static const struct block_device_operations unbd_bdev_ops = {
	.owner		= THIS_MODULE,
	.open		= unbd_bdev_open,
	.release	= unbd_bdev_release,
};

static int alloc_tag_set(struct unbd_device *dev)
{
	struct blk_mq_tag_set *set = &dev->tag_set;

	set->ops = &unbd_mq_ops;
	set->nr_hw_queues = dev->nr_queues + dev->nr_poll_queues;
	set->nr_maps = dev->nr_poll_queues ? HCTX_MAX_TYPES : 1;
	set->queue_depth = dev->queue_depth;
	set->numa_node = NUMA_NO_NODE;
	set->cmd_size = sizeof(struct unbd_request);
	set->timeout = dev->io_timeout * HZ;
	set->driver_data = dev;
	/* The socket lock of an inline send may sleep, nothing else does. */
	set->flags = BLK_MQ_F_SHOULD_MERGE | BLK_MQ_F_BLOCKING |
		     BLK_MQ_F_NO_SCHED_BY_DEFAULT;
	return blk_mq_alloc_tag_set(set);
}

static int alloc_disk_of(struct unbd_device *dev)
{
	struct unbd_disk_limits limits = {};
	struct gendisk *disk;
	int err;

	err = alloc_tag_set(dev);
	if (err)
		return err;
	mutex_lock(&dev->mutex);
	unbd_disk_fill_limits(dev, &limits);
	mutex_unlock(&dev->mutex);
	disk = unbd_disk_alloc(&dev->tag_set, &limits, dev);
	if (IS_ERR(disk)) {
		blk_mq_free_tag_set(&dev->tag_set);
		return PTR_ERR(disk);
	}
	disk->fops = &unbd_bdev_ops;
	disk->flags |= UNBD_DISK_UNSCANNED;
	dev->number->dev = dev;
	disk->private_data = dev->number;
	snprintf(disk->disk_name, DISK_NAME_LEN, "unbd%u", dev->index);
	set_capacity(disk, dev->geometry.size >> SECTOR_SHIFT);
	set_disk_ro(disk, unbd_device_read_only(dev));

	mutex_lock(&dev->mutex);
	dev->disk = disk;
	mutex_unlock(&dev->mutex);
	/* A leg that went down before this could not park the queue. */
	unbd_device_update(dev);
	/* Nor one that came up change its limits. */
	if (READ_ONCE(dev->restacked))
		unbd_device_restacked(dev);
	return 0;
}

static void forget_disk(struct unbd_device *dev)
{
	struct gendisk *disk = dev->disk;

	mutex_lock(&dev->mutex);
	dev->disk = NULL;
	mutex_unlock(&dev->mutex);
	cancel_delayed_work_sync(&dev->fail_work);
	flush_work(&dev->scan_work);
	flush_work(&dev->split_work);
	flush_work(&dev->replay.flush_work);

	mutex_lock(&openers_mutex);
	dev->number->dev = NULL;
	if (!dev->number->openers)
		disk->private_data = NULL;
	mutex_unlock(&openers_mutex);
	unbd_disk_put(disk);
	blk_mq_free_tag_set(&dev->tag_set);
}

/**
 * unbd_scan_work() - find the disk's partitions
 * @work: dev->scan_work
 */
void unbd_scan_work(struct work_struct *work)
{
	struct unbd_device *dev = container_of(work, struct unbd_device,
					       scan_work);
	struct gendisk *disk;

	mutex_lock(&dev->mutex);
	disk = dev->disk;
	mutex_unlock(&dev->mutex);
	/* Whoever takes the disk away waits for this work. */
	if (disk)
		unbd_disk_scan(disk);
	/* Pairs with unbd_disk_scanned(). */
	smp_store_release(&dev->scanned, true);
	wake_up_all(&dev->wait);
	unbd_device_put(dev);
}

/**
 * unbd_disk_scanned() - wait until the disk's partitions have been found
 * @dev: device of unbd_disk_add(), kept by the caller
 *
 * A server that does not answer may make that take for ever, so the reading is
 * for somebody else to do.
 *
 * Return: 0, -EINTR when killed, -ENODEV when the disk was taken away.
 */
int unbd_disk_scanned(struct unbd_device *dev)
{
	queue_work(unbd_scan_wq, &unbd_device_get(dev)->scan_work);
	/* Pairs with unbd_scan_work(). */
	if (wait_event_killable(dev->wait, smp_load_acquire(&dev->scanned)))
		return -EINTR;
	return READ_ONCE(dev->removing) ? -ENODEV : 0;
}

/*
 * The kernel announced the disk before it had this directory, from which udev
 * names it: it is announced again.
 */
static int add_directory(struct unbd_device *dev)
{
	struct device *disk = disk_to_dev(dev->disk);
	int err;

	err = kobject_add(&dev->kobj, &disk->kobj, "unbd");
	if (err)
		return err;
	err = sysfs_create_link(unbd_devices_kobj, &disk->kobj,
				dev->disk->disk_name);
	if (err) {
		kobject_del(&dev->kobj);
		return err;
	}
	WRITE_ONCE(dev->state_file, sysfs_get_dirent(dev->kobj.sd, "state"));
	kobject_uevent(&disk->kobj, KOBJ_CHANGE);
	return 0;
}

static void remove_directory(struct unbd_device *dev)
{
	sysfs_remove_link(unbd_devices_kobj, dev->disk->disk_name);
	kobject_del(&dev->kobj);
}

/**
 * unbd_disk_add() - make the disk of a device and show it to the world
 * @dev: device with a live leg
 * @why: gets the reason of a failure
 * @len: size of @why
 *
 * Does not read from it: unbd_disk_scanned() is due. The caller has a reference
 * to @dev: others may take the disk away before this returns. Return: 0 or
 * -errno.
 */
int unbd_disk_add(struct unbd_device *dev, char *why, size_t len)
{
	int err;

	err = alloc_disk_of(dev);
	if (err) {
		snprintf(why, len, "cannot make a disk with blocks of %u bytes",
			 dev->geometry.logical_block_size);
		return err;
	}
	err = device_add_disk(NULL, dev->disk, NULL);
	if (err)
		goto put;
	/* Who unmaps it as soon as there is a file for that waits for the rest. */
	mutex_lock(&openers_mutex);
	err = add_directory(dev);
	if (err)
		WRITE_ONCE(dev->removing, true);
	else
		WRITE_ONCE(dev->added, true);
	mutex_unlock(&openers_mutex);
	if (!err)
		return 0;
	del_gendisk(dev->disk);
put:
	snprintf(why, len, "cannot add the disk");
	forget_disk(dev);
	return err;
}

/**
 * unbd_disk_remove() - take the disk of a device away
 * @dev: device that is being removed
 * @force: someone may still have it open; what they do fails from now on
 *
 * Waits for the requests in flight; with @force they have to be failing.
 */
void unbd_disk_remove(struct unbd_device *dev, bool force)
{
	WRITE_ONCE(dev->added, false);
	if (force)
		unbd_disk_kill(dev->disk);
	remove_directory(dev);
	del_gendisk(dev->disk);
	forget_disk(dev);
}

/**
 * unbd_disk_set_size() - change the disk's size and tell user space
 * @dev: device
 * @bytes: new size
 */
void unbd_disk_set_size(struct unbd_device *dev, u64 bytes)
{
	u64 old, sectors = bytes >> SECTOR_SHIFT;
	struct gendisk *disk;

	mutex_lock(&dev->mutex);
	dev->geometry.size = bytes;
	disk = dev->disk;
	if (disk)
		get_device(disk_to_dev(disk));
	mutex_unlock(&dev->mutex);
	/* It has been taken away meanwhile. */
	if (!disk)
		return;
	old = get_capacity(disk);
	if (old != sectors) {
		pr_info("unbd%u: size changes from %llu to %llu sectors\n",
			dev->index, old, sectors);
		set_capacity_and_notify(disk, sectors);
		/* That does not tell of what comes from nothing. */
		if (!old)
			kobject_uevent(&disk_to_dev(disk)->kobj, KOBJ_CHANGE);
	}
	put_device(disk_to_dev(disk));
}
