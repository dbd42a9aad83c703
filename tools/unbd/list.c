// SPDX-License-Identifier: GPL-2.0
/*
 * What there is: list, show, stats.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model.h"
#include "remote.h"

/* ------------------------------------------------------------------ */
/* list                                                               */

static void set_size(struct table *t, unsigned int column,
		     unsigned long long bytes)
{
	struct text size = { 0 };

	text_add_size(&size, bytes);
	table_set(t, column, "%s", size.at);
	text_free(&size);
}

static void set_paths(struct table *t, unsigned int column,
		      const struct session *s)
{
	if (s)
		table_set(t, column, "%zu/%zu", live_paths(s), s->nr_paths);
}

static void list_disks(const struct model *m)
{
	static const char * const heads[] = {
		"DEVICE", ">SIZE", "MODE", "STATE", ">PATHS", "SESSION",
		"EXPORT",
	};
	struct table t = { .heads = heads, .columns = ARRAY_SIZE(heads) };
	const struct disk *d;

	for (d = m->disks; d < m->disks + m->nr_disks; d++) {
		table_row(&t);
		table_set(&t, 0, "/dev/%s", d->name);
		set_size(&t, 1, d->size);
		table_set(&t, 2, "%s", d->read_only ? "ro" : d->access_mode);
		table_set(&t, 3, "%s", d->state);
		set_paths(&t, 4, model_session(m, d->session));
		table_set(&t, 5, "%s", d->session);
		table_set(&t, 6, "%s", d->export);
	}
	if (m->nr_disks)
		table_print(&t, stdout, 0, 0);
	table_free(&t);
}

static void list_exports(const struct model *m)
{
	static const char * const heads[] = {
		"EXPORT", ">SIZE", "MODE", "STATE", ">OPEN", "CLIENTS",
		"DEVICE",
	};
	struct table t = { .heads = heads, .columns = ARRAY_SIZE(heads) };
	const struct export *e;

	for (e = m->exports; e < m->exports + m->nr_exports; e++) {
		table_row(&t);
		table_set(&t, 0, "%s", e->name);
		set_size(&t, 1, e->size);
		table_set(&t, 2, "%s", e->access_mode);
		table_set(&t, 3, "%s", e->state);
		table_set(&t, 4, "%llu", e->connections);
		table_set(&t, 5, "%s", e->clients);
		table_set(&t, 6, "%s", e->device_path);
	}
	if (m->nr_exports)
		table_print(&t, stdout, 0, 0);
	table_free(&t);
}

static void list_listeners(const struct model *m)
{
	static const char * const heads[] = { "LISTENER" };
	struct table t = { .heads = heads, .columns = ARRAY_SIZE(heads) };
	size_t i;

	for (i = 0; i < m->nr_listeners; i++) {
		table_row(&t);
		table_set(&t, 0, "%s", m->listeners[i]);
	}
	if (m->nr_listeners)
		table_print(&t, stdout, 0, 0);
	table_free(&t);
}

static void list_text(const struct model *m)
{
	list_disks(m);
	if (m->nr_disks && m->nr_exports)
		putchar('\n');
	list_exports(m);
	if (m->nr_listeners && (m->nr_disks || m->nr_exports))
		putchar('\n');
	list_listeners(m);
}

/* What is chosen of a model: all if there is no name */
struct choice {
	const struct disk *disk;
	const struct session *session;
	const struct export *export;
};

static const struct choice everything;

typedef void (*view_disk_fn)(struct view *v, const struct model *m,
			     const struct disk *d);
typedef void (*view_session_fn)(struct view *v, const struct model *m,
				const struct session *s);
typedef void (*view_export_fn)(struct view *v, const struct model *m,
			       const struct export *e);

/* How list --json, show and stats show each kind */
struct viewer {
	view_disk_fn disk;
	view_session_fn session;
	view_export_fn export;
};

static bool chosen(const struct choice *c, const void *what, const void *one)
{
	bool all = !c->disk && !c->session && !c->export;

	return all || what == one;
}

static void view_kinds(struct view *v, const struct viewer *by,
		       const struct model *m, const struct choice *c)
{
	size_t i;

	view_list(v, "disks");
	for (i = 0; i < m->nr_disks; i++)
		if (chosen(c, &m->disks[i], c->disk))
			by->disk(v, m, &m->disks[i]);
	view_list_end(v);
	view_list(v, "sessions");
	for (i = 0; i < m->nr_sessions; i++)
		if (chosen(c, &m->sessions[i], c->session))
			by->session(v, m, &m->sessions[i]);
	view_list_end(v);
	view_list(v, "exports");
	for (i = 0; i < m->nr_exports; i++)
		if (chosen(c, &m->exports[i], c->export))
			by->export(v, m, &m->exports[i]);
	view_list_end(v);
}

