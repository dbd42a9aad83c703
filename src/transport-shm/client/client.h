/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside unbd-shm-client: connections, paths, legs and requests.
 *
 * A connection is one of connections=. It exists whether or not somebody uses
 * it; a path takes it for itself. All devices behind it share its channels
 * and its buffer, which is divided into slots of one size: a request has a
 * slot from the moment it is sent until the server has answered, whatever
 * becomes of the disk in the meantime.
 *
 * Locks, outermost first:
 *
 *	set->mutex	(conn.c) which connections exist, conn->path, letters
 *	recv_mutex	the response channel; who holds it completes requests
 *	send_lock	the request channel
 */
#ifndef UNBD_SHM_CLIENT_H
#define UNBD_SHM_CLIENT_H

#include <linux/bitmap.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <unbd/transport.h>

#include "block-codec.h"
#include "transport-shm/channel.h"
#include "transport-shm/connections.h"
#include "transport-shm/parameters.h"
#include "transport-shm/thread.h"

/*
 * A request's data begin at a slot and never fill it. So no two requests
 * have data side by side, which servers would take for one request.
 */
#define CLT_SLOT_BYTES		(128u << 10)
#define CLT_SLOT_SPARE		4096u

/* Slot 0 has no data: SMART data land there, and control requests use it. */
#define CLT_FIRST_SLOT		1

/* That many a disk has for itself, if there are enough for all to share. */
#define CLT_OWN_SLOTS		8

/* Fewer than the response channel has, and some left for control */
#define CLT_MAX_SLOTS		1000

/* Room that a channel needs at all, and beside the requests in flight */
#define CLT_LEAST_ELEMENTS	16
#define CLT_SPARE_ELEMENTS	8

/**
 * struct clt_slot - a request in flight and its part of the buffer
 * @rq: the request; NULL when it was taken back, but the server has it still
 * @leg: where it was sent, NULL while the slot is free; to compare, it may be
 *	gone
 * @tag: as on the wire, 0 while the slot is free; written last
 * @kind: as on the wire
 * @device: likewise
 * @generation: makes tags differ
 */
struct clt_slot {
	struct request *rq;
	struct clt_leg *leg;
	u32 tag;
	u16 kind;
	u16 device;
	u16 generation;
};

/**
 * struct clt_conn - a connection
 * @base: what both ends have of it
 * @path: who uses it, NULL when nobody does
 * @send_lock: @writer and @unsent
 * @writer: request channel
 * @unsent: something was written that the server has not been told of
 * @slots: requests in flight
 * @nr_slots: how many fit
 * @usable_slots: to how many the server's channel has room for the answers
 * @common_slots: as many of them are there for all devices
 * @own_slots: and so many of the rest for each
 * @slot_bytes: each one's part of the buffer
 * @used: slots in use
 * @recv_mutex: the members below
 * @reader: response channel
 * @resetting: drop what comes until the answer to the reset
 * @heard: jiffies when the server last answered
 * @pinged: it was asked since
 * @asked: jiffies when
 * @up: the core knows it as connected, or will in a moment
 * @broken: reported; no more I/O until it has been connected again
 * @warned: about responses to nothing
 * @thread: reads the response channel
 * @control_mutex: one control request at a time
 * @control_wait: for its answer
 * @control_tag: of the one under way, 0 for none
 * @control_kind: what it asks for
 * @control_device: of which device
 * @control_status: the answer
 * @ping_tag: of a question whose answer only tells that the server is there,
 *	and how many devices it has
 * @tags: control requests so far
 * @resets: how often it has been connected
 * @told_devices: how many the server said it has, when it was asked for each
 * @look_again: it has said otherwise since
 * @nr_devices: that the server has
 * @valid: which numbers they have
 * @shown: those that have been mapped by themselves
 * @letters: of /dev/muendiska and so on by number of the device, from 1
 * @map_work: maps them
 * @map_delay: jiffies before the last look, 0 when it begins anew
 * @map_error: of the last attempt, to log it once
 */
struct clt_conn {
	struct shm_connection base;
	struct clt_path *path;

	spinlock_t send_lock;		/* writer, unsent */
	struct shm_writer writer;
	bool unsent;

	struct clt_slot *slots;
	unsigned int nr_slots;
	unsigned int usable_slots;
	unsigned int common_slots;
	unsigned int own_slots;
	unsigned int slot_bytes;
	unsigned long *used;

	struct mutex recv_mutex;	/* what follows, see above */
	struct shm_reader reader;
	bool resetting;
	unsigned long heard;
	bool pinged;
	unsigned long asked;
	bool up;
	bool broken;
	bool warned;
	struct shm_thread thread;

	struct mutex control_mutex;	/* one control request at a time */
	wait_queue_head_t control_wait;
	u32 control_tag;
	u16 control_kind;
	u16 control_device;
	u64 control_status;
	u32 ping_tag;
	u16 tags;

	unsigned int resets;
	u64 told_devices;
	bool look_again;
	unsigned int nr_devices;
	DECLARE_BITMAP(valid, SHM_MAX_DEVICES);
	DECLARE_BITMAP(shown, SHM_MAX_DEVICES);
	u16 letters[SHM_MAX_DEVICES];
	struct delayed_work map_work;
	unsigned long map_delay;
	int map_error;
};

