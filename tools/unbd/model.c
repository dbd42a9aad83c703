// SPDX-License-Identifier: GPL-2.0
/*
 * Reading all of sysfs that is ours. What goes away meanwhile is left out.
 */
#include <stdlib.h>
#include <string.h>

#include "model.h"

#define SECTOR		512ULL

const char * const disk_stat_names[DISK_NR_STATS] = {
	[STAT_REQUEUED] = "requeued",
	[STAT_FENCED] = "fenced",
	[STAT_REPLAYED] = "replayed",
	[STAT_PARKED] = "parked",
	[STAT_TIMEOUTS] = "timeouts",
	[STAT_FAILED] = "failed",
};

const char * const path_stat_names[PATH_NR_STATS] = {
	[PATH_FAILURES] = "failures",
	[PATH_RECONNECTS] = "reconnects",
	[PATH_READS] = "reads",
	[PATH_READ_BYTES] = "read_bytes",
	[PATH_WRITES] = "writes",
	[PATH_WRITE_BYTES] = "write_bytes",
	[PATH_OTHERS] = "others",
	[PATH_OTHER_BYTES] = "other_bytes",
	[PATH_ERRORS] = "errors",
	[PATH_TIME_US] = "time_us",
	[PATH_IN_FLIGHT] = "in_flight",
};

const char * const served_stat_names[SERVED_NR_STATS] = {
	[SERVED_READS] = "reads",
	[SERVED_WRITES] = "writes",
	[SERVED_FLUSHES] = "flushes",
	[SERVED_DISCARDS] = "discards",
	[SERVED_SECURE_ERASES] = "secure_erases",
	[SERVED_WRITE_ZEROES] = "write_zeroes",
	[SERVED_PREFETCHES] = "prefetches",
	[SERVED_BYTES_READ] = "bytes_read",
	[SERVED_BYTES_WRITTEN] = "bytes_written",
	[SERVED_ERRORS] = "errors",
};

static char *read_or_empty(const char *dir, const char *file)
{
	char *text = sysfs_read(dir, file);

	return text ? text : copy_text("");
}

static unsigned long long read_number(const char *dir, const char *file)
{
	return sysfs_number(dir, file, 0);
}

static void read_stats(const char *dir, const char * const *names,
		       size_t count, unsigned long long *stats)
{
	char *stats_dir = make_text("%s/stats", dir);
	size_t i;

	for (i = 0; i < count; i++)
		stats[i] = read_number(stats_dir, names[i]);
	free(stats_dir);
}

/* ------------------------------------------------------------------ */
/* Disks                                                              */

static void read_counters(const char *dir, struct disk *d)
{
	char *text = read_or_empty(dir, "stat");
	char *at = text;
	size_t i;

	for (i = 0; i < DISK_NR_COUNTERS; i++)
		d->counters[i] = strtoull(at, &at, 10);
	free(text);
}

/* Hardware queues of blk-mq, of which the polled ones are the last */
static void read_queues(const char *dir, struct disk *d)
{
	char **names;
	size_t count = sysfs_list(dir, "mq", &names);

	d->queue_depth = sysfs_number(dir, "mq/0/nr_tags", UNKNOWN);
	d->queues = count ? (long long)count - d->poll_queues : UNKNOWN;
	free_names(names, count);
}

static void free_disk(struct disk *d)
{
	free(d->name);
	free(d->state);
	free(d->session);
	free(d->export);
	free(d->access_mode);
	free(d->replay);
}

static bool read_disk(const char *name, struct disk *d)
{
	char *block = make_text("block/%s", name);
	char *dir = make_text("%s/unbd", block);
	long long ms;

	d->name = copy_text(name);
	d->state = sysfs_read(dir, "state");
	d->session = sysfs_read(dir, "session");
	d->export = sysfs_read(dir, "mapping_path");
	d->access_mode = read_or_empty(dir, "access_mode");
	d->fail_timeout = sysfs_number(dir, "fail_timeout", UNKNOWN);
	d->replay = read_or_empty(dir, "replay");
	d->poll_queues = read_number(dir, "nr_poll_queues");
	read_stats(dir, disk_stat_names, DISK_NR_STATS, d->stats);
	d->size = read_number(block, "size") * SECTOR;
	d->read_only = read_number(block, "ro");
	ms = sysfs_number(block, "queue/io_timeout", UNKNOWN);
	d->io_timeout = ms < 0 ? UNKNOWN : ms / 1000;
	read_queues(block, d);
	read_counters(block, d);
	free(block);
	free(dir);
	if (d->state && d->session && d->export)
		return true;
	free_disk(d);
	return false;
}

