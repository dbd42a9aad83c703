# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Client and server of muenblock in one kernel, over memory of that kernel:
# disks appear by themselves, in either order, survive a server that begins
# anew, and go.
# kernels: 6.1
# timeout: 300
# tags: shm muenblock

. /bed/tcp.sh
. /bed/shm.sh
. /bed/held.sh
share loop@a

test_disks_appear_and_carry_file_systems() {
	local a b
	a=$(disk_file 300 a)
	b=$(disk_file 350 b)
	serve "$a" "$b"
	attach
	eventually 10 nr_disks 2
	a=$(by_letter a)
	b=$(by_letter b)
	[[ $(blockdev --getsize64 "/dev/$a") == $(( 300 << 20 )) ]]
	[[ $(blockdev --getsize64 "/dev/$b") == $(( 350 << 20 )) ]]
	mkfs.ext4 -q "/dev/$a"
	mkfs.xfs -q "/dev/$b"
	mounted "/dev/$a" "$WORK/ext4"
	mounted "/dev/$b" "$WORK/xfs"
	make_tree "$WORK/ext4/tree" 8
	cp -a "$WORK/ext4/tree" "$WORK/xfs/tree"
	drop_caches
	same_tree "$WORK/ext4/tree" "$WORK/xfs/tree"
	umount "$WORK/ext4" "$WORK/xfs"
	fsck.ext4 -fn "/dev/$a"
	unmap "$a"
	unmap "$b"
}

# kernels: 5.10 6.1 6.12 7.2 debug
test_the_client_may_be_first() {
	attach_first serve "$(disk_file 16)"
	fio --name=v --filename="/dev/$DISK" --rw=randwrite --bsrange=512-256k \
		--blockalign=512 --verify=crc32c --direct=1 --size=8M \
		--ioengine=libaio --iodepth=32 --verify_fatal=1 --output=/dev/null
	blkdiscard "/dev/$DISK"
	nothing_went_wrong "$DISK"
	unmap "$DISK"
}

nothing_went_wrong() {
	local stat
	for stat in requeued parked timeouts failed; do
		[[ $(cat "/sys/block/$1/unbd/stats/$stat") == 0 ]] ||
			fail "$stat: $(cat "/sys/block/$1/unbd/stats/$stat")"
	done
}

# begin_writing - to the only disk: DISK of FILE
begin_writing() {
	FILE=$(disk_file 32)
	serve "$FILE"
	attach
	eventually 10 nr_disks 1
	DISK=$(by_letter a)
	fio --name=v --filename="/dev/$DISK" --rw=randwrite --bs=4k \
		--verify=crc32c --direct=1 --size=32M --ioengine=libaio \
		--iodepth=8 --verify_fatal=1 --loops=2 --output="$WORK/fio" &
	WRITER=$!
}

end_writing() {
	wait $WRITER || fail "fio: $(tail -n 3 "$WORK/fio")"
	unmap "$DISK"
}

becomes() {
	eventually 10 grep -q "$1" "/sys/block/$DISK/unbd/state"
}

test_a_server_that_begins_anew() {
	local i
	begin_writing
	for i in 1 2 3; do
		sleep 1
		echo "1 force" > $SHM_SERVER/remove_connection
		becomes parked
		echo "$CONNECTION" > $SHM_SERVER/connections
		echo "$FILE:1" > $SHM_SERVER/devices
		becomes live
	done
	end_writing
}

failed_once_more() {
	(( $(path_stat shm1 failures) == $1 ))
}

