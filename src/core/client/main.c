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
struct workqueue_struct *unbd_leg_wq;
struct workqueue_struct *unbd_split_wq;
struct workqueue_struct *unbd_scan_wq;

static void destroy_queues(void)
{
	if (unbd_scan_wq)
		destroy_workqueue(unbd_scan_wq);
	if (unbd_split_wq)
		destroy_workqueue(unbd_split_wq);
	if (unbd_leg_wq)
		destroy_workqueue(unbd_leg_wq);
	if (unbd_wq)
		destroy_workqueue(unbd_wq);
}

/*
 * A path may wait seconds for its peer: unbound, so that no other work waits
 * behind it, and able to go on when memory is short.
 */
static int create_queues(void)
{
	unbd_wq = alloc_workqueue("unbd-client", WQ_UNBOUND | WQ_MEM_RECLAIM,
				  0);
	unbd_leg_wq = alloc_workqueue("unbd-legs", WQ_UNBOUND | WQ_MEM_RECLAIM,
				      0);
	unbd_split_wq = alloc_workqueue("unbd-split",
					WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	unbd_scan_wq = alloc_workqueue("unbd-scan",
				       WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return unbd_wq && unbd_leg_wq && unbd_split_wq && unbd_scan_wq ?
		0 : -ENOMEM;
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