static void list_json(const struct model *m)
{
	static const struct viewer all = {
		view_disk, view_session, view_export,
	};
	struct json j = { .out = stdout };
	struct view v = { .json = &j };
	size_t i;

	json_open(&j, NULL, '{');
	view_kinds(&v, &all, m, &everything);
	json_open(&j, "listeners", '[');
	for (i = 0; i < m->nr_listeners; i++)
		json_text(&j, NULL, m->listeners[i]);
	json_close(&j, ']');
	json_close(&j, '}');
}

/* ------------------------------------------------------------------ */
/* list ADDRESS                                                       */

static void list_far_text(const struct nbd_server *s)
{
	static const char * const heads[] = {
		"EXPORT", ">SIZE", "MODE", "DESCRIPTION",
	};
	struct table t = { .heads = heads, .columns = ARRAY_SIZE(heads) };
	const struct nbd_export *e;

	for (e = s->exports; e < s->exports + s->nr_exports; e++) {
		table_row(&t);
		/* The default one has no name. */
		table_set(&t, 0, "%s", *e->name ? e->name : "\"\"");
		if (e->known) {
			set_size(&t, 1, e->size);
			table_set(&t, 2, "%s", e->read_only ? "ro" : "rw");
		}
		table_set(&t, 3, "%s", e->description);
	}
	if (s->nr_exports)
		table_print(&t, stdout, 0, 0);
	table_free(&t);
}

