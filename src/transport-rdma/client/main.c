// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-rdma-client: RTRS and RNBD as a transport of unbd-client.
 *
 * This file has what the core calls but for the way of a request.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/uuid.h>

#include "client.h"

/* For so long a request that has its answer may take to end */
#define END_TRIES	20

/* And one of a device that the server has closed, to be answered */
#define CLOSED_TRIES	500

struct workqueue_struct *rdma_wq;

/* Of the path that was made last */
static atomic64_t last_number = ATOMIC64_INIT(0);

/**
 * rdma_path_fail() - a path has broken
 * @path: path, being connected or connected
 * @error: -errno
 * @fmt: what happened
 *
 * Any context. Only the first one is reported.
 */
void rdma_path_fail(struct rdma_path *path, int error, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	unsigned long flags;
	va_list args;
	bool up;

	va_start(args, fmt);
	vaf.va = &args;
	spin_lock_irqsave(&path->lock, flags);
	if (rdma_path_broken(path)) {
		spin_unlock_irqrestore(&path->lock, flags);
		va_end(args);
		return;
	}
	path->error = error;
	snprintf(path->cause, sizeof(path->cause), "%pV", &vaf);
	set_bit(RDMA_PATH_BROKEN, &path->flags);
	up = test_bit(RDMA_PATH_UP, &path->flags);
	spin_unlock_irqrestore(&path->lock, flags);
	va_end(args);
	wake_up_all(&path->wait);
	if (up)
		unbd_path_failed(&path->base, error, "%s", path->cause);
}

/* ------------------------------------------------------------------ */
/* Paths                                                              */

/* An address that no connection could be made to shall not be mapped. */
static int check_address(struct rdma_path *path,
			 const struct unbd_rdma_address *a, const char *text,
			 char *why, size_t len)
{
	struct sockaddr_storage ss;
	int err = unbd_rdma_resolve(path->base.net, a, &ss);

	if (err == -ENODEV)
		return unbd_why(why, len, err, "%s: no such interface", text);
	if (err)
		return unbd_why(why, len, err, "%s: not an address", text);
	return 0;
}

static int parse_addresses(struct rdma_path *path, char *why, size_t len)
{
	struct unbd_path *base = &path->base;
	u16 port = base->port ? base->port : RTRS_DEFAULT_PORT;
	int err;

	err = unbd_rdma_parse_address(base->dst, port, &path->dst, why, len);
	if (!err)
		err = check_address(path, &path->dst, base->dst, why, len);
	if (err || !base->src)
		return err;
	err = unbd_rdma_parse_address(base->src, 0, &path->src, why, len);
	if (err)
		return err;
	if (path->src.kind != path->dst.kind)
		return unbd_why(why, len, -EINVAL,
				"%s cannot be the source for %s", base->src,
				base->dst);
	path->has_src = true;
	return check_address(path, &path->src, base->src, why, len);
}

static int rdma_path_init(struct unbd_path *base, char *why, size_t len)
{
	struct rdma_path *path = to_rdma_path(base);
	int err;

	spin_lock_init(&path->lock);
	init_waitqueue_head(&path->wait);
	generate_random_uuid(path->uuid);
	path->number = atomic64_inc_return(&last_number);
	if (strlen(base->session_name) >= RTRS_PATHNAME_LEN)
		return unbd_why(why, len, -ENAMETOOLONG,
				"sessname= is longer than %d bytes",
				RTRS_PATHNAME_LEN - 1);
	err = parse_addresses(path, why, len);
	if (err)
		return err;
	path->session = rdma_session_get(base->session);
	if (!path->session)
		return unbd_why(why, len, -ENOMEM, "out of memory");
	return 0;
}

static void rdma_path_exit(struct unbd_path *base)
{
	rdma_session_put(to_rdma_path(base)->session);
}

static void rdma_describe(struct unbd_path *base, char *src, char *dst,
			  size_t len)
{
	struct rdma_path *path = to_rdma_path(base);

	spin_lock_irq(&path->lock);
	strscpy(src, path->src_name, len);
	strscpy(dst, path->dst_name, len);
	spin_unlock_irq(&path->lock);
}

static void rdma_abort(struct unbd_path *base)
{
	struct rdma_path *path = to_rdma_path(base);

	WRITE_ONCE(path->aborted, true);
	wake_up_all(&path->wait);
	wake_up_all(&path->session->wait);
}

