/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The directory page: which regions a piece of shared memory has, where its
 * provider offers one piece and no names.
 *
 * It is the first 4096 bytes of the memory: a header and a row of entries.
 * Whoever looks for a name and does not find it makes it, in the first entry
 * that is free, behind all regions of the entries before. Machines may do so
 * at the same time: an entry is claimed, and later made valid, by a compare
 * and exchange of its state. One that stays claimed for long, as its maker
 * has died, is made void likewise; then the maker, should it be alive, has to
 * take another one. A name that is there twice is the first one of them.
 *
 * All integers are in the byte order of the machine that both ends run on.
 * Nothing here needs the kernel: <linux/types.h> exists in user space too.
 */
#ifndef UNBD_PROTO_SHMDIR_H
#define UNBD_PROTO_SHMDIR_H

#include <linux/types.h>

#define SHM_DIR_BYTES	4096
#define SHM_DIR_MAGIC	0x31444853u	/* "SHD1" */
#define SHM_DIR_NAME	60
#define SHM_DIR_ENTRIES	42

enum shm_dir_state {
	SHM_DIR_FREE	= 0,
	SHM_DIR_CLAIMED	= 1,
	SHM_DIR_VALID	= 2,
	SHM_DIR_VOID	= 3,
};

enum shm_dir_kind {
	SHM_DIR_REQUEST	 = 1,
	SHM_DIR_RESPONSE = 2,
	SHM_DIR_BUFFER	 = 3,
};

/**
 * struct shm_dir_region - a region
 * @offset: where it begins, a multiple of 4096 bytes
 * @size: bytes
 * @kind: &enum shm_dir_kind
 * @name: what it is called, padded with NULs, one at least
 */
struct shm_dir_region {
	__u64 offset;
	__u64 size;
	__u32 kind;
	char name[SHM_DIR_NAME];
};

/* In shm_dir_entry.bell: there is a reader, and it can be told. */
#define SHM_DIR_BELL	0x8000u

/**
 * struct shm_dir_entry - a place for a region
 * @state: &enum shm_dir_state
 * @crc: CRC-32 of @region, as Ethernet and zlib have it
 * @bell: how whoever reads the region is told that there is something to read,
 *	0 if not at all; set and cleared by the reader at any time. For ivshmem:
 *	SHM_DIR_BELL, its peer's number << 16, its vector (0 to 255).
 * @reserved: 0
 * @region: the region
 */
struct shm_dir_entry {
	__u32 state;
	__u32 crc;
	__u32 bell;
	__u32 reserved;
	struct shm_dir_region region;
};

/**
 * struct shm_dir - the page
 * @magic: SHM_DIR_MAGIC; 0 in memory that is all new
 * @reserved: 0
 * @entries: in the order in which they were made
 */
struct shm_dir {
	__u32 magic;
	__u32 reserved[15];
	struct shm_dir_entry entries[SHM_DIR_ENTRIES];
};

#endif
