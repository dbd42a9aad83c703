// SPDX-License-Identifier: GPL-2.0
/*
 * What the other end does while this one is at work.
 */
#include <string.h>

#include "meanwhile.h"

void (*fuzz_meanwhile)(void);

void fuzz_let_others(void)
{
	void (*meanwhile)(void) = fuzz_meanwhile;

	if (!meanwhile)
		return;
	fuzz_meanwhile = NULL;
	meanwhile();
	fuzz_meanwhile = meanwhile;
}

/* Nobody has promised that it copies all at once. */
void *fuzz_memcpy(void *to, const void *from, size_t len)
{
	size_t half = len / 2;

	fuzz_let_others();
	memcpy(to, from, half);
	fuzz_let_others();
	memcpy((char *)to + half, (const char *)from + half, len - half);
	return to;
}