# What is asked for meanwhile waits for the device, as over any transport.
test_devices_are_closed_by_force() {
	local i
	begin_writing
	for i in 1 2 3; do
		sleep 1
		write_sysfs $SERVER/connections/*/force_close 1
		eventually 10 failed_once_more "$i"
		becomes live
	done
	unexport "shm1.0 force"
	becomes parked
	sleep 2
	export_dev name=shm1.0 "device_path=$FILE"
	becomes live
	end_writing
}

test_a_disk_goes_while_its_server_is_away() {
	local disk
	serve "$(disk_file 16)"
	attach
	eventually 10 nr_disks 1
	disk=$(by_letter a)
	echo "1 force" > $SHM_SERVER/remove_connection
	dd if=/dev/zero of="/dev/$disk" bs=4k count=8 oflag=direct \
		2> /dev/null &
	eventually 10 grep -q parked "/sys/block/$disk/unbd/state"
	allow_log "I/O error, dev $disk|Buffer I/O error on dev $disk"
	within 2 bedctl write "/sys/block/$disk/unbd/unmap_device" force
	wait $! && fail "dd wrote to nowhere"
	nr_disks 0
}

test_connections_come_and_go() {
	local a b
	a=$(disk_file 16 a)
	b=$(disk_file 17 b)
	serve "$a"
	attach
	eventually 10 nr_disks 1
	echo 2:loop@b/q:loop@b/r:loop@b/m > $SHM_SERVER/connections
	echo "$b:2" > $SHM_SERVER/devices
	echo 2:loop@b/q:loop@b/r:loop@b/m > $SHM_CLIENT/connections
	eventually 10 nr_disks 2
	expect_errno EBUSY $SHM_SERVER/remove_connection 2
	# udev may be looking at the disk still, which is a user like any other.
	eventually 10 remove $SHM_CLIENT 2
	nr_disks 1
	# The letter that has become free is taken again.
	echo 2:loop@b/q:loop@b/r:loop@b/m > $SHM_CLIENT/connections
	eventually 10 test -b /dev/muendiskb
	eventually 10 remove $SHM_CLIENT 2
	eventually 10 remove $SHM_SERVER 2
	expect_errno ENOENT $SHM_CLIENT/remove_connection 2
	expect_errno EINVAL $SHM_CLIENT/connections 3:x
	expect_errno EEXIST $SHM_CLIENT/connections "$CONNECTION"
	expect_errno EPROTONOSUPPORT $SHM_CLIENT/connections 3:nobody/a:b:c
	allow_log 'unbd-shm-'
}

# One second between two looks, and no more than a look each.
test_a_server_without_disks() {
	local count
	modprobe unbd-shm-server connections="$CONNECTION"
	load client
	trace_events unbd/unbd_path_state
	attach
	sleep 10
	count=$(grep -c 'unbd_path_state: ' $TRACING/trace) || :
	echo "$count changes of state"
	(( count >= 5 && count <= 60 )) || fail "$count in ten seconds"
	echo "$(disk_file 16):1" > $SHM_SERVER/devices
	eventually 10 nr_disks 1
	unmap "$(by_letter a)"
}

test_a_session_by_hand() {
	local disk
	serve "$(disk_file 16 a)" "$(disk_file 17 b)"
	attach auto_map=N
	disk=$(map sessname=s path=shm:1 device_path=1 nr_queues=1)
	[[ $(blockdev --getsize64 "/dev/$disk") == $(( 17 << 20 )) ]]
	expect_errno ENOENT "$CLIENT/map_device" \
		"sessname=s path=shm:1 device_path=7"
	expect_errno EBUSY "$CLIENT/map_device" \
		"sessname=t path=shm:1 device_path=0"
	expect_errno ENOENT "$CLIENT/map_device" \
		"sessname=t path=shm:9 device_path=0"
	allow_log 'map_device'
	unmap "$disk"
}

# beside [PARAMETER...] - of what serve has been called with: FIRST, and OTHER,
# which is of the same connection; FIRST is held from now on
beside() {
	attach "$@"
	eventually 10 nr_disks 2
	FIRST=$(by_letter a)
	OTHER=$(by_letter b)
	for_us_alone "$FIRST"
	hold
}

beside_a_held_disk() {
	held_disk
	serve "$HELD" "$(disk_file 16)"
	beside "$@"
}

other_works() {
	within 5 dd if=/dev/zero of="/dev/$OTHER" bs=4k count=4 oflag=direct \
		conv=fsync status=none
}

end_held() {
	release
	wait "$@" || fail "a request of the disk that was held has failed"
	nothing_failed "$FIRST"
	same "$(path_stat shm1 failures)" 0 "failures of the path"
	exec 8>&-
	unmap "$FIRST"
	unmap "$OTHER"
}

# Two of them, and writes before, between and behind them. The server answers
# meanwhile that it is there.
test_flushes_that_wait_hold_up_nobody() {
	local i pids=()
	beside_a_held_disk map_options=keepalive=1
	for i in 1 2 3; do
		dd if=/dev/zero of="/dev/$FIRST" bs=4k seek=$i count=1 \
			oflag=direct status=none &
		pids+=($!)
		sleep 0.2
		sync "/dev/$FIRST" &
		pids+=($!)
		sleep 0.2
	done
	other_works
	sleep 10
	other_works
	end_held "${pids[@]}"
}

# There are fewer places for requests than that disk could have under way.
test_a_disk_that_waits_leaves_room() {
	load shm
	echo 1 > /sys/module/unbd_shm/parameters/loop_buffer_mib
	defer eval "echo 16 > /sys/module/unbd_shm/parameters/loop_buffer_mib"
	beside_a_held_disk
	fio --name=v --filename="/dev/$FIRST" --rw=randwrite --bs=4k --direct=1 \
		--size=1M --ioengine=libaio --iodepth=64 \
		--output="$WORK/fio" &
	eventually 10 under_way "$FIRST" 4
	other_works
	end_held $!
}

# Likewise where it is the disk that has no place for more requests.
# kernels: 5.10 6.1 7.2
test_a_disk_that_is_full_holds_up_nobody() {
	load shm
	echo 64 > /sys/module/unbd_shm/parameters/loop_buffer_mib
	defer eval "echo 16 > /sys/module/unbd_shm/parameters/loop_buffer_mib"
	shallow_disk
	serve "$SHALLOW" "$(disk_file 16)"
	beside map_options=keepalive=1
	fio --name=v --filename="/dev/$FIRST" --rw=randwrite --bs=4k \
		--direct=1 --size=60M --io_size=2M --ioengine=libaio \
		--iodepth=128 --numjobs=2 --thread --cpus_allowed=0,1 \
		--cpus_allowed_policy=split --output="$WORK/fio" &
	eventually 10 under_way "$FIRST" 200
	other_works
	sleep 10
	other_works
	end_held $!
}

# Nobody asks; the other disk goes on. That the connection could not be removed
# before is forgotten.
test_a_disk_is_added() {
	serve "$(disk_file 16 a)"
	attach map_options=keepalive=1
	eventually 10 nr_disks 1
	exec 7< "/dev/$(by_letter a)"
	expect_errno EBUSY $SHM_CLIENT/remove_connection 1
	allow_log 'unbd-shm-client: remove_connection: 1'
	exec 7<&-
	echo "$(disk_file 17 b):1" > $SHM_SERVER/devices
	eventually 10 nr_disks 2
	is_mib "$(by_letter b)" 17
	same "$(path_stat shm1 failures)" 0 "failures of the path"
	unmap "$(by_letter a)"
	unmap "$(by_letter b)"
}

# hog_processors SECONDS - nobody else gets any, but for interrupts
hog_processors() {
	local cpu pids=() limit=/proc/sys/kernel/sched_rt_runtime_us
	defer eval "echo $(< $limit) > $limit"
	echo -1 > $limit
	for (( cpu = 0; cpu < $(nproc); cpu++ )); do
		taskset -c $cpu chrt -f 50 python3 - "$1" <<-'EOF' &
			import sys, time
			end = time.monotonic() + float(sys.argv[1])
			while time.monotonic() < end:
			    pass
		EOF
		pids+=($!)
	done
	wait "${pids[@]}"
}

# Who was away himself has not asked anything.
test_a_client_that_gets_no_processor() {
	serve "$(disk_file 16)"
	attach map_options=keepalive=1
	eventually 10 nr_disks 1
	DISK=$(by_letter a)
	settle 20
	direct_read "$DISK" 0 > /dev/null
	hog_processors 4
	direct_read "$DISK" 0 > /dev/null
	same "$(path_stat shm1 failures)" 0 "failures of the path"
	unmap "$DISK"
}

# none_of ERRNO FILE TEXT - it fails, and FILE is as it was
none_of() {
	local before
	before=$(< "$2")
	expect_errno "$1" "$2" "$3"
	same "$(< "$2")" "$before" "${2##*/}"
}

