// SPDX-License-Identifier: GPL-2.0
/*
 * How much of the host's memory clients' data may take.
 *
 * Each connection has SRV_RESERVE bytes of its own, so that ordinary requests
 * go on whatever other clients do, and keeps as much for its next ones. Beyond
 * that it draws on a pool that all connections share, up to a limit for each;
 * who finds the pool empty waits in line, which means that its socket is not
 * read.
 *
 * An export whose storage is slow keeps what its connections have, so it gets no
 * more than is left for all others: alone half of the pool. Who waits because
 * of that is in nobody's way but that export's.
 *
 * Storage finishes some day, clients need not: one that announces data and
 * sends none, or asks for data and takes none, would keep its part of the
 * pool for ever. While somebody waits, such clients are looked for and dropped.
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>

#include "server.h"

/* The pool is drawn on in steps, so that most requests need not touch it. */
#define SRV_MEM_STEP		SZ_1M

/* A client that keeps others waiting must do something within this time. */
#define SRV_STALL_LIMIT		(30 * HZ)
#define SRV_STALL_CHECK		(5 * HZ)

static unsigned int memory;
module_param(memory, uint, 0444);
MODULE_PARM_DESC(memory,
		 "MiB for the data of all clients' requests (default: an eighth of the memory)");

static unsigned int connection_memory = 64;
module_param(connection_memory, uint, 0444);
MODULE_PARM_DESC(connection_memory,
		 "MiB for the data of one connection's requests (default: 64)");

/*
 * Exports are told apart by a hash: two that have the same are treated as one,
 * and need not be kept account of.
 */
#define SRV_SHARE_BITS		8

/**
 * struct srv_share - what an export's connections have of the pool
 * @used: bytes
 * @pass: of looking for the next in line, when the first of them was met
 */
struct srv_share {
	u64 used;
	unsigned int pass;
};

static DEFINE_SPINLOCK(srv_mem_lock);
static struct srv_share srv_mem_shares[1 << SRV_SHARE_BITS];
static unsigned int srv_mem_pass;
static LIST_HEAD(srv_mem_waiters);
static LIST_HEAD(srv_mem_holders);
static u64 srv_mem_used;
static u64 srv_mem_limit;
static u64 srv_mem_conn_limit;

static void srv_mem_reap(struct work_struct *work);
static DECLARE_DELAYED_WORK(srv_mem_reaper, srv_mem_reap);

/**
 * srv_mem_init() - how large the pool is
 */
void srv_mem_init(void)
{
	/* Less than this and the longest request would wait for ever. */
	const u64 least = SRV_MAX_PAYLOAD + SRV_MEM_STEP;

	srv_mem_limit = (u64)memory << 20;
	if (!srv_mem_limit)
		srv_mem_limit = (u64)totalram_pages() << PAGE_SHIFT >> 3;
	srv_mem_limit = max(srv_mem_limit, least);
	srv_mem_conn_limit = max((u64)connection_memory << 20, least);
}

/**
 * srv_mem_exit() - nobody looks for clients that stall any more
 */
void srv_mem_exit(void)
{
	cancel_delayed_work_sync(&srv_mem_reaper);
}

/* Does the connection keep its part of the pool because of its client? */
static bool srv_mem_stalled(const struct srv_conn *conn)
{
	const unsigned long then = jiffies - SRV_STALL_LIMIT;

	return (READ_ONCE(conn->tx_blocked) &&
		time_before(READ_ONCE(conn->tx_progress), then)) ||
	       (READ_ONCE(conn->rx) == SRV_RX_PAYLOAD &&
		time_before(READ_ONCE(conn->rx_progress), then));
}

static void srv_mem_reap(struct work_struct *work)
{
	struct srv_conn *conn;

	spin_lock(&srv_mem_lock);
	if (!list_empty(&srv_mem_waiters)) {
		list_for_each_entry(conn, &srv_mem_holders, mem_holder)
			if (srv_mem_stalled(conn))
				srv_conn_drop(conn,
					      "stalls while others wait for memory");
		queue_delayed_work(srv_control_wq, &srv_mem_reaper,
				   SRV_STALL_CHECK);
	}
	spin_unlock(&srv_mem_lock);
}

/*
 * Who is next in line, if there is something for it. One whose export has nothing
 * yet comes before all that are behind it; another only before those of its
 * own export.
 */
