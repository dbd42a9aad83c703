// SPDX-License-Identifier: GPL-2.0
/*
 * The thread that reads a channel.
 */
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>

#include "thread.h"

static unsigned int poll_us = 50;
module_param(poll_us, uint, 0644);
MODULE_PARM_DESC(poll_us,
		 "microseconds to look for more before sleeping (default 50)");

/* Looking costs a processor: not for longer than that, whatever is asked */
#define MOST_POLL_US	10000

/* Sleep without notifications: from, to, and to while something is expected */
#define FIRST_NAP_US	20
#define LAST_NAP_US	4000
#define BUSY_NAP_US	200

/* What no notification tells of: a peer that has gone, keepalive */
#define TICK_US		100000

/**
 * shm_thread_kick() - let a thread look
 * @thread: started or not
 *
 * Any context.
 */
void shm_thread_kick(struct shm_thread *thread)
{
	WRITE_ONCE(thread->kicked, true);
	/* Its barrier pairs with take_a_nap(): the flag is seen, or the sleeper. */
	rcuwait_wake_up(&thread->sleeper);
}
EXPORT_SYMBOL_UNBD(shm_thread_kick);

static void notified(struct shm_watch *watch)
{
	struct shm_thread *thread = container_of(watch, struct shm_thread,
						 watch);

	WRITE_ONCE(thread->untold, false);
	shm_thread_kick(thread);
}

static bool wanted(struct shm_thread *thread)
{
	return READ_ONCE(thread->kicked) || thread->ops->pending(thread) ||
	       kthread_should_stop() || kthread_should_park();
}

/* On the only processor, looking keeps a peer that shares it from working. */
static bool look_around(struct shm_thread *thread)
{
	unsigned int us = min(READ_ONCE(poll_us), MOST_POLL_US + 0U);
	ktime_t end;

	if (!us || (num_online_cpus() == 1 && thread->region->local))
		return false;
	end = ktime_add_us(ktime_get(), us);
	do {
		if (wanted(thread))
			return true;
		cpu_relax();
	} while (!need_resched() && ktime_before(ktime_get(), end));
	return false;
}

static unsigned int next_nap(struct shm_thread *thread)
{
	unsigned int most;

	if (!thread->region->polled && !READ_ONCE(thread->untold))
		return TICK_US;
	most = thread->ops->busy(thread) ? BUSY_NAP_US : LAST_NAP_US;
	thread->nap = clamp(2 * thread->nap, FIRST_NAP_US + 0U, most);
	return thread->nap;
}

/* Until it is woken; the tick's timer is one that costs little to cancel. */
static void sleep_for(unsigned int us)
{
	ktime_t timeout = ns_to_ktime((u64)us * NSEC_PER_USEC);

	if (us == TICK_US)
		schedule_timeout(usecs_to_jiffies(TICK_US));
	else
		schedule_hrtimeout_range(&timeout, us * (NSEC_PER_USEC / 4),
					 HRTIMER_MODE_REL);
}

static void take_a_nap(struct shm_thread *thread)
{
	unsigned int us = next_nap(thread);
	bool sleeps;

	prepare_to_rcuwait(&thread->sleeper);
	/* Its barrier pairs with shm_thread_kick(). */
	set_current_state(TASK_IDLE);
	sleeps = !wanted(thread);
	if (sleeps)
		sleep_for(us);
	finish_rcuwait(&thread->sleeper);
	/* Until it is notified again it looks, as where nobody ever is. */
	if (sleeps && !READ_ONCE(thread->kicked) &&
	    thread->ops->pending(thread))
		WRITE_ONCE(thread->untold, true);
}

static int run(void *arg)
{
	struct shm_thread *thread = arg;
	bool awake = true;

	if (thread->ops->freezes)
		set_freezable();
	while (!kthread_should_stop()) {
		try_to_freeze();
		if (kthread_should_park()) {
			kthread_parkme();
			/* It may be woken to end. */
			continue;
		}
		cond_resched();
		if (READ_ONCE(thread->kicked)) {
			awake = true;
			thread->nap = 0;
		}
		WRITE_ONCE(thread->kicked, false);
		/* Pairs with shm_thread_kick(): what it is for comes after. */
		smp_mb();
		if (thread->ops->work(thread)) {
			awake = true;
			thread->nap = 0;
		}
		/* Who has just slept in vain had better sleep on. */
		if (awake && look_around(thread))
			continue;
		awake = false;
		take_a_nap(thread);
	}
	return 0;
}

static int create(struct shm_thread *thread, const char *role, u32 id)
{
	struct task_struct *task;

	task = kthread_create(run, thread, "unbd-%s-%u", role, id);
	if (IS_ERR(task))
		return PTR_ERR(task);
	rcuwait_init(&thread->sleeper);
	thread->task = task;
	return 0;
}

/**
 * shm_thread_start() - begin to read a channel
 * @thread: zeroed, or one that was stopped or paused
 * @ops: what it does
 * @region: of the channel
 * @role: for the thread's name
 * @id: likewise
 *
 * Return: 0 or -errno.
 */
int shm_thread_start(struct shm_thread *thread,
		     const struct shm_thread_ops *ops,
		     struct shm_region *region, const char *role, u32 id)
{
	bool paused = thread->task;
	int err;

	thread->ops = ops;
	thread->region = region;
	thread->watch.notified = notified;
	thread->nap = 0;
	thread->untold = false;
	err = paused ? 0 : create(thread, role, id);
	if (err)
		return err;
	thread->running = true;
	if (!region->polled)
		region->provider->watch(region, &thread->watch);
	if (paused)
		kthread_unpark(thread->task);
	else
		wake_up_process(thread->task);
	return 0;
}
EXPORT_SYMBOL_UNBD(shm_thread_start);

static void unwatch(struct shm_thread *thread)
{
	if (thread->running && !thread->region->polled)
		thread->region->provider->unwatch(thread->region,
						  &thread->watch);
	thread->running = false;
}

/**
 * shm_thread_pause() - cease to read a channel, to go on later
 * @thread: started or not
 *
 * To go on takes no memory: what makes threads waits for some, and that may
 * wait for the disk behind the channel.
 */
void shm_thread_pause(struct shm_thread *thread)
{
	if (!thread->running)
		return;
	kthread_park(thread->task);
	unwatch(thread);
}
EXPORT_SYMBOL_UNBD(shm_thread_pause);

/**
 * shm_thread_stop() - cease to read a channel
 * @thread: started or not
 */
void shm_thread_stop(struct shm_thread *thread)
{
	if (!thread->task)
		return;
	kthread_stop(thread->task);
	thread->task = NULL;
	unwatch(thread);
}
EXPORT_SYMBOL_UNBD(shm_thread_stop);
