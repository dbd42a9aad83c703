/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stream sockets of the kernel: TCP, AF_UNIX and AF_VSOCK behind one face.
 *
 * Nothing in here waits for the peer: a watched socket reports when it is worth
 * trying again.
 */
#ifndef UNBD_TCP_STREAM_H
#define UNBD_TCP_STREAM_H

#include <linux/net.h>
#include <linux/socket.h>
#include <linux/types.h>
#include <linux/uio.h>
#include <net/sock.h>

struct unbd_stream;

/*
 * What is taken where it comes. Of more, each piece that is taken is acknowledged:
 * a work that finds all of it costs less.
 */
#define UNBD_STREAM_AT_ONCE	(16 << 10)

/**
 * struct unbd_stream_ops - what a watched stream reports
 * @received: optional, for TCP: no more than UNBD_STREAM_AT_ONCE bytes are there.
 *	Called instead of @readable with the socket's spinlock held, while no
 *	process has the socket: may take them by read_sock.
 * @readable: something has come, or the connection has ended
 * @writable: a send that was cut short may go on
 *
 * Called with the socket's callback lock held for reading, bottom halves off.
 * @readable and @writable queue a work and do nothing else.
 */
struct unbd_stream_ops {
	void (*received)(struct unbd_stream *s);
	void (*readable)(struct unbd_stream *s);
	void (*writable)(struct unbd_stream *s);
};

/**
 * struct unbd_stream - a connected socket and how to use it
 * @sock: the socket, NULL while there is none
 * @ops: set while the stream is watched
 * @borrowed: the socket belongs to a process too; closing only lets go of it
 * @is_tcp: has read_sock and keepalive, and takes pages by reference
 * @aborted: whoever waits for the peer shall give up
 * @held: whoever sends has the socket's lock
 * @unseen: bytes sent since acknowledgments were last looked at meanwhile
 * @allocation: how a borrowed socket got its memory before
 */
struct unbd_stream {
	struct socket *sock;
	const struct unbd_stream_ops *ops;
	bool borrowed;
	bool is_tcp;
	bool aborted;
	bool held;
	u32 unseen;
	gfp_t allocation;

	/* private: the socket's own callbacks while it is watched */
	void (*data_ready)(struct sock *sk);
	void (*write_space)(struct sock *sk);
	void (*state_change)(struct sock *sk);
	void (*error_report)(struct sock *sk);
};

/* stream.c: a socket's life */

/**
 * unbd_stream_kind() - "tcp", "unix" or "vsock"
 * @s: stream
 */
const char *unbd_stream_kind(const struct unbd_stream *s);

/* Bytes that hold any unbd_stream_name() with its NUL */
#define UNBD_STREAM_NAME_LEN	120

/**
 * unbd_stream_name() - an end's address as text
 * @s: connected stream
 * @peer: the other end, not ours
 * @buf: where it goes
 * @len: size of @buf
 */
void unbd_stream_name(struct unbd_stream *s, bool peer, char *buf, size_t len);

/**
 * unbd_stream_init() - take over a socket, connected or listening
 * @s: zeroed
 * @sock: belongs to @s from now on, also if it is @borrowed
 * @borrowed: unbd_stream_close() leaves the socket to its file
 */
void unbd_stream_init(struct unbd_stream *s, struct socket *sock,
		      bool borrowed);

/**
 * unbd_stream_make() - make a socket of our own
 * @s: zeroed but for @aborted
 * @net: network namespace
 * @family: AF_*
 *
 * Memory reclaim may wait for this socket: it may use reserves from the start,
 * also while it is being connected.
 *
 * Return: 0 or -errno.
 */
int unbd_stream_make(struct unbd_stream *s, struct net *net, int family);

/**
 * unbd_stream_check() - is this a socket that a stream can be?
 * @sock: from anywhere
 * @why: message on error
 * @len: size of @why
 *
 * Return: 0; -EPROTONOSUPPORT unless it is a stream of TCP, AF_UNIX or
 * AF_VSOCK, -ENOTCONN unless it is connected, -EBUSY if something else in the
 * kernel has it.
 */
int unbd_stream_check(struct socket *sock, char *why, size_t len);

/**
 * unbd_stream_tune() - set the socket up for a block device's traffic
 * @s: connected stream
 * @keepalive: seconds between probes of an idle connection, 0 for none. A
 *	peer that vanishes while it is idle is noticed within three times that.
 * @stall: seconds after which a peer is taken for dead that has not made room
 *	for, or not acknowledged, what is to be sent; 0 for as long as TCP
 *	likes. A peer that is alive but busy will be taken for dead, too.
 */
void unbd_stream_tune(struct unbd_stream *s, unsigned int keepalive,
		      unsigned int stall);

