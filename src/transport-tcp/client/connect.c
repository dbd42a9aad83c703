// SPDX-License-Identifier: GPL-2.0
/*
 * From nothing to the transmission phase: connect, shake hands, and once more
 * for each further queue.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "client.h"

/* For how long further connections may take: a multiple of the first one */
#define PATIENCE	20
#define LEAST_PATIENCE	(HZ * 3UL / 2)

/**
 * clt_begin_attempt() - let abort find a stream that is about to be waited for
 * @attempt: with the stream
 *
 * Return: 0, or -ECANCELED when it has come already.
 */
int clt_begin_attempt(struct clt_attempt *attempt)
{
	struct clt_path *path = to_clt_path(attempt->leg->base.path);
	int err = 0;

	spin_lock(&path->lock);
	if (attempt->leg->aborted)
		err = -ECANCELED;
	else
		list_add(&attempt->entry, &path->attempts);
	spin_unlock(&path->lock);
	return err;
}

/**
 * clt_end_attempt() - nothing waits for the stream any more
 * @attempt: as it was begun
 */
void clt_end_attempt(struct clt_attempt *attempt)
{
	struct clt_path *path = to_clt_path(attempt->leg->base.path);

	spin_lock(&path->lock);
	list_del(&attempt->entry);
	spin_unlock(&path->lock);
}

/**
 * clt_abort_attempts() - end the handshakes of a leg, and those to come
 * @base: leg
 *
 * Process context. This is &unbd_transport_ops.abort_leg.
 */
void clt_abort_attempts(struct unbd_leg *base)
{
	struct clt_path *path = to_clt_path(base->path);
	struct clt_leg *leg = to_clt_leg(base);
	struct clt_attempt *attempt;

	spin_lock(&path->lock);
	leg->aborted = true;
	list_for_each_entry(attempt, &path->attempts, entry)
		if (attempt->leg == leg)
			clt_stream_abort(attempt->stream);
	spin_unlock(&path->lock);
}

/**
 * clt_allow_attempts() - undo clt_abort_attempts() for those to come
 * @base: leg
 *
 * Process context. This is &unbd_transport_ops.abort_leg_clear.
 */
void clt_allow_attempts(struct unbd_leg *base)
{
	struct clt_path *path = to_clt_path(base->path);

	spin_lock(&path->lock);
	to_clt_leg(base)->aborted = false;
	spin_unlock(&path->lock);
}

/* ------------------------------------------------------------------ */
/* Handshake                                                          */

static int step_failed(struct nbd_handshake *hs, int err,
		       unsigned long timeout, char *why, size_t len)
{
	switch (err) {
	case -ECONNRESET:
	case -EPIPE:
		return nbd_handshake_closed(hs);
	case -ETIMEDOUT:
		return unbd_why(why, len, err,
				"no answer to the handshake within %u ms",
				jiffies_to_msecs(timeout));
	case -ECANCELED:
	case -EINTR:
		return unbd_why(why, len, err, "the handshake was given up");
	}
	return unbd_why(why, len, err, "the connection broke in the handshake");
}

static int run_handshake(struct unbd_stream *s, struct nbd_handshake *hs,
			 unsigned long timeout, char *why, size_t len)
{
	unsigned long deadline = jiffies + timeout;
	int err;

	for (;;) {
		switch (nbd_handshake_next(hs)) {
		case NBD_HANDSHAKE_SEND:
			err = clt_stream_send_all(s, hs->buf, hs->len,
						  deadline);
			break;
		case NBD_HANDSHAKE_RECV:
			err = clt_stream_recv_all(s, hs->buf, hs->len,
						  deadline);
			break;
		case NBD_HANDSHAKE_DONE:
			return 0;
		case NBD_HANDSHAKE_FAILED:
		default:
			return hs->error;
		}
		if (err)
			return step_failed(hs, err, timeout, why, len);
	}
}

static int shake_hands(struct unbd_stream *s, const struct unbd_leg *leg,
		       unsigned int nr_keys, struct nbd_export_info *info,
		       unsigned long timeout, char *why, size_t len)
{
	struct nbd_handshake *hs;
	int err;

	hs = kmalloc(sizeof(*hs), GFP_KERNEL);
	if (!hs)
		return unbd_why(why, len, -ENOMEM, "out of memory");
	why[0] = '\0';
	nbd_handshake_init(hs, leg->export_name, NBD_HEADERS_EXTENDED, why,
			   len);
	nbd_handshake_fence(hs, leg->keys, nr_keys);
	err = run_handshake(s, hs, timeout, why, len);
	if (!err)
		*info = hs->info;
	kfree(hs);
	return err;
}

