# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Real bugs, which only the debug kernel finds; see ../selftest.
# kernels: debug
# timeout: 30

test_uses_freed_memory() {
	modprobe unbd-broken bug=free
}

test_sleeps_with_a_lock_held() {
	modprobe unbd-broken bug=sleep
}

test_takes_locks_in_two_orders() {
	modprobe unbd-broken bug=inversion
}

test_leaks_memory() {
	modprobe unbd-broken bug=leak
}
