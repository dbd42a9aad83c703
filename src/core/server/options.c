// SPDX-License-Identifier: GPL-2.0
/*
 * The server's sysfs lines, taken apart, and lists of client addresses.
 */
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/inet.h>
#include <linux/kernel.h>
#include <linux/socket.h>
#include <linux/string.h>

#include "options.h"

#define V4_BITS		32
#define V6_BITS		128

/* Where IPv4 lives inside IPv6 */
#define MAPPED_BYTES	12
#define MAPPED_BITS	96

static const u8 mapped_prefix[MAPPED_BYTES] = { [10] = 0xff, [11] = 0xff };

/* ------------------------------------------------------------------ */
/* Ranges of addresses                                                */

/* Do the first @bits bits agree? */
static bool same_bits(const u8 *a, const u8 *b, unsigned int bits)
{
	unsigned int bytes = bits / 8;
	u8 mask = 0xff << (8 - bits % 8);

	if (memcmp(a, b, bytes))
		return false;
	return !(bits % 8) || !((a[bytes] ^ b[bytes]) & mask);
}

static void clear_host_bits(struct unbd_cidr *cidr)
{
	unsigned int i;

	for (i = cidr->prefix; i < V6_BITS; i++)
		cidr->addr[i / 8] &= ~(0x80 >> i % 8);
}

/* A client of a dual-stack listener has its IPv4 address inside an IPv6 one. */
static void unmap(struct unbd_cidr *cidr)
{
	if (!cidr->v6 || cidr->prefix < MAPPED_BITS ||
	    memcmp(cidr->addr, mapped_prefix, MAPPED_BYTES))
		return;
	memmove(cidr->addr, cidr->addr + MAPPED_BYTES, 4);
	memset(cidr->addr + 4, 0, MAPPED_BYTES);
	cidr->prefix -= MAPPED_BITS;
	cidr->v6 = false;
}

static int parse_prefix(const char *text, const char *bits, bool v6, u8 *prefix,
			char *why, size_t whylen)
{
	unsigned int max = v6 ? V6_BITS : V4_BITS;
	unsigned int value;
	int err = kstrtouint(bits, 10, &value);

	/* kstrtouint() lets a sign and a newline pass */
	if (*bits < '0' || *bits > '9')
		err = -EINVAL;
	if (!err && value > max)
		err = -ERANGE;
	if (err)
		return unbd_why(why, whylen, err,
				"clients=%.64s: /0 to /%u is expected", text,
				max);
	*prefix = value;
	return 0;
}

/* The kernel's parsers stop at a ':' behind an IPv4 address: look at the end. */
static bool parse_address(const char *text, size_t len, struct unbd_cidr *cidr)
{
	const char *end;

	memset(cidr, 0, sizeof(*cidr));
	if (!len)
		return false;
	cidr->prefix = V4_BITS;
	if (in4_pton(text, len, cidr->addr, -1, &end) && end == text + len)
		return true;
	memset(cidr, 0, sizeof(*cidr));
	cidr->v6 = true;
	cidr->prefix = V6_BITS;
	return in6_pton(text, len, cidr->addr, -1, &end) && end == text + len;
}

int unbd_parse_cidr(const char *text, struct unbd_cidr *cidr,
		    char *why, size_t whylen)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	int err;

	if (!parse_address(text, len, cidr))
		return unbd_why(why, whylen, -EINVAL,
				"clients=%.64s: ADDRESS[/BITS] is expected",
				text);
	if (slash) {
		err = parse_prefix(text, slash + 1, cidr->v6, &cidr->prefix,
				   why, whylen);
		if (err)
			return err;
	}
	clear_host_bits(cidr);
	unmap(cidr);
	return 0;
}

/* A single address as a range of one */
static bool from_sockaddr(const struct sockaddr *peer, struct unbd_cidr *one)
{
	memset(one, 0, sizeof(*one));
	switch (peer->sa_family) {
	case AF_INET:
		one->prefix = V4_BITS;
		memcpy(one->addr, &((struct sockaddr_in *)peer)->sin_addr, 4);
		return true;
	case AF_INET6:
		one->v6 = true;
		one->prefix = V6_BITS;
		memcpy(one->addr, &((struct sockaddr_in6 *)peer)->sin6_addr,
		       sizeof(one->addr));
		unmap(one);
		return true;
	}
	return false;
}

bool unbd_cidr_match(const struct unbd_cidr *cidr, const struct sockaddr *peer)
{
	struct unbd_cidr one;

	return from_sockaddr(peer, &one) && one.v6 == cidr->v6 &&
		same_bits(one.addr, cidr->addr, cidr->prefix);
}

