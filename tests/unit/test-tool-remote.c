// SPDX-License-Identifier: GPL-2.0
/*
 * What the command knows of servers: their addresses, and what they tell.
 */
#include <unistd.h>

#include <unbd/proto/nbd.h>

#include "../../tools/unbd/remote.h"
#include "unit.h"

/* ------------------------------------------------------------------ */
/* Addresses                                                          */

static const struct address_row {
	const char *text;
	const char *result;	/* kind|source|host|port, NULL if refused */
} address_rows[] = {
	{ "tcp:10.0.0.1", "0||10.0.0.1|10809" },
	{ "tcp:10.0.0.1:7", "0||10.0.0.1|7" },
	{ "tcp:::1", "0||::1|10809" },
	{ "tcp:fe80::1%eth0", "0||fe80::1%eth0|10809" },
	{ "tcp:[fe80::1%eth0]:7", "0||fe80::1%eth0|7" },
	{ "tcp:host:7", "0||host|7" },
	{ "tcp:10.0.0.2,10.0.0.1:7", "0|10.0.0.2|10.0.0.1|7" },
	{ "tcp:10.0.0.2,tcp:10.0.0.1", "0|10.0.0.2|10.0.0.1|10809" },
	{ "tcp:10.0.0.2@10.0.0.1", "0|10.0.0.2|10.0.0.1|10809" },
	{ "ip:10.0.0.1", "3||10.0.0.1|1234" },
	{ "ip6:fe80::1", "3||fe80::1|1234" },
	{ "rdma:10.0.0.1:7", "3||10.0.0.1|7" },
	{ "ip:10.0.0.2@ip:10.0.0.1", "3|10.0.0.2|10.0.0.1|1234" },
	{ "unix:/a b", "1||/a b|" },
	{ "unix:@a", "1||@a|" },
	{ "vsock:2", "2||2|10809" },
	{ "vsock:2:7", "2||2|7" },
	{ "shm:12", "4||12|" },
	{ "tcp:", NULL },
	{ "tcp:[::1", NULL },
	{ "tcp:[::1]7", NULL },
	{ "tcp:a:0", NULL },
	{ "tcp:a:65536", NULL },
	{ "tcp:a:7x", NULL },
	{ "tcp:10.0.0.2,rdma:10.0.0.1", NULL },
	{ "unix:a", NULL },
	{ "unix:/", NULL },
	{ "vsock:host", NULL },
	{ "vsock:2:", NULL },
	{ "shm:a", NULL },
	{ "fd:7", NULL },
	{ "10.0.0.1", NULL },
};

static const char *address_name(size_t row)
{
	return address_rows[row].text;
}

static void run_address(size_t row)
{
	const struct address_row *r = &address_rows[row];
	char *exact = copy_text(r->text), *result;
	const char *why;
	struct address a;

	why = address_parse(exact, &a);
	check(!why == !!r->result, "it says \"%s\"", why ? why : "");
	if (r->result) {
		result = make_text("%d|%s|%s|%s", a.kind,
				   a.source ? a.source : "", a.host,
				   a.port ? a.port : "");
		check_text("result", result, r->result);
		free(result);
	}
	address_free(&a);
	free(exact);
}

const struct unit_suite tool_address_suite = {
	"addresses of servers", ARRAY_SIZE(address_rows), address_name,
	run_address, NULL, NULL,
};

/* ------------------------------------------------------------------ */
/* Servers                                                            */

static void greet(struct bytes *b, u16 flags)
{
	put64(b, NBD_INIT_MAGIC);
	put64(b, NBD_OPTION_MAGIC);
	put16(b, flags);
}

static void reply(struct bytes *b, u32 option, u32 type, u32 len)
{
	put64(b, NBD_OPTION_REPLY_MAGIC);
	put32(b, option);
	put32(b, type);
	put32(b, len);
}

static void listed(struct bytes *b, const char *name, const char *description)
{
	reply(b, NBD_OPT_LIST, NBD_REP_SERVER,
	      4 + strlen(name) + strlen(description));
	put32(b, strlen(name));
	put_text(b, name);
	put_text(b, description);
}

static void info(struct bytes *b, u64 size, u16 flags)
{
	reply(b, NBD_OPT_INFO, NBD_REP_INFO, 2);
	put16(b, NBD_INFO_NAME);
	reply(b, NBD_OPT_INFO, NBD_REP_INFO, 12);
	put16(b, NBD_INFO_EXPORT);
	put64(b, size);
	put16(b, flags);
	reply(b, NBD_OPT_INFO, NBD_REP_ACK, 0);
}

static void say_nothing(struct bytes *b)
{
	(void)b;
}

static void say_other(struct bytes *b)
{
	put_text(b, "SSH-2.0-OpenSSH_9.2\r\n");
}

static void say_oldstyle(struct bytes *b)
{
	put64(b, NBD_INIT_MAGIC);
	put64(b, NBD_OLDSTYLE_MAGIC);
	put64(b, 1 << 20);
	put32(b, NBD_FLAG_HAS_FLAGS | NBD_FLAG_READ_ONLY);
	put_zeroes(b, 124);
}

static void say_short_oldstyle(struct bytes *b)
{
	say_oldstyle(b);
	b->len--;
}

static void say_plain(struct bytes *b)
{
	greet(b, 0);
}

