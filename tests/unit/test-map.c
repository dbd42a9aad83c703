// SPDX-License-Identifier: GPL-2.0
/*
 * Lines written to the client's sysfs files.
 */
#include "core/client/options.h"

#include "../fuzz/fuzz.h"
#include "unit.h"

static char why[UNBD_WHY_LEN];

/* A copy that may be modified, in memory of just its size */
static char *copy(const char *line)
{
	char *text = strdup(line);

	check(text, "out of memory");
	return text;
}

/* Replaces each "%N" by N letters, to write down what is too long. */
static char *expand(const char *line)
{
	struct bytes b = { NULL, 0 };
	char *end;
	long n;

	while (*line) {
		if (*line != '%' || line[1] < '0' || line[1] > '9') {
			put8(&b, *line++);
			continue;
		}
		for (n = strtol(line + 1, &end, 10); n; n--)
			put8(&b, 'x');
		line = end;
	}
	put8(&b, '\0');
	return (char *)b.at;
}

/* ------------------------------------------------------------------ */
/* map_device                                                         */

#define MAP "sessname=blya device_path=vol0 "

static const struct map_row {
	const char *name;
	const char *line;
	int error;
	const char *why;
} map_rows[] = {
	{ "RNBD's example",
	  "sessname=blya path=ip:10.50.100.66 device_path=/dev/ram0\n", 0, "" },
	{ "no path: the session exists", MAP, 0, "" },
	{ "sixteen paths", MAP "path=fd:1 path=fd:2 path=fd:3 path=fd:4 "
	  "path=fd:5 path=fd:6 path=fd:7 path=fd:8 path=fd:9 path=fd:10 "
	  "path=fd:11 path=fd:12 path=fd:13 path=fd:14 path=fd:15 path=fd:16",
	  0, "" },
	{ "seventeen paths", MAP "path=fd:1 path=fd:2 path=fd:3 path=fd:4 "
	  "path=fd:5 path=fd:6 path=fd:7 path=fd:8 path=fd:9 path=fd:10 "
	  "path=fd:11 path=fd:12 path=fd:13 path=fd:14 path=fd:15 path=fd:16 "
	  "path=fd:17", -E2BIG, "path=fd:17: 16 paths are the most" },
	{ "default export", "device_path= sessname=a path=tcp:::1", 0, "" },
	{ "default export in quotes", "device_path=\"\" sessname=a", 0, "" },
	{ "empty line", "", -EINVAL, "sessname= is missing" },
	{ "blank line", " \t\n", -EINVAL, "sessname= is missing" },
	{ "no session", "device_path=a", -EINVAL, "sessname= is missing" },
	{ "no device", "sessname=a", -EINVAL, "device_path= is missing" },
	{ "unknown key", MAP "colour=red", -EINVAL, "\"colour=red\"" },
	{ "a word without =", MAP "force", -EINVAL, "\"force\"" },
	{ "key in capitals", MAP "PATH=tcp:::1", -EINVAL, "PATH=tcp:::1" },
	{ "empty word", MAP "\"\"", -EINVAL, "unknown key in \"\"" },
	{ "double sessname", MAP "sessname=b", -EINVAL,
	  "sessname= is given twice, again as b" },
	{ "double device_path", MAP "device_path=vol0", -EINVAL,
	  "device_path= is given twice" },
	{ "double number", MAP "queue_depth=1 queue_depth=2", -EINVAL,
	  "queue_depth= is given twice, again as 2" },
	{ "empty sessname", "sessname= device_path=a", -EINVAL,
	  "sessname= has no value" },
	{ "empty path", MAP "path=", -EINVAL, "path= has no value" },
	{ "empty number", MAP "io_timeout=", -EINVAL,
	  "io_timeout= has no value" },
	{ "longest sessname", "device_path=a sessname=%255", 0, "" },
	{ "sessname too long", "device_path=a sessname=%256", -ENAMETOOLONG,
	  "sessname=xxx" },
	{ "sessname with /", "device_path=a sessname=a/b", -EINVAL,
	  "sessname=a/b" },
	{ "sessname .", "device_path=a sessname=.", -EINVAL, "sessname=." },
	{ "sessname ..", "device_path=a sessname=..", -EINVAL, "sessname=.." },
	{ "sessname ...", "device_path=a sessname=...", 0, "" },
	{ "longest device_path", "sessname=a device_path=%4095", 0, "" },
	{ "device_path too long", "sessname=a device_path=%4096",
	  -ENAMETOOLONG, "device_path=xxx" },
	{ "newline inside quotes", "sessname=\"a\nb\" device_path=a", -EINVAL,
	  "quote" },
	{ "open quote", MAP "path=\"tcp:::1", -EINVAL, "quote" },
	{ "control byte", "sessname=a\033[2J device_path=a", -EINVAL,
	  "control byte 0x1b at column 11" },
	{ "delete byte", "sessname=\177 device_path=a", -EINVAL, "0x7f" },
	{ "UTF-8 name", "sessname=gl\303\274ck device_path=a", 0, "" },
	{ "access_mode", MAP "access_mode=rx", -EINVAL,
	  "access_mode=rx: rw, ro or migration" },
	{ "access_mode prefix", MAP "access_mode=mig", -EINVAL,
	  "access_mode=mig" },
	{ "policy", MAP "policy=best", -EINVAL, "policy=best: min-inflight" },
	{ "tls", MAP "tls=yes", -EINVAL, "tls=yes: off, x509 or psk" },
	{ "replay", MAP "replay=on", -EINVAL,
	  "replay=on is neither off nor a size" },
	{ "replay without digits", MAP "replay=M", -EINVAL, "replay=M" },
	{ "replay below 0", MAP "replay=-1M", -ERANGE, "replay=-1M" },
	{ "least replay", MAP "replay=1024K", 0, "" },
	{ "too little replay", MAP "replay=1048575", -ERANGE,
	  "replay=1048575 is not within 1M to 1024M" },
	{ "replay=0", MAP "replay=0G", -ERANGE, "replay=0G" },
	{ "most replay", MAP "replay=1G", 0, "" },
	{ "too much replay", MAP "replay=1025M", -ERANGE, "replay=1025M" },
	{ "replay beyond 64 bits", MAP "replay=99999999999999999999G", -EINVAL,
	  "replay=99999999999999999999G" },
	{ "number with letters", MAP "nr_queues=4k", -EINVAL,
	  "nr_queues=4k is not a number" },
	{ "hexadecimal number", MAP "nr_queues=0x4", -EINVAL, "nr_queues=0x4" },
	{ "fraction", MAP "io_timeout=1.5", -EINVAL, "io_timeout=1.5" },
	{ "no queues", MAP "nr_queues=0", -ERANGE,
	  "nr_queues=0 is not within 1 to 1024" },
	{ "most queues", MAP "nr_queues=1024", 0, "" },
	{ "too many queues", MAP "nr_queues=1025", -ERANGE, "nr_queues=1025" },
	{ "poll queues below -1", MAP "nr_poll_queues=-2", -ERANGE,
	  "nr_poll_queues=-2" },
	{ "queue depth 0", MAP "queue_depth=0", -ERANGE, "queue_depth=0" },
	{ "queue depth beyond 64 bits", MAP "queue_depth=99999999999999999999",
	  -ERANGE, "queue_depth=99999999999999999999 is not within" },
	{ "io_timeout 0", MAP "io_timeout=0", -ERANGE, "io_timeout=0" },
	{ "fail_timeout -2", MAP "fail_timeout=-2", -ERANGE, "-1 to 86400" },
	{ "keepalive -1", MAP "keepalive=-1", -ERANGE, "keepalive=-1" },
	{ "dest_port 0", MAP "path=ip:10.0.0.1 dest_port=0", -ERANGE,
	  "dest_port=0" },
	{ "dest_port beyond 16 bits", MAP "path=ip:10.0.0.1 dest_port=65536",
	  -ERANGE, "dest_port=65536" },
	{ "dest_port with tcp:", MAP "path=tcp:10.0.0.1 dest_port=1", -EINVAL,
	  "dest_port=1: no path=" },
	{ "dest_port before path", MAP "dest_port=7 path=ip:10.0.0.1", 0, "" },
	{ "path of unknown kind", MAP "path=nfs:10.0.0.1", -EPROTONOSUPPORT,
	  "path=nfs:10.0.0.1" },
	{ "path without prefix", MAP "path=10.0.0.1", -EPROTONOSUPPORT,
	  "path=10.0.0.1" },
	{ "all of it", "tls=psk keepalive=0 fail_timeout=-1 io_timeout=7 "
	  "policy=prefer queue_depth=32 nr_poll_queues=-1 nr_queues=3 "
	  "access_mode=ro device_path=\"/dev/my disk\"\tpath=ip6:fe80::1 "
	  "path=tcp:10.0.0.1:99 dest_port=1234 replay=off sessname=\"two words\"", 0,
	  "" },
};

