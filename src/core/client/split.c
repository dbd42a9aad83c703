// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that are too much for a path.
 *
 * The limits of a running disk follow its paths. What was made by larger ones
 * is made anew as soon as it is to go over a path that takes less.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/blk-mq.h>

#include "client.h"

/* What the block layer calls a gap, which it would have split at. */
static bool has_gaps(struct request *rq, u32 boundary)
{
	phys_addr_t begin, end = 0;
	struct req_iterator iter;
	struct bio_vec bv;

	rq_for_each_bvec(bv, rq, iter) {
		begin = page_to_phys(bv.bv_page) + bv.bv_offset;
		if (end && begin != end && ((begin | end) & boundary))
			return true;
		end = begin + bv.bv_len;
	}
	return false;
}

static bool fits_data(const struct unbd_geometry *g, struct request *rq)
{
	return blk_rq_bytes(rq) <= g->max_io &&
	       (!g->max_segments ||
		blk_rq_nr_phys_segments(rq) <= g->max_segments) &&
	       (!g->virt_boundary || !has_gaps(rq, g->virt_boundary));
}

/**
 * unbd_request_fits() - can a path take a request as it is?
 * @leg: leg
 * @rq: request for it
 *
 * Return: false if it has to be split. What the path cannot do at all is
 * for its transport to refuse.
 */
bool unbd_request_fits(const struct unbd_leg *leg, struct request *rq)
{
	const struct unbd_geometry *g = &leg->geometry;
	u64 most;

	/* Without it the block layer makes a write and a flush of it. */
	if (rq->cmd_flags & REQ_FUA && !(g->features & UNBD_FEAT_FUA))
		return false;
	switch (req_op(rq)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		return fits_data(g, rq);
	case REQ_OP_DISCARD:
		most = g->max_discard;
		break;
	case REQ_OP_SECURE_ERASE:
		most = g->max_secure_erase;
		break;
	case REQ_OP_WRITE_ZEROES:
		most = g->max_write_zeroes;
		break;
	default:
		return true;
	}
	return !most || blk_rq_bytes(rq) <= most;
}

/**
 * unbd_request_split() - do a request anew, in pieces of what fits now
 * @rq: started request that is in flight nowhere
 *
 * Any context. The request ends, what it was made of goes on.
 */
void unbd_request_split(struct request *rq)
{
	struct unbd_device *dev = rq->q->queuedata;
	unsigned long flags;

	spin_lock_irqsave(&dev->split_lock, flags);
	blk_steal_bios(&dev->split_bios, rq);
	spin_unlock_irqrestore(&dev->split_lock, flags);
	/* Before the queue may be taken away, which waits for @rq. */
	unbd_device_restacked(dev);
	unbd_replay_drop(rq);
	blk_mq_end_request(rq, BLK_STS_OK);
}

static void update_disk(struct unbd_device *dev)
{
	struct unbd_disk_limits limits = {};
	struct gendisk *disk;

	mutex_lock(&dev->mutex);
	disk = dev->disk;
	unbd_disk_fill_limits(dev, &limits);
	mutex_unlock(&dev->mutex);
	/* Whoever takes the disk away waits for this work. */
	if (disk && unbd_disk_update_limits(disk, &limits,
					    &dev->user_max_sectors))
		pr_warn("unbd%u: cannot change the limits of its queue\n",
			dev->index);
}

/**
 * unbd_split_work() - change a disk's limits and do anew what was too much
 * @work: dev->split_work
 */
void unbd_split_work(struct work_struct *work)
{
	struct unbd_device *dev = container_of(work, struct unbd_device,
					       split_work);
	struct bio_list bios;
	struct bio *bio;

	update_disk(dev);
	spin_lock_irq(&dev->split_lock);
	bios = dev->split_bios;
	bio_list_init(&dev->split_bios);
	spin_unlock_irq(&dev->split_lock);
	while ((bio = bio_list_pop(&bios)))
		unbd_bio_submit_again(bio);
}
