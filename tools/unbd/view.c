// SPDX-License-Identifier: GPL-2.0
/*
 * Disks, sessions and exports with all that is known of them, for people and
 * for programs.
 */
#include <stdlib.h>
#include <string.h>

#include "model.h"

/* Where the values begin, beyond what is indented */
#define KEY_WIDTH	16

static void indent(const struct view *v)
{
	printf("%*s", 2 * v->depth, "");
}

void view_list(struct view *v, const char *key)
{
	if (v->json)
		json_open(v->json, key, '[');
}

void view_list_end(struct view *v)
{
	if (v->json)
		json_close(v->json, ']');
}

void view_object(struct view *v, const char *kind, const char *key,
		 const char *name)
{
	struct text safe = { 0 };

	if (v->json) {
		json_open(v->json, NULL, '{');
		json_text(v->json, key, name);
		return;
	}
	text_add_safe(&safe, name);
	indent(v);
	printf("%s %s\n", kind, text_get(&safe));
	text_free(&safe);
	v->depth++;
}

void view_object_end(struct view *v)
{
	if (v->json)
		json_close(v->json, '}');
	else
		v->depth--;
}

void view_text(struct view *v, const char *key, const char *value)
{
	struct text safe = { 0 };

	if (v->json) {
		json_text(v->json, key, value);
		return;
	}
	text_add_safe(&safe, value);
	indent(v);
	if (safe.len)
		printf("%-*s%s\n", KEY_WIDTH, key, safe.at);
	else
		printf("%s\n", key);
	text_free(&safe);
}

/* What the module does not tell is left out. */
void view_number(struct view *v, const char *key, long long value)
{
	if (value == UNKNOWN)
		return;
	if (v->json) {
		json_number(v->json, key, "%lld", value);
		return;
	}
	indent(v);
	printf("%-*s%lld\n", KEY_WIDTH, key, value);
}

void view_size(struct view *v, const char *key, unsigned long long bytes)
{
	struct text size = { 0 };

	if (v->json) {
		json_number(v->json, key, "%llu", bytes);
		return;
	}
	text_add_size(&size, bytes);
	indent(v);
	printf("%-*s%s (%llu bytes)\n", KEY_WIDTH, key, size.at, bytes);
	text_free(&size);
}

static void view_paths(struct view *v, const struct session *s)
{
	const struct path *p;

	view_list(v, "paths");
	for (p = s->paths; p < s->paths + s->nr_paths; p++) {
		view_object(v, "path", "path", p->number);
		view_text(v, "state", p->state);
		view_text(v, "transport", p->transport);
		view_text(v, "src", p->src);
		view_text(v, "dst", p->dst);
		view_number(v, "failures", p->stats[PATH_FAILURES]);
		view_number(v, "reconnects", p->stats[PATH_RECONNECTS]);
		view_object_end(v);
	}
	view_list_end(v);
}

void view_disk(struct view *v, const struct model *m, const struct disk *d)
{
	const struct session *s = model_session(m, d->session);
	char *node = make_text("/dev/%s", d->name);

	view_object(v, "disk", "disk", d->name);
	view_text(v, "device", node);
	view_text(v, "state", d->state);
	view_size(v, "size", d->size);
	if (v->json)
		json_bool(v->json, "read_only", d->read_only);
	else
		view_text(v, "read_only", d->read_only ? "yes" : "no");
	view_text(v, "session", d->session);
	view_text(v, "export", d->export);
	view_text(v, "access_mode", d->access_mode);
	view_number(v, "queues", d->queues);
	view_number(v, "poll_queues", d->poll_queues);
	view_number(v, "queue_depth", d->queue_depth);
	view_number(v, "io_timeout", d->io_timeout);
	view_number(v, "fail_timeout", d->fail_timeout);
	view_text(v, "replay", d->replay);
	if (s)
		view_paths(v, s);
	view_object_end(v);
	free(node);
}

void view_session(struct view *v, const struct model *m,
		  const struct session *s)
{
	const struct disk *d;

	view_object(v, "session", "session", s->name);
	view_text(v, "policy", s->policy);
	view_number(v, "keepalive", s->keepalive);
	view_list(v, "disks");
	for (d = m->disks; d < m->disks + m->nr_disks; d++) {
		if (strcmp(d->session, s->name))
			continue;
		view_object(v, "disk", "disk", d->name);
		view_text(v, "state", d->state);
		view_size(v, "size", d->size);
		view_text(v, "export", d->export);
		view_object_end(v);
	}
	view_list_end(v);
	view_paths(v, s);
	view_object_end(v);
}

void view_export(struct view *v, const struct model *m,
		 const struct export *e)
{
	const struct connection *c;

	view_object(v, "export", "export", e->name);
	view_text(v, "device_path", e->device_path);
	view_text(v, "kind", e->kind);
	view_text(v, "state", e->state);
	view_size(v, "size", e->size);
	view_text(v, "access_mode", e->access_mode);
	view_text(v, "clients", e->clients);
	view_text(v, "features", e->features);
	view_list(v, "connections");
	for (c = m->connections; c < m->connections + m->nr_connections; c++) {
		if (strcmp(c->export, e->name))
			continue;
		view_object(v, "connection", "connection", c->number);
		view_text(v, "peer", c->peer);
		view_text(v, "transport", c->transport);
		view_text(v, "state", c->state);
		view_object_end(v);
	}
	view_list_end(v);
	view_object_end(v);
}
