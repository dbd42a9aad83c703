# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The server while a disk keeps what it was given: what else it does meanwhile,
# and what it may not do afterwards.
# kernels: 6.1
# timeout: 600
# tags: tcp server

. /bed/tcp.sh
. /bed/held.sh

# serve_held [SECTOR_SIZE] - a held disk as vol0
serve_held() {
	held_disk "$@"
	export_dev name=vol0 "device_path=$HELD"
	listen tcp:127.0.0.1:10809
}

# held ORDER [COUNT] - start the client and wait until it has sent all
held() {
	coproc CLIENT_PROC { exec python3 $PEERS/nbd_held_client.py "$@" 2>&1; }
	# shellcheck disable=SC2153
	CLIENT_PID=$CLIENT_PROC_PID
	said_sent
}

said_sent() {
	local word
	read -r -t "$(scaled 60)" word <&"${CLIENT_PROC[0]}" ||
		fail "the client says nothing"
	same "$word" sent "what the client says"
	# What it sent is where it stays.
	sleep 2
}

# go_on - and wait until it has sent the next
go_on() {
	echo >&"${CLIENT_PROC[1]}"
	said_sent
}

# go_to_the_end - let it finish, which it has to do well
go_to_the_end() {
	echo >&"${CLIENT_PROC[1]}"
	eventually 60 gone "$CLIENT_PID"
}

gone() {
	! kill -0 "$1" 2> /dev/null
}

# idle SECONDS - that many seconds in which no processor is busy
idle() {
	local before
	before=$(busy_ticks)
	sleep "$1"
	(( $(busy_ticks) - before < $1 * 50 )) ||
		fail "busy for $(( $(busy_ticks) - before )) ticks of $1 seconds"
}

busy_ticks() {
	awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 }' /proc/stat
}

# A loop device on tmpfs says that it can zero, and fails.
test_zeroes_that_fail_beside_writes_that_wait() {
	serve_held 4096
	echo 600 > /sys/module/unbd_tcp_server/parameters/max_requests
	allow_log 'operation not supported error, dev (loop|dm)'
	hold
	held misfits 300
	release
	go_to_the_end
	eventually 20 no_connections
}

# As many as an export may have, and then somebody else wants something.
test_a_server_whose_connections_all_wait() {
	serve_held
	echo 300 > /sys/module/unbd_server/parameters/max_connections_per_export
	export_dev name=well "device_path=$(disk_file 1 well)"
	hold
	held writers 280
	go_to_the_end
	within 20 nbdinfo --size nbd://127.0.0.1/well
	release
	eventually 60 no_connections
}

# use EXPORT - map it, read 16 MiB of it and unmap it
use() {
	local disk
	disk=$(map sessname=s path=tcp:127.0.0.1:10809 device_path="$1" \
		nr_queues=1)
	direct_read "$disk" 0 16 > /dev/null
	unmap "$disk"
}

# used_for EXPORT - milliseconds that takes at best: udevd, which has its part in
# it, starts a worker for it at one time and has one at another
used_for() {
	local begin i
	for i in 1 2 3; do
		begin=$(milliseconds)
		use "$1"
		echo $(( $(milliseconds) - begin ))
	done | sort -n | head -n 1
}

# A disk that hangs, with as many connections waiting for it as there may be, is
# nothing to the others.
test_another_export_is_as_fast() {
	local gone with without
	serve_held
	echo 300 > /sys/module/unbd_server/parameters/max_connections_per_export
	export_dev name=well "device_path=$(disk_file 16 well)"
	load client
	without=$(used_for well)
	hold
	held writers 300
	same "$(cat "$SERVER/exports/vol0/connections")" 300 connections
	with=$(used_for well)
	# Also while they all have gone, and what they wrote has not
	go_to_the_end
	gone=$(used_for well)
	echo "without: $without ms, with: $with ms, gone: $gone ms"
	(( with <= without + without / 4 && gone <= without + without / 4 )) ||
		fail "without: $without ms, with: $with ms, gone: $gone ms"
	release
	eventually 60 no_connections
}

