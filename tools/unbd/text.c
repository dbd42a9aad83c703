// SPDX-License-Identifier: GPL-2.0
/*
 * Strings, numbers and memory.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "unbd.h"

static void *checked(void *memory)
{
	if (memory)
		return memory;
	complain("out of memory");
	exit(EXIT_REFUSED);
}

void *allocate(size_t size)
{
	return checked(calloc(1, size));
}

void *grow_array(void *array, size_t count, size_t size)
{
	char *grown = checked(reallocarray(array, count + 1, size));

	memset(grown + count * size, 0, size);
	return grown;
}

char *copy_text(const char *text)
{
	return checked(strdup(text));
}

static char *make_text_va(const char *fmt, va_list args)
{
	char *result;

	if (vasprintf(&result, fmt, args) < 0)
		result = NULL;
	return checked(result);
}

char *make_text(const char *fmt, ...)
{
	va_list args;
	char *result;

	va_start(args, fmt);
	result = make_text_va(fmt, args);
	va_end(args);
	return result;
}

void text_add(struct text *t, const char *bytes, size_t len)
{
	t->at = checked(realloc(t->at, t->len + len + 1));
	memcpy(t->at + t->len, bytes, len);
	t->len += len;
	t->at[t->len] = '\0';
}

void text_print(struct text *t, const char *fmt, ...)
{
	va_list args;
	char *added;

	va_start(args, fmt);
	added = make_text_va(fmt, args);
	va_end(args);
	text_add(t, added, strlen(added));
	free(added);
}

const char *text_get(const struct text *t)
{
	return t->at ? t->at : "";
}

void text_free(struct text *t)
{
	free(t->at);
	*t = (struct text){ 0 };
}

bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

/* Least and greatest second byte after a first one, by Unicode's table 3-7 */
static bool second_byte_fits(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second <= 0x9f;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second <= 0x8f;
	}
	return true;
}

size_t char_length(const char *s)
{
	unsigned char first = *s;
	size_t len, i;

	if (first < 0x80)
		return first ? 1 : 0;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	for (i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return second_byte_fits(first, s[1]) ? len : 0;
}

/* C1 control characters drive terminals as well as those of ASCII do. */
static bool is_control(const char *s)
{
	unsigned char c = *s;

	return c < ' ' || c == 0x7f || (c == 0xc2 && (s[1] & 0xff) < 0xa0);
}

void text_add_safe(struct text *t, const char *s)
{
	while (*s) {
		size_t len = char_length(s);

		if (len && !is_control(s)) {
			text_add(t, s, len);
			s += len;
		} else {
			text_print(t, "\\x%02x", *s++ & 0xff);
		}
	}
}

size_t text_width(const char *s)
{
	size_t width = 0;

	for (; *s; s++)
		if ((*s & 0xc0) != 0x80)
			width++;
	return width;
}

bool parse_number(const char *s, unsigned long long *number)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	*number = strtoull(s, &end, 10);
	return !errno && !*end;
}

static const char units[] = "KMGTP";

bool parse_size(const char *s, unsigned long long *bytes)
{
	const char *unit;
	size_t digits = strspn(s, "0123456789");
	char *number = copy_text(s);
	unsigned int shift = 0;
	bool ok;

	number[digits] = '\0';
	ok = parse_number(number, bytes);
	free(number);
	if (!ok)
		return false;
	if (s[digits]) {
		unit = strchr(units, toupper((unsigned char)s[digits]));
		if (!unit || s[digits + 1])
			return false;
		shift = 10 * (unit - units + 1);
	}
	if (*bytes > (~0ULL >> shift))
		return false;
	*bytes <<= shift;
	return true;
}

void text_add_size(struct text *t, unsigned long long bytes)
{
	unsigned long long whole = bytes, tenths;
	int unit = -1;

	while (whole >= 1024 && units[unit + 1]) {
		whole >>= 10;
		unit++;
	}
	if (unit < 0) {
		text_print(t, "%lluB", bytes);
		return;
	}
	tenths = (bytes >> 10 * unit) % 1024 * 10 / 1024;
	if (tenths)
		text_print(t, "%llu.%llu%c", whole, tenths, units[unit]);
	else
		text_print(t, "%llu%c", whole, units[unit]);
}