/**
 * unbd_stream_close() - close the connection at once and let go of the socket
 * @s: stream that is not watched; may have no socket
 *
 * Sleeps for the socket's lock only. What the peer has not acknowledged by
 * then may be lost: TCP sends a reset, no timer of the socket lives on.
 */
void unbd_stream_close(struct unbd_stream *s);

/**
 * unbd_stream_watch() - get reports from now on
 * @s: connected stream
 * @ops: whom to tell; may be called before this returns
 *
 * What came before it is not reported: look once.
 *
 * Return: 0, or -EBUSY if somebody else in the kernel has the socket.
 */
int unbd_stream_watch(struct unbd_stream *s,
		      const struct unbd_stream_ops *ops);

/**
 * unbd_stream_unwatch() - give the socket its own callbacks back
 * @s: stream, watched or not
 *
 * No report is running or will come when this returns. Does not sleep.
 */
void unbd_stream_unwatch(struct unbd_stream *s);

/* stream-io.c: bytes, and what can be told of the peer */

/**
 * unbd_stream_hold() - several sends follow
 * @s: connected stream; its senders exclude each other
 *
 * May sleep for the socket's lock, which TCP's streams then have until
 * unbd_stream_unhold(), but for moments in which they look what has come. So
 * all of it costs the lock and the security modules' hook once, or none.
 */
void unbd_stream_hold(struct unbd_stream *s);

/**
 * unbd_stream_unhold() - that was all
 * @s: stream that unbd_stream_hold() was called for
 */
void unbd_stream_unhold(struct unbd_stream *s);

/**
 * unbd_stream_send() - send what fits by copying it, without waiting
 * @s: connected stream
 * @iter: source; moved behind what was sent
 * @more: more follows soon
 *
 * May sleep for the socket's lock, never for memory or the peer.
 *
 * Return: bytes sent, more than 0; -EAGAIN, and the stream will report
 * writable; or the socket's error.
 */
int unbd_stream_send(struct unbd_stream *s, struct iov_iter *iter, bool more);

/**
 * unbd_stream_send_pages() - send what fits, by reference where that is safe
 * @s: connected stream, held
 * @iter: bvec source; moved behind what was sent. The pages must stay
 *	unchanged until the peer has answered.
 * @more: more follows soon
 *
 * Return: as unbd_stream_send().
 */
int unbd_stream_send_pages(struct unbd_stream *s, struct iov_iter *iter,
			   bool more);

/**
 * unbd_stream_recv() - receive what is there, without waiting
 * @s: connected stream
 * @iter: destination; moved behind what was received
 *
 * Return: bytes received, more than 0; -EAGAIN; -ECONNRESET at the end of the
 * stream; or the socket's error.
 */
int unbd_stream_recv(struct unbd_stream *s, struct iov_iter *iter);

/**
 * unbd_stream_status() - has the connection ended?
 * @s: connected stream
 *
 * There may still be something to receive; so ask first, then receive, then
 * believe the answer.
 *
 * Return: 0, -ECONNRESET if the peer has closed, or the socket's error.
 */
int unbd_stream_status(const struct unbd_stream *s);

/**
 * struct unbd_stream_look - what was seen of a stream's way out
 * @lock: the others
 * @taken: TCP's sequence number, the peer's host has all before it
 * @queued: likewise, we had written all before it
 * @when: jiffies when the peer's host was last seen to take what had waited
 */
struct unbd_stream_look {
	spinlock_t lock;		/* all of it */
	u32 taken;
	u32 queued;
	unsigned long when;
};

/**
 * unbd_stream_look() - does the peer take what is sent to it, if slowly?
 * @s: connected stream
 * @look: set up by unbd_stream_look_init()
 *
 * That can be told of what needs longer than from one look to the next: some of
 * what was there then is gone, and not all of it. Only TCP knows.
 *
 * Any context but an interrupt's. Return: @look->when.
 */
unsigned long unbd_stream_look(struct unbd_stream *s,
			       struct unbd_stream_look *look);

static inline void unbd_stream_look_init(struct unbd_stream_look *look)
{
	*look = (struct unbd_stream_look){ .when = jiffies };
	spin_lock_init(&look->lock);
}

/**
 * unbd_stream_is_taken() - has the peer's host all that was sent?
 * @s: stream that is or was connected, and in which we can send still
 */
bool unbd_stream_is_taken(const struct unbd_stream *s);

/**
 * unbd_stream_silence() - for how long nothing has come from the peer's host
 * @s: connected stream
 *
 * Acknowledgements count. Return: jiffies, 0 where no network is between.
 */
unsigned long unbd_stream_silence(const struct unbd_stream *s);

/**
 * unbd_stream_probe() - make the peer's host say something
 * @s: connected stream
 *
 * Works whatever the connection is at: idle, with data on the way or with the
 * peer's window closed. May sleep for the socket's lock.
 */
void unbd_stream_probe(struct unbd_stream *s);

#endif