static const char *map_name(size_t row)
{
	return map_rows[row].name;
}

static void check_all_of_it(const struct unbd_map_options *o)
{
	check_text("sessname", o->sessname, "two words");
	check_text("device_path", o->device_path, "/dev/my disk");
	check_text("access_mode", unbd_access_mode_name(o->access_mode), "ro");
	check_text("policy", unbd_policy_name(o->policy), "prefer");
	check_text("tls", unbd_tls_mode_name(o->tls), "psk");
	check_int("nr_queues", o->nr_queues, 3);
	check_int("nr_poll_queues", o->nr_poll_queues, -1);
	check_int("queue_depth", o->queue_depth, 32);
	check_int("io_timeout", o->io_timeout, 7);
	check_int("fail_timeout", o->fail_timeout, UNBD_FAIL_NEVER);
	check_int("keepalive", o->keepalive, 0);
	check_int("replay", o->replay, 0);
	check_int("nr_paths", o->nr_paths, 2);
	check_text("transport", o->paths[0].transport, "rdma");
	check_int("port", o->paths[0].port, 1234);
	check_text("dst", o->paths[1].dst, "tcp:10.0.0.1:99");
	check_int("port of tcp:", o->paths[1].port, 0);
	check_int("given", o->given, (1 << UNBD_NR_KEYS) - 1);
}

