# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The kernel's own RNBD client and our RDMA server, over soft RoCE in one kernel. One CPU: rxe of 6.1 loses wake-ups of LOCAL_INV with more, and the
# kernel's client posts those.
# topology: loop
# kernels: 6.1
# gate: 6.1
# timeout: 600
# cpus: 1
# peers: rnbd
# tags: rdma server interop

. /bed/rdma.sh

THERE=(sessname=s path=ip:10.0.0.1 device_path=vol0)

setup() {
	rxe_everywhere
}

no_errors() {
	on server <<-'EOF'
		same "$(sort -u "$SERVER"/exports/*/stats/errors)" 0 errors
	EOF
}

# kernels: 5.10 6.1 6.12 7.2
test_file_systems_and_verified_io() {
	serve
	MAP_BY=rnbd_map UNMAP_BY=rnbd_unmap slow_round_trip "${THERE[@]}"
	no_errors
	on server <<< "eventually 40 no_connections"
}

# Its flushes are for sector -1, which this server does not look at.
# kernels: 6.1 6.12
test_flushes_of_a_disk_with_large_blocks() {
	local disk
	large_blocks_there
	on server <<-'EOF'
		export_dev name=vol0 device_path=/dev/loop0
		listen rdma:0.0.0.0:1234
	EOF
	disk=$(rnbd_map "${THERE[@]}")
	same "$(queue_limit "$disk" logical_block_size)" 4096 "block size"
	same "$(queue_limit "$disk" write_cache)" "write back" write_cache
	compared "$disk" 4
	mkfs.ext4 -q -F "/dev/$disk"
	fstrim_there "/dev/$disk"
	rnbd_unmap "$disk"
	no_errors
}

# fstrim_there DEVICE - discards reach the file below
fstrim_there() {
	mkdir -p "$WORK/mnt"
	mount "$1" "$WORK/mnt"
	defer umount -q "$WORK/mnt"
	fstrim "$WORK/mnt"
	umount "$WORK/mnt"
}

test_devices_of_a_session() {
	local disk other
	serve_two
	disk=$(rnbd_map "${THERE[@]}")
	other=$(rnbd_map sessname=s path=ip:10.0.0.1 device_path=vol1 \
		access_mode=ro)
	read_only_zeros "$other"
	compared "$disk" 4
	grows "$disk" "/sys/block/$disk/rnbd/resize" $(( 400 * 2048 ))
	rnbd_unmap "$disk"
	direct_read "$other" 0 > /dev/null
	rnbd_unmap "$other"
	no_errors
}

test_what_the_server_refuses() {
	serve
	rnbd_load
	expect_errno ENOENT $RNBD_CLIENT/map_device \
		"sessname=s path=ip:10.0.0.1 device_path=none"
	on server <<-'EOF'
		expect_log 'refused .* "none" as rw: there is no such export'
		export_dev name=ro0 "device_path=$(disk_file 16 b)" \
			access_mode=ro
		export_dev name=closed "device_path=$(disk_file 16 c)" \
			clients=192.0.2.1
	EOF
	expect_errno EROFS $RNBD_CLIENT/map_device \
		"sessname=s path=ip:10.0.0.1 device_path=ro0"
	expect_errno EACCES $RNBD_CLIENT/map_device \
		"sessname=s path=ip:10.0.0.1 device_path=closed"
	same "$(rnbd_disks)" "" disks
}

# Its I/O fails at once when a path is lost; mapped again, all is there.
test_force_close_and_remap() {
	local disk
	serve
	disk=$(rnbd_map "${THERE[@]}")
	compared "$disk" 2
	allow_log "dev $disk"
	on server <<-'EOF'
		force_close_paths
		eventually 20 no_connections
	EOF
	eventually 10 must_fail direct_read "$disk" 0
	rnbd_unmap "$disk" force
	disk=$(rnbd_map "${THERE[@]}")
	direct_read "$disk" 0 2 | cmp - "$WORK/pattern"
	rnbd_unmap "$disk"
}

test_a_second_path() {
	local disk
	on server ip addr replace 10.0.1.1/24 dev eth0
	ip addr replace 10.0.1.2/24 dev eth0
	serve
	disk=$(rnbd_map "${THERE[@]}" path=ip:10.0.1.1)
	on server <<-'EOF'
		same "$(grep -lx path "$SERVER"/connections/*/state | wc -l)" \
			2 "paths"
	EOF
	compared "$disk" 4
	rnbd_unmap "$disk"
	no_errors
}

test_a_hundred_rounds_of_mapping() {
	serve
	rnbd_load
	a_hundred_rounds $RNBD_CLIENT rnbd0 \
		/sys/block/rnbd0/rnbd/unmap_device "${THERE[@]}"
	on server <<< "eventually 40 no_connections"
}
