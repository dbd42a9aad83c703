// SPDX-License-Identifier: GPL-2.0
/*
 * Where work is done that completions have no time for.
 */
#include "server.h"

/* Connecting, heartbeats, teardown. */
struct workqueue_struct *srv_control_wq;
/* Opening and closing, which may wait for storage; SRV_MESSAGES of a client. */
struct workqueue_struct *srv_message_wq;
/*
 * Requests that have come, where they have: each connection has one work, which
 * waits for the storage's tags when there are none.
 */
struct workqueue_struct *srv_io_wq;

/**
 * srv_workqueues_destroy() - when nothing is queued any more
 */
void srv_workqueues_destroy(void)
{
	if (srv_message_wq)
		destroy_workqueue(srv_message_wq);
	if (srv_io_wq)
		destroy_workqueue(srv_io_wq);
	if (srv_control_wq)
		destroy_workqueue(srv_control_wq);
}

/**
 * srv_workqueues_create() - make all of them
 *
 * Return: 0 or -ENOMEM.
 */
int srv_workqueues_create(void)
{
	srv_control_wq = alloc_workqueue("unbd-rdma-ctl",
					 WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	srv_io_wq = alloc_workqueue("unbd-rdma-srv",
				    WQ_PERCPU | WQ_MEM_RECLAIM | WQ_HIGHPRI,
				    WQ_MAX_ACTIVE);
	srv_message_wq = alloc_workqueue("unbd-rdma-msg",
					 WQ_UNBOUND | WQ_MEM_RECLAIM,
					 WQ_MAX_ACTIVE);
	if (srv_control_wq && srv_io_wq && srv_message_wq)
		return 0;
	srv_workqueues_destroy();
	return -ENOMEM;
}
