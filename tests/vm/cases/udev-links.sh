# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The udev rules: disks are found by what is on them and by where they are
# from, like any other disk.
# topology: one
# kernels: 6.1
# timeout: 400
# tags: tcp udev

# export_file NAME MIB - a file in memory, exported and listened for
export_file() {
	local file
	file=$(disk_file "$2" "$1")
	export_dev name="$1" device_path="$file"
	listen tcp:127.0.0.1:10809
}

# map_local SESSION EXPORT
map_local() {
	map sessname="$1" path=tcp:127.0.0.1 device_path="$2"
}

# links_to LINK DISK - LINK is below /dev/disk
links_to() {
	same "$(readlink -f "/dev/disk/$1")" "/dev/$2" "/dev/disk/$1"
}

no_link() {
	[[ ! -L /dev/disk/$1 ]] || fail "there is a /dev/disk/$1"
}

property() {
	udevadm info --query=property --property="$2" --value "/dev/$1"
}

# kernels: 6.1 7.2
test_a_disk_is_found_by_its_export() {
	local disk
	export_file vol0 64
	disk=$(map_local s1 vol0)
	links_to by-unbd/s1:vol0 "$disk"
	same "$(property "$disk" UNBD_SESSION)" s1
	same "$(property "$disk" UNBD_EXPORT)" vol0
	same "$(property "$disk" DM_MULTIPATH_DEVICE_PATH)" 0
	unmap "$disk"
	settle
	no_link by-unbd/s1:vol0
}

# Nobody tells udev to look again but its own watch.
test_a_new_file_system_is_noticed() {
	local disk uuid
	export_file vol0 64
	disk=$(map_local s1 vol0)
	mkfs.ext4 -q -L "two words" "/dev/$disk"
	settle
	eventually 10 links_to 'by-label/two\x20words' "$disk"
	uuid=$(blkid -p -s UUID -o value "/dev/$disk")
	links_to "by-uuid/$uuid" "$disk"
	unmap "$disk"
	settle
	no_link "by-uuid/$uuid"
	disk=$(map_local s1 vol0)
	links_to "by-uuid/$uuid" "$disk"
	links_to by-unbd/s1:vol0 "$disk"
}

# kernels: 6.1 7.2
test_partitions_have_links_of_their_own() {
	local disk table=by-partuuid/11111111-2222-3333-4444-555555555555
	export_file vol0 64
	disk=$(map_local s1 vol0)
	sfdisk -q "/dev/$disk" <<-EOF
		label: gpt
		size=16MiB, name=first, uuid=${table#*/}
		size=16MiB, name=second
	EOF
	settle
	eventually 10 links_to by-unbd/s1:vol0-part1 "${disk}p1"
	mkfs.ext4 -q -L inside "/dev/${disk}p2"
	settle
	unmap "$disk"
	settle
	no_link by-unbd/s1:vol0-part1

	disk=$(map_local s1 vol0)
	links_to by-unbd/s1:vol0 "$disk"
	links_to by-unbd/s1:vol0-part1 "${disk}p1"
	links_to by-unbd/s1:vol0-part2 "${disk}p2"
	links_to $table "${disk}p1"
	links_to by-partlabel/first "${disk}p1"
	links_to by-partlabel/second "${disk}p2"
	links_to by-label/inside "${disk}p2"
	same "$(property "${disk}p2" UNBD_EXPORT)" vol0
}

# announced_after EVENT EVENT - each is "ACTION DEVICE"; the second one comes, and
# not before the first
announced_after() {
	sed -n "\%^KERNEL.* ${1/ / .*/} %,\$p" "$WORK/announced" |
		grep -q "^KERNEL.* ${2/ / .*/} " ||
		fail "no '$2' behind '$1': $(cat "$WORK/announced")"
}

# A udev that is quick would look at them when the disk has no directory yet, and
# could not name them.
test_partitions_are_announced_with_their_disk() {
	local disk
	export_file vol0 64
	disk=$(map_local s1 vol0)
	sfdisk -q "/dev/$disk" <<< "size=16MiB"
	unmap "$disk"
	settle
	udevadm monitor --kernel --subsystem-match=block \
		> "$WORK/announced" &
	eventually 10 grep -q '^KERNEL' "$WORK/announced"
	disk=$(map_local s1 vol0)
	eventually 10 announced_after "change $disk" "add ${disk}p1"
	kill %1
	settle
	unmap "$disk"
	settle
	no_link by-unbd/s1:vol0-part1
}

# A '/' would make directories, a blank two links, and ".." worse.
test_odd_export_names_make_one_link() {
	local disk
	truncate -s 8M "$WORK/image"
	start_qemu_nbd -f raw -x '../a dir/vol 0' "$WORK/image"
	disk=$(map sessname=s1 path=tcp:127.0.0.1 \
		'"device_path=../a dir/vol 0"')
	links_to by-unbd/s1:.._a_dir_vol_0 "$disk"
	same "$(udevadm info --query=symlink "/dev/$disk" | tr ' ' '\n' |
		grep by-unbd)" disk/by-unbd/s1:.._a_dir_vol_0 "links by name"
	same "$(find /dev/disk/by-unbd -mindepth 1 -type d)" "" directories
}

test_the_default_export_has_a_link() {
	local disk
	start_nbdkit memory 8M
	disk=$(map sessname=s1 path=tcp:127.0.0.1 device_path=)
	links_to by-unbd/s1: "$disk"
}

test_two_disks_of_one_session() {
	local a b
	truncate -s 8M "$WORK/a" "$WORK/b"
	start_nbdkit file "dir=$WORK"
	a=$(map_local s1 a)
	b=$(map_local s1 b)
	links_to by-unbd/s1:a "$a"
	links_to by-unbd/s1:b "$b"
	unmap "$a"
	settle
	no_link by-unbd/s1:a
	links_to by-unbd/s1:b "$b"
}

test_the_scheduler_stays_what_it_was_set_to() {
	local disk file
	export_file vol0 8
	disk=$(map_local s1 vol0)
	file=/sys/block/$disk/queue/scheduler
	matches "$(cat "$file")" '^(\[none\].*|none)$' "scheduler"
	modprobe -q mq-deadline || true
	echo mq-deadline > "$file"
	udevadm trigger --action=change "/sys/block/$disk"
	settle
	matches "$(cat "$file")" '\[mq-deadline\]' "scheduler"
}

# Systemd must not believe a disk ready that has nothing to read.
test_an_empty_disk_is_not_ready() {
	local disk
	start_nbdkit memory 0
	disk=$(map sessname=s1 path=tcp:127.0.0.1 device_path=)
	same "$(property "$disk" SYSTEMD_READY)" 0
	links_to by-unbd/s1: "$disk"
}

test_a_disk_that_grows_from_nothing() {
	local disk uuid=5eed0008-0000-4000-8000-00000000b008
	: > "$WORK/empty"
	export_dev name=vol0 device_path="$WORK/empty"
	listen tcp:127.0.0.1:10809
	disk=$(map_local s1 vol0)
	settle
	no_link "by-uuid/$uuid"
	truncate -s 32M "$WORK/empty"
	mkfs.ext4 -q -F -U "$uuid" "$WORK/empty"
	write_sysfs "/sys/block/$disk/unbd/resize" 0
	is_mib "$disk" 32
	settle
	links_to "by-uuid/$uuid" "$disk"
	unmap "$disk"
}
