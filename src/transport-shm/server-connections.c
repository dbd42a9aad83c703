// SPDX-License-Identifier: GPL-2.0
/* The server's copy; an object belongs to one module. */
#define SHM_MODULE "unbd-shm-server"
#include "connections.c"
