# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Mapping an export as a disk: what appears, what it says of itself, and that
# all of it goes again.
# kernels: 6.1
# timeout: 400
# cpus: 4
# tags: tcp client

. /bed/tcp.sh

# kernels: 5.10 6.1 6.12 7.2 debug
test_a_mapping_appears_and_goes() {
	local disk
	start_nbdkit memory 64M
	disk=$(map sessname=blya path=tcp:127.0.0.1 device_path=)
	same "$(cat "/sys/block/$disk/size")" $(( 64 << 11 )) "size in sectors"
	same "$(blockdev --getsize64 "/dev/$disk")" $(( 64 << 20 )) "size"
	same "$(cat "/sys/block/$disk/ro")" 0 "ro"
	dd if=/dev/urandom of="$WORK/data" bs=1M count=4 status=none
	dd if="$WORK/data" of="/dev/$disk" bs=1M oflag=direct status=none
	cmp -n $(( 4 << 20 )) "$WORK/data" "/dev/$disk"
	unmap "$disk"
	must_fail test -e "/dev/$disk"
	must_fail test -e "/sys/block/$disk"
	same "$(ls -A "$CLIENT/devices")" "" "ctl/devices"
	same "$(ls -A "$CLIENT/sessions")" "" "ctl/sessions"
	expect_log "$disk: default export of blya, $(( 64 << 20 )) bytes"
	expect_log "$disk: unmapped"
}

test_sysfs_tells_what_was_mapped() {
	local disk dir session
	start_nbdkit memory 16M
	disk=$(map sessname=blya path=tcp:127.0.0.1:10809 device_path=vol/a \
		fail_timeout=5 policy=round-robin)
	dir=/sys/block/$disk/unbd
	same "$(cat "$dir/state")" live state
	same "$(cat "$dir/session")" blya session
	same "$(cat "$dir/mapping_path")" vol/a mapping_path
	same "$(cat "$dir/access_mode")" rw access_mode
	matches "$(cat "$dir/unmap_device")" normal "usage of unmap_device"
	matches "$(cat "$dir/resize")" SECTORS "usage of resize"
	matches "$(cat "$dir/remap_device")" Usage "usage of remap_device"
	same "$(cat "$dir/stats/failed")" 0 stats/failed
	same "$(readlink -f "$CLIENT/devices/$disk")" \
		"$(readlink -f "/sys/block/$disk")" "link in ctl/devices"

	session=$CLIENT/sessions/blya
	same "$(cat "$session/policy")" round-robin policy
	same "$(cat "$session/paths/0/state")" live "state of the path"
	same "$(cat "$session/paths/0/transport")" tcp transport
	same "$(cat "$session/paths/0/dst")" tcp:127.0.0.1:10809 dst
	matches "$(cat "$session/paths/0/src")" 127.0.0.1 src
	matches "$(cat "$session/paths/0/stats")" "failures 0" stats
	matches "$(cat "$CLIENT/map_device")" 'sessname=.*path=.*fail_timeout' \
		"usage of map_device"
	unmap "$disk"
}

test_udev_names_the_disk() {
	local disk link=/dev/disk/by-unbd/blya:vol0
	start_nbdkit memory 16M
	disk=$(map sessname=blya path=tcp:127.0.0.1 device_path=vol0)
	eventually 10 test -L $link
	same "$(readlink -f $link)" "/dev/$disk" "by-unbd link"
	mkfs.ext4 -q -L unbdlabel -U 11111111-2222-3333-4444-555555555555 \
		"/dev/$disk"
	eventually 10 test -L /dev/disk/by-label/unbdlabel
	eventually 10 test \
		-L /dev/disk/by-uuid/11111111-2222-3333-4444-555555555555
	unmap "$disk"
	eventually 10 test ! -L $link
	eventually 10 test ! -L /dev/disk/by-label/unbdlabel
}

# scheduler_of DISK - that which is in use; kernels write the others around it
scheduler_of() {
	grep -o '\[.*\]' "/sys/block/$1/queue/scheduler"
}

