// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-shm-client: muenblock over shared memory as a transport of unbd-client.
 */
#define pr_fmt(fmt) "unbd-shm-client: " fmt

#include <linux/module.h>
#include <linux/string.h>

#include "client.h"

#define SCHEME	"shm:"

static int clt_path_init(struct unbd_path *base, char *why, size_t len)
{
	u32 id;

	if (shm_parse_id(base->dst + strlen(SCHEME), &id))
		return unbd_why(why, len, -EINVAL, "%s: shm:ID is expected",
				base->dst);
	return clt_conn_claim(to_clt_path(base), id, why, len);
}

static void clt_path_exit(struct unbd_path *base)
{
	clt_conn_unclaim(to_clt_path(base));
}

static int clt_connect(struct unbd_path *base, char *why, size_t len)
{
	struct clt_path *path = to_clt_path(base);
	int err = clt_link_up(path, why, len);

	if (!err)
		clt_conn_show_disks(path->conn);
	return err;
}

static void clt_disconnect(struct unbd_path *base)
{
	clt_link_down(to_clt_path(base)->conn);
}

static void clt_abort(struct unbd_path *base)
{
	struct clt_path *path = to_clt_path(base);

	WRITE_ONCE(path->aborted, true);
	wake_up_all(&path->conn->control_wait);
}

static void clt_abort_clear(struct unbd_path *base)
{
	WRITE_ONCE(to_clt_path(base)->aborted, false);
}

static void describe_region(char *to, size_t len,
			    const struct shm_region_name *name)
{
	if (name->length)
		snprintf(to, len, "%s@%s+%#llx+%#llx", name->provider,
			 name->place, name->offset, name->length);
	else
		snprintf(to, len, "%s%s%s/%s", name->provider,
			 *name->place ? "@" : "", name->place, name->name);
}

static void clt_describe(struct unbd_path *base, char *src, char *dst,
			 size_t len)
{
	struct clt_conn *conn = to_clt_path(base)->conn;

	describe_region(src, len, &conn->base.option.request);
	describe_region(dst, len, &conn->base.option.response);
}

static struct unbd_transport_ops clt_ops = {
	.owner		= THIS_MODULE,
	.name		= "shm",
	.path_size	= sizeof(struct clt_path),
	.leg_size	= sizeof(struct clt_leg),
	.request_size	= 0,
	.path_init	= clt_path_init,
	.path_exit	= clt_path_exit,
	.connect	= clt_connect,
	.disconnect	= clt_disconnect,
	.attach		= clt_attach,
	.detach		= clt_detach,
	.abort		= clt_abort,
	.abort_clear	= clt_abort_clear,
	.queue_rq	= clt_queue_rq,
	.commit_rqs	= clt_commit_rqs,
	.poll		= clt_poll,
	.refresh	= clt_refresh,
	.fence		= clt_fence,
	.describe	= clt_describe,
};

static int __init unbd_shm_client_init(void)
{
	int err = clt_workqueues_create();

	if (err)
		return err;
	err = unbd_register_transport(&clt_ops);
	if (err)
		goto err_wq;
	err = clt_conns_init();
	if (err)
		goto err_conns;
	return 0;

err_conns:
	shm_connections_exit(&clt_connections);
	unbd_unregister_transport(&clt_ops);
err_wq:
	clt_workqueues_destroy();
	return err;
}

static void __exit unbd_shm_client_exit(void)
{
	shm_connections_exit(&clt_connections);
	unbd_unregister_transport(&clt_ops);
	clt_workqueues_destroy();
}

module_init(unbd_shm_client_init);
module_exit(unbd_shm_client_exit);

MODULE_DESCRIPTION("unbd: muenblock client over shared memory");
MODULE_LICENSE("GPL");
MODULE_VERSION(UNBD_VERSION);
MODULE_IMPORT_NS("UNBD");
MODULE_ALIAS("unbd-transport-shm");
