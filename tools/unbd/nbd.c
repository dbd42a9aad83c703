// SPDX-License-Identifier: GPL-2.0
/*
 * What an NBD server tells before it serves: what it is and what it exports.
 * Nothing that it sends is trusted.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <unbd/proto/nbd.h>

#include "remote.h"

/* More than these are not listed, nor are more of them asked for their size. */
#define MAX_EXPORTS	1024
#define MAX_ASKED	256

/* A name, its length and a description as long as the protocol allows */
#define MAX_REPLY	(2 * NBD_MAX_STRING + 64)

/**
 * struct talk - a conversation with a server
 * @fd: connection
 * @deadline: when it has to be over
 * @s: what is known
 * @type: of the last reply
 * @len: bytes of it
 * @data: these, with a NUL behind
 */
struct talk {
	int fd;
	long long deadline;
	struct nbd_server *s;
	unsigned int type;
	size_t len;
	char data[MAX_REPLY + 1];
};

static bool receive(struct talk *t, void *bytes, size_t len)
{
	size_t got;

	if (!stream_receive(t->fd, bytes, len, &got, t->deadline))
		return true;
	t->s->broken = true;
	return false;
}

static bool send_option(struct talk *t, unsigned int option, const void *data,
			size_t len)
{
	struct nbd_opt_header head = {
		.magic = htobe64(NBD_OPTION_MAGIC),
		.option = htobe32(option),
		.len = htobe32(len),
	};

	if (stream_send(t->fd, &head, sizeof(head)) &&
	    (!len || stream_send(t->fd, data, len)))
		return true;
	t->s->broken = true;
	return false;
}

/* False also if it is not an answer to this option */
static bool receive_reply(struct talk *t, unsigned int option)
{
	struct nbd_opt_reply head;

	if (!receive(t, &head, sizeof(head)))
		return false;
	t->type = be32toh(head.type);
	t->len = be32toh(head.len);
	if (be64toh(head.magic) != NBD_OPTION_REPLY_MAGIC ||
	    be32toh(head.option) != option || t->len > MAX_REPLY) {
		t->s->broken = true;
		return false;
	}
	t->data[t->len] = '\0';
	return !t->len || receive(t, t->data, t->len);
}

static bool is_error(const struct talk *t)
{
	return t->type & NBD_REP_ERROR_BIT;
}

static struct nbd_export *add_export(struct nbd_server *s, const char *name,
				     const char *description)
{
	struct nbd_export *e;

	s->exports = grow_array(s->exports, s->nr_exports,
				sizeof(*s->exports));
	e = &s->exports[s->nr_exports++];
	e->name = copy_text(name);
	e->description = copy_text(description);
	return e;
}

/* The name's length, the name, and the rest is a description. */
static bool take_listed(struct talk *t)
{
	uint32_t len;
	char *name;

	if (t->len < sizeof(len) || t->s->nr_exports >= MAX_EXPORTS)
		return false;
	memcpy(&len, t->data, sizeof(len));
	len = be32toh(len);
	if (len > t->len - sizeof(len) || len > NBD_MAX_STRING)
		return false;
	name = strndup(t->data + sizeof(len), len);
	if (name)
		add_export(t->s, name, t->data + sizeof(len) + len);
	free(name);
	return name;
}

static bool list(struct talk *t)
{
	if (!send_option(t, NBD_OPT_LIST, NULL, 0))
		return false;
	while (receive_reply(t, NBD_OPT_LIST)) {
		if (is_error(t))
			t->s->refused = t->type;
		if (is_error(t) || t->type == NBD_REP_ACK)
			return true;
		if (t->type != NBD_REP_SERVER || !take_listed(t))
			t->s->broken = true;
		if (t->s->broken)
			return false;
	}
	return false;
}

static void take_flags(struct nbd_export *e, uint64_t size, uint16_t flags)
{
	e->known = true;
	e->size = be64toh(size);
	e->read_only = be16toh(flags) & NBD_FLAG_READ_ONLY;
}

/* NBD_OPT_INFO: the name's length, the name, and no kinds of information */
static bool ask_info(struct talk *t, struct nbd_export *e)
{
	struct nbd_info_export info;
	struct text data = { 0 };
	uint32_t len = htobe32(strlen(e->name));
	uint16_t none = 0;
	bool ok;

	text_add(&data, (const char *)&len, sizeof(len));
	text_add(&data, e->name, strlen(e->name));
	text_add(&data, (const char *)&none, sizeof(none));
	ok = send_option(t, NBD_OPT_INFO, data.at, data.len);
	text_free(&data);
	while (ok && receive_reply(t, NBD_OPT_INFO)) {
		if (is_error(t) || t->type == NBD_REP_ACK)
			return true;
		if (t->type != NBD_REP_INFO || t->len != sizeof(info))
			continue;
		memcpy(&info, t->data, sizeof(info));
		if (be16toh(info.type) == NBD_INFO_EXPORT)
			take_flags(e, info.size, info.flags);
	}
	return false;
}