# A list of which a part cannot be leaves nothing. Quotes mean nothing in one.
test_lists_that_are_wrong_in_the_end() {
	local a b end other=2:loop@b/q:loop@b/r:loop@b/m
	a=$(disk_file 16 a)
	b=$(disk_file 17 'the "second" disk')
	serve "$a"
	attach
	eventually 10 nr_disks 1
	for end in $SHM_CLIENT $SHM_SERVER; do
		none_of EINVAL "$end/connections" "$other,3:x"
		none_of EEXIST "$end/connections" "$other,$other"
		none_of EEXIST "$end/connections" "$other,$CONNECTION"
		expect_errno ENOENT "$end/remove_connection" 2
		allow_log 'unbd-shm-'
	done
	echo "$other" > $SHM_SERVER/connections
	none_of ENOENT $SHM_SERVER/devices "$b:2,$b:3"
	none_of ENOENT $SHM_SERVER/devices "$b:2,$WORK/none:1"
	same "$(ls "$SERVER/exports")" shm1.0 exports
	echo "$b:2" > $SHM_SERVER/devices
	echo "$other" > $SHM_CLIENT/connections
	eventually 10 nr_disks 2
	is_mib "$(by_letter b)" 17
	unmap "$(by_letter a)"
	unmap "$(by_letter b)"
}