static void rdma_abort_clear(struct unbd_path *base)
{
	WRITE_ONCE(to_rdma_path(base)->aborted, false);
}

/* ------------------------------------------------------------------ */
/* Requests of what goes away                                         */

/* Ends messages that nobody will answer, and @leg's part of the requests. */
static void take_back(struct rdma_path *path, struct rdma_leg *leg)
{
	struct rdma_user *user;
	struct rdma_io *io;
	u32 id;

	for (id = 0; path->ios && id < path->nr_ios; id++) {
		io = &path->ios[id];
		/* Pairs with rdma_io_get(), which others may be in still. */
		if (smp_load_acquire(&io->state) == RDMA_IO_FREE)
			continue;
		user = io->user;
		if (!user && io->leg != leg)
			continue;
		rdma_io_take_back(io);
		if (user)
			rdma_user_done(user, -ECONNRESET);
	}
}

static bool busy(struct rdma_path *path, struct rdma_leg *leg)
{
	struct rdma_io *io;
	u32 id;

	for (id = 0; id < path->nr_ios; id++) {
		io = &path->ios[id];
		/* Pairs with rdma_io_free(). */
		if (smp_load_acquire(&io->state) != RDMA_IO_FREE &&
		    READ_ONCE(io->leg) == leg)
			return true;
	}
	return false;
}

/*
 * There is no way to have one request forgotten while its connection goes
 * on: the server may write to its memory at any time. If a device goes away
 * with requests in flight its path has to be connected anew.
 */
static void let_requests_end(struct rdma_path *path, struct rdma_leg *leg)
{
	int tries = READ_ONCE(leg->closed) ? CLOSED_TRIES : END_TRIES;

	while (!rdma_path_broken(path) && busy(path, leg)) {
		if (!tries--) {
			rdma_path_fail(path, -ECANCELED,
				       "a device was removed with requests in flight");
			break;
		}
		usleep_range(500, 1000);
	}
	if (rdma_path_broken(path))
		rdma_path_stop(path);
}

/* ------------------------------------------------------------------ */
/* Connecting                                                         */

static void path_down(struct rdma_path *path)
{
	clear_bit(RDMA_PATH_UP, &path->flags);
	rdma_path_stop(path);
	rdma_beat_stop(path);
	take_back(path, NULL);
	rdma_session_leave(path);
	rdma_path_teardown(path);
}

static int path_up(struct rdma_path *path, char *why, size_t len)
{
	int err;

	err = rdma_path_connect(path, why, len);
	if (err)
		return err;
	rdma_beat_start(path);
	err = rdma_greet(path, why, len);
	if (err) {
		path_down(path);
		return err;
	}
	/* Under the lock of rdma_path_fail(): it or we see the other's bit. */
	spin_lock_irq(&path->lock);
	set_bit(RDMA_PATH_UP, &path->flags);
	if (rdma_path_broken(path))
		err = unbd_why(why, len, path->error, "%s", path->cause);
	spin_unlock_irq(&path->lock);
	if (err)
		path_down(path);
	return err;
}

/*
 * Whoever frees memory may be waiting for this very path, so that it must come
 * back, and go before, without memory being freed: out of the reserves, if need
 * be. Asking for less than there is, is rdma_ios_affordable()'s affair.
 */
static int rdma_connect_path(struct unbd_path *base, char *why, size_t len)
{
	unsigned int noreclaim = memalloc_noreclaim_save();
	int err;

	err = path_up(to_rdma_path(base), why, len);
	memalloc_noreclaim_restore(noreclaim);
	return err;
}

static void rdma_disconnect_path(struct unbd_path *base)
{
	unsigned int noreclaim = memalloc_noreclaim_save();

	path_down(to_rdma_path(base));
	memalloc_noreclaim_restore(noreclaim);
}

/* ------------------------------------------------------------------ */
/* Legs                                                               */

static void remember_leg(struct rdma_leg *leg)
{
	struct rdma_session *session = path_of(leg)->session;

	mutex_lock(&session->mutex);
	rdma_session_own(leg);
	list_add(&leg->entry, &session->legs);
	mutex_unlock(&session->mutex);
}

