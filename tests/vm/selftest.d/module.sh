# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A module that stays when the check is over; see ../selftest.
# kernels: 6.1

test_cannot_be_unloaded() {
	modprobe unbd-broken bug=pin
}

test_is_gone_after_a_fresh_boot() {
	must_fail grep -q unbd_broken /proc/modules
}
