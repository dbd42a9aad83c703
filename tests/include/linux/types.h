/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Just enough of the kernel's headers to compile its plain C in user space.
 */
#ifndef UNBD_TEST_LINUX_TYPES_H
#define UNBD_TEST_LINUX_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* user space's own, with the __be types */
#include_next <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef unsigned long long u64;
typedef __s16 s16;

#endif
