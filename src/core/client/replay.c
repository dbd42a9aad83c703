// SPDX-License-Identifier: GPL-2.0
/*
 * Writes that a server may lose.
 *
 * A server with a volatile cache answers a write before it is stable. If its
 * machine crashes and comes back, the disk here has had its power all the time,
 * and yet what was written to it is gone: no file system expects that.
 *
 * So what has been answered and not been flushed is kept here. A server of ours
 * tells in which life its machine is. When a path comes up and it is another,
 * what was kept is written again before the path carries anything else. Where
 * something could not be kept, the next flush fails instead.
 *
 * Memory is bounded: when half of it is in use the disk is flushed from here.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/highmem.h>
#include <linux/slab.h>

#include "client.h"
#include "trace.h"

/* Neither waits for I/O nor takes what writing back dirty pages needs. */
#define KEEP_GFP	(GFP_NOIO | __GFP_NORETRY | __GFP_NOMEMALLOC | \
			 __GFP_NOWARN)

static size_t size_of(const struct unbd_write *write)
{
	return struct_size(write, pages, write->nr_pages) +
		((size_t)write->nr_pages << PAGE_SHIFT);
}

static void free_write(struct unbd_write *write)
{
	unsigned int i;

	for (i = 0; i < write->nr_pages && write->pages[i]; i++)
		__free_page(write->pages[i]);
	kfree(write);
}

static void free_writes(struct list_head *writes)
{
	struct unbd_write *write, *next;

	list_for_each_entry_safe(write, next, writes, entry)
		free_write(write);
}

/* ------------------------------------------------------------------ */
/* Keeping                                                            */

static int kind_of(struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_WRITE:
		return UNBD_WRITE_DATA;
	case REQ_OP_WRITE_ZEROES:
		return rq->cmd_flags & REQ_NOUNMAP ?
			UNBD_WRITE_ZEROES : UNBD_WRITE_ZEROES_UNMAP;
	case REQ_OP_DISCARD:
		return UNBD_WRITE_DISCARD;
	default:
		return -EOPNOTSUPP;
	}
}

static struct unbd_write *alloc_write(struct request *rq)
{
	struct unbd_write *write;
	unsigned int nr = 0, i;
	int kind = kind_of(rq);

	if (kind < 0)
		return NULL;
	if (kind == UNBD_WRITE_DATA)
		nr = DIV_ROUND_UP(blk_rq_bytes(rq), PAGE_SIZE);
	write = kzalloc(struct_size(write, pages, nr), KEEP_GFP);
	if (!write)
		return NULL;
	write->kind = kind;
	write->offset = (u64)blk_rq_pos(rq) << SECTOR_SHIFT;
	write->length = blk_rq_bytes(rq);
	write->nr_pages = nr;
	for (i = 0; i < nr; i++) {
		write->pages[i] = alloc_page(KEEP_GFP);
		if (!write->pages[i]) {
			free_write(write);
			return NULL;
		}
	}
	return write;
}

static void copy_segment(struct unbd_write *write, size_t pos,
			 struct bio_vec *bv)
{
	void *from = bvec_kmap_local(bv);
	size_t done = 0, n, at;

	while (done < bv->bv_len) {
		at = offset_in_page(pos + done);
		n = min_t(size_t, bv->bv_len - done, PAGE_SIZE - at);
		memcpy(page_address(write->pages[(pos + done) >> PAGE_SHIFT]) +
		       at, from + done, n);
		done += n;
	}
	kunmap_local(from);
}

static void copy_data(struct unbd_write *write, struct request *rq)
{
	struct req_iterator iter;
	struct bio_vec bv;
	size_t pos = 0;

	rq_for_each_segment(bv, rq, iter) {
		copy_segment(write, pos, &bv);
		pos += bv.bv_len;
	}
}

/* Takes room for @size; returns whether there is some. */
static bool reserve(struct unbd_device *dev, size_t size)
{
	struct unbd_replay *r = &dev->replay;
	unsigned long flags;
	bool room, half;

	spin_lock_irqsave(&r->lock, flags);
	room = size <= r->limit - r->bytes;
	if (room)
		r->bytes += size;
	half = !room || r->bytes > r->limit / 2;
	spin_unlock_irqrestore(&r->lock, flags);
	if (half)
		queue_work(unbd_split_wq, &r->flush_work);
	return room;
}

