/* SPDX-License-Identifier: GPL-2.0 */
/* Included by <unbd/compat.h>: sockets. */
#ifndef UNBD_COMPAT_NET_H
#define UNBD_COMPAT_NET_H

#include <linux/bvec.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include <net/sock.h>
#ifdef HAVE_NET_RPS_H
#include <net/rps.h>
#endif

/* <linux/net.h> */

/**
 * unbd_kernel_bind() - kernel_bind(), whose address has changed its type
 */
static inline int unbd_kernel_bind(struct socket *sock,
				   struct sockaddr_storage *addr, int len)
{
	return kernel_bind(sock, (void *)addr, len);
}

/**
 * unbd_kernel_connect() - kernel_connect(), whose address has changed its type
 */
static inline int unbd_kernel_connect(struct socket *sock,
				      struct sockaddr_storage *addr, int len,
				      int flags)
{
	return kernel_connect(sock, (void *)addr, len, flags);
}

#ifndef HAVE_SENDPAGES_OK
static inline bool sendpages_ok(struct page *page, size_t len, size_t offset)
{
	struct page *last = page + (offset + len - 1) / PAGE_SIZE;

	for (page += offset / PAGE_SIZE; page <= last; page++) {
		if (!sendpage_ok(page))
			return false;
	}
	return true;
}
#endif

#ifdef HAVE_KERNEL_SENDPAGE
/*
 * The bytes of a bio_vec iterator that one reference keeps: those which are left
 * in the first page, or in the larger one that it is a part of. Others next
 * to them in memory could be anybody's before their copy in a socket is gone.
 */
static inline size_t compat_first_page(const struct iov_iter *from,
				       struct page **page, size_t *offset)
{
	const struct bio_vec *bv = from->bvec;
	size_t start = bv->bv_offset + from->iov_offset;
	struct page *head;
	size_t left;

	*page = bv->bv_page + start / PAGE_SIZE;
	*offset = start % PAGE_SIZE;
	head = compound_head(*page);
	left = page_size(head) - (*page - head) * PAGE_SIZE - *offset;
	return min3(bv->bv_len - from->iov_offset, left, iov_iter_count(from));
}

static inline int compat_send_page(struct sock *sk, struct page *page,
				   size_t offset, size_t len, int flags)
{
	if (sendpage_ok(page))
		return kernel_sendpage_locked(sk, page, offset, len, flags);
	return sock_no_sendpage_locked(sk, page, offset, len, flags);
}

static inline int compat_splice(struct sock *sk, struct iov_iter *from,
				int flags)
{
	int sent = 0;

	while (iov_iter_count(from)) {
		int more = 0, n;
		struct page *page;
		size_t offset, len;

		len = compat_first_page(from, &page, &offset);
		if (len < iov_iter_count(from))
			more = MSG_MORE | MSG_SENDPAGE_NOTLAST;
		n = compat_send_page(sk, page, offset, len, flags | more);
		if (n <= 0)
			return sent ? sent : n;
		iov_iter_advance(from, n);
		sent += n;
		if ((size_t)n < len)
			break;
	}
	return sent;
}
#else
/* Slab and other memory without references has to be copied. */
static inline bool compat_can_splice(const struct iov_iter *from)
{
	size_t left = iov_iter_count(from), skip = from->iov_offset;
	const struct bio_vec *bv;

	for (bv = from->bvec; left; bv++, skip = 0) {
		if (!sendpages_ok(bv->bv_page, bv->bv_len, bv->bv_offset))
			return false;
		left -= min_t(size_t, left, bv->bv_len - skip);
	}
	return true;
}

static inline int compat_splice(struct sock *sk, struct iov_iter *from,
				int flags)
{
	struct msghdr msg = { .msg_flags = flags, .msg_iter = *from };
	int n;

	if (compat_can_splice(from))
		msg.msg_flags |= MSG_SPLICE_PAGES;
	n = sk->sk_socket->ops->sendmsg_locked(sk, &msg, iov_iter_count(from));
	if (n > 0)
		iov_iter_advance(from, n);
	return n;
}
#endif

/**
 * unbd_send_pages_locked() - send pages without copying them
 * @sk: socket of TCP, locked by the caller
 * @from: iterator over bio_vecs, not empty; moved on by what was taken
 * @flags: MSG_DONTWAIT, MSG_MORE, MSG_NOSIGNAL
 *
 * The socket refers to the pages until their bytes are acknowledged.
 *
 * Return: bytes taken, perhaps fewer than there are, or -errno (-EAGAIN).
 */
static inline int unbd_send_pages_locked(struct sock *sk,
					 struct iov_iter *from, int flags)
{
	return compat_splice(sk, from, flags);
}

/* <net/sock.h> */

/**
 * unbd_sk_reclaim_safe() - a socket may send while memory is reclaimed
 * @sk: socket
 *
 * Together with sk_set_memalloc() and sk_allocation: the sender may be in the
 * middle of the task's own use of its page fragment.
 */
static inline void unbd_sk_reclaim_safe(struct sock *sk)
{
#ifdef HAVE_SK_USE_TASK_FRAG
	sk->sk_use_task_frag = false;
#endif
}

#endif /* UNBD_COMPAT_NET_H */
