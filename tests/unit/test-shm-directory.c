// SPDX-License-Identifier: GPL-2.0
/*
 * The directory page of shared memory: regions found and made, entries that
 * somebody has broken.
 */
#include <linux/crc32.h>

#include "transport-shm/directory.h"

#include "../fuzz/fuzz.h"
#include "unit.h"

#define TOTAL	0x100000

static struct shm_dir *new_dir(void)
{
	struct shm_dir *dir = calloc(1, sizeof(*dir));

	check_int("begin", shm_dir_begin(dir), 0);
	return dir;
}

static int find(struct shm_dir *dir, const char *name, u32 kind, u64 wanted,
		struct shm_dir_query *q)
{
	*q = (struct shm_dir_query){
		.name = name,
		.kind = kind,
		.total = TOTAL,
		.wanted = wanted,
		.least = 0x1000,
	};
	return shm_dir_find(dir, q);
}

static void expect(struct shm_dir *dir, const char *name, u64 wanted,
		   u64 offset, u64 size)
{
	struct shm_dir_query q;

	check_int(name, find(dir, name, SHM_DIR_BUFFER, wanted, &q), 0);
	check_int("offset", q.offset, offset);
	check_int("size", q.size, size);
}

static void layout(void)
{
	check_int("page", sizeof(struct shm_dir), SHM_DIR_BYTES);
	check_int("entry", sizeof(struct shm_dir_entry), 96);
	check_int("crc", ~crc32_le(~0u, "123456789", 9), 0xcbf43926);
}

static void made_and_found(void)
{
	struct shm_dir *dir = new_dir();
	struct shm_dir_query q;

	expect(dir, "a", 0x8000, 0x1000, 0x8000);
	expect(dir, "b", 0x4001, 0x9000, 0x4001);
	expect(dir, "a", 0x1000, 0x1000, 0x8000);
	expect(dir, "rest", 10 * TOTAL, 0xe000, TOTAL - 0xe000);
	check_int("full", find(dir, "c", SHM_DIR_BUFFER, 0x1000, &q), -ENOSPC);
	check_int("kind", find(dir, "a", SHM_DIR_REQUEST, 0x1000, &q), -EINVAL);
	free(dir);
}

static void other_contents(void)
{
	struct shm_dir *dir = calloc(1, sizeof(*dir));

	dir->entries[SHM_DIR_ENTRIES - 1].region.name[SHM_DIR_NAME - 1] = 1;
	check_int("foreign", shm_dir_begin(dir), -EEXIST);
	check_int("untouched", dir->magic, 0);
	free(dir);
}

static void stuck(void)
{
	struct shm_dir *dir = new_dir();
	struct shm_dir_query q;

	expect(dir, "a", 0x1000, 0x1000, 0x1000);
	dir->entries[1].state = SHM_DIR_CLAIMED;
	check_int("wait", find(dir, "b", SHM_DIR_BUFFER, 1, &q), -EAGAIN);
	check_int("for", q.entry, 1);
	expect(dir, "a", 0x1000, 0x1000, 0x1000);
	shm_dir_give_up(dir, q.entry);
	expect(dir, "b", 0x1000, 0x2000, 0x1000);
	check_int("state", dir->entries[2].state, SHM_DIR_VALID);
	free(dir);
}

/* Whatever is changed in an entry, it is none any more. */
static void broken(void)
{
	struct shm_dir *dir = new_dir();
	struct shm_dir_query q;
	unsigned int i;
	u8 *e = (u8 *)&dir->entries[0];

	expect(dir, "a", 0x1000, 0x1000, 0x1000);
	for (i = 4; i < sizeof(struct shm_dir_entry); i++) {
		if (i == offsetof(struct shm_dir_entry, bell))
			i = offsetof(struct shm_dir_entry, region);
		memset(&dir->entries[1], 0, sizeof(dir->entries[1]));
		e[i] ^= 0x40;
		check_int("find", find(dir, "a", SHM_DIR_BUFFER, 0x2000, &q),
			  0);
		check_int("size", q.size, 0x2000);
		e[i] ^= 0x40;
	}
	free(dir);
}

/* A CRC is no proof of good will. */
static void lies(void)
{
	static const struct { u64 offset, size, now; } all[] = {
		{ 0x1000, 0x3000, 0x3000 },
		{ 0, 0x3000, 0x1000 },
		{ 0x1001, 0x3000, 0x1000 },
		{ 0x1000, 0, 0x1000 },
		{ 0x1000, TOTAL, 0x1000 },
		{ TOTAL, 0x3000, 0x1000 },
		{ 0x1000, ~0ULL, 0x1000 },
		{ ~0xfffULL, 0x2000, 0x1000 },
	};
	struct shm_dir_entry *e;
	struct shm_dir *dir;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		dir = new_dir();
		e = &dir->entries[0];
		e->region.kind = SHM_DIR_BUFFER;
		e->region.offset = all[i].offset;
		e->region.size = all[i].size;
		e->region.name[0] = 'a';
		e->crc = ~crc32_le(~0u, &e->region, sizeof(e->region));
		e->state = SHM_DIR_VALID;
		expect(dir, "a", 0x1000, 0x1000, all[i].now);
		free(dir);
	}
}

/* The like of a row in a race, for the fuzzer: see find() and forge() there */
static const u8 two_make[] = {
	0, 40, FUZZ_FIND, 0, 0, FUZZ_MEANWHILE | FUZZ_FIND, 1, 4,
	FUZZ_IDLE, FUZZ_IDLE, FUZZ_FIND, 1, 4, FUZZ_FIND, 1, 4,
};

static const u8 no_patience[] = {
	0, 40, FUZZ_MEANWHILE | FUZZ_FIND, 0, 0, FUZZ_IDLE, FUZZ_IDLE,
	FUZZ_IDLE, FUZZ_MEANWHILE | FUZZ_GIVE_UP, 0, FUZZ_FIND, 1, 0,
};

static const u8 changed_while_read[] = {
	FUZZ_HOSTILE, 40, FUZZ_FORGE, 0, 0, 1, 4, SHM_DIR_REQUEST,
	SHM_DIR_VALID, FUZZ_MEANWHILE | FUZZ_FIND, 0, 0, FUZZ_IDLE, FUZZ_IDLE,
	FUZZ_IDLE, FUZZ_FORGE, 0, 0, 200, 4, SHM_DIR_REQUEST, SHM_DIR_VALID,
};

static const u8 begun_meanwhile[] = {
	FUZZ_FRESH, 40, FUZZ_MEANWHILE | FUZZ_BEGIN, FUZZ_IDLE, FUZZ_FIND, 2, 9,
};

#define COURSE(bytes)	bytes, sizeof(bytes)

static const struct directory_row {
	const char *name;
	void (*run)(void);
	const u8 *course;
	size_t course_len;
} rows[] = {
	{ "layout", layout },
	{ "made and found", made_and_found, COURSE(two_make) },
	{ "other contents", other_contents, COURSE(begun_meanwhile) },
	{ "stuck entries", stuck, COURSE(no_patience) },
	{ "broken entries", broken },
	{ "lies", lies, COURSE(changed_while_read) },
};

static const char *row_name(size_t row)
{
	return rows[row].name;
}

static void run(size_t row)
{
	rows[row].run();
}

static void seed(size_t row, struct bytes *b)
{
	put(b, rows[row].course, rows[row].course_len);
}

const struct unit_suite shm_directory_suite = {
	"shm directory", ARRAY_SIZE(rows), row_name, run, "directory", seed,
};
