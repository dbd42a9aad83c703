/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside unbd-shm-server: connections, their devices, and requests.
 *
 * Each connection has a thread, and it alone touches the channels: it reads
 * requests, hands them to the storage and writes the responses of those that
 * have come back. Whoever completes a request puts it on a list and wakes
 * the thread.
 */
#ifndef UNBD_SHM_SERVER_H
#define UNBD_SHM_SERVER_H

#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include <unbd/target.h>

#include "block-codec.h"
#include "transport-shm/channel.h"
#include "transport-shm/connections.h"
#include "transport-shm/parameters.h"
#include "transport-shm/thread.h"

/*
 * Requests at the storage, for each connection: more than a client of ours
 * has, so that it is answered that we are here while a disk hangs.
 */
#define SRV_REQUESTS	1024

/* What is asked of the storage at once: all that a client of ours asks for */
#define SRV_PIECE_PAGES	32

/* A request that no flush waits for */
#define SRV_NO_GENERATION	(-1)

struct srv_conn;

/**
 * struct srv_device - a device while a client is connected
 * @base: the core's part
 * @conn: the connection
 * @nr: number of the device
 * @block: bytes of a block
 * @stable: what is written to it must not change meanwhile
 * @generation: of the requests that come; 0 or 1, see sync.c
 * @under_way: requests of each generation that are not over
 * @syncs: flushes that wait for those
 * @closing: the core wants it closed
 * @waiting: requests that its disk has no room for at this moment
 * @work: waits until it has
 */
struct srv_device {
	struct unbd_conn base;
	struct srv_conn *conn;
	unsigned int nr;
	u32 block;
	bool stable;
	int generation;
	unsigned int under_way[2];
	struct srv_request *syncs[2];
	bool closing;
	struct llist_head waiting;
	struct work_struct work;
};

/**
 * struct srv_request - a request at the storage
 * @io: the core's part
 * @conn: the connection
 * @device: the device
 * @wire: what the client asked for
 * @node: in conn->done or device->waiting
 * @error: how it ended
 * @next: in conn->free, or where it waits
 * @generation: of the device that it is counted in, or SRV_NO_GENERATION
 * @left: bytes of data that the storage has not been asked for
 * @place: where the piece that it has been asked for is in the buffer
 * @copy: of that piece, if one is needed
 * @vecs: its pages
 */
struct srv_request {
	struct unbd_io io;
	struct srv_conn *conn;
	struct srv_device *device;
	struct shm_request wire;
	struct llist_node node;
	int error;
	struct srv_request *next;
	int generation;
	u64 left;
	u64 place;
	struct srv_copy *copy;
	struct bio_vec vecs[SRV_PIECE_PAGES + 1];
};

/**
 * enum srv_barrier - what waits until nothing is at the storage
 * @SRV_GO_ON: nothing
 * @SRV_RESET: the answer to a reset; what comes back is dropped
 * @SRV_RESTART: the client has begun anew; likewise
 * @SRV_GONE: it is no longer there, or is to begin anew; likewise
 */
enum srv_barrier {
	SRV_GO_ON,
	SRV_RESET,
	SRV_RESTART,
	SRV_GONE,
};

/**
 * struct srv_export - one of devices=
 * @path: as given
 * @name: of the export
 * @ours: the export was made for it
 */
struct srv_export {
	char *path;
	char *name;
	bool ours;
};

/**
 * struct srv_conn - a connection
 * @base: what both ends have of it
 * @thread: does everything below
 * @reader: request channel
 * @writer: response channel
 * @untold: responses were written that the client has not been told of
 * @present: a client is there
 * @begun: it has begun an epoch, or reset, for this epoch of ours
 * @refused: a client of another kind is there, and was logged
 * @barrier: what waits
 * @waiting: the request that is it
 * @inflight: requests at the storage
 * @free: requests that are not in use
 * @requests: all of them
 * @has_pages: the buffer has, so that most data need no copy
 * @copies: room to copy that is not in use
 * @all_copies: all of it, if it has been needed
 * @hungry: requests that wait for some, first to last
 * @last_hungry: where the next one is to be put
 * @done: come back from the storage; lockless
 * @exports: what is offered, by number of the device
 * @nr_exports: how many
 * @nr_filled: and with those that are being added; under the set's mutex
 * @added: there are more than when devices were opened last
 * @devices: those that are open
 */
struct srv_conn {
	struct shm_connection base;
	struct shm_thread thread;

