// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses of RDMA connections as users write them, taken apart.
 */
#include <linux/inet.h>

#include <unbd/compat.h>
#include <unbd/parse.h>

#include "address.h"

/* Of the address the message shows at most this much. */
#define SHOWN	"%.80s"

/* The kernel's parsers may stop before the end and be content. */
static bool is_ipv4(const char *host, size_t len)
{
	const char *end;
	u8 addr[4];

	return len && in4_pton(host, len, addr, -1, &end) && end == host + len;
}

static bool is_ipv6(const char *host, size_t len)
{
	const char *scope = memchr(host, '%', len);
	size_t addr_len = scope ? (size_t)(scope - host) : len;
	const char *end;
	u8 addr[16];

	/* 16 bytes hold an interface's name and its NUL */
	if (scope && (len - addr_len < 2 || len - addr_len > 16))
		return false;
	return addr_len && in6_pton(host, addr_len, addr, -1, &end) &&
		end == host + addr_len;
}

static int set_port(const char *text, const char *digits,
		    struct unbd_rdma_address *a, char *why, size_t whylen)
{
	unsigned int port = 0;
	const char *at;

	for (at = digits; *at >= '0' && *at <= '9' && port <= 65535; at++)
		port = port * 10 + (*at - '0');
	if (at == digits || (*at && port <= 65535))
		return unbd_why(why, whylen, -EINVAL,
				SHOWN ": \"%.16s\" is no port", text, digits);
	if (!port || port > 65535)
		return unbd_why(why, whylen, -ERANGE,
				SHOWN ": \"%.16s\" is no port, 1 to 65535 are",
				text, digits);
	a->port = port;
	return 0;
}

static int set_host(const char *text, const char *host, size_t len,
		    bool bracketed, struct unbd_rdma_address *a,
		    char *why, size_t whylen)
{
	if (is_ipv6(host, len))
		a->kind = UNBD_RDMA_INET6;
	else if (!bracketed && is_ipv4(host, len))
		a->kind = UNBD_RDMA_INET;
	else
		return unbd_why(why, whylen, -EINVAL,
				SHOWN ": \"%.*s\" is no numeric %s address",
				text, (int)(len < 56 ? len : 56), host,
				bracketed ? "IPv6" : "IPv4 or IPv6");
	if (len >= sizeof(a->host))
		return unbd_why(why, whylen, -ENAMETOOLONG,
				SHOWN ": the address is too long", text);
	memcpy(a->host, host, len);
	return 0;
}

/* [host], maybe with :port behind it */
static int parse_bracketed(const char *text, const char *host,
			   struct unbd_rdma_address *a,
			   char *why, size_t whylen)
{
	const char *end = strchr(host, ']');
	int err;

	if (!end || (end[1] && end[1] != ':'))
		return unbd_why(why, whylen, -EINVAL,
				SHOWN ": [ADDRESS] or [ADDRESS]:PORT is expected",
				text);
	err = set_host(text, host + 1, end - host - 1, true, a, why, whylen);
	if (err || !end[1])
		return err;
	return set_port(text, end + 2, a, why, whylen);
}

static int parse_inet(const char *text, const char *host,
		      struct unbd_rdma_address *a, char *why, size_t whylen)
{
	const char *first = strchr(host, ':');
	int err;

	if (*host == '[')
		return parse_bracketed(text, host, a, why, whylen);
	/* RNBD writes IPv6 without brackets, so two colons make it one. */
	if (!first || first != strrchr(host, ':'))
		return set_host(text, host, strlen(host), false, a, why,
				whylen);
	err = set_host(text, host, first - host, false, a, why, whylen);
	if (err)
		return err;
	return set_port(text, first + 1, a, why, whylen);
}

static int parse_gid(const char *text, const char *gid,
		     struct unbd_rdma_address *a, char *why, size_t whylen)
{
	const char *end;

	if (!*gid || !in6_pton(gid, strlen(gid), a->gid, -1, &end) || *end)
		return unbd_why(why, whylen, -EINVAL,
				SHOWN ": \"%.48s\" is no GID", text, gid);
	a->kind = UNBD_RDMA_GID;
	return 0;
}

int unbd_rdma_parse_address(const char *text, u16 default_port,
			    struct unbd_rdma_address *a,
			    char *why, size_t whylen)
{
	int err;

	memset(a, 0, sizeof(*a));
	a->port = default_port;
	if (!strncmp(text, "gid:", 4))
		err = parse_gid(text, text + 4, a, why, whylen);
	else if (!strncmp(text, "rdma:", 5))
		err = parse_inet(text, text + 5, a, why, whylen);
	else if (!strncmp(text, "ip6:", 4))
		err = parse_inet(text, text + 4, a, why, whylen);
	else if (!strncmp(text, "ip:", 3))
		err = parse_inet(text, text + 3, a, why, whylen);
	else
		return unbd_why(why, whylen, -EPROTONOSUPPORT,
				SHOWN ": an address begins with rdma:, ip:, ip6: or gid:",
				text);
	if (!err)
		snprintf(a->port_text, sizeof(a->port_text), "%u", a->port);
	return err;
}
EXPORT_SYMBOL_UNBD(unbd_rdma_parse_address);
