/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UNBD_TEST_LINUX_INET_H
#define UNBD_TEST_LINUX_INET_H

#include <arpa/inet.h>
#include <string.h>

#include <linux/types.h>

static inline int unbd_test_pton(int family, const char *src, size_t len,
				 u8 *dst)
{
	char text[64];

	if (len >= sizeof(text))
		return 0;
	memcpy(text, src, len);
	text[len] = '\0';
	return inet_pton(family, text, dst) == 1;
}

/* Like the kernel's, content with what stands before a ':'. */
static inline int in4_pton(const char *src, int srclen, u8 *dst, int delim,
			   const char **end)
{
	size_t len = srclen < 0 ? strlen(src) : (size_t)srclen;
	const char *colon = memchr(src, ':', len);

	(void)delim;
	if (colon)
		len = colon - src;
	if (end)
		*end = src + len;
	return unbd_test_pton(AF_INET, src, len, dst);
}

static inline int in6_pton(const char *src, int srclen, u8 *dst, int delim,
			   const char **end)
{
	size_t len = srclen < 0 ? strlen(src) : (size_t)srclen;

	(void)delim;
	if (end)
		*end = src + len;
	return unbd_test_pton(AF_INET6, src, len, dst);
}

#endif
