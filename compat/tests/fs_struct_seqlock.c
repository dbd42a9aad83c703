// SPDX-License-Identifier: GPL-2.0
/* after v6.12: fs_struct has one seqlock instead of lock and seq */
#include <linux/fs_struct.h>

void f(struct fs_struct *fs);
void f(struct fs_struct *fs)
{
	seqlock_init(&fs->seq);
}
