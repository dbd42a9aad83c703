// SPDX-License-Identifier: GPL-2.0
/* v6.17: system_wq and system_unbound_wq have new names */
#include <linux/workqueue.h>

struct workqueue_struct *f(void);
struct workqueue_struct *f(void)
{
	return system_dfl_wq ?: system_percpu_wq;
}