static void list_far_json(const struct nbd_server *s)
{
	struct json j = { .out = stdout };
	const struct nbd_export *e;

	json_open(&j, NULL, '{');
	json_open(&j, "exports", '[');
	for (e = s->exports; e < s->exports + s->nr_exports; e++) {
		json_open(&j, NULL, '{');
		json_text(&j, "export", e->name);
		json_text(&j, "description", e->description);
		if (e->known) {
			json_number(&j, "size", "%llu", e->size);
			json_bool(&j, "read_only", e->read_only);
		}
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
}

static int list_answer(const char *word, const struct nbd_server *s, bool json)
{
	if (s->kind == NBD_PLAIN_NEWSTYLE) {
		complain("%s: it cannot list its exports", word);
		return EXIT_REFUSED;
	}
	if (s->kind < NBD_OLDSTYLE || s->broken) {
		complain("%s: it is no NBD server, or breaks off; see unbd doctor",
			 word);
		return EXIT_REFUSED;
	}
	if (s->refused) {
		complain("%s: %s", word, nbd_refusal(s->refused));
		return EXIT_REFUSED;
	}
	if (json)
		list_far_json(s);
	else
		list_far_text(s);
	return EXIT_OK;
}

static int ask_server(const char *word, const struct address *a, bool json)
{
	struct nbd_server s;
	struct refusal why;
	int status, fd;

	if (a->kind == ADDRESS_RDMA || a->kind == ADDRESS_SHM)
		return bad_usage("%s: only NBD servers list what they export",
				 word);
	fd = stream_connect(a, &why);
	if (fd < 0) {
		complain("%s: %s; see unbd doctor", word, strerror(why.err));
		return EXIT_REFUSED;
	}
	nbd_ask(fd, NULL, &s);
	close(fd);
	status = list_answer(word, &s, json);
	nbd_free(&s);
	return status;
}

static int list_server(const char *word, bool json)
{
	struct address a;
	const char *why = address_parse(word, &a);
	int status;

	if (why) {
		status = bad_usage("%s: %s", word, why);
	} else {
		why = address_resolve(&a);
		if (why)
			complain("%s: %s", word, why);
		status = why ? EXIT_REFUSED : ask_server(word, &a, json);
	}
	address_free(&a);
	return status;
}

static int list(int argc, char **argv)
{
	int json = json_option(argc, argv);
	struct model m;

	if (json < 0)
		return EXIT_USAGE;
	if (argc - optind > 1)
		return bad_usage("%s is too much", argv[optind + 1]);
	if (optind < argc)
		return list_server(argv[optind], json);
	model_read(&m);
	if (json)
		list_json(&m);
	else
		list_text(&m);
	model_free(&m);
	return EXIT_OK;
}

const struct command list_command = {
	.name = "list",
	.usage = "[--json]\n[--json] ADDRESS",
	.summary = "Disks, exports and listeners, a line for each",
	.help =
"PATHS says how many are live, of how many; OPEN how many connections an export\n"
"has. With --json, all that is known of them.\n"
"With an ADDRESS, such as tcp:10.0.0.1, what the NBD server there exports.\n",
	.run = list,
};

/* ------------------------------------------------------------------ */
/* show, stats                                                        */

static bool choose(const struct model *m, const char *word, struct choice *c)
{
	c->disk = model_find_disk(m, word);
	c->session = model_session(m, word);
	c->export = model_export(m, word);
	if (c->disk || c->session || c->export)
		return true;
	complain("%s is neither a disk, nor a session, nor an export", word);
	return false;
}

/* Of everything if @word is NULL */
static int view_word(const struct viewer *by, bool json, const char *word)
{
	struct json j = { .out = stdout };
	struct view v = { .json = json ? &j : NULL };
	struct choice c = everything;
	int status = EXIT_ABSENT;
	struct model m;

	model_read(&m);
	if (!word || choose(&m, word, &c)) {
		if (json)
			json_open(&j, NULL, '{');
		view_kinds(&v, by, &m, &c);
		if (json)
			json_close(&j, '}');
		status = EXIT_OK;
	}
	model_free(&m);
	return status;
}

static int show(int argc, char **argv)
{
	static const struct viewer all = {
		view_disk, view_session, view_export,
	};
	int json = json_option(argc, argv);

	if (json < 0)
		return EXIT_USAGE;
	if (argc - optind != 1)
		return bad_usage("one disk, session or export is expected");
	return view_word(&all, json, argv[optind]);
}

const struct command show_command = {
	.name = "show",
	.usage = "[--json] DISK|LINK|SESSION|EXPORT",
	.summary = "All that is known of a disk, a session or an export",
	.help = "What has that name is shown, also if it is several things.\n",
	.run = show,
};

static void stats_disk(struct view *v, const struct model *m,
		       const struct disk *d)
{
	size_t i;

	(void)m;
	view_object(v, "disk", "disk", d->name);
	view_number(v, "reads", d->counters[DISK_READS]);
	view_number(v, "writes", d->counters[DISK_WRITES]);
	view_size(v, "bytes_read", d->counters[DISK_READ_SECTORS] * 512);
	view_size(v, "bytes_written", d->counters[DISK_WRITE_SECTORS] * 512);
	view_number(v, "in_flight", d->counters[DISK_IN_FLIGHT]);
	for (i = 0; i < DISK_NR_STATS; i++)
		view_number(v, disk_stat_names[i], d->stats[i]);
	view_object_end(v);
}

static void stats_session(struct view *v, const struct model *m,
			  const struct session *s)
{
	const struct path *p;
	size_t i;

	(void)m;
	view_object(v, "session", "session", s->name);
	view_list(v, "paths");
	for (p = s->paths; p < s->paths + s->nr_paths; p++) {
		view_object(v, "path", "path", p->number);
		view_text(v, "dst", p->dst);
		for (i = 0; i < PATH_NR_STATS; i++)
			view_number(v, path_stat_names[i], p->stats[i]);
		view_object_end(v);
	}
	view_list_end(v);
	view_object_end(v);
}

static void served_stats(struct view *v, const unsigned long long *stats)
{
	size_t i;

	for (i = 0; i < SERVED_NR_STATS; i++) {
		if (i == SERVED_BYTES_READ || i == SERVED_BYTES_WRITTEN)
			view_size(v, served_stat_names[i], stats[i]);
		else
			view_number(v, served_stat_names[i], stats[i]);
	}
}

static void stats_export(struct view *v, const struct model *m,
			 const struct export *e)
{
	const struct connection *c;

	view_object(v, "export", "export", e->name);
	served_stats(v, e->stats);
	view_list(v, "connections");
	for (c = m->connections; c < m->connections + m->nr_connections; c++) {
		if (strcmp(c->export, e->name))
			continue;
		view_object(v, "connection", "connection", c->number);
		view_text(v, "peer", c->peer);
		served_stats(v, c->stats);
		view_object_end(v);
	}
	view_list_end(v);
	view_object_end(v);
}

static int stats(int argc, char **argv)
{
	static const struct viewer counters = {
		stats_disk, stats_session, stats_export,
	};
	int json = json_option(argc, argv);

	if (json < 0)
		return EXIT_USAGE;
	if (argc - optind > 1)
		return bad_usage("%s is too much", argv[optind + 1]);
	return view_word(&counters, json, argv[optind]);
}

const struct command stats_command = {
	.name = "stats",
	.usage = "[--json] [DISK|LINK|SESSION|EXPORT]",
	.summary = "Counters of disks, paths, exports and connections",
	.help = "Of everything, if nothing is named.\n",
	.run = stats,
};
