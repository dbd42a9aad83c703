// SPDX-License-Identifier: GPL-2.0
/*
 * The transports that have registered with the client core.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/module.h>
#include <linux/mutex.h>

#include "client.h"

static DEFINE_MUTEX(transports_mutex);
static LIST_HEAD(transports);

static struct unbd_transport_ops *find_transport(const char *name)
{
	struct unbd_transport_ops *ops;

	lockdep_assert_held(&transports_mutex);

	list_for_each_entry(ops, &transports, entry)
		if (!strcmp(ops->name, name))
			return ops;
	return NULL;
}

int __unbd_register_transport(struct unbd_transport_ops *ops,
			      unsigned int api, size_t path_size,
			      size_t leg_size, size_t request_size)
{
	int err = 0;

	if (api != UNBD_TRANSPORT_API ||
	    path_size != sizeof(struct unbd_path) ||
	    leg_size != sizeof(struct unbd_leg) ||
	    request_size != sizeof(struct unbd_request) ||
	    ops->request_size > UNBD_REQUEST_PRIV) {
		pr_err("transport %s was built for another version of unbd-client\n",
		       ops->name);
		return -EINVAL;
	}

	mutex_lock(&transports_mutex);
	if (find_transport(ops->name)) {
		pr_err("transport %s is already registered\n", ops->name);
		err = -EEXIST;
	} else {
		list_add_tail(&ops->entry, &transports);
	}
	mutex_unlock(&transports_mutex);
	return err;
}
EXPORT_SYMBOL_UNBD(__unbd_register_transport);

void unbd_unregister_transport(struct unbd_transport_ops *ops)
{
	mutex_lock(&transports_mutex);
	list_del(&ops->entry);
	mutex_unlock(&transports_mutex);
}
EXPORT_SYMBOL_UNBD(unbd_unregister_transport);

/**
 * unbd_transport_get() - a transport by name, if its module is there
 * @name: "tcp", "rdma" or "shm"
 *
 * Process context, may sleep. Return: the operations with a reference to
 * their module, or NULL.
 */
const struct unbd_transport_ops *unbd_transport_get(const char *name)
{
	struct unbd_transport_ops *ops;

	mutex_lock(&transports_mutex);
	ops = find_transport(name);
	if (ops && !try_module_get(ops->owner))
		ops = NULL;
	mutex_unlock(&transports_mutex);
	return ops;
}

/**
 * unbd_transport_load() - load a transport's module unless it is there
 * @name: as for unbd_transport_get()
 *
 * Not for who holds a mutex of ours: what modprobe reads may be on a disk that
 * has to be unmapped by force before it goes on.
 */
void unbd_transport_load(const char *name)
{
	const struct unbd_transport_ops *ops = unbd_transport_get(name);

	if (ops)
		unbd_transport_put(ops);
	else
		request_module("unbd-transport-%s", name);
}

/**
 * unbd_transport_put() - give back what unbd_transport_get() returned
 * @ops: operations of a transport
 */
void unbd_transport_put(const struct unbd_transport_ops *ops)
{
	module_put(ops->owner);
}
