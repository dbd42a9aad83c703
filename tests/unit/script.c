// SPDX-License-Identifier: GPL-2.0
/*
 * Scripted NBD servers: writing down what they say, and playing it.
 */
#include "script.h"

#define MAX_STEPS	2000

struct script script;

/* ------------------------------------------------------------------ */
/* Writing scripts                                                    */

struct bytes *item(bool hear)
{
	struct item *it = &script.items[script.count++];

	check(script.count <= MAX_ITEMS, "script is too long");
	it->hear = hear;
	return &it->b;
}

void say_magic(u64 first, u64 second)
{
	struct bytes *b = item(false);

	put64(b, first);
	put64(b, second);
}

void greet(u16 flags)
{
	say_magic(NBD_INIT_MAGIC, NBD_OPTION_MAGIC);
	put16(item(false), flags);
}

static void write_option(struct bytes *b, u32 option, const struct bytes *data)
{
	put64(b, NBD_OPTION_MAGIC);
	put32(b, option);
	put32(b, data ? data->len : 0);
	if (data)
		put(b, data->at, data->len);
}

void hear_option(u32 option, const struct bytes *data)
{
	write_option(item(true), option, data);
}

struct bytes go_data(const char *name)
{
	struct bytes data = { NULL, 0 };

	put32(&data, strlen(name));
	put_text(&data, name);
	put16(&data, 1);
	put16(&data, NBD_INFO_BLOCK_SIZE);
	return data;
}

static struct unbd_key keys[UNBD_MAX_KEYS];

void hear_fence(unsigned int nr_keys)
{
	struct bytes data = { NULL, 0 };

	memset(keys, 0x5a, sizeof(keys));
	put(&data, &keys, nr_keys * sizeof(*keys));
	hear_option(NBD_OPT_UNBD_FENCE, &data);
	release(&data);
	script.nr_keys = nr_keys;
}

void hear_go(const char *name)
{
	struct bytes data = go_data(name);

	hear_option(NBD_OPT_GO, &data);
	release(&data);
}

void hear_export_name(const char *name)
{
	struct bytes data = { NULL, 0 };

	put_text(&data, name);
	hear_option(NBD_OPT_EXPORT_NAME, &data);
	release(&data);
}

void hear_flags(u32 flags)
{
	put32(item(true), flags);
}

void join_last_two(void)
{
	struct item *last = &script.items[script.count - 1];

	put(&last[-1].b, last->b.at, last->b.len);
	release(&last->b);
	script.count--;
}

struct bytes *reply(u32 option, u32 type, u32 len)
{
	struct bytes *b = item(false);

	put64(b, NBD_OPTION_REPLY_MAGIC);
	put32(b, option);
	put32(b, type);
	put32(b, len);
	return b;
}

void reply_text(u32 option, u32 type, const char *text)
{
	put_text(reply(option, type, strlen(text)), text);
}

void ack(u32 option)
{
	reply(option, NBD_REP_ACK, 0);
}

void info_export(u64 size, u16 flags)
{
	struct bytes *b = reply(NBD_OPT_GO, NBD_REP_INFO, 12);

	put16(b, NBD_INFO_EXPORT);
	put64(b, size);
	put16(b, flags);
}

void info_block_size(u32 min, u32 preferred, u32 max)
{
	struct bytes *b = reply(NBD_OPT_GO, NBD_REP_INFO, 14);

	put16(b, NBD_INFO_BLOCK_SIZE);
	put32(b, min);
	put32(b, preferred);
	put32(b, max);
}

void export_reply(u64 size, u16 flags, bool no_zeroes)
{
	struct bytes *b = item(false);

	put64(b, size);
	put16(b, flags);
	if (!no_zeroes)
		put_zeroes(b, NBD_PADDING);
}

void simple_until_go(u16 flags)
{
	greet(flags);
	hear_flags(flags);
	hear_option(NBD_OPT_EXTENDED_HEADERS, NULL);
	join_last_two();
	reply_text(NBD_OPT_EXTENDED_HEADERS, NBD_REP_ERR_UNSUP, "");
	hear_option(NBD_OPT_STRUCTURED_REPLY, NULL);
	reply_text(NBD_OPT_STRUCTURED_REPLY, NBD_REP_ERR_UNSUP, "no such");
}

void structured_until_go(void)
{
	simple_until_go(3);
	release(&script.items[--script.count].b);
	ack(NBD_OPT_STRUCTURED_REPLY);
}

void release_script(void)
{
	while (script.count)
		release(&script.items[--script.count].b);
	script.nr_keys = 0;
}

/* ------------------------------------------------------------------ */
/* Playing                                                            */

static const struct item *current_item(const struct play *p)
{
	return p->item < script.count ? &script.items[p->item] : NULL;
}

static void hear(struct play *p)
{
	const struct item *it = current_item(p);

	if (!p->strict) {
		/* the server does not listen, it just goes on */
		while (it && it->hear) {
			p->item++;
			it = current_item(p);
		}
		return;
	}
	check(it && it->hear && !p->pos, "client sends %u bytes out of turn",
	      p->hs->len);
	check(it->b.len == p->hs->len &&
	      !memcmp(it->b.at, p->hs->buf, it->b.len),
	      "client's message %zu differs, %u bytes", p->item, p->hs->len);
	p->item++;
}

/* One byte to the client; false if the server has closed. */
static bool say(struct play *p, u8 *byte)
{
	const struct item *it = current_item(p);

	if (!it || !p->left)
		return false;
	if (it->hear) {
		check(!p->strict, "both sides wait");
		return false;
	}
	*byte = it->b.at[p->pos++];
	if (p->said++ == p->changed)
		*byte ^= 0x41;
	p->left--;
	if (p->pos == it->b.len) {
		p->pos = 0;
		p->item++;
	}
	return true;
}

static enum nbd_handshake_step go_on(struct play *p)
{
	enum nbd_handshake_step step;
	int steps = 0;
	u32 i;

	for (;;) {
		check(++steps < MAX_STEPS, "handshake does not end");
		step = nbd_handshake_next(p->hs);
		if (step == NBD_HANDSHAKE_DONE || step == NBD_HANDSHAKE_FAILED)
			return step;
		check(p->hs->len, "step of no bytes");
		if (step == NBD_HANDSHAKE_SEND) {
			hear(p);
			continue;
		}
		for (i = 0; i < p->hs->len; i++) {
			if (say(p, &p->hs->buf[i]))
				continue;
			check(nbd_handshake_closed(p->hs) < 0,
			      "closed without an error");
			return NBD_HANDSHAKE_FAILED;
		}
	}
}

enum nbd_handshake_step play(struct play *p, const char *name,
			     enum nbd_header_style headers, size_t left,
			     size_t changed)
{
	memset(p, 0, sizeof(*p));
	p->left = left;
	p->changed = changed;
	p->strict = left == SIZE_MAX && changed == SIZE_MAX;
	p->hs = malloc(sizeof(*p->hs));
	check(p->hs, "out of memory");
	memset(p->hs, 0xaa, sizeof(*p->hs));
	nbd_handshake_init(p->hs, name, headers, p->why, sizeof(p->why));
	nbd_handshake_fence(p->hs, keys, script.nr_keys);
	return go_on(p);
}