/* ------------------------------------------------------------------ */
/* One connection                                                     */

/* Whoever of several legs comes first has it. */
static bool take_socket(struct clt_path *path)
{
	bool used;

	spin_lock(&path->lock);
	used = path->sock_used;
	path->sock_used = true;
	spin_unlock(&path->lock);
	return !used;
}

static int get_socket(struct clt_leg *leg, struct unbd_stream *s,
		      unsigned long timeout, char *why, size_t len)
{
	struct clt_path *path = to_clt_path(leg->base.path);

	timeout = min(timeout, leg->base.attempts.reach_timeout);
	if (path->dst.kind != UNBD_TCP_FD)
		return clt_stream_connect(s, path->base.net, &path->root,
					  path->has_src ? &path->src : NULL,
					  &path->dst, jiffies + timeout, why,
					  len);
	if (!take_socket(path))
		return unbd_why(why, len, -ENOTCONN,
				"a handed-over socket serves one device, once");
	unbd_stream_init(s, path->sock, true);
	return 0;
}

static int open_stream(struct clt_leg *leg, struct unbd_stream *s,
		       unsigned int nr_keys, struct nbd_export_info *info,
		       unsigned long timeout, char *why, size_t len)
{
	struct clt_path *path = to_clt_path(leg->base.path);
	int err;

	err = get_socket(leg, s, timeout, why, len);
	if (err)
		return err;
	/* A server may take its time; watchdog_work() knows the dead ones. */
	unbd_stream_tune(s, path->base.keepalive, 0);
	return shake_hands(s, &leg->base, nr_keys, info, timeout, why, len);
}

/* Waits for @timeout at most to connect, and @timeout for the handshake. */
static int connect_one(struct clt_leg *leg, struct unbd_stream *s,
		       unsigned int nr_keys, struct nbd_export_info *info,
		       unsigned long timeout, char *why, size_t len)
{
	struct clt_attempt attempt = { .leg = leg, .stream = s };
	int err;

	err = clt_begin_attempt(&attempt);
	if (err)
		return unbd_why(why, len, err, "connecting was given up");
	err = open_stream(leg, s, nr_keys, info, timeout, why, len);
	clt_end_attempt(&attempt);
	if (err)
		unbd_stream_close(s);
	return err;
}

static void remember_names(struct clt_path *path, struct unbd_stream *s)
{
	char src[UNBD_STREAM_NAME_LEN], dst[UNBD_STREAM_NAME_LEN];

	unbd_stream_name(s, false, src, sizeof(src));
	unbd_stream_name(s, true, dst, sizeof(dst));
	spin_lock(&path->lock);
	strscpy(path->src_name, src, sizeof(path->src_name));
	strscpy(path->dst_name, dst, sizeof(path->dst_name));
	spin_unlock(&path->lock);
}

/**
 * clt_connect_first() - open the leg's export on a new connection
 * @leg: leg
 * @stream: zeroed; the connection
 * @info: what the server says of the export
 * @why: reason of a failure
 * @len: size of @why
 *
 * Sleeps for the server, at most reach_timeout to connect and connect_timeout
 * for the handshake. Return: 0 or -errno, and nothing is left open.
 */
int clt_connect_first(struct clt_leg *leg, struct unbd_stream *stream,
		      struct nbd_export_info *info, char *why, size_t len)
{
	struct clt_path *path = to_clt_path(leg->base.path);
	int err;

	err = connect_one(leg, stream, leg->base.nr_keys, info,
			  leg->base.attempts.connect_timeout, why, len);
	if (err)
		return err;
	remember_names(path, stream);
	if (why[0] && !leg->remarked)
		pr_notice("%s: %s\n", path->base.name, why);
	return 0;
}

/**
 * clt_say_goodbye() - tell the server that no more requests will come
 * @stream: connection between two requests
 * @headers: style that was agreed upon
 *
 * Does not wait for anything: if the socket has no room, so be it.
 */
