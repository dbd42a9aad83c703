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

/**
 * srv_sync_due() - the flushes that wait no longer
 * @device: device whose closed generation may have gone
 *
 * Return: a list by next, or NULL. There may be more then.
 */
struct srv_request *srv_sync_due(struct srv_device *device)
{
	int closed = !device->generation;
	struct srv_request *list = device->syncs[closed];

	if (!list || device->under_way[closed])
		return NULL;
	device->syncs[closed] = NULL;
	if (device->syncs[device->generation])
		device->generation = closed;
	return list;
}

/**
 * srv_sync_waits() - has a flush to wait?
 * @req: flush, just taken
 *
 * Return: whether it has; then srv_sync_due() will return it.
 */
bool srv_sync_waits(struct srv_request *req)
{
	struct srv_device *device = req->device;
	int now = device->generation;

	if (!device->under_way[now] && !device->syncs[!now])
		return false;
	req->next = device->syncs[now];
	device->syncs[now] = req;
	if (!device->syncs[!now])
		device->generation = !now;
	return true;
}
