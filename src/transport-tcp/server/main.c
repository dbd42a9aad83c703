// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-tcp-server: the NBD protocol for unbd-server, over TCP, AF_UNIX and
 * AF_VSOCK.
 */
#include <linux/module.h>

#include "server.h"

static void srv_close(struct unbd_conn *base)
{
	srv_conn_kill(to_srv_conn(base));
}

static struct unbd_target_ops srv_target_ops = {
	.owner = THIS_MODULE,
	.name = "tcp",
	.tells = true,
	.listener_size = sizeof(struct srv_listener),
	.listen = srv_listen,
	.unlisten = srv_unlisten,
	.close = srv_close,
};

static int __init srv_init(void)
{
	int err;

	srv_mem_init();
	err = srv_request_init();
	if (err)
		return err;
	err = srv_workqueues_create();
	if (err)
		goto free_requests;
	err = unbd_register_target(&srv_target_ops);
	if (err)
		goto destroy_queues;
	return 0;

destroy_queues:
	srv_workqueues_destroy();
free_requests:
	srv_request_exit();
	return err;
}

static void __exit srv_exit(void)
{
	unbd_unregister_target(&srv_target_ops);
	srv_mem_exit();
	/* The last connections' teardowns may not have returned yet. */
	srv_workqueues_destroy();
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
