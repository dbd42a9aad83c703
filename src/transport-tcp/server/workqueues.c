// SPDX-License-Identifier: GPL-2.0
/*
 * Who works for this module.
 */
#include <linux/workqueue.h>

#include "server.h"

struct workqueue_struct *srv_control_wq;
struct workqueue_struct *srv_teardown_wq;
struct workqueue_struct *srv_io_wq;

/**
 * srv_workqueues_destroy() - undo srv_workqueues_create(), also half of it
 *
 * May sleep.
 */
void srv_workqueues_destroy(void)
{
	if (srv_io_wq)
		destroy_workqueue(srv_io_wq);
	if (srv_teardown_wq)
		destroy_workqueue(srv_teardown_wq);
	if (srv_control_wq)
		destroy_workqueue(srv_control_wq);
}

/**
 * srv_workqueues_create() - make all of them
 *
 * May sleep. Return: 0, or -ENOMEM and there are none.
 */
int srv_workqueues_create(void)
{
	srv_control_wq = alloc_workqueue("unbd-tcp-ctl",
					 WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	srv_teardown_wq = alloc_workqueue("unbd-tcp-end",
					  WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	srv_io_wq = alloc_workqueue("unbd-tcp-srv",
				    WQ_PERCPU | WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	if (srv_control_wq && srv_teardown_wq && srv_io_wq)
		return 0;
	srv_workqueues_destroy();
	return -ENOMEM;
}
