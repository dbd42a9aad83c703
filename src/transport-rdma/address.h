/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses of RDMA connections as users write them.
 */
#ifndef UNBD_RDMA_ADDRESS_H
#define UNBD_RDMA_ADDRESS_H

#include <linux/types.h>

/* 39 bytes of IPv6, '%', 15 of an interface's name, NUL */
#define UNBD_RDMA_HOST_LEN	56

/**
 * enum unbd_rdma_address_kind - which address family an address belongs to
 * @UNBD_RDMA_INET: IPv4 literal and port
 * @UNBD_RDMA_INET6: IPv6 literal, maybe with a %scope, and port
 * @UNBD_RDMA_GID: InfiniBand's own, and port
 */
enum unbd_rdma_address_kind {
	UNBD_RDMA_INET,
	UNBD_RDMA_INET6,
	UNBD_RDMA_GID,
};

/**
 * struct unbd_rdma_address - an address, taken apart
 * @kind: says which of the others count
 * @host: literal without brackets, checked; fit for inet_pton_with_scope()
 * @port_text: @port again, for inet_pton_with_scope()
 * @port: 0 only if a default of 0 was asked for
 * @gid: of a port of an adapter
 */
struct unbd_rdma_address {
	enum unbd_rdma_address_kind kind;
	char host[UNBD_RDMA_HOST_LEN];
	char port_text[6];
	u16 port;
	u8 gid[16];
};

/**
 * unbd_rdma_parse_address() - take an address apart
 * @text: "rdma:10.0.0.1[:PORT]", "rdma:[fe80::1%eth0]:PORT", "ip:10.0.0.1",
 *	"ip:fe80::1", "ip6:fe80::1" or "gid:GID"; ip: and ip6: take a port as
 *	rdma: does, but an IPv6 address that has one has to be in brackets
 * @default_port: where @text names none; 0 for the source of a connection
 * @a: where the parts go
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0; -EPROTONOSUPPORT for a prefix that is not ours, -ENAMETOOLONG for
 * what cannot fit a socket address, -ERANGE for a number out of its range,
 * -EINVAL for anything else.
 */
int unbd_rdma_parse_address(const char *text, u16 default_port,
			    struct unbd_rdma_address *a,
			    char *why, size_t whylen);

#endif
