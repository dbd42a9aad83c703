// SPDX-License-Identifier: GPL-2.0
/*
 * What waits for a disk, which is not the connection's thread's work.
 */
#include "server.h"

struct workqueue_struct *srv_io_wq;
struct workqueue_struct *srv_fence_wq;

/**
 * srv_workqueues_create() - make the module's queues
 *
 * Return: 0 or -ENOMEM.
 */
int srv_workqueues_create(void)
{
	/* A worker for each disk that has no room */
	srv_io_wq = alloc_workqueue("unbd-shm-io", WQ_UNBOUND | WQ_MEM_RECLAIM,
				    WQ_MAX_ACTIVE);
	if (!srv_io_wq)
		return -ENOMEM;
	/* Takes seconds if the storage does */
	srv_fence_wq = alloc_workqueue("unbd-shm-fence",
				       WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (srv_fence_wq)
		return 0;
	destroy_workqueue(srv_io_wq);
	return -ENOMEM;
}

/**
 * srv_workqueues_destroy() - undo srv_workqueues_create()
 *
 * All connections have gone.
 */
void srv_workqueues_destroy(void)
{
	destroy_workqueue(srv_fence_wq);
	destroy_workqueue(srv_io_wq);
}
