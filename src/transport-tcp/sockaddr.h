/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses as sockets have them.
 */
#ifndef UNBD_TCP_SOCKADDR_H
#define UNBD_TCP_SOCKADDR_H

#include <linux/socket.h>
#include <net/net_namespace.h>

#include "address.h"

/**
 * unbd_tcp_resolve() - make a socket address of a parsed one
 * @net: network namespace in which an IPv6 scope names an interface
 * @a: any kind but UNBD_TCP_FD
 * @ss: where it goes
 *
 * Return: length of the address, -ENODEV for a scope that is no interface,
 * or -EINVAL.
 */
int unbd_tcp_resolve(struct net *net, const struct unbd_tcp_address *a,
		     struct sockaddr_storage *ss);

/**
 * unbd_tcp_sockaddr_name() - a socket address as text
 * @ss: of any family that a stream can have
 * @addrlen: its length
 * @buf: where it goes
 * @len: size of @buf
 */
void unbd_tcp_sockaddr_name(const struct sockaddr_storage *ss, int addrlen,
			    char *buf, size_t len);

#endif
