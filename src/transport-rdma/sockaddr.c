// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses as the connection manager wants them.
 */
#include <linux/inet.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>
#include <net/ipv6.h>
#include <rdma/ib.h>
#include <rdma/rdma_cm.h>

#include <unbd/compat.h>

#include "sockaddr.h"

/* The port in the port space of IB, as RNBD has it */
static __be64 service_id(u16 port)
{
	return cpu_to_be64(RDMA_IB_IP_PS_IB | port);
}

static void resolve_gid(const struct unbd_rdma_address *a,
			struct sockaddr_ib *ib)
{
	ib->sib_family = AF_IB;
	ib->sib_pkey = cpu_to_be16(0xffff);
	memcpy(&ib->sib_addr, a->gid, sizeof(a->gid));
	ib->sib_sid = service_id(a->port);
	ib->sib_sid_mask = cpu_to_be64(a->port ? ~0ULL :
				       RDMA_IB_IP_PS_MASK);
}

/**
 * unbd_rdma_resolve() - make a socket address
 * @net: where the scope of an IPv6 address is looked up
 * @a: address
 * @ss: result
 *
 * Return: 0, -ENODEV for a scope that is no interface, -EINVAL.
 */
int unbd_rdma_resolve(struct net *net, const struct unbd_rdma_address *a,
		      struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	switch (a->kind) {
	case UNBD_RDMA_INET:
		return inet_pton_with_scope(net, AF_INET, a->host,
					    a->port_text, ss);
	case UNBD_RDMA_INET6:
		return inet_pton_with_scope(net, AF_INET6, a->host,
					    a->port_text, ss);
	case UNBD_RDMA_GID:
		resolve_gid(a, (struct sockaddr_ib *)ss);
		return 0;
	}
	return -EINVAL;
}
EXPORT_SYMBOL_UNBD(unbd_rdma_resolve);

/**
 * unbd_rdma_same_host() - are two addresses the same but for their ports?
 * @a: address
 * @b: another one
 */
bool unbd_rdma_same_host(const struct sockaddr_storage *a,
			 const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	switch (a->ss_family) {
	case AF_INET:
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
			((const struct sockaddr_in *)b)->sin_addr.s_addr;
	case AF_INET6:
		return ipv6_addr_equal(&((const struct sockaddr_in6 *)a)->sin6_addr,
				       &((const struct sockaddr_in6 *)b)->sin6_addr);
	case AF_IB:
		return !memcmp(&((const struct sockaddr_ib *)a)->sib_addr,
			       &((const struct sockaddr_ib *)b)->sib_addr,
			       sizeof(struct ib_addr));
	}
	return false;
}
EXPORT_SYMBOL_UNBD(unbd_rdma_same_host);

/**
 * unbd_rdma_sockaddr_name() - a socket address as people read it
 * @ss: address
 * @buf: result
 * @len: its size
 */
void unbd_rdma_sockaddr_name(const struct sockaddr_storage *ss, char *buf,
			     size_t len)
{
	const struct sockaddr_ib *ib = (const void *)ss;

	switch (ss->ss_family) {
	case AF_INET:
		snprintf(buf, len, "%pISpc", ss);
		break;
	case AF_INET6:
		snprintf(buf, len, "%pISpcs", ss);
		break;
	case AF_IB:
		snprintf(buf, len, "gid:%pI6", ib->sib_addr.sib_raw);
		break;
	default:
		strscpy(buf, "?", len);
	}
}
EXPORT_SYMBOL_UNBD(unbd_rdma_sockaddr_name);

MODULE_DESCRIPTION("unbd: RTRS and RNBD as both ends need them");
MODULE_LICENSE("GPL");
MODULE_VERSION(UNBD_VERSION);
