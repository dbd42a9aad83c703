// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-rdma-client: RTRS and RNBD as a transport of unbd-client.
 *
 * This file has what the core calls but for the way of a request.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/uuid.h>

#include "client.h"

/* For so long a request that has its answer may take to end */
#define END_TRIES	20

/* And one of a device that the server has closed, to be answered */
#define CLOSED_TRIES	500

/* Of the path that was made last */
static atomic64_t last_number = ATOMIC64_INIT(0);

/* ------------------------------------------------------------------ */
/* Paths                                                              */

/* An address that no connection could be made to shall not be mapped. */
static int check_address(struct clt_path *path,
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

static int parse_addresses(struct clt_path *path, char *why, size_t len)
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

static int clt_path_init(struct unbd_path *base, char *why, size_t len)
{
	struct clt_path *path = to_clt_path(base);
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
	path->session = clt_session_get(base->session);
	if (!path->session)
		return unbd_why(why, len, -ENOMEM, "out of memory");
	return 0;
}

static void clt_path_exit(struct unbd_path *base)
{
	clt_session_put(to_clt_path(base)->session);
}

static void clt_describe(struct unbd_path *base, char *src, char *dst,
			 size_t len)
{
	struct clt_path *path = to_clt_path(base);

	spin_lock_irq(&path->lock);
	strscpy(src, path->src_name, len);
	strscpy(dst, path->dst_name, len);
	spin_unlock_irq(&path->lock);
}

static void clt_abort(struct unbd_path *base)
{
	struct clt_path *path = to_clt_path(base);

	WRITE_ONCE(path->aborted, true);
	wake_up_all(&path->wait);
	wake_up_all(&path->session->wait);
}

static void clt_abort_clear(struct unbd_path *base)
{
	WRITE_ONCE(to_clt_path(base)->aborted, false);
}

/* ------------------------------------------------------------------ */
/* Requests of what goes away                                         */

/*
 * There is no way to have one request forgotten while its connection goes
 * on: the server may write to its memory at any time. If a device goes away
 * with requests in flight its path has to be connected anew.
 */
static void let_requests_end(struct clt_path *path, struct clt_leg *leg)
{
	int tries = READ_ONCE(leg->closed) ? CLOSED_TRIES : END_TRIES;

	while (!clt_path_broken(path) && clt_ios_busy(path, leg)) {
		if (!tries--) {
			clt_path_fail(path, -ECANCELED,
				      "a device was removed with requests in flight");
			break;
		}
		usleep_range(500, 1000);
	}
	if (clt_path_broken(path))
		clt_path_stop(path);
}

/* ------------------------------------------------------------------ */
/* Connecting                                                         */

static void path_down(struct clt_path *path)
{
	clear_bit(CLT_PATH_UP, &path->flags);
	clt_path_stop(path);
	clt_beat_stop(path);
	clt_ios_take_back(path, NULL);
	clt_session_leave(path);
	clt_path_teardown(path);
}

static int path_up(struct clt_path *path, char *why, size_t len)
{
	int err;

	err = clt_path_connect(path, why, len);
	if (err)
		return err;
	clt_beat_start(path);
	err = clt_greet(path, why, len);
	if (err) {
		path_down(path);
		return err;
	}
	/* Under the lock of clt_path_fail(): it or we see the other's bit. */
	spin_lock_irq(&path->lock);
	set_bit(CLT_PATH_UP, &path->flags);
	if (clt_path_broken(path))
		err = unbd_why(why, len, path->error, "%s", path->cause);
	spin_unlock_irq(&path->lock);
	if (err)
		path_down(path);
	return err;
}

/*
 * Whoever frees memory may be waiting for this very path, so that it must come
 * back, and go before, without memory being freed: out of the reserves, if need
 * be. Asking for less than there is, is clt_ios_affordable()'s affair.
 */
static int clt_connect_path(struct unbd_path *base, char *why, size_t len)
{
	unsigned int noreclaim = memalloc_noreclaim_save();
	int err;

	err = path_up(to_clt_path(base), why, len);
	memalloc_noreclaim_restore(noreclaim);
	return err;
}

static void clt_disconnect_path(struct unbd_path *base)
{
	unsigned int noreclaim = memalloc_noreclaim_save();

	path_down(to_clt_path(base));
	memalloc_noreclaim_restore(noreclaim);
}

/* ------------------------------------------------------------------ */
/* Legs                                                               */

static void remember_leg(struct clt_leg *leg)
{
	struct clt_session *session = path_of(leg)->session;

	mutex_lock(&session->mutex);
	clt_session_own(leg);
	list_add(&leg->entry, &session->legs);
	mutex_unlock(&session->mutex);
}

/* A server has one number for a device, whichever path it is opened on. */
static bool forget_leg(struct clt_leg *leg)
{
	struct clt_session *session = path_of(leg)->session;
	struct clt_leg *other;
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
static int introduce(struct clt_leg *leg, char *why, size_t len)
{
	struct unbd_leg *base = &leg->base;
	struct unbd_instance instance;
	int err;

	if (!leg->can_fence || !base->nr_keys)
		return 0;
	base->keys[0] = path_of(leg)->key;
	err = clt_fence(leg, &instance, why, len);
	if (err)
		return err;
	base->fences = true;
	return unbd_leg_recover(base, &instance, &clt_replay_ops, why, len);
}

static int clt_attach(struct unbd_leg *base, char *why, size_t len)
{
	struct clt_leg *leg = to_clt_leg(base);
	struct clt_path *path = path_of(leg);
	int err;

	err = clt_open(leg, why, len);
	if (err)
		return err;
	base->nr_queues = min(base->want_queues, path->nr_irq);
	base->nr_poll_queues = min(base->want_poll_queues, path->nr_poll);
	leg->closed = false;
	remember_leg(leg);
	err = introduce(leg, why, len);
	if (err && forget_leg(leg) && !clt_path_broken(path))
		clt_close(leg);
	return err;
}

static void clt_detach(struct unbd_leg *base)
{
	struct clt_leg *leg = to_clt_leg(base);
	struct clt_path *path = path_of(leg);
	unsigned int noreclaim = memalloc_noreclaim_save();
	bool last = forget_leg(leg);

	let_requests_end(path, leg);
	if (clt_path_broken(path)) {
		clt_ios_take_back(path, leg);
	} else {
		/* All is answered: nothing of it is at the server any more. */
		base->fences = false;
		if (base->polite && last)
			clt_close(leg);
	}
	memalloc_noreclaim_restore(noreclaim);
}

/* A server opens a device once in a session, and answers again. */
static int clt_refresh(struct unbd_leg *base, char *why, size_t len)
{
	return clt_open(to_clt_leg(base), why, len);
}

static int clt_ask_fence(struct unbd_leg *base, char *why, size_t len)
{
	struct unbd_instance instance;

	return clt_fence(to_clt_leg(base), &instance, why, len);
}

static struct unbd_transport_ops clt_ops = {
	.owner		= THIS_MODULE,
	.name		= "rdma",
	.path_size	= sizeof(struct clt_path),
	.leg_size	= sizeof(struct clt_leg),
	.request_size	= sizeof(struct clt_request),
	.path_init	= clt_path_init,
	.path_exit	= clt_path_exit,
	.connect	= clt_connect_path,
	.disconnect	= clt_disconnect_path,
	.attach		= clt_attach,
	.detach		= clt_detach,
	.abort		= clt_abort,
	.abort_clear	= clt_abort_clear,
	.queue_rq	= clt_queue_rq,
	.commit_rqs	= clt_commit_rqs,
	.poll		= clt_poll,
	.refresh	= clt_refresh,
	.fence		= clt_ask_fence,
	.describe	= clt_describe,
};

static int __init unbd_rdma_client_init(void)
{
	int err;

	err = clt_beats_init();
	if (err)
		return err;
	err = unbd_register_transport(&clt_ops);
	if (err)
		clt_beats_exit();
	return err;
}

static void __exit unbd_rdma_client_exit(void)
{
	unbd_unregister_transport(&clt_ops);
	clt_beats_exit();
}

module_init(unbd_rdma_client_init);
module_exit(unbd_rdma_client_exit);

MODULE_DESCRIPTION("unbd: RNBD client over RDMA");
MODULE_LICENSE("GPL");
MODULE_VERSION(UNBD_VERSION);
MODULE_IMPORT_NS("UNBD");
MODULE_ALIAS("unbd-transport-rdma");