/**
 * struct clt_path - a session's way through a connection
 * @base: the core's part
 * @conn: the connection
 * @aborted: between abort and abort_clear
 */
struct clt_path {
	struct unbd_path base;
	struct clt_conn *conn;
	bool aborted;
};

/**
 * struct clt_leg - a device behind a connection
 * @base: the core's part
 * @device: its number there
 * @rank: how many devices with a number below that there are
 * @block: bytes of a block
 */
struct clt_leg {
	struct unbd_leg base;
	u16 device;
	u16 rank;
	u32 block;
};

static inline struct clt_conn *to_clt_conn(struct shm_connection *base)
{
	return container_of(base, struct clt_conn, base);
}

static inline struct clt_path *to_clt_path(struct unbd_path *path)
{
	return container_of(path, struct clt_path, base);
}

static inline struct clt_leg *to_clt_leg(struct unbd_leg *leg)
{
	return container_of(leg, struct clt_leg, base);
}

static inline struct clt_conn *conn_of(struct clt_leg *leg)
{
	return to_clt_path(leg->base.path)->conn;
}

static inline void *clt_slot_data(struct clt_conn *conn, unsigned int slot)
{
	return conn->base.regions.buffer.addr + (size_t)slot * conn->slot_bytes;
}

/* workqueues.c: for mapping disks */
int clt_workqueues_create(void);
void clt_workqueues_destroy(void);
extern struct workqueue_struct *clt_map_wq;

/* upcall.c: a connection has broken; there are disks to be looked for */
__printf(3, 4)
void clt_conn_fail(struct clt_conn *conn, int error, const char *fmt, ...);
void clt_conn_show_disks(struct clt_conn *conn);
void clt_conn_look_for_disks(struct clt_conn *conn);

/* slots.c: requests in flight and their parts of the buffer */
unsigned int clt_slot_take(struct clt_conn *conn, unsigned int rank);
struct clt_slot *clt_slot_find(struct clt_conn *conn,
			       const struct shm_response *rp);
void clt_slot_give_back(struct clt_conn *conn, struct clt_slot *slot);
bool clt_slots_in_use(struct clt_conn *conn);
void clt_slots_orphan(struct clt_leg *leg);
void clt_slots_share(struct clt_conn *conn, unsigned int nr_devices);
void clt_slots_reset(struct clt_conn *conn, u16 generation);
int clt_slots_init(struct clt_conn *conn, char *why, size_t len);
void clt_slots_exit(struct clt_conn *conn);

/* send.c: a request's way down */
extern enum shm_offset_unit clt_offset_unit;
void clt_send(struct clt_conn *conn, const struct shm_request *rq, bool last);
blk_status_t clt_queue_rq(struct unbd_leg *base, unsigned int queue,
			  struct request *rq, bool last);
void clt_commit_rqs(struct unbd_leg *base, unsigned int queue);

/* control.c: asking the server, and waiting for its answer */
void clt_control_answered(struct clt_conn *conn, const struct shm_response *rp);
void clt_control_ping(struct clt_conn *conn);
int clt_control(struct clt_path *path, u16 kind, u16 device, u64 *status,
		char *why, size_t len);
int clt_control_fence(struct clt_leg *leg, struct unbd_instance *instance,
		      char *why, size_t len);
int clt_control_io(struct clt_leg *leg, struct shm_request *rq, char *why,
		   size_t len);

/* recv.c: a request's way back, and the thread that reads responses */
extern const struct shm_thread_ops clt_thread_ops;
int clt_poll(struct unbd_leg *base, unsigned int queue);

/* link.c: from nothing to a server that has answered */
int clt_link_init(struct clt_conn *conn, char *why, size_t len);
void clt_link_exit(struct clt_conn *conn);
int clt_link_find_devices(struct clt_path *path, char *why, size_t len);
int clt_link_up(struct clt_path *path, char *why, size_t len);
void clt_link_down(struct clt_conn *conn);

/* disks.c: the disks that appear */
void clt_disks_init(struct clt_conn *conn);
void clt_disks_exit(struct clt_conn *conn);
int clt_disks_unmap(struct clt_conn *conn, bool force, char *why, size_t len);
int clt_disks_print(struct clt_conn *conn, char *to, size_t size);

/* conn.c: which connections there are, and who uses them */
extern struct shm_connections clt_connections;
int clt_conn_claim(struct clt_path *path, u32 id, char *why, size_t len);
void clt_conn_unclaim(struct clt_path *path);
int clt_conns_init(void);

/* replay.c: what a server has lost */
extern const struct unbd_replay_ops clt_replay_ops;

/* leg.c: a device, from what its server says to a disk's way there */
int clt_attach(struct unbd_leg *base, char *why, size_t len);
void clt_detach(struct unbd_leg *base);
int clt_refresh(struct unbd_leg *base, char *why, size_t len);
int clt_fence(struct unbd_leg *base, char *why, size_t len);

#endif
