// SPDX-License-Identifier: GPL-2.0
/*
 * The client's sysfs lines, taken apart.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "options.h"

/* Bytes per unit of resize */
#define SECTOR_SHIFT_9	9

/* ------------------------------------------------------------------ */
/* Names of choices                                                   */

static const char * const policy_names[] = {
	[UNBD_POLICY_MIN_INFLIGHT] = "min-inflight",
	[UNBD_POLICY_ROUND_ROBIN] = "round-robin",
	[UNBD_POLICY_MIN_LATENCY] = "min-latency",
	[UNBD_POLICY_PREFER] = "prefer",
};

/* As RNBD's users know them; it has nothing like "prefer". */
static const char * const policy_short_names[] = {
	[UNBD_POLICY_MIN_INFLIGHT] = "mi",
	[UNBD_POLICY_ROUND_ROBIN] = "rr",
	[UNBD_POLICY_MIN_LATENCY] = "ml",
};

static const char * const tls_names[] = {
	[UNBD_TLS_OFF] = "off",
	[UNBD_TLS_X509] = "x509",
	[UNBD_TLS_PSK] = "psk",
};

const char *unbd_policy_name(enum unbd_policy policy)
{
	return policy_names[policy];
}

const char *unbd_tls_mode_name(enum unbd_tls_mode tls)
{
	return tls_names[tls];
}

static int find_name(const char * const *names, size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return i;
	return -EINVAL;
}

static int find_policy(const char *name)
{
	int i = find_name(policy_names, ARRAY_SIZE(policy_names), name);

	if (i >= 0)
		return i;
	return find_name(policy_short_names, ARRAY_SIZE(policy_short_names),
			 name);
}

/* ------------------------------------------------------------------ */
/* path=                                                              */

/* @text is @len bytes and may lack the prefix, @address gets both. */
static int put_address(char *address, const struct unbd_scheme *scheme,
		       const char *text, size_t len, char *why, size_t whylen)
{
	size_t prefix_len = strlen(scheme->prefix);

	if (len >= prefix_len && !strncmp(text, scheme->prefix, prefix_len)) {
		text += prefix_len;
		len -= prefix_len;
	}
	if (!len)
		return unbd_why(why, whylen, -EINVAL,
				"path= has a %s without an address",
				scheme->prefix);
	if (prefix_len + len >= UNBD_ADDRESS_LEN)
		return unbd_why(why, whylen, -ENAMETOOLONG,
				"path=%s%.32s...: the address is longer than %zu bytes",
				scheme->prefix, text,
				UNBD_ADDRESS_LEN - 1 - prefix_len);
	memcpy(address, scheme->prefix, prefix_len);
	memcpy(address + prefix_len, text, len);
	address[prefix_len + len] = '\0';
	return 0;
}

/* Where the source ends, or NULL. A unix: path may have both signs in it. */
static const char *find_separator(const char *text,
				  const struct unbd_scheme *scheme)
{
	if (scheme && !scheme->is_ip)
		return NULL;
	return strpbrk(text, ",@");
}

/* Source and destination must be of one kind; one prefix serves for both. */
static int agree(const char *text, const char *dst,
		 const struct unbd_scheme **scheme, char *why, size_t whylen)
{
	const struct unbd_scheme *dst_scheme = unbd_find_scheme(dst);

	if (!*scheme)
		*scheme = dst_scheme;
	if (!*scheme)
		return unbd_why(why, whylen, -EPROTONOSUPPORT,
				"path=%.64s: the prefix names no transport",
				text);
	if (dst_scheme && dst_scheme != *scheme)
		return unbd_why(why, whylen, -EINVAL,
				"path=%.64s: source and destination are of different kinds",
				text);
	if (dst != text && !(*scheme)->is_ip)
		return unbd_why(why, whylen, -EINVAL,
				"path=%.64s: %s has no source address", text,
				(*scheme)->prefix);
	return 0;
}