	struct shm_reader reader;
	struct shm_writer writer;
	bool untold;
	bool present;
	bool begun;
	bool refused;
	enum srv_barrier barrier;
	struct shm_request waiting;
	unsigned int inflight;
	struct srv_request *free;
	struct srv_request *requests;
	bool has_pages;
	struct srv_copy *copies;
	struct srv_copy *all_copies;
	struct srv_request *hungry;
	struct srv_request **last_hungry;

	struct llist_head done ____cacheline_aligned_in_smp;

	struct srv_export exports[SHM_MAX_DEVICES];
	unsigned int nr_exports;
	unsigned int nr_filled;
	bool added;
	struct srv_device *devices[SHM_MAX_DEVICES];
};

static inline struct srv_conn *to_srv_conn(struct shm_connection *base)
{
	return container_of(base, struct srv_conn, base);
}

static inline unsigned int srv_nr_exports(struct srv_conn *conn)
{
	/* Pairs with offer_added(): what the export is has been written. */
	return smp_load_acquire(&conn->nr_exports);
}

/* workqueues.c: for disks that have no room, and for fences */
int srv_workqueues_create(void);
void srv_workqueues_destroy(void);
extern struct workqueue_struct *srv_io_wq;
extern struct workqueue_struct *srv_fence_wq;

/* target.c: what the core wants */
extern struct unbd_target_ops srv_target_ops;

/* data.c: pieces of data, in the buffer or copied */
int srv_data_init(struct srv_conn *conn);
int srv_data_make_room(struct srv_conn *conn);
void srv_data_free(struct srv_conn *conn);
bool srv_data_next(struct srv_request *req);
void srv_data_came(struct srv_request *req);
void srv_data_exit(struct srv_request *req);
struct srv_request *srv_data_hungry(struct srv_conn *conn);

/* sync.c: flushes after what was asked for before */
struct srv_request *srv_sync_due(struct srv_device *device);
bool srv_sync_waits(struct srv_request *req);

/**
 * srv_sync_count() - flushes that come from now on have to wait for a request
 * @req: request, just taken
 */
static inline void srv_sync_count(struct srv_request *req)
{
	req->generation = req->device->generation;
	req->device->under_way[req->generation]++;
}

/**
 * srv_sync_counted() - a request is over
 * @req: request, counted or not
 *
 * Return: whether srv_sync_due() has flushes that waited for it.
 */
static inline bool srv_sync_counted(struct srv_request *req)
{
	struct srv_device *device = req->device;
	int nr = req->generation;

	if (nr == SRV_NO_GENERATION || --device->under_way[nr])
		return false;
	return device->syncs[nr] && nr != device->generation;
}

/* io.c: requests to the storage and back, and responses */
extern enum shm_offset_unit srv_offset_unit;
int srv_io_init(struct srv_conn *conn, char *why, size_t len);
void srv_io_exit(struct srv_conn *conn);
void srv_io_wait(struct work_struct *work);
struct srv_request *srv_take_request(struct srv_device *device,
				     const struct shm_request *wire);
void srv_submit(struct srv_device *device, const struct shm_request *wire);
void srv_flush(struct srv_device *device, const struct shm_request *wire);
void srv_respond(struct srv_conn *conn, const struct shm_request *wire,
		 u64 status);
void srv_tell_client(struct srv_conn *conn);
bool srv_reap(struct srv_conn *conn);

/* device.c: exports, open while a client is there */
void srv_devices_open(struct srv_conn *conn);
void srv_devices_close(struct srv_conn *conn, bool all);
bool srv_devices_are_closing(struct srv_conn *conn);
void srv_devices_hurry(struct srv_conn *conn);
struct srv_device *srv_device_of(struct srv_conn *conn, u16 nr);
bool srv_device_is_closing(struct srv_conn *conn, u16 nr);
unsigned int srv_nr_devices(struct srv_conn *conn);
u64 srv_device_blocks(struct srv_device *device);

/* fence.c: requests of former connections */
void srv_fence(struct srv_device *device, const struct shm_request *rq);

/* request.c: what a client asks for */
void srv_handle_request(struct srv_conn *conn, const struct shm_request *rq);

/* serve.c: the thread's work: clients come and go, and are read from */
int srv_serve_start(struct srv_conn *conn);
void srv_serve_stop(struct srv_conn *conn);

/* conn.c: which connections and devices there are */
int srv_conns_init(void);
void srv_conns_exit(void);

#endif
