// SPDX-License-Identifier: GPL-2.0
/*
 * Writing JSON. All of it is valid UTF-8, whatever names are made of: a byte
 * that is none becomes U+FFFD.
 */
#include <stdarg.h>

#include "unbd.h"

static void put_string(struct json *j, const char *s)
{
	size_t len;

	fputc('"', j->out);
	while (*s) {
		len = char_length(s);
		if (*s == '"' || *s == '\\') {
			fprintf(j->out, "\\%c", *s++);
		} else if (len == 1 && (*s < ' ' || *s == 0x7f)) {
			fprintf(j->out, "\\u%04x", *s++);
		} else if (len) {
			fwrite(s, 1, len, j->out);
			s += len;
		} else {
			fputs("\\ufffd", j->out);
			s++;
		}
	}
	fputc('"', j->out);
}

static void new_line(struct json *j)
{
	if (j->compact)
		return;
	fprintf(j->out, "\n%*s", 2 * j->depth, "");
}

static void begin_element(struct json *j, const char *key)
{
	if (j->filled[j->depth])
		fputs(j->compact ? ", " : ",", j->out);
	j->filled[j->depth] = true;
	if (j->depth)
		new_line(j);
	if (key) {
		put_string(j, key);
		fputs(": ", j->out);
	}
}

void json_open(struct json *j, const char *key, char bracket)
{
	begin_element(j, key);
	fputc(bracket, j->out);
	j->depth++;
	j->filled[j->depth] = false;
}

void json_close(struct json *j, char bracket)
{
	bool filled = j->filled[j->depth];

	j->depth--;
	if (filled)
		new_line(j);
	fputc(bracket, j->out);
	if (j->depth)
		return;
	fputc('\n', j->out);
	j->filled[0] = false;
}

void json_text(struct json *j, const char *key, const char *value)
{
	begin_element(j, key);
	put_string(j, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	begin_element(j, key);
	fputs(value ? "true" : "false", j->out);
}

void json_number(struct json *j, const char *key, const char *fmt, ...)
{
	va_list args;

	begin_element(j, key);
	va_start(args, fmt);
	vfprintf(j->out, fmt, args);
	va_end(args);
}
