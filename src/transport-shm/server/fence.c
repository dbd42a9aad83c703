// SPDX-License-Identifier: GPL-2.0
/*
 * A client of ours names its requests, and waits for the end of others that it
 * made over connections that it has lost, of whatever transport.
 */
#define pr_fmt(fmt) "unbd-shm-server: " fmt

#include <linux/slab.h>
#include <linux/workqueue.h>

#include "server.h"

/**
 * struct srv_fence - a request to fence
 * @work: does it
 * @req: the request
 * @nr_keys: how many
 * @keys: a copy
 */
struct srv_fence {
	struct work_struct work;
	struct srv_request *req;
	unsigned int nr_keys;
	struct unbd_key keys[UNBD_MAX_KEYS];
};

static void fence_work(struct work_struct *work)
{
	struct srv_fence *fence = container_of(work, struct srv_fence, work);
	struct srv_request *req = fence->req;
	struct unbd_instance instance = {};
	struct unbd_export_info info;
	int err = unbd_conn_fence(&req->device->base, fence->keys,
				  fence->nr_keys);

	/* Where the keys were, the client finds who has answered. */
	unbd_export_current(&req->device->base, &info);
	if (info.features & UNBD_EXPORT_WRITE_CACHE)
		instance = *unbd_server_instance();
	if (!err)
		memcpy(req->conn->base.regions.buffer.addr + req->wire.buffer,
		       &instance, sizeof(instance));
	kfree(fence);
	req->io.done(&req->io, err);
}

static int begin(struct srv_request *req)
{
	struct shm_region *buffer = &req->conn->base.regions.buffer;
	const struct shm_request *rq = &req->wire;
	struct srv_fence *fence;

	if (!rq->length || rq->length > sizeof(fence->keys) ||
	    rq->length % sizeof(fence->keys[0]) || rq->length > buffer->size ||
	    rq->buffer > buffer->size - rq->length)
		return -EINVAL;
	fence = kmalloc(sizeof(*fence), GFP_NOIO);
	if (!fence)
		return -ENOMEM;
	fence->req = req;
	fence->nr_keys = rq->length / sizeof(fence->keys[0]);
	memcpy(fence->keys, buffer->addr + rq->buffer, rq->length);
	INIT_WORK(&fence->work, fence_work);
	queue_work(srv_fence_wq, &fence->work);
	return 0;
}

/**
 * srv_fence() - answer a client when requests of its have ended
 * @device: device that is open
 * @rq: what the client asks for, not checked; conn->free is not empty
 */
void srv_fence(struct srv_device *device, const struct shm_request *rq)
{
	struct srv_request *req = srv_take_request(device, rq);
	int err = begin(req);

	if (err)
		req->io.done(&req->io, err);
}
