// SPDX-License-Identifier: GPL-2.0
/* The server's copy. */
#include "address.c"