# A question is answered whatever else the server is about.
test_the_size_is_asked_without_a_lock() {
	serve "$(disk_file 16)"
	attach
	eventually 10 nr_disks 1
	DISK=$(by_letter a)
	trace_calls probe=unbd_export_probe
	truncate -s 17M "$WORK/disk"
	write_sysfs "/sys/block/$DISK/unbd/resize" 0
	is_mib "$DISK" 17
	! grep 'probe:' $TRACING/trace || fail "the server looked for it"
	unmap "$DISK"
}

test_a_server_that_is_away_costs_little() {
	local count
	serve "$(disk_file 16)"
	attach
	eventually 10 nr_disks 1
	DISK=$(by_letter a)
	settle 20
	echo "1 force" > $SHM_SERVER/remove_connection
	eventually 10 path_is shm1 reconnecting
	trace_calls look=unbd_shm:shm_reader_active
	sleep 10
	count=$(grep -c 'look:' $TRACING/trace) || :
	echo "$count looks"
	(( count >= 20 && count <= 400 )) || fail "$count looks in ten seconds"
	unmap "$DISK" force
}

# Nothing may be written behind the image of a machine that hibernates; and that
# may be written to a disk of ours.
test_the_server_sleeps_with_its_machine() {
	serve "$(disk_file 16)"
	attach
	eventually 10 nr_disks 1
	DISK=$(by_letter a)
	settle 20
	echo 0 > /sys/module/suspend/parameters/pm_test_delay
	echo freezer > /sys/power/pm_test
	trace_calls rests=__refrigerator
	echo freeze > /sys/power/state
	grep 'unbd-shmd-1-.* rests:' $TRACING/trace || fail "the server does not"
	! grep 'unbd-shm-1-.* rests:' $TRACING/trace || fail "the client does"
	direct_read "$DISK" 0 > /dev/null
	same "$(path_stat shm1 failures)" 0 "failures of the path"
	unmap "$DISK"
}
