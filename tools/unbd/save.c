// SPDX-License-Identifier: GPL-2.0
/*
 * Exports, listeners and mappings as lines; tab.c reads them.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model.h"

/* ------------------------------------------------------------------ */
/* What is not to be saved                                            */

/* An RDMA client has opened a device by its name: "!dev!ram0@SESSION". */
static bool is_clients_own(const struct export *e)
{
	char *name = copy_text(e->device_path), *at;
	bool own;

	for (at = name; *at; at++)
		if (*at == '/')
			*at = '!';
	own = starts_with(e->name, name) && e->name[strlen(name)] == '@';
	free(name);
	return own;
}

/* "shmID" and maybe ".NUMBER": made by module parameters, see unbd-shm(7) */
static bool is_shm_name(const char *name, bool number)
{
	size_t digits;

	if (!starts_with(name, "shm"))
		return false;
	name += 3;
	digits = strspn(name, "0123456789");
	if (!digits || !number)
		return digits && !name[digits];
	if (name[digits] != '.')
		return false;
	name += digits + 1;
	digits = strspn(name, "0123456789");
	return digits && !name[digits];
}

static bool comes_by_itself(const struct export *e)
{
	return is_clients_own(e) || (is_shm_name(e->name, true) &&
				     !strcmp(e->clients, "0.0.0.0/32"));
}

static bool is_shared_memory(const struct session *s)
{
	return is_shm_name(s->name, false) && s->nr_paths &&
		!strcmp(s->paths[0].transport, "shm");
}

/* ------------------------------------------------------------------ */
/* save                                                               */

/* A comment takes the place of what cannot be a line. */
static void put_line(FILE *out, const char *verb, struct text *line, bool ok)
{
	fprintf(out, "%s%s %s\n", ok ? "" : "# cannot be saved: ", verb,
		text_get(line));
	text_free(line);
}

static void save_export(FILE *out, const struct export *e)
{
	struct text line = { 0 };
	bool ok = words_add(&line, "name=", e->name) &&
		words_add(&line, "device_path=", e->device_path);

	if (ok && strcmp(e->access_mode, "rw"))
		ok = words_add(&line, "access_mode=", e->access_mode);
	if (ok && strcmp(e->clients, "any"))
		ok = words_add(&line, "clients=", e->clients);
	put_line(out, "export", &line, ok);
}

static void save_listener(FILE *out, const char *address)
{
	struct text line = { 0 };
	bool ok = words_add(&line, "", address);

	put_line(out, "listen", &line, ok);
}

/*
 * A source that the user has given has its kind of address in front, one that
 * the transport has found has not. Unix sockets and their like can have none.
 */
static bool add_path(struct text *line, const struct path *p)
{
	bool given = is_network(p->src);
	char *both = make_text("%s%s%s", given ? p->src : "",
			       given ? "," : "", p->dst);
	bool ok = words_add(line, "path=", both);

	free(both);
	return ok && !starts_with(p->dst, "fd:");
}

static bool add_paths(struct text *line, const struct session *s)
{
	bool ok = true;
	size_t i;

	for (i = 0; i < s->nr_paths; i++)
		ok = add_path(line, &s->paths[i]) && ok;
	return ok;
}

/* What is as it would be anyhow is left out, and what is not known. */
static void add_number(struct text *line, const char *key, long long value,
		       long long usual)
{
	if (value != usual && value != UNKNOWN)
		text_print(line, " %s%lld", key, value);
}

static void add_numbers(struct text *line, const struct session *s,
			const struct disk *d)
{
	if (strcmp(s->policy, "min-inflight"))
		text_print(line, " policy=%s", s->policy);
	add_number(line, "nr_queues=", d->queues,
		   sysconf(_SC_NPROCESSORS_ONLN));
	add_number(line, "nr_poll_queues=", d->poll_queues, 0);
	add_number(line, "queue_depth=", d->queue_depth, 128);
	add_number(line, "io_timeout=", d->io_timeout, 30);
	add_number(line, "fail_timeout=", d->fail_timeout, 60);
	add_number(line, "keepalive=", s->keepalive, 5);
	if (*d->replay && strcmp(d->replay, "67108864"))
		text_print(line, " replay=%s", d->replay);
}

static void save_disk(FILE *out, const struct session *s,
		      const struct disk *d)
{
	struct text line = { 0 };
	bool ok = words_add(&line, "sessname=", s->name) &&
		add_paths(&line, s) &&
		words_add(&line, "device_path=", d->export);

	if (ok && strcmp(d->access_mode, "rw"))
		ok = words_add(&line, "access_mode=", d->access_mode);
	if (ok)
		add_numbers(&line, s, d);
	put_line(out, "map", &line, ok);
}

static void save_all(FILE *out, const struct model *m)
{
	const struct session *s;
	size_t i;

	fputs("# What unbd save has found; unbd restore takes it.\n", out);
	for (i = 0; i < m->nr_exports; i++)
		if (!comes_by_itself(&m->exports[i]))
			save_export(out, &m->exports[i]);
	for (i = 0; i < m->nr_listeners; i++)
		save_listener(out, m->listeners[i]);
	for (i = 0; i < m->nr_disks; i++) {
		s = model_session(m, m->disks[i].session);
		if (s && !is_shared_memory(s))
			save_disk(out, s, &m->disks[i]);
	}
}

/* The old file stays until the new one is complete. */
static int save_file(const struct model *m, const char *name)
{
	char *new = make_text("%s.new", name);
	FILE *out = fopen(new, "we");
	bool ok = out;

	if (ok) {
		save_all(out, m);
		ok = !fflush(out) && !fsync(fileno(out));
		ok = !fclose(out) && ok && !rename(new, name);
	}
	if (!ok) {
		complain("%s: %s", name, strerror(errno));
		if (out)
			unlink(new);
	}
	free(new);
	return ok ? EXIT_OK : EXIT_REFUSED;
}

static int save(int argc, char **argv)
{
	int status = EXIT_OK;
	struct model m;

	if (next_option(argc, argv, no_options) != -1)
		return EXIT_USAGE;
	if (argc - optind > 1)
		return bad_usage("%s is too much", argv[optind + 1]);
	model_read(&m);
	if (optind == argc || !strcmp(argv[optind], "-"))
		save_all(stdout, &m);
	else
		status = save_file(&m, argv[optind]);
	model_free(&m);
	return status;
}

const struct command save_command = {
	.name = "save",
	.usage = "[FILE]",
	.summary = "Write down exports, listeners and mappings",
	.help =
"To standard output, or to FILE. Each is a line that unbd restore takes:\n"
"  export KEY=VALUE...    listen ADDRESS    map KEY=VALUE...\n"
"What cannot be restored, such as a socket that was handed over, is a comment.\n",
	.run = save,
};
