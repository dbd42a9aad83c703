// SPDX-License-Identifier: GPL-2.0
/*
 * NBD URIs, as doc/uri.md of the nbd project has them.
 *
 * Its other query parameters are for encryption, or may be ignored.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "unbd.h"

#define DEFAULT_PORT	"10809"

bool is_uri(const char *word)
{
	return (starts_with(word, "nbd:") || starts_with(word, "nbds:") ||
		starts_with(word, "nbd+") || starts_with(word, "nbds+")) &&
		strstr(word, "://");
}

static int hex(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	c = tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* NULL if a '%' is not followed by two digits or stands for a NUL. */
static char *decode(const char *s, size_t len)
{
	char *out = allocate(len + 1);
	size_t at = 0, i;
	int value;

	for (i = 0; i < len; i++) {
		value = (unsigned char)s[i];
		if (value == '%') {
			value = i + 2 < len && hex(s[i + 1]) >= 0 &&
				hex(s[i + 2]) >= 0 ?
				hex(s[i + 1]) * 16 + hex(s[i + 2]) : 0;
			i += 2;
		}
		if (!value) {
			free(out);
			return NULL;
		}
		out[at++] = value;
	}
	return out;
}

/* The pieces of a URI, still encoded */
struct pieces {
	const char *authority;
	size_t authority_len;
	const char *path;
	size_t path_len;
	const char *query;
};

static void cut(const char *text, struct pieces *p)
{
	p->authority = strstr(text, "://") + 3;
	p->authority_len = strcspn(p->authority, "/?#");
	p->path = p->authority + p->authority_len;
	p->path_len = strcspn(p->path, "?#");
	p->query = p->path + p->path_len;
}

static char *query_value(const char *query, const char *key)
{
	size_t len = strlen(key), end;

	while (*query == '?' || *query == '&') {
		query++;
		end = strcspn(query, "&#");
		if (end > len && !strncmp(query, key, len) &&
		    query[len] == '=')
			return decode(query + len + 1, end - len - 1);
		query += end;
	}
	return NULL;
}

/* The slash in front of the export's name is not a part of it. */
static bool take_export(const char *text, const struct pieces *p,
			struct nbd_uri *uri)
{
	size_t skip = p->path_len ? 1 : 0;

	uri->export = decode(p->path + skip, p->path_len - skip);
	if (!uri->export)
		complain("%s: a '%%' has to have two hexadecimal digits behind it",
			 text);
	return uri->export;
}

static bool take_socket(const char *text, const struct pieces *p,
			struct nbd_uri *uri)
{
	char *socket = query_value(p->query, "socket");
	char *at;

	if (p->authority_len || !socket || !*socket) {
		complain("%s: nbd+unix:///EXPORT?socket=PATH is expected",
			 text);
		free(socket);
		return false;
	}
	uri->path = make_text("unix:%s", socket);
	for (at = socket; *at; at++)
		if (*at == '/')
			*at = '_';
	uri->session = copy_text(socket + strspn(socket, "_"));
	free(socket);
	return true;
}

/* HOST[:PORT], with the host in brackets if there are colons in it */
static bool cut_authority(const char *text, const struct pieces *p,
			  char **host, char **port)
{
	const char *start = p->authority, *end = start + p->authority_len;
	const char *stop = end;
	unsigned long long number;

	if (start < end && *start == '[') {
		stop = memchr(start, ']', end - start);
		if (!stop)
			goto bad;
		*host = decode(start + 1, stop - start - 1);
		stop++;
	} else {
		stop = memchr(start, ':', end - start);
		stop = stop ? stop : end;
		*host = decode(start, stop - start);
	}
	if (stop < end && *stop == ':' && stop + 1 < end) {
		*port = decode(stop + 1, end - stop - 1);
		if (!*port || !parse_number(*port, &number))
			goto bad;
	} else if (stop < end && *stop != ':') {
		goto bad;
	}
	if (*host && !strpbrk(*host, "@/\", "))
		return true;
bad:
	complain("%s: HOST[:PORT] is expected behind the slashes", text);
	return false;
}

