// SPDX-License-Identifier: GPL-2.0
/*
 * Disks: map, unmap, resize.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

/* ------------------------------------------------------------------ */
/* map                                                                */

enum map_option {
	OPTION_RO = 256,
	OPTION_JSON,
	OPTION_KEY,
};

/* An option with a value is the key of that number. */
static const char * const option_keys[] = {
	"sessname=", "path=", "device_path=", "access_mode=", "nr_queues=",
	"nr_poll_queues=", "queue_depth=", "policy=", "io_timeout=",
	"fail_timeout=", "keepalive=", "replay=",
};

static const struct option map_options[] = {
	{ "session", required_argument, NULL, OPTION_KEY },
	{ "path", required_argument, NULL, OPTION_KEY + 1 },
	{ "export", required_argument, NULL, OPTION_KEY + 2 },
	{ "access", required_argument, NULL, OPTION_KEY + 3 },
	{ "queues", required_argument, NULL, OPTION_KEY + 4 },
	{ "poll-queues", required_argument, NULL, OPTION_KEY + 5 },
	{ "depth", required_argument, NULL, OPTION_KEY + 6 },
	{ "policy", required_argument, NULL, OPTION_KEY + 7 },
	{ "io-timeout", required_argument, NULL, OPTION_KEY + 8 },
	{ "fail-timeout", required_argument, NULL, OPTION_KEY + 9 },
	{ "keepalive", required_argument, NULL, OPTION_KEY + 10 },
	{ "replay", required_argument, NULL, OPTION_KEY + 11 },
	{ "ro", no_argument, NULL, OPTION_RO },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ NULL, 0, NULL, 0 },
};

/* What the URIs of a command line have in common */
struct uris {
	char *session;
	char *export;
};

static int add_uri(struct text *line, const char *word, struct uris *all,
		   bool resolve)
{
	struct nbd_uri uri;
	int status = EXIT_OK;

	if (!uri_parse(word, &uri))
		return EXIT_USAGE;
	if (all->export && strcmp(all->export, uri.export))
		status = bad_usage("%s: the URIs name different exports",
				   word);
	else if (resolve && !uri_resolve(&uri))
		status = EXIT_REFUSED;
	else if (!words_add(line, "path=", uri.path ? uri.path : "tcp:"))
		status = EXIT_USAGE;
	if (!all->export) {
		all->export = copy_text(uri.export);
		all->session = copy_text(uri.session);
	}
	uri_free(&uri);
	return status;
}

static int add_options(struct text *line, int argc, char **argv, bool *json)
{
	bool ok = true;
	int c;

	while (ok && (c = next_option(argc, argv, map_options)) != -1) {
		if (c == OPTION_JSON)
			*json = true;
		else if (c == OPTION_RO)
			ok = words_add(line, "access_mode=", "ro");
		else
			ok = c != '?' &&
				words_add(line, option_keys[c - OPTION_KEY],
					  optarg);
	}
	return ok ? EXIT_OK : EXIT_USAGE;
}

static int add_words(struct text *line, char **words, struct uris *uris,
		     bool resolve)
{
	int status = EXIT_OK;

	for (; *words && status == EXIT_OK; words++) {
		if (is_uri(*words))
			status = add_uri(line, *words, uris, resolve);
		else if (!is_key(*words))
			status = bad_usage("%s is neither KEY=VALUE nor a URI",
					   *words);
		else if (!words_add_raw(line, *words))
			status = EXIT_USAGE;
	}
	return status;
}

/* The user's own words go before what a URI says. */
static int complete(struct text *line, const struct uris *uris)
{
	char *export = words_value(text_get(line), "device_path=");
	char *session = words_value(text_get(line), "sessname=");
	bool ok = true;

	if (uris->export && !export)
		ok = words_add(line, "device_path=", uris->export);
	if (ok && uris->session && !session)
		ok = words_add(line, "sessname=", uris->session);
	free(export);
	free(session);
	return ok ? EXIT_OK : EXIT_USAGE;
}

int map_words(struct text *line, char **words, bool resolve)
{
	struct uris uris = { 0 };
	int status = add_words(line, words, &uris, resolve);

	if (status == EXIT_OK)
		status = complete(line, &uris);
	free(uris.session);
	free(uris.export);
	return status;
}

static void print_disk(const struct model *m, const struct disk *d, bool json)
{
	struct json j = { .out = stdout };
	struct view v = { .json = &j };

	if (json)
		view_disk(&v, m, d);
	else
		printf("/dev/%s\n", d->name);
}

static int print_mapped(const char *line, bool json)
{
	char *session = words_value(line, "sessname=");
	char *export = words_value(line, "device_path=");
	const struct disk *d;
	struct model m;

	model_read(&m);
	d = model_mapping(&m, session ? session : "", export ? export : "");
	if (d)
		print_disk(&m, d, json);
	else
		complain("the disk has gone again");
	free(session);
	free(export);
	model_free(&m);
	return d ? EXIT_OK : EXIT_ABSENT;
}