static void read_disks(struct model *m)
{
	char **names;
	size_t count = sysfs_list(CLIENT, "devices", &names), i;

	for (i = 0; i < count; i++) {
		m->disks = grow_array(m->disks, m->nr_disks,
				      sizeof(*m->disks));
		if (read_disk(names[i], &m->disks[m->nr_disks]))
			m->nr_disks++;
	}
	free_names(names, count);
}

/* ------------------------------------------------------------------ */
/* Sessions and paths                                                 */

static void free_path(struct path *p)
{
	free(p->number);
	free(p->state);
	free(p->transport);
	free(p->src);
	free(p->dst);
}

/* Lines of a name and a number; older modules have fewer */
static void read_path_stats(const char *dir, unsigned long long *stats)
{
	char *text = read_or_empty(dir, "stats");
	unsigned long long number;
	const char *line = text;
	char name[32];
	size_t i;

	while (line && sscanf(line, "%31s %llu", name, &number) == 2) {
		for (i = 0; i < PATH_NR_STATS; i++)
			if (!strcmp(name, path_stat_names[i]))
				stats[i] = number;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	free(text);
}

static bool read_path(const char *paths, const char *number, struct path *p)
{
	char *dir = make_text("%s/%s", paths, number);

	p->number = copy_text(number);
	p->state = sysfs_read(dir, "state");
	p->transport = read_or_empty(dir, "transport");
	p->src = read_or_empty(dir, "src");
	p->dst = sysfs_read(dir, "dst");
	memset(p->stats, 0, sizeof(p->stats));
	read_path_stats(dir, p->stats);
	free(dir);
	if (p->state && p->dst)
		return true;
	free_path(p);
	return false;
}

static void read_paths(const char *session, struct session *s)
{
	char *dir = make_text("%s/paths", session);
	char **names;
	size_t count = sysfs_list(dir, "", &names), i;

	for (i = 0; i < count; i++) {
		s->paths = grow_array(s->paths, s->nr_paths,
				      sizeof(*s->paths));
		if (read_path(dir, names[i], &s->paths[s->nr_paths]))
			s->nr_paths++;
	}
	free_names(names, count);
	free(dir);
}

static void read_sessions(struct model *m)
{
	struct session *s;
	char **names, *dir;
	size_t count = sysfs_list(CLIENT, "sessions", &names), i;

	for (i = 0; i < count; i++) {
		dir = make_text("%s/sessions/%s", CLIENT, names[i]);
		m->sessions = grow_array(m->sessions, m->nr_sessions,
					 sizeof(*m->sessions));
		s = &m->sessions[m->nr_sessions];
		s->policy = sysfs_read(dir, "policy");
		if (s->policy) {
			s->name = copy_text(names[i]);
			s->keepalive = sysfs_number(dir, "keepalive", UNKNOWN);
			read_paths(dir, s);
			m->nr_sessions++;
		}
		free(dir);
	}
	free_names(names, count);
}

/* ------------------------------------------------------------------ */
/* The server                                                         */

static void free_export(struct export *e)
{
	free(e->name);
	free(e->device_path);
	free(e->access_mode);
	free(e->clients);
	free(e->kind);
	free(e->features);
	free(e->state);
}

static bool read_export(const char *name, struct export *e)
{
	char *dir = make_text("%s/exports/%s", SERVER, name);

	e->name = copy_text(name);
	e->device_path = sysfs_read(dir, "device_path");
	e->access_mode = read_or_empty(dir, "access_mode");
	e->clients = read_or_empty(dir, "clients");
	e->kind = read_or_empty(dir, "kind");
	e->features = read_or_empty(dir, "features");
	e->state = sysfs_read(dir, "state");
	e->size = read_number(dir, "size");
	e->connections = read_number(dir, "connections");
	read_stats(dir, served_stat_names, SERVED_NR_STATS, e->stats);
	free(dir);
	if (e->device_path && e->state)
		return true;
	free_export(e);
	return false;
}

static void read_exports(struct model *m)
{
	char **names;
	size_t count = sysfs_list(SERVER, "exports", &names), i;

	for (i = 0; i < count; i++) {
		m->exports = grow_array(m->exports, m->nr_exports,
					sizeof(*m->exports));
		if (read_export(names[i], &m->exports[m->nr_exports]))
			m->nr_exports++;
	}
	free_names(names, count);
}

static void free_connection(struct connection *c)
{
	free(c->number);
	free(c->peer);
	free(c->transport);
	free(c->export);
	free(c->state);
}

static bool read_connection(const char *number, struct connection *c)
{
	char *dir = make_text("%s/connections/%s", SERVER, number);

	c->number = copy_text(number);
	c->peer = sysfs_read(dir, "peer");
	c->transport = read_or_empty(dir, "transport");
	c->export = read_or_empty(dir, "export");
	c->state = sysfs_read(dir, "state");
	read_stats(dir, served_stat_names, SERVED_NR_STATS, c->stats);
	free(dir);
	if (c->peer && c->state)
		return true;
	free_connection(c);
	return false;
}

static void read_connections(struct model *m)
{
	char **names;
	size_t count = sysfs_list(SERVER, "connections", &names), i;

	for (i = 0; i < count; i++) {
		m->connections = grow_array(m->connections, m->nr_connections,
					    sizeof(*m->connections));
		if (read_connection(names[i],
				    &m->connections[m->nr_connections]))
			m->nr_connections++;
	}
	free_names(names, count);
}

static void read_listeners(struct model *m)
{
	char *text = read_or_empty(SERVER, "listeners");
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		m->listeners = grow_array(m->listeners, m->nr_listeners,
					  sizeof(*m->listeners));
		m->listeners[m->nr_listeners++] = copy_text(line);
	}
	free(text);
}

