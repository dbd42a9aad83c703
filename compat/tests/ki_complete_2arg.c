// SPDX-License-Identifier: GPL-2.0
/* v5.16: ki_complete() lost its second result */
#include <linux/fs.h>

static void done(struct kiocb *iocb, long ret)
{
}

void f(struct kiocb *iocb);
void f(struct kiocb *iocb)
{
	iocb->ki_complete = done;
}
