// SPDX-License-Identifier: GPL-2.0
/* unbd-tcp-client and unbd-rdma-client are two modules. */
#include "../transport-tcp/address.c"
