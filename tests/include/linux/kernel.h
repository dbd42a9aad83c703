/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UNBD_TEST_LINUX_KERNEL_H
#define UNBD_TEST_LINUX_KERNEL_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

#define __printf(fmt, args)	__attribute__((format(printf, fmt, args)))

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Like snprintf(), but says what was written and not what was wanted. */
__printf(3, 4)
static inline int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(buf, size, fmt, args);
	va_end(args);
	return n < (int)size ? n : (int)size - 1;
}

/* The kernel's grammar: [+], digits, maybe one newline, nothing else. */
static inline int kstrtoull(const char *s, unsigned int base,
			    unsigned long long *result)
{
	char *end;

	if (*s == '+')
		s++;
	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	*result = strtoull(s, &end, base);
	if (errno)
		return -errno;
	if (*end == '\n')
		end++;
	return *end ? -EINVAL : 0;
}

static inline int kstrtoll(const char *s, unsigned int base, long long *result)
{
	bool negative = *s == '-';
	unsigned long long n;
	int err = kstrtoull(s + negative, base, &n);

	if (err)
		return err;
	if (negative && s[1] == '+')
		return -EINVAL;
	if (n > (unsigned long long)__LONG_LONG_MAX__ + negative)
		return -ERANGE;
	*result = negative ? -n : n;
	return 0;
}

static inline int kstrtouint(const char *s, unsigned int base,
			     unsigned int *result)
{
	unsigned long long n;
	int err = kstrtoull(s, base, &n);

	if (!err && n != (unsigned int)n)
		err = -ERANGE;
	if (!err)
		*result = n;
	return err;
}

#endif
