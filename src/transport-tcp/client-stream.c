// SPDX-License-Identifier: GPL-2.0
/* Client and server are two modules, and each has its own copy of this. */
#include "stream.c"
