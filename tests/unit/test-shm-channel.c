// SPDX-License-Identifier: GPL-2.0
/*
 * SHMStream channels: what a reader makes of writers, good and bad ones.
 */
#include "transport-shm/channel.h"

#include "../fuzz/fuzz.h"
#include "unit.h"

#define PROTOCOL	0x1234
#define SLOTS		5
#define REGION		(sizeof(struct shm_stream_header) + SLOTS * sizeof(u64))

struct pair {
	struct shm_stream_header *header;
	struct shm_writer w;
	struct shm_reader r;
};

static void open_pair(struct pair *p)
{
	p->header = calloc(1, REGION);
	check_int("writer", shm_writer_init(&p->w, p->header, REGION,
					    sizeof(u64)), 0);
	check_int("reader", shm_reader_init(&p->r, p->header, REGION, PROTOCOL,
					    sizeof(u64)), 0);
}

static void write_some(struct pair *p, u64 first, unsigned int nr)
{
	while (nr--) {
		shm_writer_put(&p->w, &first);
		first++;
	}
}

static void expect(struct pair *p, enum shm_read wanted)
{
	u64 value = 0;

	check_int("result", shm_reader_get(&p->r, &value), wanted);
}

static void expect_value(struct pair *p, u64 wanted)
{
	u64 value = 0;

	check_int("result", shm_reader_get(&p->r, &value), SHM_READ_OK);
	check_int("value", value, wanted);
}

static void start(struct pair *p)
{
	shm_writer_activate(&p->w, PROTOCOL, 7);
	expect(p, SHM_READ_RESTARTED);
}

static void layout(struct pair *p)
{
	static const u8 wanted[] = { 0x6d, 0x9b, 0x9a, 0xb7, 0xb6, 0x12, 0x73,
				     0x48 };

	shm_writer_activate(&p->w, PROTOCOL, 7);
	write_some(p, 100, 2);
	check_int("header", sizeof(*p->header), 64);
	check(!memcmp(p->header, wanted, 8), "the magic number is wrong");
	check_int("epoch", ((u64 *)p->header)[1], 7);
	check_int("protocol", ((u64 *)p->header)[2], PROTOCOL);
	check_int("size", ((u64 *)p->header)[3], 8);
	check_int("elements", ((u64 *)p->header)[4], SLOTS);
	check_int("reserved", ((u64 *)p->header)[5], 0);
	check_int("wsc", ((u64 *)p->header)[6], 2);
	check_int("wc", ((u64 *)p->header)[7], 2);
	check_int("slot 1", ((u64 *)p->header)[9], 101);
}

static void inactive(struct pair *p)
{
	expect(p, SHM_READ_INACTIVE);
	check(!shm_reader_pending(&p->r), "something is pending");
	start(p);
	shm_writer_deactivate(&p->w);
	check(shm_reader_pending(&p->r), "nothing is pending");
	expect(p, SHM_READ_INACTIVE);
	expect(p, SHM_READ_INACTIVE);
	check(!shm_reader_pending(&p->r), "something is pending");
}

static void around(struct pair *p)
{
	u64 i;

	start(p);
	for (i = 0; i < 100; i++) {
		expect(p, SHM_READ_EMPTY);
		write_some(p, 1000 + 3 * i, 3);
		check(shm_reader_pending(&p->r), "nothing is pending");
		expect_value(p, 1000 + 3 * i);
		expect_value(p, 1001 + 3 * i);
		expect_value(p, 1002 + 3 * i);
	}
}

static void full(struct pair *p)
{
	u64 i;

	start(p);
	write_some(p, 0, SLOTS);
	for (i = 0; i < SLOTS; i++)
		expect_value(p, i);
	expect(p, SHM_READ_EMPTY);
}

static void overrun(struct pair *p)
{
	start(p);
	write_some(p, 0, SLOTS + 1);
	expect(p, SHM_READ_OVERRUN);
	expect(p, SHM_READ_EMPTY);
	write_some(p, 77, 1);
	expect_value(p, 77);
}

static void overrun_begun(struct pair *p)
{
	start(p);
	write_some(p, 0, SLOTS);
	p->header->wsc++;
	expect(p, SHM_READ_OVERRUN);
}

static void new_epoch(struct pair *p)
{
	start(p);
	write_some(p, 0, 3);
	expect_value(p, 0);
	shm_writer_activate(&p->w, PROTOCOL, 8);
	write_some(p, 50, 1);
	expect(p, SHM_READ_RESTARTED);
	expect_value(p, 50);
}

static void same_epoch(struct pair *p)
{
	start(p);
	write_some(p, 0, 3);
	expect_value(p, 0);
	expect_value(p, 1);
	shm_writer_activate(&p->w, PROTOCOL, 7);
	write_some(p, 60, 1);
	expect(p, SHM_READ_RESTARTED);
	expect_value(p, 60);
	expect(p, SHM_READ_EMPTY);
}

