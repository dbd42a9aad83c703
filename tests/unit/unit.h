/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A table of cases is a suite, a row of it a test.
 */
#ifndef UNBD_UNIT_H
#define UNBD_UNIT_H

#include <linux/kernel.h>
#include <linux/types.h>

/**
 * struct bytes - a piece of wire, in memory of just its size
 *
 * So the address sanitizer sees whoever reads behind it.
 */
struct bytes {
	u8 *at;
	size_t len;
};

/**
 * struct unit_suite - tests of one thing
 * @name: of the thing
 * @rows: number of tests
 * @row_name: what a row is about
 * @run: the test; comes back if it passes
 * @fuzzer: the program of tests/fuzz that starts from these rows, or NULL
 * @seed: appends the row's input in the form of tests/fuzz/fuzz.h
 */
struct unit_suite {
	const char *name;
	size_t rows;
	const char *(*row_name)(size_t row);
	void (*run)(size_t row);
	const char *fuzzer;
	void (*seed)(size_t row, struct bytes *b);
};

/* Ends the test. */
__attribute__((noreturn)) __printf(3, 4)
void unit_fail(const char *file, int line, const char *fmt, ...);

#define check(condition, ...)						\
	do {								\
		if (!(condition))					\
			unit_fail(__FILE__, __LINE__, __VA_ARGS__);	\
	} while (0)

#define check_int(what, got, wanted)					\
	do {								\
		long long got_ = (got), wanted_ = (wanted);		\
									\
		check(got_ == wanted_, "%s is %lld and not %lld",	\
		      what, got_, wanted_);				\
	} while (0)

#define check_text(what, got, wanted)					\
	check(!strcmp(got, wanted), "%s is \"%s\" and not \"%s\"",	\
	      what, got, wanted)

/* The message must have this in it, and be one printable line. */
void check_why(const char *why, const char *part);

/* Of a text with control bytes; until the next call. */
const char *printable(const char *text);

/* With all that is in it */
void remove_tree(const char *dir);

void put(struct bytes *b, const void *data, size_t len);
void put8(struct bytes *b, u8 value);
void put16(struct bytes *b, u16 value);
void put32(struct bytes *b, u32 value);
void put64(struct bytes *b, u64 value);
void put_text(struct bytes *b, const char *text);
void put_zeroes(struct bytes *b, size_t len);
void release(struct bytes *b);

extern const struct unit_suite address_suite;
extern const struct unit_suite cidr_suite;
extern const struct unit_suite closed_suite;
extern const struct unit_suite export_suite;
extern const struct unit_suite handshake_suite;
extern const struct unit_suite map_suite;
extern const struct unit_suite odd_suite;
extern const struct unit_suite option_suite;
extern const struct unit_suite path_suite;
extern const struct unit_suite pair_suite;
extern const struct unit_suite reply_suite;
extern const struct unit_suite request_suite;
extern const struct unit_suite rdma_address_suite;
extern const struct unit_suite rnbd_message_suite;
extern const struct unit_suite rnbd_suite;
extern const struct unit_suite rtrs_message_suite;
extern const struct unit_suite rtrs_suite;
extern const struct unit_suite search_length_suite;
extern const struct unit_suite search_suite;
extern const struct unit_suite shm_directory_suite;
extern const struct unit_suite shm_channel_suite;
extern const struct unit_suite shm_codec_suite;
extern const struct unit_suite shm_option_suite;
extern const struct unit_suite tool_bare_suite;
extern const struct unit_suite tool_doctor_suite;
extern const struct unit_suite tool_kmsg_suite;
extern const struct unit_suite tool_layout_suite;
extern const struct unit_suite tool_nbd_suite;
extern const struct unit_suite tool_address_suite;
extern const struct unit_suite tool_quote_suite;
extern const struct unit_suite tool_run_suite;
extern const struct unit_suite tool_show_suite;
extern const struct unit_suite tool_size_suite;
extern const struct unit_suite tool_unit_suite;
extern const struct unit_suite tool_uri_suite;
extern const struct unit_suite word_suite;

#endif
