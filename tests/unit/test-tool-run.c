// SPDX-License-Identifier: GPL-2.0
/*
 * Whole command lines of unbd, in a tree of files that looks like sysfs.
 */
#include <unistd.h>

#include "tree.h"

#define CTL	"devices/virtual/unbd-client/ctl/"
#define SERVED	"devices/virtual/unbd-server/ctl/"
#define PATH0	CTL "sessions/blya/paths/0/"
#define PATH1	CTL "sessions/blya/paths/1/"
#define DISK	"block/unbd0/"

/* How show prints the paths. The session lacks a file: older modules do. */
#define PATHS \
"  path 0\n" \
"    state           live\n" \
"    transport       tcp\n" \
"    src             10.0.0.2:40000\n" \
"    dst             tcp:10.0.0.1\n" \
"    failures        3\n" \
"    reconnects      2\n" \
"  path 1\n" \
"    state           reconnecting\n" \
"    transport       tcp\n" \
"    src             tcp:10.1.0.2\n" \
"    dst             tcp:10.1.0.1\n" \
"    failures        0\n" \
"    reconnects      0\n"

static const struct file {
	const char *path;
	const char *text;
} tree[] = {
	{ CTL "map_device", "" },
	{ CTL "devices/unbd0", "" },
	{ CTL "sessions/blya/policy", "prefer\n" },
	{ CTL "sessions/blya/add_path", "" },
	{ PATH0 "state", "live\n" },
	{ PATH0 "transport", "tcp\n" },
	{ PATH0 "src", "10.0.0.2:40000\n" },
	{ PATH0 "dst", "tcp:10.0.0.1\n" },
	{ PATH0 "stats", "failures 3\nreconnects 2\nreads 10\n"
		"read_bytes 40960\nerrors 1\ntime_us 123456\nnews 5\n"
		"in_flight 2\n" },
	{ PATH0 "reconnect", "" },
	{ PATH0 "disconnect", "" },
	{ PATH0 "remove", "" },
	{ PATH1 "state", "reconnecting\n" },
	{ PATH1 "transport", "tcp\n" },
	{ PATH1 "src", "tcp:10.1.0.2\n" },
	{ PATH1 "dst", "tcp:10.1.0.1\n" },
	{ PATH1 "stats", "failures 0\nreconnects 0\n" },
	{ PATH1 "reconnect", "" },
	{ DISK "size", "2097152\n" },
	{ DISK "ro", "0\n" },
	{ DISK "stat", " 10 0 80 5 20 0 160 10 4 9 15 0 0 0 0 1 1\n" },
	{ DISK "queue/io_timeout", "30000\n" },
	{ DISK "mq/0/nr_tags", "64\n" },
	{ DISK "unbd/state", "live\n" },
	{ DISK "unbd/session", "blya\n" },
	{ DISK "unbd/mapping_path", "vol 0\n" },
	{ DISK "unbd/access_mode", "rw\n" },
	{ DISK "unbd/nr_poll_queues", "0\n" },
	{ DISK "unbd/fail_timeout", "-1\n" },
	{ DISK "unbd/replay", "off\n" },
	{ DISK "unbd/unmap_device", "" },
	{ DISK "unbd/resize", "" },
	{ DISK "unbd/stats/failed", "1\n" },
	{ SERVED "export_device", "" },
	{ SERVED "unexport_device", "" },
	{ SERVED "listen", "" },
	{ SERVED "unlisten", "" },
	{ SERVED "listeners", "tcp:0.0.0.0:10809\nunix:/run/a b\n" },
	{ SERVED "exports/v\033/device_path", "/srv/vol0\n" },
	{ SERVED "exports/v\033/access_mode", "ro\n" },
	{ SERVED "exports/v\033/clients", "10.0.0.0/8\n" },
	{ SERVED "exports/v\033/kind", "file\n" },
	{ SERVED "exports/v\033/size", "1536\n" },
	{ SERVED "exports/v\033/features", "read-only\n" },
	{ SERVED "exports/v\033/state", "live\n" },
	{ SERVED "exports/v\033/connections", "1\n" },
	{ SERVED "exports/v\033/stats/reads", "7\n" },
	{ SERVED "exports/!dev!ram0@s/device_path", "/dev/ram0\n" },
	{ SERVED "exports/!dev!ram0@s/state", "live\n" },
	{ SERVED "exports/shm1.0/device_path", "/dev/ram1\n" },
	{ SERVED "exports/shm1.0/clients", "0.0.0.0/32\n" },
	{ SERVED "exports/shm1.0/state", "live\n" },
	{ SERVED "connections/1/peer", "10.0.0.2:\x9b\n" },
	{ SERVED "connections/1/transport", "tcp\n" },
	{ SERVED "connections/1/export", "v\033\n" },
	{ SERVED "connections/1/state", "open\n" },
	{ "saved", "# comment\n\n"
	  " export name=new device_path=/n\nfly away\n" },
	{ "saved-good", "#comment\n # more\n"
	  "map sessname=blya device_path=other\n"
	  "map sessname=blya device_path=\"vol 0\"\n"
	  "listen \"unix:/run/a b\"" },
	{ "saved-bad", "map sessname=a path=b\nmap \"device_path=c\n"
	  "map nbds://h/e\nmap x\nexport name=n\nlisten a b\n" },
	{ "tab", "map nbd://10.0.0.1/vol0 keepalive=0\n"
	  "map sessname=blya path=tcp:10.0.0.1 device_path=\"vol 0\"\n"
	  "export name=new device_path=\"/a b\"\nlisten vsock:any:7\n" },
	{ "cmdline", "quiet unbd=\"sessname=r path=tcp:10.0.0.1 device_path=a\" "
	  "unbd=nbd://10.0.0.1/a%20b ro\n" },
};

