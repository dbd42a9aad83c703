// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-rdma-client: RTRS and RNBD as a transport of unbd-client.
 */
#include <linux/module.h>

MODULE_DESCRIPTION("unbd: RNBD client over RDMA");
MODULE_LICENSE("GPL");
MODULE_VERSION(UNBD_VERSION);
