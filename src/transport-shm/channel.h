/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Both ends of a SHMStream channel, on a plain piece of memory.
 *
 * Whoever is on the other side may write what it likes whenever it likes.
 * What an end must be able to rely on it keeps for itself: a writer never
 * reads the channel, and a reader takes over its geometry once, checked.
 */
#ifndef UNBD_SHM_CHANNEL_H
#define UNBD_SHM_CHANNEL_H

#include <linux/types.h>

#include <unbd/proto/shmstream.h>

/**
 * struct shm_writer - the writing end
 * @header: of the channel
 * @size: bytes of an element
 * @elements: slots that the region has room for
 * @slot: where the next element goes
 * @wc: elements written since the channel was activated
 */
struct shm_writer {
	struct shm_stream_header *header;
	u32 size;
	u32 elements;
	u32 slot;
	u64 wc;
};

/**
 * enum shm_read - what became of an attempt to read
 * @SHM_READ_INACTIVE: there is no writer
 * @SHM_READ_INCOMPATIBLE: there is one that speaks something else
 * @SHM_READ_RESTARTED: the writer has begun anew, or is seen for the first
 *	time; its first element is to be read next
 * @SHM_READ_EMPTY: nothing new
 * @SHM_READ_OVERRUN: the writer was too fast, elements are lost; goes on with
 *	what is written next
 * @SHM_READ_OK: here is an element
 */
enum shm_read {
	SHM_READ_INACTIVE,
	SHM_READ_INCOMPATIBLE,
	SHM_READ_RESTARTED,
	SHM_READ_EMPTY,
	SHM_READ_OVERRUN,
	SHM_READ_OK,
};

/**
 * struct shm_reader - the reading end
 * @header: of the channel
 * @room: bytes behind the header
 * @protocol: that the writer has to speak
 * @size: bytes of an element that it has to write
 * @epoch: the writer's, 0 when none has been seen
 * @refused: epoch of a writer that speaks something else
 * @elements: slots of the ring, in this epoch
 * @slot: where the next element is
 * @rc: elements read in this epoch
 */
struct shm_reader {
	const struct shm_stream_header *header;
	size_t room;
	u64 protocol;
	u32 size;
	u64 epoch;
	u64 refused;
	u32 elements;
	u32 slot;
	u64 rc;
};

int shm_writer_init(struct shm_writer *w, void *region, size_t len, u32 size);
void shm_writer_activate(struct shm_writer *w, u64 protocol, u64 epoch);
void shm_writer_deactivate(struct shm_writer *w);
void shm_writer_put(struct shm_writer *w, const void *element);

int shm_reader_init(struct shm_reader *r, const void *region, size_t len,
		    u64 protocol, u32 size);
enum shm_read shm_reader_get(struct shm_reader *r, void *element);
enum shm_read shm_reader_drain(struct shm_reader *r);
bool shm_reader_pending(const struct shm_reader *r);
bool shm_reader_active(const struct shm_reader *r);
bool shm_reader_of_ours(const struct shm_reader *r);
u64 shm_epoch_of_ours(u32 number);

#endif