# delayed_disk - /dev/mapper/delayed, with blocks of 4 KiB; only writes are slow
delayed_disk() {
	local loop
	need_module loop
	need_module dm-delay
	loop=$(losetup -f --show --sector-size 4096 "$(disk_file 64)")
	defer losetup -d "$loop"
	dmsetup create delayed --table \
		"0 131072 delay $loop 0 0 $loop 0 300"
	defer dmsetup remove --deferred delayed
}

# Who changes part of a block is in the way of whoever changes another one of it,
# by whichever export.
test_two_exports_of_a_block() {
	local name
	delayed_disk
	for name in vol0 vol1; do
		export_dev name=$name device_path=/dev/mapper/delayed \
			access_mode=migration
	done
	listen tcp:127.0.0.1:10809
	held halves
	go_to_the_end
	eventually 20 no_connections
	same "$(head -c 4096 /dev/mapper/delayed | tr '\0' . | fold -w 2048 |
		tr -s ab.)" \
		$'a\nb' "what is in its halves"
}

# Part of a block is changed in the way of all others, but no more than that.
test_a_long_write_beside_the_blocks() {
	delayed_disk
	export_dev name=vol0 device_path=/dev/mapper/delayed
	listen tcp:127.0.0.1:10809
	held beside
	go_on
	go_to_the_end
	eventually 20 no_connections
	cmp -n $(( 4 << 20 )) -i 512:0 /dev/mapper/delayed \
		<(head -c $(( 4 << 20 )) /dev/zero | tr '\0' x) ||
		fail "what was written is not there"
	cmp -n 512 /dev/mapper/delayed /dev/zero || fail "what was before it"
	cmp -n 3584 -i $(( (4 << 20) + 512 )):0 /dev/mapper/delayed /dev/zero ||
		fail "what was behind it"
}

# The file system has to read where the file's data are, and cannot: as many wait
# for that as a queue of all exports would let run.
test_reads_of_a_file_that_hangs() {
	local i
	held_disk
	export_dev name=well "device_path=$(disk_file 1 well)"
	listen tcp:127.0.0.1:10809
	modprobe unbd-tcp-server
	echo 600 > /sys/module/unbd_tcp_server/parameters/max_requests
	allow_log 'operation not supported error, dev loop'
	mkfs.ext4 -q "$HELD"
	mounted "$HELD" "$WORK/mnt"
	truncate -s 32M "$WORK/mnt/file"
	for i in {0..511}; do
		echo data | dd of="$WORK/mnt/file" bs=64k seek="$i" \
			conv=notrunc status=none
	done
	umount "$WORK/mnt"
	mount "$HELD" "$WORK/mnt"
	export_dev name=vol0 "device_path=$WORK/mnt/file"
	sync
	hold
	held reads 300
	within 20 qemu-io -f raw -c 'read 0 64k' nbd://127.0.0.1/well \
		> /dev/null
	release
	go_to_the_end
	eventually 20 no_connections
	unexport vol0
	umount "$WORK/mnt"
}

# Who has not heard of it asks again.
test_a_failed_flush_is_not_forgotten() {
	held_disk
	mkfs.ext4 -q -O ^has_journal "$HELD"
	mounted "$HELD" "$WORK/mnt"
	dd if=/dev/zero of="$WORK/mnt/file" bs=1M count=1 conv=fsync status=none
	export_dev name=vol0 "device_path=$WORK/mnt/file"
	listen tcp:127.0.0.1:10809
	allow_log 'dm-0|EXT4-fs|error, dev|rror on dev'
	hold
	held flusher
	go_to_the_end
	dmsetup load held --table "0 131072 error"
	release
	eventually 20 no_connections
	held flushes 2
	go_to_the_end
	hold
	dmsetup load held --table "0 131072 linear $LOOP 0"
	release
	unexport vol0
	umount "$WORK/mnt"
}

# A write comes after what its client has written since, if that may be.
test_a_client_that_comes_back_too_early() {
	serve_held
	hold
	held again
	go_on
	release
	go_on
	go_to_the_end
	eventually 20 no_connections
}

# Whatever it holds, there is something left for others.
test_memory_for_others_while_a_disk_hangs() {
	load server
	modprobe unbd-tcp-server memory=64
	serve_held
	export_dev name=well "device_path=$(disk_file 8 well)"
	hold
	held greedy
	within 20 qemu-io -f raw -c 'write 0 4M' nbd://127.0.0.1/well > /dev/null
	release
	go_to_the_end
	eventually 20 no_connections
}

