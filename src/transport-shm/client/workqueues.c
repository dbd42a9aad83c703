// SPDX-License-Identifier: GPL-2.0
/*
 * For mapping disks, which may wait for their server for seconds.
 */
#include "client.h"

struct workqueue_struct *clt_map_wq;

/**
 * clt_workqueues_create() - make the module's queues
 *
 * Return: 0 or -ENOMEM.
 */
int clt_workqueues_create(void)
{
	clt_map_wq = alloc_workqueue("unbd-shm-map",
				     WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return clt_map_wq ? 0 : -ENOMEM;
}

/**
 * clt_workqueues_destroy() - undo clt_workqueues_create()
 */
void clt_workqueues_destroy(void)
{
	destroy_workqueue(clt_map_wq);
}
