// SPDX-License-Identifier: GPL-2.0
/* v6.13: namespaces of symbols are string literals */
#include <linux/module.h>

#undef MODULE_INFO
#define MODULE_INFO(tag, info) static const char probe[] = info
#define BARE "A"
MODULE_IMPORT_NS(BARE);
_Static_assert(sizeof(probe) == sizeof("A"), "was made a string");
