// SPDX-License-Identifier: GPL-2.0
/*
 * What is wrong, and what to do: doctor.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

static const char * const severities[] = {
	[OK] = "ok",
	[NOTE] = "note",
	[WARNING] = "warning",
	[FAULT] = "fault",
};

/* How findings are printed, and the worst of them so far */
static struct json *json;
static enum severity worst;

/* At once: what is looked at next may take a while. */
static void print_finding(enum severity severity, const char *about,
			  const char *what, const char *advice)
{
	struct text line = { 0 }, safe = { 0 };

	text_print(&line, "%-7s  %s: %s%s%s", severities[severity], about,
		   what, advice ? "; " : "", advice ? advice : "");
	text_add_safe(&safe, line.at);
	puts(safe.at);
	fflush(stdout);
	text_free(&line);
	text_free(&safe);
}

static void found_va(enum severity severity, const char *about,
		     const char *advice, const char *fmt, va_list args)
{
	char *what;

	if (vasprintf(&what, fmt, args) < 0)
		return;
	if (severity > worst)
		worst = severity;
	if (json) {
		json_open(json, NULL, '{');
		json_text(json, "severity", severities[severity]);
		json_text(json, "about", about);
		json_text(json, "finding", what);
		if (advice)
			json_text(json, "advice", advice);
		json_close(json, '}');
	} else {
		print_finding(severity, about, what, advice);
	}
	free(what);
}

void found(enum severity severity, const char *about, const char *advice,
	   const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	found_va(severity, about, advice, fmt, args);
	va_end(args);
}

void found_advised(enum severity severity, const char *about, char *advice,
		   const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	found_va(severity, about, advice, fmt, args);
	va_end(args);
	free(advice);
}

/* ------------------------------------------------------------------ */
/* Paths                                                              */

static bool has_route(const char *text, const struct address *a)
{
	return a->kind == ADDRESS_UNIX || a->kind == ADDRESS_VSOCK ||
		doctor_route(text, a);
}

static void try_path(const char *text, const struct address *a,
		     const char *export)
{
	if (a->kind == ADDRESS_RDMA)
		doctor_rdma(text);
	else
		doctor_stream(text, a, export);
}

/* @live: it is in use, so a connection is there and no other is made */
static int look_at_path(const char *text, const char *export, bool live,
			const struct model *m)
{
	struct address a;
	const char *why = address_parse(text, &a);
	int status = why ? bad_usage("%s: %s", text, why) : EXIT_OK;

	if (!why)
		why = address_resolve(&a);
	if (status != EXIT_OK)
		;
	else if (why)
		found(FAULT, text, "see /etc/hosts, and getent hosts", "%s",
		      why);
	else if (a.kind == ADDRESS_SHM)
		doctor_shm(text, &a, m);
	else if (has_route(text, &a) && !live)
		try_path(text, &a, export);
	address_free(&a);
	return status;
}

static int look_at_word(const char *word, const struct model *m)
{
	struct nbd_uri uri;
	int status;
	bool v6;

	if (!is_uri(word))
		return look_at_path(word, NULL, false, m);
	if (!uri_parse(word, &uri))
		return EXIT_USAGE;
	if (!uri.path) {
		v6 = strchr(uri.host, ':');
		uri.path = make_text("tcp:%s%s%s%s%s", v6 ? "[" : "", uri.host,
				     v6 ? "]" : "", uri.port ? ":" : "",
				     uri.port ? uri.port : "");
	}
	status = look_at_path(uri.path, uri.export, false, m);
	uri_free(&uri);
	return status;
}

/* What a program has handed over, or has a number of an adapter */
static bool cannot_be_tried(const struct path *p)
{
	return starts_with(p->dst, "fd:") || starts_with(p->dst, "gid:");
}

