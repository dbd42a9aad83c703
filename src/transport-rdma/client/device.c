// SPDX-License-Identifier: GPL-2.0
/*
 * RNBD's messages on the service connection, and what a device is like.
 *
 * Whoever waits for an answer may lose patience; the buffers then stay until
 * it comes or the connection ends.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/refcount.h>
#include <linux/slab.h>

#include "client.h"

/* The longest message and what RTRS puts behind it */
#define MSG_ROOM	(RNBD_MAX_MSG_LEN + RTRS_READ_LEN(1))

/* The longest answer */
#define ANSWER_ROOM	sizeof(struct rnbd_msg_open_rsp)

/* Blocks of this size are the largest that the block layer knows. */
#define MAX_BLOCK	65536u

/* How often to look whether a message can be sent */
#define SLOT_LOOK	msecs_to_jiffies(10)

/* A server answers within eight seconds; that it is there, heartbeats show. */
#define FENCE_TIME	(10 * HZ)

/**
 * struct clt_user - a message on its way
 * @refs: of whoever waits, and of the io
 * @path: path
 * @result: -EINPROGRESS, then the server's errno
 * @buf: data, if any go with it, and the message
 * @buf_addr: its DMA address
 * @data_len: bytes of data
 * @msg: message, in @buf
 * @is_read: it travels as an RTRS read, also without an answer's data
 * @answer: room for the data that answer it
 */
struct clt_user {
	refcount_t refs;
	struct clt_path *path;
	int result;
	u8 *buf;
	u64 buf_addr;
	u32 data_len;
	u8 *msg;
	bool is_read;
	u8 *answer;
};

/* ------------------------------------------------------------------ */
/* Messages                                                           */

static void put_user_msg(struct clt_user *user)
{
	if (!refcount_dec_and_test(&user->refs))
		return;
	kfree(user->answer);
	kfree(user->buf);
	kfree(user);
}

/* Whoever frees memory may be waiting for the path: see clt_connect_path(). */
static struct clt_user *make_user(struct clt_path *path, u32 data_len)
{
	const gfp_t gfp = GFP_NOWAIT | __GFP_MEMALLOC | __GFP_ZERO;
	struct clt_user *user = kmalloc(sizeof(*user), gfp);

	if (!user)
		return NULL;
	refcount_set(&user->refs, 1);
	user->path = path;
	user->result = -EINPROGRESS;
	user->data_len = data_len;
	user->buf = kmalloc(data_len + MSG_ROOM, gfp);
	user->msg = user->buf + data_len;
	user->answer = kmalloc(ANSWER_ROOM, gfp);
	if (user->buf && user->answer)
		return user;
	put_user_msg(user);
	return NULL;
}

/**
 * clt_user_done() - a message has its answer, or never will
 * @user: message; its io does not use it any more
 * @err: 0 or -errno
 *
 * Any context.
 */
void clt_user_done(struct clt_user *user, int err)
{
	struct clt_path *path = user->path;

	ib_dma_unmap_single(path->dev, user->buf_addr,
			    user->data_len + MSG_ROOM, DMA_TO_DEVICE);
	/* Pairs with clt_wait_for(). */
	smp_store_release(&user->result, err);
	wake_up_all(&path->wait);
	put_user_msg(user);
}

static int map_answer(struct clt_io *io, struct clt_user *user, u32 len)
{
	int err;

	sg_init_one(io->sg, user->answer, len);
	io->nents = 1;
	err = clt_io_map(io, DMA_FROM_DEVICE);
	if (!err)
		err = clt_io_register(io);
	return err;
}