# Also by a udev that is quicker than the kernel; once, and not again.
# kernels: 5.10 6.1
test_udev_leaves_the_order_to_the_server() {
	local disk i
	load client
	start_nbdkit memory 16M
	for i in {1..12}; do
		disk=$(map sessname=s "$HERE" device_path= nr_queues=1)
		settle
		same "$(scheduler_of "$disk")" "[none]" "scheduler in round $i"
		unmap "$disk"
	done
	disk=$(map sessname=s "$HERE" device_path= nr_queues=1)
	settle
	echo mq-deadline > "/sys/block/$disk/queue/scheduler"
	udevadm trigger --action=change --settle "/sys/block/$disk"
	same "$(scheduler_of "$disk")" "[mq-deadline]" \
		"scheduler that the administrator has chosen"
	unmap "$disk"
}

# kernels: 5.10 6.1 6.12 7.2
test_partitions_are_scanned() {
	local disk image
	image=$(disk_file 32)
	sfdisk -q "$image" <<< $'label: gpt\nsize=8M\nsize=4M\n'
	start_nbdkit file "$image"
	disk=$(map sessname=blya path=tcp:127.0.0.1 device_path=)
	same "$(cat "/sys/block/$disk/${disk}p1/size")" $(( 8 << 11 )) "size of p1"
	same "$(cat "/sys/block/$disk/${disk}p2/size")" $(( 4 << 11 )) "size of p2"
	dd if=/dev/urandom of="/dev/${disk}p1" bs=1M count=2 oflag=direct \
		status=none
	cmp -n $(( 2 << 20 )) "/dev/${disk}p1" <(tail -c +$(( (1 << 20) + 1 )) \
		"$image")
	unmap "$disk"
}

test_read_only_exports_make_read_only_disks() {
	local disk
	start_nbdkit -r memory 16M
	disk=$(map sessname=blya path=tcp:127.0.0.1 device_path=)
	same "$(cat "/sys/block/$disk/ro")" 1 "ro of a read-only export"
	must_fail dd if=/dev/zero of="/dev/$disk" bs=4k count=1 conv=fsync \
		status=none
	unmap "$disk"
}

# kernels: 6.1 7.2
test_access_mode_ro_makes_a_read_only_disk() {
	local disk
	start_nbdkit memory 16M
	disk=$(map sessname=blya path=tcp:127.0.0.1 device_path= access_mode=ro)
	same "$(cat "/sys/block/$disk/ro")" 1 "ro of access_mode=ro"
	same "$(cat "/sys/block/$disk/unbd/access_mode")" ro access_mode
	# Old kernels let that pass; writes fail all the same.
	allow_log "dev $disk"
	tried blockdev --setrw "/dev/$disk" || true
	must_fail dd if=/dev/zero of="/dev/$disk" bs=4k count=1 conv=fsync \
		status=none
	unmap "$disk"
}

# A hardware queue for each connection: one for each CPU when the server can
# keep several connections coherent, one otherwise.
# kernels: 6.1 7.2
test_queues_follow_the_server() {
	local disk
	start_nbdkit memory 16M
	disk=$(map sessname=blya path=tcp:127.0.0.1 device_path=)
	same "$(queues "$disk")" "$(nproc)" "queues with CAN_MULTI_CONN"
	same "$(connections)" "$(nproc)" "connections with CAN_MULTI_CONN"
	unmap "$disk"
	disk=$(map sessname=blya path=tcp:127.0.0.1 device_path= nr_queues=3 \
		queue_depth=32)
	same "$(queues "$disk")" 3 "queues of nr_queues=3"
	same "$(connections)" 3 "connections of nr_queues=3"
	same "$(cat "/sys/block/$disk/mq/0/nr_tags")" 32 "queue depth"
	unmap "$disk"
	disk=$(map sessname=blya path=tcp:127.0.0.1 device_path= nr_queues=64)
	same "$(connections)" "$(queues "$disk")" "connections of nr_queues=64"
	unmap "$disk"
	stop_peer "$PEER_PID"
	start_nbdkit --filter=multi-conn memory 16M multi-conn-mode=disable
	disk=$(map sessname=blya path=tcp:127.0.0.1 device_path= nr_queues=4)
	same "$(queues "$disk")" 1 "queues without CAN_MULTI_CONN"
	same "$(connections)" 1 "connections without CAN_MULTI_CONN"
	same "$(cat "/sys/block/$disk/mq/0/nr_tags")" 128 "queue depth"
	unmap "$disk"
}

queues() {
	find "/sys/block/$1/mq" -mindepth 1 -maxdepth 1 | wc -l
}

connections() {
	ss -Htn state established "dport = :${PORT:-10809}" | wc -l
}

