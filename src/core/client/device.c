// SPDX-License-Identifier: GPL-2.0
/*
 * Devices: what a mapping is, and whether its queue runs, waits or fails.
 *
 *	running   at least one leg is live
 *	parked    no leg is live: the queue is quiesced, requests wait
 *	failing   parked for longer than fail_timeout: requests end with EIO
 *
 * A live leg brings the device back to running from either.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/delay.h>
#include <linux/slab.h>

#include "client.h"
#include "trace.h"

/* What is in flight when a leg is to be attached anew may take as long. */
#define HOLD_TIMEOUT		(2 * HZ)

/* The references of a device are those of its sysfs directory. */
struct unbd_device *unbd_device_get(struct unbd_device *dev)
{
	kobject_get(&dev->kobj);
	return dev;
}

void unbd_device_put(struct unbd_device *dev)
{
	kobject_put(&dev->kobj);
}

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

static bool is_live(const struct unbd_leg *leg)
{
	return READ_ONCE(leg->live);
}

static bool is_attached(const struct unbd_leg *leg)
{
	return READ_ONCE(leg->attached);
}

static bool any_leg(struct unbd_device *dev,
		    bool (*test)(const struct unbd_leg *leg))
{
	int idx = srcu_read_lock(&dev->srcu);
	struct unbd_leg *leg;
	bool found = false;
	unsigned int i;

	for (i = 0; i < UNBD_MAX_PATHS && !found; i++) {
		leg = srcu_dereference(dev->legs[i], &dev->srcu);
		found = leg && test(leg);
	}
	srcu_read_unlock(&dev->srcu, idx);
	return found;
}

/**
 * unbd_device_attached() - may an answer come over some leg?
 * @dev: the device
 */
bool unbd_device_attached(struct unbd_device *dev)
{
	return any_leg(dev, is_attached);
}

/**
 * unbd_device_has_leg() - can the device reach its server right now?
 * @dev: the device
 */
bool unbd_device_has_leg(struct unbd_device *dev)
{
	return any_leg(dev, is_live);
}

/**
 * unbd_device_state() - what is to be expected of a disk's I/O, in a word
 * @dev: the device
 */
const char *unbd_device_state(const struct unbd_device *dev)
{
	if (READ_ONCE(dev->failing))
		return "failing";
	if (READ_ONCE(dev->parked))
		return "parked";
	if (READ_ONCE(dev->replay.lost))
		return "lost";
	return "live";
}

static void state_changed(struct unbd_device *dev)
{
	trace_unbd_disk_state(dev);
	unbd_device_event(dev);
}

static void resume(struct unbd_device *dev)
{
	lockdep_assert_held(&dev->mutex);

	if (dev->parked) {
		dev->parked = false;
		blk_mq_unquiesce_queue(dev->disk->queue);
	}
	blk_mq_kick_requeue_list(dev->disk->queue);
}

/*
 * A server that breaks each connection with its first answer does not end an
 * outage by accepting the next one. One that has been asked nothing since the
 * disk failed may have done so: see unbd_device_unanswered().
 */
static void outage_begins(struct unbd_device *dev)
{
	if (!READ_ONCE(dev->unproven) || READ_ONCE(dev->given_up))
		dev->fail_at = jiffies + dev->fail_timeout * HZ;
}

static void start_fail_timer(struct unbd_device *dev)
{
	unsigned long now = jiffies;

	if (dev->fail_timeout < 0)
		return;
	outage_begins(dev);
	mod_delayed_work(unbd_urgent_wq, &dev->fail_work,
			 time_before(now, dev->fail_at) ?
			 dev->fail_at - now : 0);
}

static void park(struct unbd_device *dev)
{
	lockdep_assert_held(&dev->mutex);

	dev->parked = true;
	blk_mq_quiesce_queue(dev->disk->queue);
	atomic_inc(&dev->stats[UNBD_STAT_PARKED]);
	pr_warn("unbd%u: no path to %s is live, I/O waits\n", dev->index,
		dev->session->name);
	start_fail_timer(dev);
	state_changed(dev);
}

static void fail_work(struct work_struct *work)
{
	struct unbd_device *dev = container_of(to_delayed_work(work),
					       struct unbd_device, fail_work);

	mutex_lock(&dev->mutex);
	/* The disk may be on its way out. */
	if (dev->disk && dev->parked && !unbd_device_has_leg(dev)) {
		pr_err("unbd%u: no path for fail_timeout (%d s), I/O fails until one is back\n",
		       dev->index, dev->fail_timeout);
		WRITE_ONCE(dev->failing, true);
		WRITE_ONCE(dev->given_up, true);
		WRITE_ONCE(dev->unproven, true);
		resume(dev);
		state_changed(dev);
		unbd_fence_let_go(dev);
	}
	mutex_unlock(&dev->mutex);
}

