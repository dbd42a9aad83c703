# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Our RDMA client and our RDMA server, in two guests over soft RoCE.
# topology: two
# kernels: 6.1
# timeout: 600
# tags: rdma client server

. /bed/rdma.sh

THERE=(sessname=s path=rdma:10.0.0.1 device_path=vol0)

setup() {
	rxe_everywhere
}

test_write_read_and_verify() {
	local disk
	serve
	disk=$(map "${THERE[@]}")
	compared "$disk" 4
	SIZE=4M verified_fio "$disk" --bsrange=4k-128k
	unmap "$disk"
	on server <<-'EOF'
		same "$(cat $SERVER/exports/vol0/stats/errors)" 0 errors
	EOF
}

# max_queues NUMBER, max_sessions NUMBER - of the server
max_queues() {
	echo "$1" > /sys/module/unbd_rdma_server/parameters/max_queues
}

max_sessions() {
	echo "$1" > /sys/module/unbd_rdma_server/parameters/max_sessions
}

test_what_the_server_rejects() {
	local disk
	serve
	load client
	on server <<< "max_queues 1"
	map_refused ECONNRESET "${THERE[*]}" \
		"rejects connection 0 of [23]: too many of them"
	# Nor is anything waited for because of the first mapping.
	map_refused ECONNRESET "${THERE[*]}" "rejects connection 0 of "
	on server <<-'EOF'
		expect_log "refused 10.0.0.2.*: more than max_queues" 2
		max_queues 4096
		max_sessions 0
	EOF
	map_refused EUSERS "${THERE[*]}" "it has too many clients"
	on server <<-'EOF'
		expect_log "refused 10.0.0.2.*: too many are connected"
		max_sessions 1
	EOF
	# A session that is being closed is waited for.
	disk=$(map "${THERE[@]}")
	unmap "$disk"
	disk=$(map "${THERE[@]}")
	unmap "$disk"
}

# As large as the server's disk, read-only, and a second device of the session
test_devices_of_a_session() {
	local disk other
	serve
	on server <<-'EOF'
		export_dev name=vol1 "device_path=$(disk_file 16 b)"
	EOF
	disk=$(map "${THERE[@]}")
	other=$(map sessname=s device_path=vol1 access_mode=ro)
	same "$(ls -d "$CLIENT"/sessions/s/paths/* | wc -l)" 1 paths
	same "$(cat "/sys/block/$other/ro")" 1 ro
	same "$(cat "/sys/block/$other/size")" 32768 "size of vol1"
	must_fail dd if=/dev/zero of="/dev/$other" bs=4k count=1 oflag=direct \
		status=none
	direct_read "$other" 0 16 | cmp -n $(( 16 << 20 )) - /dev/zero
	compared "$disk" 4

	on server truncate -s 96M "$WORK/disk"
	write_sysfs "/sys/block/$disk/unbd/resize" 0
	same "$(cat "/sys/block/$disk/size")" $(( 96 * 2048 )) size
	dd if="$WORK/pattern" of="/dev/$disk" bs=1M seek=92 oflag=direct \
		status=none
	direct_read "$disk" 92 4 | cmp - "$WORK/pattern"
	same "$(cat "/sys/block/$other/size")" 32768 "size of vol1"
	# The one goes, the other stays.
	unmap "$disk"
	direct_read "$other" 0 > /dev/null
	on server <<-'EOF'
		same "$(cat "$SERVER/exports/vol1/stats/errors")" 0 errors
	EOF
	unmap "$other"
	nothing_mapped
}

test_rounds_of_mapping_with_polled_queues() {
	local disk i
	serve
	for i in {1..10}; do
		disk=$(map "${THERE[@]}" nr_poll_queues=1)
		direct_read "$disk" 0 > /dev/null
		unmap "$disk"
	done
}

test_a_server_that_freezes_and_thaws() {
	local disk
	serve
	disk=$(map "${THERE[@]}" keepalive=1)
	write_steadily "$disk"
	host freeze server
	eventually 5 path_is s reconnecting
	host thaw server
	eventually 30 path_is s live
	sleep 1
	end_writing
	unmap "$disk"
}

# The server's modules go and come back, as in an upgrade.
# kernels: 6.1 debug
test_the_server_is_replaced_under_writes() {
	local disk
	on server <<-'EOF'
		truncate -s 16M /root/disk
		load rdma-server
		export_dev name=vol0 device_path=/root/disk
		listen rdma:0.0.0.0:1234
	EOF
	disk=$(map "${THERE[@]}")
	write_steadily "$disk"
	on server <<-'EOF'
		unlisten rdma:0.0.0.0:1234
		unexport vol0 force
		# The client closes its path when it learns of that.
		eventually 15 unload rdma-server
		unload server
		load rdma-server
		export_dev name=vol0 device_path=/root/disk
		listen rdma:0.0.0.0:1234
	EOF
	eventually 20 path_is s live
	sleep 1
	end_writing
	unmap "$disk"
}
