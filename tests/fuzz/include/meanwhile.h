/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the other end does while this one is at work.
 *
 * The code under test is not changed for it: the headers of the kernel's that
 * it includes call this wherever it looks at memory or writes to it. So races
 * are part of the input, and the same each time.
 */
#ifndef UNBD_FUZZ_MEANWHILE_H
#define UNBD_FUZZ_MEANWHILE_H

#include <stddef.h>

/* NULL when nobody else is there. Is not called from itself. */
extern void (*fuzz_meanwhile)(void);

void fuzz_let_others(void);
void *fuzz_memcpy(void *to, const void *from, size_t len);

#endif