int unbd_cidr_print(const struct unbd_cidr *cidr, char *buf, size_t len)
{
	const u8 *a = cidr->addr;
	int n = 0;
	int i;

	if (!cidr->v6)
		return scnprintf(buf, len, "%u.%u.%u.%u/%u", a[0], a[1], a[2],
				 a[3], cidr->prefix);
	for (i = 0; i < 16; i += 2)
		n += scnprintf(buf + n, len - n, "%s%x", i ? ":" : "",
			       a[i] << 8 | a[i + 1]);
	return n + scnprintf(buf + n, len - n, "/%u", cidr->prefix);
}

/* ------------------------------------------------------------------ */
/* export_device                                                      */

/* Cuts the list at its commas. */
static int set_clients(struct unbd_export_options *o, char *list,
		       char *why, size_t whylen)
{
	char *one;
	int err;

	while ((one = strsep(&list, ","))) {
		if (o->nr_clients == UNBD_MAX_CLIENTS)
			return unbd_why(why, whylen, -E2BIG,
					"clients=%.64s: %d ranges are the most",
					one, UNBD_MAX_CLIENTS);
		err = unbd_parse_cidr(one, &o->clients[o->nr_clients++], why,
				      whylen);
		if (err)
			return err;
	}
	return 0;
}

static int set_device_path(struct unbd_export_options *o, const char *path,
			   char *why, size_t whylen)
{
	if (strlen(path) > UNBD_DEVICE_PATH_MAX)
		return unbd_why(why, whylen, -ENAMETOOLONG,
				"device_path=%.32s... is longer than %d bytes",
				path, UNBD_DEVICE_PATH_MAX);
	if (*path != '/')
		return unbd_why(why, whylen, -EINVAL,
				"device_path=%.64s does not begin with a '/'",
				path);
	o->device_path = path;
	return 0;
}

/* What is behind @key, or NULL if @word does not begin with it */
static char *value_of(char *word, const char *key)
{
	size_t len = strlen(key);

	return strncmp(word, key, len) ? NULL : word + len;
}

static int set_once(bool *given, const char *key, const char *value,
		    char *why, size_t whylen)
{
	if (*given)
		return unbd_why(why, whylen, -EINVAL,
				"%s is given twice, again as %.64s", key,
				value);
	*given = true;
	return 0;
}

/* Keys that have been seen and must not come again */
struct given {
	bool name;
	bool device_path;
	bool access_mode;
};

static int set_word(char *word, struct unbd_export_options *o,
		    struct given *given, char *why, size_t whylen)
{
	char *value;
	int err;

	value = value_of(word, "name=");
	if (value) {
		o->name = value;
		err = set_once(&given->name, "name=", value, why, whylen);
		return err ?: unbd_check_name("name=", value, why, whylen);
	}
	value = value_of(word, "device_path=");
	if (value) {
		err = set_once(&given->device_path, "device_path=", value, why,
			       whylen);
		return err ?: set_device_path(o, value, why, whylen);
	}
	value = value_of(word, "access_mode=");
	if (value) {
		err = set_once(&given->access_mode, "access_mode=", value, why,
			       whylen);
		if (!err && unbd_parse_access_mode(value, &o->access_mode))
			err = unbd_why(why, whylen, -EINVAL,
				       "access_mode=%.32s: rw, ro or migration is expected",
				       value);
		return err;
	}
	value = value_of(word, "clients=");
	if (value)
		return set_clients(o, value, why, whylen);
	return unbd_why(why, whylen, -EINVAL, "unknown key in \"%.64s\"", word);
}

int unbd_parse_export(char *line, struct unbd_export_options *o,
		      char *why, size_t whylen)
{
	struct given given = { false };
	char *word;
	int err;

	memset(o, 0, sizeof(*o));
	err = unbd_check_line(line, why, whylen);
	while (!err) {
		err = unbd_next_word(&line, &word, why, whylen);
		if (err || !word)
			break;
		err = set_word(word, o, &given, why, whylen);
	}
	if (err)
		return err;
	if (!o->name)
		return unbd_why(why, whylen, -EINVAL, "name= is missing");
	if (!o->device_path)
		return unbd_why(why, whylen, -EINVAL,
				"device_path= is missing");
	return 0;
}

/* ------------------------------------------------------------------ */
/* unexport_device, listen and unlisten                               */

