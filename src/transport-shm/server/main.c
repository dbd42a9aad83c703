// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-shm-server: muenblock over shared memory for unbd-server.
 */
#define pr_fmt(fmt) "unbd-shm-server: " fmt

#include <linux/module.h>

#include "server.h"

static int __init srv_init(void)
{
	int err = srv_workqueues_create();

	if (err)
		return err;
	err = unbd_register_target(&srv_target_ops);
	if (err)
		goto err_wq;
	err = srv_conns_init();
	if (err)
		goto err_conns;
	return 0;

err_conns:
	srv_conns_exit();
	unbd_unregister_target(&srv_target_ops);
err_wq:
	srv_workqueues_destroy();
	return err;
}

static void __exit srv_exit(void)
{
	srv_conns_exit();
	unbd_unregister_target(&srv_target_ops);
	srv_workqueues_destroy();
}

module_init(srv_init);
module_exit(srv_exit);

MODULE_DESCRIPTION("unbd: muenblock server over shared memory");
MODULE_LICENSE("GPL");
MODULE_VERSION(UNBD_VERSION);
MODULE_ALIAS("unbd-target-shm");
MODULE_IMPORT_NS("UNBD");
