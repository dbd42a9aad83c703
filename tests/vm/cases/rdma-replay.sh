# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A server whose machine crashes with writes in its page cache, over soft RoCE.
# topology: two
# kernels: 6.1
# timeout: 500
# tags: rdma client server recovery replay
# devices: disk

. /bed/rdma.sh
. /bed/replay.sh

setup() {
	rxe_here
}

# on server: export_cached - a file on its disk
export_cached() {
	rxe_here
	store_there
	export_dev name=vol0 "device_path=$WORK/store/vol0"
	load rdma-server
	listen rdma:0.0.0.0:1234
}

map_cached() {
	DISK=$(map sessname=s path=rdma:10.0.0.1:1234 device_path=vol0 \
		fail_timeout=-1 keepalive=2 "$@")
}

test_what_the_server_has_lost_is_written_again() {
	written_again
}
