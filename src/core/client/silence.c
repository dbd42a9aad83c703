// SPDX-License-Identifier: GPL-2.0
/*
 * Slow or dead: what becomes of a request that has no answer in time.
 *
 * How old a request is says nothing about its server. A queue of a leg is given
 * up when it has not got on at all for io_timeout: nothing was answered, came
 * or was taken. Some requests (a flush, a discard, zeroes) keep a server busy
 * for as long as they like, and those behind them wait, too. While there is
 * one, the server is asked something cheap: as long as it answers, it is alive.
 * One that cannot be asked gets more time.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include "client.h"

/* Times io_timeout, for work that takes long by its nature */
#define PATIENCE	4

/* How often to look at a queue that is silent but may live */
#define LOOK_AGAIN	(HZ / 2)

static unsigned long later(unsigned long a, unsigned long b)
{
	return time_after(a, b) ? a : b;
}

static unsigned long silence(struct unbd_leg *leg, unsigned int queue)
{
	const struct unbd_transport_ops *ops = leg->path->ops;
	unsigned long moved = READ_ONCE(leg->answered_at);

	if (ops->moved)
		moved = ops->moved(leg, queue);
	return jiffies - later(moved, READ_ONCE(leg->alive_at));
}

static void ask(struct unbd_leg *leg, unsigned long limit)
{
	if (READ_ONCE(leg->ask))
		return;
	WRITE_ONCE(leg->ask, limit);
	unbd_leg_kick(leg);
}

static void give_up(struct unbd_leg *leg, struct request *rq,
		    unsigned long limit)
{
	struct unbd_device *dev = leg->dev;

	atomic_inc(&dev->stats[UNBD_STAT_TIMEOUTS]);
	unbd_leg_failed(leg, -ETIMEDOUT,
			"no answer within io_timeout (%lu s) for unbd%u, sector %llu",
			limit / HZ, dev->index,
			(unsigned long long)blk_rq_pos(rq));
}

/**
 * unbd_longest_wait() - jiffies after which no request waits for its answer
 * @dev: the device, with its disk
 */
unsigned long unbd_longest_wait(const struct unbd_device *dev)
{
	return PATIENCE * READ_ONCE(dev->disk->queue->rq_timeout);
}

/**
 * unbd_request_overdue() - a request has not been answered in its time
 * @rq: request of a live or a broken leg, or of none
 *
 * Gives its leg up, or not. The request itself goes on to wait: the leg is taken
 * down from process context, and with it the request is taken back and sent over
 * another one.
 *
 * Return: jiffies after which to look again.
 */
unsigned long unbd_request_overdue(struct request *rq)
{
	unsigned long silent, limit = READ_ONCE(rq->q->rq_timeout);
	struct unbd_request *req = unbd_request(rq);
	struct unbd_device *dev = rq->q->queuedata;
	unsigned long again = limit;
	struct unbd_leg *leg;
	int idx;

	idx = srcu_read_lock(&dev->srcu);
	leg = READ_ONCE(req->leg);
	/* Of one that is not live any more requests are being taken back. */
	if (!leg || !READ_ONCE(leg->live))
		goto out;
	silent = silence(leg, req->queue);
	if (silent < limit) {
		again = limit - silent;
	} else if (atomic_read(&leg->slow) && silent < PATIENCE * limit) {
		ask(leg, limit);
		again = min_t(unsigned long, limit, LOOK_AGAIN);
	} else {
		give_up(leg, rq, limit);
	}
out:
	srcu_read_unlock(&dev->srcu, idx);
	return again;
}

/*
 * A server that takes several connections at a time has no reason not to
 * answer on a new one; any other may be busy with what it has.
 */
static bool should_answer(const struct unbd_leg *leg, int err)
{
	return err != -EOPNOTSUPP && err != -ECANCELED &&
	       leg->geometry.features & UNBD_FEAT_MULTI_QUEUE;
}

static void ask_server(struct unbd_leg *leg)
{
	const struct unbd_transport_ops *ops = leg->path->ops;
	struct unbd_geometry known = leg->geometry;
	char why[UNBD_WHY_LEN] = "";
	int err = -EOPNOTSUPP;

	if (ops->refresh)
		err = ops->refresh(leg, why, sizeof(why));
	if (err >= 0) {
		WRITE_ONCE(leg->alive_at, jiffies);
		/* What is new is for who asks for that, to see it as new. */
		if (err || leg->geometry.size != known.size) {
			leg->geometry = known;
			unbd_leg_changed(leg);
		}
	} else if (should_answer(leg, err)) {
		unbd_leg_failed(leg, -ETIMEDOUT,
				"no answer within io_timeout (%lu s) for unbd%u, and none when asked: %s",
				READ_ONCE(leg->ask) / HZ, leg->dev->index, why);
	}
}

/**
 * unbd_silence_ask() - ask a server that is silent whether it lives
 * @leg: leg with its mutex held
 *
 * Sleeps for the peer.
 */
void unbd_silence_ask(struct unbd_leg *leg)
{
	lockdep_assert_held(&leg->mutex);

	if (!READ_ONCE(leg->ask))
		return;
	if (leg->live)
		ask_server(leg);
	WRITE_ONCE(leg->ask, 0);
}
