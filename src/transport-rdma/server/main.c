// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-rdma-server: RTRS and RNBD for unbd-server, over InfiniBand and RoCE.
 */
#include <linux/module.h>

#include "server.h"

static void srv_close(struct unbd_conn *base)
{
	if (base->is_path)
		srv_path_kill(to_srv_path(base));
	else
		srv_device_close(base);
}

static struct unbd_target_ops srv_target_ops = {
	.owner = THIS_MODULE,
	.name = "rdma",
	.searches = true,
	.listener_size = sizeof(struct srv_listener),
	.listen = srv_listen,
	.unlisten = srv_unlisten,
	.close = srv_close,
};

static int __init srv_init(void)
{
	int err;

	err = srv_pool_init();
	if (err)
		return err;
	err = srv_workqueues_create();
	if (err)
		return err;
	err = unbd_register_target(&srv_target_ops);
	if (err)
		srv_workqueues_destroy();
	return err;
}

static void __exit srv_exit(void)
{
	unbd_unregister_target(&srv_target_ops);
	/* The last teardowns may not have returned yet. */
	srv_workqueues_destroy();
	/* Devices are freed by RCU. */
	rcu_barrier();
}

module_init(srv_init);
module_exit(srv_exit);

MODULE_DESCRIPTION("RTRS and RNBD server for unbd over RDMA");
MODULE_LICENSE("GPL");
MODULE_VERSION(UNBD_VERSION);
MODULE_ALIAS("unbd-target-rdma");
MODULE_IMPORT_NS("UNBD");
