# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Checks that end in every way a check can end; see ../selftest.
# timeout: 30
# modules: no

test_passes() {
	same 1 1
}

test_fails_by_assertion() {
	defer touch /tmp/deferred
	same 1 2 "the number"
}

test_sees_what_was_deferred() {
	rm /tmp/deferred
}

test_fails_by_command() {
	cat /nonexistent | sort > /dev/null
	true
}

test_skips() {
	skip "because"
}

test_logs_an_io_error() {
	echo "I/O error, dev unbd0, sector 0" > /dev/kmsg
}

test_allows_an_io_error() {
	allow_log 'I/O error, dev unbd0'
	echo "I/O error, dev unbd0, sector 0" > /dev/kmsg
}

test_warns() {
	echo "WARNING: CPU: 0 PID: 1 at nowhere" > /dev/kmsg
}

test_panics() {
	echo c > /proc/sysrq-trigger
	sleep 20
}

test_hangs() {
	sleep 1000
}

test_passes_after_all_that() {
	same 1 1
}
