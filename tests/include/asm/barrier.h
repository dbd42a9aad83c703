/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UNBD_TEST_ASM_BARRIER_H
#define UNBD_TEST_ASM_BARRIER_H

#define virt_wmb()	__atomic_thread_fence(__ATOMIC_RELEASE)
#define virt_rmb()	__atomic_thread_fence(__ATOMIC_ACQUIRE)

#define virt_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define virt_load_acquire(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)

#endif
