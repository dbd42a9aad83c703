// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-tcp-server: the NBD protocol for unbd-server, over TCP, AF_UNIX and
 * AF_VSOCK.
 */
#define pr_fmt(fmt) "unbd-tcp-server: " fmt

#include <linux/module.h>

#include "server.h"

/* Handshakes, accepting, the end of connections: nothing here waits for long. */
struct workqueue_struct *srv_control_wq;
/* Stopping connections. */
struct workqueue_struct *srv_teardown_wq;
/* Looking for holes. */
/* The transmission phase. */
struct workqueue_struct *srv_io_wq;

static void srv_close(struct unbd_conn *base)
{
	srv_conn_kill(to_srv_conn(base));
}

struct unbd_target_ops srv_target_ops = {
	.owner = THIS_MODULE,
	.name = "tcp",
	.tells = true,
	.listener_size = sizeof(struct srv_listener),
	.listen = srv_listen,
	.unlisten = srv_unlisten,
	.close = srv_close,
};

static void srv_destroy_queues(void)
{
	if (srv_io_wq)
		destroy_workqueue(srv_io_wq);
	if (srv_teardown_wq)
		destroy_workqueue(srv_teardown_wq);
	if (srv_control_wq)
		destroy_workqueue(srv_control_wq);
}

static int srv_create_queues(void)
{
	srv_control_wq = alloc_workqueue("unbd-tcp-ctl",
					 WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	srv_teardown_wq = alloc_workqueue("unbd-tcp-end",
					  WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	srv_io_wq = alloc_workqueue("unbd-tcp-srv",
				    WQ_PERCPU | WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	if (srv_control_wq && srv_teardown_wq && srv_io_wq)
		return 0;
	srv_destroy_queues();
	return -ENOMEM;
}

static int __init srv_init(void)
{
	int err;

	srv_mem_init();
	err = srv_request_init();
	if (err)
		return err;
	err = srv_create_queues();
	if (err)
		goto free_requests;
	err = unbd_register_target(&srv_target_ops);
	if (err)
		goto destroy_queues;
	return 0;

destroy_queues:
	srv_destroy_queues();
free_requests:
	srv_request_exit();
	return err;
}

static void __exit srv_exit(void)
{
	unbd_unregister_target(&srv_target_ops);
	srv_mem_exit();
	/* The last connections' teardowns may not have returned yet. */
	srv_destroy_queues();
	srv_request_exit();
	/* Someone may still be about to leave a socket's callback. */
	synchronize_net();
}

module_init(srv_init);
module_exit(srv_exit);

MODULE_DESCRIPTION("NBD server for unbd over TCP, AF_UNIX and AF_VSOCK");
MODULE_LICENSE("GPL");
MODULE_VERSION(UNBD_VERSION);
MODULE_ALIAS("unbd-target-tcp");
MODULE_IMPORT_NS("UNBD");
