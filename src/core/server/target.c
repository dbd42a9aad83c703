// SPDX-License-Identifier: GPL-2.0
/*
 * The transports that have registered, and what they listen on.
 */
#define pr_fmt(fmt) "unbd-server: " fmt

#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "server.h"

static DEFINE_MUTEX(targets_mutex);
static LIST_HEAD(targets);

static DEFINE_MUTEX(listeners_mutex);
static LIST_HEAD(listeners);

static struct unbd_target_ops *find_target(const char *name)
{
	struct unbd_target_ops *ops;

	lockdep_assert_held(&targets_mutex);

	list_for_each_entry(ops, &targets, entry)
		if (!strcmp(ops->name, name))
			return ops;
	return NULL;
}

int __unbd_register_target(struct unbd_target_ops *ops, unsigned int api,
			   const struct unbd_target_layout *layout)
{
	int err = 0;

	if (api != UNBD_TARGET_API ||
	    memcmp(layout, &UNBD_TARGET_LAYOUT, sizeof(*layout))) {
		pr_err("transport %s was built for another version of unbd-server\n",
		       ops->name);
		return -EINVAL;
	}

	mutex_lock(&targets_mutex);
	if (find_target(ops->name)) {
		pr_err("transport %s is already registered\n", ops->name);
		err = -EEXIST;
	} else {
		list_add_tail(&ops->entry, &targets);
	}
	mutex_unlock(&targets_mutex);
	return err;
}
EXPORT_SYMBOL_UNBD(__unbd_register_target);

void unbd_unregister_target(struct unbd_target_ops *ops)
{
	mutex_lock(&targets_mutex);
	list_del(&ops->entry);
	mutex_unlock(&targets_mutex);
}
EXPORT_SYMBOL_UNBD(unbd_unregister_target);

static const struct unbd_target_ops *try_get_target(const char *name)
{
	struct unbd_target_ops *ops;

	mutex_lock(&targets_mutex);
	ops = find_target(name);
	if (ops && !try_module_get(ops->owner))
		ops = NULL;
	mutex_unlock(&targets_mutex);
	return ops;
}

/* The transport of that name with a reference to its module, or NULL */
static const struct unbd_target_ops *get_target(const char *name)
{
	const struct unbd_target_ops *ops = try_get_target(name);

	if (ops)
		return ops;
	request_module("unbd-target-%s", name);
	return try_get_target(name);
}

/* In any namespace if @net is NULL; also what only begins to listen */
static struct unbd_listener *find_listener(const char *address,
					   const struct net *net)
{
	struct unbd_listener *listener;

	lockdep_assert_held(&listeners_mutex);

	list_for_each_entry(listener, &listeners, entry)
		if ((!net || net_eq(listener->net, net)) &&
		    !strcmp(listener->address, address))
			return listener;
	return NULL;
}

/*
 * A transport may hold a network namespace that no process can enter any more:
 * then somebody else has to be able to end what listens there.
 */
static struct unbd_listener *find_to_end(const char *address,
					 const struct net *net)
{
	struct unbd_listener *listener = find_listener(address, net);

	if (!listener && net_eq(net, &init_net))
		listener = find_listener(address, NULL);
	return listener && listener->live ? listener : NULL;
}

static void free_listener(struct unbd_listener *listener)
{
	module_put(listener->ops->owner);
	kfree(listener->address);
	kfree(listener);
}

/* Takes over the reference to the module of @ops when it succeeds. */
static struct unbd_listener *alloc_listener(const struct unbd_target_ops *ops,
					    const char *address)
{
	struct unbd_listener *listener;

	listener = kzalloc(ops->listener_size, GFP_KERNEL);
	if (!listener)
		return NULL;
	listener->address = kstrdup(address, GFP_KERNEL);
	if (!listener->address) {
		kfree(listener);
		return NULL;
	}
	listener->ops = ops;
	listener->net = current->nsproxy->net_ns;
	return listener;
}

static int check_drained(const struct unbd_listener *listener, char *why,
			 size_t len)
{
	if (!unbd_conns_are_drained())
		return 0;
	return unbd_why(why, len, -ESHUTDOWN,
			"%s: the server is drained until 0 is written to drain",
			listener->address);
}

static int reserve_address(struct unbd_listener *listener, char *why,
			   size_t len)
{
	int err;

	mutex_lock(&listeners_mutex);
	err = check_drained(listener, why, len);
	if (!err && find_listener(listener->address, listener->net))
		err = unbd_why(why, len, -EADDRINUSE,
			       "%s is listened on already", listener->address);
	if (!err)
		list_add_tail(&listener->entry, &listeners);
	mutex_unlock(&listeners_mutex);
	return err;
}

static void give_address_back(struct unbd_listener *listener)
{
	mutex_lock(&listeners_mutex);
	list_del(&listener->entry);
	mutex_unlock(&listeners_mutex);
}

/*
 * Without the mutex: a transport may have to load a module that wants to hear
 * of network namespaces, and that waits until none of them is just going.
 */
