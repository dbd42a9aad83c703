# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A write that a server still holds when its RDMA path is lost: it must not be
# executed on top of what is written over another path, of any transport. Over
# soft RoCE in one guest. The same path alone cannot do damage: the server does
# not let it in again before the write has come back.
# kernels: 6.1
# timeout: 400
# tags: rdma tcp client server recovery paths

. /bed/rdma.sh
. /bed/fencing.sh

setup() {
	rxe_alone 10.0.9.1
	ip addr replace 10.0.9.2/24 dev rdma0
}

# hold_one OTHER - DISK over RDMA and another path, and a held write of it
hold_one() {
	export_slowly
	modprobe unbd-rdma-server sess_queue_depth=16
	listen rdma:0.0.0.0:1234
	listen tcp:127.0.0.1:10810
	DISK=$(map sessname=s path=rdma:10.0.9.1 device_path=vol0 nr_queues=1 \
		policy=prefer)
	FIRST=$(server_paths)
	write_sysfs "$CLIENT/sessions/s/add_path" "$1"
	eventually 20 path_live s 1
	hold_a_write
}

# server_paths - the connections that are paths
server_paths() {
	grep -lx path "$SERVER"/connections/*/state | xargs dirname
}

# lose_connection - that of the first path; with LOSE=all all paths'
lose_connection() {
	local conn
	[[ ${LOSE-} != all ]] || FIRST=$(server_paths)
	for conn in $FIRST; do
		echo 1 > "$conn/force_close"
	done
}

# Over a path that was live all the time, which goes on with everything else
test_another_path_fences() {
	hold_one rdma:10.0.9.2
	direct_read "$DISK" 4 > /dev/null
	nothing_comes_late
}

# Over one that comes back while the first cannot
# gate: none
test_a_path_that_comes_back_fences() {
	LOSE=all hold_one rdma:10.0.9.2
	nothing_comes_late
}

test_a_tcp_path_fences() {
	hold_one tcp:127.0.0.1:10810
	direct_read "$DISK" 4 > /dev/null
	nothing_comes_late
}

# gate: none
test_without_fencing_newer_data_are_lost() {
	do_not_fence
	hold_one rdma:10.0.9.2
	newer_data_are_lost
}
