// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-server: the export server. Block devices and files are exported by
 * writing a line to /sys/devices/virtual/unbd-server/ctl/export_device.
 */
#include <linux/module.h>

#include "server.h"

static int __init unbd_server_init(void)
{
	int err;

	BUILD_BUG_ON(UNBD_EXPORT_NAME_LEN <= UNBD_NAME_MAX);

	unbd_instance_init();
	unbd_io_init();
	err = unbd_target_init();
	if (err)
		return err;
	err = unbd_sysfs_init();
	if (err)
		unbd_target_exit();
	return err;
}

static void __exit unbd_server_exit(void)
{
	unbd_sysfs_exit();
	unbd_target_exit();
}

module_init(unbd_server_init);
module_exit(unbd_server_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Unified network block device: server");
MODULE_VERSION(UNBD_VERSION);