static struct unbd_write *keep(struct unbd_device *dev, struct request *rq)
{
	struct unbd_write *write;

	if (!dev->replay.limit)
		return ERR_PTR(-ENOSPC);
	write = alloc_write(rq);
	if (!write) {
		queue_work(unbd_split_wq, &dev->replay.flush_work);
		return ERR_PTR(-ENOMEM);
	}
	if (!reserve(dev, size_of(write))) {
		free_write(write);
		return ERR_PTR(-ENOSPC);
	}
	if (write->nr_pages)
		copy_data(write, rq);
	return write;
}

/**
 * unbd_replay_sending() - a request is about to be sent
 * @dev: device that keeps writes
 * @rq: the request, not for the first time perhaps
 *
 * May sleep, but not for I/O.
 */
void unbd_replay_sending(struct unbd_device *dev, struct request *rq)
{
	struct unbd_request *req = unbd_request(rq);
	struct unbd_replay *r = &dev->replay;
	unsigned long flags;

	if (req_op(rq) == REQ_OP_FLUSH) {
		/* What is answered from now on it may not have seen. */
		spin_lock_irqsave(&r->lock, flags);
		req->epoch = r->epoch++;
		spin_unlock_irqrestore(&r->lock, flags);
	} else if (op_is_write(req_op(rq)) && !req->kept) {
		req->kept = keep(dev, rq);
	}
}

/* Moves what a flush has made stable to @done. */
static void flushed(struct unbd_replay *r, u64 epoch, struct list_head *done)
{
	struct unbd_write *write, *next;

	lockdep_assert_held(&r->lock);

	/* A path is being brought up with them. */
	if (r->replaying)
		return;
	list_for_each_entry_safe(write, next, &r->writes, entry) {
		if (write->epoch > epoch)
			break;
		r->bytes -= size_of(write);
		list_move(&write->entry, done);
	}
	if (r->gap <= epoch)
		r->gap = 0;
}

static void flush_ended(struct unbd_replay *r, struct unbd_request *req,
			struct list_head *done)
{
	if (req->status == BLK_STS_OK)
		flushed(r, req->epoch, done);
	if (r->report) {
		r->report = false;
		req->status = BLK_STS_IOERR;
	}
	req->epoch = 0;
}

static void write_ended(struct unbd_replay *r, struct unbd_request *req,
			struct list_head *done)
{
	struct unbd_write *write = req->kept;

	req->kept = NULL;
	if (IS_ERR(write)) {
		if (req->status == BLK_STS_OK)
			r->gap = r->epoch;
	} else if (req->status == BLK_STS_OK && r->keeping) {
		write->epoch = r->epoch;
		list_add_tail(&write->entry, &r->writes);
	} else {
		r->bytes -= size_of(write);
		list_add(&write->entry, done);
	}
}

/**
 * unbd_replay_ended() - a request that was kept, or a flush, is about to end
 * @rq: the request, with its status in unbd_request.status, which may change
 *
 * Any context.
 */
void unbd_replay_ended(struct request *rq)
{
	struct unbd_device *dev = rq->q->queuedata;
	struct unbd_request *req = unbd_request(rq);
	struct unbd_replay *r = &dev->replay;
	unsigned long flags;
	LIST_HEAD(done);

	spin_lock_irqsave(&r->lock, flags);
	if (req->epoch)
		flush_ended(r, req, &done);
	if (req->kept)
		write_ended(r, req, &done);
	spin_unlock_irqrestore(&r->lock, flags);
	free_writes(&done);
}

/**
 * unbd_replay_drop() - a request ends without an answer, or begins anew
 * @rq: request that is in flight nowhere
 */
void unbd_replay_drop(struct request *rq)
{
	struct unbd_request *req = unbd_request(rq);

	req->epoch = 0;
	req->status = BLK_STS_IOERR;
	if (req->kept)
		unbd_replay_ended(rq);
}

