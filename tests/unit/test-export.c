// SPDX-License-Identifier: GPL-2.0
/*
 * Lines written to the server's sysfs files, and who is let in.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "core/server/options.h"

#include "../fuzz/fuzz.h"
#include "unit.h"

static char why[UNBD_WHY_LEN];

/* ------------------------------------------------------------------ */
/* export_device, unexport_device, listen                             */

/* What is behind it is the form of a row's result; order of enum fuzz_line */
enum line_file {
	FILE_EXPORT,	/* name|device_path|access_mode|clients */
	FILE_UNEXPORT,	/* name|force */
	FILE_LISTEN,	/* transport|address */
};

#define CLIENTS_8	"::1,::1,::1,::1,::1,::1,::1,::1"
#define CLIENTS_64	CLIENTS_8 "," CLIENTS_8 "," CLIENTS_8 "," CLIENTS_8 "," \
			CLIENTS_8 "," CLIENTS_8 "," CLIENTS_8 "," CLIENTS_8

static const struct line_row {
	enum line_file file;
	const char *line;
	int error;
	const char *text;	/* the value, or part of the message */
} line_rows[] = {
	{ FILE_EXPORT, "name=vol0 device_path=/dev/sdb1 access_mode=ro\n", 0,
	  "vol0|/dev/sdb1|ro|" },
	{ FILE_EXPORT, "clients=10.0.0.0/8 device_path=\"/a b\" name=\"c d\"",
	  0, "c d|/a b|rw|10.0.0.0/8 " },
	{ FILE_EXPORT, "name=a device_path=/b clients=10.1.2.3,fe80::/10 "
	  "access_mode=migration clients=::1", 0,
	  "a|/b|migration|10.1.2.3/32 fe80:0:0:0:0:0:0:0/10 "
	  "0:0:0:0:0:0:0:1/128 " },
	{ FILE_EXPORT, "", -EINVAL, "name= is missing" },
	{ FILE_EXPORT, "device_path=/b", -EINVAL, "name= is missing" },
	{ FILE_EXPORT, "name=a", -EINVAL, "device_path= is missing" },
	{ FILE_EXPORT, "name= device_path=/b", -EINVAL, "name= has no value" },
	{ FILE_EXPORT, "name=a device_path=", -EINVAL, "device_path=" },
	{ FILE_EXPORT, "name=a device_path=b", -EINVAL, "device_path=b" },
	{ FILE_EXPORT, "name=a/b device_path=/b", -EINVAL, "name=a/b" },
	{ FILE_EXPORT, "name=.. device_path=/b", -EINVAL, "name=.." },
	{ FILE_EXPORT, "name=a name=a device_path=/b", -EINVAL,
	  "name= is given twice" },
	{ FILE_EXPORT, "name=a device_path=/b device_path=/c", -EINVAL,
	  "device_path= is given twice, again as /c" },
	{ FILE_EXPORT, "name=a device_path=/b access_mode=rw access_mode=ro",
	  -EINVAL, "access_mode= is given twice" },
	{ FILE_EXPORT, "name=a device_path=/b access_mode=wo", -EINVAL,
	  "access_mode=wo" },
	{ FILE_EXPORT, "name=a device_path=/b clients=", -EINVAL, "clients=" },
	{ FILE_EXPORT, "name=a device_path=/b clients=10.0.0.1,", -EINVAL,
	  "clients=: ADDRESS" },
	{ FILE_EXPORT, "name=a device_path=/b clients=host", -EINVAL,
	  "clients=host" },
	{ FILE_EXPORT, "name=a device_path=/b readonly", -EINVAL,
	  "\"readonly\"" },
	{ FILE_EXPORT, "name=\"a device_path=/b", -EINVAL, "quote" },
	{ FILE_EXPORT, "name=a\001 device_path=/b", -EINVAL, "control byte" },
	{ FILE_EXPORT, "name=a device_path=/b clients=" CLIENTS_64
	  " clients=10.0.0.1", -E2BIG, "clients=10.0.0.1: 64 ranges" },
	{ FILE_UNEXPORT, "vol0\n", 0, "vol0|0" },
	{ FILE_UNEXPORT, " \"vol 0\" force\n", 0, "vol 0|1" },
	{ FILE_UNEXPORT, "", -EINVAL, "NAME [force] is expected" },
	{ FILE_UNEXPORT, "vol0 now", -EINVAL, "NAME [force] is expected" },
	{ FILE_UNEXPORT, "vol0 force now", -EINVAL, "\"now\" is too much" },
	{ FILE_UNEXPORT, "../vol0", -EINVAL, "../vol0" },
	{ FILE_UNEXPORT, "\"\"", -EINVAL, "name  has no value" },
	{ FILE_LISTEN, "tcp:0.0.0.0:10809\n", 0, "tcp|tcp:0.0.0.0:10809" },
	{ FILE_LISTEN, "rdma:0.0.0.0:1234", 0, "rdma|rdma:0.0.0.0:1234" },
	{ FILE_LISTEN, "\"unix:/run/a b\"", 0, "tcp|unix:/run/a b" },
	{ FILE_LISTEN, "", -EINVAL, "one address is expected" },
	{ FILE_LISTEN, "tcp:::1 tcp:::2", -EINVAL, "one address is expected" },
	{ FILE_LISTEN, "udp:::1", -EPROTONOSUPPORT, "udp:::1" },
	{ FILE_LISTEN, "0.0.0.0", -EPROTONOSUPPORT, "0.0.0.0" },
	{ FILE_LISTEN, "unix:/123456789012345678901234567890123456789012345678"
	  "90123456789012345678901234567890123456789012345678901234567890123"
	  "4567890123456789", -ENAMETOOLONG, "unix:/1234" },
};