static int start_listener(struct unbd_listener *listener, char *why,
			  size_t len)
{
	int err = reserve_address(listener, why, len);

	if (err)
		return err;
	err = listener->ops->listen(listener, why, len);
	if (err) {
		give_address_back(listener);
		return err;
	}
	mutex_lock(&listeners_mutex);
	/* What drains has not seen it yet. */
	err = check_drained(listener, why, len);
	listener->live = !err;
	mutex_unlock(&listeners_mutex);
	if (err) {
		listener->ops->unlisten(listener);
		give_address_back(listener);
	}
	return err;
}

/**
 * unbd_listen() - begin to accept clients at an address
 * @line: "PREFIX:ADDRESS"; modified
 * @why: one sentence on error
 * @len: its size
 *
 * Loads the transport if need be. Return: 0 or -errno.
 */
int unbd_listen(char *line, char *why, size_t len)
{
	const struct unbd_target_ops *ops;
	struct unbd_listener *listener;
	struct unbd_listen_options o;
	int err;

	err = unbd_parse_listen(line, &o, why, len);
	if (err)
		return err;
	ops = get_target(o.transport);
	if (!ops)
		return unbd_why(why, len, -EPROTONOSUPPORT,
				"%s: module unbd-%s-server is not there",
				o.address, o.transport);
	listener = alloc_listener(ops, o.address);
	if (!listener) {
		module_put(ops->owner);
		return unbd_why(why, len, -ENOMEM, "%s: no memory", o.address);
	}

	err = start_listener(listener, why, len);
	if (err)
		free_listener(listener);
	else
		pr_info("listening on %s\n", o.address);
	return err;
}

static void end_listener(struct unbd_listener *listener, const char *because)
{
	lockdep_assert_held(&listeners_mutex);

	list_del(&listener->entry);
	listener->ops->unlisten(listener);
	pr_info("no longer listening on %s%s\n", listener->address, because);
	free_listener(listener);
}

/* Those of @net that are there already, or of all if it is NULL */
static void end_listeners(const struct net *net, const char *because)
{
	struct unbd_listener *listener, *next;

	mutex_lock(&listeners_mutex);
	list_for_each_entry_safe(listener, next, &listeners, entry)
		if (listener->live && (!net || net_eq(listener->net, net)))
			end_listener(listener, because);
	mutex_unlock(&listeners_mutex);
}

/**
 * unbd_unlisten() - accept no more clients at an address
 * @line: the address as it was written to listen; modified
 * @why: one sentence on error
 * @len: its size
 *
 * In the writer's network namespace; the first one's also ends what is in
 * others, one at a time. Return: 0 or -errno; -ENOENT when nobody listens there.
 */
int unbd_unlisten(char *line, char *why, size_t len)
{
	struct unbd_listener *listener;
	struct unbd_listen_options o;
	int err;

	err = unbd_parse_listen(line, &o, why, len);
	if (err)
		return err;

	mutex_lock(&listeners_mutex);
	listener = find_to_end(o.address, current->nsproxy->net_ns);
	if (listener)
		end_listener(listener, "");
	mutex_unlock(&listeners_mutex);
	if (!listener)
		return unbd_why(why, len, -ENOENT, "%s is not listened on",
				o.address);
	return 0;
}

/**
 * unbd_drain() - close all that is open to clients, or admit them again
 * @drain: admit nobody from now on, end all listening and all connections
 *
 * Sleeps until the last request has come back from the storage and the last
 * connection has gone. Return: 0, or -EINTR for a signal before that; the
 * connections go all the same.
 */
int unbd_drain(bool drain)
{
	unbd_conns_admit(!drain);
	if (!drain)
		return 0;
	end_listeners(NULL, "");
	return unbd_conns_wait();
}

static void __net_exit exit_net(struct net *net)
{
	end_listeners(net, ": its network namespace is gone");
}

static struct pernet_operations net_ops = {
	.exit = exit_net,
};

/**
 * unbd_target_init() - hear of network namespaces that go
 *
 * Return: 0 or -errno.
 */
int unbd_target_init(void)
{
	return register_pernet_subsys(&net_ops);
}

/**
 * unbd_target_exit() - the reverse of unbd_target_init()
 */
void unbd_target_exit(void)
{
	unregister_pernet_subsys(&net_ops);
}

static void copy_part(char *buf, size_t size, loff_t from, loff_t at,
		      const char *text, size_t len)
{
	loff_t begin = max(at, from);
	loff_t end = min_t(loff_t, at + len, from + size);

	if (begin < end)
		memcpy(buf + (begin - from), text + (begin - at), end - begin);
}

/**
 * unbd_listeners_read() - what is listened on, one address a line
 * @buf: gets a part of that
 * @from: where the part begins
 * @size: how much of it fits
 *
 * Return: bytes that there are from there on, @size at most.
 */
ssize_t unbd_listeners_read(char *buf, loff_t from, size_t size)
{
	struct unbd_listener *listener;
	loff_t at = 0;
	size_t len;

	mutex_lock(&listeners_mutex);
	list_for_each_entry(listener, &listeners, entry) {
		if (!listener->live)
			continue;
		len = strlen(listener->address);
		copy_part(buf, size, from, at, listener->address, len);
		copy_part(buf, size, from, at + len, "\n", 1);
		at += len + 1;
	}
	mutex_unlock(&listeners_mutex);
	return clamp_t(loff_t, at - from, 0, size);
}