/* Half of the memory is in use, or there was not enough. */
static void flush_disk_work(struct work_struct *work)
{
	struct unbd_replay *r = container_of(work, struct unbd_replay,
					     flush_work);
	struct unbd_device *dev = container_of(r, struct unbd_device, replay);
	struct gendisk *disk;

	mutex_lock(&dev->mutex);
	disk = dev->disk;
	mutex_unlock(&dev->mutex);
	/* Whoever takes the disk away waits for this work. */
	if (!disk || !unbd_disk_flush(disk))
		return;
	/* It may have been this one that was to tell of a loss. */
	spin_lock_irq(&r->lock);
	r->report = r->lost;
	spin_unlock_irq(&r->lock);
}

/* ------------------------------------------------------------------ */
/* Writing again                                                      */

static void forget(struct unbd_replay *r)
{
	LIST_HEAD(done);

	spin_lock_irq(&r->lock);
	r->replaying = false;
	flushed(r, r->epoch++, &done);
	spin_unlock_irq(&r->lock);
	free_writes(&done);
}

static void adopt(struct unbd_leg *leg, const struct unbd_instance *instance)
{
	struct unbd_replay *r = &leg->dev->replay;
	u32 features = leg->geometry.features;
	bool keeping = features & UNBD_FEAT_WRITE_CACHE &&
		!(features & (UNBD_FEAT_STABLE | UNBD_FEAT_READ_ONLY));
	bool in_use = unbd_device_attached(leg->dev);

	lockdep_assert_held(&r->mutex);

	r->instance = *instance;
	r->known = true;
	spin_lock_irq(&r->lock);
	/* What went over paths that do not tell was not kept. */
	if (keeping && !r->keeping && in_use)
		r->gap = r->epoch;
	WRITE_ONCE(r->keeping, keeping);
	spin_unlock_irq(&r->lock);
}

static void lose(struct unbd_device *dev, const char *why)
{
	struct unbd_replay *r = &dev->replay;

	pr_err("unbd%u: the server has restarted and lost writes that were not flushed: %s; the next flush fails\n",
	       dev->index, why);
	spin_lock_irq(&r->lock);
	WRITE_ONCE(r->lost, true);
	r->report = true;
	spin_unlock_irq(&r->lock);
}

/* 1 if there is something to be written again */
static int prepare_replay(struct unbd_leg *leg, char *why, size_t len)
{
	struct unbd_device *dev = leg->dev;
	struct unbd_replay *r = &dev->replay;
	int err;

	lockdep_assert_held(&r->mutex);

	if (unbd_device_attached(dev))
		return unbd_why(why, len, -ESTALE,
				"its server is in another life than that of the live paths, or another one");
	if (r->gap) {
		lose(dev, r->limit ? "they could not be kept" : "replay=off");
		forget(r);
		return 0;
	}
	if (list_empty(&r->writes))
		return 0;
	err = unbd_device_adopt(dev, leg, why, len);
	if (err)
		return err;
	spin_lock_irq(&r->lock);
	r->replaying = true;
	r->epoch++;
	spin_unlock_irq(&r->lock);
	return 1;
}

int unbd_leg_recognise(struct unbd_leg *leg,
		       const struct unbd_instance *instance,
		       char *why, size_t len)
{
	struct unbd_replay *r = &leg->dev->replay;
	int result = 0;

	leg->recognised = true;
	mutex_lock(&r->mutex);
	if (r->replaying)
		result = unbd_why(why, len, -EBUSY,
				  "another path writes again what the server has lost");
	else if (!instance)
		/* Others that are up go on telling. */
		r->known &= unbd_device_attached(leg->dev);
	else if (r->known && memcmp(instance, &r->instance, sizeof(*instance)))
		result = prepare_replay(leg, why, len);
	if (!r->known)
		WRITE_ONCE(r->keeping, false);
	if (!result && !r->keeping)
		forget(r);
	if (!result && instance)
		adopt(leg, instance);
	mutex_unlock(&r->mutex);
	return result;
}
EXPORT_SYMBOL_UNBD(unbd_leg_recognise);

const struct unbd_write *unbd_replay_next(struct unbd_leg *leg,
					  const struct unbd_write *write)
{
	struct unbd_replay *r = &leg->dev->replay;
	const struct list_head *next;

	spin_lock_irq(&r->lock);
	next = write ? write->entry.next : r->writes.next;
	spin_unlock_irq(&r->lock);
	return next == &r->writes ? NULL :
		list_entry(next, struct unbd_write, entry);
}
EXPORT_SYMBOL_UNBD(unbd_replay_next);

