// SPDX-License-Identifier: GPL-2.0
/*
 * RNBD as both ends need it. See rnbd-codec.h.
 */
#include <linux/string.h>

#include <unbd/compat.h>

#include "rnbd-codec.h"

int unbd_rnbd_get_type(const void *data, size_t len)
{
	struct rnbd_msg_hdr hdr;

	if (len < sizeof(hdr))
		return -EPROTO;
	memcpy(&hdr, data, sizeof(hdr));
	return le16_to_cpu(hdr.type);
}
EXPORT_SYMBOL_UNBD(unbd_rnbd_get_type);

int unbd_rnbd_get_message(void *msg, size_t wanted, const void *data,
			  size_t len, enum rnbd_msg_type type,
			  char *why, size_t whylen)
{
	int got = unbd_rnbd_get_type(data, len);

	if (got != (int)type || len < wanted)
		return unbd_why(why, whylen, -EPROTO,
				"message of type %d with %zu bytes, wanted type %d with %zu",
				got, len, (int)type, wanted);
	memcpy(msg, data, wanted);
	return 0;
}
EXPORT_SYMBOL_UNBD(unbd_rnbd_get_message);
