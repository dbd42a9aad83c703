// SPDX-License-Identifier: GPL-2.0
/*
 * Both ends of a SHMStream channel.
 *
 * The virt_ barriers are for this: the other end may be another machine on
 * another processor even where this kernel knows of one processor only.
 */
#include <asm/barrier.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/string.h>

#include <unbd/compat.h>

#include "channel.h"

/* Slots beyond that serve nobody, and counts stay far from their ends. */
#define MOST_ELEMENTS	0x100000u

static u32 slots_in(size_t len, u32 size)
{
	u64 n = div_u64(len - sizeof(struct shm_stream_header), size);

	return n < MOST_ELEMENTS ? n : MOST_ELEMENTS;
}

static u32 slot_of(u64 count, u32 elements)
{
	u32 slot;

	div_u64_rem(count, elements, &slot);
	return slot;
}

/**
 * shm_writer_init() - get ready to write to a channel
 * @w: writer
 * @region: the channel's memory, aligned to 8 bytes
 * @len: its bytes
 * @size: bytes of an element
 *
 * Does not touch the memory. Return: 0, or -EINVAL if there is no room.
 */
int shm_writer_init(struct shm_writer *w, void *region, size_t len, u32 size)
{
	if (len < sizeof(struct shm_stream_header) + size)
		return -EINVAL;
	*w = (struct shm_writer){
		.header = region,
		.size = size,
		.elements = slots_in(len, size),
	};
	return 0;
}
EXPORT_SYMBOL_UNBD(shm_writer_init);

/**
 * shm_writer_activate() - begin an epoch
 * @w: writer
 * @protocol: what the elements are
 * @epoch: not 0, and another one than last time
 */
void shm_writer_activate(struct shm_writer *w, u64 protocol, u64 epoch)
{
	struct shm_stream_header *h = w->header;

	WRITE_ONCE(h->epoch, 0);
	/* A reader that sees anything new below sees that the epoch is over. */
	virt_wmb();
	WRITE_ONCE(h->transport, SHM_STREAM_TRANSPORT);
	WRITE_ONCE(h->protocol, protocol);
	WRITE_ONCE(h->size, w->size);
	WRITE_ONCE(h->elements, w->elements);
	WRITE_ONCE(h->reserved, 0);
	WRITE_ONCE(h->wsc, 0);
	WRITE_ONCE(h->wc, 0);
	w->wc = 0;
	w->slot = 0;
	/* A reader that sees the epoch sees what belongs to it. */
	virt_store_release(&h->epoch, epoch);
}
EXPORT_SYMBOL_UNBD(shm_writer_activate);

/**
 * shm_writer_deactivate() - tell the readers that nobody writes any more
 * @w: writer
 */
void shm_writer_deactivate(struct shm_writer *w)
{
	/* What was written before is complete. */
	virt_store_release(&w->header->epoch, 0);
}
EXPORT_SYMBOL_UNBD(shm_writer_deactivate);

/**
 * shm_writer_put() - write an element
 * @w: writer of an active channel
 * @element: w->size bytes
 *
 * The reader is not waited for: that it keeps up is the caller's business.
 */
void shm_writer_put(struct shm_writer *w, const void *element)
{
	struct shm_stream_header *h = w->header;
	u8 *slots = (u8 *)(h + 1);

	WRITE_ONCE(h->wsc, w->wc + 1);
	/* Pairs with shm_reader_get(): who sees the element sees the count. */
	virt_wmb();
	memcpy(slots + (size_t)w->slot * w->size, element, w->size);
	w->wc++;
	if (++w->slot == w->elements)
		w->slot = 0;
	/* Pairs with shm_reader_get(): who sees the count sees the element. */
	virt_store_release(&h->wc, w->wc);
}
EXPORT_SYMBOL_UNBD(shm_writer_put);

/**
 * shm_reader_init() - get ready to read from a channel
 * @r: reader
 * @region: the channel's memory, aligned to 8 bytes
 * @len: its bytes
 * @protocol: what the writer has to speak
 * @size: bytes of an element that it has to write
 *
 * Return: 0, or -EINVAL if there is no room for an element.
 */
int shm_reader_init(struct shm_reader *r, const void *region, size_t len,
		    u64 protocol, u32 size)
{
	if (len < sizeof(struct shm_stream_header) + size)
		return -EINVAL;
	*r = (struct shm_reader){
		.header = region,
		.room = len - sizeof(struct shm_stream_header),
		.protocol = protocol,
		.size = size,
	};
	return 0;
}
EXPORT_SYMBOL_UNBD(shm_reader_init);

static u64 epoch_of(const struct shm_reader *r)
{
	/* Pairs with shm_writer_activate(). */
	return virt_load_acquire(&r->header->epoch);
}

static bool compatible(const struct shm_reader *r, u64 elements)
{
	const struct shm_stream_header *h = r->header;

	return READ_ONCE(h->transport) == SHM_STREAM_TRANSPORT &&
	       READ_ONCE(h->protocol) == r->protocol &&
	       READ_ONCE(h->size) == r->size &&
	       elements && elements <= MOST_ELEMENTS &&
	       elements * r->size <= r->room;
}

