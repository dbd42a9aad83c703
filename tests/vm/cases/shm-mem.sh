# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Client and server of muenblock in two guests, over reserved memory that both
# have: what a disk is used for, partitions as exports, in either order.
# topology: two
# kernels: 6.1
# timeout: 600
# tags: shm muenblock mem
# devices: ivshmem mem disk

. /bed/shm.sh
SHARED=mem@0x100000000
share $SHARED

# serve_partitions DISK - two of 56 MiB each, and a file
serve_partitions() {
	sfdisk -q --wipe always "$1" <<< $'label: gpt\nsize=56M\nsize=56M'
	settle 20
	serve "${1}1" "${1}2" "$(disk_file 320)"
}

# ext4 on dm-crypt on LVM, whose volume is on disks a and b; xfs on disk c
mount_stack() {
	vgchange -q -ay vg > /dev/null
	defer vgchange -q -an vg
	cryptsetup open --key-file "$WORK/key" /dev/vg/lv crypt
	defer cryptsetup close crypt
	mounted /dev/mapper/crypt "$WORK/ext4"
	mounted "/dev/$(by_letter c)" "$WORK/xfs"
}

unmount_stack() {
	umount "$WORK/ext4" "$WORK/xfs"
	cryptsetup close crypt
	vgchange -q -an vg > /dev/null
}

make_stack() {
	local disks
	disks=("/dev/$(by_letter a)" "/dev/$(by_letter b)")
	vgcreate -q vg "${disks[@]}" > /dev/null
	lvcreate -q -n lv -i 2 -l 100%FREE vg > /dev/null
	head -c 32 /dev/urandom > "$WORK/key"
	cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
		--key-file "$WORK/key" /dev/vg/lv
	cryptsetup open --key-file "$WORK/key" /dev/vg/lv crypt
	mkfs.ext4 -q /dev/mapper/crypt
	cryptsetup close crypt
	vgchange -q -an vg > /dev/null
	mkfs.xfs -q "/dev/$(by_letter c)"
}

test_file_systems_and_what_is_below_them() {
	on server <<-'EOF'
		serve_partitions /dev/vda
	EOF
	attach
	eventually 10 nr_disks 3
	make_stack
	mount_stack
	make_tree "$WORK/ext4/tree" 8
	cp -a "$WORK/ext4/tree" "$WORK/xfs/tree"
	cp -a "$WORK/ext4/tree" "$WORK/tree"
	unmount_stack
	detach
	attach
	eventually 10 nr_disks 3
	mount_stack
	same_tree "$WORK/tree" "$WORK/ext4/tree"
	same_tree "$WORK/tree" "$WORK/xfs/tree"
	unmount_stack
	detach
}

test_the_client_may_be_first() {
	attach_first serve_there /dev/vda
	verified_fio "$DISK" --bsrange=512-256k --blockalign=512
	SIZE=64M verified_fio "$DISK" --bs=128k
	nothing_failed
	detach
}

test_what_is_not_there() {
	local place
	load shm-client
	for place in 0x1000000 0x200000000; do
		expect_errno ENODEV $SHM_CLIENT/connections \
			"1:mem@$place/a:loop@x/b:loop@x/c"
	done
	for place in x 0x100000800 -1 0x10000000000000000; do
		expect_errno EINVAL $SHM_CLIENT/connections \
			"1:mem@$place/a:loop@x/b:loop@x/c"
	done
	expect_errno EINVAL $SHM_CLIENT/connections \
		"1:$SHARED+0x4000000+0x8000:loop@x/b:loop@x/c"
	# Memory of which another part is in use.
	echo "1:$SHARED/request:loop@x/b:loop@x/c" > $SHM_CLIENT/connections
	expect_errno EBUSY $SHM_CLIENT/connections \
		"2:mem@0x100001000/a:loop@x/d:loop@x/e"
	allow_log 'unbd-shm-'
}
