// SPDX-License-Identifier: GPL-2.0
/* v7.3: percpu_rwsem_release() lost the argument that says reader or writer */
#include <linux/percpu-rwsem.h>

void f(struct percpu_rw_semaphore *sem);
void f(struct percpu_rw_semaphore *sem)
{
	percpu_rwsem_release(sem, _THIS_IP_);
}
