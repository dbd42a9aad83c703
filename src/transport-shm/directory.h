/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The directory page of a piece of shared memory, on plain memory.
 */
#ifndef UNBD_SHM_DIRECTORY_H
#define UNBD_SHM_DIRECTORY_H

#include <linux/types.h>

#include <unbd/proto/shmdir.h>

/**
 * struct shm_dir_query - what is looked for, and what was found
 * @name: of the region
 * @kind: &enum shm_dir_kind
 * @total: bytes of the memory, the directory among them
 * @wanted: bytes that a new region shall have
 * @least: bytes that it may have where there is no more room
 * @entry: out: where it is, or the entry that is to be waited for
 * @offset: out: where it begins
 * @size: out: its bytes
 */
struct shm_dir_query {
	const char *name;
	u32 kind;
	u64 total;
	u64 wanted;
	u64 least;
	unsigned int entry;
	u64 offset;
	u64 size;
};

int shm_dir_begin(struct shm_dir *dir);
int shm_dir_find(struct shm_dir *dir, struct shm_dir_query *q);
void shm_dir_give_up(struct shm_dir *dir, unsigned int stuck);

#endif
