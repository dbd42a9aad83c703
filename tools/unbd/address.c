// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses of servers as they stand behind path=, and as sockets want them.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include "remote.h"

#define RDMA_PORT	"1234"
#define NBD_PORT	"10809"

static const struct prefix {
	const char *text;
	enum address_kind kind;
} prefixes[] = {
	{ "tcp:", ADDRESS_TCP },
	{ "unix:", ADDRESS_UNIX },
	{ "vsock:", ADDRESS_VSOCK },
	{ "rdma:", ADDRESS_RDMA },
	{ "ip:", ADDRESS_RDMA },
	{ "ip6:", ADDRESS_RDMA },
	{ "shm:", ADDRESS_SHM },
};

/* What is behind the prefix, or NULL if it has none of ours */
static const char *behind_prefix(const char *text, enum address_kind *kind)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (starts_with(text, prefixes[i].text)) {
			*kind = prefixes[i].kind;
			return text + strlen(prefixes[i].text);
		}
	return NULL;
}

static char *copy_part(const char *text, size_t len)
{
	char *part = copy_text(text);

	part[len] = '\0';
	return part;
}

/* [ADDRESS]:PORT, HOST:PORT or HOST, which has more than one colon if IPv6 */
static const char *cut_host(const char *text, struct address *a)
{
	const char *colon = strchr(text, ':'), *end;
	unsigned long long port;

	if (*text == '[') {
		end = strchr(++text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return "[ADDRESS] or [ADDRESS]:PORT is expected";
		colon = end[1] ? end + 1 : NULL;
	} else {
		if (colon && colon != strrchr(text, ':'))
			colon = NULL;
		end = colon ? colon : text + strlen(text);
	}
	if (end == text)
		return "a host is expected";
	a->host = copy_part(text, end - text);
	if (colon) {
		if (!parse_number(colon + 1, &port) || !port || port > 65535)
			return "its port is none of 1 to 65535";
		free(a->port);
		a->port = copy_text(colon + 1);
	}
	return NULL;
}

/* SRC,DST or SRC@DST; either may begin with the prefix */
static const char *cut_inet(const char *text, struct address *a)
{
	size_t len = strcspn(text, ",@");
	enum address_kind kind;
	const char *rest;

	a->port = copy_text(a->kind == ADDRESS_RDMA ? RDMA_PORT : NBD_PORT);
	if (!text[len])
		return cut_host(text, a);
	a->source = copy_part(text, len);
	text += len + 1;
	rest = behind_prefix(text, &kind);
	if (rest && kind != a->kind)
		return "both its ends have to be of the same kind";
	return cut_host(rest ? rest : text, a);
}

static const char *cut_vsock(const char *text, struct address *a)
{
	size_t len = strcspn(text, ":");
	unsigned long long number;

	a->host = copy_part(text, len);
	a->port = copy_text(text[len] ? text + len + 1 : NBD_PORT);
	if (!parse_number(a->host, &number) || number > UINT32_MAX ||
	    !parse_number(a->port, &number) || number > UINT32_MAX)
		return "vsock:NUMBER:PORT is expected";
	return NULL;
}

const char *address_parse(const char *text, struct address *a)
{
	unsigned long long number;
	const char *rest;

	*a = (struct address){ 0 };
	rest = behind_prefix(text, &a->kind);
	if (!rest)
		return "it begins with none of tcp:, unix:, vsock:, rdma:, ip:, ip6:, shm:";
	if (a->kind == ADDRESS_TCP || a->kind == ADDRESS_RDMA)
		return cut_inet(rest, a);
	if (a->kind == ADDRESS_VSOCK)
		return cut_vsock(rest, a);
	a->host = copy_text(rest);
	if (a->kind == ADDRESS_SHM)
		return parse_number(rest, &number) ? NULL :
			"the number of a connection is expected";
	if ((*rest != '/' && *rest != '@') || !rest[1])
		return "unix:/FILE or unix:@NAME is expected";
	return strlen(rest) < sizeof(((struct sockaddr_un *)0)->sun_path) ?
		NULL : "no socket can have such a long name";
}

static const char *look_up(const char *host, const char *port, int flags,
			   struct sockaddr_storage *sa, socklen_t *len)
{
	struct addrinfo hints = {
		.ai_flags = flags | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *found;
	int err = getaddrinfo(host, port, &hints, &found);

	if (err)
		return gai_strerror(err);
	memcpy(sa, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return NULL;
}

static void set_unix(struct address *a)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)&a->sa;
	size_t len = strlen(a->host);

	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, a->host, len);
	/* A name that is in no file system begins with a NUL. */
	if (*sun->sun_path == '@')
		*sun->sun_path = '\0';
	a->len = offsetof(struct sockaddr_un, sun_path) + len;
}

static void set_vsock(struct address *a)
{
	struct sockaddr_vm *svm = (struct sockaddr_vm *)&a->sa;

	svm->svm_family = AF_VSOCK;
	svm->svm_cid = strtoul(a->host, NULL, 10);
	svm->svm_port = strtoul(a->port, NULL, 10);
	a->len = sizeof(*svm);
}

const char *address_resolve(struct address *a)
{
	const char *why;

	if (a->kind == ADDRESS_SHM)
		return NULL;
	if (a->kind == ADDRESS_UNIX)
		set_unix(a);
	if (a->kind == ADDRESS_VSOCK)
		set_vsock(a);
	if (a->len)
		return NULL;
	why = look_up(a->host, a->port, 0, &a->sa, &a->len);
	if (!why && a->source)
		why = look_up(a->source, NULL, AI_NUMERICHOST, &a->from,
			      &a->from_len);
	return why;
}

bool address_is_numeric(const struct address *a)
{
	struct sockaddr_storage sa;
	socklen_t len;

	return !look_up(a->host, NULL, AI_NUMERICHOST, &sa, &len);
}

char *address_print(const struct sockaddr_storage *sa)
{
	char host[INET6_ADDRSTRLEN + 32] = "?";

	getnameinfo((const struct sockaddr *)sa, sizeof(*sa), host,
		    sizeof(host), NULL, 0, NI_NUMERICHOST);
	return copy_text(host);
}

void address_free(struct address *a)
{
	free(a->host);
	free(a->port);
	free(a->source);
	*a = (struct address){ 0 };
}
