// SPDX-License-Identifier: GPL-2.0
/*
 * Messages: what a client says that is no I/O. Greetings, opening and closing
 * devices, fencing.
 */
#define pr_fmt(fmt) "unbd-rdma-server: " fmt

#include <linux/blkdev.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "server.h"

/* Of one discard or zeroing; in units of any block size */
#define SRV_MAX_RANGE		SZ_2G

/* Of one request: what fits is limited by its chunk. */
#define SRV_MAX_SEGMENTS	256

static void srv_describe(const struct srv_request *req, u32 device_id,
			 const struct unbd_export_info *info,
			 struct rnbd_msg_open_rsp *rsp)
{
	u32 block = max_t(u32, info->min_io, SECTOR_SIZE);
	struct rnbd_device_info wire = {
		.device_id = device_id,
		.size = info->size,
		.max_io = req->path->session->pool.max_io_size,
		.max_segments = SRV_MAX_SEGMENTS,
		.logical_block_size = block,
		.physical_block_size = max(info->preferred_io, block),
		.discard_granularity = info->discard_granularity,
		.secure_erase = info->features & UNBD_EXPORT_SECURE_ERASE,
		.rotational = info->features & UNBD_EXPORT_ROTATIONAL,
		.write_cache = info->features & UNBD_EXPORT_WRITE_CACHE,
		.fua = info->features & UNBD_EXPORT_WRITE_CACHE,
		.fences = true,
	};

	if (info->features & (UNBD_EXPORT_DISCARD | UNBD_EXPORT_SECURE_ERASE))
		wire.max_discard = SRV_MAX_RANGE;
	if (info->features & UNBD_EXPORT_WRITE_ZEROES)
		wire.max_write_zeroes = SRV_MAX_RANGE;
	rnbd_put_open_rsp(rsp, &wire);
}

/* The answer goes into the chunk, as read data do. */
static void srv_put_answer(struct srv_request *req, const void *rsp, u32 len)
{
	req->reply_len = min3(len, req->wire.data_len, req->wire.desc_len);
	memcpy(srv_chunk(req->path->session, req->id), rsp, req->reply_len);
}

static int srv_message_greet(struct srv_request *req, const void *msg,
			     char *why, size_t whylen)
{
	struct rnbd_msg_sess_info_rsp rsp;
	u8 ver;
	int err;

	err = rnbd_get_sess_info(msg, req->wire.usr_len, &ver, why, whylen);
	if (err)
		return err;
	rnbd_put_sess_info_rsp(&rsp, ver);
	srv_put_answer(req, &rsp, sizeof(rsp));
	return 0;
}

static int srv_message_open(struct srv_request *req, const void *msg,
			    char *why, size_t whylen)
{
	struct srv_session *session = req->path->session;
	struct unbd_export_info info = {};
	struct rnbd_msg_open_rsp rsp;
	char name[RNBD_DEV_NAME_LEN];
	struct srv_device *device;
	enum unbd_access_mode mode;
	int err;

	err = rnbd_get_open(msg, req->wire.usr_len, name, &mode, why, whylen);
	if (err)
		return err;
	srv_device_wait(session, name);
	mutex_lock(&session->open_mutex);
	device = srv_device_again(session, name, mode, &info, &err);
	if (!device)
		device = srv_device_open(req->path, name, mode, &info, &err);
	if (!err) {
		atomic64_set(&device->size, info.size);
		srv_describe(req, device->id, &info, &rsp);
	}
	if (device)
		percpu_ref_put(&device->refs);
	mutex_unlock(&session->open_mutex);
	if (!err)
		srv_put_answer(req, &rsp, sizeof(rsp));
	return err;
}

static int srv_message_close(struct srv_request *req, const void *msg,
			     char *why, size_t whylen)
{
	struct srv_session *session = req->path->session;
	DECLARE_COMPLETION_ONSTACK(closed);
	struct srv_device *device;
	u32 id;
	int err;

	err = rnbd_get_close(msg, req->wire.usr_len, &id, why, whylen);
	if (err)
		return err;
	mutex_lock(&session->open_mutex);
	device = srv_device_get(session, id);
	if (device) {
		device->closed = &closed;
		srv_device_kill(device);
		percpu_ref_put(&device->refs);
	}
	mutex_unlock(&session->open_mutex);
	if (!device)
		return -ENOENT;
	/* So that somebody else can have it when the client knows. */
	unbd_wait_for_storage(&closed);
	return 0;
}

