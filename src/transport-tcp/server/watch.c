// SPDX-License-Identifier: GPL-2.0
/*
 * Clients that want to know when an export's size changes.
 *
 * Neither a file nor a block device tells the kernel's users so: each export
 * is looked at from time to time, as long as somebody waits.
 */
#include "server.h"

#define SRV_WATCH_INTERVAL	HZ

static void srv_watch_look(struct work_struct *work)
{
	struct srv_conn *conn = container_of(to_delayed_work(work),
					     struct srv_conn, watch_work);
	struct unbd_export_info info;

	unbd_export_current(&conn->base, &info);
	if (info.size == conn->watch.offset) {
		queue_delayed_work(srv_control_wq, &conn->watch_work,
				   SRV_WATCH_INTERVAL);
		return;
	}
	WRITE_ONCE(conn->watch_due, true);
	srv_conn_wake(conn);
}

/**
 * srv_watch_init() - nobody waits yet
 * @conn: connection that is being made
 */
void srv_watch_init(struct srv_conn *conn)
{
	INIT_DELAYED_WORK(&conn->watch_work, srv_watch_look);
}

/**
 * srv_watch_begin() - the client waits for another size
 * @conn: connection, from io_work; nobody waits on it yet
 * @wire: what was decoded
 */
void srv_watch_begin(struct srv_conn *conn, const struct nbd_request *wire)
{
	conn->watch = *wire;
	conn->watching = true;
	queue_delayed_work(srv_control_wq, &conn->watch_work, 0);
}

/**
 * srv_watch_answer() - the size is another one
 * @conn: connection, from io_work
 */
void srv_watch_answer(struct srv_conn *conn)
{
	struct srv_request *req = srv_request_new(conn, &conn->watch);

	WRITE_ONCE(conn->watch_due, false);
	if (!req) {
		queue_delayed_work(srv_control_wq, &conn->watch_work,
				   SRV_WATCH_INTERVAL);
		return;
	}
	conn->watching = false;
	list_add_tail(&req->entry, &conn->tx);
}
