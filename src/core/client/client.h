/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside unbd-client: sessions, paths, legs and devices, and who locks what.
 *
 * Lock order, outermost first:
 *
 *	session->mutex	which paths, devices and legs exist
 *	path->mutex	which legs a path has, and connecting what they share
 *	leg->mutex	attaching and detaching a leg, and asking its server
 *	dev->mutex	whether the device's queue runs, is parked or fails
 *	path->state_mutex	changes of a path's state
 *	path->lock	state and error of a path, what is broken (spin, irq safe)
 *
 * The I/O path takes none of them: it reads dev->legs[] inside dev->srcu.
 */
#ifndef UNBD_CLIENT_H
#define UNBD_CLIENT_H

#include <linux/blk-mq.h>
#include <linux/kobject.h>
#include <linux/mutex.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>

#include <unbd/compat.h>
#include <unbd/transport.h>

#include "options.h"

/**
 * struct unbd_session - what "sessname=" names
 * @name: unique among the sessions of this host
 * @entry: in the list of all sessions
 * @users: devices and ongoing map_device; the session closes with the last
 * @closing: not to be found any more
 * @mutex: see the top of this file
 * @paths: list of &struct unbd_path
 * @devices: list of &struct unbd_device
 * @slots_used: which dev->legs[] belong to a path, by path->index
 * @nr_paths: how many there have been
 * @policy: how a request's path is chosen
 * @keepalive: seconds, for paths to come
 * @kobj: ctl/sessions/NAME; its references keep the structure
 * @paths_kobj: ctl/sessions/NAME/paths
 */
struct unbd_session {
	char *name;
	struct list_head entry;
	unsigned int users;
	bool closing;
	struct mutex mutex;		/* paths, devices, the next ones */
	struct list_head paths;
	struct list_head devices;
	unsigned long slots_used;
	unsigned int nr_paths;
	enum unbd_policy policy;
	unsigned int keepalive;
	struct kobject kobj;
	struct kobject *paths_kobj;
};

/* Events that a device counts; all of them are rare */
enum unbd_device_stat {
	UNBD_STAT_REQUEUED,	/* requests taken back from a broken path */
	UNBD_STAT_PARKED,	/* times that no path was left */
	UNBD_STAT_TIMEOUTS,	/* requests not answered within io_timeout */
	UNBD_STAT_FAILED,	/* requests failed for want of a path */
	UNBD_STAT_FENCED,	/* writes that waited until they could be repeated */
	UNBD_STAT_REPLAYED,	/* writes that a restarted server got again */
	UNBD_NR_STATS,
};

/* What a path counts answers by */
enum unbd_path_io {
	UNBD_IO_READ,
	UNBD_IO_WRITE,
	UNBD_IO_OTHER,		/* flushes, discards, zeroes: they move no data */
	UNBD_NR_IO,
};

/**
 * struct unbd_path_counters - what has gone over a path, from one processor
 * @sent: requests that were handed to the transport
 * @returned: of those, requests that it did not take, or that came back from it
 *	without an answer
 * @requests: that were answered
 * @bytes: of those
 * @errors: answers that were one
 * @time_ns: that answers took, added up: where there are other paths to compare
 *	with, since clocks cost more than all the rest
 */
struct unbd_path_counters {
	u64 sent;
	u64 returned;
	u64 requests[UNBD_NR_IO];
	u64 bytes[UNBD_NR_IO];
	u64 errors;
	u64 time_ns;
};

/* The geometry is asked for by any path's work that is live, and just once. */
enum unbd_refresh {
	UNBD_REFRESH_DONE,
	UNBD_REFRESH_WANTED,
	UNBD_REFRESH_RUNNING,
	UNBD_REFRESH_AGAIN,	/* likewise, and there is news meanwhile */
};

/**
 * struct unbd_replay - what has been answered and not been flushed
 * @mutex: compares instances; inside leg->mutex, outside dev->mutex
 * @instance: of the server, if it is @known
 * @known: a server has told
 * @keeping: writes are kept: it has, and has a cache that can be lost
 * @limit: bytes that may be kept, 0 for nothing
 * @flush_work: flushes the disk
 * @lock: what follows
 * @writes: &struct unbd_write, in the order of their answers
 * @bytes: of memory, with those that are still in flight
 * @epoch: begins anew with each flush
 * @gap: epoch of the last answer to a write that was not kept; 0 when that has
 *	been flushed
 * @replaying: a path is being brought up with @writes
 * @lost: some were lost, ever
 * @report: the next flush is to fail
 */
