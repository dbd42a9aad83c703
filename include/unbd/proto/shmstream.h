/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SHMStream version 2: a channel in shared memory, from one writer to any
 * number of readers. A header, and behind it a ring of elements of one size.
 *
 * All integers are in the byte order of the machine that both ends run on.
 * Nothing here needs the kernel: <linux/types.h> exists in user space too.
 */
#ifndef UNBD_PROTO_SHMSTREAM_H
#define UNBD_PROTO_SHMSTREAM_H

#include <linux/types.h>

#define SHM_STREAM_TRANSPORT	0x487312b6b79a9b6dULL

/*
 * Upper half of unbd's epochs. By it two ends of unbd know each other; nobody
 * else counts as far.
 */
#define SHM_STREAM_UNBD_EPOCH	0x756e6264u

/**
 * struct shm_stream_header - the first 64 bytes of a channel
 * @transport: SHM_STREAM_TRANSPORT
 * @epoch: 0 while the writer is not there; else a value of its choice that
 *	is another one each time it begins anew
 * @protocol: what the elements are, a number that both ends know
 * @size: bytes of an element
 * @elements: slots of the ring
 * @reserved: 0
 * @wsc: elements whose writing has begun, since the epoch has
 * @wc: elements that have been written
 *
 * @protocol, @size and @elements change only while @epoch is 0. A reader has
 * lost an element for good when @wsc is more than @elements ahead of it.
 */
struct shm_stream_header {
	__u64 transport;
	__u64 epoch;
	__u64 protocol;
	__u64 size;
	__u64 elements;
	__u64 reserved;
	__u64 wsc;
	__u64 wc;
};

#endif
