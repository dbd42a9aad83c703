// SPDX-License-Identifier: GPL-2.0
/*
 * A path is to end, and why; or has shown that its client is there.
 */
#define pr_fmt(fmt) "unbd-rdma-server: " fmt

#include "server.h"

/**
 * srv_path_kill() - end a path soon
 * @path: that the core knows
 *
 * Any context, any number of times.
 */
void srv_path_kill(struct srv_path *path)
{
	if (test_and_set_bit(0, &path->closing))
		return;
	WRITE_ONCE(path->base.closing, true);
	queue_work(srv_control_wq, &path->teardown);
}

/**
 * srv_path_drop() - end a path and say why
 * @path: that the core knows
 * @fmt: what the client has done, without a newline
 *
 * Any context. Says nothing about a path that ends already.
 */
void srv_path_drop(struct srv_path *path, const char *fmt, ...)
{
	struct va_format vaf;
	va_list args;

	if (srv_path_closing(path))
		return;
	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	pr_notice_ratelimited("%s dropped: %pV\n", path->base.peer_name, &vaf);
	va_end(args);
	srv_path_kill(path);
}

/**
 * srv_path_seen() - something has come from the client
 * @path: by this path
 */
void srv_path_seen(struct srv_path *path)
{
	unsigned long now = jiffies;

	/* All connections' CPUs write here: not for every request. */
	if (READ_ONCE(path->seen) != now)
		WRITE_ONCE(path->seen, now);
}
