/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UNBD_FUZZ_ASM_BARRIER_H
#define UNBD_FUZZ_ASM_BARRIER_H

#include "../meanwhile.h"

#define virt_wmb()	fuzz_let_others()
#define virt_rmb()	fuzz_let_others()

#define virt_store_release(p, v)					\
	(fuzz_let_others(), __atomic_store_n(p, v, __ATOMIC_RELEASE))
#define virt_load_acquire(p)						\
	(fuzz_let_others(), __atomic_load_n(p, __ATOMIC_ACQUIRE))

#endif
