// SPDX-License-Identifier: GPL-2.0
/*
 * A path breaks, and whoever waits for its server wakes up.
 */
#include <linux/sched.h>

#include "client.h"

/**
 * clt_path_fail() - a path has broken
 * @path: path, being connected or connected
 * @error: -errno
 * @fmt: what happened
 *
 * Any context. Only the first one is reported.
 */
void clt_path_fail(struct clt_path *path, int error, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	unsigned long flags;
	va_list args;
	bool up;

	va_start(args, fmt);
	vaf.va = &args;
	spin_lock_irqsave(&path->lock, flags);
	if (clt_path_broken(path)) {
		spin_unlock_irqrestore(&path->lock, flags);
		va_end(args);
		return;
	}
	path->error = error;
	snprintf(path->cause, sizeof(path->cause), "%pV", &vaf);
	set_bit(CLT_PATH_BROKEN, &path->flags);
	up = test_bit(CLT_PATH_UP, &path->flags);
	spin_unlock_irqrestore(&path->lock, flags);
	va_end(args);
	wake_up_all(&path->wait);
	if (up)
		unbd_path_failed(&path->base, error, "%s", path->cause);
}

/**
 * clt_wait_for() - wait for the server
 * @path: path
 * @result: -EINPROGRESS until it is over
 * @timeout: jiffies
 * @why: reason of a failure
 * @len: size of @why
 * @what: is waited for
 *
 * Sleeps. Return: the result, -ECANCELED if aborted, or -ETIMEDOUT.
 */
int clt_wait_for(struct clt_path *path, const int *result,
		 unsigned long timeout, char *why, size_t len,
		 const char *what)
{
	int err;

	wait_event_timeout(path->wait, READ_ONCE(*result) != -EINPROGRESS ||
			   READ_ONCE(path->aborted) || clt_path_broken(path),
			   timeout);
	/* Pairs with step_done() and its like: what came with it is there. */
	err = smp_load_acquire(result);
	if (!err)
		return 0;
	if (READ_ONCE(path->aborted))
		return unbd_why(why, len, -ECANCELED,
				"connecting was given up");
	if (err == -EINPROGRESS && clt_path_broken(path))
		return unbd_why(why, len, path->error, "%s: %s", what,
				path->cause);
	if (err == -EINPROGRESS)
		return unbd_why(why, len, -ETIMEDOUT,
				"%s: no answer within %u ms", what,
				jiffies_to_msecs(timeout));
	return unbd_why(why, len, err, "%s failed", what);
}

/**
 * clt_wait() - wait for a step of connecting
 * @path: path
 * @result: -EINPROGRESS until it is over
 * @why: reason of a failure
 * @len: size of @why
 * @what: the step
 *
 * Sleeps for connect_timeout at most. Return: the result, -ECANCELED if
 * aborted, or -ETIMEDOUT.
 */
int clt_wait(struct clt_path *path, const int *result, char *why,
	     size_t len, const char *what)
{
	return clt_wait_for(path, result, path->base.attempts.connect_timeout,
			    why, len, what);
}