int unbd_parse_path(const char *text, struct unbd_path_option *path,
		    char *why, size_t whylen)
{
	const struct unbd_scheme *scheme = unbd_find_scheme(text);
	const char *separator = find_separator(text, scheme);
	const char *dst = separator ? separator + 1 : text;
	int err;

	memset(path, 0, sizeof(*path));
	/* Not every path comes from a line of words. */
	err = unbd_check_line(text, why, whylen);
	if (err)
		return err;
	if (strpbrk(text, "\n\t"))
		return unbd_why(why, whylen, -EINVAL,
				"a path does not go on in another line");
	if (separator && strpbrk(dst, ",@"))
		return unbd_why(why, whylen, -EINVAL,
				"path=%.64s: more than one source", text);
	err = agree(text, dst, &scheme, why, whylen);
	if (err)
		return err;
	path->transport = scheme->transport;

	err = put_address(path->dst_text, scheme, dst, strlen(dst), why,
			  whylen);
	if (err)
		return err;
	path->dst = path->dst_text;
	if (!separator)
		return 0;

	err = put_address(path->src_text, scheme, text, separator - text, why,
			  whylen);
	if (err)
		return err;
	path->src = path->src_text;
	return 0;
}

static int set_path(struct unbd_map_options *o, const char *value,
		    char *why, size_t whylen)
{
	if (o->nr_paths == UNBD_MAX_PATHS)
		return unbd_why(why, whylen, -E2BIG,
				"path=%.64s: %d paths are the most", value,
				UNBD_MAX_PATHS);
	return unbd_parse_path(value, &o->paths[o->nr_paths++], why, whylen);
}

/* RNBD's dest_port= is for the addresses RNBD has. */
static int apply_dest_port(struct unbd_map_options *o, char *why, size_t whylen)
{
	bool used = false;
	unsigned int i;

	if (!unbd_map_given(o, UNBD_KEY_DEST_PORT))
		return 0;
	for (i = 0; i < o->nr_paths; i++) {
		if (strcmp(o->paths[i].transport, "rdma"))
			continue;
		o->paths[i].port = o->dest_port;
		used = true;
	}
	if (!used)
		return unbd_why(why, whylen, -EINVAL,
				"dest_port=%d: no path= is of the ip:, ip6:, gid: or rdma: kind",
				o->dest_port);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Keys                                                               */

/* What kind of value a key has, and so which members of struct key count */
enum value_kind {
	VALUE_NAME,
	VALUE_DEVICE_PATH,
	VALUE_PATH,
	VALUE_ACCESS_MODE,
	VALUE_POLICY,
	VALUE_TLS,
	VALUE_NUMBER,
	VALUE_SIZE,
};

/**
 * struct key - a key of the line
 * @name: with its '='
 * @kind: of its value
 * @min: least number
 * @max: greatest number
 * @member: offset of the int in struct unbd_map_options
 */
struct key {
	const char *name;
	enum value_kind kind;
	int min;
	int max;
	size_t member;
};

#define NUMBER(field, lo, hi) {						\
	.name = #field "=", .kind = VALUE_NUMBER, .min = lo, .max = hi,	\
	.member = offsetof(struct unbd_map_options, field) }

static const struct key keys[UNBD_NR_KEYS] = {
	[UNBD_KEY_SESSNAME] = { "sessname=", .kind = VALUE_NAME },
	[UNBD_KEY_PATH] = { "path=", .kind = VALUE_PATH },
	[UNBD_KEY_DEVICE_PATH] = { "device_path=", .kind = VALUE_DEVICE_PATH },
	[UNBD_KEY_ACCESS_MODE] = { "access_mode=", .kind = VALUE_ACCESS_MODE },
	[UNBD_KEY_NR_QUEUES] = NUMBER(nr_queues, 1, UNBD_MAX_QUEUES),
	[UNBD_KEY_NR_POLL_QUEUES] = NUMBER(nr_poll_queues,
					   UNBD_POLL_QUEUE_PER_CPU,
					   UNBD_MAX_QUEUES),
	[UNBD_KEY_QUEUE_DEPTH] = NUMBER(queue_depth, 1, UNBD_MAX_QUEUE_DEPTH),
	[UNBD_KEY_POLICY] = { "policy=", .kind = VALUE_POLICY },
	[UNBD_KEY_IO_TIMEOUT] = NUMBER(io_timeout, 1, UNBD_MAX_TIMEOUT),
	[UNBD_KEY_FAIL_TIMEOUT] = NUMBER(fail_timeout, UNBD_FAIL_NEVER,
					 UNBD_MAX_TIMEOUT),
	[UNBD_KEY_KEEPALIVE] = NUMBER(keepalive, 0, UNBD_MAX_TIMEOUT),
	[UNBD_KEY_TLS] = { "tls=", .kind = VALUE_TLS },
	[UNBD_KEY_REPLAY] = { "replay=", .kind = VALUE_SIZE, .min = 1 << 20,
			      .max = UNBD_MAX_REPLAY,
			      .member = offsetof(struct unbd_map_options,
						 replay) },
	[UNBD_KEY_DEST_PORT] = NUMBER(dest_port, 1, 65535),
};

