// SPDX-License-Identifier: GPL-2.0
/*
 * What the core wants of us: nothing but that a device be closed.
 */
#include <linux/module.h>

#include "server.h"

static int srv_listen(struct unbd_listener *listener, char *why, size_t len)
{
	return unbd_why(why, len, -EOPNOTSUPP,
			"%s: connections are made by the module's parameter connections",
			listener->address);
}

static void srv_unlisten(struct unbd_listener *listener)
{
}

/*
 * The thread has the client begin anew, as it knows of no other end of a
 * device, and closes it when nothing is at the storage any more.
 */
static void srv_close(struct unbd_conn *base)
{
	struct srv_device *device = container_of(base, struct srv_device,
						 base);

	WRITE_ONCE(device->closing, true);
	shm_thread_kick(&device->conn->thread);
}

struct unbd_target_ops srv_target_ops = {
	.owner = THIS_MODULE,
	.name = "shm",
	.listener_size = sizeof(struct unbd_listener),
	.listen = srv_listen,
	.unlisten = srv_unlisten,
	.close = srv_close,
};
