// SPDX-License-Identifier: GPL-2.0
/*
 * Writes that may still be executed by a server.
 *
 * When a leg goes down, a write that was in flight on it may be anywhere: never
 * arrived, or waiting for the server's disk. Sending it again over another path
 * is harmless by itself. But once that has been answered newer data may go to
 * the same place, and then the first one must not be executed any more.
 *
 * So such writes are held until a server of ours has closed the leg's old
 * connections and says that nothing of theirs can reach its storage. It is
 * asked while a leg is attached, or over one that is live. Other people's
 * servers cannot be asked: there a write is sent again at once.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "client.h"
#include "trace.h"

static bool fencing = true;
module_param(fencing, bool, 0644);
MODULE_PARM_DESC(fencing,
		 "before a write is sent again, wait until the server has given up the first one (default: Y)");

/**
 * struct unbd_fence - a dead leg's connections, and the writes they carried
 * @entry: in dev->fences
 * @key: the connections' name at the server
 * @requests: by unbd_request.held
 */
struct unbd_fence {
	struct list_head entry;
	struct unbd_key key;
	struct list_head requests;
};

/* Asks for all fences of the device, but for more than a message holds. */
static void name_fences(struct unbd_leg *leg)
{
	struct unbd_device *dev = leg->dev;
	struct unbd_fence *fence;

	leg->nr_keys = 1;
	spin_lock(&dev->fence_lock);
	list_for_each_entry(fence, &dev->fences, entry) {
		if (leg->nr_keys == UNBD_MAX_KEYS)
			break;
		leg->keys[leg->nr_keys++] = fence->key;
	}
	spin_unlock(&dev->fence_lock);
}

/**
 * unbd_fence_prepare() - choose the keys that a leg is attached with
 * @leg: leg that is down; its mutex is held
 *
 * Return: 0 or -ENOMEM.
 */
int unbd_fence_prepare(struct unbd_leg *leg)
{
	leg->fences = false;
	leg->nr_keys = 0;
	if (!READ_ONCE(fencing))
		return 0;
	/* Now: there may be no memory when it is needed. */
	if (!leg->fence)
		leg->fence = kmalloc(sizeof(*leg->fence), GFP_NOIO);
	if (!leg->fence)
		return -ENOMEM;
	INIT_LIST_HEAD(&leg->fence->requests);
	get_random_bytes(&leg->keys[0], sizeof(leg->keys[0]));
	name_fences(leg);
	return 0;
}

/* The fence of a leg that went down; NULL when it has been done already. */
static struct unbd_fence *leave_fence(struct unbd_leg *leg)
{
	struct unbd_device *dev = leg->dev;
	struct unbd_fence *fence = leg->fence;

	lockdep_assert_held(&dev->fence_lock);

	if (fence) {
		fence->key = leg->keys[0];
		list_add_tail(&fence->entry, &dev->fences);
		leg->fence = NULL;
		return fence;
	}
	list_for_each_entry(fence, &dev->fences, entry)
		if (unbd_key_among(&fence->key, leg->keys, 1))
			return fence;
	return NULL;
}

/**
 * unbd_fence_hold() - keep a request that was in flight when its leg went down
 * @leg: the leg, which has been detached; its mutex is held
 * @rq: the request, taken back
 *
 * Return: whether it is held; else it is for the caller to complete.
 */
bool unbd_fence_hold(struct unbd_leg *leg, struct request *rq)
{
	struct unbd_device *dev = leg->dev;
	struct unbd_fence *fence;
	bool held = false;

	if (!leg->fences || !op_is_write(req_op(rq)))
		return false;
	spin_lock(&dev->fence_lock);
	/* For one that fails now, too: what is written then is newer. */
	fence = leave_fence(leg);
	if (fence && !READ_ONCE(dev->failing)) {
		list_add_tail(&unbd_request(rq)->held, &fence->requests);
		held = true;
	}
	spin_unlock(&dev->fence_lock);
	if (held) {
		atomic_inc(&dev->stats[UNBD_STAT_FENCED]);
		trace_unbd_rq_held(rq);
	}
	return held;
}

/**
 * unbd_fence_wanted() - is there anything that a server is to be asked for?
 * @dev: the device
 */
bool unbd_fence_wanted(struct unbd_device *dev)
{
	return !list_empty_careful(&dev->fences);
}

static void complete_held(struct list_head *requests)
{
	struct unbd_request *req, *next;

	list_for_each_entry_safe(req, next, requests, held) {
		list_del_init(&req->held);
		blk_mq_complete_request(blk_mq_rq_from_pdu(req));
	}
}

/**
 * unbd_fence_done() - the server has answered: what was held goes on
 * @leg: leg whose keys were sent, or that has none and can fence nothing; its
 *	mutex is held
 */
void unbd_fence_done(struct unbd_leg *leg)
{
	struct unbd_device *dev = leg->dev;
	struct unbd_fence *fence, *next;
	LIST_HEAD(requests);
	LIST_HEAD(done);

	spin_lock(&dev->fence_lock);
	list_for_each_entry_safe(fence, next, &dev->fences, entry) {
		/* The first is the leg's own. */
		if (leg->nr_keys && !unbd_key_among(&fence->key, leg->keys + 1,
						    leg->nr_keys - 1))
			continue;
		list_splice_tail_init(&fence->requests, &requests);
		list_move(&fence->entry, &done);
	}
	spin_unlock(&dev->fence_lock);
	leg->nr_keys = min(leg->nr_keys, 1u);
	complete_held(&requests);
	list_for_each_entry_safe(fence, next, &done, entry)
		kfree(fence);
}

/**
 * unbd_fence_run() - have a live leg's server fence what other legs left
 * @leg: the leg; its mutex is held. If its server cannot do that, the
 *	writes go on all the same: there is nobody else to ask.
 * @why: gets the reason of a failure
 * @len: size of @why
 *
 * May sleep for as long as the transport may. Return: 0 or -errno.
 */
int unbd_fence_run(struct unbd_leg *leg, char *why, size_t len)
{
	int err = 0;

	lockdep_assert_held(&leg->mutex);

	if (leg->fences && leg->path->ops->fence) {
		name_fences(leg);
		err = leg->path->ops->fence(leg, why, len);
	} else {
		leg->nr_keys = 0;
	}
	if (err)
		leg->nr_keys = 1;
	else
		unbd_fence_done(leg);
	return err;
}

/**
 * unbd_fence_let_go() - what is held fails
 * @dev: device that is failing
 *
 * The server is asked all the same, before anything else is written.
 */
void unbd_fence_let_go(struct unbd_device *dev)
{
	struct unbd_fence *fence;
	LIST_HEAD(requests);

	spin_lock(&dev->fence_lock);
	list_for_each_entry(fence, &dev->fences, entry)
		list_splice_tail_init(&fence->requests, &requests);
	spin_unlock(&dev->fence_lock);
	complete_held(&requests);
}

/**
 * unbd_fence_forget() - free what nobody will ask for any more
 * @dev: device that is being freed
 */
void unbd_fence_forget(struct unbd_device *dev)
{
	struct unbd_fence *fence, *next;

	list_for_each_entry_safe(fence, next, &dev->fences, entry)
		kfree(fence);
}
