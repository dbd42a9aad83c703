// SPDX-License-Identifier: GPL-2.0
/*
 * Ways over a network, and NBD servers at their ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <unbd/proto/nbd.h>

#include "doctor.h"

#define fallthrough	__attribute__((fallthrough))

/* ------------------------------------------------------------------ */
/* Routes and MTUs                                                    */

static bool same_address(const struct sockaddr *a, const struct sockaddr *b)
{
	if (!a || a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return !memcmp(&((const struct sockaddr_in *)a)->sin_addr,
			       &((const struct sockaddr_in *)b)->sin_addr,
			       sizeof(struct in_addr));
	return !memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
		       &((const struct sockaddr_in6 *)b)->sin6_addr,
		       sizeof(struct in6_addr));
}

/* The interface that has an address, or NULL; to be freed */
static char *interface_of(const struct sockaddr_storage *sa)
{
	struct ifaddrs *all, *i;
	char *name = NULL;

	if (getifaddrs(&all))
		return NULL;
	for (i = all; i && !name; i = i->ifa_next)
		if (same_address(i->ifa_addr, (const struct sockaddr *)sa))
			name = copy_text(i->ifa_name);
	freeifaddrs(all);
	return name;
}

static long long interface_mtu(const char *name)
{
	char *dir = make_text("class/net/%s", name);
	long long mtu = sysfs_number(dir, "mtu", 0);

	free(dir);
	return mtu;
}

/* What the kernel has learned of packets' way to there, 0 for nothing */
static int path_mtu(int fd, int family)
{
	socklen_t len = sizeof(int);
	int mtu = 0;

	if (getsockopt(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
		       family == AF_INET ? IP_MTU : IPV6_MTU, &mtu, &len))
		return 0;
	return mtu;
}

static void tell_route(const char *about, int fd, const struct address *a)
{
	struct sockaddr_storage self = { 0 };
	socklen_t len = sizeof(self);
	char *source, *interface;
	long long device;
	int mtu;

	getsockname(fd, (struct sockaddr *)&self, &len);
	source = address_print(&self);
	interface = interface_of(&self);
	device = interface ? interface_mtu(interface) : 0;
	mtu = path_mtu(fd, a->sa.ss_family);
	/* No packet has more bytes, though the loopback device would. */
	if (mtu && mtu < device && mtu < 65535)
		found(NOTE, about,
		      "larger packets need an MTU as large all the way",
		      "by %s from %s: its MTU is %lld, but only %d get there",
		      interface, source, device, mtu);
	else
		found(OK, about, NULL, "by %s from %s, MTU %lld",
		      interface ? interface : "?", source, device);
	free(interface);
	free(source);
}

static void no_route(const char *about, const struct address *a, int err)
{
	char *there = address_print(&a->sa);

	if (err == EADDRNOTAVAIL)
		found(FAULT, about, "see ip address",
		      "%s is no address of this machine",
		      a->source ? a->source : "the source");
	else if (err == EACCES || err == EPERM || err == EINVAL)
		found_advised(FAULT, about,
			      make_text("see ip rule and ip route get %s",
					there),
			      "a route or a rule prohibits it (%s)",
			      strerror(err));
	else
		found_advised(FAULT, about,
			      make_text("see ip route get %s, and ip link for what is down",
					there),
			      "there is no way to %s: %s", there,
			      strerror(err));
	free(there);
}

