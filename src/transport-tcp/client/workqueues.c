// SPDX-License-Identifier: GPL-2.0
/*
 * Who works for this module: a queue for connections in their transmission
 * phase, and one for those that are being made, which wait for the server.
 */
#include <linux/workqueue.h>

#include "client.h"

struct workqueue_struct *clt_io_wq;
struct workqueue_struct *clt_connect_wq;

/**
 * clt_workqueues_destroy() - undo clt_workqueues_create()
 *
 * May sleep.
 */
void clt_workqueues_destroy(void)
{
	destroy_workqueue(clt_connect_wq);
	destroy_workqueue(clt_io_wq);
}

/**
 * clt_workqueues_create() - make both
 *
 * May sleep. Return: 0 or -ENOMEM.
 */
int clt_workqueues_create(void)
{
	clt_io_wq = alloc_workqueue("unbd-tcp-io", WQ_MEM_RECLAIM |
				    WQ_HIGHPRI | WQ_PERCPU, 0);
	if (!clt_io_wq)
		return -ENOMEM;
	clt_connect_wq = alloc_workqueue("unbd-tcp-connect", WQ_MEM_RECLAIM |
					 WQ_UNBOUND, 0);
	if (clt_connect_wq)
		return 0;
	destroy_workqueue(clt_io_wq);
	return -ENOMEM;
}
