// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-client: the block front end. Disks are mapped by writing a line to
 * /sys/devices/virtual/unbd-client/ctl/map_device.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/module.h>

#include "client.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

struct workqueue_struct *unbd_wq;
struct workqueue_struct *unbd_urgent_wq;
struct workqueue_struct *unbd_leg_wq;
struct workqueue_struct *unbd_split_wq;
struct workqueue_struct *unbd_scan_wq;

static const struct {
	struct workqueue_struct **wq;
	const char *name;
} queues[] = {
	{ &unbd_wq, "unbd-client" },
	{ &unbd_urgent_wq, "unbd-urgent" },
	{ &unbd_leg_wq, "unbd-legs" },
	{ &unbd_split_wq, "unbd-split" },
	{ &unbd_scan_wq, "unbd-scan" },
};

static void destroy_queues(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(queues) && *queues[i].wq; i++)
		destroy_workqueue(*queues[i].wq);
}

/*
 * A path may wait seconds for its peer: unbound, so that no other work waits
 * behind it, and able to go on when memory is short.
 */
static int create_queues(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		*queues[i].wq = alloc_workqueue("%s",
						WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
						queues[i].name);
		if (!*queues[i].wq)
			return -ENOMEM;
	}
	return 0;
}

static int __init unbd_client_init(void)
{
	int err = create_queues();

	if (!err)
		err = unbd_sysfs_init();
	if (err)
		destroy_queues();
	return err;
}

static void __exit unbd_client_exit(void)
{
	unbd_sysfs_exit();
	unbd_sessions_drain();
	unbd_events_exit();
	destroy_queues();
}

module_init(unbd_client_init);
module_exit(unbd_client_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Unified network block device: client");
MODULE_VERSION(UNBD_VERSION);
