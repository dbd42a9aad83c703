// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-rdma-server: RTRS and RNBD for unbd-server, over InfiniBand and RoCE.
 */
#define pr_fmt(fmt) "unbd-rdma-server: " fmt

#include <linux/log2.h>
#include <linux/module.h>
#include <linux/sizes.h>

#include "server.h"

static unsigned int sess_queue_depth = 512;
module_param(sess_queue_depth, uint, 0444);
MODULE_PARM_DESC(sess_queue_depth,
		 "requests of one client that are served at a time (default: 512)");

static unsigned int max_chunk_size = SZ_128K;
module_param(max_chunk_size, uint, 0444);
MODULE_PARM_DESC(max_chunk_size,
		 "bytes of memory for each of them, a power of two; 4 KiB are for headers (default: 131072)");

bool srv_copy_writes;
module_param_named(always_invalidate, srv_copy_writes, bool, 0644);
MODULE_PARM_DESC(always_invalidate,
		 "do not trust clients with data that they have written: copy them before the storage sees them (default: N)");

/* Connecting, heartbeats, teardown. */
struct workqueue_struct *srv_control_wq;
/* Opening and closing, which may wait for storage; SRV_MESSAGES of a client. */
struct workqueue_struct *srv_message_wq;
/*
 * Requests that have come, where they have: each connection has one work, which
 * waits for the storage's tags when there are none.
 */
struct workqueue_struct *srv_io_wq;

/* What every client is offered */
struct rtrs_pool srv_pool;

static void srv_close(struct unbd_conn *base)
{
	if (base->is_path)
		srv_path_kill(to_srv_path(base));
	else
		srv_device_close(base);
}

struct unbd_target_ops srv_target_ops = {
	.owner = THIS_MODULE,
	.name = "rdma",
	.searches = true,
	.listener_size = sizeof(struct srv_listener),
	.listen = srv_listen,
	.unlisten = srv_unlisten,
	.close = srv_close,
};

static int srv_init_pool(void)
{
	char why[UNBD_WHY_LEN];
	int err;

	if (!is_power_of_2(max_chunk_size) || max_chunk_size < SZ_8K ||
	    max_chunk_size > SZ_4M || max_chunk_size < PAGE_SIZE) {
		pr_err("max_chunk_size=%u: a power of two from 8 KiB to 4 MiB is expected\n",
		       max_chunk_size);
		return -EINVAL;
	}
	err = unbd_rtrs_pool_init(&srv_pool, sess_queue_depth,
				  max_chunk_size - SRV_HDR_SIZE, SRV_HDR_SIZE,
				  false, why, sizeof(why));
	if (err) {
		pr_err("sess_queue_depth=%u max_chunk_size=%u: %s\n",
		       sess_queue_depth, max_chunk_size, why);
		return -EINVAL;
	}
	return 0;
}

static void srv_destroy_queues(void)
{
	if (srv_message_wq)
		destroy_workqueue(srv_message_wq);
	if (srv_io_wq)
		destroy_workqueue(srv_io_wq);
	if (srv_control_wq)
		destroy_workqueue(srv_control_wq);
}

static int srv_create_queues(void)
{
	srv_control_wq = alloc_workqueue("unbd-rdma-ctl",
					 WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	srv_io_wq = alloc_workqueue("unbd-rdma-srv",
				    WQ_PERCPU | WQ_MEM_RECLAIM | WQ_HIGHPRI,
				    WQ_MAX_ACTIVE);
	srv_message_wq = alloc_workqueue("unbd-rdma-msg",
					 WQ_UNBOUND | WQ_MEM_RECLAIM,
					 WQ_MAX_ACTIVE);
	if (srv_control_wq && srv_io_wq && srv_message_wq)
		return 0;
	srv_destroy_queues();
	return -ENOMEM;
}

static int __init srv_init(void)
{
	int err;

	err = srv_init_pool();
	if (err)
		return err;
	err = srv_create_queues();
	if (err)
		return err;
	err = unbd_register_target(&srv_target_ops);
	if (err)
		srv_destroy_queues();
	return err;
}

static void __exit srv_exit(void)
{
	unbd_unregister_target(&srv_target_ops);
	/* The last teardowns may not have returned yet. */
	srv_destroy_queues();
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
