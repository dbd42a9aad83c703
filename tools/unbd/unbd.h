/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parts of the command unbd. It knows nothing by itself: what it shows it
 * has just read from the modules' sysfs, and what it does is one write there.
 */
#ifndef UNBD_TOOL_H
#define UNBD_TOOL_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#ifndef __printf
#define __printf(fmt, args)	__attribute__((format(printf, fmt, args)))
#endif
#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#endif

/* Of the release */
#ifndef UNBD_VERSION
#define UNBD_VERSION	"unknown"
#endif

/**
 * enum unbd_exit - exit status, as the manual has it
 * @EXIT_OK: done
 * @EXIT_REFUSED: the kernel has refused it, or it has failed otherwise
 * @EXIT_USAGE: the command line makes no sense
 * @EXIT_ABSENT: what was named is not there
 * @EXIT_NO_MODULE: the module is not loaded and cannot be
 */
enum unbd_exit {
	EXIT_OK,
	EXIT_REFUSED,
	EXIT_USAGE,
	EXIT_ABSENT,
	EXIT_NO_MODULE,
};

/* ------------------------------------------------------------------ */
/* run.c                                                              */

/**
 * struct command - a word behind unbd
 * @name: the word
 * @usage: what stands behind it
 * @summary: a line for the list of commands
 * @help: the rest of its help
 * @run: does it; argv[0] is the command's name
 */
struct command {
	const char *name;
	const char *usage;
	const char *summary;
	const char *help;
	int (*run)(int argc, char **argv);
};

extern const struct command map_command, unmap_command, resize_command;
extern const struct command path_command;
extern const struct command export_command, unexport_command;
extern const struct command listen_command, unlisten_command;
extern const struct command list_command, show_command, stats_command;
extern const struct command top_command, doctor_command;
extern const struct command save_command, restore_command;

/** unbd_run() - the whole program */
int unbd_run(int argc, char **argv);

/** complain() - one line on standard error, behind "unbd COMMAND: " */
__printf(1, 2) void complain(const char *fmt, ...);

/** complain_at() - from now on name this place, too; NULL for none */
void complain_at(const char *where);

/** bad_usage() - complain, and say where help is; returns EXIT_USAGE */
__printf(1, 2) int bad_usage(const char *fmt, ...);

/**
 * next_option() - getopt_long() with the project's words for what is wrong
 *
 * Return: the option's value, -1 at the end, or '?' after having complained.
 * Options may stand anywhere; optind is then the first other word.
 */
int next_option(int argc, char **argv, const struct option *options);

/** json_option() - next_option() for --json alone; 1 if it is there, or -1 */
int json_option(int argc, char **argv);

/** no_options - for next_option(): of a command that has none */
extern const struct option no_options[];

/**
 * force_command() - a command that is "[--force] WORD..."
 * @question: what to ask when there is no word
 * @one: does it for one of them, and returns an exit status
 *
 * Return: EXIT_OK, or the status of the last word that failed; one that does
 * so does not keep the others from being done.
 */
int force_command(int argc, char **argv, const char *question,
		  int (*one)(const char *word, bool force));

/* ------------------------------------------------------------------ */
/* text.c                                                             */

/** struct text - a string that grows; {0} is the empty one */
struct text {
	char *at;
	size_t len;
};

/* They end the program when there is no memory. */
void *allocate(size_t size);
void *grow_array(void *array, size_t count, size_t size);
char *copy_text(const char *text);
__printf(1, 2) char *make_text(const char *fmt, ...);
void text_add(struct text *t, const char *bytes, size_t len);
__printf(2, 3) void text_print(struct text *t, const char *fmt, ...);
const char *text_get(const struct text *t);
void text_free(struct text *t);

bool starts_with(const char *text, const char *start);

/** char_length() - bytes of the valid UTF-8 character at @s, 0 for none */
size_t char_length(const char *s);

/** text_add_safe() - as it can be shown on a terminal: one line, no escapes */
void text_add_safe(struct text *t, const char *s);