/* Takes over what a new writer says of its channel, if that can be true. */
static enum shm_read synchronise(struct shm_reader *r, u64 epoch)
{
	u64 elements = READ_ONCE(r->header->elements);
	bool good = compatible(r, elements);

	r->epoch = 0;
	/* Pairs with shm_writer_activate(): all of it is of one epoch. */
	virt_rmb();
	if (READ_ONCE(r->header->epoch) != epoch)
		return SHM_READ_INACTIVE;
	if (!good) {
		r->refused = epoch;
		return SHM_READ_INCOMPATIBLE;
	}
	r->refused = 0;
	r->elements = elements;
	r->slot = 0;
	r->rc = 0;
	r->epoch = epoch;
	return SHM_READ_RESTARTED;
}

static void skip_to(struct shm_reader *r, u64 wc)
{
	r->rc = wc;
	r->slot = slot_of(wc, r->elements);
}

static bool epoch_changed(const struct shm_reader *r)
{
	/* What was read before this was of that epoch. */
	virt_rmb();
	return READ_ONCE(r->header->epoch) != r->epoch;
}

/**
 * shm_reader_get() - read the next element
 * @r: reader
 * @element: r->size bytes; of use only if SHM_READ_OK is returned
 *
 * Some writers choose the same epoch each time: a count that runs backwards
 * tells of their restart, too.
 */
enum shm_read shm_reader_get(struct shm_reader *r, void *element)
{
	const struct shm_stream_header *h = r->header;
	const u8 *slots = (const u8 *)(h + 1);
	u64 epoch = epoch_of(r);
	u64 wc;

	if (!epoch) {
		r->epoch = 0;
		return SHM_READ_INACTIVE;
	}
	if (epoch != r->epoch)
		return synchronise(r, epoch);
	/* Both pair with shm_writer_put(). */
	wc = virt_load_acquire(&h->wc);
	if (wc < r->rc)
		return synchronise(r, epoch);
	if (wc == r->rc)
		return SHM_READ_EMPTY;
	memcpy(element, slots + (size_t)r->slot * r->size, r->size);
	/* Was it still being written, or written over meanwhile? */
	virt_rmb();
	if (wc - r->rc > r->elements ||
	    READ_ONCE(h->wsc) - r->rc > r->elements) {
		skip_to(r, wc);
		return epoch_changed(r) ? SHM_READ_EMPTY : SHM_READ_OVERRUN;
	}
	/* Then it may be an element of either epoch; see next time. */
	if (epoch_changed(r))
		return SHM_READ_EMPTY;
	r->rc++;
	if (++r->slot == r->elements)
		r->slot = 0;
	return SHM_READ_OK;
}
EXPORT_SYMBOL_UNBD(shm_reader_get);

/**
 * shm_reader_drain() - pass over all that has been written
 * @r: reader
 *
 * Return: SHM_READ_EMPTY, or why there is nothing to read.
 */
enum shm_read shm_reader_drain(struct shm_reader *r)
{
	u64 epoch = epoch_of(r);
	enum shm_read result;

	if (!epoch) {
		r->epoch = 0;
		return SHM_READ_INACTIVE;
	}
	result = synchronise(r, epoch);
	if (result != SHM_READ_RESTARTED)
		return result;
	/* Pairs with shm_writer_put(). */
	skip_to(r, virt_load_acquire(&r->header->wc));
	return SHM_READ_EMPTY;
}
EXPORT_SYMBOL_UNBD(shm_reader_drain);

/**
 * shm_reader_pending() - would shm_reader_get() say something new?
 * @r: reader
 *
 * Costs two loads. A writer that is not there, or speaks something else, is
 * nothing new.
 */
bool shm_reader_pending(const struct shm_reader *r)
{
	u64 epoch = epoch_of(r);

	if (epoch != r->epoch)
		return !epoch || epoch != r->refused;
	return epoch && READ_ONCE(r->header->wc) != r->rc;
}
EXPORT_SYMBOL_UNBD(shm_reader_pending);

/**
 * shm_reader_active() - is there a writer?
 * @r: reader
 */
bool shm_reader_active(const struct shm_reader *r)
{
	return epoch_of(r);
}
EXPORT_SYMBOL_UNBD(shm_reader_active);

/**
 * shm_reader_of_ours() - is the writer an end of unbd's?
 * @r: reader, who has seen an epoch
 */
bool shm_reader_of_ours(const struct shm_reader *r)
{
	return r->epoch >> 32 == SHM_STREAM_UNBD_EPOCH;
}
EXPORT_SYMBOL_UNBD(shm_reader_of_ours);

/**
 * shm_epoch_of_ours() - a number for shm_writer_activate() by which the reader
 *	knows that this is an end of unbd's
 * @number: random
 */
u64 shm_epoch_of_ours(u32 number)
{
	return (u64)SHM_STREAM_UNBD_EPOCH << 32 | number;
}
EXPORT_SYMBOL_UNBD(shm_epoch_of_ours);
