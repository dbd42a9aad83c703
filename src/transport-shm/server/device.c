// SPDX-License-Identifier: GPL-2.0
/*
 * A connection's devices: exports, each opened on a connection of its own as
 * the core counts them, as long as a client is there.
 */
#define pr_fmt(fmt) "unbd-shm-server: " fmt

#include <linux/log2.h>
#include <linux/nospec.h>
#include <linux/slab.h>

#include "server.h"

static void release_device(struct unbd_conn *base)
{
	kfree(container_of(base, struct srv_device, base));
}

static struct srv_device *alloc_device(struct srv_conn *conn, unsigned int nr)
{
	struct srv_device *device = kzalloc(sizeof(*device), GFP_NOIO);

	if (!device)
		return NULL;
	device->conn = conn;
	device->nr = nr;
	device->base.ops = &srv_target_ops;
	/* Whoever can write to the memory, which is root's to give */
	device->base.admission = UNBD_ADMIT_GUARDED;
	device->base.transport = "shm";
	device->base.release = release_device;
	INIT_WORK(&device->work, srv_io_wait);
	snprintf(device->base.peer_name, sizeof(device->base.peer_name),
		 "shm:%u device %u", conn->base.option.id, nr);
	return device;
}

static int open_device(struct srv_conn *conn, unsigned int nr)
{
	struct srv_device *device = alloc_device(conn, nr);
	struct unbd_export_info info;
	int err;

	if (!device)
		return -ENOMEM;
	err = unbd_conn_add(&device->base);
	if (err) {
		kfree(device);
		return err;
	}
	err = unbd_export_open(&device->base, conn->exports[nr].name, &info);
	device->stable = !err && info.features & UNBD_EXPORT_STABLE_WRITES;
	if (device->stable)
		err = srv_data_make_room(conn);
	if (err) {
		unbd_conn_remove(&device->base);
		return err;
	}
	/* Files have no blocks; some disk has none that this can tell. */
	device->block = clamp(info.min_io, SHM_MIN_BLOCK, SHM_MAX_BLOCK);
	if (!is_power_of_2(device->block))
		device->block = SHM_MIN_BLOCK;
	conn->devices[nr] = device;
	return 0;
}

/**
 * srv_devices_open() - open all devices that are not open
 * @conn: connection whose client is there
 *
 * What cannot be opened now, which the core has logged, is no device.
 */
void srv_devices_open(struct srv_conn *conn)
{
	unsigned int nr;

	/* While the module is being unloaded there is nothing to begin. */
	if (!try_module_get(THIS_MODULE))
		return;
	for (nr = 0; nr < srv_nr_exports(conn); nr++)
		if (!conn->devices[nr])
			open_device(conn, nr);
	module_put(THIS_MODULE);
}

/**
 * srv_devices_close() - close devices
 * @conn: connection, nothing of it is at the storage
 * @all: also those that need not be closed
 */
void srv_devices_close(struct srv_conn *conn, bool all)
{
	struct srv_device *device;
	unsigned int nr;

	for (nr = 0; nr < srv_nr_exports(conn); nr++) {
		device = conn->devices[nr];
		if (!device || (!all && !READ_ONCE(device->closing)))
			continue;
		conn->devices[nr] = NULL;
		/* It may be returning from the last request. */
		flush_work(&device->work);
		unbd_conn_remove(&device->base);
	}
}

/**
 * srv_devices_hurry() - nobody waits for what devices are asked for any more
 * @conn: connection whose client has gone
 */
void srv_devices_hurry(struct srv_conn *conn)
{
	unsigned int nr;

	for (nr = 0; nr < srv_nr_exports(conn); nr++)
		if (conn->devices[nr])
			WRITE_ONCE(conn->devices[nr]->base.closing, true);
}

static struct srv_device *open_device_of(struct srv_conn *conn, u16 nr)
{
	if (nr >= srv_nr_exports(conn))
		return NULL;
	return conn->devices[array_index_nospec(nr, SHM_MAX_DEVICES)];
}

/**
 * srv_device_of() - a device by number
 * @conn: connection
 * @nr: number, not trusted
 *
 * Return: the device, or NULL if it is not there or about to go.
 */
struct srv_device *srv_device_of(struct srv_conn *conn, u16 nr)
{
	struct srv_device *device = open_device_of(conn, nr);

	return device && !READ_ONCE(device->closing) ? device : NULL;
}

/**
 * srv_device_is_closing() - will the client have to begin anew for a device?
 * @conn: connection
 * @nr: number, not trusted
 */
bool srv_device_is_closing(struct srv_conn *conn, u16 nr)
{
	struct srv_device *device = open_device_of(conn, nr);

	return device && READ_ONCE(device->closing);
}

/**
 * srv_devices_are_closing() - has one to be closed?
 * @conn: connection
 */
bool srv_devices_are_closing(struct srv_conn *conn)
{
	unsigned int nr;

	for (nr = 0; nr < srv_nr_exports(conn); nr++)
		if (srv_device_is_closing(conn, nr))
			return true;
	return false;
}

/**
 * srv_nr_devices() - how many devices can be used
 * @conn: connection
 */
unsigned int srv_nr_devices(struct srv_conn *conn)
{
	unsigned int nr, found = 0;

	for (nr = 0; nr < srv_nr_exports(conn); nr++)
		found += !!srv_device_of(conn, nr);
	return found;
}

/**
 * srv_device_blocks() - a device's size at this moment
 * @device: the device
 */
u64 srv_device_blocks(struct srv_device *device)
{
	struct unbd_export_info info;

	unbd_export_current(&device->base, &info);
	return info.size >> ilog2(device->block);
}
