// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses of the stream transport.
 */
#include "transport-tcp/address.h"

#include "../fuzz/fuzz.h"
#include "unit.h"

#define DEFAULT_PORT	10809

static const struct address_row {
	const char *text;
	int error;
	const char *result;	/* or part of the message */
} rows[] = {
	{ "tcp:10.0.0.1", 0, "inet 10.0.0.1 10809" },
	{ "tcp:10.0.0.1:1", 0, "inet 10.0.0.1 1" },
	{ "tcp:0.0.0.0:65535", 0, "inet 0.0.0.0 65535" },
	{ "tcp:[fe80::1%eth0]:10809", 0, "inet6 fe80::1%eth0 10809" },
	{ "tcp:[fe80::1%eth0]", 0, "inet6 fe80::1%eth0 10809" },
	{ "tcp:fe80::1%eth0", 0, "inet6 fe80::1%eth0 10809" },
	{ "tcp:fe80::1", 0, "inet6 fe80::1 10809" },
	{ "tcp:::1", 0, "inet6 ::1 10809" },
	{ "tcp:::", 0, "inet6 :: 10809" },
	{ "tcp:[::]:7", 0, "inet6 :: 7" },
	{ "tcp:2001:db8:0:0:0:0:0:1", 0, "inet6 2001:db8:0:0:0:0:0:1 10809" },
	{ "tcp:::ffff:10.0.0.1", 0, "inet6 ::ffff:10.0.0.1 10809" },
	{ "tcp:[0123:4567:89ab:cdef:0123:4567:89ab:cdef%abcdefghijklmno]:1", 0,
	  "inet6 0123:4567:89ab:cdef:0123:4567:89ab:cdef%abcdefghijklmno 1" },
	{ "tcp:fe80::1:ab", 0, "inet6 fe80::1:ab 10809" },
	{ "tcp:fe80::1:80", -EINVAL, "is \":80\" a port?" },
	{ "tcp:2001:db8::1:2", -EINVAL, "is \":2\" a port?" },
	{ "tcp:fe80::1:10809", -EINVAL, "is \":10809\" a port?" },
	{ "tcp:[fe80::1%]", -EINVAL, "no numeric IPv6" },
	{ "tcp:[fe80::1%abcdefghijklmnop]", -EINVAL, "no numeric IPv6" },
	{ "tcp:[10.0.0.1]:80", -EINVAL, "no numeric IPv6" },
	{ "tcp:[fe80::1", -EINVAL, "[ADDRESS]" },
	{ "tcp:[fe80::1]80", -EINVAL, "[ADDRESS]:PORT" },
	{ "tcp:[]", -EINVAL, "no numeric" },
	{ "tcp:", -EINVAL, "tcp:: \"\"" },
	{ "tcp::80", -EINVAL, "no numeric" },
	{ "tcp:server.example:80", -EINVAL, "\"server.example\" is no" },
	{ "tcp:10.0.0", -EINVAL, "no numeric" },
	{ "tcp:10.0.0.1.2", -EINVAL, "no numeric" },
	{ "tcp:10.0.0.1:", -EINVAL, "\"\" is no port" },
	{ "tcp:10.0.0.1:0", -ERANGE, "\"0\" is no port" },
	{ "tcp:10.0.0.1:65536", -ERANGE, "\"65536\" is no port" },
	{ "tcp:10.0.0.1:99999999999999999999999", -ERANGE, "no port" },
	{ "tcp:10.0.0.1:http", -EINVAL, "\"http\" is no port" },
	{ "tcp:10.0.0.1:-1", -EINVAL, "\"-1\" is no port" },
	{ "tcp:[::1]:+80", -EINVAL, "\"+80\" is no port" },
	{ "tcp:10.0.0.1:80 ", -EINVAL, "no port" },
	{ "unix:/run/x.sock", 0, "unix /run/x.sock" },
	{ "unix:@abstract", 0, "unix @abstract" },
	{ "unix:/a:b,c@d", 0, "unix /a:b,c@d" },
	{ "unix:/34567890123456789012345678901234567890123456789012345678901"
	  "2345678901234567890123456789012345678901234567", 0,
	  "unix /34567890123456789012345678901234567890123456789012345678901"
	  "2345678901234567890123456789012345678901234567" },
	{ "unix:/345678901234567890123456789012345678901234567890123456789012"
	  "345678901234567890123456789012345678901234567890", -ENAMETOOLONG,
	  "107 bytes" },
	{ "unix:", -EINVAL, "unix:/PATH" },
	{ "unix:@", -EINVAL, "unix:/PATH" },
	{ "unix:/", -EINVAL, "unix:/PATH" },
	{ "unix:run/x", -EINVAL, "unix:/PATH" },
	{ "vsock:2:10809", 0, "vsock 2 10809" },
	{ "vsock:3", 0, "vsock 3 10809" },
	{ "vsock:any:1", 0, "vsock 4294967295 1" },
	{ "vsock:4294967294:4294967294", 0, "vsock 4294967294 4294967294" },
	{ "vsock:4294967295:1", -ERANGE, "context id" },
	{ "vsock:2:4294967295", -ERANGE, "no port" },
	{ "vsock:2:0", -ERANGE, "no port" },
	{ "vsock::1", -EINVAL, "context id" },
	{ "vsock:", -EINVAL, "context id" },
	{ "vsock:host:1", -EINVAL, "\"host\" is no vsock context id" },
	{ "vsock:1234567890123:1", -EINVAL, "vsock:CID:PORT" },
	{ "vsock:2:1:1", -EINVAL, "no port" },
	{ "fd:7", 0, "fd 7" },
	{ "fd:0", 0, "fd 0" },
	{ "fd:2147483647", 0, "fd 2147483647" },
	{ "fd:2147483648", -ERANGE, "no file descriptor" },
	{ "fd:-1", -EINVAL, "no file descriptor" },
	{ "fd:", -EINVAL, "no file descriptor" },
	{ "fd:7x", -EINVAL, "no file descriptor" },
	{ "ip:10.0.0.1", -EPROTONOSUPPORT, "tcp:, unix:, vsock: or fd:" },
	{ "10.0.0.1", -EPROTONOSUPPORT, "tcp:, unix:, vsock: or fd:" },
	{ "", -EPROTONOSUPPORT, "tcp:, unix:, vsock: or fd:" },
};