static int set_number(const struct key *key, const char *value,
		      struct unbd_map_options *o, char *why, size_t whylen)
{
	int *member = (int *)((char *)o + key->member);
	long long number;
	int err = kstrtoll(value, 10, &number);

	if (!err && (number < key->min || number > key->max))
		err = -ERANGE;
	if (err == -ERANGE)
		return unbd_why(why, whylen, err, "%s%.32s is not within %d to %d",
				key->name, value, key->min, key->max);
	if (err)
		return unbd_why(why, whylen, -EINVAL, "%s%.64s is not a number",
				key->name, value);
	*member = number;
	return 0;
}

/* Bytes, perhaps with K, M or G behind them */
static int parse_size(const char *text, long long *bytes)
{
	static const char units[] = "KMG";
	size_t len = strlen(text);
	const char *unit = len ? strchr(units, text[len - 1]) : NULL;
	char digits[16];

	len -= unit ? 1 : 0;
	if (len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (kstrtoll(digits, 10, bytes))
		return -EINVAL;
	/* Of too much it does not matter how much: the product has to fit. */
	if (*bytes > INT_MAX)
		*bytes = INT_MAX;
	if (unit)
		*bytes *= 1LL << (unit - units + 1) * 10;
	return 0;
}

static int set_size(const struct key *key, const char *value,
		    struct unbd_map_options *o, char *why, size_t whylen)
{
	int *member = (int *)((char *)o + key->member);
	long long bytes;

	if (!strcmp(value, "off")) {
		*member = 0;
		return 0;
	}
	if (parse_size(value, &bytes))
		return unbd_why(why, whylen, -EINVAL,
				"%s%.64s is neither off nor a size", key->name,
				value);
	if (bytes < key->min || bytes > key->max)
		return unbd_why(why, whylen, -ERANGE,
				"%s%.32s is not within %dM to %dM", key->name,
				value, key->min >> 20, key->max >> 20);
	*member = bytes;
	return 0;
}

static int set_choice(const struct key *key, const char *value,
		      struct unbd_map_options *o, char *why, size_t whylen)
{
	const char *choices;
	int i;

	if (key->kind == VALUE_POLICY) {
		choices = "min-inflight, round-robin, min-latency or prefer";
		i = find_policy(value);
		o->policy = i;
	} else if (key->kind == VALUE_TLS) {
		choices = "off, x509 or psk";
		i = find_name(tls_names, ARRAY_SIZE(tls_names), value);
		o->tls = i;
	} else {
		choices = "rw, ro or migration";
		i = unbd_parse_access_mode(value, &o->access_mode);
	}
	if (i < 0)
		return unbd_why(why, whylen, -EINVAL, "%s%.32s: %s is expected",
				key->name, value, choices);
	return 0;
}

static int set_value(const struct key *key, const char *value,
		     struct unbd_map_options *o, char *why, size_t whylen)
{
	switch (key->kind) {
	case VALUE_NAME:
		o->sessname = value;
		return unbd_check_name(key->name, value, why, whylen);
	case VALUE_PATH:
		return set_path(o, value, why, whylen);
	case VALUE_NUMBER:
		return set_number(key, value, o, why, whylen);
	case VALUE_SIZE:
		return set_size(key, value, o, why, whylen);
	case VALUE_DEVICE_PATH:
		o->device_path = value;
		if (strlen(value) <= UNBD_DEVICE_PATH_MAX)
			return 0;
		return unbd_why(why, whylen, -ENAMETOOLONG,
				"%s%.32s... is longer than %d bytes", key->name,
				value, UNBD_DEVICE_PATH_MAX);
	default:
		return set_choice(key, value, o, why, whylen);
	}
}

static int set_word(const char *word, struct unbd_map_options *o,
		    char *why, size_t whylen)
{
	const struct key *key = NULL;
	const char *value;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys) && !key; i++)
		if (!strncmp(word, keys[i].name, strlen(keys[i].name)))
			key = &keys[i];
	if (!key)
		return unbd_why(why, whylen, -EINVAL, "unknown key in \"%.64s\"",
				word);

	value = word + strlen(key->name);
	if (unbd_map_given(o, key - keys) && key->kind != VALUE_PATH)
		return unbd_why(why, whylen, -EINVAL,
				"%s is given twice, again as %.64s", key->name,
				value);
	o->given |= 1UL << (key - keys);
	if (!*value && key->kind != VALUE_DEVICE_PATH)
		return unbd_why(why, whylen, -EINVAL, "%s has no value",
				key->name);
	return set_value(key, value, o, why, whylen);
}

