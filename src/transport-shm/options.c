// SPDX-License-Identifier: GPL-2.0
/*
 * The module parameters of both ends, taken apart.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include <unbd/compat.h>
#include <unbd/parse.h>
#include <unbd/proto/muenblock.h>

#include "options.h"

/* A piece of text that is not terminated */
struct piece {
	const char *at;
	size_t len;
};

static int copy_piece(char *to, size_t size, struct piece from,
		      const char *what, char *why, size_t len)
{
	if (from.len >= size)
		return unbd_why(why, len, -ENAMETOOLONG,
				"%s %.32s... is longer than %zu bytes", what,
				from.at, size - 1);
	memcpy(to, from.at, from.len);
	to[from.len] = '\0';
	return 0;
}

static int number_of(struct piece from, unsigned int base, u64 *number)
{
	unsigned long long value;
	char text[24];
	int err;

	if (!from.len || from.len >= sizeof(text))
		return -EINVAL;
	memcpy(text, from.at, from.len);
	text[from.len] = '\0';
	/* A sign and a newline are no part of a number here. */
	if (text[0] == '+' || text[from.len - 1] == '\n')
		return -EINVAL;
	err = kstrtoull(text, base, &value);
	*number = value;
	return err;
}

/**
 * shm_parse_id() - the number of a connection
 * @text: decimal digits, maybe a newline
 * @id: result
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int shm_parse_id(const char *text, u32 *id)
{
	return *text == '+' ? -EINVAL : kstrtouint(text, 10, id);
}
EXPORT_SYMBOL_UNBD(shm_parse_id);

static int id_of(struct piece from, u32 *id, char *why, size_t len)
{
	u64 number;

	if (number_of(from, 10, &number) || number > 0xffffffffu)
		return unbd_why(why, len, -EINVAL,
				"\"%.*s\" is not the number of a connection",
				(int)(from.len < 32 ? from.len : 32), from.at);
	*id = number;
	return 0;
}

/*
 * A PCI address has colons in it: what follows an '@' goes on to the '/' or
 * the '+' at least.
 */
static struct piece next_piece(const char **text)
{
	struct piece p = { .at = *text };
	const char *end = p.at + strcspn(p.at, ":,@\n");

	if (*end == '@') {
		end += strcspn(end, "/+,\n");
		end += strcspn(end, ":,\n");
	}
	p.len = end - p.at;
	*text = *end == ':' ? end + 1 : end;
	return p;
}

static int parse_window(struct shm_region_name *name, struct piece p,
			char *why, size_t len)
{
	struct piece offset = { .at = p.at };
	const char *plus = memchr(p.at, '+', p.len);
	struct piece length;

	if (!plus)
		goto bad;
	offset.len = plus - p.at;
	length.at = plus + 1;
	length.len = p.len - offset.len - 1;
	if (number_of(offset, 0, &name->offset) ||
	    number_of(length, 0, &name->length) || !name->length)
		goto bad;
	return 0;
bad:
	return unbd_why(why, len, -EINVAL,
			"\"+%.*s\": +OFFSET+LENGTH is expected",
			(int)(p.len < 32 ? p.len : 32), p.at);
}

static int parse_place(struct shm_region_name *name, struct piece p,
		       char *why, size_t len)
{
	size_t end = 0;
	struct piece place;

	while (end < p.len && p.at[end] != '/' && p.at[end] != '+')
		end++;
	place = (struct piece){ p.at, end };
	if (end >= p.len || !end)
		return unbd_why(why, len, -EINVAL,
				"\"%s@%.*s\": PROVIDER@PLACE/NAME is expected",
				name->provider,
				(int)(p.len < 32 ? p.len : 32), p.at);
	p.at += end + 1;
	p.len -= end + 1;
	if (place.at[end] == '+') {
		int err = parse_window(name, p, why, len);

		if (err)
			return err;
	} else {
		int err = copy_piece(name->name, sizeof(name->name), p,
				     "region", why, len);

		if (err)
			return err;
	}
	return copy_piece(name->place, sizeof(name->place), place, "place",
			  why, len);
}

static int parse_region(struct shm_region_name *name, struct piece p,
			char *why, size_t len)
{
	struct piece provider = { "muen", 4 };
	size_t end = 0;
	int err;

	while (end < p.len && p.at[end] != '@' && p.at[end] != '/')
		end++;
	if (end < p.len)
		provider = (struct piece){ p.at, end };
	err = copy_piece(name->provider, sizeof(name->provider), provider,
			 "provider", why, len);
	if (err)
		return err;
	if (end < p.len) {
		char sign = p.at[end];

		p.at += end + 1;
		p.len -= end + 1;
		if (sign == '@')
			err = parse_place(name, p, why, len);
		else
			err = copy_piece(name->name, sizeof(name->name), p,
					 "region", why, len);
	} else {
		err = copy_piece(name->name, sizeof(name->name), p, "region",
				 why, len);
	}
	if (!err && !name->length && !*name->name)
		err = unbd_why(why, len, -EINVAL, "a region has no name");
	return err;
}

