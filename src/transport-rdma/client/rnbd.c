// SPDX-License-Identifier: GPL-2.0
/*
 * What the server is asked, on the service connection: RNBD's messages; and
 * what it says a device is like.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include "client.h"

/* Blocks of this size are the largest that the block layer knows. */
#define MAX_BLOCK	65536u

/* How often to look whether a message can be sent */
#define SLOT_LOOK	msecs_to_jiffies(10)

/* A server answers within eight seconds; that it is there, heartbeats show. */
#define FENCE_TIME	(10 * HZ)

/* ------------------------------------------------------------------ */
/* Messages                                                           */

static int map_answer(struct clt_io *io, struct clt_message *message, u32 len)
{
	int err;

	sg_init_one(io->sg, message->answer, len);
	io->nents = 1;
	err = clt_io_map(io, DMA_FROM_DEVICE);
	if (!err)
		err = clt_io_register(io);
	return err;
}

/* @answer_len bytes are wanted in return: an RTRS read, without data. */
static int post_message(struct clt_io *io, struct clt_message *message, u32 len,
			u32 answer_len)
{
	struct ib_sge sge = {
		.addr	= message->buf_addr,
		.length	= message->data_len + len,
		.lkey	= io->path->pd->local_dma_lkey,
	};

	if (answer_len)
		sge.length += rtrs_put_read(message->msg + len, len, answer_len,
					    io->mr->iova, io->mr->rkey);
	else if (message->is_read)
		sge.length += rtrs_put_read(message->msg + len, len, 0, 0, 0);
	else
		sge.length += rtrs_put_write(message->msg + len, len);
	ib_dma_sync_single_for_device(io->path->dev, message->buf_addr,
				      message->data_len + CLT_MSG_ROOM,
				      DMA_TO_DEVICE);
	return clt_io_post(io, &sge, 1, answer_len ?: message->data_len, len);
}

/* Few messages are under way at a time; others wait until one is answered. */
static struct clt_io *wait_for_io(struct clt_path *path)
{
	unsigned long end = jiffies + path->base.attempts.connect_timeout;
	struct clt_io *io = NULL;

	while (!clt_path_broken(path) && !READ_ONCE(path->aborted)) {
		io = clt_io_get(path->conns[0], NULL);
		if (io || time_after(jiffies, end))
			break;
		/* It may be another path's that is given back. */
		wait_event_timeout(path->wait, clt_path_broken(path) ||
				   READ_ONCE(path->aborted), SLOT_LOOK);
	}
	return io;
}

static int send_message(struct clt_message *message, u32 len, u32 answer_len)
{
	struct clt_path *path = message->path;
	struct clt_io *io = wait_for_io(path);
	int err;

	if (!io && clt_path_broken(path))
		return -ENOTCONN;
	if (!io)
		return READ_ONCE(path->aborted) ? -ECANCELED : -EAGAIN;
	err = clt_message_map(message);
	if (err) {
		clt_io_free(io);
		return err;
	}
	io->message = message;
	refcount_inc(&message->refs);
	if (answer_len)
		err = map_answer(io, message, answer_len);
	if (!err)
		err = post_message(io, message, len, answer_len);
	if (err) {
		io->registered = false;
		clt_io_free(io);
		clt_message_done(message, err);
	}
	return err;
}

/* Sends and waits; the server's errno comes back. */
static int ask(struct clt_message *message, u32 len, u32 answer_len,
	       char *why, size_t whylen, const char *what)
{
	int err;

	err = send_message(message, len, answer_len);
	if (err)
		return unbd_why(why, whylen, err, "%s cannot be sent", what);
	return clt_wait(message->path, &message->result, why, whylen, what);
}

/* ------------------------------------------------------------------ */
/* Session and devices                                                */

/**
 * clt_greet() - the first message of a session
 * @path: path that is connected
 * @why: reason of a failure
 * @len: size of @why
 *
 * Sleeps. Return: 0 or -errno.
 */
