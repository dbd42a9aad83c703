// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses as sockets have them: from parsed ones, and to text again.
 */
#include <linux/inet.h>
#include <linux/string.h>
#include <linux/un.h>
#include <linux/vm_sockets.h>

#include <unbd/compat.h>

#include "sockaddr.h"

static int resolve_inet(struct net *net, const struct unbd_tcp_address *a,
			struct sockaddr_storage *ss)
{
	bool v6 = a->kind == UNBD_TCP_INET6;

	if (inet_pton_with_scope(net, v6 ? AF_INET6 : AF_INET, a->host,
				 a->port_text, ss))
		return strchr(a->host, '%') ? -ENODEV : -EINVAL;
	return v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

/* An abstract name has a NUL for its '@' and no NUL at its end. */
static int resolve_unix(const struct unbd_tcp_address *a,
			struct sockaddr_storage *ss)
{
	struct sockaddr_un *un = (void *)ss;
	size_t len = strnlen(a->path, sizeof(un->sun_path));

	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, a->path, len);
	if (a->path[0] == '@')
		un->sun_path[0] = '\0';
	else if (len < sizeof(un->sun_path))
		len++;
	return offsetof(struct sockaddr_un, sun_path) + len;
}

static int resolve_vsock(const struct unbd_tcp_address *a,
			 struct sockaddr_storage *ss)
{
	struct sockaddr_vm *vm = (void *)ss;

	vm->svm_family = AF_VSOCK;
	vm->svm_cid = a->cid;
	vm->svm_port = a->port;
	return sizeof(*vm);
}

int unbd_tcp_resolve(struct net *net, const struct unbd_tcp_address *a,
		     struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	switch (a->kind) {
	case UNBD_TCP_INET:
	case UNBD_TCP_INET6:
		return resolve_inet(net, a, ss);
	case UNBD_TCP_UNIX:
		return resolve_unix(a, ss);
	case UNBD_TCP_VSOCK:
		return resolve_vsock(a, ss);
	case UNBD_TCP_FD:
		break;
	}
	return -EINVAL;
}
EXPORT_SYMBOL_UNBD(unbd_tcp_resolve);

static void name_unix(const struct sockaddr_un *un, int addrlen,
		      char *buf, size_t len)
{
	int n = addrlen - (int)offsetof(struct sockaddr_un, sun_path);

	if (n <= 0)
		strscpy(buf, "unix:", len);
	else if (!un->sun_path[0])
		snprintf(buf, len, "unix:@%.*s", n - 1, un->sun_path + 1);
	else
		snprintf(buf, len, "unix:%.*s", n, un->sun_path);
}

void unbd_tcp_sockaddr_name(const struct sockaddr_storage *ss, int addrlen,
			    char *buf, size_t len)
{
	const struct sockaddr_in6 *in6 = (const void *)ss;
	const struct sockaddr_vm *vm = (const void *)ss;

	switch (ss->ss_family) {
	case AF_INET:
		snprintf(buf, len, "%pISpc", ss);
		break;
	case AF_INET6:
		if (in6->sin6_scope_id)
			snprintf(buf, len, "%pISpsc", ss);
		else
			snprintf(buf, len, "%pISpc", ss);
		break;
	case AF_UNIX:
		name_unix((const void *)ss, addrlen, buf, len);
		break;
	case AF_VSOCK:
		snprintf(buf, len, "vsock:%u:%u", vm->svm_cid, vm->svm_port);
		break;
	default:
		strscpy(buf, "?", len);
	}
}
EXPORT_SYMBOL_UNBD(unbd_tcp_sockaddr_name);