static int map(int argc, char **argv)
{
	struct text line = { 0 };
	bool json = false;
	int status = add_options(&line, argc, argv, &json);

	if (status == EXIT_OK)
		status = map_words(&line, argv + optind, true);
	if (status == EXIT_OK && !line.len)
		status = bad_usage("what is to be mapped?");
	if (status == EXIT_OK)
		status = sysfs_need(CLIENT, "unbd-client");
	if (status == EXIT_OK)
		status = sysfs_order(CLIENT, "map_device", text_get(&line),
				     "not mapped");
	if (status == EXIT_OK)
		status = print_mapped(text_get(&line), json);
	text_free(&line);
	return status;
}

const struct command map_command = {
	.name = "map",
	.usage = "[OPTION...] URI...\n[OPTION...] KEY=VALUE...",
	.summary = "Make a disk of what a server exports",
	.help =
"Prints the name of the new device, with --json all that is known of it.\n"
"What can be mapped:\n"
"  nbd://HOST[:PORT]/EXPORT             several of them are paths to one server\n"
"  nbd+unix:///EXPORT?socket=FILE\n"
"  nbd+vsock://[CID][:PORT]/EXPORT\n"
"  sessname=NAME path=PATH device_path=EXPORT ...\n"
"                                       as in the file map_device\n"
"\n"
"Options, each for the key behind it:\n"
"  --session NAME         sessname=; of a URI its host if it is not given\n"
"  --path PATH            path=; may be repeated\n"
"  --export NAME          device_path=\n"
"  --ro, --access MODE    access_mode=\n"
"  --queues N             nr_queues=\n"
"  --poll-queues N        nr_poll_queues=\n"
"  --depth N              queue_depth=\n"
"  --policy POLICY        policy=\n"
"  --io-timeout SECONDS   io_timeout=\n"
"  --fail-timeout SECONDS fail_timeout=\n"
"  --keepalive SECONDS    keepalive=\n"
"  --replay SIZE          replay=\n",
	.run = map,
};

/* ------------------------------------------------------------------ */
/* unmap                                                              */

static int unmap_disk(const char *name, bool force)
{
	char *dir = make_text("block/%s/unbd", name);
	int status;

	/* udev looks at a disk that has been written to, as a user does. */
	if (force)
		status = sysfs_order(dir, "unmap_device", "force", name);
	else
		status = sysfs_order_patiently(dir, "unmap_device", "normal",
					       name);
	free(dir);
	return status;
}

static int unmap_session(const struct model *m, const char *name, bool force)
{
	int status = EXIT_OK, one;
	size_t i;

	for (i = 0; i < m->nr_disks; i++) {
		if (strcmp(m->disks[i].session, name))
			continue;
		one = unmap_disk(m->disks[i].name, force);
		if (one != EXIT_OK)
			status = one;
	}
	return status;
}

static int unmap_word(const char *word, bool force)
{
	const struct disk *d;
	int status = EXIT_ABSENT;
	struct model m;

	model_read(&m);
	d = model_find_disk(&m, word);
	if (d)
		status = unmap_disk(d->name, force);
	else if (model_session(&m, word))
		status = unmap_session(&m, word, force);
	else
		complain("%s is neither a disk nor a session", word);
	model_free(&m);
	return status;
}

static int unmap(int argc, char **argv)
{
	return force_command(argc, argv, "which disk?", unmap_word);
}

const struct command unmap_command = {
	.name = "unmap",
	.usage = "[--force] DISK|LINK|SESSION:EXPORT|SESSION...",
	.summary = "Take disks away",
	.help =
"DISK is unbd0 or /dev/unbd0, LINK any link to it; of a SESSION all disks go.\n"
"A disk that is open is refused, after more than a second: udev may have it.\n"
"\n"
"  --force   take it away all the same: what its users do fails from then on\n",
	.run = unmap,
};

/* ------------------------------------------------------------------ */
/* resize                                                             */

static int resize_disk(const char *name, const char *size)
{
	unsigned long long bytes = 0;
	char *dir, *line;
	int status;

	if (size && (!parse_size(size, &bytes) || bytes % 512))
		return bad_usage("%s is no size in bytes, of whole sectors of 512",
				 size);
	dir = make_text("block/%s/unbd", name);
	line = make_text("%llu", bytes / 512);
	status = sysfs_order(dir, "resize", line, name);
	free(line);
	free(dir);
	return status;
}

static int resize(int argc, char **argv)
{
	const struct disk *d;
	struct model m;
	int status;

	if (next_option(argc, argv, no_options) != -1)
		return EXIT_USAGE;
	if (argc - optind < 1 || argc - optind > 2)
		return bad_usage("a disk, and maybe a size, is expected");
	model_read(&m);
	d = model_find_disk(&m, argv[optind]);
	if (d) {
		status = resize_disk(d->name, argv[optind + 1]);
	} else {
		complain("%s is not a disk of unbd", argv[optind]);
		status = EXIT_ABSENT;
	}
	model_free(&m);
	return status;
}

const struct command resize_command = {
	.name = "resize",
	.usage = "DISK|LINK [SIZE]",
	.summary = "Take up the size that the server has now",
	.help =
"With a SIZE, use no more than that: bytes, or with K, M, G, T or P behind the\n"
"number.\n",
	.run = resize,
};