# kernels: 5.10 6.1 6.12 7.2
test_a_session_holds_many_devices() {
	local a b
	start_nbdkit memory 16M
	a=$(map sessname=blya path=tcp:127.0.0.1 device_path=a)
	b=$(map sessname=blya path=tcp:127.0.0.1 device_path=b)
	same "$(ls "$CLIENT/sessions")" blya sessions
	same "$(ls "$CLIENT/sessions/blya/paths")" 0 "paths of the session"
	expect_errno EEXIST "$CLIENT/map_device" \
		"sessname=blya path=tcp:127.0.0.1 device_path=a"
	expect_log 'map_device: .*device_path=a: .*mapped already'
	unmap "$a"
	dd if="/dev/$b" of=/dev/null bs=1M count=1 iflag=direct status=none
	same "$(ls "$CLIENT/sessions")" blya "sessions while one is mapped"
	unmap "$b"
	same "$(ls -A "$CLIENT/sessions")" "" "sessions"
}

# Without path= the paths of the session are used.
test_a_second_mapping_needs_no_path() {
	local a b
	start_nbdkit memory 16M
	a=$(map sessname=blya path=tcp:127.0.0.1 device_path=a)
	b=$(map sessname=blya device_path=b)
	dd if="/dev/$b" of=/dev/null bs=1M count=1 iflag=direct status=none
	unmap "$a"
	unmap "$b"
	expect_errno ENOENT "$CLIENT/map_device" "sessname=blya device_path=b"
	expect_log 'map_device: .*new session needs path='
}

# Two lines of a table in parallel, as at boot: one names an export that is not
# there, and goes without what the other has asked for, too.
test_a_mapping_that_fails_leaves_the_paths_of_others() {
	local first disk
	start_script names=vol1 slow=4:100
	load client
	bedctl write "$CLIENT/map_device" \
		"sessname=s $HERE path=tcp:127.0.0.2 device_path=typo" \
		> "$WORK/first" &
	first=$!
	eventually 5 test -e "$CLIENT/sessions/s/paths/1"
	bedctl write "$CLIENT/map_device" \
		"sessname=s $HERE device_path=vol1 nr_queues=1"
	disk=$(unbd_disks)
	within 60 tail --pid=$first -f /dev/null
	same "$(< "$WORK/first")" ENOENT "the outcome of the other mapping"
	same "$(ls "$CLIENT/sessions/s/paths")" 0 paths
	script slow=
	write_sysfs "$CLIENT/sessions/s/paths/0/reconnect" 1
	eventually 10 path_is s live
	settle
	expect_errno ENOENT "$CLIENT/map_device" \
		"sessname=s $HERE path=tcp:127.0.0.2 device_path=typo"
	same "$(ls "$CLIENT/sessions/s/paths")" 0 "paths after another failure"
	same "$(path_state s)" live "state of the path"
	direct_read "$disk" 1 > /dev/null
	unmap "$disk"
	same "$(ls -A "$CLIENT/sessions")" "" "sessions left behind"
}

# kernels: 6.1 7.2
test_an_open_disk_is_not_unmapped() {
	local disk sleeper
	start_nbdkit memory 16M
	disk=$(map sessname=blya path=tcp:127.0.0.1 device_path=)
	sleep 600 7< "/dev/$disk" &
	sleeper=$!
	defer kill $sleeper
	eventually 5 has_open $sleeper "/dev/$disk"
	expect_errno EBUSY "/sys/block/$disk/unbd/unmap_device" normal
	expect_log "$disk: unmap_device: .*in use"
	expect_errno EINVAL "/sys/block/$disk/unbd/unmap_device" please
	expect_log "$disk: unmap_device: normal or force"
	dd if="/dev/$disk" of=/dev/null bs=4k count=1 iflag=direct status=none
	kill "$sleeper"
	unmap "$disk"
}

# has_open PID FILE - as descriptor 7
has_open() {
	[[ $(readlink "/proc/$1/fd/7") == "$2" ]]
}

test_a_mounted_disk_is_not_unmapped() {
	local disk
	start_nbdkit memory 16M
	disk=$(map sessname=blya path=tcp:127.0.0.1 device_path=)
	mkfs.ext4 -q "/dev/$disk"
	mounted "/dev/$disk" "$WORK/mnt"
	expect_errno EBUSY "/sys/block/$disk/unbd/unmap_device" normal
	umount "$WORK/mnt"
	unmap "$disk"
}

