/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UNBD_TEST_LINUX_CRC32_H
#define UNBD_TEST_LINUX_CRC32_H

#include <linux/types.h>

/* As the kernel's: neither inverted before nor after. */
static inline u32 crc32_le(u32 crc, const void *from, size_t len)
{
	const u8 *at = from;
	int bit;

	while (len--)
		for (crc ^= *at++, bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	return crc;
}

#endif