bool doctor_route(const char *about, const struct address *a)
{
	int fd = socket(a->sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	if (!address_is_numeric(a)) {
		char *there = address_print(&a->sa);

		found(NOTE, about, NULL,
		      "%s is %s now, and path= takes numbers only", a->host,
		      there);
		free(there);
	}
	/* This sends nothing. */
	ok = fd >= 0 && (!a->from_len ||
			 !bind(fd, (const struct sockaddr *)&a->from,
			       a->from_len)) &&
		!connect(fd, (const struct sockaddr *)&a->sa, a->len);
	if (ok)
		tell_route(about, fd, a);
	else
		no_route(about, a, errno);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* ------------------------------------------------------------------ */
/* Connections                                                        */

static char *listen_advice(const struct address *a)
{
	if (a->kind == ADDRESS_TCP)
		return make_text("on the server, unbd listen tcp:0.0.0.0:%s",
				 a->port);
	if (a->kind == ADDRESS_VSOCK)
		return make_text("on the server, unbd listen vsock:any:%s",
				 a->port);
	return make_text("unbd listen unix:%s, or start the other server",
			 a->host);
}

static void refused_by_icmp(const char *about, const struct address *a,
			    const struct refusal *why)
{
	bool unreachable = a->sa.ss_family == AF_INET ?
		why->type == 3 && why->code == 1 :
		why->type == 1 && why->code == 3;

	if (unreachable)
		found_advised(FAULT, about,
			      make_text("see whether it is up, and the routes of %s",
					why->sender),
			      "%s says that no host is there", why->sender);
	else
		found_advised(FAULT, about,
			      make_text("open the TCP port %s in the firewall of %s",
					a->port, why->sender),
			      "a firewall rejects it: %s says so by ICMP %u/%u",
			      why->sender, why->type, why->code);
}

static void closed_at_once(const char *about)
{
	found(FAULT, about,
	      "see its log: it may have no export for this machine, or clients enough",
	      "connected, but the server closes the connection at once");
}

static void not_connected(const char *about, const struct address *a,
			  const struct refusal *why)
{
	if (why->icmp) {
		refused_by_icmp(about, a, why);
		return;
	}
	switch (why->err) {
	case ECONNRESET:
		if (a->kind != ADDRESS_VSOCK) {
			closed_at_once(about);
			break;
		}
		/* A port where nobody listens */
		fallthrough;
	case ECONNREFUSED:
		found_advised(FAULT, about, listen_advice(a),
			      "connection refused: nobody listens there");
		break;
	case ETIMEDOUT:
		found_advised(FAULT, about,
			      make_text("see whether it is up, and no firewall drops port %s",
					a->port),
			      "no answer in %u seconds", STREAM_PATIENCE);
		break;
	case EHOSTUNREACH:
		found(FAULT, about,
		      "see whether it is up, and in the same network",
		      "no host answers to this address");
		break;
	case ENOENT:
		found_advised(FAULT, about, listen_advice(a),
			      "there is no such socket");
		break;
	case EAFNOSUPPORT:
	case ENODEV:
		found(FAULT, about,
		      "load vhost_vsock, or in a guest vmw_vsock_virtio_transport",
		      "there are no sockets of this kind: %s",
		      strerror(why->err));
		break;
	case EPERM:
	case EACCES:
		found(FAULT, about, "see nft list ruleset, or the socket's permissions",
		      "this machine prohibits it: %s", strerror(why->err));
		break;
	default:
		found(FAULT, about, NULL, "no connection: %s",
		      strerror(why->err));
	}
}

/* Timestamps, which both ends nearly always have */
#define OPTION_BYTES	12

/* The other end says in its SYN how large packets it takes. */
static void look_at_segments(const char *about, int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return;
	/* Of the largest only as much is used as half of a window. */
	if (info.tcpi_advmss > 32000 ||
	    info.tcpi_snd_mss + OPTION_BYTES >= info.tcpi_advmss)
		return;
	found(NOTE, about, "set the same MTU at both ends and in the switches",
	      "segments have %u bytes, and not %u as here: its MTU is smaller",
	      info.tcpi_snd_mss, info.tcpi_advmss - OPTION_BYTES);
}

/* ------------------------------------------------------------------ */
/* Servers                                                            */

/* Others than fixed newstyle servers are not asked. */
static void tell_exports(const char *about, const struct nbd_server *s,
			 const char *export)
{
	const char *who = s->fences ? "unbd's server" : "an NBD server";

	if (s->wanted && s->wanted != NBD_REP_ERR_UNSUP)
		found(FAULT, about,
		      s->fences ? "on the server, unbd list has names and clients" :
		      "see its configuration",
		      "%s, which has no export \"%s\" for this machine", who,
		      export);
	else if (!s->refused && !s->nr_exports && !export)
		found(FAULT, about,
		      s->fences ? "on the server, unbd list has names and clients" :
		      "see its configuration",
		      "%s, which exports nothing to this machine", who);
	else if (s->refused)
		found(NOTE, about, "ask who runs it for their names", "%s: %s",
		      who, nbd_refusal(s->refused));
	else
		found(OK, about, NULL, "%s, exports: %zu", who,
		      s->nr_exports);
	if (!s->fences)
		found(NOTE, about,
		      "see Limits in README.md, if there are several paths",
		      "it cannot fence: a write may be executed twice when a path is lost");
}

static void tell_newstyle(const char *about, const struct nbd_server *s,
			  const char *export)
{
	if (s->refused == NBD_REP_ERR_TLS_REQD)
		found(FAULT, about, "let it serve without", "%s",
		      nbd_refusal(s->refused));
	else if (s->broken)
		found(FAULT, about, "see its log",
		      "it has broken off, or has broken the protocol, while it was asked for its exports");
	else
		tell_exports(about, s, export);
}

static void tell_server(const char *about, const struct nbd_server *s,
			const char *export)
{
	switch (s->kind) {
	case NBD_SILENT:
		found(FAULT, about, "see whether it is an NBD server, and has hung",
		      "connected, but it says nothing in %u seconds",
		      STREAM_PATIENCE);
		break;
	case NBD_CLOSES:
		closed_at_once(about);
		break;
	case NBD_STRANGER:
		found(FAULT, about, "see what listens at this port",
		      "it is no NBD server: it begins with \"%s\"", s->first);
		break;
	case NBD_OLDSTYLE:
		if (s->broken)
			found(FAULT, about, "see its log",
			      "an NBD server that breaks off");
		else
			found(OK, about, NULL,
			      "an oldstyle NBD server: one export, which has no name");
		break;
	case NBD_PLAIN_NEWSTYLE:
		found(OK, about, NULL,
		      "a plain newstyle NBD server: it cannot list its exports");
		break;
	case NBD_FIXED_NEWSTYLE:
		tell_newstyle(about, s, export);
		break;
	}
}

void doctor_stream(const char *about, const struct address *a,
		   const char *export)
{
	struct nbd_server s;
	struct refusal why;
	int fd = stream_connect(a, &why);

	if (fd < 0) {
		not_connected(about, a, &why);
		return;
	}
	if (a->kind == ADDRESS_TCP)
		look_at_segments(about, fd);
	nbd_ask(fd, export, &s);
	close(fd);
	tell_server(about, &s, export);
	nbd_free(&s);
}
