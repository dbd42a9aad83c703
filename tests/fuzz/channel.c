// SPDX-License-Identifier: GPL-2.0
/*
 * SHMStream: both ends of a channel, of which one may be at work while the
 * other one is, and which somebody hostile may write to at any time.
 */
#include "transport-shm/channel.h"

#include "fuzz.h"
#include "meanwhile.h"

#define PROTOCOL	0x1234
#define MOST_SLOTS	8
#define MOST_STEPS	200

/* Says of each half whose it is: one of two halves is seen through. */
struct element {
	u64 epoch;
	u64 number;
	u64 number_again;
	u64 epoch_again;
};

#define ROOM	(sizeof(struct shm_stream_header) +			\
		 (MOST_SLOTS + 1) * sizeof(struct element))

static struct fuzz_input in;
static struct shm_writer writer;
static struct shm_reader reader;
static struct shm_stream_header *header;
static size_t len;
static bool hostile, active, reading;
static u64 epoch;

static struct element *slot_at(u64 slot)
{
	return (struct element *)(header + 1) + slot;
}

/* ------------------------------------------------------------------ */
/* The reader                                                         */

static bool fits(void)
{
	u64 room = (len - sizeof(*header)) / sizeof(struct element);

	return header->transport == SHM_STREAM_TRANSPORT &&
	       header->protocol == PROTOCOL &&
	       header->size == sizeof(struct element) &&
	       header->elements && header->elements <= room;
}

/* What the documentation of the protocol says, while nothing changes */
static enum shm_read expected(const struct shm_reader *r)
{
	if (!header->epoch)
		return SHM_READ_INACTIVE;
	if (header->epoch != r->epoch || header->wc < r->rc)
		return fits() ? SHM_READ_RESTARTED : SHM_READ_INCOMPATIBLE;
	if (header->wc == r->rc)
		return SHM_READ_EMPTY;
	if (header->wc - r->rc > r->elements ||
	    header->wsc - r->rc > r->elements)
		return SHM_READ_OVERRUN;
	return SHM_READ_OK;
}

/* Whatever it was told: it stays inside of the channel. */
static void check_reader(void)
{
	must(reader.size == sizeof(struct element));
	if (!reader.epoch)
		return;
	must(reader.elements && reader.slot < reader.elements);
	must(reader.elements * sizeof(struct element) <=
	     len - sizeof(*header));
	must(reader.slot == reader.rc % reader.elements);
}

static void check_progress(enum shm_read result, const struct shm_reader *old)
{
	switch (result) {
	case SHM_READ_OK:
		must(reader.epoch == old->epoch);
		must(reader.rc == old->rc + 1);
		break;
	case SHM_READ_RESTARTED:
		must(reader.epoch == header->epoch && !reader.rc);
		break;
	case SHM_READ_EMPTY:
	case SHM_READ_OVERRUN:
		must(reader.epoch == old->epoch && reader.rc >= old->rc);
		break;
	case SHM_READ_INCOMPATIBLE:
		must(reader.refused && !reader.epoch);
		break;
	case SHM_READ_INACTIVE:
		must(!reader.epoch);
	}
}

/* From an honest writer come whole elements, each once, in their order. */
static void check_honest(enum shm_read result, const struct shm_reader *old,
			 const struct element *e)
{
	must(result != SHM_READ_INCOMPATIBLE);
	if (result == SHM_READ_OK) {
		must(e->epoch == e->epoch_again && e->epoch == reader.epoch);
		must(e->number == e->number_again && e->number == old->rc);
	} else if (result == SHM_READ_OVERRUN) {
		must(header->wsc - old->rc > old->elements);
		must(reader.rc <= writer.wc);
	} else if (result == SHM_READ_EMPTY && reader.rc != old->rc) {
		must(header->epoch != reader.epoch);
	}
}

/* When nothing changes; or the reader's thread would never sleep. */
static void check_quiet(enum shm_read result, const struct shm_reader *old,
			const struct element *e)
{
	if (result == SHM_READ_OK)
		must(!memcmp(e, slot_at(old->rc % old->elements), sizeof(*e)));
	else if (result != SHM_READ_RESTARTED)
		must(!shm_reader_pending(&reader));
}

static enum shm_read get(void)
{
	struct element *e = malloc(sizeof(*e));
	struct shm_reader old = reader;
	enum shm_read wanted = expected(&old), result;
	bool quiet = !fuzz_meanwhile;
	u8 before[ROOM];

	must(e);
	memcpy(before, header, len);
	result = shm_reader_get(&reader, e);
	check_progress(result, &old);
	if (quiet) {
		must(result == wanted);
		must(!memcmp(before, header, len));
		check_quiet(result, &old, e);
	}
	if (!hostile)
		check_honest(result, &old, e);
	free(e);
	return result;
}

static void drain(void)
{
	bool quiet = !fuzz_meanwhile;
	enum shm_read result = shm_reader_drain(&reader);

	must(result != SHM_READ_OK && result != SHM_READ_RESTARTED &&
	     result != SHM_READ_OVERRUN);
	must((result == SHM_READ_EMPTY) == !!reader.epoch);
	if (quiet) {
		must(!shm_reader_pending(&reader));
		must(shm_reader_active(&reader) == !!header->epoch);
	}
}

