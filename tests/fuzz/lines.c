// SPDX-License-Identifier: GPL-2.0
/*
 * What users write to sysfs and to parameters of modules, and addresses.
 */
#include <netinet/in.h>

#include "core/client/options.h"
#include "core/server/options.h"
#include "transport-rdma/address.h"
#include "transport-shm/options.h"
#include "transport-tcp/address.h"

#include "fuzz.h"

static char why[UNBD_WHY_LEN];

static void check_name(const char *name)
{
	must(*name && strlen(name) <= UNBD_NAME_MAX && !strchr(name, '/'));
	must(strcmp(name, ".") && strcmp(name, ".."));
}

static void check_path(const struct unbd_path_option *path)
{
	const struct unbd_scheme *scheme = unbd_find_scheme(path->dst);

	must(scheme && !strcmp(scheme->transport, path->transport));
	must(strlen(path->dst) < UNBD_ADDRESS_LEN);
	must(strlen(path->dst) > strlen(scheme->prefix));
	if (!path->src)
		return;
	must(unbd_find_scheme(path->src) == scheme && scheme->is_ip);
	must(strlen(path->src) < UNBD_ADDRESS_LEN);
}

static int parse_map(char *line)
{
	struct unbd_map_options o;
	unsigned int i;
	int err = unbd_parse_map(line, &o, why, sizeof(why));

	if (err)
		return err;
	check_name(o.sessname);
	must(strlen(o.device_path) <= UNBD_DEVICE_PATH_MAX);
	must(o.nr_paths <= UNBD_MAX_PATHS);
	for (i = 0; i < o.nr_paths; i++)
		check_path(&o.paths[i]);
	must(o.nr_queues >= 0 && o.nr_queues <= UNBD_MAX_QUEUES);
	must(o.queue_depth > 0 && o.queue_depth <= UNBD_MAX_QUEUE_DEPTH);
	must(o.io_timeout > 0 && o.fail_timeout >= -1 && o.keepalive >= 0);
	must(unbd_policy_name(o.policy) && unbd_tls_mode_name(o.tls));
	return 0;
}

static int parse_path(char *text)
{
	struct unbd_path_option path;
	int err = unbd_parse_path(text, &path, why, sizeof(why));

	if (!err)
		check_path(&path);
	return err;
}

static void check_cidr(const struct unbd_cidr *cidr)
{
	struct sockaddr_in6 peer = { .sin6_family = AF_INET6 };
	struct unbd_cidr again;
	char text[48];
	int n = unbd_cidr_print(cidr, text, sizeof(text));

	must(n > 0 && n < (int)sizeof(text) - 1);
	must(!unbd_parse_cidr(text, &again, why, sizeof(why)));
	must(!memcmp(cidr, &again, sizeof(again)));
	memcpy(&peer.sin6_addr, cidr->addr, sizeof(cidr->addr));
	if (cidr->v6)
		must(unbd_cidr_match(cidr, (struct sockaddr *)&peer));
}

static int parse_export(char *line)
{
	struct unbd_export_options o;
	unsigned int i;
	int err = unbd_parse_export(line, &o, why, sizeof(why));

	if (err)
		return err;
	check_name(o.name);
	must(*o.device_path == '/' && o.nr_clients <= UNBD_MAX_CLIENTS);
	for (i = 0; i < o.nr_clients; i++)
		check_cidr(&o.clients[i]);
	return 0;
}

static int parse_cidr(char *text)
{
	struct unbd_cidr cidr;
	int err = unbd_parse_cidr(text, &cidr, why, sizeof(why));

	if (!err)
		check_cidr(&cidr);
	return err;
}

static int parse_unexport(char *line)
{
	struct unbd_unexport_options o;
	int err = unbd_parse_unexport(line, &o, why, sizeof(why));

	if (!err)
		check_name(o.name);
	return err;
}

static int parse_listen(char *line)
{
	struct unbd_listen_options o;
	int err = unbd_parse_listen(line, &o, why, sizeof(why));

	if (!err)
		must(strlen(o.address) < UNBD_ADDRESS_LEN);
	return err;
}

