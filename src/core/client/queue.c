// SPDX-License-Identifier: GPL-2.0
/*
 * A device's way down: blk-mq hands over a request, the policy picks a leg,
 * the leg's transport sends it; and the way back up.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/blk-mq.h>

#include "client.h"
#include "trace.h"

static bool is_live(const struct unbd_leg *leg)
{
	/* Pairs with unbd_leg_attach(). */
	return smp_load_acquire(&leg->live) && !READ_ONCE(leg->broken) &&
	       !READ_ONCE(leg->path->broken);
}

static struct unbd_leg *live_leg(struct unbd_device *dev, unsigned int i)
{
	struct unbd_leg *leg = srcu_dereference(dev->legs[i], &dev->srcu);

	return leg && is_live(leg) ? leg : NULL;
}

static struct unbd_leg *first_leg(struct unbd_device *dev)
{
	struct unbd_leg *leg = NULL;

	while ((leg = unbd_next_leg(dev, leg)))
		if (is_live(leg))
			break;
	return leg;
}

/* The paths in the order in which they came, whose place they took or not */
static struct unbd_leg *oldest_leg(struct unbd_device *dev)
{
	struct unbd_leg *leg = NULL, *best = NULL;

	while ((leg = unbd_next_leg(dev, leg)))
		if (is_live(leg) &&
		    (!best || leg->path->order < best->path->order))
			best = leg;
	return best;
}

static struct unbd_leg *next_leg(struct unbd_device *dev)
{
	unsigned int start = READ_ONCE(dev->rotor) + 1;
	struct unbd_leg *leg;
	unsigned int i;

	for (i = start; i < start + UNBD_MAX_PATHS; i++) {
		leg = live_leg(dev, i % UNBD_MAX_PATHS);
		if (leg) {
			WRITE_ONCE(dev->rotor, i % UNBD_MAX_PATHS);
			return leg;
		}
	}
	return NULL;
}

/* What other disks have in flight is in the way, too. */
static u64 cost(struct unbd_leg *leg, enum unbd_policy policy)
{
	unsigned int inflight = atomic_read(&leg->path->inflight);

	if (policy == UNBD_POLICY_MIN_LATENCY)
		return unbd_leg_latency(leg) * (inflight + 1);
	return inflight;
}

static struct unbd_leg *cheapest_leg(struct unbd_device *dev,
				     enum unbd_policy policy)
{
	struct unbd_leg *leg = NULL, *best = NULL;

	while ((leg = unbd_next_leg(dev, leg)))
		if (is_live(leg) &&
		    (!best || cost(leg, policy) < cost(best, policy)))
			best = leg;
	return best;
}

/*
 * A server whose connections share no cache flushes only what came over the
 * same one. So all go over one leg, for as long as that is live.
 */
static struct unbd_leg *only_leg(struct unbd_device *dev)
{
	unsigned int chosen = READ_ONCE(dev->rotor) % UNBD_MAX_PATHS;
	struct unbd_leg *leg = live_leg(dev, chosen);
	unsigned int other;

	if (leg)
		return leg;
	leg = first_leg(dev);
	if (!leg)
		return NULL;
	other = cmpxchg(&dev->rotor, chosen, leg->path->index);
	return other == chosen ? leg : live_leg(dev, other);
}

static struct unbd_leg *pick_leg(struct unbd_device *dev)
{
	enum unbd_policy policy = READ_ONCE(dev->session->policy);

	if (unlikely(READ_ONCE(dev->one_leg)))
		return only_leg(dev);
	if (READ_ONCE(dev->nr_legs) == 1)
		return first_leg(dev);
	switch (policy) {
	case UNBD_POLICY_PREFER:
		return oldest_leg(dev);
	case UNBD_POLICY_ROUND_ROBIN:
		return next_leg(dev);
	default:
		return cheapest_leg(dev, policy);
	}
}

/* A batch may have been spread over several legs; none may keep a part. */
static void commit_legs(struct unbd_device *dev, unsigned int hctx)
{
	struct unbd_leg *leg = NULL;

	while ((leg = unbd_next_leg(dev, leg)))
		if (is_live(leg))
			leg->path->ops->commit_rqs(leg,
						   unbd_leg_queue(leg, hctx));
}

/* The request has been started. */
static blk_status_t send_over(struct unbd_leg *leg, struct request *rq,
			      unsigned int hctx, bool last)
{
	blk_status_t status;

	unbd_leg_add_request(leg, rq, hctx);
	status = leg->path->ops->queue_rq(leg, unbd_request(rq)->queue, rq,
					  last);
	if (unlikely(status != BLK_STS_OK))
		unbd_leg_drop_request(leg, rq);
	/* The path is about to be taken down; blk-mq asks again by then. */
	if (unlikely(status == BLK_STS_TRANSPORT))
		status = BLK_STS_RESOURCE;
	return status;
}

/* One leg has no room: which other has does not matter any more. */
static blk_status_t send_elsewhere(struct unbd_leg *full, struct request *rq,
				   unsigned int hctx, bool last)
{
	struct unbd_device *dev = full->dev;
	blk_status_t status = BLK_STS_RESOURCE;
	struct unbd_leg *leg = NULL;

	while ((leg = unbd_next_leg(dev, leg))) {
		if (!is_live(leg) || leg == full ||
		    (READ_ONCE(dev->restacked) && !unbd_request_fits(leg, rq)))
			continue;
		status = send_over(leg, rq, hctx, last);
		if (status != BLK_STS_RESOURCE)
			break;
	}
	return status;
}

