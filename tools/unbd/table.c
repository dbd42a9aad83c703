// SPDX-License-Identifier: GPL-2.0
/*
 * Columns as lsblk has them: two blanks between, numbers to the right.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "unbd.h"

void table_row(struct table *t)
{
	unsigned int i;

	for (i = 0; i < t->columns; i++) {
		t->cells = grow_array(t->cells, t->rows * t->columns + i,
				      sizeof(*t->cells));
		t->cells[t->rows * t->columns + i] = copy_text("");
	}
	t->rows++;
}

void table_set(struct table *t, unsigned int column, const char *fmt, ...)
{
	char **cell = &t->cells[(t->rows - 1) * t->columns + column];
	struct text safe = { 0 };
	va_list args;
	char *value;

	va_start(args, fmt);
	if (vasprintf(&value, fmt, args) < 0)
		value = copy_text("");
	va_end(args);
	text_add_safe(&safe, value);
	free(value);
	free(*cell);
	*cell = copy_text(text_get(&safe));
	text_free(&safe);
}

/* Row 0 is that of the titles. */
static const char *cell(const struct table *t, size_t row, unsigned int column)
{
	const char *head = t->heads[column];

	if (row)
		return t->cells[(row - 1) * t->columns + column];
	return *head == '>' ? head + 1 : head;
}

static void add_blanks(struct text *line, size_t count)
{
	while (count--)
		text_add(line, " ", 1);
}

static void add_cell(struct text *line, const char *text, size_t width,
		     bool right)
{
	size_t blanks = width - text_width(text);

	add_blanks(line, right ? blanks : 0);
	text_add(line, text, strlen(text));
	add_blanks(line, right ? 0 : blanks);
}

/* Cuts at a character, and the blanks at the end off. */
static void put_line(const struct text *line, FILE *out, size_t width)
{
	size_t len, columns = 0;

	for (len = 0; len < line->len; len++) {
		if ((line->at[len] & 0xc0) != 0x80 && width &&
		    columns++ == width)
			break;
	}
	while (len && line->at[len - 1] == ' ')
		len--;
	fwrite(text_get(line), 1, len, out);
	fputc('\n', out);
}

void table_print(const struct table *t, FILE *out, size_t lines, size_t width)
{
	size_t widths[TABLE_MAX_COLUMNS] = { 0 };
	struct text line = { 0 };
	size_t row, wide;
	unsigned int i;

	for (row = 0; row <= t->rows; row++)
		for (i = 0; i < t->columns; i++) {
			wide = text_width(cell(t, row, i));
			if (wide > widths[i])
				widths[i] = wide;
		}
	for (row = 0; row <= t->rows && (!lines || row < lines); row++) {
		for (i = 0; i < t->columns; i++) {
			add_blanks(&line, i ? 2 : 0);
			add_cell(&line, cell(t, row, i), widths[i],
				 *t->heads[i] == '>');
		}
		put_line(&line, out, width);
		text_free(&line);
	}
}

void table_free(struct table *t)
{
	free_names(t->cells, t->rows * t->columns);
	t->cells = NULL;
	t->rows = 0;
}
