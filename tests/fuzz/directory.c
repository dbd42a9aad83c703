// SPDX-License-Identifier: GPL-2.0
/*
 * The directory page: two ends look for regions and make them at the same
 * time, and somebody hostile may write to the page.
 */
#include <linux/crc32.h>

#include "transport-shm/directory.h"

#include "fuzz.h"
#include "meanwhile.h"

#define MOST_STEPS	60
#define PAGE		SHM_DIR_BYTES

/**
 * struct found - where both ends have found a name to be
 * @size: 0 as long as none has
 * @offset: where it begins
 */
struct found {
	u64 size;
	u64 offset;
};

static const char * const names[] = {
	"request", "response", "buffer",
	"abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvw",
};

static struct fuzz_input in;
static struct found all[ARRAY_SIZE(names)];
static struct shm_dir *dir;
static u64 total;
static bool hostile;

static u32 crc_of(const struct shm_dir_region *r)
{
	return ~crc32_le(~0u, r, sizeof(*r));
}

/* ------------------------------------------------------------------ */
/* What a look for a name may do and say                              */

static bool inside(u64 offset, u64 size)
{
	return offset >= PAGE && !(offset % PAGE) && offset < total && size &&
	       size <= total - offset;
}

/* Has a region that can be true and is called @name, or anything */
static bool has(const struct shm_dir_entry *e, const char *name)
{
	const struct shm_dir_region *r = &e->region;

	if (e->state != SHM_DIR_VALID || !inside(r->offset, r->size) ||
	    !*r->name || !memchr(r->name, 0, sizeof(r->name)))
		return false;
	return (!name || !strcmp(r->name, name)) && e->crc == crc_of(r);
}

static bool apart(u64 a, u64 a_size, u64 b, u64 b_size)
{
	return a + a_size <= b || b + b_size <= a;
}

static void check_first(const struct shm_dir *old,
			const struct shm_dir_query *q)
{
	unsigned int i;

	for (i = 0; i < q->entry; i++)
		must(!has(&old->entries[i], q->name));
}

/* Behind all regions of the entries before, in the first page that is free */
static void check_made(const struct shm_dir *old,
		       const struct shm_dir_query *q)
{
	const struct shm_dir_region *r;
	u64 end = PAGE;
	unsigned int i;

	must(q->size == q->wanted ||
	     (q->size < q->wanted && q->size >= q->least));
	for (i = 0; i < q->entry; i++) {
		r = &old->entries[i].region;
		if (has(&old->entries[i], NULL) && r->offset + r->size > end)
			end = r->offset + r->size;
	}
	must(q->offset >= end && q->offset - end < PAGE);
}

/* Who has not found it and not made it has changed nothing. */
static void check_quiet(int err, struct shm_dir *old,
			const struct shm_dir_query *q)
{
	const struct shm_dir_entry *e = &dir->entries[q->entry];
	struct shm_dir_entry *before = &old->entries[q->entry];
	u32 state = before->state;

	check_first(old, q);
	if (!err && state == SHM_DIR_FREE) {
		check_made(old, q);
		memcpy(before, e, sizeof(*e));
	}
	must(!memcmp(old, dir, sizeof(*dir)));
	if (err == -EAGAIN)
		must(state == SHM_DIR_CLAIMED);
	else if (err == -EINVAL)
		must(has(e, q->name) && e->region.kind != q->kind);
	else if (!err)
		must(has(e, q->name) && e->region.kind == q->kind &&
		     e->region.offset == q->offset &&
		     e->region.size == q->size);
}

/* Honest ends agree on where a name is, and nothing is in two places. */
static void check_agreed(const struct shm_dir_query *q, unsigned int name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!all[i].size)
			continue;
		if (i == name)
			must(all[i].offset == q->offset &&
			     all[i].size == q->size);
		else
			must(apart(all[i].offset, all[i].size, q->offset,
				   q->size));
	}
	all[name].offset = q->offset;
	all[name].size = q->size;
}

static void begin(void)
{
	bool quiet = !fuzz_meanwhile;
	struct shm_dir old = *dir;
	int err = shm_dir_begin(dir);

	must(!err || err == -EEXIST);
	must(!err || hostile);
	if (!quiet)
		return;
	must(!err == (dir->magic == SHM_DIR_MAGIC));
	if (!err)
		old.magic = SHM_DIR_MAGIC;
	must(!memcmp(&old, dir, sizeof(old)));
}

