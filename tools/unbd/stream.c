// SPDX-License-Identifier: GPL-2.0
/*
 * Connections to servers that may be anything: nothing here waits for ever.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>

#include "remote.h"

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

long long stream_deadline(void)
{
	return now_ms() + STREAM_PATIENCE * 1000;
}

/* 0 if there is something to do, ETIMEDOUT or an errno */
static int await(int fd, short events, long long deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	long long left;
	int n;

	do {
		left = deadline - now_ms();
		n = poll(&p, 1, left > 0 ? left : 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno;
	return n ? 0 : ETIMEDOUT;
}

/* Who has sent the ICMP message that has ended a connection */
static void take_icmp(int fd, struct refusal *why)
{
	union {
		struct cmsghdr head;
		char bytes[512];
	} control;
	struct msghdr msg = {
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	const struct sock_extended_err *e;
	struct cmsghdr *c;
	const struct sockaddr *sender;

	if (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		e = (const struct sock_extended_err *)CMSG_DATA(c);
		if (e->ee_origin != SO_EE_ORIGIN_ICMP &&
		    e->ee_origin != SO_EE_ORIGIN_ICMP6)
			continue;
		why->icmp = true;
		why->type = e->ee_type;
		why->code = e->ee_code;
		sender = SO_EE_OFFENDER(e);
		inet_ntop(sender->sa_family, sender->sa_family == AF_INET ?
			  (const void *)&((struct sockaddr_in *)sender)->sin_addr :
			  &((struct sockaddr_in6 *)sender)->sin6_addr,
			  why->sender, sizeof(why->sender));
	}
}

static int connect_in_time(int fd, const struct address *a)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (a->from_len &&
	    bind(fd, (const struct sockaddr *)&a->from, a->from_len))
		return errno;
	if (!connect(fd, (const struct sockaddr *)&a->sa, a->len))
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	err = await(fd, POLLOUT, stream_deadline());
	if (!err && getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	return err;
}

int stream_connect(const struct address *a, struct refusal *why)
{
	int fd = socket(a->sa.ss_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	*why = (struct refusal){ 0 };
	if (fd < 0) {
		why->err = errno;
		return -1;
	}
	if (a->sa.ss_family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	if (a->sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	why->err = connect_in_time(fd, a);
	if (!why->err)
		return fd;
	take_icmp(fd, why);
	close(fd);
	return -1;
}

int stream_receive(int fd, void *bytes, size_t len, size_t *got,
		   long long deadline)
{
	int err = 0;
	ssize_t n;

	*got = 0;
	while (!err && *got < len) {
		err = await(fd, POLLIN, deadline);
		if (err)
			break;
		n = recv(fd, (char *)bytes + *got, len - *got, 0);
		if (n > 0)
			*got += n;
		else if (!n)
			err = EPIPE;
		else if (errno != EAGAIN && errno != EINTR)
			err = errno;
	}
	return err;
}

/* What is said to a server fits in its buffers. */
bool stream_send(int fd, const void *bytes, size_t len)
{
	return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}
