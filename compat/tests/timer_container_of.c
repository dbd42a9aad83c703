// SPDX-License-Identifier: GPL-2.0
/* v6.16, 41cb08555c41: was from_timer() */
#include <linux/timer.h>

struct owner {
	struct timer_list timer;
};

struct owner *f(struct timer_list *t);
struct owner *f(struct timer_list *t)
{
	struct owner *owner = timer_container_of(owner, t, timer);

	return owner;
}
