// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses of the RDMA transport.
 */
#include "transport-rdma/address.h"

#include "../fuzz/fuzz.h"
#include "unit.h"

static const struct address_row {
	const char *text;
	int error;
	const char *result;	/* or part of the message */
} rows[] = {
	{ "ip:10.0.0.1", 0, "inet 10.0.0.1 1234" },
	{ "ip:10.0.0.1:99", 0, "inet 10.0.0.1 99" },
	{ "rdma:10.0.0.1", 0, "inet 10.0.0.1 1234" },
	{ "rdma:10.0.0.1:65535", 0, "inet 10.0.0.1 65535" },
	{ "rdma:0.0.0.0:1", 0, "inet 0.0.0.0 1" },
	{ "ip:fe80::1", 0, "inet6 fe80::1 1234" },
	{ "ip6:fe80::1%eth0", 0, "inet6 fe80::1%eth0 1234" },
	{ "ip:fe80::1:80", 0, "inet6 fe80::1:80 1234" },
	{ "rdma:[fe80::1%eth0]:80", 0, "inet6 fe80::1%eth0 80" },
	{ "rdma:[::]", 0, "inet6 :: 1234" },
	{ "gid:fe80:0000:0000:0000:5054:00ff:fe00:0001", 0,
	  "gid fe80..01 1234" },
	{ "rdma:10.0.0.1:", -EINVAL, "\"\" is no port" },
	{ "rdma:10.0.0.1:0", -ERANGE, "\"0\" is no port" },
	{ "rdma:10.0.0.1:65536", -ERANGE, "\"65536\" is no port" },
	{ "rdma:10.0.0.1:99999999999999", -ERANGE, "no port" },
	{ "rdma:10.0.0.1:http", -EINVAL, "\"http\" is no port" },
	{ "rdma:10.0.0.1:80 ", -EINVAL, "no port" },
	{ "rdma:10.0.0.1:+80", -EINVAL, "no port" },
	{ "rdma:10.0.0", -EINVAL, "no numeric IPv4 or IPv6" },
	{ "rdma:", -EINVAL, "\"\" is no numeric" },
	{ "rdma::80", -EINVAL, "\"\" is no numeric" },
	{ "rdma:server.example", -EINVAL, "no numeric" },
	{ "rdma:[10.0.0.1]", -EINVAL, "no numeric IPv6" },
	{ "rdma:[fe80::1", -EINVAL, "[ADDRESS]" },
	{ "rdma:[fe80::1]80", -EINVAL, "[ADDRESS]:PORT" },
	{ "rdma:[fe80::1%]", -EINVAL, "no numeric IPv6" },
	{ "ip:fe80::1%abcdefghijklmnop", -EINVAL, "no numeric" },
	{ "gid:", -EINVAL, "no GID" },
	{ "gid:fe80", -EINVAL, "no GID" },
	{ "gid:fe80::1 ", -EINVAL, "no GID" },
	{ "tcp:10.0.0.1", -EPROTONOSUPPORT, "rdma:, ip:, ip6: or gid:" },
	{ "", -EPROTONOSUPPORT, "begins with" },
};

static const char *row_name(size_t row)
{
	return rows[row].text;
}

static void run(size_t row)
{
	static const char * const kinds[] = { "inet", "inet6", "gid" };
	const struct address_row *r = &rows[row];
	struct unbd_rdma_address a;
	char *text = strdup(r->text);
	char why[160], result[160];

	memset(&a, 0xaa, sizeof(a));
	check_int("error", unbd_rdma_parse_address(text, 1234, &a, why,
						   sizeof(why)), r->error);
	free(text);
	if (r->error) {
		check_why(why, r->result);
		return;
	}
	if (a.kind == UNBD_RDMA_GID)
		snprintf(a.host, sizeof(a.host), "%02x%02x..%02x", a.gid[0],
			 a.gid[1], a.gid[15]);
	snprintf(result, sizeof(result), "%s %s %s", kinds[a.kind], a.host,
		 a.port_text);
	check_text("result", result, r->result);
	check_int("port", a.port, atoi(a.port_text));
}

static void seed(size_t row, struct bytes *b)
{
	put8(b, FUZZ_RDMA_ADDRESS);
	put_text(b, rows[row].text);
}

const struct unit_suite rdma_address_suite = {
	"rdma address", ARRAY_SIZE(rows), row_name, run, "lines", seed,
};