struct unbd_replay {
	struct mutex mutex;		/* see above */
	struct unbd_instance instance;
	bool known;
	bool keeping;
	size_t limit;
	struct work_struct flush_work;

	spinlock_t lock;		/* what follows */
	struct list_head writes;
	size_t bytes;
	u64 epoch;
	u64 gap;
	bool replaying;
	bool lost;
	bool report;
};

/**
 * struct unbd_device - one /dev/unbdN
 * @session: the session it was mapped in
 * @export_name: name of the export at the server
 * @access_mode: as the user asked for
 * @index: the N of /dev/unbdN
 * @entry: in session->devices
 * @srcu: readers use @legs
 * @legs: one for each path, by path->index
 * @nr_legs: entries of @legs in use
 * @rotor: which of them was chosen last, for policies that go by that
 * @one_leg: a server's connections share no cache: all goes over one leg, and
 *	over another one when that is not live any more
 * @mutex: see the top of this file
 * @parked: no leg is live, the queue is quiesced
 * @failing: no leg is live and fail_timeout has passed, or the device is
 *	being removed by force: requests fail instead of waiting
 * @dying: removed by force, @failing for good
 * @mapped: a leg has come up: those that are not are tried again from now on
 * @removing: no new openers, no new legs; set once, by unbd_disk_claim()
 * @number: @index as long as anybody has the disk open
 * @fail_timeout: seconds that I/O is parked, -1 for ever
 * @fail_at: jiffies, when the outage has lasted for @fail_timeout
 * @unproven: requests were taken back when the device was parked, and nothing
 *	was answered since: if it is parked again, it is the same outage
 * @given_up: @unproven since it was @failing: what a server takes and does not
 *	answer now fails without another wait
 * @fail_work: ends the parking
 * @geometry: of the disk, what all legs can do
 * @server_size: bytes, what the server said last
 * @restacked: that has changed, requests may be too much for a leg
 * @user_max_sectors: of unbd_disk_update_limits(), for @split_work alone
 * @split_bios: of such requests, to be done anew
 * @split_work: does that
 * @fences: what dead legs have left behind, &struct unbd_fence
 * @fence_lock: that, and the requests of each
 * @replay: what is sent again to a server that has lost it
 * @refresh: &enum unbd_refresh, how far asking for the geometry has come
 * @refresh_error: how it ended
 * @resizing: who asks for it to set the disk's size by himself
 * @scan_work: finds the disk's partitions
 * @scanned: it has, as far as it could
 * @wait: for the first attempts of the legs, @refresh and @scanned
 */
struct unbd_device {
	struct unbd_session *session;
	char *export_name;
	enum unbd_access_mode access_mode;
	unsigned int index;
	struct list_head entry;

	struct srcu_struct srcu;
	struct unbd_leg __rcu *legs[UNBD_MAX_PATHS];
	unsigned int nr_legs;
	unsigned int rotor;
	bool one_leg;

	struct mutex mutex;		/* the next three and @disk */
	bool parked;
	bool failing;
	bool dying;
	bool mapped;
	bool removing;
	struct unbd_number *number;
	int fail_timeout;
	unsigned long fail_at;
	bool unproven;
	bool given_up;
	struct delayed_work fail_work;
	atomic_t refresh;
	int refresh_error;
	atomic_t resizing;

	unsigned int io_timeout;
	unsigned int want_queues;
	unsigned int want_poll_queues;
	unsigned int queue_depth;
	unsigned int nr_queues;
	unsigned int nr_poll_queues;
	struct unbd_geometry geometry;
	u64 server_size;
	bool restacked;
	unsigned int user_max_sectors;
	spinlock_t split_lock;		/* @split_bios */
	struct bio_list split_bios;
	struct work_struct split_work;
	struct list_head fences;
	spinlock_t fence_lock;		/* @fences */
	struct unbd_replay replay;
	struct blk_mq_tag_set tag_set;
	struct gendisk *disk;
	bool added;
	struct work_struct scan_work;
	bool scanned;
	struct kobject kobj;		/* /sys/block/unbdN/unbd */
	struct kernfs_node *state_file;	/* in it; NULL until it is there */