static void look_at_paths(const struct model *m, const struct session *s)
{
	const struct path *p;
	char *about;
	bool live;

	for (p = s->paths; p < s->paths + s->nr_paths; p++) {
		live = !strcmp(p->state, "live");
		about = make_text("%s path %s", s->name, p->number);
		if (live && p->stats[PATH_FAILURES])
			found(NOTE, about, "see the kernel's log for the reasons",
			      "%s is live, but was lost %llu times", p->dst,
			      p->stats[PATH_FAILURES]);
		else
			found(live ? OK : FAULT, about, NULL, "%s is %s",
			      p->dst, p->state);
		if (!cannot_be_tried(p))
			look_at_path(p->dst, NULL, live, m);
		free(about);
	}
}

/* ------------------------------------------------------------------ */
/* What the modules have                                              */

static void look_at_disks(const struct model *m)
{
	const struct disk *d;

	for (d = m->disks; d < m->disks + m->nr_disks; d++) {
		if (!strcmp(d->state, "lost"))
			found(FAULT, d->name,
			      "check what is on it, and unmap it",
			      "the server has lost what was written and not flushed");
		else if (strcmp(d->state, "live"))
			found_advised(FAULT, d->name,
				      make_text("look at the paths of %s below",
						d->session),
				      "it is %s: no path is live", d->state);
		else if (d->stats[STAT_FAILED])
			found(NOTE, d->name, "see the kernel's log for them",
			      "it is live, but %llu requests have failed",
			      d->stats[STAT_FAILED]);
		else
			found(OK, d->name, NULL, "it is live");
	}
}

static void look_at_server(const struct model *m)
{
	if (!sysfs_exists(SERVER, ""))
		return;
	if (m->nr_listeners && !m->nr_exports)
		found(NOTE, "server", "unbd export NAME DEVICE",
		      "it listens, but exports nothing");
	else if (m->nr_exports && !m->nr_listeners &&
		 !sysfs_exists("module/unbd_shm_server", ""))
		found(WARNING, "server", "unbd listen tcp:0.0.0.0:10809",
		      "nobody listens, so no client can come");
	else
		found(OK, "server", NULL, "%zu exports, %zu listeners, %zu connections",
		      m->nr_exports, m->nr_listeners, m->nr_connections);
}

static void look_at_all(const struct model *m)
{
	size_t i;

	doctor_machine();
	doctor_rdma_devices();
	doctor_memory();
	look_at_server(m);
	look_at_disks(m);
	for (i = 0; i < m->nr_sessions; i++)
		look_at_paths(m, &m->sessions[i]);
}

static int look(char **words)
{
	int status = EXIT_OK, one;
	struct model m;

	model_read(&m);
	if (!*words)
		look_at_all(&m);
	for (; *words; words++) {
		one = look_at_word(*words, &m);
		if (one != EXIT_OK)
			status = one;
	}
	model_free(&m);
	if (status == EXIT_OK && worst >= WARNING)
		status = EXIT_REFUSED;
	return status;
}

static int doctor(int argc, char **argv)
{
	struct json j = { .out = stdout };
	int wanted = json_option(argc, argv);
	int status;

	if (wanted < 0)
		return EXIT_USAGE;
	json = wanted ? &j : NULL;
	worst = OK;
	if (!json)
		return look(argv + optind);
	json_open(json, NULL, '{');
	json_open(json, "findings", '[');
	status = look(argv + optind);
	json_close(json, ']');
	json_text(json, "worst", severities[worst]);
	json_close(json, '}');
	return status;
}

const struct command doctor_command = {
	.name = "doctor",
	.usage = "[--json] [PATH|URI...]",
	.summary = "Say what is wrong, and what to do",
	.help =
"Looks at this machine, its modules, disks and paths, or tries the ways to\n"
"servers that are named: tcp:10.0.0.1, rdma:10.0.0.1, unix:/FILE, vsock:2:10809,\n"
"shm:1, nbd://10.0.0.1/EXPORT. Each line is a finding: ok, note, warning or fault,\n"
"what it is about, and what to do. It changes nothing and loads no module.\n"
"The exit status is 1 if there was a warning or a fault.\n",
	.run = doctor,
};