/* ------------------------------------------------------------------ */
/* The writer                                                         */

/* It changes its slot and its counts, whatever else is in the channel. */
static void put(void)
{
	struct element e = { epoch, writer.wc, writer.wc, epoch };
	bool quiet = !fuzz_meanwhile;
	u32 slot = writer.slot;
	union {
		struct shm_stream_header header;
		u8 bytes[ROOM];
	} wanted;

	if (!active)
		return;
	memcpy(&wanted, header, len);
	wanted.header.wc = writer.wc + 1;
	wanted.header.wsc = writer.wc + 1;
	memcpy(wanted.bytes + ((u8 *)slot_at(slot) - (u8 *)header), &e,
	       sizeof(e));
	shm_writer_put(&writer, &e);
	must(writer.wc == e.number + 1 && writer.slot < writer.elements);
	if (quiet)
		must(!memcmp(&wanted, header, len));
}

/* A hostile one may choose the epoch that it had. */
static void activate(void)
{
	bool quiet = !fuzz_meanwhile;

	epoch = hostile ? 1 + fuzz_u8(&in) % 2 : epoch + 1;
	shm_writer_activate(&writer, PROTOCOL, epoch);
	active = true;
	must(!writer.wc && !writer.slot);
	if (quiet)
		must(fits() && header->epoch == epoch);
}

static void deactivate(void)
{
	active = false;
	shm_writer_deactivate(&writer);
}

static u64 right_word(unsigned int n)
{
	const u64 words[] = {
		SHM_STREAM_TRANSPORT, 1, PROTOCOL, sizeof(struct element),
		writer.elements, 0, reader.rc + 1, reader.rc + 1,
	};

	return n < ARRAY_SIZE(words) ? words[n] : 0;
}

static void meddle(void)
{
	u8 where = fuzz_u8(&in), how = fuzz_u8(&in);
	unsigned int n = where % (len / sizeof(u64));
	u64 *word = (u64 *)header + n;

	if (how % 8 == 0)
		*word = right_word(n);
	else if (how % 8 == 1)
		*word = fuzz_u64(&in);
	else if (how % 8 == 2)
		*word = reader.rc + how / 8;
	else if (how % 8 == 3)
		*word = 0;
	else if (how % 8 == 4)
		*word = how / 8 ? 1ULL << (how / 8 * 2 + 1) : ~0ULL;
	else
		*word += how % 8 - 6 + how / 8;
}

/* ------------------------------------------------------------------ */

static bool reads(unsigned int what)
{
	return what == FUZZ_GET || what == FUZZ_DRAIN;
}

static void step(unsigned int what)
{
	switch (what) {
	case FUZZ_GET:
		get();
		break;
	case FUZZ_DRAIN:
		drain();
		break;
	case FUZZ_PUT:
		put();
		break;
	case FUZZ_ACTIVATE:
		activate();
		break;
	case FUZZ_DEACTIVATE:
		deactivate();
		break;
	case FUZZ_MEDDLE:
		if (hostile)
			meddle();
	}
	check_reader();
}

/* Neither end gets in its own way: locks see to that. */
static void other_end(void)
{
	unsigned int what;
	u8 byte;

	do {
		byte = fuzz_u8(&in);
		what = byte % FUZZ_MEANWHILE % FUZZ_CHANNEL;
		if (what == FUZZ_MEDDLE || reads(what) != reading)
			step(what);
	} while (byte & FUZZ_MEANWHILE);
}

/* The next element is read, whatever was before. */
static void must_go_on(void)
{
	unsigned int tries = MOST_SLOTS + 3;
	enum shm_read result;

	if (!active)
		activate();
	do {
		must(tries--);
		result = get();
	} while (result != SHM_READ_EMPTY);
	put();
	must(get() == SHM_READ_OK);
}

static void run_steps(void)
{
	unsigned int steps;
	u8 byte;

	for (steps = 0; in.left && steps < MOST_STEPS; steps++) {
		byte = fuzz_u8(&in);
		reading = reads(byte % FUZZ_MEANWHILE % FUZZ_CHANNEL);
		fuzz_meanwhile = byte & FUZZ_MEANWHILE ? other_end : NULL;
		step(byte % FUZZ_MEANWHILE % FUZZ_CHANNEL);
		fuzz_meanwhile = NULL;
	}
	if (!hostile)
		must_go_on();
}

/* Without room for an element both ends refuse, and must. */
static bool begin(void)
{
	u8 size = fuzz_u8(&in);
	u8 slots = size % (MOST_SLOTS + 1);
	int err;

	len = sizeof(*header) + slots * sizeof(struct element);
	/* and less than one more */
	len += size / (MOST_SLOTS + 1);
	header = calloc(1, len);
	must(header);
	err = shm_writer_init(&writer, header, len, sizeof(struct element));
	must(shm_reader_init(&reader, header, len, PROTOCOL,
			     sizeof(struct element)) == err);
	must(err == (slots ? 0 : -EINVAL));
	return !err;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	in = (struct fuzz_input){ data, size };
	hostile = fuzz_u8(&in) & FUZZ_HOSTILE;
	active = false;
	epoch = 0;
	if (begin())
		run_steps();
	free(header);
	return 0;
}
