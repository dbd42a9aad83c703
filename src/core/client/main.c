// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-client: the block front end. Disks are mapped by writing a line to
 * /sys/devices/virtual/unbd-client/ctl/map_device.
 */
#include <linux/module.h>

#include "client.h"

static int __init unbd_client_init(void)
{
	int err = unbd_workqueues_create();

	if (!err)
		err = unbd_sysfs_init();
	if (err)
		unbd_workqueues_destroy();
	return err;
}

static void __exit unbd_client_exit(void)
{
	unbd_sysfs_exit();
	unbd_sessions_drain();
	unbd_events_exit();
	unbd_workqueues_destroy();
}

module_init(unbd_client_init);
module_exit(unbd_client_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Unified network block device: client");
MODULE_VERSION(UNBD_VERSION);
