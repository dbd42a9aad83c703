// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses of RDMA connections as users write them, taken apart. Those of
 * the Internet are read as those of TCP are.
 */
#include <linux/inet.h>

#include <unbd/parse.h>

#include "../transport-tcp/address.h"
#include "address.h"

/* What the parser of TCP's addresses puts in front of its messages, too */
#define INET_PREFIX	"tcp:"

static int parse_gid(const char *text, const char *gid, u16 default_port,
		     struct unbd_rdma_address *a, char *why, size_t whylen)
{
	const char *end;

	if (!in6_pton(gid, strlen(gid), a->gid, -1, &end) || *end)
		return unbd_why(why, whylen, -EINVAL,
				"%.80s: \"%.48s\" is no GID", text, gid);
	a->kind = UNBD_RDMA_GID;
	a->port = default_port;
	return 0;
}

static int parse_inet(const char *host, bool bare6, u16 default_port,
		      struct unbd_rdma_address *a, char *why, size_t whylen)
{
	struct unbd_tcp_address inet;
	char text[UNBD_ADDRESS_LEN];
	int err;

	if (snprintf(text, sizeof(text), bare6 ? INET_PREFIX "[%s]" :
		     INET_PREFIX "%s", host) >= (int)sizeof(text))
		return unbd_why(why, whylen, -ENAMETOOLONG,
				"%.80s...: the address is too long", host);
	err = unbd_tcp_parse_address(text, default_port, &inet, why, whylen);
	if (err) {
		if (!strncmp(why, INET_PREFIX, strlen(INET_PREFIX)))
			memmove(why, why + strlen(INET_PREFIX),
				strlen(why) + 1 - strlen(INET_PREFIX));
		return err;
	}
	a->kind = inet.kind == UNBD_TCP_INET6 ? UNBD_RDMA_INET6 :
		UNBD_RDMA_INET;
	memcpy(a->host, inet.host, sizeof(a->host));
	memcpy(a->port_text, inet.port_text, sizeof(a->port_text));
	a->port = inet.port;
	return 0;
}

/* RNBD writes IPv6 without brackets, so two colons make it one. */
static bool is_bare_inet6(const char *host)
{
	return *host != '[' && strchr(host, ':') != strrchr(host, ':');
}

static const char *after(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) ? NULL : text + len;
}

int unbd_rdma_parse_address(const char *text, u16 default_port,
			    struct unbd_rdma_address *a,
			    char *why, size_t whylen)
{
	const char *host;

	memset(a, 0, sizeof(*a));
	host = after(text, "gid:");
	if (host)
		return parse_gid(text, host, default_port, a, why, whylen);
	host = after(text, "rdma:");
	if (host)
		return parse_inet(host, false, default_port, a, why, whylen);
	host = after(text, "ip:");
	if (!host)
		host = after(text, "ip6:");
	if (host)
		return parse_inet(host, is_bare_inet6(host), default_port, a,
				  why, whylen);
	return unbd_why(why, whylen, -EPROTONOSUPPORT,
			"%.80s: an address begins with rdma:, ip:, ip6: or gid:",
			text);
}