static void check_defaults(const struct unbd_map_options *o)
{
	check_text("sessname", o->sessname, "blya");
	check_text("device_path", o->device_path, "vol0");
	check_text("access_mode", unbd_access_mode_name(o->access_mode), "rw");
	check_text("policy", unbd_policy_name(o->policy), "min-inflight");
	check_text("tls", unbd_tls_mode_name(o->tls), "off");
	check_int("nr_queues", o->nr_queues, 0);
	check_int("nr_poll_queues", o->nr_poll_queues, 0);
	check_int("queue_depth", o->queue_depth, 128);
	check_int("io_timeout", o->io_timeout, 30);
	check_int("fail_timeout", o->fail_timeout, 60);
	check_int("keepalive", o->keepalive, 5);
	check_int("replay", o->replay, 64 << 20);
	check_int("dest_port", o->dest_port, 0);
	check_int("nr_paths", o->nr_paths, 0);
	check_int("given", o->given, 1 << UNBD_KEY_SESSNAME |
		  1 << UNBD_KEY_DEVICE_PATH);
}

static void run_map(size_t row)
{
	const struct map_row *r = &map_rows[row];
	struct unbd_map_options o;
	char *line = expand(r->line);

	memset(&o, 0xaa, sizeof(o));
	check_int("error", unbd_parse_map(line, &o, why, sizeof(why)),
		  r->error);
	if (r->error)
		check_why(why, r->why);
	if (!strcmp(r->name, "all of it"))
		check_all_of_it(&o);
	if (!strcmp(r->line, MAP))
		check_defaults(&o);
	if (strstr(r->name, "default export"))
		check_text("device_path", o.device_path, "");
	if (strstr(r->name, "dest_port before"))
		check_int("port", o.paths[0].port, 7);
	free(line);
}

static void seed_line(struct bytes *b, enum fuzz_line kind, const char *line)
{
	char *text = expand(line);

	put8(b, kind);
	put_text(b, text);
	free(text);
}

static void seed_map(size_t row, struct bytes *b)
{
	seed_line(b, FUZZ_MAP, map_rows[row].line);
}