/**
 * struct run_row - a command line
 * @args: separated by '|'; "%" stands for the tree
 * @status: its exit status
 * @file: that it writes, or NULL
 * @text: what it writes there
 * @out: what it prints
 * @err: a part of what it complains of, or NULL for nothing at all
 */
static const struct run_row {
	const char *args;
	int status;
	const char *file;
	const char *text;
	const char *out;
	const char *err;
} run_rows[] = {
	/* map */
	{ "map|sessname=blya|path=tcp:10.0.0.1|device_path=vol 0", 0,
	  CTL "map_device",
	  "sessname=blya path=tcp:10.0.0.1 device_path=\"vol 0\"",
	  "/dev/unbd0\n", NULL },
	{ "map|nbd://10.0.0.1/vol%200|nbd://[::1]:7/vol%200|--session|blya", 0,
	  CTL "map_device", "sessname=blya path=tcp:10.0.0.1 "
	  "path=tcp:[::1]:7 device_path=\"vol 0\"", "/dev/unbd0\n", NULL },
	{ "map|--export=vol 0|--session=blya|--ro|--queues=1|--depth=2|"
	  "--poll-queues=3|--policy=rr|--io-timeout=4|--fail-timeout=-1|"
	  "--keepalive=0|--replay=1M|--path=a|--path=b", 0, CTL "map_device",
	  "device_path=\"vol 0\" sessname=blya access_mode=ro nr_queues=1 "
	  "queue_depth=2 nr_poll_queues=3 policy=rr io_timeout=4 "
	  "fail_timeout=-1 keepalive=0 replay=1M path=a path=b", "/dev/unbd0\n", NULL },
	{ "map|nbd://10.0.0.1/x|device_path=vol 0|sessname=blya", 0,
	  CTL "map_device", "path=tcp:10.0.0.1 device_path=\"vol 0\" "
	  "sessname=blya", "/dev/unbd0\n", NULL },
	{ "map|nbd://10.0.0.1/x", 3, CTL "map_device",
	  "path=tcp:10.0.0.1 device_path=x sessname=10.0.0.1", "",
	  "gone again" },
	{ "map|nbd://10.0.0.1/x|nbd://10.0.0.2/y", 2, NULL, NULL, "",
	  "different exports" },
	{ "map", 2, NULL, NULL, "", "what is to be mapped" },
	{ "map|vol0", 2, NULL, NULL, "", "vol0 is neither" },
	{ "map|nbd://10.0.0.1/a%22b", 2, NULL, NULL, "", "double quote" },
	{ "map|--fast", 2, NULL, NULL, "", "unknown option --fast" },
	{ "map|--session", 2, NULL, NULL, "", "--session needs a value" },
	{ "map|--ro=1|a=b", 2, NULL, NULL, "", "--ro=1 takes no value" },
	{ "map|-x", 2, NULL, NULL, "", "unknown option -x" },
	/* unmap */
	{ "unmap|unbd0", 0, DISK "unbd/unmap_device", "normal", "", NULL },
	{ "unmap|blya|--force", 0, DISK "unbd/unmap_device", "force", "",
	  NULL },
	{ "unmap|/dev/unbd0", 0, DISK "unbd/unmap_device", "normal", "", NULL },
	{ "unmap|blya:vol 0", 0, DISK "unbd/unmap_device", "normal", "",
	  NULL },
	{ "unmap|blya:vol", 3, NULL, NULL, "", "blya:vol is neither" },
	{ "unmap|%/link", 0, DISK "unbd/unmap_device", "normal", "", NULL },
	{ "unmap|unbd1", 3, NULL, NULL, "", "unbd1 is neither" },
	{ "unmap|../unbd0x", 3, NULL, NULL, "", "is neither" },
	{ "unmap|/", 3, NULL, NULL, "", "is neither" },
	{ "unmap", 2, NULL, NULL, "", "which disk" },
	/* resize */
	{ "resize|unbd0", 0, DISK "unbd/resize", "0", "", NULL },
	{ "resize|unbd0|1M", 0, DISK "unbd/resize", "2048", "", NULL },
	{ "resize|unbd0|1", 2, NULL, NULL, "", "1 is no size" },
	{ "resize|unbd0|x", 2, NULL, NULL, "", "x is no size" },
	{ "resize|unbd1", 3, NULL, NULL, "", "not a disk" },
	{ "resize|unbd0|1|2", 2, NULL, NULL, "", "is expected" },
	/* path */
	{ "path|add|blya|tcp:10.2.0.1", 0, CTL "sessions/blya/add_path",
	  "tcp:10.2.0.1", "", NULL },
	{ "path|remove|blya|0", 0, PATH0 "remove", "1", "", NULL },
	{ "path|disconnect|blya|tcp:10.0.0.1", 0, PATH0 "disconnect", "1", "",
	  NULL },
	{ "path|reconnect|blya|tcp:10.1.0.1", 0, PATH1 "reconnect", "1", "",
	  NULL },
	{ "path|remove|blya|tcp:10.1.0.1", 3, NULL, NULL, "",
	  "blya path 1: No such file" },
	{ "path|remove|blya|7", 3, NULL, NULL, "", "no path 7" },
	{ "path|remove|b|0", 3, NULL, NULL, "", "no session b" },
	{ "path|move|blya|0", 2, NULL, NULL, "", "move: add, remove" },
	{ "path|add|blya", 2, NULL, NULL, "", "expected" },
	/* export, unexport, listen, unlisten */
	{ "export|a b|/srv/x|--clients|10.0.0.0/8|--ro", 0,
	  SERVED "export_device", "clients=10.0.0.0/8 access_mode=ro "
	  "name=\"a b\" device_path=/srv/x", "", NULL },
	{ "export|device_path=/x|name=a|--access=migration", 0,
	  SERVED "export_device",
	  "access_mode=migration device_path=/x name=a", "", NULL },
	{ "export|a|dir/file", 0, SERVED "export_device",
	  "name=a device_path=/usr/dir/file", "", NULL },
	{ "export|a|/b|c", 2, NULL, NULL, "", "c is too much" },
	{ "export", 2, NULL, NULL, "", "a name and a device" },
	{ "unexport|v\033", 0, SERVED "unexport_device", "v\033", "", NULL },
	{ "unexport|v\033|--force", 0, SERVED "unexport_device", "v\033 force",
	  "", NULL },
	{ "unexport|..", 3, NULL, NULL, "", ".." },
	{ "unexport|a/b", 3, NULL, NULL, "", "no export a/b" },
	{ "unexport|", 3, NULL, NULL, "", "no export" },
	{ "unexport", 2, NULL, NULL, "", "which export" },
	{ "listen|unix:/a b", 0, SERVED "listen", "\"unix:/a b\"", "", NULL },
	{ "listen", 2, NULL, NULL, "", "one address" },
	{ "unlisten|unix:/run/a b", 0, SERVED "unlisten",
	  "\"unix:/run/a b\"", "", NULL },
	{ "unlisten|tcp:[::]:7", 3, NULL, NULL, "", "nobody listens" },
	/* list, show, stats, top */
	{ "list", 0, NULL, NULL,
"DEVICE      SIZE  MODE  STATE  PATHS  SESSION  EXPORT\n"
"/dev/unbd0    1G  rw    live     1/2  blya     vol 0\n"
"\n"
"EXPORT       SIZE  MODE  STATE  OPEN  CLIENTS     DEVICE\n"
"!dev!ram0@s    0B        live      0              /dev/ram0\n"
"shm1.0         0B        live      0  0.0.0.0/32  /dev/ram1\n"
"v\\x1b        1.5K  ro    live      1  10.0.0.0/8  /srv/vol0\n"
"\n"
"LISTENER\n"
"tcp:0.0.0.0:10809\n"
"unix:/run/a b\n", NULL },
	{ "list|unbd0", 2, NULL, NULL, "", "unbd0: it begins with none" },
	{ "show|%/link", 0, NULL, NULL,
"disk unbd0\n"
"  device          /dev/unbd0\n"
"  state           live\n"
"  size            1G (1073741824 bytes)\n"
"  read_only       no\n"
"  session         blya\n"
"  export          vol 0\n"
"  access_mode     rw\n"
"  queues          1\n"
"  poll_queues     0\n"
"  queue_depth     64\n"
"  io_timeout      30\n"
"  fail_timeout    -1\n"
"  replay          off\n"
PATHS, NULL },
	{ "show|blya", 0, NULL, NULL,
"session blya\n"
"  policy          prefer\n"
"  disk unbd0\n"
"    state           live\n"
"    size            1G (1073741824 bytes)\n"
"    export          vol 0\n"
PATHS, NULL },
	{ "show|v\033|--json", 0, NULL, NULL,
"{\n  \"disks\": [],\n  \"sessions\": [],\n  \"exports\": [\n    {\n"
"      \"export\": \"v\\u001b\",\n      \"device_path\": \"/srv/vol0\",\n"
"      \"kind\": \"file\",\n      \"state\": \"live\",\n"
"      \"size\": 1536,\n      \"access_mode\": \"ro\",\n"
"      \"clients\": \"10.0.0.0/8\",\n      \"features\": \"read-only\",\n"
"      \"connections\": [\n        {\n          \"connection\": \"1\",\n"
"          \"peer\": \"10.0.0.2:\\ufffd\",\n"
"          \"transport\": \"tcp\",\n          \"state\": \"open\"\n"
"        }\n      ]\n    }\n  ]\n}\n", NULL },
	{ "show|nothing", 3, NULL, NULL, "", "nothing is neither" },
	{ "show", 2, NULL, NULL, "", "one disk, session or export" },
	{ "stats|unbd0", 0, NULL, NULL,
"disk unbd0\n"
"  reads           10\n"
"  writes          20\n"
"  bytes_read      40K (40960 bytes)\n"
"  bytes_written   80K (81920 bytes)\n"
"  in_flight       4\n"
"  requeued        0\n"
"  fenced          0\n"
"  replayed        0\n"
"  parked          0\n"
"  timeouts        0\n"
"  failed          1\n", NULL },
	{ "stats|blya", 0, NULL, NULL,
"session blya\n"
"  path 0\n"
"    dst             tcp:10.0.0.1\n"
"    failures        3\n"
"    reconnects      2\n"
"    reads           10\n"
"    read_bytes      40960\n"
"    writes          0\n"
"    write_bytes     0\n"
"    others          0\n"
"    other_bytes     0\n"
"    errors          1\n"
"    time_us         123456\n"
"    in_flight       2\n"
"  path 1\n"
"    dst             tcp:10.1.0.1\n"
"    failures        0\n"
"    reconnects      0\n"
"    reads           0\n"
"    read_bytes      0\n"
"    writes          0\n"
"    write_bytes     0\n"
"    others          0\n"
"    other_bytes     0\n"
"    errors          0\n"
"    time_us         0\n"
"    in_flight       0\n", NULL },
	{ "top|--once|--interval=0.01", 0, NULL, NULL,
"NAME                STATE         READ/s  WRITE/s  READ B/s  WRITE B/s  "
"LATENCY ms  IN FLIGHT  LOST\n"
"session blya\n"
"  0 tcp:10.0.0.1    live               -        -         -          -  "
"         -          -     3\n"
"  1 tcp:10.1.0.1    reconnecting       -        -         -          -  "
"         -          -     0\n"
"  unbd0 vol 0       live               0        0        0B         0B  "
"         -          4     -\n"
"export !dev!ram0@s  live               0        0        0B         0B  "
"         -          -     -\n"
"export shm1.0       live               0        0        0B         0B  "
"         -          -     -\n"
"export v\\x1b        live               0        0        0B         0B  "
"         -          -     -\n"
"  1 10.0.0.2:\\x9b   open               0        0        0B         0B  "
"         -          -     -\n", NULL },
	{ "top|--interval=0", 2, NULL, NULL, "", "0.01 to" },
	{ "top|--interval=nan", 2, NULL, NULL, "", "0.01 to" },
	{ "top|--count=0", 2, NULL, NULL, "", "from 1 on" },
	{ "top|now", 2, NULL, NULL, "", "now is too much" },
	/* save, restore */
	{ "save", 0, NULL, NULL,
"# What unbd save has found; unbd restore takes it.\n"
"export name=v\033 device_path=/srv/vol0 access_mode=ro clients=10.0.0.0/8\n"
"listen tcp:0.0.0.0:10809\n"
"listen \"unix:/run/a b\"\n"
"map sessname=blya path=tcp:10.0.0.1 path=tcp:10.1.0.2,tcp:10.1.0.1 "
"device_path=\"vol 0\" policy=prefer nr_queues=1 queue_depth=64 "
"fail_timeout=-1 replay=off\n", NULL },
	{ "save|%/none/file", 1, NULL, NULL, "", "No such file" },
	{ "save|a|b", 2, NULL, NULL, "", "b is too much" },
	{ "restore|%/saved", 2, SERVED "export_device",
	  "name=new device_path=/n", "",
	  "saved:4: export, listen or map is expected, not fly" },
	{ "restore|%/saved-good", 0, CTL "map_device",
	  "sessname=blya device_path=other", "", NULL },
	{ "restore|%/saved-good", 0, SERVED "listen", "", "", NULL },
	{ "restore|%/none", 3, NULL, NULL, "", "No such file" },
	{ "restore|%/saved|map", 2, SERVED "export_device", "", "",
	  "saved:4: export, listen or map is expected, not fly" },
	{ "restore|%/saved-good|blya:none", 3, CTL "map_device", "", "",
	  "saved-good: no line for blya:none" },
	{ "restore|%/saved-bad", 2, CTL "map_device", "", "",
	  "saved-bad:1: device_path= is missing\n"
	  "unbd restore: " },
	{ "restore|%/saved-bad", 2, NULL, NULL, "",
	  "saved-bad:2: a double quote is not closed" },
	{ "restore|%/saved-bad", 2, NULL, NULL, "",
	  "saved-bad:3: nbds://h/e: there is no encryption" },
	{ "restore|%/saved-bad", 2, NULL, NULL, "",
	  "saved-bad:4: x is neither KEY=VALUE nor a URI" },
	{ "restore|%/saved-bad", 2, NULL, NULL, "",
	  "saved-bad:5: device_path= is missing" },
	{ "restore|%/saved-bad", 2, NULL, NULL, "",
	  "saved-bad:6: one address is expected" },
	{ "restore", 0, CTL "map_device",
	  "path=tcp:10.0.0.1 keepalive=0 device_path=vol0 "
	  "sessname=10.0.0.1", "", NULL },
	{ "restore|%/tab|listen|map", 0, SERVED "listen", "vsock:any:7", "",
	  NULL },
	{ "restore|%/tab|listen", 0, CTL "map_device", "", "", NULL },
	{ "restore|%/tab|blya:vol 0", 0, CTL "map_device", "", "", NULL },
	{ "restore|%/tab|export", 0, SERVED "export_device",
	  "name=new device_path=\"/a b\"", "", NULL },
	{ "restore|--boot", 0, CTL "map_device",
	  "path=tcp:10.0.0.1 fail_timeout=-1 device_path=\"a b\" "
	  "sessname=10.0.0.1", "", NULL },
	{ "restore|--boot|x", 2, NULL, NULL, "", "x is too much" },
	/* Others */
	{ "fly", 2, NULL, NULL, "", "fly is no command" },
	{ "help|fly", 2, NULL, NULL, "", "fly is no command" },
	{ "--version", 0, NULL, NULL, "unbd unknown\n", NULL },
	{ "help|unlisten", 0, NULL, NULL,
"Usage: unbd unlisten ADDRESS\n\nLet no new clients come.\n\n"
"ADDRESS is one that unbd list has. Connections stay.\n", NULL },
	{ "unlisten|--help", 0, NULL, NULL,
"Usage: unbd unlisten ADDRESS\n\nLet no new clients come.\n\n"
"ADDRESS is one that unbd list has. Connections stay.\n", NULL },
};