static void drain(struct pair *p)
{
	check_int("drain", shm_reader_drain(&p->r), SHM_READ_INACTIVE);
	shm_writer_activate(&p->w, PROTOCOL, 7);
	write_some(p, 0, 2 * SLOTS + 2);
	check_int("drain", shm_reader_drain(&p->r), SHM_READ_EMPTY);
	expect(p, SHM_READ_EMPTY);
	write_some(p, 33, 1);
	expect_value(p, 33);
}

static void incompatible(struct pair *p)
{
	u64 *const fields[] = {
		(u64 *)&p->header->transport, (u64 *)&p->header->protocol,
		(u64 *)&p->header->size, (u64 *)&p->header->elements,
	};
	static const u64 values[] = { 0, 1, SLOTS + 1, 1ULL << 32, ~0ULL,
				      (1ULL << 61) + 1 };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		for (j = 0; j < ARRAY_SIZE(values); j++) {
			/* Fewer slots than there is room for are all right. */
			if (i == 3 && values[j] == 1)
				continue;
			shm_writer_activate(&p->w, PROTOCOL, 7);
			*fields[i] = values[j];
			expect(p, SHM_READ_INCOMPATIBLE);
			check_int("drain", shm_reader_drain(&p->r),
				  SHM_READ_INCOMPATIBLE);
		}
	}
	start(p);
}

static void geometry_is_latched(struct pair *p)
{
	start(p);
	write_some(p, 0, 2);
	p->header->elements = ~0ULL;
	p->header->size = ~0ULL;
	p->header->protocol = 0;
	expect_value(p, 0);
	expect_value(p, 1);
}

static void counters_run_wild(struct pair *p)
{
	static const u64 counts[] = { 0, 1, 2, SLOTS, SLOTS + 1, ~0ULL,
				      1ULL << 63, 1ULL << 32 };
	unsigned int i, j, n;
	u64 value;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		for (j = 0; j < ARRAY_SIZE(counts); j++) {
			shm_writer_activate(&p->w, PROTOCOL, 7);
			shm_reader_drain(&p->r);
			p->header->wc = counts[i];
			p->header->wsc = counts[j];
			for (n = 0; n < 20; n++)
				shm_reader_get(&p->r, &value);
			shm_reader_pending(&p->r);
			shm_reader_drain(&p->r);
		}
	}
}

static void no_room(struct pair *p)
{
	check_int("writer", shm_writer_init(&p->w, p->header, 64 + 7,
					    sizeof(u64)), -EINVAL);
	check_int("reader", shm_reader_init(&p->r, p->header, 63, PROTOCOL,
					    sizeof(u64)), -EINVAL);
}

static void muen_sizes(struct pair *p)
{
	check_int("writer", shm_writer_init(&p->w, p->header, 0x8000, 32), 0);
	check_int("request slots", p->w.elements, 1022);
	check_int("writer", shm_writer_init(&p->w, p->header, 0x4000, 16), 0);
	check_int("response slots", p->w.elements, 1020);
}

static const struct channel_row {
	const char *name;
	void (*run)(struct pair *p);
	u8 course[16];	/* the like in a race, where the fuzzer starts */
} rows[] = {
	{ "layout", layout },
	{ "no writer", inactive },
	{ "many times around", around },
	{ "full", full },
	{ "overrun", overrun },
	{ "overrun while reading", overrun_begun,
	  { 0, 1, FUZZ_ACTIVATE, FUZZ_GET, FUZZ_PUT, FUZZ_MEANWHILE | FUZZ_GET,
	    FUZZ_NOTHING, FUZZ_NOTHING, FUZZ_NOTHING, FUZZ_PUT } },
	{ "new epoch", new_epoch,
	  { 0, 2, FUZZ_ACTIVATE, FUZZ_GET, FUZZ_PUT, FUZZ_MEANWHILE | FUZZ_GET,
	    FUZZ_NOTHING, FUZZ_NOTHING, FUZZ_MEANWHILE | FUZZ_ACTIVATE,
	    FUZZ_PUT } },
	{ "restart with the same epoch", same_epoch,
	  { FUZZ_HOSTILE, 2, FUZZ_ACTIVATE, 0, FUZZ_GET, FUZZ_PUT, FUZZ_GET,
	    FUZZ_ACTIVATE, 0, FUZZ_GET } },
	{ "drain", drain },
	{ "incompatible writers", incompatible },
	{ "geometry is latched", geometry_is_latched },
	{ "counters run wild", counters_run_wild },
	{ "no room", no_room },
	{ "sizes that Muen has", muen_sizes },
};

static const char *row_name(size_t row)
{
	return rows[row].name;
}

static void run(size_t row)
{
	struct pair p;

	open_pair(&p);
	rows[row].run(&p);
	free(p.header);
}

static void seed(size_t row, struct bytes *b)
{
	put(b, rows[row].course, sizeof(rows[row].course));
}

const struct unit_suite shm_channel_suite = {
	"shm channel", ARRAY_SIZE(rows), row_name, run, "channel", seed,
};