static struct srv_conn *srv_mem_next(void)
{
	struct srv_conn *conn;
	struct srv_share *share;

	lockdep_assert_held(&srv_mem_lock);

	srv_mem_pass++;
	list_for_each_entry(conn, &srv_mem_waiters, mem_waiter) {
		share = conn->mem_share;
		if (share->pass == srv_mem_pass)
			continue;
		share->pass = srv_mem_pass;
		if (srv_mem_used + share->used + conn->mem_wanted <=
		    srv_mem_limit)
			return conn;
		if (!share->used)
			break;
	}
	return NULL;
}

static void srv_mem_wake_next(void)
{
	struct srv_conn *next = srv_mem_next();

	if (next)
		srv_conn_wake(next);
}

static bool srv_mem_grow(struct srv_conn *conn, u64 more)
{
	const void *tag = unbd_export_tag(&conn->base);
	bool granted;

	spin_lock(&srv_mem_lock);
	conn->mem_share = &srv_mem_shares[hash_ptr(tag, SRV_SHARE_BITS)];
	conn->mem_wanted = more;
	if (list_empty(&conn->mem_waiter))
		list_add_tail(&conn->mem_waiter, &srv_mem_waiters);
	granted = srv_mem_next() == conn;
	if (granted) {
		srv_mem_used += more;
		conn->mem_share->used += more;
		conn->mem_granted += more;
		if (list_empty(&conn->mem_holder))
			list_add_tail(&conn->mem_holder, &srv_mem_holders);
		list_del_init(&conn->mem_waiter);
		srv_mem_wake_next();
	} else {
		queue_delayed_work(srv_control_wq, &srv_mem_reaper,
				   SRV_STALL_CHECK);
	}
	spin_unlock(&srv_mem_lock);
	return granted;
}

static void srv_mem_shrink(struct srv_conn *conn, u64 keep)
{
	spin_lock(&srv_mem_lock);
	if (conn->mem_share)
		conn->mem_share->used -= conn->mem_granted - keep;
	srv_mem_used -= conn->mem_granted - keep;
	conn->mem_granted = keep;
	if (!keep)
		list_del_init(&conn->mem_holder);
	srv_mem_wake_next();
	spin_unlock(&srv_mem_lock);
}

static void srv_mem_leave_queue(struct srv_conn *conn)
{
	spin_lock(&srv_mem_lock);
	list_del_init(&conn->mem_waiter);
	srv_mem_wake_next();
	spin_unlock(&srv_mem_lock);
}

/**
 * srv_mem_get() - may a request's data be held in memory now?
 * @conn: connection, from the work that drives it
 * @bytes: SRV_MAX_PAYLOAD at most
 *
 * Return: false if they may not yet. io_work runs again when the pool has
 * enough, or when a request of the connection itself is finished: ask again.
 */
bool srv_mem_get(struct srv_conn *conn, u32 bytes)
{
	u64 held = conn->mem_held + bytes;

	if (held > SRV_RESERVE + conn->mem_granted) {
		u64 want = round_up(held - SRV_RESERVE, SRV_MEM_STEP);

		if (conn->mem_held && held > srv_mem_conn_limit)
			return false;
		if (!srv_mem_grow(conn, want - conn->mem_granted))
			return false;
	} else if (!list_empty(&conn->mem_waiter)) {
		srv_mem_leave_queue(conn);
	}
	conn->mem_held = held;
	return true;
}

/**
 * srv_mem_put() - data are no longer in memory
 * @conn: connection, from the work that drives it
 * @bytes: what srv_mem_get() was called with
 */
void srv_mem_put(struct srv_conn *conn, u32 bytes)
{
	u64 keep = 0;

	conn->mem_held -= bytes;
	/* A step more than needed, or each request would go to the pool. */
	if (conn->mem_held > SRV_RESERVE)
		keep = round_up(conn->mem_held - SRV_RESERVE, SRV_MEM_STEP) +
		       SRV_MEM_STEP;
	if (conn->mem_granted > keep)
		srv_mem_shrink(conn, keep);
}

/**
 * srv_mem_forget() - the connection ends
 * @conn: connection whose requests have all been freed
 */
void srv_mem_forget(struct srv_conn *conn)
{
	WARN_ON_ONCE(conn->mem_held);
	srv_mem_leave_queue(conn);
	srv_mem_shrink(conn, 0);
}
