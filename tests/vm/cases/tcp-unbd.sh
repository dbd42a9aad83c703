# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Our client and our server in one guest.
# kernels: 6.1
# timeout: 600
# tags: tcp client server
# cpus: 4

. /bed/tcp.sh

# serve DEVICE [KEY=VALUE...] - as vol0
serve() {
	local device=$1
	shift
	export_dev name=vol0 "device_path=$device" "$@"
	listen tcp:127.0.0.1:10809
}

MINE=(sessname=s "$HERE" device_path=vol0)

stat_of() {
	cat "$SERVER/exports/vol0/stats/$1"
}

# kernels: 5.10 6.1 6.12 7.2 debug
test_a_file() {
	serve "$(disk_file "$ROUND_TRIP_MIB")"
	round_trip "${MINE[@]}"
	same "$(stat_of errors)" 0 "errors at the storage"
	(( $(stat_of writes) > 100 && $(stat_of flushes) > 0 )) ||
		fail "$(stat_of writes) writes, $(stat_of flushes) flushes"
	eventually 5 no_connections
}

# Reads that look for holes do so beside what drives the connection, and they
# all share its memory.
test_reads_with_and_without_holes() {
	local disk pid
	serve "$(disk_file 128)"
	disk=$(map "${MINE[@]}" nr_queues=1)
	dd if=/dev/urandom of="/dev/$disk" bs=1M seek=64 count=32 \
		oflag=direct status=none
	fio --name=holes --filename="/dev/$disk" --ioengine=libaio --direct=1 \
		--rw=randread --bsrange=4k-64k --iodepth=32 --offset=64M \
		--number_ios=6000 --loops=9 --minimal > "$WORK/holes" &
	pid=$!
	SIZE=64M verified_fio "$disk" --bsrange=4k-64k
	wait $pid
	unmap "$disk"
	same "$(stat_of errors)" 0 "errors at the storage"
}

# Short answers are taken where they come: nobody is woken up for that.
test_short_answers_wait_for_nobody() {
	local disk
	serve "$(disk_file 16)"
	disk=$(map "${MINE[@]}" nr_queues=1)
	settle 20
	trace_events workqueue/workqueue_queue_work
	dd if="/dev/$disk" of=/dev/null bs=4k count=200 iflag=direct status=none
	(( $(grep -c 'function=conn_work ' "$TRACING/trace") < 100 )) ||
		fail "$(tail -n 5 "$TRACING/trace")"
	unmap "$disk"
}

# A hole that is too large to be zeroed by a softirq is left to the work: last in
# an answer, with others behind it, and as all of one.
test_large_holes() {
	local disk file bs
	file=$(disk_file 32)
	serve "$file"
	disk=$(map "${MINE[@]}" nr_queues=1)
	dd if=/dev/urandom of="/dev/$disk" bs=64k count=1 seek=16 \
		oflag=direct status=none
	dd if=/dev/urandom of="/dev/$disk" bs=64k count=1 seek=100 \
		oflag=direct status=none
	sync
	for bs in 128k 1M 4M; do
		fio --name=holes --filename="/dev/$disk" --ioengine=libaio \
			--direct=1 --rw=read --bs="$bs" --iodepth=8 --minimal \
			> "$WORK/holes"
		dd if="/dev/$disk" bs="$bs" iflag=direct status=none |
			cmp - "$file" || fail "wrong data in reads of $bs"
	done
	unmap "$disk"
	same "$(stat_of errors)" 0 "errors at the storage"
}

# A long answer is taken care of where the request came from, whichever processors
# share a queue.
test_answers_go_to_who_asked() {
	local cpu disk event=$TRACING/events/workqueue/workqueue_queue_work
	serve "$(disk_file 16)"
	defer eval "echo 0 > $event/enable"
	disk=$(map "${MINE[@]}" nr_queues=2)
	settle 20
	for (( cpu = 0; cpu < $(nproc); cpu++ )); do
		taskset -c "$cpu" dd if="/dev/$disk" of=/dev/null bs=4k \
			count=1 iflag=direct status=none
		echo > "$TRACING/trace"
		echo 1 > "$event/enable"
		taskset -c "$cpu" dd if="/dev/$disk" of=/dev/null bs=256k \
			count=20 iflag=direct status=none
		echo 0 > "$event/enable"
		same "$(sed -n 's/.*function=conn_work .*[ _]cpu=\([0-9]*\).*/\1/p' \
			"$TRACING/trace" | sort | uniq -c | awk '$1 > 2 { print $2 }')" \
			"$cpu" "processors that took the answers for $cpu"
	done
	echo > "$TRACING/trace"
	unmap "$disk"
}