/* Waits, but not for long, and only once for a path: workers are few. */
static int srv_message_fence(struct srv_request *req, const void *msg,
			     char *why, size_t whylen)
{
	struct unbd_key keys[UNBD_MAX_KEYS];
	struct srv_path *path = req->path;
	struct rnbd_msg_unbd_fence_rsp rsp;
	unsigned int nr;
	int err;

	err = rnbd_get_fence(msg, req->wire.usr_len, keys, &nr, why, whylen);
	if (err)
		return err;
	if (test_and_set_bit_lock(0, &path->fencing))
		return -EBUSY;
	err = unbd_conn_fence(&path->base, keys, nr);
	clear_bit_unlock(0, &path->fencing);
	if (err)
		return err;
	rnbd_put_fence_rsp(&rsp, unbd_server_instance());
	srv_put_answer(req, &rsp, sizeof(rsp));
	return 0;
}

static int srv_message_obey(struct srv_request *req, char *why, size_t whylen)
{
	const struct rtrs_request *wire = &req->wire;
	const u8 *chunk = srv_chunk(req->path->session, req->id);
	u8 msg[RNBD_MAX_MSG_LEN];
	int type;

	if (wire->usr_len < sizeof(struct rnbd_msg_hdr) ||
	    wire->usr_len > sizeof(msg))
		return unbd_why(why, whylen, -EPROTO,
				"a message of %u bytes", wire->usr_len);
	memcpy(msg, chunk + wire->usr_off, wire->usr_len);
	type = unbd_rnbd_get_type(msg, wire->usr_len);
	if (type != req->type)
		return unbd_why(why, whylen, -EPROTO,
				"a message that becomes another");
	switch (type) {
	case RNBD_MSG_SESS_INFO:
		return srv_message_greet(req, msg, why, whylen);
	case RNBD_MSG_OPEN:
		return srv_message_open(req, msg, why, whylen);
	case RNBD_MSG_CLOSE:
		return srv_message_close(req, msg, why, whylen);
	case RNBD_MSG_UNBD_FENCE:
		return srv_message_fence(req, msg, why, whylen);
	}
	return unbd_why(why, whylen, -EPROTO, "a message of type %d", type);
}

static void srv_message(struct srv_request *req)
{
	char why[UNBD_WHY_LEN] = "";
	int err;

	/* Nobody is there any more who would get an answer. */
	if (srv_path_closing(req->path)) {
		srv_request_forget(req);
		return;
	}
	err = srv_message_obey(req, why, sizeof(why));
	if (err == -EPROTO) {
		srv_path_drop(req->path, "%s", why);
		srv_request_forget(req);
		return;
	}
	if (err && *why)
		pr_notice_ratelimited("%s: %s (%d)\n",
				      req->path->base.peer_name, why, err);
	srv_request_reply(req, err);
}

/* They end soon, and who comes back with I/O that waits depends on them. */
static bool srv_message_is_urgent(const struct srv_request *req)
{
	return req->type == RNBD_MSG_UNBD_FENCE;
}

static void srv_message_next(struct srv_session *session)
{
	struct srv_request *req;

	spin_lock(&session->message_lock);
	req = list_first_entry_or_null(&session->messages, struct srv_request,
				       entry);
	if (req)
		list_del_init(&req->entry);
	else
		session->nr_messages--;
	spin_unlock(&session->message_lock);
	if (req)
		queue_work(srv_message_wq, &req->work);
}

static void srv_message_work(struct work_struct *work)
{
	struct srv_request *req = container_of(work, struct srv_request, work);
	struct srv_session *session = req->path->session;
	bool urgent = srv_message_is_urgent(req);

	/* With the answer the path may go. */
	refcount_inc(&session->refs);
	srv_message(req);
	if (!urgent)
		srv_message_next(session);
	srv_session_put(session);
}

/**
 * srv_message_init() - prepare a request for being a message
 * @req: new
 */
void srv_message_init(struct srv_request *req)
{
	INIT_WORK(&req->work, srv_message_work);
}

/**
 * srv_message_start() - have what is no I/O carried out
 * @req: with its chunk
 * @type: of the message
 *
 * Process context. Does not wait for it: it may take long, but no client takes
 * the workers of others.
 */
void srv_message_start(struct srv_request *req, int type)
{
	struct srv_session *session = req->path->session;
	bool wait;

	req->type = type;
	spin_lock(&session->message_lock);
	wait = !srv_message_is_urgent(req) &&
		session->nr_messages == SRV_MESSAGES;
	if (wait)
		list_add_tail(&req->entry, &session->messages);
	else if (!srv_message_is_urgent(req))
		session->nr_messages++;
	spin_unlock(&session->message_lock);
	if (!wait)
		queue_work(srv_message_wq, &req->work);
}