/* ------------------------------------------------------------------ */
/* All of it                                                          */

void model_read(struct model *m)
{
	*m = (struct model){ 0 };
	read_disks(m);
	read_sessions(m);
	read_exports(m);
	read_connections(m);
	read_listeners(m);
}

static void free_session(struct session *s)
{
	size_t i;

	for (i = 0; i < s->nr_paths; i++)
		free_path(&s->paths[i]);
	free(s->paths);
	free(s->name);
	free(s->policy);
}

void model_free(struct model *m)
{
	size_t i;

	for (i = 0; i < m->nr_disks; i++)
		free_disk(&m->disks[i]);
	for (i = 0; i < m->nr_sessions; i++)
		free_session(&m->sessions[i]);
	for (i = 0; i < m->nr_exports; i++)
		free_export(&m->exports[i]);
	for (i = 0; i < m->nr_connections; i++)
		free_connection(&m->connections[i]);
	free_names(m->listeners, m->nr_listeners);
	free(m->disks);
	free(m->sessions);
	free(m->exports);
	free(m->connections);
	*m = (struct model){ 0 };
}

const struct disk *model_disk(const struct model *m, const char *name)
{
	size_t i;

	for (i = 0; i < m->nr_disks; i++)
		if (!strcmp(m->disks[i].name, name))
			return &m->disks[i];
	return NULL;
}

const struct disk *model_mapping(const struct model *m, const char *session,
				 const char *export)
{
	size_t i;

	for (i = 0; i < m->nr_disks; i++)
		if (!strcmp(m->disks[i].session, session) &&
		    !strcmp(m->disks[i].export, export))
			return &m->disks[i];
	return NULL;
}

const struct session *model_session(const struct model *m, const char *name)
{
	size_t i;

	for (i = 0; i < m->nr_sessions; i++)
		if (!strcmp(m->sessions[i].name, name))
			return &m->sessions[i];
	return NULL;
}

const struct export *model_export(const struct model *m, const char *name)
{
	size_t i;

	for (i = 0; i < m->nr_exports; i++)
		if (!strcmp(m->exports[i].name, name))
			return &m->exports[i];
	return NULL;
}

bool model_listens(const struct model *m, const char *address)
{
	size_t i;

	for (i = 0; i < m->nr_listeners; i++)
		if (!strcmp(m->listeners[i], address))
			return true;
	return false;
}

const struct disk *model_named(const struct model *m, const char *name)
{
	const struct disk *d;
	size_t len;

	for (d = m->disks; d < m->disks + m->nr_disks; d++) {
		len = strlen(d->session);
		if (starts_with(name, d->session) && name[len] == ':' &&
		    !strcmp(name + len + 1, d->export))
			return d;
	}
	return NULL;
}

const struct disk *model_find_disk(const struct model *m, const char *word)
{
	const struct disk *found = model_disk(m, word);
	char *target, *slash;

	if (!found)
		found = model_named(m, word);
	if (found || !strchr(word, '/'))
		return found;
	target = realpath(word, NULL);
	slash = strrchr(target ? target : word, '/');
	found = model_disk(m, slash + 1);
	free(target);
	return found;
}

size_t live_paths(const struct session *s)
{
	size_t live = 0, i;

	for (i = 0; i < s->nr_paths; i++)
		live += !strcmp(s->paths[i].state, "live");
	return live;
}