static blk_status_t send_request(struct unbd_leg *leg, struct request *rq,
				 unsigned int hctx, bool last)
{
	struct unbd_device *dev = leg->dev;
	blk_status_t status;

	if (READ_ONCE(dev->replay.keeping))
		unbd_replay_sending(dev, rq);
	blk_mq_start_request(rq);
	status = send_over(leg, rq, hctx, last);
	if (unlikely(status == BLK_STS_RESOURCE) &&
	    READ_ONCE(dev->nr_legs) > 1 && !READ_ONCE(dev->one_leg))
		status = send_elsewhere(leg, rq, hctx, last);
	return status;
}

static blk_status_t unbd_queue_rq(struct blk_mq_hw_ctx *hctx,
				  const struct blk_mq_queue_data *bd)
{
	struct unbd_device *dev = hctx->queue->queuedata;
	blk_status_t status;
	struct unbd_leg *leg;
	int idx;

	/* Kernels before 5.11 let BLKROSET make any disk writable. */
	if (unlikely(unbd_device_read_only(dev)) &&
	    op_is_write(req_op(bd->rq)))
		return BLK_STS_IOERR;

	idx = srcu_read_lock(&dev->srcu);
	leg = pick_leg(dev);
	if (unlikely(leg && READ_ONCE(dev->restacked) &&
		     !unbd_request_fits(leg, bd->rq))) {
		blk_mq_start_request(bd->rq);
		unbd_request_split(bd->rq);
		status = BLK_STS_OK;
	} else if (likely(leg)) {
		status = send_request(leg, bd->rq, hctx->queue_num, bd->last);
		if (bd->last && READ_ONCE(dev->nr_legs) > 1)
			commit_legs(dev, hctx->queue_num);
	} else if (READ_ONCE(dev->failing)) {
		atomic_inc(&dev->stats[UNBD_STAT_FAILED]);
		status = BLK_STS_IOERR;
	} else {
		status = BLK_STS_RESOURCE;
	}
	srcu_read_unlock(&dev->srcu, idx);
	if (unlikely(status != BLK_STS_OK && status != BLK_STS_RESOURCE))
		unbd_replay_drop(bd->rq);
	return status;
}

static void unbd_commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	struct unbd_device *dev = hctx->queue->queuedata;
	int idx = srcu_read_lock(&dev->srcu);

	commit_legs(dev, hctx->queue_num);
	srcu_read_unlock(&dev->srcu, idx);
}

static int poll_legs(struct blk_mq_hw_ctx *hctx)
{
	struct unbd_device *dev = hctx->queue->queuedata;
	int idx = srcu_read_lock(&dev->srcu);
	struct unbd_leg *leg = NULL;
	int found = 0;

	while ((leg = unbd_next_leg(dev, leg)))
		if (is_live(leg) && leg->path->ops->poll)
			found += leg->path->ops->poll(leg,
					unbd_leg_queue(leg, hctx->queue_num));
	srcu_read_unlock(&dev->srcu, idx);
	return found;
}

UNBD_MQ_POLL(unbd_poll, poll_legs)

/* It has its answer, or was taken back from a broken leg. */
static void complete_request(struct request *rq)
{
	struct unbd_request *req = unbd_request(rq);
	struct unbd_device *dev = rq->q->queuedata;

	if (likely(!req->retry)) {
		if (unlikely(READ_ONCE(dev->unproven)))
			unbd_device_proven(dev);
		if (unlikely(req->kept || req->epoch))
			unbd_replay_ended(rq);
		blk_mq_end_request(rq, req->status);
	} else if (READ_ONCE(dev->failing)) {
		atomic_inc(&dev->stats[UNBD_STAT_FAILED]);
		unbd_replay_drop(rq);
		blk_mq_end_request(rq, BLK_STS_IOERR);
	} else {
		trace_unbd_rq_again(rq);
		/* Time to look again may have been short; it has all of it now. */
		rq->timeout = 0;
		blk_mq_requeue_request(rq, true);
	}
}

void unbd_complete_request(struct request *rq, blk_status_t status)
{
	struct unbd_request *req = unbd_request(rq);

	unbd_leg_answered(req->leg, rq, status);
	req->status = status;
	if (!blk_mq_complete_request_remote(rq))
		complete_request(rq);
}
EXPORT_SYMBOL_UNBD(unbd_complete_request);

static enum blk_eh_timer_return handle_timeout(struct request *rq)
{
	rq->timeout = unbd_request_overdue(rq);
	return BLK_EH_RESET_TIMER;
}

UNBD_MQ_TIMEOUT(unbd_timeout, handle_timeout)

static void spread_queues(struct blk_mq_tag_set *set)
{
	struct unbd_device *dev = set->driver_data;
	unsigned int offset = 0;
	unsigned int type;

	for (type = 0; type < set->nr_maps; type++) {
		struct blk_mq_queue_map *map = &set->map[type];

		map->nr_queues = type == HCTX_TYPE_POLL ?
			dev->nr_poll_queues : dev->nr_queues;
		map->queue_offset = type == HCTX_TYPE_POLL ? offset : 0;
		blk_mq_map_queues(map);
		if (type == HCTX_TYPE_DEFAULT)
			offset += map->nr_queues;
	}
}

UNBD_MQ_MAP_QUEUES(unbd_map_queues, spread_queues)

const struct blk_mq_ops unbd_mq_ops = {
	.queue_rq	= unbd_queue_rq,
	.commit_rqs	= unbd_commit_rqs,
	.complete	= complete_request,
	.timeout	= unbd_timeout,
	.poll		= unbd_poll,
	.map_queues	= unbd_map_queues,
};
