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

#include <unbd/target.h>

#include "block-codec.h"
#include "channel.h"
#include "connections.h"
#include "thread.h"

/* Requests at the storage, for each connection */
#define SRV_REQUESTS	256

/* Pages that a request has room for without allocating */
#define SRV_INLINE_VECS	33

struct srv_conn;

/**
 * struct srv_device - a device while a client is connected
 * @base: the core's part
 * @conn: the connection
 * @nr: number of the device
 * @info: what it is
 * @block: bytes of a block
 * @inflight: requests at the storage
 * @closing: the core wants it closed
 */
struct srv_device {
	struct unbd_conn base;
	struct srv_conn *conn;
	unsigned int nr;
	struct unbd_export_info info;
	u32 block;
	unsigned int inflight;
	bool closing;
};

/**
 * struct srv_request - a request at the storage
 * @io: the core's part
 * @conn: the connection
 * @device: the device
 * @wire: what the client asked for
 * @node: in conn->done
 * @error: how it ended
 * @next: in conn->free
 * @vecs: pages of the buffer
 * @inline_vecs: for most of the requests
 */
struct srv_request {
	struct unbd_io io;
	struct srv_conn *conn;
	struct srv_device *device;
	struct shm_request wire;
	struct llist_node node;
	int error;
	struct srv_request *next;
	struct bio_vec *vecs;
	struct bio_vec inline_vecs[SRV_INLINE_VECS];
};

/**
 * enum srv_barrier - what waits until nothing is at the storage
 * @SRV_GO_ON: nothing
 * @SRV_SYNC: a flush, the rest is answered as usual
 * @SRV_RESET: the answer to a reset; what comes back is dropped
 * @SRV_RESTART: the client has begun anew; likewise
 * @SRV_GONE: it is no longer there, or is to begin anew; likewise
 */
enum srv_barrier {
	SRV_GO_ON,
	SRV_SYNC,
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
 * @done: come back from the storage; lockless
 * @exports: what is offered, by number of the device
 * @nr_exports: how many
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

	struct llist_head done ____cacheline_aligned_in_smp;

	struct srv_export exports[SHM_MAX_DEVICES];
	unsigned int nr_exports;
	struct srv_device *devices[SHM_MAX_DEVICES];
};

static inline struct srv_conn *to_srv_conn(struct shm_connection *base)
{
	return container_of(base, struct srv_conn, base);
}

static inline unsigned int srv_nr_exports(struct srv_conn *conn)
{
	/* Pairs with add_device(): what the export is has been written. */
	return smp_load_acquire(&conn->nr_exports);
}

extern struct unbd_target_ops srv_target_ops;
extern unsigned int srv_offset_unit;

/* server-conn.c: which connections and devices there are */
int srv_conns_init(void);
void srv_conns_exit(void);

/* server-device.c: exports, open while a client is there */
void srv_devices_open(struct srv_conn *conn);
void srv_devices_close(struct srv_conn *conn, bool all);
bool srv_devices_are_closing(struct srv_conn *conn);
void srv_devices_hurry(struct srv_conn *conn);
struct srv_device *srv_device_of(struct srv_conn *conn, u16 nr);
bool srv_device_is_closing(struct srv_conn *conn, u16 nr);
unsigned int srv_nr_devices(struct srv_conn *conn);
u64 srv_device_blocks(struct srv_device *device);
void srv_close(struct unbd_conn *base);

/* server-io.c: the thread's work */
int srv_io_init(struct srv_conn *conn, char *why, size_t len);
void srv_io_exit(struct srv_conn *conn);
int srv_io_start(struct srv_conn *conn);
void srv_io_stop(struct srv_conn *conn);
struct srv_request *srv_take_request(struct srv_device *device,
				     const struct shm_request *wire);
void srv_submit(struct srv_device *device, const struct shm_request *wire);
void srv_respond(struct srv_conn *conn, const struct shm_request *wire,
		 u64 status);
bool srv_reap(struct srv_conn *conn);

/* server-fence.c: requests of former connections */
int srv_fences_init(void);
void srv_fences_exit(void);
void srv_fence(struct srv_device *device, const struct shm_request *rq);

/* server-request.c: what a client asks for */
void srv_handle_request(struct srv_conn *conn, const struct shm_request *rq);
void srv_pass_barrier(struct srv_conn *conn);

#endif