free_mib() {
	awk '/^MemFree:/ { print int($2 / 1024) }' /proc/meminfo
}

# Half of what memory= says, for one of several exports, also of a size that does
# not fit what the memory comes in.
test_memory_is_what_is_taken() {
	local before
	load server
	modprobe unbd-tcp-server memory=64 max_requests=4000
	serve_held
	hold
	held odd 3000
	before=$(free_mib)
	go_on
	echo "$(( before - $(free_mib) )) MiB"
	(( before - $(free_mib) < 44 )) ||
		fail "$(( before - $(free_mib) )) MiB are taken"
	release
	go_to_the_end
	eventually 20 no_connections
}

# One of two requests comes back: there is nothing to do until the other does.
test_a_connection_that_waits_is_idle() {
	local loop number
	need_module loop
	need_module dm-delay
	loop=$(losetup -f --show "$(disk_file 64)")
	defer losetup -d "$loop"
	# Only writes: udev reads a lot, and dmsetup waits for it.
	dmsetup create delayed <<-EOF
		0 65536 delay $loop 0 0 $loop 0 8000
		65536 65536 delay $loop 65536 0 $loop 65536 40000
	EOF
	defer dmsetup remove --deferred delayed
	export_dev name=vol0 device_path=/dev/mapper/delayed
	listen tcp:127.0.0.1:10809
	held pair
	number=$(ls "$SERVER/connections")
	write_sysfs "$SERVER/connections/$number/force_close" 1
	sleep 10
	idle 5
	same "$(cat "$SERVER/connections/$number/state")" closing state
	go_to_the_end
	eventually 60 no_connections
}

# Who resets a connection has sent everything again elsewhere.
test_nothing_of_a_reset_connection_is_executed() {
	load server
	modprobe unbd-tcp-server memory=1
	serve_held
	hold
	held reset
	go_on
	go_on
	release
	go_to_the_end
	eventually 20 no_connections
	same "$(cat "$SERVER/exports/vol0/stats/writes")" 2 "writes"
	cmp -n $(( 1 << 20 )) -i $(( 48 << 20 )):0 "$HELD" /dev/zero ||
		fail "what was reset is on the disk"
}

test_an_export_that_takes_long_to_go() {
	local writer
	serve_held
	export_dev name=well "device_path=$(disk_file 1 well)"
	hold
	held writers 1
	bedctl write "$SERVER/unexport_device" "vol0 force" > /dev/null &
	writer=$!
	sleep 1
	# What goes is not what a client means that gives no name.
	same "$(nbdinfo --size nbd://127.0.0.1)" $(( 1 << 20 )) "the only one"
	kill -9 "$writer"
	expect_log 'unexport_device: vol0: interrupted.*\(-4\)'
	release
	go_to_the_end
	eventually 20 test ! -e "$SERVER/exports/vol0"
}

# What somebody wrote to it has to be written back first, which hangs.
test_a_device_that_hangs_when_it_is_exported() {
	local file writer
	held_disk
	file=$(disk_file 1 well)
	listen tcp:127.0.0.1:10809
	hold
	exec 9<> "$HELD"
	dd if=/dev/zero bs=64k count=1 status=none >&9
	bedctl write "$SERVER/export_device" \
		"name=vol0 device_path=$HELD" &
	writer=$!
	sleep 2
	within 20 bedctl write "$SERVER/export_device" \
		"name=well device_path=$file"
	nbdinfo --size nbd://127.0.0.1/well
	same "$(nbdinfo --size nbd://127.0.0.1)" $(( 1 << 20 )) "the only one"
	same "$(ls "$SERVER/exports")" well exports
	expect_errno EEXIST "$SERVER/export_device" \
		"name=vol0 device_path=$file access_mode=ro"
	expect_errno EBUSY "$SERVER/unexport_device" "vol0 force"
	expect_log 'vol0: its storage is still being opened'
	kill -0 "$writer" || fail "the device did not hang"
	release
	wait "$writer"
	nbdinfo --size nbd://127.0.0.1/vol0
	exec 9<&-
}
