// SPDX-License-Identifier: GPL-2.0
/* v6.8: strscpy() knows the size of an array, at first with help from another header */
#include <linux/build_bug.h>
#include <linux/string.h>

void f(const char *s);
void f(const char *s)
{
	char b[8];

	strscpy(b, s);
}
