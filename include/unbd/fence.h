/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fencing: a write that was in flight on a dead path is not sent again before
 * the server has said that the first one cannot reach the disk any more.
 * Otherwise it could be executed late, on top of newer data.
 */
#ifndef UNBD_FENCE_H
#define UNBD_FENCE_H

#include <linux/string.h>
#include <linux/types.h>

#define UNBD_KEY_LEN	16

/* A path more than there can be: each leaves one behind, the first is ours. */
#define UNBD_MAX_KEYS	17

/**
 * struct unbd_key - what a client calls a set of its connections
 * @byte: random, so that nobody else can name them
 *
 * All connections of a leg have the same one, and another each time that they
 * are made: over TCP when the leg is attached, over RDMA with the path, whose
 * legs have it in common.
 */
struct unbd_key {
	u8 byte[UNBD_KEY_LEN];
};

/**
 * unbd_key_among() - is a key one of several?
 * @key: the key
 * @keys: the others
 * @nr: how many
 */
static inline bool unbd_key_among(const struct unbd_key *key,
				  const struct unbd_key *keys, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!memcmp(key, &keys[i], sizeof(*key)))
			return true;
	return false;
}

#endif /* UNBD_FENCE_H */
