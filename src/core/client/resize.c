// SPDX-License-Identifier: GPL-2.0
/*
 * A disk's size: what its server says of it, and what its user wants of that.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/delay.h>

#include "client.h"

/* What is in flight when a leg is to be attached anew may take as long. */
#define HOLD_TIMEOUT		(2 * HZ)

/* New requests wait, what is in flight on the leg gets its answers. */
static void hold(struct unbd_device *dev, struct unbd_leg *leg)
{
	unsigned long until = jiffies + HOLD_TIMEOUT;

	unbd_device_hold(dev);
	while (unbd_leg_busy(leg) && !unbd_leg_interrupted(leg) &&
	       time_before(jiffies, until))
		usleep_range(500, 1000);
}

/*
 * Paths but that of @leg get connections that know the new size. With @alike,
 * those of its transport, too.
 */
static void renew_other_legs(struct unbd_device *dev, struct unbd_leg *leg,
			     bool alike)
{
	int idx = srcu_read_lock(&dev->srcu);
	struct unbd_leg *other = NULL;

	while ((other = unbd_next_leg(dev, other))) {
		if (other == leg || !READ_ONCE(other->live))
			continue;
		if (alike || other->path->ops != leg->path->ops)
			unbd_leg_failed(other, -ESTALE,
					"unbd%u has grown", dev->index);
	}
	srcu_read_unlock(&dev->srcu, idx);
}

/*
 * Some protocols tie a connection to the size that it was opened with. No
 * request may meet one that does not know the new size, once that is ours.
 */
static int reattach(struct unbd_device *dev, struct unbd_leg *leg, char *why,
		    size_t len)
{
	int err;

	hold(dev, leg);
	renew_other_legs(dev, leg, true);
	unbd_leg_down(leg, true);
	err = unbd_leg_attach(leg, why, len);
	if (err && !unbd_leg_interrupted(leg))
		unbd_leg_failed(leg, err, "%s", why);
	unbd_device_go_on(dev);
	return err;
}

/* The leg's own protocol does not; another's may. */
static void take_size(struct unbd_device *dev, struct unbd_leg *leg)
{
	u64 size = unbd_size_of(dev, leg);

	dev->server_size = size;
	if (size > dev->geometry.size)
		renew_other_legs(dev, leg, false);
	if (!atomic_read(&dev->resizing))
		unbd_disk_set_size(dev, size);
}

/* Somebody wanted the leg's mutex meanwhile, or there is news already. */
static void refresh_again(struct unbd_device *dev, struct unbd_leg *leg)
{
	atomic_set(&dev->refresh, UNBD_REFRESH_WANTED);
	unbd_leg_kick(leg);
}

static bool is_refreshing(struct unbd_device *dev)
{
	int refresh = atomic_read(&dev->refresh);

	return refresh == UNBD_REFRESH_RUNNING ||
	       refresh == UNBD_REFRESH_AGAIN;
}

/**
 * unbd_device_refresh() - ask the server for a device's size
 * @dev: device whose refresh is UNBD_REFRESH_RUNNING
 * @leg: a live leg of it, its mutex is held
 */
void unbd_device_refresh(struct unbd_device *dev, struct unbd_leg *leg)
{
	char why[UNBD_WHY_LEN] = "the protocol has no way to ask";
	int err = -EOPNOTSUPP;

	if (leg->path->ops->refresh)
		err = leg->path->ops->refresh(leg, why, sizeof(why));
	if (err > 0)
		err = READ_ONCE(dev->added) ?
			reattach(dev, leg, why, sizeof(why)) : 0;
	if (err && unbd_leg_interrupted(leg)) {
		refresh_again(dev, leg);
		return;
	}
	if (err)
		pr_warn("%s: unbd%u: size not refreshed: %s (%d)\n",
			leg->path->name, dev->index, why, err);
	else if (READ_ONCE(dev->added))
		take_size(dev, leg);
	dev->refresh_error = err;
	/* A full barrier: pairs with refresh_over(). */
	if (atomic_cmpxchg(&dev->refresh, UNBD_REFRESH_RUNNING,
			   UNBD_REFRESH_DONE) == UNBD_REFRESH_AGAIN)
		refresh_again(dev, leg);
	wake_up_all(&dev->wait);
}

static bool refresh_over(struct unbd_device *dev)
{
	/* Pairs with unbd_device_refresh(): its error has been written. */
	int refresh = atomic_read_acquire(&dev->refresh);

	return refresh == UNBD_REFRESH_DONE || READ_ONCE(dev->removing) ||
	       (refresh == UNBD_REFRESH_WANTED && !unbd_device_has_leg(dev));
}

static int ask_size(struct unbd_device *dev, char *why, size_t len)
{
	int err;

	/* It may have asked before, and may have the only leg down by itself. */
	err = wait_event_killable(dev->wait, !is_refreshing(dev));
	if (err)
		return err;
	if (!unbd_device_has_leg(dev))
		return unbd_why(why, len, -ENOTCONN, "no path is live");
	atomic_cmpxchg(&dev->refresh, UNBD_REFRESH_DONE, UNBD_REFRESH_WANTED);
	unbd_device_kick_legs(dev, true);
	err = wait_event_killable(dev->wait, refresh_over(dev));
	if (err)
		return err;
	if (atomic_read(&dev->refresh) != UNBD_REFRESH_DONE)
		return unbd_why(why, len, -ENOTCONN,
				"the path was lost meanwhile");
	if (dev->refresh_error)
		return unbd_why(why, len, dev->refresh_error,
				"the server did not tell its size");
	return 0;
}

/**
 * unbd_device_resize() - take up what size the server has now
 * @dev: the device
 * @sectors: size to use in 512-byte sectors, 0 for all that the server has
 * @why: gets the reason of a refusal
 * @len: size of @why
 *
 * Waits for the server's answer, and changes the size once or not at all.
 * Return: 0, -EINVAL when the server has fewer sectors or the last ones are no
 * block, -ENOTCONN when no path is live, -EINTR, or what asking failed with.
 */
int unbd_device_resize(struct unbd_device *dev, u64 sectors,
		       char *why, size_t len)
{
	u32 block = dev->geometry.logical_block_size;
	u64 bytes = sectors << SECTOR_SHIFT;
	int err;

	if (bytes & (block - 1))
		return unbd_why(why, len, -EINVAL,
				"the disk has blocks of %u bytes", block);
	atomic_inc(&dev->resizing);
	err = ask_size(dev, why, len);
	if (!err && bytes > dev->server_size)
		err = unbd_why(why, len, -EINVAL,
			       "the server has %llu sectors only",
			       dev->server_size >> SECTOR_SHIFT);
	if (!err)
		unbd_disk_set_size(dev, bytes ? bytes : dev->server_size);
	atomic_dec(&dev->resizing);
	return err;
}
