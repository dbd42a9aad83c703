// SPDX-License-Identifier: GPL-2.0
/*
 * Flushes, each of which waits for what was asked for before, and nothing that
 * waits for them.
 *
 * A device's requests have generations, of which there are two at most. With
 * the first flush a generation is closed: it gets no more requests. Flushes
 * that come while it lasts wait for the next one, too, which is closed when the
 * one before has gone.
 */
#include "server.h"

static void start_all(struct srv_request *list)
{
	struct srv_request *req;

	while ((req = list)) {
		list = req->next;
		if (req->conn->barrier)
			srv_give_back_request(req);
		else
			srv_start(req);
	}
}

/**
 * srv_sync_go() - the requests that a flush waits for are over
 * @device: device whose closed generation has gone
 */
void srv_sync_go(struct srv_device *device)
{
	struct srv_request *list;
	int closed;

	do {
		closed = !device->generation;
		list = device->syncs[closed];
		device->syncs[closed] = NULL;
		if (device->syncs[device->generation])
			device->generation = closed;
		start_all(list);
	} while (device->syncs[!device->generation] &&
		 !device->under_way[!device->generation]);
}

/**
 * srv_sync() - flush a device when what was asked for before is over
 * @device: device that is open
 * @wire: what the client asks for; conn->free is not empty
 */
void srv_sync(struct srv_device *device, const struct shm_request *wire)
{
	struct srv_request *req = srv_take_request(device, wire);
	int now = device->generation;

	if (!device->under_way[now] && !device->syncs[!now]) {
		srv_start(req);
		return;
	}
	req->next = device->syncs[now];
	device->syncs[now] = req;
	if (!device->syncs[!now])
		device->generation = !now;
}
