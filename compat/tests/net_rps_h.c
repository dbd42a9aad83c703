// SPDX-License-Identifier: GPL-2.0
/* v6.9: sock_rps_record_flow() has moved to a header of its own */
#include <net/rps.h>
#include <net/sock.h>

void f(struct sock *sk);
void f(struct sock *sk)
{
	sock_rps_record_flow(sk);
}