/* One or two words and nothing behind them; the second may be missing. */
static int two_words(char *line, char **first, char **second,
		     char *why, size_t whylen)
{
	char *third;
	int err;

	err = unbd_check_line(line, why, whylen);
	if (!err)
		err = unbd_next_word(&line, first, why, whylen);
	if (!err)
		err = unbd_next_word(&line, second, why, whylen);
	if (!err)
		err = unbd_next_word(&line, &third, why, whylen);
	if (!err && third)
		err = unbd_why(why, whylen, -EINVAL, "\"%.64s\" is too much",
			       third);
	return err;
}

int unbd_parse_unexport(char *line, struct unbd_unexport_options *o,
			char *why, size_t whylen)
{
	char *name, *mode;
	int err;

	memset(o, 0, sizeof(*o));
	err = two_words(line, &name, &mode, why, whylen);
	if (err)
		return err;
	if (!name || (mode && strcmp(mode, "force")))
		return unbd_why(why, whylen, -EINVAL,
				"NAME [force] is expected");
	o->name = name;
	o->force = mode;
	return unbd_check_name("name ", name, why, whylen);
}

int unbd_parse_listen(char *line, struct unbd_listen_options *o,
		      char *why, size_t whylen)
{
	const struct unbd_scheme *scheme;
	char *address, *rest;
	int err;

	memset(o, 0, sizeof(*o));
	err = two_words(line, &address, &rest, why, whylen);
	if (err)
		return err;
	if (!address || rest)
		return unbd_why(why, whylen, -EINVAL,
				"one address is expected, as in tcp:0.0.0.0:10809");
	scheme = unbd_find_scheme(address);
	if (!scheme)
		return unbd_why(why, whylen, -EPROTONOSUPPORT,
				"%.64s: the prefix names no transport",
				address);
	if (strlen(address) >= UNBD_ADDRESS_LEN)
		return unbd_why(why, whylen, -ENAMETOOLONG,
				"%.32s... is longer than %d bytes", address,
				UNBD_ADDRESS_LEN - 1);
	o->transport = scheme->transport;
	o->address = address;
	return 0;
}

/* ------------------------------------------------------------------ */
/* dev_search_path                                                    */

#define SESSNAME	"%SESSNAME%"

/* Is one of the words between the slashes ".."? */
static bool climbs(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.')
			return true;
		path += len;
		path += strspn(path, "/");
	}
	return false;
}

int unbd_check_search_path(const char *pattern, char *why, size_t whylen)
{
	if (!*pattern)
		return 0;
	if (strlen(pattern) >= UNBD_DEVICE_PATH_MAX)
		return unbd_why(why, whylen, -ENAMETOOLONG,
				"%.32s... is longer than %d bytes", pattern,
				UNBD_DEVICE_PATH_MAX - 1);
	if (*pattern != '/')
		return unbd_why(why, whylen, -EINVAL,
				"%.64s does not begin with a '/'", pattern);
	if (climbs(pattern))
		return unbd_why(why, whylen, -EINVAL, "%.64s has a \"..\"",
				pattern);
	return 0;
}

/* Where a path is put together; @full when it did not fit */
struct path_buf {
	char *path;
	size_t len;
	bool full;
};

/* Appends up to @n bytes and leaves out double slashes. */
static void append(struct path_buf *b, const char *text, size_t n)
{
	for (; n && *text; n--, text++) {
		if (*text == '/' && b->len && b->path[b->len - 1] == '/')
			continue;
		if (b->len == UNBD_DEVICE_PATH_MAX) {
			b->full = true;
			return;
		}
		b->path[b->len++] = *text;
	}
}

static void append_pattern(struct path_buf *b, const char *pattern,
			   const char *session)
{
	const char *mark;

	while ((mark = strstr(pattern, SESSNAME))) {
		append(b, pattern, mark - pattern);
		append(b, session, UNBD_NAME_MAX);
		pattern = mark + sizeof(SESSNAME) - 1;
	}
	append(b, pattern, UNBD_DEVICE_PATH_MAX);
}

int unbd_search_path(const char *pattern, const char *session,
		     const char *name, char *path, char *why, size_t whylen)
{
	struct path_buf b = { .path = path };
	int err;

	err = unbd_check_name("session ", session, why, whylen);
	if (!err)
		err = unbd_check_line(name, why, whylen);
	if (err)
		return err;
	if (!*name || climbs(name))
		return unbd_why(why, whylen, -EINVAL,
				"\"%.64s\" is no name of a device", name);
	append_pattern(&b, pattern, session);
	append(&b, "/", 1);
	append(&b, name, UNBD_DEVICE_PATH_MAX);
	if (b.full)
		return unbd_why(why, whylen, -ENAMETOOLONG,
				"%.64s: the whole path is too long", name);
	path[b.len] = '\0';
	return 0;
}
