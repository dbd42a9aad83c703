// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-shm-server: muenblock over shared memory for unbd-server.
 */
#define pr_fmt(fmt) "unbd-shm-server: " fmt

#include <linux/module.h>

#include "server.h"

enum shm_offset_unit srv_offset_unit = SHM_OFFSET_BLOCKS;

module_param_cb(offset_unit, &shm_param_offset_unit, &srv_offset_unit, 0444);
MODULE_PARM_DESC(offset_unit,
		 "what clients count offsets in: lba, 512 or bytes (default lba)");

static int srv_listen(struct unbd_listener *listener, char *why, size_t len)
{
	return unbd_why(why, len, -EOPNOTSUPP,
			"%s: connections are made by the module's parameter connections",
			listener->address);
}

static void srv_unlisten(struct unbd_listener *listener)
{
}

struct unbd_target_ops srv_target_ops = {
	.owner = THIS_MODULE,
	.name = "shm",
	.listener_size = sizeof(struct unbd_listener),
	.listen = srv_listen,
	.unlisten = srv_unlisten,
	.close = srv_close,
};

static int __init srv_init(void)
{
	int err;

	/* A worker for each disk that has no room */
	srv_io_wq = alloc_workqueue("unbd-shm-io", WQ_UNBOUND | WQ_MEM_RECLAIM,
				    WQ_MAX_ACTIVE);
	if (!srv_io_wq)
		return -ENOMEM;
	err = srv_fences_init();
	if (err)
		goto err_wq;
	err = unbd_register_target(&srv_target_ops);
	if (err)
		goto err_fences;
	err = srv_conns_init();
	if (err)
		goto err_conns;
	return 0;

err_conns:
	srv_conns_exit();
	unbd_unregister_target(&srv_target_ops);
err_fences:
	srv_fences_exit();
err_wq:
	destroy_workqueue(srv_io_wq);
	return err;
}

static void __exit srv_exit(void)
{
	srv_conns_exit();
	unbd_unregister_target(&srv_target_ops);
	srv_fences_exit();
	destroy_workqueue(srv_io_wq);
}

module_init(srv_init);
module_exit(srv_exit);

MODULE_DESCRIPTION("unbd: muenblock server over shared memory");
MODULE_LICENSE("GPL");
MODULE_VERSION(UNBD_VERSION);
MODULE_ALIAS("unbd-target-shm");
MODULE_IMPORT_NS("UNBD");