/* @answer_len bytes are wanted in return: an RTRS read, without data. */
static int post_user(struct clt_io *io, struct clt_user *user, u32 len,
		     u32 answer_len)
{
	struct ib_sge sge = {
		.addr	= user->buf_addr,
		.length	= user->data_len + len,
		.lkey	= io->path->pd->local_dma_lkey,
	};

	if (answer_len)
		sge.length += rtrs_put_read(user->msg + len, len, answer_len,
					    io->mr->iova, io->mr->rkey);
	else if (user->is_read)
		sge.length += rtrs_put_read(user->msg + len, len, 0, 0, 0);
	else
		sge.length += rtrs_put_write(user->msg + len, len);
	ib_dma_sync_single_for_device(io->path->dev, user->buf_addr,
				      user->data_len + MSG_ROOM,
				      DMA_TO_DEVICE);
	return clt_io_post(io, &sge, 1, answer_len ?: user->data_len, len);
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

static int send_user(struct clt_user *user, u32 len, u32 answer_len)
{
	struct clt_path *path = user->path;
	struct clt_io *io = wait_for_io(path);
	int err = 0;

	if (!io && clt_path_broken(path))
		return -ENOTCONN;
	if (!io)
		return READ_ONCE(path->aborted) ? -ECANCELED : -EAGAIN;
	user->buf_addr = ib_dma_map_single(path->dev, user->buf,
					   user->data_len + MSG_ROOM,
					   DMA_TO_DEVICE);
	if (ib_dma_mapping_error(path->dev, user->buf_addr)) {
		clt_io_free(io);
		return -ENOMEM;
	}
	io->user = user;
	refcount_inc(&user->refs);
	if (answer_len)
		err = map_answer(io, user, answer_len);
	if (!err)
		err = post_user(io, user, len, answer_len);
	if (err) {
		io->registered = false;
		clt_io_free(io);
		clt_user_done(user, err);
	}
	return err;
}

/* Sends and waits; the server's errno comes back. */
static int ask(struct clt_user *user, u32 len, u32 answer_len,
	       char *why, size_t whylen, const char *what)
{
	int err;

	err = send_user(user, len, answer_len);
	if (err)
		return unbd_why(why, whylen, err, "%s cannot be sent", what);
	return clt_wait(user->path, &user->result, why, whylen, what);
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
	struct clt_user *user = make_user(path, 0);
	int err;
	u8 ver;

	if (!user)
		return unbd_why(why, len, -ENOMEM, "out of memory");
	rnbd_put_sess_info((struct rnbd_msg_sess_info *)user->msg);
	err = ask(user, sizeof(struct rnbd_msg_sess_info),
		  sizeof(struct rnbd_msg_sess_info_rsp), why, len,
		  "SESS_INFO");
	if (!err)
		err = rnbd_get_sess_info_rsp(user->answer, ANSWER_ROOM, &ver,
					     why, len);
	put_user_msg(user);
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

static int ask_open(struct clt_leg *leg, struct clt_user *user,
		    struct rnbd_device_info *info, char *why, size_t len)
{
	const char *name = leg->base.export_name;
	int err;

	err = rnbd_put_open((struct rnbd_msg_open *)user->msg, name,
			    access_mode(&leg->base));
	if (err)
		return unbd_why(why, len, err,
				"device_path= is longer than %d bytes",
				RNBD_DEV_NAME_LEN - 1);
	err = ask(user, sizeof(struct rnbd_msg_open), ANSWER_ROOM, why, len,
		  "OPEN");
	if (err && READ_ONCE(user->result) != -EINPROGRESS)
		return open_failed(err, name, why, len);
	if (err)
		return err;
	return rnbd_get_open_rsp(user->answer, ANSWER_ROOM, info, why, len);
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
	struct clt_user *user;
	int err;

	user = make_user(path, 0);
	if (!user)
		return unbd_why(why, len, -ENOMEM, "out of memory");
	err = ask_open(leg, user, &info, why, len);
	put_user_msg(user);
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
	struct clt_user *user = make_user(path, 0);
	char why[UNBD_WHY_LEN] = "";
	int err;

	if (!user)
		return;
	rnbd_put_close((struct rnbd_msg_close *)user->msg, leg->device_id);
	err = ask(user, sizeof(struct rnbd_msg_close), 0, why, sizeof(why),
		  "CLOSE");
	if (err && !clt_path_broken(path))
		pr_info("%s: device %s: %s (%d)\n", path->base.name,
			leg->base.export_name, why, err);
	put_user_msg(user);
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
	struct clt_user *user = make_user(path_of(leg), 0);
	size_t size;
	int err;

	if (!user)
		return unbd_why(why, len, -ENOMEM, "out of memory");
	size = rnbd_put_fence((struct rnbd_msg_unbd_fence *)user->msg,
			      base->keys, base->nr_keys);
	err = send_user(user, size, ANSWER_ROOM);
	if (err)
		unbd_why(why, len, err, "FENCE cannot be sent");
	else
		err = clt_wait_for(user->path, &user->result, FENCE_TIME,
				   why, len, "FENCE");
	if (!err)
		err = rnbd_get_fence_rsp(user->answer, ANSWER_ROOM, instance,
					 why, len);
	if (!err)
		clt_slots_fenced(path_of(leg)->session, base->keys + 1,
				 base->nr_keys - 1);
	put_user_msg(user);
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
	struct clt_user *user = make_user(path, data_len);
	struct rnbd_io wire = *io;
	int err;

	if (!user)
		return unbd_why(why, len, -ENOMEM, "out of memory");
	wire.device_id = leg->device_id;
	user->is_read = rnbd_op_is_read(io->op);
	rnbd_put_io((struct rnbd_msg_io *)user->msg, &wire);
	if (data_len)
		unbd_write_copy(user->buf, write, done, data_len);
	err = ask(user, sizeof(struct rnbd_msg_io), 0, why, len,
		  "what the server has lost");
	if (err && READ_ONCE(user->result) != -EINPROGRESS &&
	    !clt_path_broken(path))
		err = -err;
	put_user_msg(user);
	return err;
}
