/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What there is at a moment, as sysfs tells it.
 */
#ifndef UNBD_TOOL_MODEL_H
#define UNBD_TOOL_MODEL_H

#include "unbd.h"

/* The counters that a disk has in its stat file, in its order */
enum disk_counter {
	DISK_READS,
	DISK_READ_MERGES,
	DISK_READ_SECTORS,
	DISK_READ_MS,
	DISK_WRITES,
	DISK_WRITE_MERGES,
	DISK_WRITE_SECTORS,
	DISK_WRITE_MS,
	DISK_IN_FLIGHT,
	DISK_NR_COUNTERS,
};

/* Files in a disk's unbd/stats */
enum disk_stat {
	STAT_REQUEUED,
	STAT_FENCED,
	STAT_REPLAYED,
	STAT_PARKED,
	STAT_TIMEOUTS,
	STAT_FAILED,
	DISK_NR_STATS,
};

extern const char * const disk_stat_names[DISK_NR_STATS];

/* Lines in the file stats of a path */
enum path_stat {
	PATH_FAILURES,
	PATH_RECONNECTS,
	PATH_READS,
	PATH_READ_BYTES,
	PATH_WRITES,
	PATH_WRITE_BYTES,
	PATH_OTHERS,
	PATH_OTHER_BYTES,
	PATH_ERRORS,
	PATH_TIME_US,
	PATH_IN_FLIGHT,
	PATH_NR_STATS,
};

extern const char * const path_stat_names[PATH_NR_STATS];

/* Files in stats of an export and of a connection */
enum served_stat {
	SERVED_READS,
	SERVED_WRITES,
	SERVED_FLUSHES,
	SERVED_DISCARDS,
	SERVED_SECURE_ERASES,
	SERVED_WRITE_ZEROES,
	SERVED_PREFETCHES,
	SERVED_BYTES_READ,
	SERVED_BYTES_WRITTEN,
	SERVED_ERRORS,
	SERVED_NR_STATS,
};

extern const char * const served_stat_names[SERVED_NR_STATS];

struct disk {
	char *name;
	char *state;
	char *session;
	char *export;
	char *access_mode;
	unsigned long long size;
	bool read_only;
	long long queues;
	long long poll_queues;
	long long queue_depth;
	long long io_timeout;
	long long fail_timeout;
	char *replay;		/* bytes, or "off" */
	unsigned long long counters[DISK_NR_COUNTERS];
	unsigned long long stats[DISK_NR_STATS];
};

struct path {
	char *number;
	char *state;
	char *transport;
	char *src;
	char *dst;
	unsigned long long stats[PATH_NR_STATS];
};

struct session {
	char *name;
	char *policy;
	long long keepalive;
	struct path *paths;
	size_t nr_paths;
};

struct export {
	char *name;
	char *device_path;
	char *access_mode;
	char *clients;
	char *kind;
	char *features;
	char *state;
	unsigned long long size;
	unsigned long long connections;
	unsigned long long stats[SERVED_NR_STATS];
};

struct connection {
	char *number;
	char *peer;
	char *transport;
	char *export;
	char *state;
	unsigned long long stats[SERVED_NR_STATS];
};

/* A value that this version of the module does not tell */
#define UNKNOWN		(-2)

struct model {
	struct disk *disks;
	size_t nr_disks;
	struct session *sessions;
	size_t nr_sessions;
	struct export *exports;
	size_t nr_exports;
	struct connection *connections;
	size_t nr_connections;
	char **listeners;
	size_t nr_listeners;
};

/* All is empty where a module is not loaded. */
void model_read(struct model *m);
void model_free(struct model *m);

const struct disk *model_disk(const struct model *m, const char *name);
const struct session *model_session(const struct model *m, const char *name);
const struct export *model_export(const struct model *m, const char *name);
bool model_listens(const struct model *m, const char *address);
const struct disk *model_mapping(const struct model *m, const char *session,
				 const char *export);

/** model_named() - by SESSION:EXPORT, or NULL */
const struct disk *model_named(const struct model *m, const char *name);

/**
 * model_find_disk() - by its name, SESSION:EXPORT or a file that leads to it
 *
 * Return: NULL if there is none.
 */
const struct disk *model_find_disk(const struct model *m, const char *word);

/** live_paths() - how many paths of a session are live */
size_t live_paths(const struct session *s);

/* ------------------------------------------------------------------ */
/* view.c                                                             */

/**
 * struct view - the same things as text for people or as JSON
 * @json: NULL for text
 * @depth: of the text
 */
struct view {
	struct json *json;
	unsigned int depth;
};

/* A list of objects, all of the same kind; JSON calls it @key */
void view_list(struct view *v, const char *key);
void view_list_end(struct view *v);

/* In text "KIND NAME", in JSON an object that has the name under @key */
void view_object(struct view *v, const char *kind, const char *key,
		 const char *name);
void view_object_end(struct view *v);

void view_text(struct view *v, const char *key, const char *value);
void view_number(struct view *v, const char *key, long long value);
void view_size(struct view *v, const char *key, unsigned long long bytes);

void view_disk(struct view *v, const struct model *m, const struct disk *d);
void view_session(struct view *v, const struct model *m,
		  const struct session *s);
void view_export(struct view *v, const struct model *m,
		 const struct export *e);

#endif
