/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UNBD_FUZZ_LINUX_STRING_H
#define UNBD_FUZZ_LINUX_STRING_H

#include_next <linux/string.h>

#include "../meanwhile.h"

#define memcpy(to, from, len)	fuzz_memcpy(to, from, len)

#endif
