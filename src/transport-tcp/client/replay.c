// SPDX-License-Identifier: GPL-2.0
/*
 * Writing again what a server has lost: on the first connection of a leg,
 * between its handshake and all else, some requests at a time.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/mm.h>
#include <linux/slab.h>

#include "client.h"

/* Requests that are sent before their answers are waited for */
#define BATCH	32

/**
 * struct clt_replay - writing again, under way
 * @stream: the connection
 * @leg: its leg
 * @deadline: jiffies, for the batch
 * @sent: the batch; a request's cookie is its number here
 * @nr_sent: requests in it
 * @answered: bit per request
 * @parser: of the answers
 * @nr: writes of all batches
 * @refused: of these, those that were answered with an error
 * @why: what the parser has against the server
 */
struct clt_replay {
	struct unbd_stream *stream;
	struct clt_leg *leg;
	unsigned long deadline;
	struct nbd_inflight sent[BATCH];
	unsigned int nr_sent;
	unsigned long answered;
	struct nbd_reply_parser parser;
	unsigned int nr;
	unsigned int refused;
	char why[UNBD_WHY_LEN];
};

static struct nbd_inflight *find_sent(void *ctx, u64 cookie)
{
	struct clt_replay *t = ctx;

	return cookie < t->nr_sent && !(t->answered & 1UL << cookie) ?
		&t->sent[cookie] : NULL;
}

static int send_data(struct clt_replay *t, const struct unbd_write *write)
{
	u32 left = write->length, n;
	unsigned int i;
	int err = 0;

	for (i = 0; i < write->nr_pages && !err; i++, left -= n) {
		n = min_t(u32, left, PAGE_SIZE);
		err = clt_stream_send_all(t->stream,
					  page_address(write->pages[i]), n,
					  t->deadline);
	}
	return err;
}

static int send_command(struct clt_replay *t, u16 cmd, u16 flags, u64 offset,
			u32 length)
{
	u8 header[NBD_REQUEST_HEADER_MAX];
	unsigned int cookie = t->nr_sent++;
	u32 len;

	len = nbd_put_request(header, t->leg->info.headers, cmd, flags, cookie,
			      offset, length);
	nbd_inflight_init(&t->sent[cookie], cmd, offset, length);
	return clt_stream_send_all(t->stream, header, len, t->deadline);
}

static int send_write(struct clt_replay *t, const struct unbd_write *write)
{
	u16 cmd = NBD_CMD_WRITE, flags = 0;
	int err;

	if (write->kind == UNBD_WRITE_DISCARD)
		cmd = NBD_CMD_TRIM;
	else if (write->kind != UNBD_WRITE_DATA)
		cmd = NBD_CMD_WRITE_ZEROES;
	if (write->kind == UNBD_WRITE_ZEROES)
		flags = NBD_CMD_FLAG_NO_HOLE;
	t->nr++;
	err = send_command(t, cmd, flags, write->offset, write->length);
	return err ? err : send_data(t, write);
}

static int skip(struct clt_replay *t, u32 len)
{
	u8 buf[64];
	u32 n;
	int err = 0;

	for (; len && !err; len -= n) {
		n = min_t(u32, len, sizeof(buf));
		err = clt_stream_recv_all(t->stream, buf, n, t->deadline);
	}
	return err;
}

/* A discard is a hint: it may as well be lost. */
static void count_answer(struct clt_replay *t)
{
	const struct nbd_inflight *req = t->parser.req;

	t->answered |= 1UL << (req - t->sent);
	if (req->error && req->cmd != NBD_CMD_TRIM &&
	    req->cmd != NBD_CMD_FLUSH)
		t->refused++;
}

static int recv_answers(struct clt_replay *t)
{
	struct nbd_reply_parser *p = &t->parser;
	int err = 0;

	while (!err && hweight_long(t->answered) < t->nr_sent) {
		switch (nbd_reply_next(p)) {
		case NBD_REPLY_HEADER:
			err = clt_stream_recv_all(t->stream, p->buf, p->len,
						  t->deadline);
			break;
		case NBD_REPLY_SKIP:
			err = skip(t, p->len);
			break;
		case NBD_REPLY_DONE:
			count_answer(t);
			break;
		default:
			err = -EPROTO;
		}
	}
	return err;
}

static void begin_batch(struct clt_replay *t)
{
	t->nr_sent = 0;
	t->answered = 0;
	t->deadline = jiffies + t->leg->base.attempts.connect_timeout;
	nbd_reply_parser_init(&t->parser, t->leg->info.headers, find_sent, t,
			      t->why, sizeof(t->why));
}

static int write_all(struct clt_replay *t)
{
	const struct unbd_write *write = NULL;
	int err = 0;

	do {
		begin_batch(t);
		while (!err && t->nr_sent < BATCH) {
			write = unbd_replay_next(&t->leg->base, write);
			if (!write)
				break;
			err = send_write(t, write);
		}
		if (!err)
			err = recv_answers(t);
	} while (!err && write);
	return err;
}

/* What was answered is not to be lost a second time. */
static int flush(struct clt_replay *t)
{
	int err;

	begin_batch(t);
	err = send_command(t, NBD_CMD_FLUSH, 0, 0, 0);
	if (!err)
		err = recv_answers(t);
	return !err && t->sent[0].error ? -EIO : err;
}

static int replay(struct clt_leg *leg, struct unbd_stream *stream,
		  char *why, size_t len)
{
	struct clt_replay *t = kzalloc(sizeof(*t), GFP_KERNEL);
	int err = -ENOMEM;

	if (t) {
		t->stream = stream;
		t->leg = leg;
		err = write_all(t);
		if (!err)
			err = flush(t);
	}
	if (err)
		unbd_why(why, len, err,
			 "writing again what the server has lost: %s",
			 t && t->why[0] ? t->why : "the connection broke");
	err = unbd_leg_replayed(&leg->base, &leg->info.instance, err,
				t ? t->nr : 0, t ? t->refused : 0, why, len);
	kfree(t);
	return err;
}

/**
 * clt_recognise() - tell the core who the server is, and help its memory
 * @leg: leg whose first connection has been opened
 * @stream: that connection
 * @why: reason of a failure
 * @len: size of @why
 *
 * Sleeps for the server, at most connect_timeout for some requests.
 * Return: 0; or -errno, and the server has been told if it can be.
 */
int clt_recognise(struct clt_leg *leg, struct unbd_stream *stream,
		  char *why, size_t len)
{
	const struct nbd_export_info *info = &leg->info;
	struct clt_attempt attempt = { .leg = leg, .stream = stream };
	int err;

	err = unbd_leg_recognise(&leg->base, info->has_instance ?
				 &info->instance : NULL, why, len);
	if (err < 0)
		clt_say_goodbye(stream, info->headers);
	if (err <= 0)
		return err;
	err = clt_begin_attempt(&attempt);
	if (err)
		return unbd_leg_replayed(&leg->base, &info->instance, err, 0,
					 0, why, len);
	err = replay(leg, stream, why, len);
	clt_end_attempt(&attempt);
	return err;
}
