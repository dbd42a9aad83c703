// SPDX-License-Identifier: GPL-2.0
/*
 * Units for systemd, one for each mapping in unbdtab(5) and one for all that
 * is exported. Called by systemd as unbd-generator, before anything else runs.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unbd.h"

/**
 * struct units - what is being written
 * @dir: where to
 * @program: this command's file, as ExecStart= takes it
 * @table: the file of lines, likewise
 * @root: "SESSION:EXPORT\n" of all that were mapped before systemd came
 * @devices: directives for what is exported
 * @stop: and how that ends
 */
struct units {
	const char *dir;
	char *program;
	char *table;
	struct text root;
	struct text devices;
	struct text stop;
};

/* As systemd reads a word; what is in @doubled has a meaning for it. */
static char *quote(const char *word, const char *doubled)
{
	struct text t = { 0 };

	text_add(&t, "\"", 1);
	for (; *word; word++) {
		if (strchr("\"\\", *word))
			text_add(&t, "\\", 1);
		else if (strchr(doubled, *word))
			text_add(&t, word, 1);
		text_add(&t, word, 1);
	}
	text_add(&t, "\"", 1);
	return t.at;
}

static char *quote_argument(const char *word)
{
	return quote(word, "%$");
}

/* As systemd-escape(1) has it */
static void add_escaped(struct text *t, const char *name)
{
	const char *at;

	for (at = name; *at; at++) {
		if (*at == '/')
			text_add(t, "-", 1);
		else if (isalnum((unsigned char)*at) || *at == ':' ||
			 *at == '_' || (*at == '.' && at > name))
			text_add(t, at, 1);
		else
			text_print(t, "\\x%02x", *at & 0xff);
	}
}

static int failed(const char *path)
{
	complain("%s: %s", path, strerror(errno));
	return EXIT_REFUSED;
}

static int write_file(const char *path, const char *text)
{
	FILE *out = fopen(path, "wxe");

	if (!out && errno == EEXIST) {
		complain("the same is in a line before");
		return EXIT_USAGE;
	}
	if (!out)
		return failed(path);
	if (fputs(text, out) < 0) {
		fclose(out);
		return failed(path);
	}
	return fclose(out) ? failed(path) : EXIT_OK;
}

/* The unit @name, which is to be started at boot */
static int write_unit(const struct units *u, const char *name,
		      const char *text)
{
	char *path = make_text("%s/%s", u->dir, name);
	char *wants = make_text("%s/multi-user.target.wants", u->dir);
	char *link = make_text("%s/%s", wants, name);
	char *target = make_text("../%s", name);
	int status = write_file(path, text);

	if (status == EXIT_OK && mkdir(wants, 0755) && errno != EEXIST)
		status = failed(wants);
	if (status == EXIT_OK && symlink(target, link))
		status = failed(link);
	free(target);
	free(link);
	free(wants);
	free(path);
	return status;
}

#define UNIT								\
	"[Unit]\n"							\
	"Description=%s\n"						\
	"Documentation=man:unbdtab(5)\n"				\
	"SourcePath=%s\n"						\
	"%s"

/* A server that is not there yet is tried again. */
#define SERVICE								\
	"\n[Service]\n"							\
	"Type=oneshot\n"						\
	"RemainAfterExit=yes\n"						\
	"Restart=on-failure\n"						\
	"RestartSec=5\n"

#define NETWORK								\
	"Wants=network-online.target\n"					\
	"After=network-online.target network.target\n"

static int write_mapping(const struct units *u, const struct entry *e)
{
	struct text name = { 0 }, text = { 0 };
	char *argument = quote_argument(e->name);
	int status;

	text_print(&name, "unbd@");
	add_escaped(&name, e->name);
	text_print(&name, ".service");
	text_print(&text, UNIT, "Network disk %I", tab_file,
		   e->network ? NETWORK : "");
	text_print(&text, "Wants=remote-fs-pre.target\n");
	text_print(&text, "Before=remote-fs-pre.target\n" SERVICE);
	text_print(&text, "ExecStart=%s restore %s %s\n", u->program,
		   u->table, argument);
	/* Whoever starts it by hand goes on with the link that udev makes. */
	text_print(&text, "ExecStartPost=-udevadm settle -t 10\n");
	text_print(&text, "ExecStop=%s unmap %s\n", u->program, argument);
	status = write_unit(u, text_get(&name), text_get(&text));
	free(argument);
	text_free(&text);
	text_free(&name);
	return status;
}

/* Whoever has a file open keeps its file system from being unmounted. */
static void add_served(struct units *u, const struct entry *e)
{
	bool export = e->kind == ENTRY_EXPORT;
	char *argument = quote_argument(e->name);
	char *device = export ? quote(e->device, "%") : NULL;

	text_print(&u->stop, "ExecStop=-%s %s %s\n", u->program,
		   export ? "unexport --force" : "unlisten", argument);
	if (export)
		text_print(&u->devices, "RequiresMountsFor=%s\n", device);
	free(device);
	free(argument);
}

static int write_server(const struct units *u)
{
	struct text text = { 0 };
	int status;

	text_print(&text, UNIT, "Exports of network disks", tab_file, NETWORK);
	text_print(&text, "%s" SERVICE, text_get(&u->devices));
	text_print(&text, "ExecStart=%s restore %s export listen\n%s",
		   u->program, u->table, text_get(&u->stop));
	status = write_unit(u, "unbd-server.service", text_get(&text));
	text_free(&text);
	return status;
}

static bool is_root(const struct units *u, const char *name)
{
	char *line = make_text("\n%s\n", name);
	bool found = u->root.at && strstr(u->root.at, line);

	free(line);
	return found;
}

static int add_entry(const struct entry *e, void *data)
{
	struct units *u = data;

	if (e->kind != ENTRY_MAP)
		add_served(u, e);
	else if (!is_root(u, e->name))
		return write_mapping(u, e);
	return EXIT_OK;
}

/* What the root file system is on stays until the machine stops. */
static int add_root(const struct entry *e, void *data)
{
	struct units *u = data;

	text_print(&u->root, "%s%s\n", u->root.len ? "" : "\n", e->name);
	return EXIT_OK;
}

static int write_all(struct units *u)
{
	int status;

	tab_read_cmdline(add_root, u);
	status = tab_read(tab_file, add_entry, u);
	if (u->stop.len && write_server(u) != EXIT_OK)
		status = EXIT_REFUSED;
	return status;
}

/* So early the kernel's log is all there is: systemd gives /dev/null. */
static void complain_to_somebody(void)
{
	struct stat err, null;

	if (!fstat(STDERR_FILENO, &err) && !stat("/dev/null", &null) &&
	    err.st_rdev == null.st_rdev && S_ISCHR(err.st_mode) &&
	    !access("/dev/kmsg", W_OK) && freopen("/dev/kmsg", "we", stderr))
		setvbuf(stderr, NULL, _IOLBF, 0);
}

int generate_units(int argc, char **argv)
{
	struct units u = { 0 };
	char *program;
	int status;

	if (argc < 2)
		return bad_usage("systemd calls this, with a directory");
	if (access(tab_file, F_OK))
		return EXIT_OK;
	complain_to_somebody();
	program = realpath("/proc/self/exe", NULL);
	u.dir = argv[1];
	u.program = quote_argument(program ? program : "unbd");
	u.table = quote_argument(tab_file);
	status = write_all(&u);
	free(program);
	free(u.program);
	free(u.table);
	text_free(&u.root);
	text_free(&u.devices);
	text_free(&u.stop);
	return status;
}
