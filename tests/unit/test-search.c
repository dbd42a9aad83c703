// SPDX-License-Identifier: GPL-2.0
/*
 * dev_search_path, and where the device is that a client names.
 */
#include <errno.h>

#include "core/server/options.h"

#include "unit.h"

static char why[UNBD_WHY_LEN];

static const struct row {
	const char *pattern;
	const char *session;	/* NULL: only the pattern is looked at */
	const char *name;
	int error;
	const char *text;	/* the path, or part of the message */
} rows[] = {
	{ "/dev", "s", "ram0", 0, "/dev/ram0" },
	{ "/dev/", "s", "/ram0", 0, "/dev/ram0" },
	{ "/", "s", "dev//ram0", 0, "/dev/ram0" },
	{ "/", "s", "///dev/ram0", 0, "/dev/ram0" },
	{ "//dev//", "s", "//a//b", 0, "/dev/a/b" },
	{ "/ns/%SESSNAME%", "bed", "vol1", 0, "/ns/bed/vol1" },
	{ "/ns/%SESSNAME%/", "bed", "/vol1", 0, "/ns/bed/vol1" },
	/* The kernel's server leaves this out: /ns/bed/vol1. */
	{ "/ns/%SESSNAME%/below", "bed", "vol1", 0, "/ns/bed/below/vol1" },
	{ "/ns/a-%SESSNAME%.d/%SESSNAME%", "bed", "v", 0,
	  "/ns/a-bed.d/bed/v" },
	{ "/%SESSNAME", "bed", "v", 0, "/%SESSNAME/v" },
	{ "/%SESSNAME%", "%SESSNAME%", "v", 0, "/%SESSNAME%/v" },
	{ "/ns/%SESSNAME%", "a b", "v", 0, "/ns/a b/v" },
	{ "/dev", "s", "a..b", 0, "/dev/a..b" },
	{ "/dev", "s", "...", 0, "/dev/..." },
	{ "/dev", "s", "./x", 0, "/dev/./x" },
	{ "/dev", "s", "..", -EINVAL, "\"..\" is no name" },
	{ "/dev", "s", "../x", -EINVAL, "\"../x\" is no name" },
	{ "/dev", "s", "a/../x", -EINVAL, "is no name" },
	{ "/dev", "s", "a/..", -EINVAL, "is no name" },
	{ "/dev", "s", "/..//x", -EINVAL, "is no name" },
	{ "/dev", "s", "", -EINVAL, "\"\" is no name" },
	{ "/dev", "s", "a\001", -EINVAL, "control byte" },
	{ "/dev", "", "x", -EINVAL, "session  has no value" },
	{ "/ns/%SESSNAME%", "..", "x", -EINVAL, "session .." },
	{ "/ns/%SESSNAME%", ".", "x", -EINVAL, "session ." },
	{ "/ns/%SESSNAME%", "a/b", "x", -EINVAL, "session a/b" },
	{ "", NULL, NULL, 0, NULL },
	{ "/a", NULL, NULL, 0, NULL },
	{ "dev", NULL, NULL, -EINVAL, "dev does not begin" },
	{ "/a/../b", NULL, NULL, -EINVAL, "/a/../b has" },
	{ "/..", NULL, NULL, -EINVAL, "/.. has" },
};

static const char *row_name(size_t row)
{
	static char name[128];
	const struct row *r = &rows[row];
	size_t i;

	snprintf(name, sizeof(name), "'%s' for '%s' of '%s'", r->pattern,
		 r->name ?: "-", r->session ?: "-");
	for (i = 0; name[i]; i++)
		if (name[i] < ' ')
			name[i] = '?';
	return name;
}

static void run(size_t row)
{
	const struct row *r = &rows[row];
	char *path = malloc(UNBD_DEVICE_PATH_MAX + 1);
	int err;

	err = unbd_check_search_path(r->pattern, why, sizeof(why));
	if (!err && r->session)
		err = unbd_search_path(r->pattern, r->session, r->name, path,
				       why, sizeof(why));
	check_int("error", err, r->error);
	if (r->error)
		check_why(why, r->text);
	else if (r->text)
		check_text("path", path, r->text);
	free(path);
}

const struct unit_suite search_suite = {
	"dev_search_path", ARRAY_SIZE(rows), row_name, run, NULL, NULL,
};

/* ------------------------------------------------------------------ */
/* Lengths                                                            */

static const struct length_row {
	size_t pattern;
	size_t name;
	int error;
} length_rows[] = {
	{ 10, UNBD_DEVICE_PATH_MAX - 11, 0 },
	{ 10, UNBD_DEVICE_PATH_MAX - 10, -ENAMETOOLONG },
	{ UNBD_DEVICE_PATH_MAX - 2, 1, 0 },
	{ UNBD_DEVICE_PATH_MAX - 1, 1, -ENAMETOOLONG },
	{ UNBD_DEVICE_PATH_MAX, 1, -ENAMETOOLONG },
};

static const char *length_name(size_t row)
{
	static char name[64];

	snprintf(name, sizeof(name), "%zu and %zu bytes",
		 length_rows[row].pattern, length_rows[row].name);
	return name;
}

static char *text_of(size_t len, char first)
{
	char *text = malloc(len + 1);

	memset(text, 'x', len);
	text[0] = first;
	text[len] = '\0';
	return text;
}

static void run_length(size_t row)
{
	const struct length_row *r = &length_rows[row];
	char *path = malloc(UNBD_DEVICE_PATH_MAX + 1);
	char *pattern = text_of(r->pattern, '/');
	char *name = text_of(r->name, 'x');
	int err;

	err = unbd_check_search_path(pattern, why, sizeof(why));
	if (!err)
		err = unbd_search_path(pattern, "s", name, path, why,
				       sizeof(why));
	check_int("error", err, r->error);
	if (!err)
		check_int("length", strlen(path), r->pattern + 1 + r->name);
	free(name);
	free(pattern);
	free(path);
}

const struct unit_suite search_length_suite = {
	"dev_search_path length", ARRAY_SIZE(length_rows), length_name,
	run_length, NULL, NULL,
};