/**
 * unbd_device_unanswered() - a leg that is down had requests without an answer
 * @dev: the device, after unbd_device_update()
 * @since: jiffies since when the leg was live
 *
 * If it has no other, it is in the outage of before, unless the leg was live
 * for longer than any request waits: then it was idle, and nothing speaks
 * against its server before this. May sleep.
 */
void unbd_device_unanswered(struct unbd_device *dev, unsigned long since)
{
	mutex_lock(&dev->mutex);
	if (dev->disk && dev->parked) {
		WRITE_ONCE(dev->unproven, true);
		if (time_after(jiffies, since + unbd_longest_wait(dev)))
			WRITE_ONCE(dev->given_up, false);
		if (READ_ONCE(dev->given_up))
			mod_delayed_work(unbd_urgent_wq, &dev->fail_work, 0);
	}
	mutex_unlock(&dev->mutex);
}

/**
 * unbd_device_update() - park or resume a device after a leg went up or down
 * @dev: the device
 *
 * May sleep. Requests that a leg held back are to be returned to the queue
 * after the call that parks.
 */
void unbd_device_update(struct unbd_device *dev)
{
	bool live, was_away;

	mutex_lock(&dev->mutex);
	live = unbd_device_has_leg(dev);
	if (!dev->disk || dev->dying)
		goto out;
	if (live) {
		was_away = dev->parked || dev->failing;
		cancel_delayed_work(&dev->fail_work);
		WRITE_ONCE(dev->failing, false);
		resume(dev);
		if (was_away) {
			pr_info("unbd%u: I/O goes on\n", dev->index);
			state_changed(dev);
		}
	} else if (!dev->parked && !dev->failing) {
		park(dev);
	}
out:
	mutex_unlock(&dev->mutex);
	wake_up_all(&dev->wait);
}

/**
 * unbd_device_fail() - let every request fail from now on
 * @dev: device that is being removed by force
 */
void unbd_device_fail(struct unbd_device *dev)
{
	mutex_lock(&dev->mutex);
	WRITE_ONCE(dev->dying, true);
	WRITE_ONCE(dev->failing, true);
	if (dev->disk) {
		resume(dev);
		state_changed(dev);
	}
	unbd_fence_let_go(dev);
	mutex_unlock(&dev->mutex);
}

/* In whole blocks of the disk: another protocol may tell of a part of one. */
static u64 size_of(const struct unbd_device *dev, const struct unbd_leg *leg)
{
	return round_down(leg->geometry.size,
			  dev->geometry.logical_block_size);
}

/*
 * A disk may grow, and the server that it is at says so. One that is asked for
 * the first time and has more is taken for the server of another disk.
 */
static int compare_size(struct unbd_device *dev, const struct unbd_leg *leg,
			char *why, size_t len)
{
	u64 size = size_of(dev, leg);

	if (size < dev->geometry.size)
		return unbd_why(why, len, -EMEDIUMTYPE,
				"export has %llu bytes, unbd%u has %llu", size,
				dev->index, dev->geometry.size);
	if (!leg->known && size != dev->server_size)
		return unbd_why(why, len, -EMEDIUMTYPE,
				"export has %llu bytes, that of unbd%u has %llu: not the same, or it has grown",
				size, dev->index, dev->server_size);
	return 0;
}

/*
 * The block layer does not flush a disk that was made without a write cache.
 * Only a protocol that cannot say that there is none may claim one.
 */
static bool has_got_cache(const struct unbd_device *dev,
			  const struct unbd_leg *leg)
{
	u32 features = leg->geometry.features;

	return leg->known && features & UNBD_FEAT_WRITE_CACHE &&
	       !(features & UNBD_FEAT_STABLE) &&
	       !((dev->geometry.features | leg->adopted.features) &
		 UNBD_FEAT_WRITE_CACHE);
}

/* What the first leg promised to users of the disk must stay true. */
static int compare_geometry(struct unbd_device *dev,
			    const struct unbd_leg *leg, char *why, size_t len)
{
	const struct unbd_geometry *disk = &dev->geometry;
	const struct unbd_geometry *g = &leg->geometry;

	if (g->logical_block_size > disk->logical_block_size) {
		snprintf(why, len, "export has blocks of %u bytes, unbd%u has %u",
			 g->logical_block_size, dev->index,
			 disk->logical_block_size);
		return -EMEDIUMTYPE;
	}
	if (disk->features & UNBD_FEAT_WRITE_CACHE &&
	    !(g->features & (UNBD_FEAT_WRITE_CACHE | UNBD_FEAT_FLUSH))) {
		snprintf(why, len, "export has lost flush, unbd%u relies on it",
			 dev->index);
		return -EMEDIUMTYPE;
	}
	if (has_got_cache(dev, leg)) {
		snprintf(why, len, "export has got a write cache, unbd%u does not flush",
			 dev->index);
		return -EMEDIUMTYPE;
	}
	if (g->features & UNBD_FEAT_READ_ONLY && !unbd_device_read_only(dev)) {
		snprintf(why, len, "export has become read-only, unbd%u is not",
			 dev->index);
		return -EROFS;
	}
	return 0;
}