	wait_queue_head_t wait;
	atomic_t stats[UNBD_NR_STATS];
};

/*
 * From here on in the order of the files: each calls what is declared above its
 * own, and nothing below. What has to go up goes by a callback: a work, a
 * request's completion, or the files of a directory in sysfs.
 */

/* The references of a session and a device are those of their directories. */
static inline struct unbd_session *
unbd_session_get(struct unbd_session *session)
{
	kobject_get(&session->kobj);
	return session;
}

static inline void unbd_session_put(struct unbd_session *session)
{
	kobject_put(&session->kobj);
}

static inline struct unbd_device *unbd_device_get(struct unbd_device *dev)
{
	kobject_get(&dev->kobj);
	return dev;
}

static inline void unbd_device_put(struct unbd_device *dev)
{
	kobject_put(&dev->kobj);
}

/* Any context: an answer has come. */
static inline void unbd_device_proven(struct unbd_device *dev)
{
	WRITE_ONCE(dev->given_up, false);
	WRITE_ONCE(dev->unproven, false);
}

static inline bool unbd_device_read_only(const struct unbd_device *dev)
{
	return dev->access_mode == UNBD_ACCESS_RO ||
	       dev->geometry.features & UNBD_FEAT_READ_ONLY;
}

/**
 * unbd_next_leg() - go through the legs of a device, live or not
 * @dev: the device
 * @last: the leg before, NULL at first
 *
 * Inside dev->srcu, in the order of path->index. Legs that are created
 * meanwhile may be missed; who destroys one waits for the reader.
 *
 * Return: the next one, NULL behind the last.
 */
static inline struct unbd_leg *unbd_next_leg(struct unbd_device *dev,
					     const struct unbd_leg *last)
{
	unsigned int i = last ? last->path->index + 1 : 0;
	struct unbd_leg *leg = NULL;

	for (; !leg && i < UNBD_MAX_PATHS; i++)
		leg = srcu_dereference(dev->legs[i], &dev->srcu);
	return leg;
}

/* Somebody wants the mutex of whoever attaches the leg or asks its server. */
static inline bool unbd_leg_interrupted(const struct unbd_leg *leg)
{
	return READ_ONCE(leg->aborters) || READ_ONCE(leg->path->aborters);
}

/*
 * workqueues.c: for paths; for what waits for no peer and must not be behind
 * those that do; for legs that live by themselves; for what waits for tags of a
 * device while its paths may be waiting; and for what waits for data of one.
 * With one queue for all there were no way on without memory.
 */
int unbd_workqueues_create(void);
void unbd_workqueues_destroy(void);
extern struct workqueue_struct *unbd_wq;
extern struct workqueue_struct *unbd_urgent_wq;
extern struct workqueue_struct *unbd_leg_wq;
extern struct workqueue_struct *unbd_split_wq;
extern struct workqueue_struct *unbd_scan_wq;

/* registry.c: transports */
const struct unbd_transport_ops *unbd_transport_get(const char *name);
void unbd_transport_load(const char *name);
void unbd_transport_put(const struct unbd_transport_ops *ops);

/* attempts.c: when to try to connect, and for how long */
void unbd_attempts_next(struct unbd_attempts *a, bool first, bool alone,
			unsigned long reached, unsigned long took);
void unbd_attempts_lost(struct unbd_attempts *a, bool live,
			unsigned long since);
unsigned long unbd_attempts_pause(const struct unbd_attempts *a);

/* event.c: what other programs are told */
int unbd_events_init(struct kobject *kobj);
void unbd_events_exit(void);
void unbd_path_event(const struct unbd_path *path, const char *state);
void unbd_device_event(const struct unbd_device *dev, const char *state);

/* upcall.c: what transports report */
void unbd_path_kick(struct unbd_path *path);
void unbd_leg_kick(struct unbd_leg *leg);
void unbd_leg_sound(struct unbd_leg *leg);
void unbd_leg_mended(struct unbd_leg *leg);

/* state.c: of a path */
const char *unbd_path_state_name(enum unbd_path_state state);
bool unbd_path_may_log(struct unbd_path *path);
void unbd_path_goes(struct unbd_path *path, enum unbd_path_state state,
		    int error, const char *why);