static int look_for(unsigned int name, struct shm_dir_query *q)
{
	bool quiet = !fuzz_meanwhile;
	struct shm_dir old;
	int err;

	if (!hostile && !dir->magic)
		begin();
	old = *dir;
	q->name = names[name];
	q->total = total;
	q->entry = SHM_DIR_ENTRIES;
	err = shm_dir_find(dir, q);
	must(!err || err == -EAGAIN || err == -EINVAL || err == -ENOSPC);
	must(q->entry < SHM_DIR_ENTRIES);
	if (!err)
		must(inside(q->offset, q->size));
	if (quiet)
		check_quiet(err, &old, q);
	if (!err && !hostile)
		check_agreed(q, name);
	return err;
}

/* ------------------------------------------------------------------ */
/* Steps                                                              */

/* Only the buffer may be smaller than wanted, and has a page at least. */
static void find(void)
{
	u8 what = fuzz_u8(&in), size = fuzz_u8(&in);
	struct shm_dir_query q = {
		.kind = what >> 2 & 1 ? SHM_DIR_BUFFER : 1 + what % 4 % 3,
		.wanted = PAGE + size * 1000,
	};

	q.least = what >> 3 & 1 ? PAGE : q.wanted;
	look_for(what % 4, &q);
}

/* An entry that lies, with a CRC that is right in most cases */
static void forge(void)
{
	struct shm_dir_entry *e = &dir->entries[fuzz_u8(&in) % SHM_DIR_ENTRIES];
	struct shm_dir_region *r = &e->region;
	u8 how = fuzz_u8(&in);

	memset(e, 0, sizeof(*e));
	r->offset = how & 1 ? fuzz_u64(&in) : fuzz_u8(&in) * (u64)PAGE;
	r->size = how & 2 ? fuzz_u64(&in) : fuzz_u8(&in) * (u64)PAGE;
	r->kind = fuzz_u8(&in) % (SHM_DIR_BUFFER + 2);
	if (how & 4)
		fuzz_take(&in, r->name, sizeof(r->name));
	else if (how & 8)
		memset(r->name, 'x', sizeof(r->name));
	else
		strcpy(r->name, names[how >> 4 & 3]);
	if (!(how & 0x80))
		e->crc = crc_of(r);
	e->state = fuzz_u8(&in) % (SHM_DIR_VOID + 2);
}

static void spoil(void)
{
	u16 at = fuzz_u16(&in) % sizeof(*dir);

	((u8 *)dir)[at] = fuzz_u8(&in);
}

static void step(unsigned int what)
{
	switch (what) {
	case FUZZ_FIND:
		find();
		break;
	case FUZZ_GIVE_UP:
		shm_dir_give_up(dir, fuzz_u8(&in) % (SHM_DIR_ENTRIES + 1));
		break;
	case FUZZ_BEGIN:
		begin();
		break;
	case FUZZ_FORGE:
		if (hostile)
			forge();
		break;
	case FUZZ_SPOIL:
		if (hostile)
			spoil();
	}
}

static void other_end(void)
{
	u8 byte;

	do {
		byte = fuzz_u8(&in);
		step(byte % FUZZ_MEANWHILE % FUZZ_DIRECTORY);
	} while (byte & FUZZ_MEANWHILE);
}

/* Nobody is waited for for ever. */
static void must_end(void)
{
	unsigned int name, tries;
	int err;

	for (name = 0; name < ARRAY_SIZE(names); name++) {
		struct shm_dir_query q = {
			.kind = SHM_DIR_BUFFER,
			.wanted = PAGE,
			.least = PAGE,
		};

		tries = SHM_DIR_ENTRIES + 1;
		while ((err = look_for(name, &q)) == -EAGAIN) {
			must(--tries);
			shm_dir_give_up(dir, q.entry);
		}
	}
}

static void run_steps(void)
{
	unsigned int steps;
	u8 byte;

	for (steps = 0; in.left && steps < MOST_STEPS; steps++) {
		byte = fuzz_u8(&in);
		fuzz_meanwhile = byte & FUZZ_MEANWHILE ? other_end : NULL;
		step(byte % FUZZ_MEANWHILE % FUZZ_DIRECTORY);
		fuzz_meanwhile = NULL;
	}
	must_end();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u8 how, pages;

	in = (struct fuzz_input){ data, size };
	how = fuzz_u8(&in);
	hostile = how & FUZZ_HOSTILE;
	pages = fuzz_u8(&in);
	total = PAGE * (1 + pages % 64ULL) + pages / 64 * 1000;
	memset(all, 0, sizeof(all));
	dir = calloc(1, sizeof(*dir));
	must(dir);
	if (!(how & FUZZ_FRESH))
		begin();
	run_steps();
	free(dir);
	return 0;
}