/* All of them, and nothing else has come up meanwhile? */
static int check_replayed(struct unbd_leg *leg, unsigned int nr,
			  char *why, size_t len)
{
	struct unbd_replay *r = &leg->dev->replay;
	struct unbd_write *write;
	unsigned int there = 0;

	if (unbd_device_attached(leg->dev))
		return unbd_why(why, len, -ESTALE,
				"another path has come up meanwhile");
	spin_lock_irq(&r->lock);
	list_for_each_entry(write, &r->writes, entry)
		there++;
	spin_unlock_irq(&r->lock);
	return there == nr ? 0 : unbd_why(why, len, -EAGAIN,
					  "more is to be written again");
}

int unbd_leg_replayed(struct unbd_leg *leg,
		      const struct unbd_instance *instance, int err,
		      unsigned int nr, unsigned int refused,
		      char *why, size_t len)
{
	struct unbd_device *dev = leg->dev;
	struct unbd_replay *r = &dev->replay;

	mutex_lock(&r->mutex);
	if (!err)
		err = check_replayed(leg, nr, why, len);
	if (err) {
		spin_lock_irq(&r->lock);
		r->replaying = false;
		spin_unlock_irq(&r->lock);
		goto out;
	}
	pr_warn("unbd%u: the server has restarted, %u writes that were not flushed have been written again\n",
		dev->index, nr - refused);
	if (refused)
		lose(dev, "it refused some of them");
	atomic_add(nr - refused, &dev->stats[UNBD_STAT_REPLAYED]);
	trace_unbd_replay(dev, nr, refused);
	forget(r);
	adopt(leg, instance);
out:
	mutex_unlock(&r->mutex);
	return err;
}
EXPORT_SYMBOL_UNBD(unbd_leg_replayed);

void unbd_write_copy(void *to, const struct unbd_write *write, u32 done,
		     u32 len)
{
	u32 n;

	if (!write->nr_pages) {
		memset(to, 0, len);
		return;
	}
	for (; len; len -= n, done += n, to += n) {
		n = min_t(u32, len, PAGE_SIZE - offset_in_page(done));
		memcpy(to, page_address(write->pages[done >> PAGE_SHIFT]) +
		       offset_in_page(done), n);
	}
}
EXPORT_SYMBOL_UNBD(unbd_write_copy);

int unbd_leg_recover(struct unbd_leg *leg,
		     const struct unbd_instance *instance,
		     const struct unbd_replay_ops *ops, char *why, size_t len)
{
	const struct unbd_write *write = NULL;
	unsigned int nr = 0, refused = 0;
	int err;

	err = unbd_leg_recognise(leg, instance, why, len);
	if (err <= 0)
		return err;
	for (err = 0; err >= 0 && (write = unbd_replay_next(leg, write));
	     nr++) {
		/* A discard is a hint: it may as well be lost. */
		err = write->kind == UNBD_WRITE_DISCARD ? 0 :
			ops->write(leg, write, why, len);
		refused += err > 0;
	}
	/* What was answered is not to be lost a second time. */
	if (err >= 0)
		err = ops->flush(leg, why, len);
	if (err > 0)
		err = unbd_why(why, len, -EIO,
			       "what the server had lost is not stable");
	return unbd_leg_replayed(leg, instance, err, nr, refused, why, len);
}
EXPORT_SYMBOL_UNBD(unbd_leg_recover);

/**
 * unbd_replay_init() - nothing is kept yet
 * @dev: device that is being made
 * @limit: bytes that may be kept, 0 for nothing
 */
void unbd_replay_init(struct unbd_device *dev, size_t limit)
{
	struct unbd_replay *r = &dev->replay;

	mutex_init(&r->mutex);
	spin_lock_init(&r->lock);
	INIT_LIST_HEAD(&r->writes);
	INIT_WORK(&r->flush_work, flush_disk_work);
	r->limit = limit;
	r->epoch = 1;
}

/**
 * unbd_replay_exit() - free what is kept
 * @dev: device that is being freed
 */
void unbd_replay_exit(struct unbd_device *dev)
{
	free_writes(&dev->replay.writes);
	mutex_destroy(&dev->replay.mutex);
}
