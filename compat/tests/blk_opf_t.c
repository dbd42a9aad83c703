// SPDX-License-Identifier: GPL-2.0
/* v6.0, 342a72a33407: a type of its own for operation and flags */
#include <linux/blk_types.h>

blk_opf_t opf = REQ_OP_WRITE | REQ_FUA;
