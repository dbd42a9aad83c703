// SPDX-License-Identifier: GPL-2.0
/*
 * What servers say to the client until an export is open.
 */
#include "fuzz.h"

#define MAX_STEPS	1000

static struct nbd_handshake *hs;
static char why[160];
static const struct unbd_key keys[2];

static void check_info(const struct nbd_export_info *info)
{
	u32 min = info->min_block;

	must(!(info->size >> 63));
	must(min && !(min & (min - 1)) && min <= NBD_MIN_BLOCK_LIMIT);
	must(info->preferred_block >= min &&
	     info->preferred_block <= NBD_DEFAULT_MAX_PAYLOAD);
	must(info->max_payload >= min && !(info->max_payload % min));
	must(info->style == NBD_FIXED_NEWSTYLE ||
	     info->headers == NBD_HEADERS_SIMPLE);
	must(info->headers != NBD_HEADERS_SIMPLE ||
	     !(info->flags & NBD_FLAG_SEND_DF));
}

static void must_be_inside(void)
{
	must(hs->len && hs->buf >= hs->data &&
	     hs->buf + hs->len <= hs->data + sizeof(hs->data));
}

/* False when the server has said all. */
static bool receive(const u8 **data, size_t *size)
{
	if (hs->len > *size)
		return false;
	memcpy(hs->buf, *data, hs->len);
	*data += hs->len;
	*size -= hs->len;
	return true;
}

static void shake_hands(const u8 *data, size_t size)
{
	int steps;

	for (steps = 0; steps < MAX_STEPS; steps++) {
		switch (nbd_handshake_next(hs)) {
		case NBD_HANDSHAKE_SEND:
			must_be_inside();
			break;
		case NBD_HANDSHAKE_RECV:
			must_be_inside();
			if (receive(&data, &size))
				break;
			must_say_why(nbd_handshake_closed(hs), why,
				     sizeof(why));
			return;
		case NBD_HANDSHAKE_DONE:
			check_info(&hs->info);
			return;
		case NBD_HANDSHAKE_FAILED:
			must_say_why(hs->error, why, sizeof(why));
			return;
		}
	}
	must(!"an endless handshake");
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (!size)
		return 0;
	hs = malloc(sizeof(*hs));
	must(hs);
	nbd_handshake_init(hs, "disk", data[0] % (NBD_HEADERS_EXTENDED + 1),
			   why, sizeof(why));
	nbd_handshake_fence(hs, keys, data[0] / 64 % (ARRAY_SIZE(keys) + 1));
	shake_hands(data + 1, size - 1);
	free(hs);
	return 0;
}
