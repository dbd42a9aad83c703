// SPDX-License-Identifier: GPL-2.0
/*
 * What a client has open.
 *
 * All paths of a session have the same devices. A session that comes back opens
 * them only when those of its predecessor are closed: the storage may not have
 * finished what came by them.
 */
#define pr_fmt(fmt) "unbd-rdma-server: " fmt

#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "server.h"

/* How long a client that comes back waits for what it has left behind */
#define SRV_OPEN_TIMEOUT	(20 * HZ)

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
	device->base.ops = path->base.ops;
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

/**
 * srv_device_open() - open a device for a client
 * @path: by which it asks
 * @name: of the device
 * @mode: what it wants it for
 * @info: gets what it is like
 * @err: set in any case
 *
 * Once the core knows it, only srv_device_kill() ends it. Return: the device
 * with a reference, or NULL.
 */
struct srv_device *srv_device_open(struct srv_path *path, const char *name,
				   enum unbd_access_mode mode,
				   struct unbd_export_info *info, int *err)
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

/* Is there something of that name that has to go? */
static bool srv_device_is_closing(struct srv_session *session, const char *name)
{
	struct srv_device *device;

	lockdep_assert_held(&srv_mutex);

	device = srv_device_find(session, name);
	return device && test_bit(0, &device->killed);
}

/**
 * srv_device_again() - what is open already
 * @session: the client
 * @name: as it has given it
 * @mode: what it wants it for
 * @info: gets what it is like now
 * @err: set if there is one
 *
 * Return: the device with a reference, also on error; NULL if there is none.
 */
struct srv_device *srv_device_again(struct srv_session *session,
				    const char *name,
				    enum unbd_access_mode mode,
				    struct unbd_export_info *info, int *err)
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

static bool srv_may_open(struct srv_session *session, const char *name)
{
	bool may;

	mutex_lock(&srv_mutex);
	may = !srv_session_is_dying(session->uuid) &&
		!srv_device_is_closing(session, name);
	mutex_unlock(&srv_mutex);
	return may;
}

/**
 * srv_device_wait() - let what a client has left behind finish
 * @session: the client, maybe come back
 * @name: what it wants to open
 */
void srv_device_wait(struct srv_session *session, const char *name)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	long left = SRV_OPEN_TIMEOUT;
	bool may;

	/* Looking takes a mutex: that is no condition of wait_event(). */
	add_wait_queue(&srv_gone, &wait);
	while (!(may = srv_may_open(session, name)) && left)
		left = wait_woken(&wait, TASK_UNINTERRUPTIBLE, left);
	remove_wait_queue(&srv_gone, &wait);
	if (!may)
		pr_warn_ratelimited("session %s: the storage is still busy with what it had open before\n",
				    session->name);
}