const struct unit_suite map_suite = {
	"map_device", ARRAY_SIZE(map_rows), map_name, run_map, "lines",
	seed_map,
};

/* ------------------------------------------------------------------ */
/* path=                                                              */

static const struct path_row {
	const char *text;
	const char *transport;
	const char *src;
	const char *dst;
	int error;
	const char *why;
} path_rows[] = {
	{ "ip:10.0.0.1", "rdma", NULL, "ip:10.0.0.1" },
	{ "gid:fe80::1", "rdma", NULL, "gid:fe80::1" },
	{ "rdma:10.0.0.1:1234", "rdma", NULL, "rdma:10.0.0.1:1234" },
	{ "shm:1", "shm", NULL, "shm:1" },
	{ "fd:7", "tcp", NULL, "fd:7" },
	{ "vsock:2:10809", "tcp", NULL, "vsock:2:10809" },
	{ "tcp:[fe80::1%eth0]:10809", "tcp", NULL, "tcp:[fe80::1%eth0]:10809" },
	{ "ip:10.0.0.2,ip:10.0.0.1", "rdma", "ip:10.0.0.2", "ip:10.0.0.1" },
	{ "ip:10.0.0.2@ip:10.0.0.1", "rdma", "ip:10.0.0.2", "ip:10.0.0.1" },
	{ "tcp:10.0.0.2@10.0.0.1:7", "tcp", "tcp:10.0.0.2", "tcp:10.0.0.1:7" },
	{ "10.0.0.2,tcp:10.0.0.1", "tcp", "tcp:10.0.0.2", "tcp:10.0.0.1" },
	{ "unix:/run/a,b@c.sock", "tcp", NULL, "unix:/run/a,b@c.sock" },
	{ "unix:@abstract", "tcp", NULL, "unix:@abstract" },
	{ "", NULL, NULL, NULL, -EPROTONOSUPPORT, "path=: the prefix" },
	{ "tcp", NULL, NULL, NULL, -EPROTONOSUPPORT, "path=tcp:" },
	{ "TCP:10.0.0.1", NULL, NULL, NULL, -EPROTONOSUPPORT, "TCP:10.0.0.1" },
	{ "tcp:", NULL, NULL, NULL, -EINVAL, "tcp: without an address" },
	{ "tcp:10.0.0.2,", NULL, NULL, NULL, -EINVAL, "without an address" },
	{ ",tcp:10.0.0.1", NULL, NULL, NULL, -EINVAL, "without an address" },
	{ "tcp:@tcp:10.0.0.1", NULL, NULL, NULL, -EINVAL, "without an address" },
	{ "tcp:1,2,3", NULL, NULL, NULL, -EINVAL, "more than one source" },
	{ "tcp:1@2,3", NULL, NULL, NULL, -EINVAL, "more than one source" },
	{ "ip:10.0.0.2,tcp:10.0.0.1", NULL, NULL, NULL, -EINVAL,
	  "different kinds" },
	{ "ip:10.0.0.2,ip6:fe80::1", NULL, NULL, NULL, -EINVAL,
	  "different kinds" },
	{ "10.0.0.2,unix:/run/x", NULL, NULL, NULL, -EINVAL,
	  "unix: has no source" },
	{ "10.0.0.2@fd:7", NULL, NULL, NULL, -EINVAL, "fd: has no source" },
	{ "10.0.0.2@10.0.0.1", NULL, NULL, NULL, -EPROTONOSUPPORT,
	  "names no transport" },
	{ "unix:/%121", "tcp", NULL, NULL, 0, NULL },
	{ "unix:/%122", NULL, NULL, NULL, -ENAMETOOLONG, "unix:/xxx" },
	{ "tcp:%200,10.0.0.1", NULL, NULL, NULL, -ENAMETOOLONG, "tcp:xxx" },
};

static const char *path_name(size_t row)
{
	return path_rows[row].text;
}

static void run_path(size_t row)
{
	const struct path_row *r = &path_rows[row];
	struct unbd_path_option path;
	char *text = expand(r->text);

	check_int("error", unbd_parse_path(text, &path, why, sizeof(why)),
		  r->error);
	if (r->error) {
		check_why(why, r->why);
		free(text);
		return;
	}
	check_text("transport", path.transport, r->transport);
	check_text("dst", path.dst, r->dst ? r->dst : text);
	check(!r->src == !path.src, "source is %s",
	      path.src ? path.src : "missing");
	if (r->src)
		check_text("src", path.src, r->src);
	free(text);
}

