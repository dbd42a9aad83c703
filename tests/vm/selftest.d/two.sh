# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What goes wrong in the other guest; see ../selftest.
# topology: two
# timeout: 60
# modules: no

test_server_warns_and_is_killed() {
	on server sh -c 'echo WARNING: from the server > /dev/kmsg; sleep 0.2'
	host kill server
}

test_server_is_left_dead_and_frozen() {
	host restart server
	host freeze server
}

test_server_panics() {
	on server sh -c 'echo c > /proc/sysrq-trigger; sleep 20'
}

test_server_script_fails() {
	on server <<-EOF
		same 1 1
		same 1 2 "number on the server"
	EOF
}

test_passes() {
	on server true
}