static void set_defaults(struct unbd_map_options *o)
{
	memset(o, 0, sizeof(*o));
	o->queue_depth = UNBD_DEFAULT_QUEUE_DEPTH;
	o->io_timeout = UNBD_DEFAULT_IO_TIMEOUT;
	o->fail_timeout = UNBD_DEFAULT_FAIL_TIMEOUT;
	o->keepalive = UNBD_DEFAULT_KEEPALIVE;
	o->replay = UNBD_DEFAULT_REPLAY;
}

int unbd_parse_map(char *line, struct unbd_map_options *o,
		   char *why, size_t whylen)
{
	char *word;
	int err;

	set_defaults(o);
	err = unbd_check_line(line, why, whylen);
	while (!err) {
		err = unbd_next_word(&line, &word, why, whylen);
		if (err || !word)
			break;
		err = set_word(word, o, why, whylen);
	}
	if (err)
		return err;
	if (!o->sessname)
		return unbd_why(why, whylen, -EINVAL, "sessname= is missing");
	if (!o->device_path)
		return unbd_why(why, whylen, -EINVAL,
				"device_path= is missing");
	return apply_dest_port(o, why, whylen);
}

/* ------------------------------------------------------------------ */
/* Other files                                                        */

/* A file's one word, as echo writes it */
static bool is_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(text, word, len))
		return false;
	return !text[len] || (text[len] == '\n' && !text[len + 1]);
}

int unbd_parse_unmap(const char *text, bool *force, char *why, size_t whylen)
{
	if (is_word(text, "normal"))
		*force = false;
	else if (is_word(text, "force"))
		*force = true;
	else
		return unbd_why(why, whylen, -EINVAL,
				"normal or force is expected");
	return 0;
}

int unbd_parse_resize(const char *text, u64 *sectors, char *why, size_t whylen)
{
	unsigned long long number;
	int err = kstrtoull(text, 10, &number);

	if (!err && number > (LLONG_MAX >> SECTOR_SHIFT_9))
		err = -ERANGE;
	if (err)
		return unbd_why(why, whylen, err,
				"a number of 512-byte sectors is expected");
	*sectors = number;
	return 0;
}

int unbd_parse_policy(const char *text, enum unbd_policy *policy,
		      char *why, size_t whylen)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(policy_names); i++) {
		if (is_word(text, policy_names[i]) ||
		    (i < ARRAY_SIZE(policy_short_names) &&
		     is_word(text, policy_short_names[i]))) {
			*policy = i;
			return 0;
		}
	}
	return unbd_why(why, whylen, -EINVAL,
			"min-inflight, round-robin, min-latency or prefer is expected");
}
