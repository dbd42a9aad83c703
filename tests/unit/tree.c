// SPDX-License-Identifier: GPL-2.0
/*
 * Command lines of unbd, in a tree of files that looks like sysfs.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../tools/unbd/doctor.h"
#include "tree.h"

static char root[] = "/tmp/unbd-unit-XXXXXX";

void make_file(const char *path, const char *text)
{
	char *whole = make_text("%s/%s", root, path), *at;
	FILE *file;

	for (at = whole + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(whole, 0777);
		*at = '/';
	}
	file = fopen(whole, "w");
	check(file && fputs(text, file) >= 0 && !fclose(file), "no file %s",
	      whole);
	free(whole);
}

void end_tree(void)
{
	remove_tree(root);
}

/* In the tests nothing is there, and nothing can be loaded. */
static int load_nothing(const char *module)
{
	(void)module;
	return -1;
}

void begin_tree(void)
{
	check(mkdtemp(root), "no directory %s", root);
	sysfs_root = root;
	files_root = root;
	tab_file = make_text("%s/tab", root);
	tab_cmdline = make_text("%s/cmdline", root);
	sysfs_load = load_nothing;
}

char *read_file(const char *name)
{
	char *text = sysfs_read("", name);

	check(text, "no file %s", name);
	return text;
}

static void redirect(FILE *to, const char *name)
{
	char *path = make_text("%s/%s", root, name);

	check(freopen(path, "w", to), "no output");
	free(path);
}

int run_line(const char *args)
{
	char *argv[32] = { "unbd" }, *line, *at;
	int argc = 1, status, i;

	line = copy_text(args);
	for (at = line; at && argc < 31; argc++) {
		argv[argc] = strsep(&at, "|");
		argv[argc] = starts_with(argv[argc], "%/") ?
			make_text("%s%s", root, argv[argc] + 1) :
			copy_text(argv[argc]);
	}
	free(line);
	redirect(stdout, "out");
	redirect(stderr, "err");
	status = unbd_run(argc, argv);
	fflush(stdout);
	fflush(stderr);
	for (i = 1; i < argc; i++)
		free(argv[i]);
	return status;
}

void check_output(const char *what, const char *name, const char *wanted)
{
	char *text = read_file(name);
	char *whole = make_text("%s%s", text, *text ? "\n" : "");

	check_text(what, whole, wanted);
	free(whole);
	free(text);
}
