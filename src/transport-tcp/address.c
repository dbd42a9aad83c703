// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses of stream sockets as users write them, taken apart.
 */
#include <linux/errno.h>
#include <linux/inet.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/string.h>

#include <unbd/compat.h>

#include "address.h"

#define refuse(why, whylen, err, ...) \
	(snprintf(why, whylen, __VA_ARGS__), (err))

/* The message shows at most this much of the address. */
#define SHOWN	"%.80s"

/* Decimal digits only: no sign, no blanks, no other base. */
static int parse_number(const char *text, u64 max, u64 *value)
{
	u64 n = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (n <= U32_MAX)
			n = n * 10 + (*text - '0');
	}
	*value = n;
	return n > max ? -ERANGE : 0;
}

static int parse_port(const char *text, const char *port, u64 max,
		      u32 *result, char *why, size_t whylen)
{
	u64 value;
	int err = parse_number(port, max, &value);

	if (!err && !value)
		err = -ERANGE;
	if (err)
		return refuse(why, whylen, err,
			      SHOWN ": \"%.16s\" is no port, 1 to %llu are",
			      text, port, max);
	*result = value;
	return 0;
}

/* ------------------------------------------------------------------ */
/* IPv4 and IPv6                                                      */

/* The kernel's parsers may stop before the end and be content. */
static bool is_ipv4(const char *host, size_t len)
{
	const char *end;
	u8 addr[4];

	return in4_pton(host, len, addr, -1, &end) && end == host + len;
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
	return in6_pton(host, addr_len, addr, -1, &end) &&
		end == host + addr_len;
}

/*
 * Where the port begins, or NULL. "fe80::1" can only be an address, but
 * "fe80::1:80" can be read both ways and is refused.
 */
static int split_bare(const char *text, const char *host, const char **colon,
		      char *why, size_t whylen)
{
	const char *first = strchr(host, ':');
	const char *last = strrchr(host, ':');
	u64 port;

	if (!first || first == last) {
		*colon = first;
		return 0;
	}
	*colon = NULL;
	if (!parse_number(last + 1, 65535, &port) &&
	    is_ipv6(host, last - host))
		return refuse(why, whylen, -EINVAL,
			      SHOWN ": is \":%.16s\" a port? Write [ADDRESS] or [ADDRESS]:PORT",
			      text, last + 1);
	return 0;
}

/* [host], maybe with :port behind it */
static int split_bracketed(const char *text, const char **host, size_t *len,
			   const char **colon, char *why, size_t whylen)
{
	const char *end = strchr(*host, ']');

	if (!end || (end[1] && end[1] != ':'))
		return refuse(why, whylen, -EINVAL,
			      SHOWN ": [ADDRESS] or [ADDRESS]:PORT is expected",
			      text);
	(*host)++;
	*len = end - *host;
	*colon = end[1] ? end + 1 : NULL;
	return 0;
}

static int parse_host(const char *text, const char *host, size_t len,
		      bool bracketed, struct unbd_tcp_address *a,
		      char *why, size_t whylen)
{
	if (len && is_ipv6(host, len))
		a->kind = UNBD_TCP_INET6;
	else if (len && !bracketed && is_ipv4(host, len))
		a->kind = UNBD_TCP_INET;
	else
		return refuse(why, whylen, -EINVAL,
			      SHOWN ": \"%.*s\" is no numeric %s address", text,
			      (int)(len < 56 ? len : 56), host,
			      bracketed ? "IPv6" : "IPv4 or IPv6");
	if (len >= sizeof(a->host))
		return refuse(why, whylen, -ENAMETOOLONG,
			      SHOWN ": the address is too long", text);
	memcpy(a->host, host, len);
	return 0;
}

static int parse_inet(const char *text, const char *host, u16 default_port,
		      struct unbd_tcp_address *a, char *why, size_t whylen)
{
	bool bracketed = *host == '[';
	const char *colon;
	size_t len;
	int err;