static void make_tree(void)
{
	char *link;
	size_t i;

	begin_tree();
	for (i = 0; i < ARRAY_SIZE(tree); i++)
		make_file(tree[i].path, tree[i].text);
	/* The host may have a node of that name, or none. */
	make_file("dev/unbd0", "");
	link = make_text("%s/link", sysfs_root);
	check(!symlink("dev/unbd0", link), "no link");
	free(link);
	check(!chdir("/usr"), "no /usr");
}

static const char *run_name(size_t row)
{
	return printable(run_rows[row].args);
}

static void run_run(size_t row)
{
	const struct run_row *r = &run_rows[row];
	int status;
	char *text;

	make_tree();
	status = run_line(r->args);
	text = read_file("err");
	check(status == r->status, "status is %d and not %d: %s", status,
	      r->status, text);
	check(r->err ? !!strstr(text, r->err) : !*text, "it says \"%s\"", text);
	free(text);
	check_output("output", "out", r->out);
	if (r->file) {
		text = read_file(r->file);
		check_text("what is written", text, r->text);
		free(text);
	}
	end_tree();
}

const struct unit_suite tool_run_suite = {
	"tool", ARRAY_SIZE(run_rows), run_name, run_run, NULL, NULL,
};

/* ------------------------------------------------------------------ */
/* Without modules                                                    */

