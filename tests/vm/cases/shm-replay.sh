# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A server whose machine crashes with writes in its page cache, over memory that
# outlives it.
# topology: two
# kernels: 6.1
# timeout: 500
# tags: shm muenblock client server recovery replay
# devices: ivshmem disk

. /bed/tcp.sh
. /bed/shm.sh
. /bed/replay.sh
share ivshmem@0000:00:11.0

# on server: export_cached - a file on its disk
export_cached() {
	store_there
	export_dev name=0 "device_path=$WORK/store/vol0"
	serve 0
}

map_cached() {
	attach auto_map=N
	DISK=$(map sessname=s path=shm:1 device_path=0 fail_timeout=-1 "$@")
}

test_what_the_server_has_lost_is_written_again() {
	written_again
}
