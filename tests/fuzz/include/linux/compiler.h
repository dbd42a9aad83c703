/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UNBD_FUZZ_LINUX_COMPILER_H
#define UNBD_FUZZ_LINUX_COMPILER_H

#include "../meanwhile.h"

#define READ_ONCE(x)							\
	(fuzz_let_others(), __atomic_load_n(&(x), __ATOMIC_RELAXED))
#define WRITE_ONCE(x, v)						\
	(fuzz_let_others(), __atomic_store_n(&(x), v, __ATOMIC_RELAXED))

#endif