static const struct bare_row {
	const char *args;
	int status;
	const char *out;
} bare_rows[] = {
	{ "map|nbd://10.0.0.1/a", EXIT_NO_MODULE, "" },
	{ "export|a|/b", EXIT_NO_MODULE, "" },
	{ "listen|tcp:0.0.0.0", EXIT_NO_MODULE, "" },
	{ "unlisten|tcp:0.0.0.0", EXIT_ABSENT, "" },
	{ "unexport|a", EXIT_ABSENT, "" },
	{ "unmap|unbd0", EXIT_ABSENT, "" },
	{ "list", EXIT_OK, "" },
	{ "list|--json", EXIT_OK, "{\n  \"disks\": [],\n  \"sessions\": [],\n"
	  "  \"exports\": [],\n  \"listeners\": []\n}\n" },
	{ "stats", EXIT_OK, "" },
	{ "save", EXIT_OK,
	  "# What unbd save has found; unbd restore takes it.\n" },
};

static const char *bare_name(size_t row)
{
	return bare_rows[row].args;
}

static void run_bare(size_t row)
{
	begin_tree();
	check_int("status", run_line(bare_rows[row].args),
		  bare_rows[row].status);
	check_output("output", "out", bare_rows[row].out);
	end_tree();
}

const struct unit_suite tool_bare_suite = {
	"tool without modules", ARRAY_SIZE(bare_rows), bare_name, run_bare,
	NULL, NULL,
};