test_a_block_device() {
	local loop
	need_module loop
	loop=$(losetup -f --show "$(disk_file "$ROUND_TRIP_MIB")")
	defer losetup -d "$loop"
	allow_log 'operation not supported error, dev loop'
	serve "$loop"
	round_trip "${MINE[@]}"
	same "$(stat_of errors)" 0 "errors at the storage"
}

# What the storage is reaches the disk at the other end.
# What is not lost in a crash need not be kept for one, so the client does not
# flush to have its memory back. That stays so when the device gets a cache.
test_a_block_device_without_a_cache() {
	local disk loop queue before
	need_module loop
	loop=$(losetup -f --show "$(disk_file 16)")
	defer losetup -d "$loop"
	queue=/sys/block/${loop#/dev/}/queue
	echo "write through" > "$queue/write_cache"
	serve "$loop"
	disk=$(map "${MINE[@]}" replay=1M)
	pattern "$WORK/pattern" 8
	dd if="$WORK/pattern" "of=/dev/$disk" bs=64k oflag=direct status=none
	same "$(stat_of flushes)" 0 "flushes by the client itself"
	echo "write back" > "$queue/write_cache"
	before=$(flushes_at "$loop")
	dd if="$WORK/pattern" "of=/dev/$disk" bs=64k count=3 seek=128 \
		oflag=direct status=none
	(( $(flushes_at "$loop") == before + 3 )) ||
		fail "$(( $(flushes_at "$loop") - before )) flushes of 3 writes"
	cat "$WORK/pattern" <(head -c 192k "$WORK/pattern") |
		cmp -n $(( 8384 * 1024 )) - "/dev/$disk"
	same "$(stat_of flushes)" 0 "flushes by the client itself"
	unmap "$disk"
}

# flushes_at DEVICE - how many it has been asked for
flushes_at() {
	awk '{ print $16 }' "/sys/block/${1#/dev/}/stat"
}

test_limits_pass_through() {
	local loop disk
	need_module loop
	loop=$(losetup -f --show --sector-size 4096 "$(disk_file 64)")
	defer losetup -d "$loop"
	allow_log 'operation not supported error, dev loop'
	serve "$loop"
	disk=$(map "${MINE[@]}")
	same "$(queue_limit "$disk" logical_block_size)" 4096 logical_block_size
	same "$(queue_limit "$disk" write_cache)" \
		"$(cat "/sys/block/${loop##*/}/queue/write_cache")" write_cache
	same "$(queue_limit "$disk" fua)" 1 fua
	same "$(queue_limit "$disk" rotational)" \
		"$(cat "/sys/block/${loop##*/}/queue/rotational")" rotational
	same "$(blockdev --getsize64 "/dev/$disk")" $(( 64 << 20 )) size
	blkdiscard -o 1M -l 1M "/dev/$disk"
	(( $(stat_of discards) >= 1 )) || fail "no discard came"
	unmap "$disk"
}

test_a_file_is_a_disk_of_512_bytes() {
	local disk
	serve "$(disk_file 16)"
	disk=$(map "${MINE[@]}")
	same "$(queue_limit "$disk" logical_block_size)" 512 logical_block_size
	same "$(queue_limit "$disk" write_cache)" "write back" write_cache
	same "$(queue_limit "$disk" max_hw_sectors_kb)" 32768 max_hw_sectors_kb
	unmap "$disk"
}

# kernels: 5.10 6.1 7.2
test_discarded_and_zeroed_blocks_leave_the_file() {
	local file disk
	file=$(disk_file 32)
	serve "$file"
	disk=$(map "${MINE[@]}")
	pattern "$WORK/pattern" 16
	dd if="$WORK/pattern" of="/dev/$disk" bs=1M oflag=direct status=none
	(( $(stat -c %b "$file") >= 32768 )) || fail "the file has holes"
	blkdiscard -o 0 -l 8M "/dev/$disk"
	fallocate -p -o 8M -l 4M "/dev/$disk"
	# Old kernels' tmpfs fills the holes that a server reads.
	(( $(stat -c %b "$file") <= 8192 + 1024 )) ||
		fail "the file has $(stat -c %b "$file") sectors still"
	direct_read "$disk" 8 4 | cmp - <(head -c 4M /dev/zero)
	direct_read "$disk" 12 4 | cmp - <(tail -c 4M "$WORK/pattern")
	# Zeroes that keep their place.
	blkdiscard -z -o 12M -l 4M "/dev/$disk"
	direct_read "$disk" 12 4 | cmp - <(head -c 4M /dev/zero)
	unmap "$disk"
}

# A full disk below is a full disk above.
test_no_space_reaches_the_writer() {
	local disk out
	mkdir "$WORK/small"
	mount -t tmpfs -o size=4M small "$WORK/small"
	defer umount -l "$WORK/small"
	truncate -s 16M "$WORK/small/disk"
	serve "$WORK/small/disk"
	disk=$(map "${MINE[@]}")
	allow_log "dev $disk|Buffer I/O error"
	out=$(dd if=/dev/zero of="/dev/$disk" bs=1M count=8 oflag=direct 2>&1) ||
		true
	matches "$out" 'No space left on device' "a write to a full disk"
	same "$(path_stat s failures)" 0 "failures of the path"
	direct_read "$disk" 0 > /dev/null
	unmap "$disk"
	unexport vol0
}

# Errors of the medium below are errors of the medium above, and only there.
test_bad_blocks_reach_the_reader() {
	local loop disk out
	need_module dm-mod
	need_module loop
	loop=$(losetup -f --show "$(disk_file 16)")
	defer losetup -d "$loop"
	allow_log 'operation not supported error, dev loop'
	dmsetup create bad <<-EOF
		0 16384 linear $loop 0
		16384 8 error
		16392 16376 linear $loop 16392
	EOF
	defer dmsetup remove bad
	serve /dev/mapper/bad
	defer bedctl write "$SERVER/unexport_device" "vol0 force"
	disk=$(map "${MINE[@]}")
	allow_log "dev (dm-|$disk)|Buffer I/O error"
	out=$(dd if="/dev/$disk" of=/dev/null bs=4k skip=2048 count=1 \
		iflag=direct 2>&1) || true
	matches "$out" 'Input/output error' "reading a bad block"
	out=$(dd if=/dev/zero of="/dev/$disk" bs=4k seek=2048 count=1 \
		oflag=direct 2>&1) || true
	matches "$out" 'Input/output error' "writing a bad block"
	dd if="/dev/$disk" of=/dev/null bs=4k skip=2047 count=1 iflag=direct \
		status=none
	dd if="/dev/$disk" of=/dev/null bs=4k skip=2049 count=1 iflag=direct \
		status=none
	same "$(path_stat s failures)" 0 "failures of the path"
	(( $(stat_of errors) >= 2 )) || fail "errors are not counted"
	unmap "$disk"
}

test_read_only_exports() {
	local disk
	serve "$(disk_file 16)" access_mode=ro
	disk=$(map "${MINE[@]}")
	same "$(cat "/sys/block/$disk/ro")" 1 ro
	must_fail dd if=/dev/zero of="/dev/$disk" bs=4k count=1 conv=fsync \
		status=none 2> /dev/null
	unmap "$disk"
}

test_refused_clients() {
	load client
	serve "$(disk_file 16)" clients=10.0.0.0/8
	export_dev name=vol1 "device_path=$(disk_file 16 other)"
	log_from_here
	expect_errno EACCES "$CLIENT/map_device" \
		"sessname=s $HERE device_path=vol0"
	matches "$(our_log)" 'refused GO' "the client's log"
	nothing_mapped
	unexport vol1
	log_from_here
	expect_errno ECONNRESET "$CLIENT/map_device" \
		"sessname=s $HERE device_path=vol0"
	matches "$(our_log)" 'unbd-server: refused 127.0.0.1' "the server's log"
	matches "$(our_log)" 'unbd: map_device: ' "the client's log"
	nothing_mapped
}

# Nobody writes to the file "resize": the server says when to look.
# kernels: 5.10 6.1 6.12 7.2
test_the_disk_follows_the_servers_size() {
	local file disk mib
	file=$(disk_file 16)
	serve "$file"
	disk=$(map "${MINE[@]}")
	udevadm monitor --kernel --property --subsystem-match=block \
		> "$WORK/events" &
	defer kill $!
	eventually 5 grep -q '^KERNEL' "$WORK/events"
	# What udev reads near the end may be in flight when the end moves, from
	# 48 MiB to 32: in sectors, and in blocks of 4 KiB.
	allow_log "error, dev $disk, sector (6[6-9]|[7-9].)... .*\(READ\)"
	allow_log "error on dev $disk, logical block (8[2-9]|9.|1[0-2].)..,"
	write_steadily "$disk"
	for mib in 48 32 64; do
		: > "$WORK/events"
		truncate -s ${mib}M "$file"
		eventually 10 is_mib "$disk" $mib
		eventually 5 grep -q RESIZE=1 "$WORK/events"
		compared_end "$disk" $mib
	done
	same "$(cat "$SERVER/exports/vol0/size")" $(( 64 << 20 )) \
		"server's size"
	end_writing
	nothing_failed "$disk"
	unmap "$disk"
}

# To take up another size the client closes its connections for a moment.
test_resize_at_the_moment_that_the_server_says_so() {
	local file disk mib most
	file=$(disk_file 16)
	serve "$file"
	disk=$(map "${MINE[@]}")
	most=$(( 16 + $(rounds 20 4) ))
	for mib in 1 2 3 4; do
		while :; do :; done &
		defer kill $!
	done
	for (( mib = 17; mib <= most; mib++ )); do
		truncate -s ${mib}M "$file"
		sleep "$(( RANDOM % 2 )).$(( RANDOM % 10 ))"
		write_sysfs "/sys/block/$disk/unbd/resize" 0
		is_mib "$disk" "$mib"
	done
	unmap "$disk"
}

# told - all events of paths and disks, a line each
told() {
	sed -n 's/^UNBD_\(SESSION\|PATH\|DEVICE\|STATE\)=//p' "$WORK/events" |
		paste -d ' ' - - -
}

told_last() {
	[[ $(told | tail -n 1) == "$1" ]]
}

# kernels: 6.1 7.2
test_each_state_is_announced() {
	local disk
	serve "$(disk_file 16)"
	udevadm monitor --kernel --property --subsystem-match=unbd-client \
		> "$WORK/events" &
	defer kill $!
	eventually 5 grep -q '^KERNEL' "$WORK/events"
	disk=$(map "${MINE[@]}" fail_timeout=2)
	eventually 5 told_last "s 0 live"
	allow_log "$disk"
	unexport "vol0 force"
	eventually 20 told_last "s $disk failing"
	export_dev name=vol0 "device_path=$WORK/disk"
	eventually 20 told_last "s $disk live"
	unmap "$disk"
	eventually 5 told_last "s 0 removing"
	same "$(told)" "s 0 live
s 0 reconnecting
s $disk parked
s $disk failing
s 0 live
s $disk live
s 0 removing" "what was told"
}

# kernels: 6.1 7.2
test_all_paths() {
	local disk path
	serve "$(disk_file 16)"
	listen "unix:$WORK/socket"
	listen 'tcp:[::1]:10810'
	! modprobe -q vsock_loopback || listen vsock:any:10809
	for path in "unix:$WORK/socket" 'tcp:[::1]:10810' vsock:1:10809; do
		[[ $path != vsock:* || -d /sys/module/vsock_loopback ]] ||
			continue
		disk=$(map sessname=s "path=$path" device_path=vol0)
		SIZE=4M verified_fio "$disk"
		unmap "$disk"
	done
}

# memory_group MAX - make GROUP, whose processes have no more memory than that
memory_group() {
	GROUP=/sys/fs/cgroup/bed
	mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
	[[ -e /sys/fs/cgroup/cgroup.controllers ]] || skip "no cgroup2"
	echo +memory > /sys/fs/cgroup/cgroup.subtree_control 2> /dev/null ||
		skip "no memory controller"
	mkdir $GROUP
	defer rmdir $GROUP
	echo "$1" > $GROUP/memory.max
}

# in_group CMD [ARG...] - run it there
in_group() {
	bash -c 'echo $$ > "$0/cgroup.procs"; exec "$@"' "$GROUP" "$@"
}

# Dirty pages of the disk can only be written back through more memory.
test_writeback_with_little_memory() {
	local disk
	memory_group 16M
	serve "$(disk_file 128)"
	disk=$(map "${MINE[@]}")
	mkfs.ext4 -q "/dev/$disk"
	mounted "/dev/$disk" "$WORK/mnt"
	pattern "$WORK/pattern" 48
	in_group cp "$WORK/pattern" "$WORK/mnt/copy"
	drop_caches
	cmp "$WORK/pattern" "$WORK/mnt/copy"
	umount "$WORK/mnt"
	unmap "$disk"
}

test_swap() {
	local disk
	memory_group 24M
	serve "$(disk_file 64)"
	disk=$(map "${MINE[@]}")
	mkswap "/dev/$disk" > /dev/null
	swapon "/dev/$disk"
	defer swapoff "/dev/$disk"
	# More than fits, all of it used twice.
	in_group python3 - <<-'EOF'
		import mmap
		size = 48 << 20
		area = mmap.mmap(-1, size)
		for i in range(0, size, 4096):
		    area[i:i + 8] = i.to_bytes(8, "little")
		assert all(area[i:i + 8] == i.to_bytes(8, "little")
		           for i in range(0, size, 4096))
	EOF
	(( $(awk -v "d=/dev/$disk" '$1 == d { print $4 }' /proc/swaps) >= 0 ))
	swapoff "/dev/$disk"
	# Not their number: when nothing is quick, requests become large.
	(( $(awk '{ print int($7 / 2048) }' "/sys/block/$disk/stat") > 16 )) ||
		fail "less than 16 MiB swapped out"
	unmap "$disk"
}