static void heed_cache(struct unbd_device *dev, const struct unbd_leg *leg)
{
	if (!(leg->geometry.features & UNBD_FEAT_MULTI_QUEUE))
		WRITE_ONCE(dev->one_leg, true);
	if (dev->one_leg && !leg->known && dev->nr_legs > 1)
		pr_notice("%s: unbd%u: the server does not say that its connections share a cache: one path at a time\n",
			  leg->path->name, dev->index);
}

/**
 * unbd_device_adopt() - take a leg's geometry, or check it against the disk's
 * @dev: the device
 * @leg: leg that has just been attached
 * @why: gets the reason of a refusal
 * @len: size of @why
 *
 * Return: 0, -EMEDIUMTYPE or -EROFS when it is not the disk that was mapped.
 */
int unbd_device_adopt(struct unbd_device *dev, struct unbd_leg *leg,
		      char *why, size_t len)
{
	int err = 0;

	mutex_lock(&dev->mutex);
	if (dev->nr_queues) {
		err = compare_size(dev, leg, why, len);
		if (!err)
			err = compare_geometry(dev, leg, why, len);
	} else {
		dev->geometry = leg->geometry;
		dev->nr_queues = leg->nr_queues;
		dev->nr_poll_queues = leg->nr_poll_queues;
	}
	if (!err) {
		dev->server_size = size_of(dev, leg);
		heed_cache(dev, leg);
		leg->adopted = leg->geometry;
		leg->known = true;
		unbd_device_stack_limits(dev);
	}
	mutex_unlock(&dev->mutex);
	return err;
}

/* New requests wait, what is in flight on the leg gets its answers. */
static void hold(struct unbd_device *dev, struct unbd_leg *leg)
{
	unsigned long until = jiffies + HOLD_TIMEOUT;

	mutex_lock(&dev->mutex);
	if (dev->disk && !dev->dying && !dev->parked) {
		dev->parked = true;
		blk_mq_quiesce_queue(dev->disk->queue);
		/* It is one if the leg does not come back with an answer. */
		outage_begins(dev);
	}
	mutex_unlock(&dev->mutex);
	while (unbd_leg_busy(leg) && !unbd_leg_interrupted(leg) &&
	       time_before(jiffies, until))
		usleep_range(500, 1000);
}

/* Go on over the legs that there are, or park as whenever there are none. */
static void release(struct unbd_device *dev)
{
	mutex_lock(&dev->mutex);
	if (dev->disk)
		resume(dev);
	mutex_unlock(&dev->mutex);
	unbd_device_update(dev);
}

/*
 * Paths but that of @leg get connections that know the new size. With @alike,
 * those of its transport, too.
 */
static void renew_other_legs(struct unbd_device *dev, struct unbd_leg *leg,
			     bool alike)
{
	int idx = srcu_read_lock(&dev->srcu);
	struct unbd_leg *other;
	unsigned int i;

	for (i = 0; i < UNBD_MAX_PATHS; i++) {
		other = srcu_dereference(dev->legs[i], &dev->srcu);
		if (!other || other == leg || !READ_ONCE(other->live))
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
	release(dev);
	return err;
}

/* The leg's own protocol does not; another's may. */
static void take_size(struct unbd_device *dev, struct unbd_leg *leg)
{
	u64 size = size_of(dev, leg);

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

/**
 * unbd_device_kick_legs() - have legs look what there is to do
 * @dev: the device
 * @live: those that are live, or those that are not
 */
void unbd_device_kick_legs(struct unbd_device *dev, bool live)
{
	int idx = srcu_read_lock(&dev->srcu);
	struct unbd_leg *leg;
	unsigned int i;

	for (i = 0; i < UNBD_MAX_PATHS; i++) {
		leg = srcu_dereference(dev->legs[i], &dev->srcu);
		if (leg && READ_ONCE(leg->live) == live)
			unbd_leg_kick(leg);
	}
	srcu_read_unlock(&dev->srcu, idx);
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
	kobject_init(&dev->kobj, &unbd_device_ktype);
	mutex_init(&dev->mutex);
	init_waitqueue_head(&dev->wait);
	INIT_LIST_HEAD(&dev->entry);
	INIT_DELAYED_WORK(&dev->fail_work, fail_work);
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
