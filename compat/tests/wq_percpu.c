// SPDX-License-Identifier: GPL-2.0
/* v6.17: a workqueue says whether it is per CPU */
#include <linux/workqueue.h>

unsigned int flag = WQ_PERCPU;