static int parse_address(char *text)
{
	struct unbd_tcp_address a;
	int err = unbd_tcp_parse_address(text, 10809, &a, why, sizeof(why));

	if (err)
		return err;
	must(strnlen(a.host, sizeof(a.host)) < sizeof(a.host));
	must(strnlen(a.path, sizeof(a.path)) < sizeof(a.path));
	must(a.kind != UNBD_TCP_FD || a.fd >= 0);
	must(a.kind >= UNBD_TCP_UNIX || (a.port > 0 && a.port < 65536));
	return 0;
}

static int parse_rdma_address(char *text)
{
	struct unbd_rdma_address a;
	int err = unbd_rdma_parse_address(text, 1234, &a, why, sizeof(why));

	if (err)
		return err;
	must(strnlen(a.host, sizeof(a.host)) < sizeof(a.host));
	must(strnlen(a.port_text, sizeof(a.port_text)) < sizeof(a.port_text));
	must(a.port > 0 && a.port == atoi(a.port_text));
	return 0;
}

static void check_region(const struct shm_region_name *r)
{
	must(strnlen(r->provider, SHM_PROVIDER_LEN) < SHM_PROVIDER_LEN);
	must(strnlen(r->place, SHM_PLACE_LEN) < SHM_PLACE_LEN);
	must(strnlen(r->name, SHM_NAME_LEN) < SHM_NAME_LEN);
	must(!*r->name == !!r->length);
}

static int parse_connections(const char *text)
{
	struct shm_connection_option o;
	const char *before;
	int err;

	do {
		before = text;
		err = shm_parse_connection(&text, &o, why, sizeof(why));
		if (err)
			return err;
		must(text > before);
		check_region(&o.request);
		check_region(&o.response);
		check_region(&o.buffer);
		must(o.request_protocol && o.response_protocol);
	} while (*text);
	return 0;
}

static int parse_devices(const char *text)
{
	struct shm_device_option o;
	const char *before;
	int err;

	do {
		before = text;
		err = shm_parse_device(&text, &o, why, sizeof(why));
		if (err)
			return err;
		must(text > before);
		must(*o.path && strnlen(o.path, SHM_DEVICE_LEN) <
		     SHM_DEVICE_LEN);
	} while (*text);
	return 0;
}

static int parse_remove(const char *text)
{
	bool force;
	u32 id;

	return shm_parse_remove(text, &id, &force, why, sizeof(why));
}

static int parse(enum fuzz_line kind, char *line)
{
	enum unbd_policy policy;
	u64 sectors;
	bool force;

	switch (kind) {
	case FUZZ_MAP:
		return parse_map(line);
	case FUZZ_PATH:
		return parse_path(line);
	case FUZZ_UNMAP:
		return unbd_parse_unmap(line, &force, why, sizeof(why));
	case FUZZ_RESIZE:
		return unbd_parse_resize(line, &sectors, why, sizeof(why));
	case FUZZ_POLICY:
		return unbd_parse_policy(line, &policy, why, sizeof(why));
	case FUZZ_EXPORT:
		return parse_export(line);
	case FUZZ_UNEXPORT:
		return parse_unexport(line);
	case FUZZ_LISTEN:
		return parse_listen(line);
	case FUZZ_CIDR:
		return parse_cidr(line);
	case FUZZ_RDMA_ADDRESS:
		return parse_rdma_address(line);
	case FUZZ_SHM_CONNECTIONS:
		return parse_connections(line);
	case FUZZ_SHM_DEVICES:
		return parse_devices(line);
	case FUZZ_SHM_REMOVE:
		return parse_remove(line);
	default:
		return parse_address(line);
	}
}

/*
 * Files that take whole lines refuse control bytes themselves; the others are
 * given words that have been through that.
 */
static bool takes_lines(enum fuzz_line kind)
{
	return kind == FUZZ_MAP || kind == FUZZ_EXPORT ||
		kind == FUZZ_UNEXPORT || kind == FUZZ_LISTEN;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	enum fuzz_line kind;
	char *line;
	int err;

	if (!size || memchr(data + 1, 0, size - 1))
		return 0;
	kind = data[0] % FUZZ_LINES;
	line = strndup((const char *)data + 1, size - 1);
	must(line);
	if (takes_lines(kind) ||
	    (!unbd_check_line(line, why, sizeof(why)) && !strchr(line, '\n'))) {
		memset(why, 0, sizeof(why));
		err = parse(kind, line);
		if (err)
			must_say_why(err, why, sizeof(why));
	}
	free(line);
	return 0;
}
