# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The test bed itself: guests boot, talk, die and come back, and a kernel that
# complains is noticed (tests/vm/selftest has what must fail).
# topology: two
# kernels: 6.1
# timeout: 150
# tags: bed
# modules: no

test_guests_talk_over_the_data_network() {
	ping -c 1 -W 5 server
	ping -c 1 -W 5 fe80::5054:ff:fe00:1%eth0
	same "$(on server uname -n)" server "name of the other guest"
	same "$(on server uname -r)" "$(uname -r)" "kernel of the other guest"
}

test_a_script_runs_in_the_other_guest() {
	local status=0
	on server <<-EOS || status=$?
		same "\$(hostname)" server
		exit 42
	EOS
	same $status 42 "exit status from the other guest"
	must_fail on server <<< "false; true"
}

test_output_passes_unharmed() {
	head -c 300000 /dev/urandom > "$WORK/sent"
	bedctl ask on server cat < "$WORK/sent" > "$WORK/back"
	cmp "$WORK/sent" "$WORK/back"
}

test_the_other_guest_freezes_and_thaws() {
	host freeze server
	must_fail ping -c 1 -W 2 server
	host thaw server
	eventually 10 ping -c 1 -W 1 server
}

# In between it ends while it boots: that is known at once, and why.
test_the_other_guest_dies_and_comes_back() {
	local said
	on server touch /tmp/before
	host kill server
	must_fail ping -c 1 -W 2 server
	must_fail on server true
	said=$(must_fail host start server module_blacklist=overlay 2>&1)
	matches "$said" "^server: the guest ended: .*can't insert .*overlay.ko"
	host start server
	# That panic is none of this check's.
	on server <<< 'mark_log "the next boot"'
	ping -c 1 -W 5 server
	must_fail on server test -e /tmp/before
}

test_a_cut_network_drops_and_comes_back() {
	drop_network
	must_fail ping -c 1 -W 2 server
	restore_network
	ping -c 1 -W 5 server
}

# The text of a bug must not reach this check's own log, where it would count.
test_the_log_is_judged() {
	local line
	for line in "WARNING: CPU: 1 PID: 2 at x.c:3" "BUG: KASAN: slab" \
		"kmemleak: 3 new suspected memory leaks" "Oops: 0000 [#1] SMP"; do
		judged "$line" 2
	done
	judged "unbd0: connected" 0
	judged "I/O error, dev unbd0, sector 0 op 0x1:(WRITE)" 1
	allow_log 'I/O error, dev unbd0'
	judged "I/O error, dev unbd0, sector 0 op 0x1:(WRITE)" 0
	judged "I/O error, dev unbd1, sector 0 op 0x1:(WRITE)" 1
}

judged() {
	local status=0
	bad_log <<< "$1" || status=$?
	same $status "$2" "judgement of '$1'"
}

test_kernel_messages_are_found() {
	echo "unbd-selftest: one line" > /dev/kmsg
	expect_log 'unbd-selftest: one'
	must_fail expect_log 'unbd-selftest: two'
}

test_errno_of_a_write_is_seen() {
	expect_errno EINVAL /proc/sys/net/ipv4/ip_forward nonsense
	must_fail expect_errno ENOENT /proc/sys/net/ipv4/ip_forward nonsense
	must_fail expect_errno EINVAL /proc/sys/net/ipv4/ip_forward 1
}
