# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Our client and the other servers people use: file systems, a real tree,
# checksums after mapping again, and verified random I/O.
# kernels: 6.1
# timeout: 600
# tags: tcp client interop
# cpus: 4

. /bed/tcp.sh

test_nbd_server_as_it_is() {
	local disk
	start_nbd_server "$(disk_file "$ROUND_TRIP_MIB")"
	round_trip sessname=s "$HERE" device_path=disk nr_queues=4
	# It says nothing of a cache, so there is none to flush.
	disk=$(map sessname=s "$HERE" device_path=disk nr_queues=4)
	same "$(queue_limit "$disk" write_cache)" "write through" write_cache
	same "$(queue_limit "$disk" fua)" 0 fua
	same "$(queue_limit "$disk" discard_max_bytes)" 0 discard
	unmap "$disk"
	map_refused ENOENT "sessname=s $HERE device_path=other" 'refused GO'
}

test_nbd_server_with_flush_fua_and_trim() {
	local disk
	start_nbd_server "$(disk_file "$ROUND_TRIP_MIB")" flush=true fua=true \
		trim=true
	round_trip sessname=s "$HERE" device_path=disk nr_queues=4
	disk=$(map sessname=s "$HERE" device_path=disk nr_queues=4)
	same "$(queue_limit "$disk" write_cache)" "write back" write_cache
	same "$(queue_limit "$disk" fua)" 1 fua
	blkdiscard -o 1M -l 1M "/dev/$disk"
	unmap "$disk"
}

test_nbd_server_read_only() {
	local disk
	start_nbd_server "$(disk_file 16)" readonly=true
	disk=$(map sessname=s "$HERE" device_path=disk)
	same "$(cat "/sys/block/$disk/ro")" 1 ro
	direct_read "$disk" 1 > /dev/null
	unmap "$disk"
}

test_qemu_nbd_raw() {
	start_qemu_nbd -f raw --discard=unmap --detect-zeroes=unmap \
		"$(disk_file "$ROUND_TRIP_MIB")"
	round_trip sessname=s "$HERE" device_path= nr_queues=4
}

test_qemu_nbd_qcow2() {
	qemu-img create -q -f qcow2 "$WORK/disk.qcow2" "${ROUND_TRIP_MIB}M"
	start_qemu_nbd -f qcow2 --discard=unmap -x vol0 "$WORK/disk.qcow2"
	round_trip sessname=s "$HERE" device_path=vol0 nr_queues=4
	stop_peer "$PEER_PID"
	qemu-img check -q "$WORK/disk.qcow2"
}

# By default it takes a single connection.
test_qemu_nbd_for_one_client() {
	local disk
	start_peer qemu-nbd -t -f raw -p 10809 --pid-file="$WORK/peer.pid" \
		"$(disk_file 16)"
	disk=$(map sessname=s "$HERE" device_path= nr_queues=2)
	direct_read "$disk" 1 > /dev/null
	unmap "$disk"
}
