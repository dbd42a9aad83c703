// SPDX-License-Identifier: GPL-2.0
/*
 * Servers that close the connection, names, and further connections.
 */
#include "script.h"

/* ------------------------------------------------------------------ */
/* Servers that close the connection                                  */

static const struct closed_row {
	const char *name;
	void (*write)(void);
	size_t after;		/* bytes of the server's */
	int error;
	const char *why;
} closed_rows[] = {
	{ "before the greeting", nbdkit, 0, -ECONNRESET, "without a greeting" },
	{ "within the greeting", nbdkit, 15, -ECONNRESET,
	  "without a greeting" },
	{ "before the flags", nbdkit, 17, -ECONNRESET, "during its greeting" },
	{ "oldstyle, before the size", oldstyle, 20, -ECONNRESET,
	  "during its greeting" },
	{ "after EXTENDED_HEADERS", nbdkit, 18, -ECONNRESET,
	  "during EXTENDED_HEADERS" },
	{ "within an error's text", nbdkit_no_sr, 18 + 20 + 20 + 3,
	  -ECONNRESET, "during STRUCTURED_REPLY" },
	{ "within GO", nbdkit, 18 + 20 + 20 + 20 + 12, -ECONNRESET,
	  "during GO" },
	{ "when asked by EXPORT_NAME", nbdkit_mask_2, 18, -ENOENT,
	  "when asked for the export" },
	{ "instead of hearing ABORT", err_unknown, 18 + 20 + 20 + 20 + 23,
	  -ENOENT, "ERR_UNKNOWN" },
};

static const char *closed_name(size_t row)
{
	return closed_rows[row].name;
}

static void run_closed(size_t row)
{
	const struct closed_row *r = &closed_rows[row];
	struct play p;

	r->write();
	play(&p, "disk", NBD_HEADERS_EXTENDED, r->after, SIZE_MAX);
	check_int("error", p.hs->error, r->error);
	check_why(p.why, r->why);
	check_int("error when told again", nbd_handshake_closed(p.hs),
		  r->error);
	free(p.hs);
	release_script();
}

const struct unit_suite closed_suite = {
	"server closes", ARRAY_SIZE(closed_rows), closed_name, run_closed,
};

/* ------------------------------------------------------------------ */
/* Names and further connections                                      */

enum odd { NAME_LONGEST, NAME_TOO_LONG, SAME, SIZE, FLAGS, BLOCKS, HEADERS };

static const struct odd_row {
	const char *name;
	enum odd what;
} odd_rows[] = {
	{ "longest export name", NAME_LONGEST },
	{ "export name too long", NAME_TOO_LONG },
	{ "the same export twice", SAME },
	{ "another size", SIZE },
	{ "other flags", FLAGS },
	{ "other block sizes", BLOCKS },
	{ "another header style", HEADERS },
};

static const char *odd_name(size_t row)
{
	return odd_rows[row].name;
}

static void check_name(size_t len, int error)
{
	char *name = malloc(len + 1);
	struct play p;

	memset(name, 'n', len);
	name[len] = '\0';
	greet(3);
	hear_flags(3);
	hear_go(name);
	join_last_two();
	info_export(MIB, 1);
	ack(NBD_OPT_GO);
	play(&p, name, NBD_HEADERS_SIMPLE, SIZE_MAX, SIZE_MAX);
	check_int("error", p.hs->error, error);
	if (error)
		check_why(p.why, "longer than 4096 bytes");
	free(p.hs);
	free(name);
	release_script();
}

static void check_same(enum odd what)
{
	struct nbd_export_info first = {
		.size = MIB, .flags = 1, .min_block = 1,
		.preferred_block = 4096, .max_payload = MIB,
	};
	struct nbd_export_info other = first;
	char why[160];

	if (what == SIZE)
		other.size++;
	else if (what == FLAGS)
		other.flags |= NBD_FLAG_READ_ONLY;
	else if (what == BLOCKS)
		other.max_payload *= 2;
	else if (what == HEADERS)
		other.headers = NBD_HEADERS_EXTENDED;
	check_int("error", nbd_same_export(&first, &other, why, sizeof(why)),
		  what == SAME ? 0 : -ESTALE);
	if (what != SAME)
		check_why(why, what == FLAGS || what == BLOCKS ? "were" : "was");
}

static void run_odd(size_t row)
{
	enum odd what = odd_rows[row].what;

	if (what == NAME_LONGEST)
		check_name(NBD_MAX_STRING, 0);
	else if (what == NAME_TOO_LONG)
		check_name(NBD_MAX_STRING + 1, -ENAMETOOLONG);
	else
		check_same(what);
}

const struct unit_suite odd_suite = {
	"client", ARRAY_SIZE(odd_rows), odd_name, run_odd,
};
