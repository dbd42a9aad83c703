// SPDX-License-Identifier: GPL-2.0
/*
 * What systemd gets for lines of unbdtab(5).
 */
#include <sys/stat.h>
#include <unistd.h>

#include "../../tools/unbd/unbd.h"
#include "unit.h"

#define WANTS		"multi-user.target.wants/"

#define MAPPING(network)						\
	"[Unit]\n"							\
	"Description=Network disk %I\n"				\
	"Documentation=man:unbdtab(5)\n"				\
	"SourcePath=tab\n"						\
	network								\
	"Wants=remote-fs-pre.target\n"					\
	"Before=remote-fs-pre.target\n"

#define NETWORK								\
	"Wants=network-online.target\n"					\
	"After=network-online.target network.target\n"

#define SERVICE								\
	"\n[Service]\n"							\
	"Type=oneshot\n"						\
	"RemainAfterExit=yes\n"						\
	"Restart=on-failure\n"						\
	"RestartSec=5\n"

#define COMMANDS(name)							\
	"ExecStart=UNBD restore \"tab\" \"" name "\"\n"			\
	"ExecStartPost=-udevadm settle -t 10\n"				\
	"ExecStop=UNBD unmap \"" name "\"\n"

/**
 * struct unit_row - a table, and a unit of it
 * @tab: the table
 * @cmdline: of the kernel
 * @status: of the generator
 * @name: of the unit
 * @text: what is in it, NULL if it is not there
 * @err: a part of what the generator complains of, NULL for nothing at all
 */
static const struct unit_row {
	const char *tab;
	const char *cmdline;
	int status;
	const char *name;
	const char *text;
	const char *err;
} rows[] = {
	{ "map sessname=a path=tcp:10.0.0.1 device_path=b", "", 0,
	  "unbd@a:b.service",
	  MAPPING(NETWORK) SERVICE COMMANDS("a:b"), NULL },
	{ "map sessname=a path=tcp:10.0.0.1 device_path=b", "", 0,
	  WANTS "unbd@a:b.service",
	  MAPPING(NETWORK) SERVICE COMMANDS("a:b"), NULL },
	{ "map nbd://no.such.host/b", "", 0, "unbd@no.such.host:b.service",
	  MAPPING(NETWORK) SERVICE
	  COMMANDS("no.such.host:b"), NULL },
	/* Unix sockets and so on need no network. */
	{ "map sessname=a path=unix:/run/s device_path=", "", 0,
	  "unbd@a:.service",
	  MAPPING("") SERVICE COMMANDS("a:"), NULL },
	{ "map sessname=a path=unix:/run/s path=rdma:10.0.0.1 device_path=",
	  "", 0, "unbd@a:.service",
	  MAPPING(NETWORK) SERVICE COMMANDS("a:"), NULL },
	/* Names that mean something to systemd */
	{ "map \"sessname=.a-b $c\" path=vsock:2 device_path=/d\\%e\xc3\xa4",
	  "", 0, "unbd@\\x2ea\\x2db\\x20\\x24c:-d\\x5c\\x25e\\xc3\\xa4.service",
	  MAPPING("") SERVICE
	  COMMANDS(".a-b $$c:/d\\\\%%e\xc3\xa4"), NULL },
	/* All that is served goes together. */
	{ "export name=v device_path=/srv/a\nlisten tcp:0.0.0.0:1\n"
	  "export \"name=w 1\" device_path=/dev/sdb$%", "", 0,
	  "unbd-server.service",
	  "[Unit]\n"
	  "Description=Exports of network disks\n"
	  "Documentation=man:unbdtab(5)\n"
	  "SourcePath=tab\n"
	  NETWORK
	  "RequiresMountsFor=\"/srv/a\"\n"
	  "RequiresMountsFor=\"/dev/sdb$%%\"\n"
	  SERVICE
	  "ExecStart=UNBD restore \"tab\" export listen\n"
	  "ExecStop=-UNBD unexport --force \"v\"\n"
	  "ExecStop=-UNBD unlisten \"tcp:0.0.0.0:1\"\n"
	  "ExecStop=-UNBD unexport --force \"w 1\"\n", NULL },
	{ "map sessname=a path=unix:/s device_path=b", "", 0,
	  "unbd-server.service", NULL, NULL },
	{ "# nothing\n\n", "", 0, WANTS, NULL, NULL },
	/* The root file system's disk stays. */
	{ "map sessname=a path=tcp:1 device_path=b\n"
	  "map sessname=a path=tcp:1 device_path=bb",
	  "x unbd=nbd://h/e unbd=\"device_path=b path=tcp:1 sessname=a\" y", 0,
	  "unbd@a:b.service", NULL, NULL },
	{ "map sessname=a path=unix:/s device_path=b",
	  "unbd=\"device_path=bb path=tcp:1 sessname=a\"", 0,
	  "unbd@a:b.service", MAPPING("") SERVICE COMMANDS("a:b"),
	  NULL },
	/* What is wrong is said, and hinders no other line. */
	{ "map sessname=a path=unix:/s\nmap sessname=a path=unix:/s "
	  "device_path=b", "", 2, "unbd@a:b.service",
	  MAPPING("") SERVICE COMMANDS("a:b"),
	  "tab:1: device_path= is missing" },
	{ "map sessname=a path=unix:/s device_path=b\nmap sessname=a "
	  "path=tcp:1 device_path=b", "", 2, "unbd@a:b.service",
	  MAPPING("") SERVICE COMMANDS("a:b"),
	  "tab:2: the same is in a line before" },
	{ NULL, "", 0, WANTS, NULL, NULL },
};