static const char *row_name(size_t row)
{
	return rows[row].text;
}

static void print(const struct unbd_tcp_address *a, char *text, size_t size)
{
	switch (a->kind) {
	case UNBD_TCP_INET:
	case UNBD_TCP_INET6:
		snprintf(text, size, "inet%s %s %s",
			 a->kind == UNBD_TCP_INET6 ? "6" : "", a->host,
			 a->port_text);
		check_int("port", a->port, atoi(a->port_text));
		break;
	case UNBD_TCP_UNIX:
		snprintf(text, size, "unix %s", a->path);
		break;
	case UNBD_TCP_VSOCK:
		snprintf(text, size, "vsock %u %u", a->cid, a->port);
		break;
	case UNBD_TCP_FD:
		snprintf(text, size, "fd %d", a->fd);
		break;
	}
}

static void run(size_t row)
{
	const struct address_row *r = &rows[row];
	char *text = strdup(r->text);
	struct unbd_tcp_address a;
	char why[160], result[160];

	memset(&a, 0xaa, sizeof(a));
	check_int("error", unbd_tcp_parse_address(text, DEFAULT_PORT, &a, why,
						  sizeof(why)), r->error);
	if (r->error) {
		check_why(why, r->result);
	} else {
		print(&a, result, sizeof(result));
		check_text("result", result, r->result);
	}
	free(text);
}

static void seed(size_t row, struct bytes *b)
{
	put8(b, FUZZ_ADDRESS);
	put_text(b, rows[row].text);
}

const struct unit_suite address_suite = {
	"tcp address", ARRAY_SIZE(rows), row_name, run, "lines", seed,
};
