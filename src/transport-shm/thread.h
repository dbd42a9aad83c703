/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The thread that reads a channel: looks for a while before it sleeps, and
 * sleeps until it is notified, or for a short time where nobody notifies.
 */
#ifndef UNBD_SHM_THREAD_H
#define UNBD_SHM_THREAD_H

#include <linux/ktime.h>
#include <linux/rcuwait.h>
#include <linux/sched.h>

#include "provider.h"

struct shm_thread;

/**
 * struct shm_thread_ops - what a thread does
 * @work: a bounded piece of work, at least ten times a second. Returns
 *	whether there was anything to do.
 * @pending: would @work find something? Cheap.
 * @busy: is the peer expected to write soon? Then a thread that has to look
 *	looks more often.
 * @freezes: it rests while the machine is put to sleep: what it changed by then
 *	would not be known to one that wakes from an image of its memory
 */
struct shm_thread_ops {
	bool (*work)(struct shm_thread *thread);
	bool (*pending)(struct shm_thread *thread);
	bool (*busy)(struct shm_thread *thread);
	bool freezes;
};

/**
 * struct shm_thread - a thread that reads a channel
 * @ops: what it does
 * @region: of the channel
 * @task: the thread, NULL while there is none
 * @running: it is started, and neither paused nor stopped
 * @watch: of @region
 * @sleeper: the same while it sleeps
 * @kicked: somebody wants it to look
 * @nap: microseconds that it last slept without a notification
 * @untold: the peer has written without one: it may have none to give
 */
struct shm_thread {
	const struct shm_thread_ops *ops;
	struct shm_region *region;
	struct task_struct *task;
	bool running;
	struct shm_watch watch;
	struct rcuwait sleeper;
	bool kicked;
	unsigned int nap;
	bool untold;
};

int shm_thread_start(struct shm_thread *thread,
		     const struct shm_thread_ops *ops,
		     struct shm_region *region, const char *role, u32 id);
void shm_thread_pause(struct shm_thread *thread);
void shm_thread_stop(struct shm_thread *thread);
void shm_thread_kick(struct shm_thread *thread);

#endif
