/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UNBD_TEST_LINUX_LIMITS_H
#define UNBD_TEST_LINUX_LIMITS_H

#include <limits.h>
#include_next <linux/limits.h>

#define U32_MAX	0xffffffffu

#endif
