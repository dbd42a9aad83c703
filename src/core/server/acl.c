// SPDX-License-Identifier: GPL-2.0
/*
 * Which clients may use an export, and which of them are the same.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/vm_sockets.h>

#include "server.h"

/**
 * unbd_acl_set() - give an export its list of clients
 * @export: not published yet
 * @clients: ranges of addresses, copied
 * @nr: how many; 0 lets everybody in
 *
 * Return: 0 or -ENOMEM.
 */
int unbd_acl_set(struct unbd_export *export, const struct unbd_cidr *clients,
		 unsigned int nr)
{
	if (!nr)
		return 0;
	export->clients = kmemdup(clients, nr * sizeof(*clients), GFP_KERNEL);
	if (!export->clients)
		return -ENOMEM;
	export->nr_clients = nr;
	return 0;
}

static bool lists_address(const struct unbd_export *export,
			  const struct sockaddr *peer)
{
	unsigned int i;

	if (!export->nr_clients)
		return true;
	for (i = 0; i < export->nr_clients; i++)
		if (unbd_cidr_match(&export->clients[i], peer))
			return true;
	return false;
}

/**
 * unbd_acl_allows() - may a client use an export?
 * @export: the export
 * @admission: how the client comes
 * @peer: and from where
 *
 * A list of addresses lets in what it names. It cannot name the user of a
 * Unix socket, who comes without an address: there the permissions of the
 * socket's file decide, and whoever passed them passes here too. Nothing
 * guards a vsock port or an abstract name, so who comes by these is a stranger
 * to every list.
 */
bool unbd_acl_allows(const struct unbd_export *export,
		     enum unbd_admission admission,
		     const struct sockaddr_storage *peer)
{
	switch (admission) {
	case UNBD_ADMIT_LISTED:
		return lists_address(export, (const struct sockaddr *)peer);
	case UNBD_ADMIT_GUARDED:
		return true;
	case UNBD_ADMIT_NOBODY:
		break;
	}
	return false;
}

/**
 * unbd_acl_print() - the list as the administrator may write it again
 * @export: the export
 * @buf: a page, as for a sysfs file
 */
ssize_t unbd_acl_print(const struct unbd_export *export, char *buf)
{
	char text[48];
	unsigned int i;
	int at = 0;

	if (!export->nr_clients)
		return sysfs_emit(buf, "any\n");
	for (i = 0; i < export->nr_clients; i++) {
		unbd_cidr_print(&export->clients[i], text, sizeof(text));
		at += sysfs_emit_at(buf, at, "%s%s", i ? "," : "", text);
	}
	return at + sysfs_emit_at(buf, at, "\n");
}

/**
 * unbd_same_host() - do two connections come from one place?
 * @a: where one comes from
 * @b: where the other does
 *
 * All that have no address to compare are of this machine.
 */
bool unbd_same_host(const struct sockaddr_storage *a,
		    const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	switch (a->ss_family) {
	case AF_INET:
		return ((struct sockaddr_in *)a)->sin_addr.s_addr ==
			((struct sockaddr_in *)b)->sin_addr.s_addr;
	case AF_INET6:
		return !memcmp(&((struct sockaddr_in6 *)a)->sin6_addr,
			       &((struct sockaddr_in6 *)b)->sin6_addr,
			       sizeof(struct in6_addr));
	case AF_VSOCK:
		return ((struct sockaddr_vm *)a)->svm_cid ==
			((struct sockaddr_vm *)b)->svm_cid;
	default:
		return true;
	}
}