static void say_two(struct bytes *b)
{
	greet(b, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	listed(b, "a", "");
	listed(b, "b", "the other");
	reply(b, NBD_OPT_LIST, NBD_REP_ACK, 0);
	info(b, 1 << 20, NBD_FLAG_HAS_FLAGS);
	reply(b, NBD_OPT_INFO, NBD_REP_ERR_UNSUP, 0);
	reply(b, NBD_OPT_UNBD_FENCE, NBD_REP_ERR_UNSUP, 4);
	put_text(b, "what");
}

/* For one who wants what is not there; ours */
static void say_none(struct bytes *b)
{
	greet(b, NBD_FLAG_FIXED_NEWSTYLE);
	reply(b, NBD_OPT_LIST, NBD_REP_ACK, 0);
	reply(b, NBD_OPT_INFO, NBD_REP_ERR_UNKNOWN, 0);
	reply(b, NBD_OPT_UNBD_FENCE, NBD_REP_ERR_INVALID, 0);
}

static void say_refused(struct bytes *b)
{
	greet(b, NBD_FLAG_FIXED_NEWSTYLE);
	reply(b, NBD_OPT_LIST, NBD_REP_ERR_TLS_REQD, 0);
	reply(b, NBD_OPT_INFO, NBD_REP_ERR_TLS_REQD, 0);
}

static void say_huge(struct bytes *b)
{
	greet(b, NBD_FLAG_FIXED_NEWSTYLE);
	reply(b, NBD_OPT_LIST, NBD_REP_SERVER, 0xffffffff);
	put_zeroes(b, 20000);
}

static void say_long_name(struct bytes *b)
{
	greet(b, NBD_FLAG_FIXED_NEWSTYLE);
	reply(b, NBD_OPT_LIST, NBD_REP_SERVER, 5);
	put32(b, 2);
	put_text(b, "a");
	reply(b, NBD_OPT_LIST, NBD_REP_ACK, 0);
}

static void say_nameless(struct bytes *b)
{
	greet(b, NBD_FLAG_FIXED_NEWSTYLE);
	reply(b, NBD_OPT_LIST, NBD_REP_SERVER, 3);
	put_zeroes(b, 3);
}

static void say_another_option(struct bytes *b)
{
	greet(b, NBD_FLAG_FIXED_NEWSTYLE);
	reply(b, NBD_OPT_INFO, NBD_REP_ACK, 0);
}

static void say_other_magic(struct bytes *b)
{
	greet(b, NBD_FLAG_FIXED_NEWSTYLE);
	put_zeroes(b, 20);
}

/* More than anybody wants to see */
static void say_too_many(struct bytes *b)
{
	unsigned int i;

	greet(b, NBD_FLAG_FIXED_NEWSTYLE);
	for (i = 0; i < 1025; i++)
		listed(b, "a", "");
}

static const struct nbd_row {
	const char *name;
	void (*say)(struct bytes *b);
	const char *result;	/* kind broken refused wanted fences: exports */
} nbd_rows[] = {
	{ "closed at once", say_nothing, "1 0 0 0 0:" },
	{ "something else", say_other, "2 0 0 0 0:" },
	{ "oldstyle", say_oldstyle, "3 0 0 0 0: =1048576ro" },
	{ "oldstyle, too short", say_short_oldstyle, "3 1 0 0 0:" },
	{ "plain newstyle", say_plain, "4 0 0 0 0:" },
	{ "two exports", say_two, "5 0 0 0 0: a=1048576rw b(the other)" },
	{ "no export", say_none, "5 0 0 80000006 1:" },
	{ "encrypted", say_refused, "5 0 80000005 80000005 0:" },
	{ "a reply that is too long", say_huge, "5 1 0 0 0:" },
	{ "a name longer than its reply", say_long_name, "5 1 0 0 0:" },
	{ "a reply without a name", say_nameless, "5 1 0 0 0:" },
	{ "another option answered", say_another_option, "5 1 0 0 0:" },
	{ "another magic", say_other_magic, "5 1 0 0 0:" },
	{ "too many exports", say_too_many, NULL },
};

static const char *nbd_name(size_t row)
{
	return nbd_rows[row].name;
}

static char *nbd_text(const struct nbd_server *s)
{
	struct text t = { 0 };
	const struct nbd_export *e;

	text_print(&t, "%d %d %x %x %d:", s->kind, s->broken, s->refused,
		   s->wanted, s->fences);
	for (e = s->exports; e < s->exports + s->nr_exports; e++) {
		text_print(&t, " %s", e->name);
		if (e->known)
			text_print(&t, "=%llu%s", e->size,
				   e->read_only ? "ro" : "rw");
		if (*e->description)
			text_print(&t, "(%s)", e->description);
	}
	return t.at;
}

/* All that the server says is there before it is asked. */
static void run_nbd(size_t row)
{
	const struct nbd_row *r = &nbd_rows[row];
	const char *wanted = r->say == say_none || r->say == say_refused ?
		"none" : NULL;
	int buffer = 1 << 20, ends[2];
	struct bytes b = { NULL, 0 };
	struct nbd_server s;
	char *text;

	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "no sockets");
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	r->say(&b);
	check(write(ends[1], b.at, b.len) == (ssize_t)b.len, "not written");
	shutdown(ends[1], SHUT_WR);
	nbd_ask(ends[0], wanted, &s);
	if (r->result) {
		text = nbd_text(&s);
		check_text("what it tells", text, r->result);
		free(text);
	} else {
		check(s.broken && s.nr_exports == 1024, "%zu exports",
		      s.nr_exports);
	}
	nbd_free(&s);
	release(&b);
	close(ends[0]);
	close(ends[1]);
}

const struct unit_suite tool_nbd_suite = {
	"NBD servers", ARRAY_SIZE(nbd_rows), nbd_name, run_nbd, NULL, NULL,
};
