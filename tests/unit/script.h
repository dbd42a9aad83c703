/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Scripted NBD servers for the client's handshake.
 */
#ifndef UNBD_UNIT_SCRIPT_H
#define UNBD_UNIT_SCRIPT_H

#include <stdint.h>

#include "transport-tcp/client/codec.h"

#include "unit.h"

#define MIB		(1024 * 1024)

#define MAX_ITEMS	400

/**
 * struct item - a piece of the dialogue
 * @hear: from the client; else to it
 * @b: the bytes
 */
struct item {
	bool hear;
	struct bytes b;
};

/**
 * struct script - a server
 * @items: the dialogue
 * @count: of items
 * @nr_keys: that the client has to tell
 */
struct script {
	struct item items[MAX_ITEMS];
	size_t count;
	unsigned int nr_keys;
};

extern struct script script;

/* Each appends to the script. */
struct bytes *item(bool hear);
void say_magic(u64 first, u64 second);
void greet(u16 flags);
void hear_option(u32 option, const struct bytes *data);
void hear_go(const char *name);
void hear_export_name(const char *name);
void hear_fence(unsigned int nr_keys);
void hear_flags(u32 flags);
struct bytes *reply(u32 option, u32 type, u32 len);
void reply_text(u32 option, u32 type, const char *text);
void ack(u32 option);
void info_export(u64 size, u16 flags);
void info_block_size(u32 min, u32 preferred, u32 max);
void export_reply(u64 size, u16 flags, bool no_zeroes);

/* The client's flags come together with its first option. */
void join_last_two(void);

/* Up to GO, without extended headers and without or with structured replies */
void simple_until_go(u16 flags);
void structured_until_go(void);

/* Some whole servers of test-handshake.c */
void nbdkit(void);
void nbdkit_no_sr(void);
void nbdkit_mask_2(void);
void oldstyle(void);
void err_unknown(void);

void release_script(void);

/**
 * struct play - a handshake going on
 * @hs: the client's
 * @why: its message
 * @item: of the script, to come next
 * @pos: bytes of it that are over
 * @left: bytes that the server may still say before it closes
 * @changed: which byte of the server's is turned, SIZE_MAX for none
 * @said: bytes the server has said
 * @strict: the client's bytes are compared with the script
 */
struct play {
	struct nbd_handshake *hs;
	char why[160];
	size_t item;
	size_t pos;
	size_t left;
	size_t changed;
	size_t said;
	bool strict;
};

/**
 * play() - play the script to its end
 * @p: result; its handshake is to be freed
 * @name: of the export asked for
 * @headers: at most asked for
 * @left: bytes after which the server closes, SIZE_MAX for never
 * @changed: which of the server's bytes is turned, SIZE_MAX for none
 *
 * If neither happens the client's bytes are compared with the script. Delivery
 * is byte by byte.
 *
 * Return: how it ends; a closed connection has been told to the client.
 */
enum nbd_handshake_step play(struct play *p, const char *name,
			     enum nbd_header_style headers, size_t left,
			     size_t changed);

#endif
