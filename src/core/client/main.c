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
struct workqueue_struct *unbd_split_wq;

static int __init unbd_client_init(void)
{
	int err = -ENOMEM;

	/*
	 * A path may wait seconds for its peer: unbound, so that no other
	 * work waits behind it, and able to go on when memory is short.
	 */
	unbd_wq = alloc_workqueue("unbd-client", WQ_UNBOUND | WQ_MEM_RECLAIM,
				  0);
	if (!unbd_wq)
		return err;
	unbd_split_wq = alloc_workqueue("unbd-split",
					WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!unbd_split_wq)
		goto destroy_wq;
	err = unbd_sysfs_init();
	if (!err)
		return 0;
	destroy_workqueue(unbd_split_wq);
destroy_wq:
	destroy_workqueue(unbd_wq);
	return err;
}

static void __exit unbd_client_exit(void)
{
	unbd_sysfs_exit();
	unbd_sessions_drain();
	unbd_events_exit();
	destroy_workqueue(unbd_split_wq);
	destroy_workqueue(unbd_wq);
}

module_init(unbd_client_init);
module_exit(unbd_client_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Unified network block device: client");
MODULE_VERSION(UNBD_VERSION);