static void seed_path(size_t row, struct bytes *b)
{
	seed_line(b, FUZZ_PATH, path_rows[row].text);
}

const struct unit_suite path_suite = {
	"path", ARRAY_SIZE(path_rows), path_name, run_path, "lines", seed_path,
};

/* ------------------------------------------------------------------ */
/* unmap_device, resize, policy                                       */

/* In the order of enum fuzz_line */
enum word_file { FILE_UNMAP, FILE_RESIZE, FILE_POLICY };

static const struct word_row {
	const char *name;
	enum word_file file;
	const char *text;
	int error;
	long long value;
} word_rows[] = {
	{ "unmap normal", FILE_UNMAP, "normal\n", 0, false },
	{ "unmap force", FILE_UNMAP, "force", 0, true },
	{ "unmap nothing", FILE_UNMAP, "", -EINVAL, 0 },
	{ "unmap newline", FILE_UNMAP, "\n", -EINVAL, 0 },
	{ "unmap a prefix", FILE_UNMAP, "forc", -EINVAL, 0 },
	{ "unmap more", FILE_UNMAP, "force now", -EINVAL, 0 },
	{ "unmap two lines", FILE_UNMAP, "force\n\n", -EINVAL, 0 },
	{ "resize", FILE_RESIZE, "2048\n", 0, 2048 },
	{ "resize to nothing", FILE_RESIZE, "0", 0, 0 },
	{ "resize to the most", FILE_RESIZE, "18014398509481983", 0,
	  18014398509481983LL },
	{ "resize beyond loff_t", FILE_RESIZE, "18014398509481984", -ERANGE,
	  0 },
	{ "resize beyond 64 bits", FILE_RESIZE, "18446744073709551616",
	  -ERANGE, 0 },
	{ "resize negative", FILE_RESIZE, "-1", -EINVAL, 0 },
	{ "resize with a unit", FILE_RESIZE, "1M", -EINVAL, 0 },
	{ "resize nothing", FILE_RESIZE, "", -EINVAL, 0 },
	{ "policy", FILE_POLICY, "round-robin\n", 0,
	  UNBD_POLICY_ROUND_ROBIN },
	{ "policy prefer", FILE_POLICY, "prefer", 0, UNBD_POLICY_PREFER },
	{ "policy as in RNBD", FILE_POLICY, "ml\n", 0,
	  UNBD_POLICY_MIN_LATENCY },
	{ "policy unknown", FILE_POLICY, "random", -EINVAL, 0 },
	{ "policy nothing", FILE_POLICY, "", -EINVAL, 0 },
};

static const char *word_name(size_t row)
{
	return word_rows[row].name;
}

static int parse_word(const struct word_row *r, const char *text,
		      long long *value)
{
	enum unbd_policy policy = 0;
	bool force = false;
	u64 sectors = 0;
	int err;

	switch (r->file) {
	case FILE_UNMAP:
		err = unbd_parse_unmap(text, &force, why, sizeof(why));
		*value = force;
		return err;
	case FILE_RESIZE:
		err = unbd_parse_resize(text, &sectors, why, sizeof(why));
		*value = sectors;
		return err;
	default:
		err = unbd_parse_policy(text, &policy, why, sizeof(why));
		*value = policy;
		return err;
	}
}

static void run_word(size_t row)
{
	const struct word_row *r = &word_rows[row];
	char *text = copy(r->text);
	long long value;

	check_int("error", parse_word(r, text, &value), r->error);
	if (r->error)
		check_why(why, "is expected");
	check_int("value", value, r->value);
	free(text);
}

static void seed_word(size_t row, struct bytes *b)
{
	seed_line(b, FUZZ_UNMAP + word_rows[row].file, word_rows[row].text);
}

const struct unit_suite word_suite = {
	"client sysfs", ARRAY_SIZE(word_rows), word_name, run_word, "lines",
	seed_word,
};