void unbd_path_left(struct unbd_path *path);
void unbd_path_lost(struct unbd_path *path);
void unbd_path_leg_up(struct unbd_path *path);
void unbd_path_leg_lost(struct unbd_leg *leg);

/* inflight.c: requests that a leg has at its server */
int unbd_leg_alloc_slots(struct unbd_leg *leg);
bool unbd_leg_busy(struct unbd_leg *leg);
unsigned int unbd_leg_queue(struct unbd_leg *leg, unsigned int hctx);
void unbd_leg_add_request(struct unbd_leg *leg, struct request *rq,
			  unsigned int hctx);
void unbd_leg_answered(struct unbd_leg *leg, struct request *rq,
		       blk_status_t status);
void unbd_leg_drop_request(struct unbd_leg *leg, struct request *rq);
u64 unbd_leg_latency(const struct unbd_leg *leg);

/* silence.c: slow servers and dead ones */
unsigned long unbd_longest_wait(const struct unbd_device *dev);
unsigned long unbd_request_overdue(struct request *rq);
void unbd_silence_ask(struct unbd_leg *leg);

/* fence.c: writes that may still be executed by a server */
int unbd_fence_prepare(struct unbd_leg *leg);
bool unbd_fence_hold(struct unbd_leg *leg, struct request *rq);
bool unbd_fence_wanted(struct unbd_device *dev);
void unbd_fence_done(struct unbd_leg *leg);
int unbd_fence_run(struct unbd_leg *leg, char *why, size_t len);
void unbd_fence_let_go(struct unbd_device *dev);
void unbd_fence_forget(struct unbd_device *dev);

/* outage.c: whether a device's queue runs, waits or fails */
bool unbd_device_attached(struct unbd_device *dev);
bool unbd_device_has_leg(struct unbd_device *dev);
void unbd_device_kick_legs(struct unbd_device *dev, bool live);
const char *unbd_device_state(const struct unbd_device *dev);
void unbd_device_update(struct unbd_device *dev);
void unbd_device_unanswered(struct unbd_device *dev, unsigned long since);
void unbd_device_hold(struct unbd_device *dev);
void unbd_device_go_on(struct unbd_device *dev);
void unbd_device_fail(struct unbd_device *dev);
void unbd_fail_work(struct work_struct *work);

/* geometry.c: what a disk is and can do */
void unbd_disk_fill_limits(struct unbd_device *dev,
			   struct unbd_disk_limits *lim);
void unbd_device_restacked(struct unbd_device *dev);
void unbd_device_stack_limits(struct unbd_device *dev);
u64 unbd_size_of(const struct unbd_device *dev, const struct unbd_leg *leg);
int unbd_device_adopt(struct unbd_device *dev, struct unbd_leg *leg,
		      char *why, size_t len);

/* replay.c: writes that a server may lose */
void unbd_replay_init(struct unbd_device *dev, size_t limit);
void unbd_replay_exit(struct unbd_device *dev);
void unbd_replay_sending(struct unbd_device *dev, struct request *rq);
void unbd_replay_ended(struct request *rq);
void unbd_replay_drop(struct request *rq);

/* split.c: requests that are too much for a path */
bool unbd_request_fits(const struct unbd_leg *leg, struct request *rq);
void unbd_request_split(struct request *rq);
void unbd_split_work(struct work_struct *work);

/* queue.c: a request's way down, and back up */
extern const struct blk_mq_ops unbd_mq_ops;

/* disk.c: the gendisk */
extern struct kobject *unbd_devices_kobj;	/* ctl/devices */
struct unbd_number *unbd_number_new(unsigned int *n);
void unbd_number_put(struct unbd_number *number);
int unbd_disk_claim(struct unbd_device *dev, bool force);
int unbd_disk_add(struct unbd_device *dev, char *why, size_t len);
int unbd_disk_scanned(struct unbd_device *dev);
void unbd_scan_work(struct work_struct *work);
void unbd_disk_remove(struct unbd_device *dev, bool force);
void unbd_disk_set_size(struct unbd_device *dev, u64 bytes);

