// SPDX-License-Identifier: GPL-2.0
/*
 * The paths of a session.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

/* By its number, or by its address as it was given */
static const struct path *find_path(const struct session *s, const char *word)
{
	size_t i;

	for (i = 0; i < s->nr_paths; i++)
		if (!strcmp(s->paths[i].number, word) ||
		    !strcmp(s->paths[i].dst, word))
			return &s->paths[i];
	return NULL;
}

static int add(const struct session *s, const char *word)
{
	char *dir = make_text("%s/sessions/%s", CLIENT, s->name);
	int status = sysfs_order(dir, "add_path", word, s->name);

	free(dir);
	return status;
}

static int order(const struct session *s, const char *verb, const char *word)
{
	const struct path *p = find_path(s, word);
	char *dir, *what;
	int status;

	if (!p) {
		complain("the session %s has no path %s", s->name, word);
		return EXIT_ABSENT;
	}
	dir = make_text("%s/sessions/%s/paths/%s", CLIENT, s->name, p->number);
	what = make_text("%s path %s", s->name, p->number);
	status = sysfs_order(dir, verb, "1", what);
	free(what);
	free(dir);
	return status;
}

static int change_path(int argc, char **argv)
{
	const struct session *s;
	struct model m;
	const char *verb;
	int status;

	if (next_option(argc, argv, no_options) != -1)
		return EXIT_USAGE;
	argv += optind;
	if (argc - optind != 3)
		return bad_usage("what to do, a session and a path are expected");
	verb = argv[0];
	if (strcmp(verb, "add") && strcmp(verb, "remove") &&
	    strcmp(verb, "disconnect") && strcmp(verb, "reconnect"))
		return bad_usage("%s: add, remove, disconnect or reconnect is expected",
				 verb);
	model_read(&m);
	s = model_session(&m, argv[1]);
	if (!s) {
		complain("there is no session %s", argv[1]);
		status = EXIT_ABSENT;
	} else if (!strcmp(verb, "add")) {
		status = add(s, argv[2]);
	} else {
		status = order(s, verb, argv[2]);
	}
	model_free(&m);
	return status;
}

const struct command path_command = {
	.name = "path",
	.usage = "add SESSION PATH\nremove|disconnect|reconnect SESSION PATH|NUMBER",
	.summary = "Add, remove or restart a way to a server",
	.help =
"PATH is an address as behind path=, such as tcp:10.0.0.1; NUMBER is what\n"
"unbd show SESSION has.\n"
"  add         make one more path\n"
"  remove      take a path away; the last one stays\n"
"  disconnect  take it out of service until reconnect\n"
"  reconnect   connect it anew, also if it is live\n",
	.run = change_path,
};
