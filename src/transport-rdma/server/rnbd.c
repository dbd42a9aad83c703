// SPDX-License-Identifier: GPL-2.0
/*
 * What a client says that is no I/O: greetings, opening and closing devices,
 * fencing.
 */
#define pr_fmt(fmt) "unbd-rdma-server: " fmt

#include <linux/blkdev.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "server.h"

/* Of one discard or zeroing; in units of any block size */
#define SRV_MAX_RANGE		SZ_2G

/* Of one request: what fits is limited by its chunk. */
#define SRV_MAX_SEGMENTS	256

/* ------------------------------------------------------------------ */
/* Devices                                                            */

static void srv_device_unused(struct percpu_ref *ref)
{
	struct srv_device *device = container_of(ref, struct srv_device, refs);

	queue_work(srv_control_wq, &device->remove);
}

static void srv_device_remove(struct work_struct *work)
{
	struct srv_device *device = container_of(work, struct srv_device,
						 remove);

	/* Who finds it under srv_mutex may use it so long. */
	mutex_lock(&srv_mutex);
	xa_cmpxchg(&device->session->devices, device->id, device, NULL, 0);
	mutex_unlock(&srv_mutex);
	unbd_conn_remove(&device->base);
}

static void srv_device_free(struct srv_device *device)
{
	struct srv_session *session = device->session;

	if (device->closed)
		complete(device->closed);
	percpu_ref_exit(&device->refs);
	kfree_rcu(device, rcu);
	srv_session_put(session);
	srv_something_gone();
}

static void srv_device_release(struct unbd_conn *base)
{
	srv_device_free(to_srv_device(base));
}

/**
 * srv_device_kill() - close a device soon
 * @device: that the core knows
 *
 * Does not wait, takes no lock. Any number of times.
 */
void srv_device_kill(struct srv_device *device)
{
	if (test_and_set_bit(0, &device->killed))
		return;
	WRITE_ONCE(device->base.closing, true);
	percpu_ref_kill(&device->refs);
}

/**
 * srv_device_close() - what unbd_target_ops.close() is for a device
 * @base: the device
 *
 * Its requests get ENOTCONN from then on; the client stays connected.
 */
void srv_device_close(struct unbd_conn *base)
{
	srv_device_kill(to_srv_device(base));
}

/**
 * srv_device_get() - the device that a request is for
 * @session: the client
 * @id: device_id
 *
 * Any context. Return: the device with a reference, or NULL.
 */
struct srv_device *srv_device_get(struct srv_session *session, u32 id)
{
	struct srv_device *device;

	rcu_read_lock();
	device = xa_load(&session->devices, id);
	if (device && !percpu_ref_tryget_live(&device->refs))
		device = NULL;
	rcu_read_unlock();
	return device;
}

/**
 * srv_devices_look() - have other sizes of a client's devices counted
 * @session: the client
 *
 * Process context.
 */
void srv_devices_look(struct srv_session *session)
{
	struct unbd_export_info info;
	struct srv_device *device;
	unsigned long id;

	xa_for_each(&session->devices, id, device) {
		device = srv_device_get(session, id);
		if (!device)
			continue;
		unbd_export_current(&device->base, &info);
		if (atomic64_xchg(&device->size, info.size) != info.size)
			atomic_inc(&session->news);
		percpu_ref_put(&device->refs);
	}
}

static struct srv_device *srv_device_alloc(struct srv_path *path,
					   const char *name,
					   enum unbd_access_mode mode)
{
	struct srv_device *device = kzalloc(sizeof(*device), GFP_NOIO);

	if (!device)
		return NULL;
	if (percpu_ref_init(&device->refs, srv_device_unused, 0, GFP_NOIO)) {
		kfree(device);
		return NULL;
	}
	device->base.ops = &srv_target_ops;
	device->base.release = srv_device_release;
	device->base.admission = path->base.admission;
	device->base.peer = path->base.peer;
	device->base.transport = "rdma";
	strscpy(device->base.peer_name, path->base.peer_name,
		sizeof(device->base.peer_name));
	device->session = path->session;
	refcount_inc(&path->session->refs);
	device->mode = mode;
	device->id = U32_MAX;
	INIT_WORK(&device->remove, srv_device_remove);
	strscpy(device->name, name, sizeof(device->name));
	return device;
}

/* The client may come by several paths: what is open is open to all. */
static int srv_device_publish(struct srv_device *device)
{
	struct srv_session *session = device->session;
	struct srv_path *path;
	int err = 0;

	mutex_lock(&srv_mutex);
	if (session->dying)
		err = -ESHUTDOWN;
	list_for_each_entry(path, &session->paths, entry)
		if (!err && !unbd_conn_allows(&device->base, &path->base.peer))
			err = -EACCES;
	if (!err)
		err = xa_alloc_cyclic(&session->devices, &device->id, device,
				      XA_LIMIT(0, INT_MAX),
				      &session->next_device, GFP_NOIO);
	mutex_unlock(&srv_mutex);
	return err < 0 ? err : 0;
}

/*
 * Once the core knows it, only srv_device_kill() ends it. Return: the device
 * with a reference, or NULL.
 */
static struct srv_device *srv_device_open(struct srv_path *path,
					  const char *name,
					  enum unbd_access_mode mode,
					  struct unbd_export_info *info,
					  int *err)
{
	struct srv_device *device = srv_device_alloc(path, name, mode);

	*err = device ? unbd_conn_add(&device->base) : -ENOMEM;
	if (*err) {
		if (device)
			srv_device_free(device);
		return NULL;
	}
	percpu_ref_get(&device->refs);
	*err = unbd_export_open_device(&device->base, path->session->name,
				       name, mode, info);
	device->stable = info->features & UNBD_EXPORT_STABLE_WRITES;
	if (!*err)
		*err = srv_device_publish(device);
	if (!*err)
		return device;
	srv_device_kill(device);
	percpu_ref_put(&device->refs);
	return NULL;
}

/* Return: what is open under that name, maybe being closed. */
static struct srv_device *srv_device_find(struct srv_session *session,
					  const char *name)
{
	struct srv_device *device;
	unsigned long id;

	lockdep_assert_held(&srv_mutex);

	xa_for_each(&session->devices, id, device)
		if (!strcmp(device->name, name))
			return device;
	return NULL;
}

/**
 * srv_device_is_closing() - is there something of that name that has to go?
 * @session: the client
 * @name: as it has given it
 */
bool srv_device_is_closing(struct srv_session *session, const char *name)
{
	struct srv_device *device;

	lockdep_assert_held(&srv_mutex);

	device = srv_device_find(session, name);
	return device && test_bit(0, &device->killed);
}

/*
 * A client that opens a device again wants to know what it is like now.
 * Return: the device with a reference, also on error; NULL if there is none.
 */
static struct srv_device *srv_device_again(struct srv_session *session,
					   const char *name,
					   enum unbd_access_mode mode,
					   struct unbd_export_info *info,
					   int *err)
{
	struct srv_device *device;

	mutex_lock(&srv_mutex);
	device = srv_device_find(session, name);
	if (device && !percpu_ref_tryget_live(&device->refs))
		device = NULL;
	mutex_unlock(&srv_mutex);
	if (!device)
		return NULL;
	*err = mode != UNBD_ACCESS_RO && device->mode == UNBD_ACCESS_RO ?
		-EPERM : 0;
	if (!*err)
		unbd_export_current(&device->base, info);
	return device;
}

/* ------------------------------------------------------------------ */
/* Messages                                                           */

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
	srv_session_wait(session, name);
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