void clt_say_goodbye(struct unbd_stream *stream, enum nbd_header_style headers)
{
	u8 header[NBD_REQUEST_HEADER_MAX];
	struct kvec kv = { .iov_base = header };
	struct iov_iter iter;

	kv.iov_len = nbd_put_request(header, headers, NBD_CMD_DISC, 0, 0, 0,
				     0);
	iov_iter_kvec(&iter, ITER_SOURCE, &kv, 1, kv.iov_len);
	unbd_stream_send(stream, &iter, false);
}

/* ------------------------------------------------------------------ */
/* Further connections, all at once                                   */

/**
 * struct clt_opening - a further connection being made
 * @work: does it
 * @leg: for this leg
 * @timeout: jiffies that the server has for it
 * @stream: result
 * @info: what the server said this time
 * @err: or what went wrong
 * @why: and why
 */
struct clt_opening {
	struct work_struct work;
	struct clt_leg *leg;
	unsigned long timeout;
	struct unbd_stream stream;
	struct nbd_export_info info;
	int err;
	char why[UNBD_WHY_LEN];
};

static void opening_work(struct work_struct *work)
{
	struct clt_opening *o = container_of(work, struct clt_opening, work);
	struct clt_leg *leg = o->leg;
	unsigned int noio = memalloc_noio_save();

	o->err = connect_one(leg, &o->stream, leg->base.fences ? 1 : 0,
			     &o->info, o->timeout, o->why, sizeof(o->why));
	if (o->err)
		goto out;
	o->err = nbd_same_export(&leg->info, &o->info, o->why, sizeof(o->why));
	if (o->err) {
		clt_say_goodbye(&o->stream, o->info.headers);
		unbd_stream_close(&o->stream);
	}
out:
	memalloc_noio_restore(noio);
}

static void open_all(struct clt_leg *leg, struct clt_opening *o,
		     unsigned int nr, unsigned long timeout)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		o[i].leg = leg;
		o[i].timeout = timeout;
		INIT_WORK(&o[i].work, opening_work);
		queue_work(clt_connect_wq, &o[i].work);
	}
	for (i = 0; i < nr; i++)
		flush_work(&o[i].work);
}

/* Moves what came about to the leg, returns the failure that matters most. */
static struct clt_opening *take_over(struct clt_leg *leg,
				     struct clt_opening *o, unsigned int nr)
{
	struct clt_opening *failed = NULL;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!o[i].err)
			leg->conns[leg->nr_conns++].stream = o[i].stream;
		else if (!failed || o[i].err == -ECANCELED ||
			 o[i].err == -ESTALE)
			failed = &o[i];
	}
	return failed;
}

/**
 * clt_connect_others() - make further connections to the leg's export
 * @leg: leg with room for them in its conns
 * @nr: how many
 * @first: jiffies that the first one took
 * @why: reason of a failure
 * @len: size of @why
 *
 * A server may take fewer connections than it promised; then there are fewer.
 * Some leave the others in the backlog, without a word. So those are not
 * waited for in full, but for many times as long as the first one took.
 *
 * They are in place at leg->conns with leg->nr_conns, also on error.
 *
 * Return: 0, -ECANCELED if aborted, -ESTALE if the server says something else
 * about the export this time, or -ENOMEM.
 */
int clt_connect_others(struct clt_leg *leg, unsigned int nr,
		       unsigned long first, char *why, size_t len)
{
	unsigned long timeout = min(max(PATIENCE * first, LEAST_PATIENCE),
				    leg->base.attempts.connect_timeout);
	struct clt_opening *o, *failed;
	int err = 0;

	o = kvcalloc(nr, sizeof(*o), GFP_KERNEL);
	if (!o)
		return unbd_why(why, len, -ENOMEM, "out of memory");
	open_all(leg, o, nr, timeout);
	failed = take_over(leg, o, nr);
	if (failed && (failed->err == -ECANCELED || failed->err == -ESTALE))
		err = unbd_why(why, len, failed->err, "%s", failed->why);
	else if (failed)
		pr_notice("%s: %u of %u connections: %s (%d)\n",
			  leg->base.path->name, leg->nr_conns, nr + 1,
			  failed->why, failed->err);
	kvfree(o);
	return err;
}