/* A server has one number for a device, whichever path it is opened on. */
static bool forget_leg(struct rdma_leg *leg)
{
	struct rdma_session *session = path_of(leg)->session;
	struct rdma_leg *other;
	bool last = true;

	mutex_lock(&session->mutex);
	list_del(&leg->entry);
	list_for_each_entry(other, &session->legs, entry)
		if (other->device_id == leg->device_id)
			last = false;
	mutex_unlock(&session->mutex);
	return last;
}

/*
 * With a server of ours: fences, and helps its memory. It is the path that
 * ends, with all of its legs: they have one key.
 */
static int introduce(struct rdma_leg *leg, char *why, size_t len)
{
	struct unbd_leg *base = &leg->base;
	struct unbd_instance instance;
	int err;

	if (!leg->can_fence || !base->nr_keys)
		return 0;
	base->keys[0] = path_of(leg)->key;
	err = rdma_fence(leg, &instance, why, len);
	if (err)
		return err;
	base->fences = true;
	return unbd_leg_recover(base, &instance, &rdma_replay_ops, why, len);
}

static int rdma_attach(struct unbd_leg *base, char *why, size_t len)
{
	struct rdma_leg *leg = to_rdma_leg(base);
	struct rdma_path *path = path_of(leg);
	int err;

	err = rdma_open(leg, why, len);
	if (err)
		return err;
	base->nr_queues = min(base->want_queues, path->nr_irq);
	base->nr_poll_queues = min(base->want_poll_queues, path->nr_poll);
	leg->closed = false;
	remember_leg(leg);
	err = introduce(leg, why, len);
	if (err && forget_leg(leg) && !rdma_path_broken(path))
		rdma_close(leg);
	return err;
}

static void rdma_detach(struct unbd_leg *base)
{
	struct rdma_leg *leg = to_rdma_leg(base);
	struct rdma_path *path = path_of(leg);
	unsigned int noreclaim = memalloc_noreclaim_save();
	bool last = forget_leg(leg);

	let_requests_end(path, leg);
	if (rdma_path_broken(path)) {
		take_back(path, leg);
	} else {
		/* All is answered: nothing of it is at the server any more. */
		base->fences = false;
		if (base->polite && last)
			rdma_close(leg);
	}
	memalloc_noreclaim_restore(noreclaim);
}

/* A server opens a device once in a session, and answers again. */
static int rdma_refresh(struct unbd_leg *base, char *why, size_t len)
{
	return rdma_open(to_rdma_leg(base), why, len);
}

static int rdma_ask_fence(struct unbd_leg *base, char *why, size_t len)
{
	struct unbd_instance instance;

	return rdma_fence(to_rdma_leg(base), &instance, why, len);
}

static struct unbd_transport_ops rdma_ops = {
	.owner		= THIS_MODULE,
	.name		= "rdma",
	.path_size	= sizeof(struct rdma_path),
	.leg_size	= sizeof(struct rdma_leg),
	.request_size	= sizeof(struct rdma_request),
	.path_init	= rdma_path_init,
	.path_exit	= rdma_path_exit,
	.connect	= rdma_connect_path,
	.disconnect	= rdma_disconnect_path,
	.attach		= rdma_attach,
	.detach		= rdma_detach,
	.abort		= rdma_abort,
	.abort_clear	= rdma_abort_clear,
	.queue_rq	= rdma_queue_rq,
	.commit_rqs	= rdma_commit_rqs,
	.poll		= rdma_poll,
	.refresh	= rdma_refresh,
	.fence		= rdma_ask_fence,
	.describe	= rdma_describe,
};

static int __init unbd_rdma_client_init(void)
{
	int err;

	rdma_wq = alloc_workqueue("unbd-rdma", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!rdma_wq)
		return -ENOMEM;
	err = unbd_register_transport(&rdma_ops);
	if (err)
		destroy_workqueue(rdma_wq);
	return err;
}

static void __exit unbd_rdma_client_exit(void)
{
	unbd_unregister_transport(&rdma_ops);
	destroy_workqueue(rdma_wq);
}

module_init(unbd_rdma_client_init);
module_exit(unbd_rdma_client_exit);

MODULE_DESCRIPTION("unbd: RNBD client over RDMA");
MODULE_LICENSE("GPL");
MODULE_VERSION(UNBD_VERSION);
MODULE_IMPORT_NS("UNBD");
MODULE_ALIAS("unbd-transport-rdma");