	if (bracketed) {
		err = split_bracketed(text, &host, &len, &colon, why, whylen);
	} else {
		err = split_bare(text, host, &colon, why, whylen);
		len = colon ? (size_t)(colon - host) : strlen(host);
	}
	if (!err)
		err = parse_host(text, host, len, bracketed, a, why, whylen);
	if (!err && colon)
		err = parse_port(text, colon + 1, 65535, &a->port, why, whylen);
	if (err)
		return err;
	if (!colon)
		a->port = default_port;
	snprintf(a->port_text, sizeof(a->port_text), "%u", a->port);
	return 0;
}

/* ------------------------------------------------------------------ */
/* The others                                                         */

static int parse_unix(const char *text, const char *path,
		      struct unbd_tcp_address *a, char *why, size_t whylen)
{
	size_t len = strlen(path);

	if ((*path != '/' && *path != '@') || len < 2)
		return refuse(why, whylen, -EINVAL,
			      SHOWN ": unix:/PATH or unix:@NAME is expected",
			      text);
	if (len >= sizeof(a->path))
		return refuse(why, whylen, -ENAMETOOLONG,
			      SHOWN "... is longer than the %zu bytes of a unix socket's name",
			      text, sizeof(a->path) - 1);
	a->kind = UNBD_TCP_UNIX;
	memcpy(a->path, path, len);
	return 0;
}

static int parse_cid(const char *text, const char *cid,
		     struct unbd_tcp_address *a, char *why, size_t whylen)
{
	u64 value;
	int err;

	if (!strcmp(cid, "any")) {
		a->cid = UNBD_TCP_CID_ANY;
		return 0;
	}
	err = parse_number(cid, UNBD_TCP_CID_ANY - 1, &value);
	if (err)
		return refuse(why, whylen, err,
			      SHOWN ": \"%.16s\" is no vsock context id", text,
			      cid);
	a->cid = value;
	return 0;
}

static int parse_vsock(const char *text, const char *rest, u16 default_port,
		       struct unbd_tcp_address *a, char *why, size_t whylen)
{
	const char *colon = strchr(rest, ':');
	size_t len = colon ? (size_t)(colon - rest) : strlen(rest);
	char cid[12] = "";
	int err;

	if (len >= sizeof(cid))
		return refuse(why, whylen, -EINVAL,
			      SHOWN ": vsock:CID:PORT is expected", text);
	memcpy(cid, rest, len);
	a->kind = UNBD_TCP_VSOCK;
	a->port = default_port;
	err = parse_cid(text, cid, a, why, whylen);
	if (!err && colon)
		err = parse_port(text, colon + 1, U32_MAX - 1, &a->port, why,
				 whylen);
	return err;
}

static int parse_fd(const char *text, const char *number,
		    struct unbd_tcp_address *a, char *why, size_t whylen)
{
	u64 value;
	int err = parse_number(number, INT_MAX, &value);

	if (err)
		return refuse(why, whylen, err,
			      SHOWN ": \"%.16s\" is no file descriptor", text,
			      number);
	a->kind = UNBD_TCP_FD;
	a->fd = value;
	return 0;
}

/* What is behind @prefix, or NULL if @text does not begin with it */
static const char *behind(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) ? NULL : text + len;
}

int unbd_tcp_parse_address(const char *text, u16 default_port,
			   struct unbd_tcp_address *a,
			   char *why, size_t whylen)
{
	const char *rest;

	memset(a, 0, sizeof(*a));
	a->fd = -1;
	rest = behind(text, "tcp:");
	if (rest)
		return parse_inet(text, rest, default_port, a, why, whylen);
	rest = behind(text, "unix:");
	if (rest)
		return parse_unix(text, rest, a, why, whylen);
	rest = behind(text, "vsock:");
	if (rest)
		return parse_vsock(text, rest, default_port, a, why, whylen);
	rest = behind(text, "fd:");
	if (rest)
		return parse_fd(text, rest, a, why, whylen);
	return refuse(why, whylen, -EPROTONOSUPPORT,
		      SHOWN ": tcp:, unix:, vsock: or fd: is expected", text);
}
EXPORT_SYMBOL_UNBD(unbd_tcp_parse_address);