static const char *line_name(size_t row)
{
	static char name[128];
	static const char * const files[] = { "export", "unexport", "listen" };
	size_t i;

	snprintf(name, sizeof(name), "%s '%.90s'", files[line_rows[row].file],
		 line_rows[row].line);
	for (i = 0; name[i]; i++)
		if (name[i] < ' ')
			name[i] = '?';
	return name;
}

static int parse_export(char *line, char *text, size_t size)
{
	struct unbd_export_options o;
	unsigned int i;
	int err, n;

	memset(&o, 0xaa, sizeof(o));
	err = unbd_parse_export(line, &o, why, sizeof(why));
	if (err)
		return err;
	n = snprintf(text, size, "%s|%s|%s|", o.name, o.device_path,
		     unbd_access_mode_name(o.access_mode));
	for (i = 0; i < o.nr_clients; i++) {
		n += unbd_cidr_print(&o.clients[i], text + n, size - n);
		n += snprintf(text + n, size - n, " ");
	}
	return 0;
}

static int parse_line(enum line_file file, char *line, char *text, size_t size)
{
	struct unbd_unexport_options u;
	struct unbd_listen_options l;
	int err;

	switch (file) {
	case FILE_EXPORT:
		return parse_export(line, text, size);
	case FILE_UNEXPORT:
		err = unbd_parse_unexport(line, &u, why, sizeof(why));
		if (!err)
			snprintf(text, size, "%s|%d", u.name, u.force);
		return err;
	default:
		err = unbd_parse_listen(line, &l, why, sizeof(why));
		if (!err)
			snprintf(text, size, "%s|%s", l.transport, l.address);
		return err;
	}
}

static void run_line(size_t row)
{
	const struct line_row *r = &line_rows[row];
	char *line = strdup(r->line);
	char text[512];

	check_int("error", parse_line(r->file, line, text, sizeof(text)),
		  r->error);
	if (r->error)
		check_why(why, r->text);
	else
		check_text("result", text, r->text);
	free(line);
}

static void seed_line(size_t row, struct bytes *b)
{
	put8(b, FUZZ_EXPORT + line_rows[row].file);
	put_text(b, line_rows[row].line);
}

const struct unit_suite export_suite = {
	"server sysfs", ARRAY_SIZE(line_rows), line_name, run_line, "lines",
	seed_line,
};

/* ------------------------------------------------------------------ */
/* clients=                                                           */

