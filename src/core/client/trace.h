/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints, events/unbd: what happens to paths, and to the requests that
 * they lose. A request that nothing happens to leaves no trace here; the block
 * layer has its own tracepoints for it.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM unbd

#if !defined(UNBD_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define UNBD_TRACE_H

#include <linux/tracepoint.h>

#include "client.h"

/* Bytes of a path's name, cut if it is longer */
#define UNBD_TRACE_NAME		64

TRACE_DEFINE_ENUM(UNBD_PATH_CONNECTING);
TRACE_DEFINE_ENUM(UNBD_PATH_LIVE);
TRACE_DEFINE_ENUM(UNBD_PATH_RECONNECTING);
TRACE_DEFINE_ENUM(UNBD_PATH_FAILED);
TRACE_DEFINE_ENUM(UNBD_PATH_REMOVING);

#define unbd_trace_path_state(state)				\
	__print_symbolic(state,					\
		{ UNBD_PATH_CONNECTING,		"connecting" },	\
		{ UNBD_PATH_LIVE,		"live" },		\
		{ UNBD_PATH_RECONNECTING,	"reconnecting" },	\
		{ UNBD_PATH_FAILED,		"failed" },		\
		{ UNBD_PATH_REMOVING,		"removing" })

TRACE_EVENT(unbd_path_state,
	    TP_PROTO(const struct unbd_path *path, enum unbd_path_state old,
		     int error),
	    TP_ARGS(path, old, error),
	    TP_STRUCT__entry(__array(char, name, UNBD_TRACE_NAME)
			     __field(int, old)
			     __field(int, state)
			     __field(int, error)),
	    TP_fast_assign(strscpy(__entry->name, path->name, UNBD_TRACE_NAME);
			   __entry->old = old;
			   __entry->state = path->state;
			   __entry->error = error;),
	    TP_printk("%s: %s -> %s (%d)", __entry->name,
		      unbd_trace_path_state(__entry->old),
		      unbd_trace_path_state(__entry->state), __entry->error)
);

TRACE_EVENT(unbd_disk_state,
	    TP_PROTO(const struct unbd_device *dev),
	    TP_ARGS(dev),
	    TP_STRUCT__entry(__field(unsigned int, index)
			     __field(bool, parked)
			     __field(bool, failing)),
	    TP_fast_assign(__entry->index = dev->index;
			   __entry->parked = dev->parked;
			   __entry->failing = dev->failing;),
	    TP_printk("unbd%u: %s", __entry->index,
		      __entry->failing ? "failing" :
		      __entry->parked ? "parked" : "live")
);

/* A server that has restarted has got again what it had lost. */
TRACE_EVENT(unbd_replay,
	    TP_PROTO(const struct unbd_device *dev, unsigned int writes,
		     unsigned int refused),
	    TP_ARGS(dev, writes, refused),
	    TP_STRUCT__entry(__field(unsigned int, index)
			     __field(unsigned int, writes)
			     __field(unsigned int, refused)),
	    TP_fast_assign(__entry->index = dev->index;
			   __entry->writes = writes;
			   __entry->refused = refused;),
	    TP_printk("unbd%u: %u writes, %u of them refused",
		      __entry->index, __entry->writes, __entry->refused)
);

DECLARE_EVENT_CLASS(unbd_rq,
		    TP_PROTO(struct request *rq),
		    TP_ARGS(rq),
		    TP_STRUCT__entry(__field(unsigned int, index)
				     __field(u32, op)
				     __field(u64, sector)
				     __field(unsigned int, bytes)),
		    TP_fast_assign(const struct unbd_device *dev =
					rq->q->queuedata;

				   __entry->index = dev->index;
				   __entry->op = (__force u32)req_op(rq);
				   __entry->sector = blk_rq_pos(rq);
				   __entry->bytes = blk_rq_bytes(rq);),
		    TP_printk("unbd%u: op %u, sector %llu, %u bytes",
			      __entry->index, __entry->op,
			      (unsigned long long)__entry->sector,
			      __entry->bytes)
);

/* It was in flight on a path that has been lost. */
DEFINE_EVENT(unbd_rq, unbd_rq_lost, TP_PROTO(struct request *rq), TP_ARGS(rq));

/* It waits until the server has fenced that path. */
DEFINE_EVENT(unbd_rq, unbd_rq_held, TP_PROTO(struct request *rq), TP_ARGS(rq));

/* It goes back to the queue, for the next live path. */
DEFINE_EVENT(unbd_rq, unbd_rq_again, TP_PROTO(struct request *rq), TP_ARGS(rq));

#endif /* UNBD_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