# Connections are made in the network namespace of who maps, and again after
# they were lost: then by the kernel.
test_connections_are_made_in_the_writers_namespace() {
	local disk inside="ip netns exec bed"
	ip netns add bed
	defer ip netns del bed
	$inside ip link set lo up
	$inside nbdkit -p 10810 -P "$WORK/peer.pid" memory 16M
	eventually 5 test -s "$WORK/peer.pid"
	defer stop_peer "$(< "$WORK/peer.pid")"
	load client
	expect_errno ECONNREFUSED "$CLIENT/map_device" \
		"sessname=blya path=tcp:127.0.0.1:10810 device_path="
	$inside bedctl write "$CLIENT/map_device" \
		"sessname=blya path=tcp:127.0.0.1:10810 device_path="
	disk=$(unbd_disks)
	echo 1 > "$CLIENT/sessions/blya/paths/0/reconnect"
	dd if="/dev/$disk" of=/dev/null bs=1M count=1 iflag=direct status=none
	unmap "$disk"
}

# There the same address is another server's.
test_one_address_in_two_namespaces() {
	local disk line inside="ip netns exec bed"
	ip netns add bed
	defer ip netns del bed
	$inside ip link set lo up
	$inside nbdkit -p 10810 -P "$WORK/there.pid" memory 32M
	eventually 5 test -s "$WORK/there.pid"
	defer stop_peer "$(< "$WORK/there.pid")"
	PORT=10810 start_nbdkit memory 16M
	disk=$(map sessname=s path=tcp:127.0.0.1:10810 device_path=x)
	line="sessname=s path=tcp:127.0.0.1:10810 device_path=y"
	must_fail $inside bedctl write "$CLIENT/map_device" "$line"
	expect_log 'map_device: .* in another network namespace .-17.'
	same "$(unbd_disks)" "$disk" disks
	is_mib "$disk" 16
	# As a path of its own it is refused for what it leads to.
	$inside bedctl write "$CLIENT/sessions/s/add_path" \
		tcp:127.0.0.1:10810
	eventually 5 expect_log 'path 1 .* not the same, or it has grown'
	echo 1 > "$CLIENT/sessions/s/paths/1/remove"
	unmap "$disk"
	$inside bedctl write "$CLIENT/map_device" "${line/=s /=t }"
	disk=$(unbd_disks)
	is_mib "$disk" 32
	unmap "$disk"
}

# Somebody else still has the old disk's file system mounted.
test_a_number_is_not_used_twice() {
	local disk other pid
	start_nbdkit memory 64M
	disk=$(map sessname=s "$HERE" device_path=a)
	mkfs.ext4 -q "/dev/$disk"
	allow_log "dev $disk|EXT4-fs|JBD2|Buffer I/O"
	mkdir "$WORK/mnt"
	mount "/dev/$disk" "$WORK/mnt"
	unshare -m --propagation private sleep 1000 &
	pid=$!
	defer kill $pid
	sleep 1
	umount "$WORK/mnt"
	expect_errno EBUSY "/sys/block/$disk/unbd/unmap_device" normal
	unmap "$disk" force
	other=$(map sessname=s "$HERE" device_path=a)
	[[ $other != "$disk" ]] || fail "$disk is used twice"
	mkfs.ext4 -q "/dev/$other"
	mounted "/dev/$other" "$WORK/mnt"
	umount "$WORK/mnt"
	unmap "$other"
	kill $pid
	wait $pid || true
	eventually 5 takes_number "$disk"
}

# takes_number DISK - the next one to be mapped is called so
takes_number() {
	local disk
	disk=$(map sessname=s "$HERE" device_path=a)
	unmap "$disk"
	[[ $disk == "$1" ]]
}

# udev looks at a new disk; who unmaps it at once does not notice.
test_unmapped_while_somebody_looks_at_it() {
	local disk begin
	start_nbdkit memory 16M
	disk=$(map sessname=s "$HERE" device_path=)
	sleep 0.5 < "/dev/$disk" &
	sleep 0.1
	bedctl write "/sys/block/$disk/unbd/unmap_device" normal
	wait $!
	same "$(unbd_disks)" "" disks
	disk=$(map sessname=s "$HERE" device_path=)
	exec 7< "/dev/$disk"
	begin=$(milliseconds)
	expect_errno EBUSY "/sys/block/$disk/unbd/unmap_device" normal
	(( $(milliseconds) - begin < $(scaled 2000) )) ||
		fail "being busy takes $(( $(milliseconds) - begin )) ms"
	exec 7<&-
	unmap "$disk"
}