/** text_width() - columns that a safe text takes */
size_t text_width(const char *s);

/** parse_number() - the whole of @s is a decimal number */
bool parse_number(const char *s, unsigned long long *number);

/** parse_size() - bytes, with K, M, G, T or P behind them for powers of 1024 */
bool parse_size(const char *s, unsigned long long *bytes);

/** text_add_size() - bytes as lsblk has them: 512M, 1.5G */
void text_add_size(struct text *t, unsigned long long bytes);

/* ------------------------------------------------------------------ */
/* sysfs.c                                                            */

/* "/sys"; unit tests have their own */
extern const char *sysfs_root;

/* What sysfs_need() calls to load a module; unit tests have their own */
extern int (*sysfs_load)(const char *module);

#define CLIENT		"devices/virtual/unbd-client/ctl"
#define SERVER		"devices/virtual/unbd-server/ctl"

/** sysfs_path() - DIR/FILE below the root; to be freed */
char *sysfs_path(const char *dir, const char *file);

/** sysfs_read() - a file's text without its last newline, or NULL; to free */
char *sysfs_read(const char *dir, const char *file);

/** sysfs_number() - a file's number, @missing if there is none */
long long sysfs_number(const char *dir, const char *file, long long missing);

bool sysfs_exists(const char *dir, const char *file);

/**
 * sysfs_list() - names in a directory, numbers in them in their order
 * @names: gets an array; free it with free_names()
 *
 * Return: how many, 0 also if there is no such directory.
 */
size_t sysfs_list(const char *dir, const char *file, char ***names);
void free_names(char **names, size_t count);

/** sysfs_need() - load the module if DIR is not there; EXIT_... */
int sysfs_need(const char *dir, const char *module);

/**
 * sysfs_write() - one write of one line
 *
 * Return: 0 or an errno.
 */
int sysfs_write(const char *dir, const char *file, const char *line);

/**
 * sysfs_order() - sysfs_write(), and if it fails complain of why
 * @what: what was to be done, for the message
 *
 * Return: EXIT_OK, EXIT_ABSENT if the file is not there, or EXIT_REFUSED.
 */
int sysfs_order(const char *dir, const char *file, const char *line,
		const char *what);

/** sysfs_order_patiently() - the same; what is busy is tried again for a while */
int sysfs_order_patiently(const char *dir, const char *file, const char *line,
			  const char *what);

/* ------------------------------------------------------------------ */
/* kmsg.c                                                             */

/** kmsg_open() - remember the end of the kernel's log; -1 if it is closed */
int kmsg_open(void);

/**
 * kmsg_reason() - what the log has said since of a write that failed
 * @fd: of kmsg_open()
 * @file: that was written to
 * @err: errno of the write
 *
 * Return: text to be freed, or NULL.
 */
char *kmsg_reason(int fd, const char *file, int err);

/* ------------------------------------------------------------------ */
/* words.c                                                            */

/** is_key() - does the word begin like key=? */
bool is_key(const char *word);

/** is_network() - does a path with this address go over a network? */
bool is_network(const char *address);

/**
 * words_add() - append KEY and VALUE to a line, quoted as the kernel wants it
 * @key: with its '=', or "" for a word by itself
 *
 * Return: false, having complained, if no line can have such a value.
 */
bool words_add(struct text *line, const char *key, const char *value);

/** words_add_raw() - append a word of the user, quoted if it has blanks */
bool words_add_raw(struct text *line, const char *word);

/** words_value() - a key's value in a line, NULL if it is missing; to free */
char *words_value(const char *line, const char *key);

/** words_next() - cut a word off as the kernel does; NULL at the end */
char *words_next(const char **line);

/** words_split() - all words of a line; NULL is behind the last one */
char **words_split(const char *line);
void words_free(char **words);

/* ------------------------------------------------------------------ */
/* map.c                                                              */

