// SPDX-License-Identifier: GPL-2.0
/*
 * The server: export, unexport, listen, unlisten.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model.h"

/* ------------------------------------------------------------------ */
/* export                                                             */

static bool add_device(struct text *line, const char *device)
{
	char *here = NULL, *path;
	bool ok;

	if (*device != '/') {
		here = getcwd(NULL, 0);
		if (!here) {
			complain("the current directory: %s", strerror(errno));
			return false;
		}
	}
	path = make_text("%s%s%s", here ? here : "", here ? "/" : "", device);
	ok = words_add(line, "device_path=", path);
	free(path);
	free(here);
	return ok;
}

/* Other words than keys are the name and then the device. */
static int add_words(struct text *line, char **words)
{
	unsigned int plain = 0;
	bool ok = true;

	for (; *words && ok; words++) {
		if (is_key(*words))
			ok = words_add_raw(line, *words);
		else if (plain == 0)
			ok = words_add(line, "name=", *words);
		else if (plain == 1)
			ok = add_device(line, *words);
		else
			return bad_usage("%s is too much", *words);
		plain += !is_key(*words);
	}
	return ok ? EXIT_OK : EXIT_USAGE;
}

static int add_options(struct text *line, int argc, char **argv)
{
	static const struct option options[] = {
		{ "ro", no_argument, NULL, 'r' },
		{ "access", required_argument, NULL, 'a' },
		{ "clients", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	bool ok = true;
	int c;

	while (ok && (c = next_option(argc, argv, options)) != -1) {
		if (c == 'c')
			ok = words_add(line, "clients=", optarg);
		else if (c == 'a' || c == 'r')
			ok = words_add(line, "access_mode=",
				       c == 'r' ? "ro" : optarg);
		else
			ok = false;
	}
	return ok ? EXIT_OK : EXIT_USAGE;
}

static int export(int argc, char **argv)
{
	struct text line = { 0 };
	int status = add_options(&line, argc, argv);

	if (status == EXIT_OK && optind == argc)
		status = bad_usage("a name and a device are expected");
	if (status == EXIT_OK)
		status = add_words(&line, argv + optind);
	if (status == EXIT_OK)
		status = sysfs_need(SERVER, "unbd-server");
	if (status == EXIT_OK)
		status = sysfs_order(SERVER, "export_device", text_get(&line),
				     "not exported");
	text_free(&line);
	return status;
}

const struct command export_command = {
	.name = "export",
	.usage = "[OPTION...] NAME DEVICE\n[OPTION...] KEY=VALUE...",
	.summary = "Let clients use a block device or a file",
	.help =
"The keys are those of the file export_device.\n"
"\n"
"  --clients ADDRESS[/BITS],...  who may use it; without, everybody\n"
"  --ro                          nobody may write\n"
"  --access rw|ro|migration      access_mode=\n",
	.run = export,
};

/* ------------------------------------------------------------------ */
/* unexport                                                           */

static bool is_exported(const char *name)
{
	struct model m;
	bool found;

	model_read(&m);
	found = model_export(&m, name);
	model_free(&m);
	return found;
}

static int unexport_name(const char *name, bool force)
{
	struct text line = { 0 };
	int status = EXIT_USAGE;

	if (!is_exported(name)) {
		complain("there is no export %s", name);
		status = EXIT_ABSENT;
	} else if (words_add(&line, "", name)) {
		text_print(&line, "%s", force ? " force" : "");
		status = sysfs_order(SERVER, "unexport_device",
				     text_get(&line), name);
	}
	text_free(&line);
	return status;
}

static int unexport(int argc, char **argv)
{
	return force_command(argc, argv, "which export?", unexport_name);
}

const struct command unexport_command = {
	.name = "unexport",
	.usage = "[--force] NAME...",
	.summary = "Take exports away",
	.help =
"  --force   also if clients have it open: their connections are closed\n",
	.run = unexport,
};

/* ------------------------------------------------------------------ */
/* listen, unlisten                                                   */

static int one_address(int argc, char **argv, struct text *line)
{
	if (next_option(argc, argv, no_options) != -1)
		return EXIT_USAGE;
	if (argc - optind != 1)
		return bad_usage("one address is expected");
	return words_add(line, "", argv[optind]) ? EXIT_OK : EXIT_USAGE;
}

static int listen_at(int argc, char **argv)
{
	struct text line = { 0 };
	int status = one_address(argc, argv, &line);

	if (status == EXIT_OK)
		status = sysfs_need(SERVER, "unbd-server");
	if (status == EXIT_OK)
		status = sysfs_order(SERVER, "listen", text_get(&line),
				     argv[optind]);
	text_free(&line);
	return status;
}

static bool is_listening(const char *address)
{
	struct model m;
	bool found;

	model_read(&m);
	found = model_listens(&m, address);
	model_free(&m);
	return found;
}

static int unlisten(int argc, char **argv)
{
	struct text line = { 0 };
	int status = one_address(argc, argv, &line);

	if (status == EXIT_OK && !is_listening(argv[optind])) {
		complain("nobody listens at %s", argv[optind]);
		status = EXIT_ABSENT;
	}
	if (status == EXIT_OK)
		status = sysfs_order(SERVER, "unlisten", text_get(&line),
				     argv[optind]);
	text_free(&line);
	return status;
}

const struct command listen_command = {
	.name = "listen",
	.usage = "ADDRESS",
	.summary = "Let clients come",
	.help =
"ADDRESS is tcp:0.0.0.0:10809, tcp:[::]:10809, unix:/run/unbd.sock,\n"
"vsock:any:10809 or rdma:0.0.0.0:1234, for instance.\n",
	.run = listen_at,
};

const struct command unlisten_command = {
	.name = "unlisten",
	.usage = "ADDRESS",
	.summary = "Let no new clients come",
	.help = "ADDRESS is one that unbd list has. Connections stay.\n",
	.run = unlisten,
};
