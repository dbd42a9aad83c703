// SPDX-License-Identifier: GPL-2.0
/*
 * Lines of unbdtab(5), which unbd save writes, too:
 *
 *	export name=vol0 device_path=/srv/vol0.img
 *	listen tcp:0.0.0.0:10809
 *	map sessname=blya path=tcp:10.0.0.1 device_path=vol0
 *
 * And those of the kernel's command line, see unbd-boot(7):
 *
 *	unbd="sessname=blya path=tcp:10.0.0.1 device_path=vol0"
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unbd.h"

const char *tab_file = "/etc/unbdtab";
const char *tab_cmdline = "/proc/cmdline";

const char * const entry_kinds[] = {
	[ENTRY_EXPORT] = "export",
	[ENTRY_LISTEN] = "listen",
	[ENTRY_MAP] = "map",
};

/* What to do with a line, and for whom */
struct reader {
	int (*one)(const struct entry *e, void *data);
	void *data;
};

static bool path_needs_network(const char *line)
{
	bool network = false;
	char *word;

	while ((word = words_next(&line))) {
		if (starts_with(word, "path=") && is_network(word + 5))
			network = true;
		free(word);
	}
	return network;
}

static int name_mapping(struct entry *e)
{
	struct text line = { 0 };
	int status = map_words(&line, e->words, false);
	char *session = words_value(text_get(&line), "sessname=");
	char *export = words_value(text_get(&line), "device_path=");

	if (status == EXIT_OK && !(session && export))
		status = bad_usage("%s= is missing",
				   session ? "device_path" : "sessname");
	if (status == EXIT_OK) {
		e->name = make_text("%s:%s", session, export);
		e->network = path_needs_network(text_get(&line));
	}
	free(session);
	free(export);
	text_free(&line);
	return status;
}

static int name_export(struct entry *e, const char *line)
{
	e->name = words_value(line, "name=");
	e->device = words_value(line, "device_path=");
	if (!e->name || !e->device)
		return bad_usage("%s= is missing",
				 e->name ? "device_path" : "name");
	return EXIT_OK;
}

static int name_listener(struct entry *e)
{
	if (!e->words[0] || e->words[1])
		return bad_usage("one address is expected");
	e->name = copy_text(e->words[0]);
	return EXIT_OK;
}

/* What stands behind the verb */
static int read_words(enum entry_kind kind, const char *line,
		      const struct reader *r)
{
	struct entry e = { .kind = kind, .words = words_split(line) };
	int status = kind == ENTRY_MAP ? name_mapping(&e) :
		kind == ENTRY_EXPORT ? name_export(&e, line) :
		name_listener(&e);

	if (status == EXIT_OK)
		status = r->one(&e, r->data);
	words_free(e.words);
	free(e.name);
	free(e.device);
	return status;
}

static bool quotes_match(const char *line)
{
	bool open = false;

	for (; *line; line++)
		open ^= *line == '"';
	return !open;
}

static int read_line(const char *line, const struct reader *r)
{
	enum entry_kind kind;
	char *verb = words_next(&line);
	int status = EXIT_OK;

	if (!verb || *verb == '#') {
		free(verb);
		return EXIT_OK;
	}
	for (kind = 0; kind < ENTRY_NR_KINDS; kind++)
		if (!strcmp(verb, entry_kinds[kind]))
			break;
	if (kind == ENTRY_NR_KINDS)
		status = bad_usage("export, listen or map is expected, not %s",
				   verb);
	else if (!quotes_match(line))
		status = bad_usage("a double quote is not closed");
	else
		status = read_words(kind, line, r);
	free(verb);
	return status;
}

static int read_lines(FILE *in, const char *name, const struct reader *r)
{
	int status = EXIT_OK, one;
	unsigned int number = 0;
	char *line = NULL, *where;
	size_t size = 0;

	while (getline(&line, &size, in) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		where = make_text("%s:%u", name, ++number);
		complain_at(where);
		one = read_line(line, r);
		if (status == EXIT_OK)
			status = one;
		complain_at(NULL);
		free(where);
	}
	free(line);
	if (!ferror(in))
		return status;
	complain("%s: %s", name, strerror(errno));
	return EXIT_REFUSED;
}

int tab_read(const char *file, int (*one)(const struct entry *e, void *data),
	     void *data)
{
	struct reader r = { one, data };
	FILE *in = stdin;
	int status;

	if (strcmp(file, "-"))
		in = fopen(file, "re");
	if (!in) {
		complain("%s: %s", file, strerror(errno));
		return EXIT_ABSENT;
	}
	status = read_lines(in, file, &r);
	if (in != stdin)
		fclose(in);
	return status;
}

/* A root file system has nobody who could do without it for a while. */
static int read_parameter(const char *value, const struct reader *r)
{
	char *given = words_value(value, "fail_timeout=");
	char *line = make_text("%s%s", value,
			       given ? "" : " fail_timeout=-1");
	char *where = make_text("unbd=%s", value);
	int status;

	complain_at(where);
	status = read_words(ENTRY_MAP, line, r);
	complain_at(NULL);
	free(where);
	free(line);
	free(given);
	return status;
}

int tab_read_cmdline(int (*one)(const struct entry *e, void *data),
		     void *data)
{
	struct reader r = { one, data };
	FILE *in = fopen(tab_cmdline, "re");
	int status = EXIT_OK, error;
	char *text = NULL, *word;
	const char *rest;
	size_t size = 0;

	rest = in && getline(&text, &size, in) > 0 ? text : "";
	if (in)
		fclose(in);
	while ((word = words_next(&rest))) {
		if (starts_with(word, "unbd=")) {
			error = read_parameter(word + 5, &r);
			if (status == EXIT_OK)
				status = error;
		}
		free(word);
	}
	free(text);
	return status;
}