int clt_greet(struct clt_path *path, char *why, size_t len)
{
	struct clt_message *message = clt_message_make(path, 0);
	int err;
	u8 ver;

	if (!message)
		return unbd_why(why, len, -ENOMEM, "out of memory");
	rnbd_put_sess_info((struct rnbd_msg_sess_info *)message->msg);
	err = ask(message, sizeof(struct rnbd_msg_sess_info),
		  sizeof(struct rnbd_msg_sess_info_rsp), why, len,
		  "SESS_INFO");
	if (!err)
		err = rnbd_get_sess_info_rsp(message->answer, CLT_ANSWER_ROOM,
					     &ver, why, len);
	clt_message_put(message);
	return err;
}

static enum unbd_access_mode access_mode(const struct unbd_leg *leg)
{
	if (leg->migration)
		return UNBD_ACCESS_MIGRATION;
	return leg->read_only ? UNBD_ACCESS_RO : UNBD_ACCESS_RW;
}

static int open_failed(int err, const char *name, char *why, size_t len)
{
	switch (err) {
	case -ENOENT:
		return unbd_why(why, len, err, "the server has no device %.80s",
				name);
	case -EPERM:
		return unbd_why(why, len, err,
				"the server does not grant access to %.80s",
				name);
	}
	return unbd_why(why, len, err, "the server does not open %.80s", name);
}

static int ask_open(struct clt_leg *leg, struct clt_message *message,
		    struct rnbd_device_info *info, char *why, size_t len)
{
	const char *name = leg->base.export_name;
	int err;

	err = rnbd_put_open((struct rnbd_msg_open *)message->msg, name,
			    access_mode(&leg->base));
	if (err)
		return unbd_why(why, len, err,
				"device_path= is longer than %d bytes",
				RNBD_DEV_NAME_LEN - 1);
	err = ask(message, sizeof(struct rnbd_msg_open), CLT_ANSWER_ROOM, why,
		  len, "OPEN");
	if (err && READ_ONCE(message->result) != -EINPROGRESS)
		return open_failed(err, name, why, len);
	if (err)
		return err;
	return rnbd_get_open_rsp(message->answer, CLT_ANSWER_ROOM, info, why,
				 len);
}

static void set_geometry(struct clt_leg *leg,
			 const struct rnbd_device_info *info)
{
	struct clt_path *path = path_of(leg);
	u32 block = info->logical_block_size;
	struct unbd_geometry g = {
		.size			= info->size,
		.logical_block_size	= block,
		.physical_block_size	= info->physical_block_size,
		.max_io			= round_down(path->max_io, block),
		.max_segments		= path->max_segments,
		.virt_boundary		= CLT_MR_PAGE - 1,
		.max_discard		= info->max_discard,
		.discard_granularity	= info->discard_granularity,
		.max_write_zeroes	= info->max_write_zeroes,
		/* One device of the server is behind all connections. */
		.features		= UNBD_FEAT_MULTI_QUEUE |
					  UNBD_FEAT_FLUSH,
	};

	if (info->secure_erase)
		g.max_secure_erase = info->max_discard;
	if (info->write_cache)
		g.features |= UNBD_FEAT_WRITE_CACHE;
	if (info->fua)
		g.features |= UNBD_FEAT_FUA;
	if (info->rotational)
		g.features |= UNBD_FEAT_ROTATIONAL;
	/* What is not a multiple of a block cannot be asked for. */
	g.max_discard = min_t(u64, g.max_discard,
			      round_down(U32_MAX, MAX_BLOCK));
	g.max_secure_erase = min(g.max_secure_erase, g.max_discard);
	g.max_write_zeroes = min_t(u64, g.max_write_zeroes,
				   round_down(U32_MAX, MAX_BLOCK));
	leg->base.geometry = g;
}

/**
 * clt_open() - open a leg's device, or ask for its size
 * @leg: leg on a path that is connected
 * @why: reason of a failure
 * @len: size of @why
 *
 * A server answers a second time with the same device. Sleeps.
 * Return: 0 or -errno.
 */