/* leg.c: one device over one path */
unsigned int unbd_leg_lock(struct unbd_leg *leg);
unsigned int unbd_leg_lock_abort(struct unbd_leg *leg);
void unbd_leg_unlock(struct unbd_leg *leg, unsigned int noio);
int unbd_leg_attach(struct unbd_leg *leg, char *why, size_t len);
void unbd_leg_down(struct unbd_leg *leg, bool polite);
void unbd_leg_retire(struct unbd_leg *leg, bool polite);

/* resize.c: a disk's size */
void unbd_device_refresh(struct unbd_device *dev, struct unbd_leg *leg);
int unbd_device_resize(struct unbd_device *dev, u64 sectors,
		       char *why, size_t len);

/* legs.c: a leg's life */
int unbd_leg_create(struct unbd_device *dev, struct unbd_path *path);
void unbd_leg_destroy(struct unbd_leg *leg);
struct unbd_leg *unbd_leg_of(struct unbd_device *dev, struct unbd_path *path);
void unbd_leg_tried(struct unbd_leg *leg, int error, const char *why);
int unbd_leg_come_up(struct unbd_leg *leg);
unsigned long unbd_leg_attend(struct unbd_leg *leg);
bool unbd_leg_mend(struct unbd_leg *leg, struct unbd_attempts *attempts);

/* device.c: a device's life */
extern const struct kobj_type *unbd_device_ktype;
struct unbd_device *unbd_device_create(struct unbd_session *session,
				       const struct unbd_map_options *o);
void unbd_device_release(struct unbd_device *dev);

/* path.c: what legs share, and its life */
extern const struct kobj_type *unbd_path_ktype;
struct unbd_path *unbd_path_create(struct unbd_session *session,
				   const struct unbd_path_option *o,
				   char *why, size_t len);
int unbd_path_reconnect(struct unbd_path *path, bool live_too);
void unbd_path_disconnect(struct unbd_path *path);
void unbd_path_release(struct unbd_path *path);
void unbd_path_destroy(struct unbd_path *path);
unsigned int unbd_path_lock_abort(struct unbd_path *path);
void unbd_path_unlock(struct unbd_path *path, unsigned int noio);

/**
 * struct unbd_asked_paths - the paths that a mapping asks for
 * @nr: how many
 * @paths: each with a reference
 */
struct unbd_asked_paths {
	unsigned int nr;
	struct unbd_path *paths[UNBD_MAX_PATHS];
};

/* session.c: which sessions there are, and their paths */
extern struct kobject *unbd_sessions_kobj;	/* ctl/sessions */
extern const struct kobj_type *unbd_session_ktype;
struct unbd_session *unbd_session_find(const char *name);
struct unbd_session *unbd_session_enter(const struct unbd_map_options *o,
					char *why, size_t len);
void unbd_session_leave(struct unbd_session *session);
unsigned int unbd_session_lock(struct unbd_session *session);
void unbd_session_unlock(struct unbd_session *session, unsigned int noio);
void unbd_session_kick(struct unbd_session *session);
int unbd_session_add_legs(struct unbd_device *dev);
void unbd_session_remove_legs(struct unbd_device *dev, bool polite);
int unbd_session_ask_paths(struct unbd_session *session,
			   const struct unbd_map_options *o,
			   struct unbd_asked_paths *asked,
			   char *why, size_t len);
void unbd_session_forget_paths(struct unbd_asked_paths *asked, bool keep);
void unbd_sessions_drain(void);
void unbd_session_reconnect(struct unbd_session *session);
void unbd_session_release(struct unbd_session *session);
int unbd_session_add_path(struct unbd_session *session,
			  const struct unbd_path_option *spec,
			  char *why, size_t len);
int unbd_session_remove_path(struct unbd_path *path, char *why, size_t len);

/* map.c: disks come and go */
int unbd_map(struct unbd_map_options *o, char *why, size_t len);
int unbd_unmap(struct unbd_device *dev, bool force, char *why, size_t len);

/* sysfs-session.c: the files of a session and its paths */
extern const struct kobj_type unbd_session_files;
extern const struct kobj_type unbd_path_files;

/* sysfs-device.c: the files of a disk */
extern const struct kobj_type unbd_device_files;

/* sysfs.c: /sys/devices/virtual/unbd-client */
int unbd_sysfs_init(void);
void unbd_sysfs_exit(void);

#endif /* UNBD_CLIENT_H */
