/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses of stream sockets as users write them.
 */
#ifndef UNBD_TCP_ADDRESS_H
#define UNBD_TCP_ADDRESS_H

#include <linux/types.h>

/* 39 bytes of IPv6, '%', 15 of an interface's name, NUL */
#define UNBD_TCP_HOST_LEN	56

/* What fits sun_path with its NUL */
#define UNBD_TCP_UNIX_LEN	108

/* "any": the vsock listener takes connections to every context id */
#define UNBD_TCP_CID_ANY	0xffffffffu

/**
 * enum unbd_tcp_address_kind - which socket an address belongs to
 * @UNBD_TCP_INET: IPv4 literal and port
 * @UNBD_TCP_INET6: IPv6 literal, maybe with a %scope, and port
 * @UNBD_TCP_UNIX: path, or "@name" of an abstract socket
 * @UNBD_TCP_VSOCK: context id and port
 * @UNBD_TCP_FD: a socket the writing process has open
 */
enum unbd_tcp_address_kind {
	UNBD_TCP_INET,
	UNBD_TCP_INET6,
	UNBD_TCP_UNIX,
	UNBD_TCP_VSOCK,
	UNBD_TCP_FD,
};

/**
 * struct unbd_tcp_address - an address, taken apart
 * @kind: says which of the others count
 * @host: literal without brackets, checked; fit for inet_pton_with_scope()
 * @port_text: @port again, for inet_pton_with_scope()
 * @port: TCP or vsock port; 0 only if a default of 0 was asked for
 * @path: as written, so an abstract name begins with '@' (no NUL byte in it)
 * @cid: context id, or UNBD_TCP_CID_ANY
 * @fd: descriptor number, not yet looked up
 */
struct unbd_tcp_address {
	enum unbd_tcp_address_kind kind;
	char host[UNBD_TCP_HOST_LEN];
	char port_text[6];
	u32 port;
	char path[UNBD_TCP_UNIX_LEN];
	u32 cid;
	int fd;
};

/**
 * unbd_tcp_parse_address() - take an address apart
 * @text: "tcp:10.0.0.1[:PORT]", "tcp:[fe80::1%eth0]:PORT", "tcp:fe80::1",
 *	"unix:/run/x.sock", "unix:@name", "vsock:CID|any[:PORT]" or "fd:7"
 * @default_port: where @text names none; 0 for the source of a connection
 * @a: where the parts go
 * @why: message on error
 * @whylen: its size
 *
 * Names are not resolved: a kernel has no resolver, and guessing none is
 * better than half a one.
 *
 * Return: 0; -EPROTONOSUPPORT for a prefix that is not ours, -ENAMETOOLONG for
 * what cannot fit a socket address, -ERANGE for a number out of its range,
 * -EINVAL for anything else.
 */
int unbd_tcp_parse_address(const char *text, u16 default_port,
			   struct unbd_tcp_address *a,
			   char *why, size_t whylen);

#endif
