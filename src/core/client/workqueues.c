// SPDX-License-Identifier: GPL-2.0
/*
 * Who works for this module: queues with a rescuer each, for works that must
 * not be behind one another.
 */
#include <linux/workqueue.h>

#include "client.h"

struct workqueue_struct *unbd_wq;
struct workqueue_struct *unbd_urgent_wq;
struct workqueue_struct *unbd_leg_wq;
struct workqueue_struct *unbd_split_wq;
struct workqueue_struct *unbd_scan_wq;

static const struct {
	struct workqueue_struct **wq;
	const char *name;
} queues[] = {
	{ &unbd_wq, "unbd-client" },
	{ &unbd_urgent_wq, "unbd-urgent" },
	{ &unbd_leg_wq, "unbd-legs" },
	{ &unbd_split_wq, "unbd-split" },
	{ &unbd_scan_wq, "unbd-scan" },
};

/**
 * unbd_workqueues_destroy() - undo unbd_workqueues_create(), also half of it
 *
 * May sleep.
 */
void unbd_workqueues_destroy(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(queues) && *queues[i].wq; i++)
		destroy_workqueue(*queues[i].wq);
}

/**
 * unbd_workqueues_create() - make all of them
 *
 * A path may wait seconds for its peer: unbound, so that no other work waits
 * behind it, and able to go on when memory is short.
 *
 * May sleep. Return: 0, or -ENOMEM, and unbd_workqueues_destroy() is due.
 */
int unbd_workqueues_create(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		*queues[i].wq = alloc_workqueue("%s",
						WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
						queues[i].name);
		if (!*queues[i].wq)
			return -ENOMEM;
	}
	return 0;
}