static void name_session(struct nbd_uri *uri, const char *start,
			 const char *host, const char *port)
{
	bool other = port && strcmp(port, DEFAULT_PORT);

	uri->session = make_text("%s%s%s%s", start, host, other ? ":" : "",
				 other ? port : "");
}

static bool take_host(const char *text, const struct pieces *p,
		      struct nbd_uri *uri)
{
	if (!cut_authority(text, p, &uri->host, &uri->port))
		return false;
	if (!*uri->host) {
		free(uri->host);
		uri->host = copy_text("localhost");
	}
	name_session(uri, "", uri->host, uri->port);
	return true;
}

static bool take_vsock(const char *text, const struct pieces *p,
		       struct nbd_uri *uri)
{
	char *cid = NULL, *port = NULL;
	unsigned long long number;
	bool ok = cut_authority(text, p, &cid, &port);

	if (ok && !*cid) {
		free(cid);
		cid = copy_text("2");
	}
	if (ok && !parse_number(cid, &number)) {
		complain("%s: %s is no number of a virtual machine", text, cid);
		ok = false;
	}
	if (ok) {
		uri->path = make_text("vsock:%s:%s", cid,
				      port ? port : DEFAULT_PORT);
		name_session(uri, "vsock-", cid, port);
	}
	free(cid);
	free(port);
	return ok;
}

bool uri_parse(const char *text, struct nbd_uri *uri)
{
	struct pieces p;
	bool ok = false;

	*uri = (struct nbd_uri){ 0 };
	cut(text, &p);
	if (starts_with(text, "nbds"))
		complain("%s: there is no encryption yet", text);
	else if (starts_with(text, "nbd://"))
		ok = take_host(text, &p, uri);
	else if (starts_with(text, "nbd+unix://"))
		ok = take_socket(text, &p, uri);
	else if (starts_with(text, "nbd+vsock://"))
		ok = take_vsock(text, &p, uri);
	else
		complain("%s: nbd, nbd+unix or nbd+vsock is expected", text);
	if (ok)
		ok = take_export(text, &p, uri);
	if (!ok)
		uri_free(uri);
	return ok;
}

/* "fe80::1%eth0" is for the kernel to understand. */
static bool is_numeric(const char *host)
{
	struct in_addr in;

	return strchr(host, ':') || inet_pton(AF_INET, host, &in) == 1;
}

static char *look_up(const char *host)
{
	struct addrinfo hints = {
		.ai_flags = AI_ADDRCONFIG,
		.ai_socktype = SOCK_STREAM,
	};
	char name[INET6_ADDRSTRLEN + 32];
	struct addrinfo *found;
	int err;

	err = getaddrinfo(host, NULL, &hints, &found);
	if (!err) {
		err = getnameinfo(found->ai_addr, found->ai_addrlen, name,
				  sizeof(name), NULL, 0, NI_NUMERICHOST);
		freeaddrinfo(found);
	}
	if (!err)
		return copy_text(name);
	complain("%s: %s", host, gai_strerror(err));
	return NULL;
}

bool uri_resolve(struct nbd_uri *uri)
{
	char *address;
	bool v6;

	if (uri->path)
		return true;
	address = is_numeric(uri->host) ? copy_text(uri->host) :
		look_up(uri->host);
	if (!address)
		return false;
	v6 = strchr(address, ':');
	uri->path = make_text("tcp:%s%s%s%s%s", v6 ? "[" : "", address,
			      v6 ? "]" : "", uri->port ? ":" : "",
			      uri->port ? uri->port : "");
	free(address);
	return true;
}

void uri_free(struct nbd_uri *uri)
{
	free(uri->path);
	free(uri->host);
	free(uri->port);
	free(uri->session);
	free(uri->export);
	*uri = (struct nbd_uri){ 0 };
}
