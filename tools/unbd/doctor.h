/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parts of "unbd doctor": each looks at one thing and says what it has
 * found. None of them changes anything.
 */
#ifndef UNBD_TOOL_DOCTOR_H
#define UNBD_TOOL_DOCTOR_H

#include "model.h"
#include "remote.h"

/**
 * enum severity - how bad a finding is
 * @OK: as it should be
 * @NOTE: good to know
 * @WARNING: it works, but not well or not for long
 * @FAULT: it cannot work
 */
enum severity {
	OK,
	NOTE,
	WARNING,
	FAULT,
};

/**
 * found() - print a finding
 * @about: the thing, such as a path
 * @advice: what to do, NULL for nothing
 */
__printf(4, 5)
void found(enum severity severity, const char *about, const char *advice,
	   const char *fmt, ...);

/** found_advised() - the same; @advice is freed */
__printf(4, 5)
void found_advised(enum severity severity, const char *about, char *advice,
		   const char *fmt, ...);

/* "", in front of /proc and others; unit tests have their own */
extern const char *files_root;

/* Runs modinfo(8) for a kernel; unit tests have their own */
extern char *(*modinfo)(const char *release, const char *module);

/** file_read() - a file below files_root as text, or NULL; to be freed */
__printf(1, 2) char *file_read(const char *fmt, ...);

/* doctor-machine.c */
void doctor_machine(void);

/* doctor-net.c */

/** doctor_route() - how packets leave; false if they cannot */
bool doctor_route(const char *about, const struct address *a);

/** doctor_stream() - connect and ask; @export is looked for unless NULL */
void doctor_stream(const char *about, const struct address *a,
		   const char *export);

/* doctor-rdma.c */
void doctor_rdma_devices(void);
void doctor_rdma(const char *about);

/* doctor-shm.c */
void doctor_memory(void);
void doctor_shm(const char *about, const struct address *a,
		const struct model *m);

#endif