/* Ours say that a fence without keys makes no sense, others know none. */
static bool ask_fence(struct talk *t)
{
	if (!send_option(t, NBD_OPT_UNBD_FENCE, NULL, 0) ||
	    !receive_reply(t, NBD_OPT_UNBD_FENCE))
		return false;
	t->s->fences = t->type == NBD_REP_ERR_INVALID;
	return true;
}

/* An export may be there without being listed. */
static bool ask_wanted(struct talk *t, const char *name)
{
	struct nbd_export e = { .name = (char *)name };

	if (strlen(name) > NBD_MAX_STRING || !ask_info(t, &e))
		return false;
	if (is_error(t))
		t->s->wanted = t->type;
	return true;
}

static void ask_options(struct talk *t, const char *wanted)
{
	size_t i;

	if (!list(t) || (wanted && !ask_wanted(t, wanted)))
		return;
	for (i = 0; i < t->s->nr_exports && i < MAX_ASKED; i++)
		if (!ask_info(t, &t->s->exports[i]))
			return;
	if (t->s->refused != NBD_REP_ERR_TLS_REQD && !ask_fence(t))
		return;
	send_option(t, NBD_OPT_ABORT, NULL, 0);
}

static void greet_newstyle(struct talk *t, const char *wanted)
{
	uint32_t answer = 0;
	uint16_t flags;

	t->s->kind = NBD_PLAIN_NEWSTYLE;
	if (!receive(t, &flags, sizeof(flags)))
		return;
	flags = be16toh(flags);
	/* Without options nothing can be asked but for an export. */
	if (!(flags & NBD_FLAG_FIXED_NEWSTYLE))
		return;
	t->s->kind = NBD_FIXED_NEWSTYLE;
	answer = NBD_FLAG_C_FIXED_NEWSTYLE;
	if (flags & NBD_FLAG_NO_ZEROES)
		answer |= NBD_FLAG_C_NO_ZEROES;
	answer = htobe32(answer);
	if (stream_send(t->fd, &answer, sizeof(answer)))
		ask_options(t, wanted);
	else
		t->s->broken = true;
}

static void greet_oldstyle(struct talk *t)
{
	struct nbd_oldstyle_export rest;

	t->s->kind = NBD_OLDSTYLE;
	if (receive(t, &rest, sizeof(rest)))
		take_flags(add_export(t->s, "", ""), rest.size,
			   htobe16(be32toh(rest.flags)));
}

void nbd_ask(int fd, const char *wanted, struct nbd_server *s)
{
	struct talk t = {
		.fd = fd, .deadline = stream_deadline(), .s = s,
	};
	struct nbd_greeting g = { 0 };
	size_t got;

	*s = (struct nbd_server){ 0 };
	stream_receive(fd, &g, sizeof(g), &got, t.deadline);
	memcpy(s->first, &g, got);
	if (!got)
		s->kind = stream_receive(fd, &g, 1, &got, 0) == ETIMEDOUT ?
			NBD_SILENT : NBD_CLOSES;
	else if (got < sizeof(g) || be64toh(g.magic) != NBD_INIT_MAGIC)
		s->kind = NBD_STRANGER;
	else if (be64toh(g.version) == NBD_OPTION_MAGIC)
		greet_newstyle(&t, wanted);
	else if (be64toh(g.version) == NBD_OLDSTYLE_MAGIC)
		greet_oldstyle(&t);
	else
		s->kind = NBD_STRANGER;
}

const char *nbd_refusal(unsigned int type)
{
	switch (type) {
	case NBD_REP_ERR_UNSUP:
		return "it cannot list its exports";
	case NBD_REP_ERR_POLICY:
		return "it may not list its exports";
	case NBD_REP_ERR_TLS_REQD:
		return "it wants encryption, which unbd does not have";
	case NBD_REP_ERR_SHUTDOWN:
		return "it is being shut down";
	}
	return "it refuses to list its exports";
}

void nbd_free(struct nbd_server *s)
{
	size_t i;

	for (i = 0; i < s->nr_exports; i++) {
		free(s->exports[i].name);
		free(s->exports[i].description);
	}
	free(s->exports);
	*s = (struct nbd_server){ 0 };
}
