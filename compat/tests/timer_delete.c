// SPDX-License-Identifier: GPL-2.0
/* by v6.2: was del_timer() */
#include <linux/timer.h>

void f(struct timer_list *t);
void f(struct timer_list *t)
{
	timer_delete(t);
}
