// SPDX-License-Identifier: GPL-2.0
/* v7.3: plugs have a header of their own */
#include <linux/blk_plug.h>
