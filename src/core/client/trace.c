// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints of trace.h are defined here.
 */
#include "client.h"

#define CREATE_TRACE_POINTS
#include "trace.h"