static int parse_protocols(const char **text, struct shm_connection_option *o,
			   char *why, size_t len)
{
	struct piece request = next_piece(text);
	struct piece response;

	if ((*text)[-1] != ':')
		goto bad;
	response = next_piece(text);
	if (number_of(request, 16, &o->request_protocol) ||
	    number_of(response, 16, &o->response_protocol) ||
	    !o->request_protocol || !o->response_protocol)
		goto bad;
	return 0;
bad:
	return unbd_why(why, len, -EINVAL,
			"connection %u: two protocols are expected, as hexadecimal numbers",
			o->id);
}

/* Behind an entry: the end, or a comma and another one */
static int end_entry(const char **text, char *why, size_t len)
{
	const char *at = *text;

	if (at[-1] == ':')
		return unbd_why(why, len, -EINVAL, "\"%.32s\" is too much", at);
	if (*at == ',' && at[1])
		at++;
	else if (*at == '\n' && !at[1])
		at++;
	else if (*at)
		return unbd_why(why, len, -EINVAL, "\"%.32s\" is too much", at);
	*text = at;
	return 0;
}

/**
 * shm_parse_connection() - take the next of connections= apart
 * @text: moved on to the one behind it, or to the end
 * @o: result
 * @why: reason of an error
 * @len: size of @why
 *
 * Return: 0, -EINVAL or -ENAMETOOLONG.
 */
int shm_parse_connection(const char **text, struct shm_connection_option *o,
			 char *why, size_t len)
{
	struct shm_region_name *names[] = { &o->request, &o->response,
					    &o->buffer };
	unsigned int i;
	int err;

	memset(o, 0, sizeof(*o));
	o->request_protocol = MUENBLOCK_PROTOCOL;
	o->response_protocol = MUENBLOCK_PROTOCOL;
	err = id_of(next_piece(text), &o->id, why, len);
	for (i = 0; !err && i < ARRAY_SIZE(names); i++) {
		if ((*text)[-1] != ':')
			return unbd_why(why, len, -EINVAL,
					"connection %u: ID:REQUEST:RESPONSE:BUFFER is expected",
					o->id);
		err = parse_region(names[i], next_piece(text), why, len);
	}
	if (!err && (*text)[-1] == ':')
		err = parse_protocols(text, o, why, len);
	return err ? err : end_entry(text, why, len);
}

/**
 * shm_parse_device() - take the next of devices= apart
 * @text: moved on to the one behind it, or to the end
 * @o: result
 * @why: reason of an error
 * @len: size of @why
 *
 * A path may have colons in it; the last one stands before the number.
 *
 * Return: 0, -EINVAL or -ENAMETOOLONG.
 */
int shm_parse_device(const char **text, struct shm_device_option *o,
		     char *why, size_t len)
{
	const char *at = *text;
	size_t end = strcspn(at, ",\n");
	size_t colon = end;
	int err;

	memset(o, 0, sizeof(*o));
	while (colon && at[colon - 1] != ':')
		colon--;
	if (colon < 2)
		return unbd_why(why, len, -EINVAL,
				"\"%.*s\": DEVICE:ID is expected",
				(int)(end < 64 ? end : 64), at);
	err = copy_piece(o->path, sizeof(o->path),
			 (struct piece){ at, colon - 1 }, "device", why, len);
	if (!err)
		err = id_of((struct piece){ at + colon, end - colon }, &o->id,
			    why, len);
	if (err)
		return err;
	*text = at + end;
	return end_entry(text, why, len);
}
EXPORT_SYMBOL_UNBD(shm_parse_device);

/**
 * shm_parse_remove() - what was written to remove_connection
 * @text: "ID [force]", maybe with a newline
 * @id: result
 * @force: result
 * @why: reason of an error
 * @len: size of @why
 *
 * Return: 0 or -EINVAL.
 */
int shm_parse_remove(const char *text, u32 *id, bool *force,
		     char *why, size_t len)
{
	struct piece number = { text, strcspn(text, "\n ") };
	const char *rest = text + number.len;

	*force = !strncmp(rest, " force", 6);
	if (*force)
		rest += 6;
	if (*rest == '\n')
		rest++;
	if (*rest)
		return unbd_why(why, len, -EINVAL, "ID [force] is expected");
	return id_of(number, id, why, len);
}
