// SPDX-License-Identifier: GPL-2.0
/* The server's copy. */
#include "rnbd-codec.c"