static char root[] = "/tmp/unbd-unit-XXXXXX";

static void make_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	check(file && fputs(text, file) >= 0 && !fclose(file), "no file %s",
	      path);
}

/* The program is this one here. */
static char *without_program(const char *text)
{
	char *program = realpath("/proc/self/exe", NULL);
	char *quoted = make_text("\"%s\"", program);
	struct text t = { 0 };
	const char *at;

	while ((at = strstr(text, quoted))) {
		text_add(&t, text, at - text);
		text_print(&t, "UNBD");
		text = at + strlen(quoted);
	}
	text_print(&t, "%s\n", text);
	free(quoted);
	free(program);
	return t.at;
}

static void check_unit(const struct unit_row *r)
{
	char *text = sysfs_read("units", r->name), *clean;

	check(!text == !r->text, "%s: %s", r->name,
	      text ? "is there" : "is not there");
	if (!text)
		return;
	clean = without_program(text);
	check_text(r->name, clean, r->text);
	free(clean);
	free(text);
}

static const char *row_name(size_t row)
{
	return rows[row].tab ? printable(rows[row].tab) : "no table";
}

static void run_row(size_t row)
{
	const struct unit_row *r = &rows[row];
	char *argv[] = { "/lib/unbd-generator", "units", NULL };
	char *err;
	int status;

	check(mkdtemp(root) && !chdir(root), "no directory %s", root);
	if (r->tab)
		make_file("tab", r->tab);
	make_file("cmdline", r->cmdline);
	check(!mkdir("units", 0777), "no directory");
	check(freopen("err", "w", stderr), "no output");
	sysfs_root = ".";
	tab_file = "tab";
	tab_cmdline = "cmdline";
	status = unbd_run(2, argv);
	fflush(stderr);
	err = sysfs_read("", "err");
	check(status == r->status, "status is %d and not %d: %s", status,
	      r->status, err);
	check(r->err ? !!strstr(err, r->err) : !*err, "it says \"%s\"", err);
	free(err);
	check_unit(r);
	remove_tree(root);
}

const struct unit_suite tool_unit_suite = {
	"tool units", ARRAY_SIZE(rows), row_name, run_row, NULL, NULL,
};
