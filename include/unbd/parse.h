/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parsers of the two cores' sysfs lines share: words, numbers, names.
 *
 * Plain C, all inline, so that each module and the user-space tests have their
 * own copy. A parser never logs: on error it leaves one sentence in the
 * caller's buffer and returns the errno; the caller logs that one line.
 */
#ifndef UNBD_PARSE_H
#define UNBD_PARSE_H

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/types.h>

/* Longest reason that goes with an error to the log, in bytes with NUL. */
#define UNBD_WHY_LEN		160

/* sysfs directory names: NAME_MAX, and the RTRS wire's field. */
#define UNBD_NAME_MAX		255

/* Export names and paths below dev_search_path: PATH_MAX less the NUL. */
#define UNBD_DEVICE_PATH_MAX	4095

/* Longest address text with its prefix and NUL; unix: needs 5 + 107 + 1. */
#define UNBD_ADDRESS_LEN	128

/* Writes the message, is the error: return unbd_why(why, len, -EINVAL, ...) */
#define unbd_why(why, len, err, ...) ({ \
	snprintf(why, len, __VA_ARGS__); \
	(err); \
})

/**
 * enum unbd_access_mode - who may write, as RNBD has it
 * @UNBD_ACCESS_RW: one writer
 * @UNBD_ACCESS_RO: readers only
 * @UNBD_ACCESS_MIGRATION: two writers for the time of a migration
 */
enum unbd_access_mode {
	UNBD_ACCESS_RW,
	UNBD_ACCESS_RO,
	UNBD_ACCESS_MIGRATION,
};

/**
 * unbd_access_mode_name() - "rw", "ro" or "migration"
 * @mode: to name
 */
static inline const char *unbd_access_mode_name(enum unbd_access_mode mode)
{
	switch (mode) {
	case UNBD_ACCESS_RO:
		return "ro";
	case UNBD_ACCESS_MIGRATION:
		return "migration";
	case UNBD_ACCESS_RW:
		break;
	}
	return "rw";
}

/**
 * unbd_parse_access_mode() - the reverse of unbd_access_mode_name()
 * @text: NUL-terminated word
 * @mode: where the result goes
 *
 * Return: 0, or -EINVAL for any other word.
 */
static inline int unbd_parse_access_mode(const char *text,
					 enum unbd_access_mode *mode)
{
	if (!strcmp(text, "rw"))
		*mode = UNBD_ACCESS_RW;
	else if (!strcmp(text, "ro"))
		*mode = UNBD_ACCESS_RO;
	else if (!strcmp(text, "migration"))
		*mode = UNBD_ACCESS_MIGRATION;
	else
		return -EINVAL;
	return 0;
}

/**
 * struct unbd_scheme - a prefix of an address and the transport behind it
 * @prefix: with its colon
 * @transport: name of the transport, as in unbd-NAME-client
 * @is_ip: an Internet address, which may have a source part in front
 */
struct unbd_scheme {
	const char *prefix;
	const char *transport;
	bool is_ip;
};

/**
 * unbd_find_scheme() - which transport an address text asks for
 * @text: begins with a prefix such as "tcp:", or does not
 *
 * Return: the scheme, or NULL if no known prefix is there.
 */
static inline const struct unbd_scheme *unbd_find_scheme(const char *text)
{
	static const struct unbd_scheme schemes[] = {
		{ "tcp:", "tcp", true },	{ "unix:", "tcp", false },
		{ "vsock:", "tcp", false },	{ "fd:", "tcp", false },
		{ "ip:", "rdma", true },	{ "ip6:", "rdma", true },
		{ "gid:", "rdma", true },	{ "rdma:", "rdma", true },
		{ "shm:", "shm", false },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(schemes); i++)
		if (!strncmp(text, schemes[i].prefix,
			     strlen(schemes[i].prefix)))
			return &schemes[i];
	return NULL;
}

static inline bool unbd_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/**
 * unbd_check_line() - refuse bytes that have no business in a line
 * @line: as written by the user
 * @why: message on error
 * @whylen: its size
 *
 * Words of the line end up in the log and in sysfs; a control byte in either
 * can only deceive.
 *
 * Return: 0 or -EINVAL.
 */
static inline int unbd_check_line(const char *line, char *why, size_t whylen)
{
	size_t i;

	for (i = 0; line[i]; i++) {
		unsigned char c = line[i];

		if ((c < ' ' && !unbd_is_blank(c)) || c == 0x7f)
			return unbd_why(why, whylen, -EINVAL,
					"control byte 0x%02x at column %zu",
					c, i + 1);
	}
	return 0;
}

/**
 * unbd_next_word() - cut the next blank-separated word off a line
 * @line: moved behind the word; the text is modified
 * @word: result, NULL at the end of the line
 * @why: message on error
 * @whylen: its size
 *
 * Double quotes keep blanks together and disappear; they may start anywhere in
 * a word, and neither a quote nor a newline can be part of one.
 *
 * Return: 0, or -EINVAL if a quote is left open.
 */
static inline int unbd_next_word(char **line, char **word,
				 char *why, size_t whylen)
{
	bool quoted = false;
	char *in = *line;
	char *start, *out;

	while (unbd_is_blank(*in))
		in++;
	start = in;
	for (out = in; *in && (quoted || !unbd_is_blank(*in)); in++) {
		if (*in == '\n')
			break;
		if (*in == '"')
			quoted = !quoted;
		else
			*out++ = *in;
	}
	if (quoted)
		return unbd_why(why, whylen, -EINVAL, "a quote is left open");
	*word = in == start ? NULL : start;
	*line = *in ? in + 1 : in;
	*out = '\0';
	return 0;
}

/**
 * unbd_check_name() - may this name a sysfs directory?
 * @key: what to call it in the message
 * @name: to check
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0, -EINVAL or -ENAMETOOLONG.
 */
static inline int unbd_check_name(const char *key, const char *name,
				  char *why, size_t whylen)
{
	if (!*name)
		return unbd_why(why, whylen, -EINVAL, "%s has no value", key);
	if (strlen(name) > UNBD_NAME_MAX)
		return unbd_why(why, whylen, -ENAMETOOLONG,
				"%s%.32s... is longer than %d bytes", key, name,
				UNBD_NAME_MAX);
	if (strchr(name, '/'))
		return unbd_why(why, whylen, -EINVAL,
				"%s%.64s: a name cannot have a '/' in it", key,
				name);
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return unbd_why(why, whylen, -EINVAL,
				"%s%s is not a name", key, name);
	return 0;
}

#endif
