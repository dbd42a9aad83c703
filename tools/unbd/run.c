// SPDX-License-Identifier: GPL-2.0
/*
 * Which command, its help, and how it tells what went wrong.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "unbd.h"

static const struct command * const commands[] = {
	&map_command, &unmap_command, &resize_command, &path_command,
	&export_command, &unexport_command, &listen_command, &unlisten_command,
	&list_command, &show_command, &stats_command, &top_command,
	&doctor_command, &save_command, &restore_command,
};

/* What runs, and the line of a file that it works on, for messages */
static const struct command *running;
static const char *place;

static void complain_va(const char *fmt, va_list args)
{
	struct text safe = { 0 };
	char *message;

	if (vasprintf(&message, fmt, args) < 0)
		return;
	text_add_safe(&safe, message);
	free(message);
	fflush(stdout);
	fprintf(stderr, "unbd%s%s: %s%s%s\n", running ? " " : "",
		running ? running->name : "", place ? place : "",
		place ? ": " : "", text_get(&safe));
	text_free(&safe);
}

void complain_at(const char *where)
{
	place = where;
}

void complain(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain_va(fmt, args);
	va_end(args);
}

int bad_usage(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain_va(fmt, args);
	va_end(args);
	if (place)
		return EXIT_USAGE;
	fprintf(stderr, "Try: unbd%s%s --help\n", running ? " " : "",
		running ? running->name : "");
	return EXIT_USAGE;
}

int next_option(int argc, char **argv, const struct option *options)
{
	int c;

	opterr = 0;
	c = getopt_long(argc, argv, ":", options, NULL);
	if (c == ':')
		bad_usage("%s needs a value", argv[optind - 1]);
	else if (c == '?' && optopt && optopt < 256)
		bad_usage("unknown option -%c", optopt);
	else if (c == '?' && optopt)
		bad_usage("%s takes no value", argv[optind - 1]);
	else if (c == '?')
		bad_usage("unknown option %s", argv[optind - 1]);
	return c == ':' ? '?' : c;
}

int json_option(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	int json = 0, c;

	while ((c = next_option(argc, argv, options)) != -1) {
		if (c == '?')
			return -1;
		json = 1;
	}
	return json;
}

const struct option no_options[] = { { NULL, 0, NULL, 0 } };

int force_command(int argc, char **argv, const char *question,
		  int (*one)(const char *word, bool force))
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	int status = EXIT_OK, error, c;
	bool force = false;

	while ((c = next_option(argc, argv, options)) != -1) {
		if (c == '?')
			return EXIT_USAGE;
		force = true;
	}
	if (optind == argc)
		return bad_usage("%s", question);
	for (; optind < argc; optind++) {
		error = one(argv[optind], force);
		if (error != EXIT_OK)
			status = error;
	}
	return status;
}

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static void print_commands(FILE *out)
{
	size_t i;

	fputs("Usage: unbd COMMAND [ARGUMENT...]\n\n", out);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-10s %s\n", commands[i]->name,
			commands[i]->summary);
	fputs("\nunbd help COMMAND or unbd COMMAND --help says more, man unbd all.\n",
	      out);
}

static void print_help(const struct command *command)
{
	const char *usage = command->usage;
	size_t len;

	/* One line for each form that it has */
	do {
		len = strcspn(usage, "\n");
		printf("%s unbd %s%s%.*s\n",
		       usage == command->usage ? "Usage:" : "      ",
		       command->name, len ? " " : "", (int)len, usage);
		usage += len;
	} while (*usage++);
	printf("\n%s.\n\n%s", command->summary, command->help);
}

static int help(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		print_commands(stdout);
		return EXIT_OK;
	}
	command = find_command(argv[1]);
	if (!command)
		return bad_usage("%s is no command", argv[1]);
	print_help(command);
	return EXIT_OK;
}

static bool wants_help(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--help"))
			return true;
	return false;
}

static int run_command(int argc, char **argv)
{
	running = find_command(argv[0]);
	if (!running)
		return bad_usage("%s is no command", argv[0]);
	if (wants_help(argc, argv)) {
		print_help(running);
		return EXIT_OK;
	}
	/* 0 and not 1: glibc starts anew. */
	optind = 0;
	return running->run(argc, argv);
}

static int dispatch(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');

	if (!strcmp(slash ? slash + 1 : argv[0], "unbd-generator"))
		return generate_units(argc, argv);
	if (argc < 2) {
		print_commands(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help"))
		return help(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--version")) {
		puts("unbd " UNBD_VERSION);
		return EXIT_OK;
	}
	return run_command(argc - 1, argv + 1);
}

int unbd_run(int argc, char **argv)
{
	int status = dispatch(argc, argv);

	if ((fflush(stdout) || ferror(stdout)) && status == EXIT_OK) {
		complain("cannot write: %s", strerror(errno));
		status = EXIT_REFUSED;
	}
	return status;
}
