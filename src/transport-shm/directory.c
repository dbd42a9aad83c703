// SPDX-License-Identifier: GPL-2.0
/*
 * The directory page of a piece of shared memory.
 *
 * Others may write to it whenever they like: what is used is a copy, checked.
 */
#include <asm/barrier.h>
#include <linux/compiler.h>
#include <linux/crc32.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "directory.h"

static u32 crc_of(const struct shm_dir_region *region)
{
	return ~crc32_le(~0u, (const void *)region, sizeof(*region));
}

/*
 * Not the kernel's: where there is one processor that one does without the
 * lock, but the other end has a processor, too.
 */
static bool exchange(u32 *at, u32 from, u32 to)
{
	return __atomic_compare_exchange_n(at, &from, to, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/**
 * shm_dir_begin() - see that there is a directory
 * @dir: the first page
 *
 * New memory is all zeros there. Return: 0, or -EEXIST if it has other
 * contents.
 */
int shm_dir_begin(struct shm_dir *dir)
{
	const u64 *word = (const u64 *)dir;
	unsigned int i;

	if (READ_ONCE(dir->magic) == SHM_DIR_MAGIC)
		return 0;
	for (i = 0; i < SHM_DIR_BYTES / sizeof(*word); i++)
		if (READ_ONCE(word[i]))
			break;
	if (i == SHM_DIR_BYTES / sizeof(*word))
		exchange(&dir->magic, 0, SHM_DIR_MAGIC);
	/* Somebody else may have been faster. */
	return READ_ONCE(dir->magic) == SHM_DIR_MAGIC ? 0 : -EEXIST;
}

static bool sound(const struct shm_dir_entry *e, u64 total)
{
	const struct shm_dir_region *r = &e->region;

	return e->crc == crc_of(r) && *r->name &&
	       strnlen(r->name, sizeof(r->name)) < sizeof(r->name) &&
	       r->offset >= SHM_DIR_BYTES && !(r->offset % SHM_DIR_BYTES) &&
	       r->offset < total && r->size && r->size <= total - r->offset;
}

static int make(struct shm_dir_entry *e, struct shm_dir_query *q, u64 end)
{
	struct shm_dir_region new = {
		.kind = q->kind,
		.offset = end,
		.size = q->wanted,
	};
	u64 room = end < q->total ? q->total - end : 0;

	if (room < q->least)
		return -ENOSPC;
	if (new.size > room)
		new.size = room & ~(SHM_DIR_BYTES - 1ULL);
	memcpy(new.name, q->name, strnlen(q->name, sizeof(new.name) - 1));
	if (!exchange(&e->state, SHM_DIR_FREE, SHM_DIR_CLAIMED))
		return -EAGAIN;
	e->region = new;
	WRITE_ONCE(e->crc, crc_of(&new));
	if (!exchange(&e->state, SHM_DIR_CLAIMED, SHM_DIR_VALID))
		return -EAGAIN;
	q->offset = new.offset;
	q->size = new.size;
	return 0;
}

/* An entry that another one has made: 0 if it is the one looked for. */
static int look_at(const struct shm_dir_entry *e, struct shm_dir_query *q,
		   u64 *end)
{
	struct shm_dir_region *r;
	struct shm_dir_entry copy;

	memcpy(&copy, e, sizeof(copy));
	r = &copy.region;
	if (!sound(&copy, q->total))
		return -ENOENT;
	if (r->offset + r->size > *end)
		*end = r->offset + r->size;
	if (strcmp(r->name, q->name))
		return -ENOENT;
	if (r->kind != q->kind)
		return -EINVAL;
	q->offset = r->offset;
	q->size = r->size;
	return 0;
}

/**
 * shm_dir_find() - find a region, or make it
 * @dir: directory that has begun
 * @q: what is looked for
 *
 * Return: 0; -EAGAIN if somebody is making @q->entry: look again, and not for
 * ever; -EINVAL if the name has another purpose; -ENOSPC if there is no room.
 */
int shm_dir_find(struct shm_dir *dir, struct shm_dir_query *q)
{
	u64 end = SHM_DIR_BYTES;
	struct shm_dir_entry *e;
	unsigned int i;
	u32 state;
	int err;

	for (i = 0; i < SHM_DIR_ENTRIES; i++) {
		e = &dir->entries[i];
		q->entry = i;
		/* Pairs with make(): a valid entry is complete. */
		state = virt_load_acquire(&e->state);
		if (state == SHM_DIR_CLAIMED)
			return -EAGAIN;
		if (state == SHM_DIR_FREE)
			return make(e, q, (end + SHM_DIR_BYTES - 1) &
				    ~(SHM_DIR_BYTES - 1ULL));
		if (state != SHM_DIR_VALID)
			continue;
		err = look_at(e, q, &end);
		if (err != -ENOENT)
			return err;
	}
	return -ENOSPC;
}

/**
 * shm_dir_give_up() - whoever is making an entry has been waited for enough
 * @dir: directory
 * @stuck: the entry
 */
void shm_dir_give_up(struct shm_dir *dir, unsigned int stuck)
{
	if (stuck < SHM_DIR_ENTRIES)
		exchange(&dir->entries[stuck].state, SHM_DIR_CLAIMED,
			 SHM_DIR_VOID);
}
