/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UNBD_TEST_LINUX_MATH64_H
#define UNBD_TEST_LINUX_MATH64_H

#include <linux/types.h>

#define S64_MAX	((long long)(~0ULL >> 1))

static inline u64 div_u64_rem(u64 dividend, u32 divisor, u32 *remainder)
{
	*remainder = dividend % divisor;
	return dividend / divisor;
}

static inline u64 div_u64(u64 dividend, u32 divisor)
{
	return dividend / divisor;
}

#endif
