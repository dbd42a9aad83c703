// SPDX-License-Identifier: GPL-2.0
/*
 * What lines say is done, unless it has been.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

/**
 * struct chosen - which lines are to be done
 * @names: of mappings, or kinds of lines
 * @found: is there a line for this name?
 * @count: of names; without any, it is all lines
 */
struct chosen {
	char **names;
	bool *found;
	int count;
};

static bool is_chosen(const struct entry *e, const struct chosen *c)
{
	bool chosen = !c->count;
	int i;

	for (i = 0; i < c->count; i++) {
		if (strcmp(c->names[i], entry_kinds[e->kind]) &&
		    (e->kind != ENTRY_MAP || strcmp(c->names[i], e->name)))
			continue;
		c->found[i] = true;
		chosen = true;
	}
	return chosen;
}

static bool is_there(const struct entry *e)
{
	struct model m;
	bool there;

	model_read(&m);
	if (e->kind == ENTRY_MAP)
		there = model_named(&m, e->name);
	else if (e->kind == ENTRY_EXPORT)
		there = model_export(&m, e->name);
	else
		there = model_listens(&m, e->name);
	model_free(&m);
	return there;
}

static int line_of(const struct entry *e, struct text *line)
{
	char **word;

	if (e->kind == ENTRY_MAP)
		return map_words(line, e->words, true);
	for (word = e->words; *word; word++)
		if (!words_add_raw(line, *word))
			return EXIT_USAGE;
	return EXIT_OK;
}

static int restore_entry(const struct entry *e, void *data)
{
	static const struct {
		const char *dir, *file, *module, *failed;
	} targets[] = {
		[ENTRY_EXPORT] = { SERVER, "export_device", "unbd-server",
				   "not exported" },
		[ENTRY_LISTEN] = { SERVER, "listen", "unbd-server",
				   "cannot listen" },
		[ENTRY_MAP] = { CLIENT, "map_device", "unbd-client",
				"not mapped" },
	};
	struct text line = { 0 };
	int status;

	if (!is_chosen(e, data) || is_there(e))
		return EXIT_OK;
	status = line_of(e, &line);
	if (status == EXIT_OK)
		status = sysfs_need(targets[e->kind].dir,
				    targets[e->kind].module);
	if (status == EXIT_OK)
		status = sysfs_order(targets[e->kind].dir,
				     targets[e->kind].file, text_get(&line),
				     targets[e->kind].failed);
	text_free(&line);
	return status;
}

static int restore_file(const char *file, char **names, int count)
{
	struct chosen c = { names, allocate(count + 1), count };
	int status = tab_read(file, restore_entry, &c), i;

	for (i = 0; i < count && status == EXIT_OK; i++) {
		if (!c.found[i]) {
			complain("%s: no line for %s", file, names[i]);
			status = EXIT_ABSENT;
		}
	}
	free(c.found);
	return status;
}

static int restore(int argc, char **argv)
{
	static const struct option options[] = {
		{ "boot", no_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 },
	};
	struct chosen all = { 0 };
	bool boot = false;
	int c;

	while ((c = next_option(argc, argv, options)) != -1) {
		if (c == '?')
			return EXIT_USAGE;
		boot = true;
	}
	if (boot && optind < argc)
		return bad_usage("%s is too much", argv[optind]);
	if (boot)
		return tab_read_cmdline(restore_entry, &all);
	if (optind == argc)
		return restore_file(tab_file, NULL, 0);
	return restore_file(argv[optind], argv + optind + 1,
			    argc - optind - 1);
}

const struct command restore_command = {
	.name = "restore",
	.usage = "[FILE [NAME...]]\n--boot",
	.summary = "Export, listen and map what a file says",
	.help =
"FILE is as unbd save writes it, and unbdtab(5) has it: /etc/unbdtab if none is\n"
"given; - is standard input. What is there already is left alone. Lines that fail\n"
"are reported, the others are done.\n"
"With a NAME only its lines are done: SESSION:EXPORT of a mapping, or all that\n"
"begin with export, listen or map.\n"
"\n"
"  --boot   map what unbd= in the kernel's command line says, see unbd-boot(7)\n",
	.run = restore,
};
