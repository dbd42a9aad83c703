# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Our RDMA client and the kernel's own RNBD server, over soft RoCE in one kernel. One CPU: rxe of 6.1 loses wake-ups of LOCAL_INV with more, and the
# kernel's server posts those.
# topology: loop
# kernels: 6.1
# gate: 6.1
# timeout: 600
# cpus: 1
# peers: rnbd
# tags: rdma client interop

. /bed/rdma.sh

THERE=(sessname=s path=ip:10.0.0.1 device_path=/dev/ram0)

setup() {
	rxe_everywhere
}

# Each way of the server to handle keys
try_disk() {
	rnbd_serve always_invalidate="$1"
	slow_round_trip "${THERE[@]}"
}

# kernels: 5.10 6.1 6.12 7.2
test_a_server_with_new_keys() {
	try_disk Y
}

test_a_server_with_the_same_keys() {
	try_disk N
}

# The server of these kernels would have EIO for a flush of sector -1.
# kernels: 6.12 7.2
test_a_flush_of_a_disk_with_large_blocks() {
	local disk
	rnbd_serve
	large_blocks_there
	disk=$(map "${THERE[@]/ram0/loop0}")
	same "$(queue_limit "$disk" logical_block_size)" 4096 "block size"
	compared "$disk" 4
	unmap "$disk"
}

test_names_sizes_and_access() {
	local disk other
	rnbd_serve always_invalidate=N
	load client
	map_refused ENOENT "sessname=s path=ip:10.0.0.1 device_path=/dev/none" \
		"no device /dev/none"
	map_refused ECONNREFUSED \
		"sessname=s path=rdma:10.0.0.1:99 device_path=/dev/ram0" \
		"nobody listens"
	disk=$(map "${THERE[@]}" access_mode=ro)
	same "$(cat "/sys/block/$disk/ro")" 1 ro
	same "$(cat "/sys/block/$disk/size")" $(( ROUND_TRIP_MIB * 2048 )) size
	same "$(queue_limit "$disk" write_cache)" "write back" write_cache
	other=$(map sessname=s device_path=/dev/ram1)
	compared "$other" 1
	unmap "$disk"
	direct_read "$other" 0 > /dev/null
	unmap "$other"
	nothing_mapped
}

# The kernel's server just closes the path of who wants such a name. EBUSY would
# be the errno of having tried again for ten seconds.
test_names_of_sessions_that_are_refused() {
	local disk
	rnbd_serve always_invalidate=N
	load client
	disk=$(rnbd_map "${THERE[@]}")
	map_refused ENOTUNIQ \
		"sessname=s path=ip:10.0.0.1 device_path=/dev/ram1" \
		"no session called s: another client"
	map_refused EINVAL \
		"sessname=a.b path=ip:10.0.0.1 device_path=/dev/ram1" \
		"no session called a.b: .* no dot"
	rnbd_unmap "$disk"
	eventually 20 bedctl write "$CLIENT/map_device" "${THERE[*]}"
	disk=$(unbd_disks)
	direct_read "$disk" 0 > /dev/null
	unmap "$disk"
}

test_a_hundred_rounds_of_mapping() {
	rnbd_serve always_invalidate=N
	load client
	a_hundred_rounds $CLIENT unbd0 /sys/block/unbd0/unbd/unmap_device \
		"${THERE[@]}"
}

test_polled_queues() {
	local disk
	rnbd_serve always_invalidate=N
	disk=$(map "${THERE[@]}" nr_poll_queues=1)
	same "$(queue_limit "$disk" io_poll)" 1 io_poll
	fio --name=poll --filename="/dev/$disk" --ioengine=pvsync2 --hipri=1 \
		--direct=1 --rw=randrw --bs=4k --size=1M --verify=crc32c \
		--verify_fatal=1 --minimal > "$WORK/fio.out" 2>&1 ||
		fail "fio: $(head -n 3 "$WORK/fio.out")"
	unmap "$disk"
}

test_a_second_path_takes_over() {
	local disk
	on server ip addr replace 10.0.1.1/24 dev eth0
	ip addr replace 10.0.1.2/24 dev eth0
	rnbd_serve always_invalidate=N
	disk=$(map "${THERE[@]}" path=ip:10.0.1.1 policy=round-robin)
	eventually 10 path_live s 1
	write_steadily "$disk"
	write_sysfs "$CLIENT/sessions/s/paths/0/remove" 1
	writing_goes_on
	write_sysfs "$CLIENT/sessions/s/add_path" ip:10.0.0.1
	eventually 20 path_live s 0
	write_sysfs "$CLIENT/sessions/s/paths/1/disconnect" 1
	writing_goes_on
	write_sysfs "$CLIENT/sessions/s/paths/1/reconnect" 1
	eventually 20 path_live s 1
	writing_goes_on
	end_writing
	unmap "$disk"
}
