// SPDX-License-Identifier: GPL-2.0
/* v6.2, fb87bd47516d: sockets that may send during memory reclaim say so */
#include <net/sock.h>

void f(struct sock *sk);
void f(struct sock *sk)
{
	sk->sk_use_task_frag = false;
}
