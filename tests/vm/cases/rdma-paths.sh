# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Two paths of a session on two networks, of our client and our server over soft
# RoCE. The networks have one adapter; what cuts one drops its packets.
# topology: two
# kernels: 6.1
# timeout: 600
# tags: rdma client server recovery paths

. /bed/rdma.sh

THERE=(sessname=s path=rdma:10.0.0.1 device_path=vol0)
BOTH=("${THERE[@]}" path=rdma:10.0.1.1 keepalive=2)

setup() {
	rxe_everywhere
	ip addr replace 10.0.1.2/24 dev eth0
	on server ip addr replace 10.0.1.1/24 dev eth0
	restore_network
}

# map_both [KEY=VALUE...] - over both paths, DISK
map_both() {
	serve
	DISK=$(map "${BOTH[@]}" "$@")
	eventually 20 path_live s 0
	eventually 20 path_live s 1
}

# cut_second - what the second network carries vanishes, until restore_network
cut_second() {
	defer restore_network
	drop_incoming ip saddr 10.0.1.0/24
}

test_one_path_is_cut_twenty_times_under_writes() {
	local round
	map_both policy=round-robin
	write_steadily "$DISK"
	for round in {1..20}; do
		cut_second
		eventually 10 path_away s 1
		same "$(state "$DISK")" live "state in round $round"
		writing_goes_on
		restore_network
		eventually 15 path_live s 1
	done
	end_writing
	same "$(path_stat s failures 0)" 0 "failures of the first path"
	same "$(path_stat s reconnects 1)" 20 "reconnects of the second"
	nothing_failed
	unmap "$DISK"
}

test_paths_come_and_go_under_load() {
	local round
	serve
	DISK=$(map "${THERE[@]}" keepalive=1 policy=round-robin)
	write_steadily "$DISK"
	for round in {1..3}; do
		write_sysfs "$CLIENT/sessions/s/add_path" rdma:10.0.1.1
		eventually 20 path_live s 1
		write_sysfs "$CLIENT/sessions/s/paths/0/remove" 1
		writing_goes_on
		write_sysfs "$CLIENT/sessions/s/add_path" rdma:10.0.0.1
		eventually 20 path_live s 0
		write_sysfs "$CLIENT/sessions/s/paths/1/remove" 1
		writing_goes_on
	done
	end_writing
	nothing_failed
	unmap "$DISK"
}

test_both_are_cut_for_less_than_fail_timeout() {
	map_both fail_timeout=60
	write_steadily "$DISK"
	drop_network
	eventually 10 state_is "$DISK" parked
	sleep 3
	restore_network
	eventually 15 path_live s 0
	eventually 15 path_live s 1
	end_writing
	nothing_failed
	unmap "$DISK"
}

# questions - how often this guest has asked for a connection
questions() {
	cat /sys/class/infiniband/*/ports/1/cm_tx_msgs/req
}

test_both_are_cut_for_longer() {
	local began
	map_both fail_timeout=5
	compared "$DISK" 1
	allow_log "dev $DISK|Buffer I/O error"
	began=$(milliseconds)
	drop_network
	eventually 10 state_is "$DISK" parked
	read_fails_after 5 "$began"
	expect_log "$DISK: no path for fail_timeout .5 s., I/O fails"
	# Who took long to connect gets longer to answer.
	is_debug || asked_every_two_seconds questions 2
	restore_network
	eventually 15 state_is "$DISK" live
	direct_read "$DISK" 0 | cmp - "$WORK/pattern"
	unmap "$DISK"
}