int clt_open(struct clt_leg *leg, char *why, size_t len)
{
	struct clt_path *path = path_of(leg);
	struct rnbd_device_info info;
	struct clt_message *message;
	int err;

	message = clt_message_make(path, 0);
	if (!message)
		return unbd_why(why, len, -ENOMEM, "out of memory");
	err = ask_open(leg, message, &info, why, len);
	clt_message_put(message);
	if (err)
		return err;
	if (info.logical_block_size > path->max_io)
		return unbd_why(why, len, -EOPNOTSUPP,
				"blocks of %u bytes, requests of %u",
				info.logical_block_size, path->max_io);
	leg->device_id = info.device_id;
	leg->can_fence = info.fences;
	set_geometry(leg, &info);
	return 0;
}

/**
 * clt_close() - tell the server that a device is not used any more
 * @leg: leg
 *
 * Sleeps until the server has closed it, so that whoever wants it next gets it;
 * or for as long as it takes to connect, or until the path is aborted.
 */
void clt_close(struct clt_leg *leg)
{
	struct clt_path *path = path_of(leg);
	struct clt_message *message = clt_message_make(path, 0);
	char why[UNBD_WHY_LEN] = "";
	int err;

	if (!message)
		return;
	rnbd_put_close((struct rnbd_msg_close *)message->msg, leg->device_id);
	err = ask(message, sizeof(struct rnbd_msg_close), 0, why, sizeof(why),
		  "CLOSE");
	if (err && !clt_path_broken(path))
		pr_info("%s: device %s: %s (%d)\n", path->base.name,
			leg->base.export_name, why, err);
	clt_message_put(message);
}

/**
 * clt_fence() - name the path to the server, and have it end others
 * @leg: leg on a path that is connected, with the keys
 * @instance: gets the life that the server's machine is in
 * @why: reason of a failure
 * @len: size of @why
 *
 * Sleeps. A server answers late while its storage is slow, and then with an
 * error: it is to be asked again. Return: 0 or -errno.
 */
int clt_fence(struct clt_leg *leg, struct unbd_instance *instance, char *why,
	      size_t len)
{
	const struct unbd_leg *base = &leg->base;
	struct clt_message *message = clt_message_make(path_of(leg), 0);
	size_t size;
	int err;

	if (!message)
		return unbd_why(why, len, -ENOMEM, "out of memory");
	size = rnbd_put_fence((struct rnbd_msg_unbd_fence *)message->msg,
			      base->keys, base->nr_keys);
	err = send_message(message, size, CLT_ANSWER_ROOM);
	if (err)
		unbd_why(why, len, err, "FENCE cannot be sent");
	else
		err = clt_wait_for(message->path, &message->result, FENCE_TIME,
				   why, len, "FENCE");
	if (!err)
		err = rnbd_get_fence_rsp(message->answer, CLT_ANSWER_ROOM,
					 instance, why, len);
	if (!err)
		clt_slots_fenced(path_of(leg)->session, base->keys + 1,
				 base->nr_keys - 1);
	clt_message_put(message);
	return err;
}

/**
 * clt_ask_io() - have the server carry out one request, and wait
 * @leg: leg whose device is open
 * @io: no read; gets the device
 * @write: whose data go with it
 * @done: bytes of @write to skip
 * @why: reason of a failure
 * @len: size of @why
 *
 * Sleeps. The data are copied: nobody looks at @write after this. Return: 0;
 * what the server answered, a positive errno; or -errno if it has not.
 */
int clt_ask_io(struct clt_leg *leg, const struct rnbd_io *io,
	       const struct unbd_write *write, u32 done, char *why,
	       size_t len)
{
	u32 data_len = io->op == RNBD_OP_WRITE ? io->bytes : 0;
	struct clt_path *path = path_of(leg);
	struct clt_message *message = clt_message_make(path, data_len);
	struct rnbd_io wire = *io;
	int err;

	if (!message)
		return unbd_why(why, len, -ENOMEM, "out of memory");
	wire.device_id = leg->device_id;
	message->is_read = rnbd_op_is_read(io->op);
	rnbd_put_io((struct rnbd_msg_io *)message->msg, &wire);
	if (data_len)
		unbd_write_copy(message->buf, write, done, data_len);
	err = ask(message, sizeof(struct rnbd_msg_io), 0, why, len,
		  "what the server has lost");
	if (err && READ_ONCE(message->result) != -EINPROGRESS &&
	    !clt_path_broken(path))
		err = -err;
	clt_message_put(message);
	return err;
}