/**
 * map_words() - the line for map_device from words as unbd map takes them
 * @words: KEY=VALUE or URIs; NULL is behind the last one
 * @resolve: look up the hosts in URIs; if not, only their kind is in the line
 *
 * Return: EXIT_OK, or another status after having complained.
 */
int map_words(struct text *line, char **words, bool resolve);

/* ------------------------------------------------------------------ */
/* tab.c                                                              */

/* "/etc/unbdtab" and "/proc/cmdline"; unit tests have their own */
extern const char *tab_file, *tab_cmdline;

/** enum entry_kind - first word of a line */
enum entry_kind {
	ENTRY_EXPORT,
	ENTRY_LISTEN,
	ENTRY_MAP,
	ENTRY_NR_KINDS,
};

extern const char * const entry_kinds[ENTRY_NR_KINDS];

/**
 * struct entry - a line of unbdtab(5)
 * @kind: what is to be done
 * @words: with what
 * @name: the export's, the listener's address, or SESSION:EXPORT
 * @device: behind an export
 * @network: does the disk need a network?
 */
struct entry {
	enum entry_kind kind;
	char **words;
	char *name;
	char *device;
	bool network;
};

/**
 * tab_read() - call @one for each line of a file; "-" is standard input
 *
 * What is complained of meanwhile has the line's place in front. A line that
 * fails does not keep the others away.
 *
 * Return: EXIT_OK, or the status of the first line that failed.
 */
int tab_read(const char *file, int (*one)(const struct entry *e, void *data),
	     void *data);

/** tab_read_cmdline() - the same of unbd= in the kernel's command line */
int tab_read_cmdline(int (*one)(const struct entry *e, void *data),
		     void *data);

/* ------------------------------------------------------------------ */
/* generator.c                                                        */

/** generate_units() - a systemd.generator(7), units for unbdtab(5) */
int generate_units(int argc, char **argv);

/* ------------------------------------------------------------------ */
/* uri.c                                                              */

/**
 * struct nbd_uri - an NBD URI, taken apart
 * @path: for path=, the host's name as it is in the URI
 * @host: to be resolved, NULL if @path is complete
 * @port: behind the host, NULL for none
 * @session: a name for a server reached so
 * @export: its name
 */
struct nbd_uri {
	char *path;
	char *host;
	char *port;
	char *session;
	char *export;
};

bool is_uri(const char *word);

/** uri_parse() - false, having complained, if it cannot be used */
bool uri_parse(const char *text, struct nbd_uri *uri);

/** uri_resolve() - complete @path; false, having complained */
bool uri_resolve(struct nbd_uri *uri);
void uri_free(struct nbd_uri *uri);

/* ------------------------------------------------------------------ */
/* json.c                                                             */

/**
 * struct json - a document being written
 * @out: where to
 * @compact: all on one line
 * @depth: of what is open
 * @filled: has what is open at a depth an element yet?
 */
struct json {
	FILE *out;
	bool compact;
	unsigned int depth;
	bool filled[8];
};

/* In an array the key is NULL. @bracket is '{' or '['. */
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
void json_text(struct json *j, const char *key, const char *value);
void json_bool(struct json *j, const char *key, bool value);
__printf(3, 4)
void json_number(struct json *j, const char *key, const char *fmt, ...);

/* ------------------------------------------------------------------ */
/* table.c                                                            */

#define TABLE_MAX_COLUMNS	12

/**
 * struct table - lines of cells, printed in columns
 * @heads: titles; '>' in front of one aligns its column to the right
 * @columns: how many
 * @cells: of all rows, or NULL for none
 * @rows: without the titles
 */
struct table {
	const char * const *heads;
	unsigned int columns;
	char **cells;
	size_t rows;
};

/** table_row() - append a row of empty cells */
void table_row(struct table *t);

/** table_set() - fill a cell of the last row */
__printf(3, 4)
void table_set(struct table *t, unsigned int column, const char *fmt, ...);

/** table_print() - at most @lines lines of @width columns, 0 for no limit */
void table_print(const struct table *t, FILE *out, size_t lines, size_t width);
void table_free(struct table *t);

#endif
