/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses as the connection manager wants them.
 */
#ifndef UNBD_RDMA_SOCKADDR_H
#define UNBD_RDMA_SOCKADDR_H

#include <linux/socket.h>
#include <net/net_namespace.h>

#include "address.h"

/* "[fe80:...%scope]:port" */
#define UNBD_RDMA_NAME_LEN	80

int unbd_rdma_resolve(struct net *net, const struct unbd_rdma_address *a,
		      struct sockaddr_storage *ss);
bool unbd_rdma_same_host(const struct sockaddr_storage *a,
			 const struct sockaddr_storage *b);
void unbd_rdma_sockaddr_name(const struct sockaddr_storage *ss, char *buf,
			     size_t len);

#endif
