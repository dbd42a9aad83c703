// SPDX-License-Identifier: GPL-2.0
/*
 * Whose a chunk is.
 *
 * All paths of a session write to the same chunks. When a client gives a path
 * up, it sends what was under way there by another one, into the same chunk;
 * but the storage may not have finished the first yet. So a request waits
 * until no other path's has its chunk: then its answer cannot come early, and
 * the client cannot put something new where the storage still reads.
 */
#include "server.h"

/**
 * srv_request_release() - a request's chunk is the client's again
 * @req: not to be touched afterwards
 *
 * Any context, with a reference to the path.
 */
void srv_request_release(struct srv_request *req)
{
	struct srv_session *session = req->path->session;
	u32 id = req->id;

	clear_bit_unlock(0, &req->busy);
	/* A full barrier, against srv_request_wait(): one sees the other. */
	xchg(&session->slots[id], NULL);
	if (!list_empty_careful(&session->fenced))
		queue_work(srv_io_wq, &session->fence);
}

/**
 * srv_request_forget() - a request gets no answer, its path ends
 * @req: not to be touched afterwards
 */
void srv_request_forget(struct srv_request *req)
{
	struct srv_path *path = req->path;

	srv_request_release(req);
	percpu_ref_put(&path->refs);
}

/* Another path of the client has the chunk. */
static bool srv_request_wait(struct srv_request *req)
{
	struct srv_session *session = req->path->session;
	unsigned long flags;
	bool wait = true;

	spin_lock_irqsave(&session->fence_lock, flags);
	list_add_tail(&req->entry, &session->fenced);
	/* It may have gone meanwhile, and not have seen us. */
	smp_mb();
	if (!cmpxchg(&session->slots[req->id], NULL, req)) {
		list_del_init(&req->entry);
		wait = false;
	}
	spin_unlock_irqrestore(&session->fence_lock, flags);
	return wait;
}

/**
 * srv_request_claim() - have a chunk for oneself
 * @req: that has come
 *
 * Any context. Return: whether it has; if not, it goes on when it has.
 */
bool srv_request_claim(struct srv_request *req)
{
	return !cmpxchg(&req->path->session->slots[req->id], NULL, req) ||
		!srv_request_wait(req);
}

/**
 * srv_session_fence() - let requests go on that waited for their chunk
 * @work: of the session
 */
void srv_session_fence(struct work_struct *work)
{
	struct srv_session *session = container_of(work, struct srv_session,
						   fence);
	struct srv_request *req, *next;
	LIST_HEAD(ready);

	spin_lock_irq(&session->fence_lock);
	list_for_each_entry_safe(req, next, &session->fenced, entry)
		if (!cmpxchg(&session->slots[req->id], NULL, req))
			list_move_tail(&req->entry, &ready);
	spin_unlock_irq(&session->fence_lock);

	list_for_each_entry_safe(req, next, &ready, entry) {
		list_del_init(&req->entry);
		srv_con_go_on(req->con, req);
	}
}