static const struct cidr_row {
	const char *cidr;
	const char *peer;	/* NULL: parse only; "unix": no address */
	bool match;
	int error;
} cidr_rows[] = {
	{ "10.0.0.0/8", "10.255.1.2", true, 0 },
	{ "10.0.0.0/8", "11.0.0.0", false, 0 },
	{ "10.1.2.3", "10.1.2.3", true, 0 },
	{ "10.1.2.3", "10.1.2.2", false, 0 },
	{ "10.1.2.3/31", "10.1.2.2", true, 0 },
	{ "10.1.2.3/25", "10.1.2.127", true, 0 },
	{ "10.1.2.3/25", "10.1.2.128", false, 0 },
	{ "0.0.0.0/0", "192.0.2.1", true, 0 },
	{ "0.0.0.0/0", "::ffff:192.0.2.1", true, 0 },
	{ "0.0.0.0/0", "2001:db8::1", false, 0 },
	{ "::/0", "2001:db8::1", true, 0 },
	{ "::/0", "192.0.2.1", false, 0 },
	{ "::/0", "::ffff:192.0.2.1", false, 0 },
	{ "2001:db8::/33", "2001:db8:7fff::1", true, 0 },
	{ "2001:db8::/33", "2001:db8:8000::1", false, 0 },
	{ "2001:db8::1", "2001:db8::1", true, 0 },
	{ "2001:db8::1", "2001:db8::2", false, 0 },
	{ "10.0.0.0/8", "::ffff:10.1.2.3", true, 0 },
	{ "::ffff:10.0.0.0/104", "10.1.2.3", true, 0 },
	{ "::ffff:10.0.0.0/104", "11.1.2.3", false, 0 },
	{ "10.0.0.0/8", "unix", false, 0 },
	{ "0.0.0.0/0", "unix", false, 0 },
	{ "", NULL, false, -EINVAL },
	{ "/8", NULL, false, -EINVAL },
	{ "10.0.0.0/", NULL, false, -EINVAL },
	{ "10.0.0.0/33", NULL, false, -ERANGE },
	{ "10.0.0.0/-1", NULL, false, -EINVAL },
	{ "10.0.0.0/+8", NULL, false, -EINVAL },
	{ "10.0.0.0/8/8", NULL, false, -EINVAL },
	{ "10.0.0.0/a", NULL, false, -EINVAL },
	{ "::1/129", NULL, false, -ERANGE },
	{ "::1/4294967297", NULL, false, -ERANGE },
	{ "10.0.0", NULL, false, -EINVAL },
	{ "10.0.0.256", NULL, false, -EINVAL },
	{ "10.0.0.1:80", NULL, false, -EINVAL },
	{ "fe80::1%eth0", NULL, false, -EINVAL },
	{ "1:2:3", NULL, false, -EINVAL },
};

static const char *cidr_name(size_t row)
{
	static char name[96];
	const struct cidr_row *r = &cidr_rows[row];

	snprintf(name, sizeof(name), "'%s' %s %s", r->cidr,
		 r->error ? "is refused" : r->match ? "lets in" : "keeps out",
		 r->peer ? r->peer : "");
	return name;
}

static void peer_address(const char *text, struct sockaddr_storage *peer)
{
	struct sockaddr_in *v4 = (void *)peer;
	struct sockaddr_in6 *v6 = (void *)peer;

	memset(peer, 0, sizeof(*peer));
	if (!strcmp(text, "unix")) {
		peer->ss_family = AF_UNIX;
	} else if (strchr(text, ':')) {
		v6->sin6_family = AF_INET6;
		check_int("pton", inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
	} else {
		v4->sin_family = AF_INET;
		check_int("pton", inet_pton(AF_INET, text, &v4->sin_addr), 1);
	}
}

static void run_cidr(size_t row)
{
	const struct cidr_row *r = &cidr_rows[row];
	struct sockaddr_storage peer;
	struct unbd_cidr cidr;
	char *text = strdup(r->cidr);

	check_int("error", unbd_parse_cidr(text, &cidr, why, sizeof(why)),
		  r->error);
	free(text);
	if (r->error) {
		check_why(why, "clients=");
		return;
	}
	peer_address(r->peer, &peer);
	check_int("match", unbd_cidr_match(&cidr, (struct sockaddr *)&peer),
		  r->match);
}

static void seed_cidr(size_t row, struct bytes *b)
{
	put8(b, FUZZ_CIDR);
	put_text(b, cidr_rows[row].cidr);
}

const struct unit_suite cidr_suite = {
	"clients", ARRAY_SIZE(cidr_rows), cidr_name, run_cidr, "lines",
	seed_cidr,
};
