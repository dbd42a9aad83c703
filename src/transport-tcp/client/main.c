// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-tcp-client: the NBD protocol as a transport of unbd-client.
 */
#include <linux/jump_label.h>
#include <linux/module.h>
#include <linux/net.h>

#include "client.h"

static struct unbd_transport_ops clt_ops = {
	.owner		= THIS_MODULE,
	.name		= "tcp",
	.path_size	= sizeof(struct clt_path),
	.leg_size	= sizeof(struct clt_leg),
	.request_size	= sizeof(struct clt_request),
	.path_init	= clt_path_init,
	.path_exit	= clt_path_exit,
	.attach		= clt_leg_attach,
	.detach		= clt_leg_detach,
	.abort_leg	= clt_abort_attempts,
	.abort_leg_clear = clt_allow_attempts,
	.queue_rq	= clt_queue_rq,
	.commit_rqs	= clt_commit_rqs,
	.poll		= clt_poll,
	.moved		= clt_moved,
	.refresh	= clt_leg_refresh,
	.fence		= clt_leg_fence,
	.describe	= clt_path_describe,
};

/*
 * Sockets with access to reserves are looked for only while a static key is on.
 * Its sockets do not switch it themselves, see allow_reserves() in stream.c.
 */
static int __init unbd_tcp_client_init(void)
{
	int err = clt_workqueues_create();

	if (err)
		return err;
	err = unbd_register_transport(&clt_ops);
	if (err) {
		clt_workqueues_destroy();
		return err;
	}
	static_branch_inc(&memalloc_socks_key);
	return 0;
}

static void __exit unbd_tcp_client_exit(void)
{
	unbd_unregister_transport(&clt_ops);
	static_branch_dec(&memalloc_socks_key);
	clt_workqueues_destroy();
	/* Someone may still be about to leave a socket's callback. */
	synchronize_net();
}

module_init(unbd_tcp_client_init);
module_exit(unbd_tcp_client_exit);

MODULE_DESCRIPTION("unbd: NBD client over TCP, AF_UNIX and AF_VSOCK");
MODULE_LICENSE("GPL");
MODULE_VERSION(UNBD_VERSION);
MODULE_IMPORT_NS("UNBD");
MODULE_ALIAS("unbd-transport-tcp");
