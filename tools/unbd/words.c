// SPDX-License-Identifier: GPL-2.0
/*
 * Lines of words as the modules take them: double quotes keep blanks together,
 * and neither a quote nor a newline can be part of a word.
 */
#include <stdlib.h>
#include <string.h>

#include "unbd.h"

static const char blanks[] = " \t\n";

bool is_key(const char *word)
{
	size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyz_");

	return len && word[len] == '=';
}

bool is_network(const char *address)
{
	static const char * const kinds[] = {
		"tcp:", "ip:", "ip6:", "gid:", "rdma:",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (starts_with(address, kinds[i]))
			return true;
	return false;
}

bool words_add(struct text *line, const char *key, const char *value)
{
	bool quoted = strpbrk(value, blanks) || (!*key && !*value);

	if (strpbrk(value, "\"\n")) {
		complain("%s\"%s\": a double quote or newline cannot be in it",
			 key, value);
		return false;
	}
	text_print(line, "%s%s%s%s%s", line->len ? " " : "", key,
		   quoted ? "\"" : "", value, quoted ? "\"" : "");
	return true;
}

bool words_add_raw(struct text *line, const char *word)
{
	size_t len = is_key(word) ? strcspn(word, "=") + 1 : 0;
	char *key;
	bool ok;

	/* Somebody has typed quotes as they stand in the sysfs line. */
	if (strchr(word, '"') && !strchr(word, '\n')) {
		text_print(line, "%s%s", line->len ? " " : "", word);
		return true;
	}
	key = copy_text(word);
	key[len] = '\0';
	ok = words_add(line, key, word + len);
	free(key);
	return ok;
}

char *words_next(const char **line)
{
	struct text word = { 0 };
	bool quoted = false;
	const char *in = *line + strspn(*line, blanks);
	const char *start = in;

	for (; *in && *in != '\n' && (quoted || !strchr(blanks, *in)); in++) {
		if (*in == '"')
			quoted = !quoted;
		else
			text_add(&word, in, 1);
	}
	*line = in;
	if (in == start)
		return NULL;
	text_add(&word, "", 0);
	return word.at;
}

char *words_value(const char *line, const char *key)
{
	char *value = NULL;
	char *word;

	while (!value && (word = words_next(&line))) {
		if (starts_with(word, key))
			value = copy_text(word + strlen(key));
		free(word);
	}
	return value;
}

char **words_split(const char *line)
{
	char **words = NULL;
	size_t count = 0;

	do
		words = grow_array(words, count, sizeof(*words));
	while ((words[count++] = words_next(&line)));
	return words;
}

void words_free(char **words)
{
	size_t count = 0;

	while (words[count])
		count++;
	free_names(words, count);
}
