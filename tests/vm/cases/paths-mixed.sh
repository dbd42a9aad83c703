# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A session with paths of two transports to one server, RDMA and TCP: each is
# cut while the other goes on, and they come and go.
# topology: two
# kernels: 6.1
# timeout: 600
# tags: tcp rdma client server recovery paths

. /bed/rdma.sh

MAPPING=(sessname=s device_path=vol0 keepalive=2 policy=round-robin)
RDMA=rdma:10.0.0.1
TCP=tcp:10.0.0.1

setup() {
	rxe_everywhere
	restore_network
	serve
	on server <<-'EOF'
		load tcp-server
		listen tcp:10.0.0.1:10809
	EOF
}

# survives_cut N PROTOCOL PORT - the other path carries everything
survives_cut() {
	defer restore_network
	drop_incoming "$2" dport "$3"
	drop_incoming "$2" sport "$3"
	eventually 10 path_away s "$1"
	same "$(state "$DISK")" live "state without path $1"
	writing_goes_on 10
	restore_network
	eventually 20 path_live s "$1"
}

# cut_each RDMA TCP - their numbers in the session
cut_each() {
	eventually 20 path_live s 0
	eventually 20 path_live s 1
	same "$(cat "$CLIENT/sessions/s/paths/$1/transport")" rdma "path $1"
	write_steadily "$DISK"
	for _ in 1 2; do
		survives_cut "$1" udp 4791
		survives_cut "$2" tcp 10809
	done
	end_writing
	nothing_failed
	verified_fio "$DISK" --bsrange=4k-512k
	unmap "$DISK"
}

test_each_is_cut_while_the_other_goes_on() {
	DISK=$(map "${MAPPING[@]}" path=$RDMA path=$TCP)
	cut_each 0 1
}

test_likewise_in_the_other_order() {
	DISK=$(map "${MAPPING[@]}" path=$TCP path=$RDMA)
	cut_each 1 0
}

test_they_come_and_go_under_load() {
	DISK=$(map "${MAPPING[@]}" path=$TCP)
	write_steadily "$DISK"
	for _ in 1 2; do
		write_sysfs "$CLIENT/sessions/s/add_path" $RDMA
		eventually 20 path_live s 1
		write_sysfs "$CLIENT/sessions/s/paths/0/remove" 1
		writing_goes_on 10
		write_sysfs "$CLIENT/sessions/s/add_path" $TCP
		eventually 20 path_live s 0
		write_sysfs "$CLIENT/sessions/s/paths/1/remove" 1
		writing_goes_on 10
	done
	end_writing
	nothing_failed
	unmap "$DISK"
}

# Requests as TCP takes them wait when a path comes that takes 124 KiB and wants
# whole pages; from then on there are no others.
test_a_path_that_takes_smaller_requests() {
	local large small writer
	DISK=$(map "${MAPPING[@]}" path=$TCP)
	large=$(queue_limit "$DISK" max_hw_sectors_kb)
	# Pieces that begin and end within pages
	SIZE=64M verified_fio "$DISK" --bsrange=512-1M --iomem_align=512 \
		--rate=2m &
	writer=$!
	sleep 3
	defer restore_network
	drop_incoming tcp dport 10809
	eventually 10 state_is "$DISK" parked
	write_sysfs "$CLIENT/sessions/s/add_path" $RDMA
	eventually 20 path_live s 1
	wait $writer || fail "the writer failed"
	small=$(queue_limit "$DISK" max_hw_sectors_kb)
	(( large == 32768 && small == 124 )) ||
		fail "requests of $large KiB, then of $small"
	nothing_failed
	restore_network
	eventually 20 path_live s 0
	compared "$DISK" 4
	unmap "$DISK"
}

listen_to_both() {
	listen rdma:0.0.0.0:1234
	listen tcp:10.0.0.1:10809
}

test_the_server_is_drained_under_verified_writes() {
	DISK=$(map "${MAPPING[@]}" path=$RDMA path=$TCP)
	eventually 20 path_live s 1
	write_steadily "$DISK"
	on server <<-'EOF'
		expect_errno EINVAL "$SERVER/drain" maybe
		write_sysfs "$SERVER/drain" 1
		no_connections
		same "$(cat "$SERVER/listeners")" "" listeners
		same "$(cat "$SERVER/drain")" 1 drain
		expect_errno ESHUTDOWN "$SERVER/listen" tcp:10.0.0.1:10809
		write_sysfs "$SERVER/drain" 0
		listen_to_both
	EOF
	writing_goes_on
	# An upgrade: the modules are not those that were there before.
	on server <<-'EOF'
		write_sysfs "$SERVER/drain" 1
		unexport vol0
		unload tcp-server tcp rdma-server rdma server
		same "$(loaded)" "" modules
		serve
		listen tcp:10.0.0.1:10809
	EOF
	writing_goes_on
	end_writing
	nothing_failed
	unmap "$DISK"
}
