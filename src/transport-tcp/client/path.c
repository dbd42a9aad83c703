// SPDX-License-Identifier: GPL-2.0
/*
 * A path: the addresses as they were mapped, and as they turned out to be.
 */
#include <linux/net.h>

#include <unbd/compat-fs.h>

#include "client.h"

static int take_socket(struct clt_path *path, char *why, size_t len)
{
	char cause[UNBD_WHY_LEN];
	struct socket *sock;
	int err;

	sock = sockfd_lookup(path->dst.fd, &err);
	if (!sock)
		return unbd_why(why, len, err, "fd %d is %s", path->dst.fd,
				err == -ENOTSOCK ? "not a socket" :
				"not open");
	err = unbd_stream_check(sock, cause, sizeof(cause));
	if (err) {
		sockfd_put(sock);
		return unbd_why(why, len, err, "fd %d: %s", path->dst.fd,
				cause);
	}
	path->sock = sock;
	path->base.flags |= UNBD_PATH_ONE_SHOT;
	return 0;
}

/* An address that no connection could be made to shall not be mapped. */
static int check_address(struct clt_path *path,
			 const struct unbd_tcp_address *a,
			 const char *text, char *why, size_t len)
{
	struct sockaddr_storage ss;
	int n;

	n = unbd_tcp_resolve(path->base.net, a, &ss);
	if (n == -ENODEV)
		return unbd_why(why, len, n, "%s: no such interface", text);
	if (n < 0)
		return unbd_why(why, len, n, "%s: not an address", text);
	return 0;
}

static int init_source(struct clt_path *path, char *why, size_t len)
{
	const char *text = path->base.src;
	int err;

	err = unbd_tcp_parse_address(text, 0, &path->src, why, len);
	if (err)
		return err;
	if (path->src.kind != path->dst.kind ||
	    path->src.kind == UNBD_TCP_FD)
		return unbd_why(why, len, -EINVAL,
				"%s cannot be the source for %s", text,
				path->base.dst);
	path->has_src = true;
	return check_address(path, &path->src, text, why, len);
}

/**
 * clt_path_init() - take the addresses apart, &unbd_transport_ops.path_init
 * @base: zeroed but for the core's part
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0 or -errno.
 */
int clt_path_init(struct unbd_path *base, char *why, size_t len)
{
	struct clt_path *path = to_clt_path(base);
	int err;

	spin_lock_init(&path->lock);
	INIT_LIST_HEAD(&path->attempts);
	err = unbd_tcp_parse_address(base->dst,
				     base->port ? base->port :
				     NBD_DEFAULT_PORT, &path->dst, why, len);
	if (!err && base->src)
		err = init_source(path, why, len);
	if (err)
		return err;
	if (path->dst.kind == UNBD_TCP_FD)
		return take_socket(path, why, len);
	err = check_address(path, &path->dst, base->dst, why, len);
	if (!err && path->dst.kind == UNBD_TCP_UNIX)
		unbd_keep_root(&path->root);
	return err;
}

/**
 * clt_path_exit() - the path goes, &unbd_transport_ops.path_exit
 * @base: path without legs
 */
void clt_path_exit(struct unbd_path *base)
{
	struct clt_path *path = to_clt_path(base);

	if (path->sock)
		sockfd_put(path->sock);
	unbd_forget_root(&path->root);
}

/**
 * clt_path_describe() - both ends as text, &unbd_transport_ops.describe
 * @base: path
 * @src: our end of the last connection that came about, or ""
 * @dst: the server's
 * @len: size of each
 */
void clt_path_describe(struct unbd_path *base, char *src, char *dst,
		       size_t len)
{
	struct clt_path *path = to_clt_path(base);

	spin_lock(&path->lock);
	strscpy(src, path->src_name, len);
	strscpy(dst, path->dst_name, len);
	spin_unlock(&path->lock);
}
