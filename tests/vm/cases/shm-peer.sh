# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Our ends of muenblock against the reference peer, a program in the same guest
# that was written from the specification: its server, its client, and each of
# the habits that Muen's ends are known to have.
# kernels: 6.1
# timeout: 600
# tags: shm muenblock interop
# devices: ivshmem

. /bed/shmpeer.sh

setup() {
	quiet_memory
}

# two_disks WORD... - files of 24 and 16 MiB, served by the reference
two_disks() {
	peer_serves "$@" $MEMORY "$(disk_file 24 a)" "$(disk_file 16 b):4096"
	attach map_options="${MAP_OPTIONS-}"
	eventually 10 nr_disks 2
	A=$(by_letter a)
	B=$(by_letter b)
}

test_file_systems_on_disks_of_the_reference() {
	local disk
	two_disks
	same "$(blockdev --getsize64 "/dev/$A")" $(( 24 << 20 )) size
	same "$(queue_limit "$B" logical_block_size)" 4096 "block size"
	make_tree "$WORK/tree" 2
	for disk in "$A" "$B"; do
		mkfs.ext4 -q "/dev/$disk"
		mounted "/dev/$disk" "$WORK/$disk"
		cp -a "$WORK/tree" "$WORK/$disk/tree"
	done
	umount "$WORK/$A" "$WORK/$B"
	detach
	fsck.ext4 -fn "$WORK/a"
	attach
	eventually 10 nr_disks 2
	for disk in "$A" "$B"; do
		mounted "/dev/$disk" "$WORK/$disk"
		same_tree "$WORK/tree" "$WORK/$disk/tree"
		umount "$WORK/$disk"
	done
	detach
	nothing_wrong
	gaps_untouched
}

# compared_with FILE DISK - a pattern of 2 MiB, and verified requests of all
# sizes at depth; the file has the pattern
compared_with() {
	compared "$2" 2
	cmp -n $(( 2 << 20 )) "$WORK/$1" "$WORK/pattern"
	SIZE=1M verified_fio "$2" --offset=4M --bsrange=4k-256k
	nothing_failed "$2"
}

test_verified_requests_at_depth() {
	two_disks
	SIZE=4M verified_fio "$A" --bsrange=512-256k --blockalign=512
	compared_with b "$B"
	detach
	nothing_wrong
	gaps_untouched
}

# restarted WORD... - the reference is killed, and another one there
restarted() {
	peer_serves "$@" $MEMORY "$WORK/a" "$WORK/b:4096"
}

# gate: none
test_each_habit_of_servers() {
	local habit
	two_disks
	for habit in "-q "{slow-start,batch,reserved,late,disk-order,prp,count-16} \
		"-x "{epoch-1,fill,strict,merge,silent,smart-at-0} "-x all" \
		"-q all -x leaves -x replay -x no-discard" most=256 most=49152 \
		"-q batch slots=16" "-q batch slots=40"
	do
		# shellcheck disable=SC2086 # several words
		restarted $habit
		verified_fio "$A" --numjobs=1 --size=768k --offset=4M \
			--bsrange=512-128k --blockalign=512
		blkdiscard -o 8M -l 1M "/dev/$A"
	done
	compared "$A" 1
	compared "$B" 1
	nothing_failed "$A"
	detach
	nothing_wrong
}

# Its end has names, ours windows in the same memory: it waits to be told, and
# nobody can.
test_a_peer_that_cannot_ring() {
	local took doorbell=ivshmem@0000:00:11.0
	modprobe unbd-shm-server devices="$(disk_file 16):1" \
		connections="1:$doorbell/q:$doorbell/r:$doorbell/m"
	modprobe unbd-shm-client connections="1:$doorbell+0x1000+0x8000:$doorbell+0x9000+0x4000:$doorbell+0xd000+0x1000000"
	eventually 10 nr_disks 1
	DISK=$(by_letter a)
	settle 20
	took=$(milliseconds)
	fio --name=v --filename="/dev/$DISK" --rw=randread --bs=4k --direct=1 \
		--size=1M --number_ios=100 --output=/dev/null
	took=$(( $(milliseconds) - took ))
	echo "100 reads in $took ms"
	(( took < 5000 )) || fail "100 reads in $took ms"
	compared "$DISK" 1
	detach
}

test_discards_are_refused() {
	two_disks -q no-discard
	# Of which the kernel thinks that it may be left out.
	blkdiscard -l 1M "/dev/$A"
	allow_log "operation not supported error, dev $A"
	compared_with a "$A"
	detach
	nothing_wrong
}

test_what_offsets_count() {
	local unit
	for unit in 512 bytes; do
		peer_serves unit=$unit $MEMORY "$(disk_file 16 a):4096"
		attach offset_unit=$unit
		eventually 10 nr_disks 1
		compared_with a "$(by_letter a)"
		detach
		nothing_wrong
	done
}

test_numbers_without_disks() {
	peer_serves $MEMORY - "$(disk_file 1 health):smart" - \
		"$(disk_file 16 a)" "$(disk_file 1 more):smart" \
		"$(disk_file 8 b)"
	attach
	eventually 10 nr_disks 2
	# The first disk is the first letter's, whatever its number is.
	same "$(sed 's/.*=//' $SHM_CLIENT/disks | sort | xargs)" \
		"muendiska muendiskb" letters
	compared_with a "$(disk_of_size 16)"
	compared "$(disk_of_size 8)" 1
	detach
	nothing_wrong
}

# disk_of_size MIB
disk_of_size() {
	local disk
	for disk in $(unbd_disks); do
		[[ $(cat "/sys/block/$disk/size") != $(( $1 * 2048 )) ]] ||
			echo "$disk"
	done
}

# restarts [WORD...] - under verified writes the reference is killed, and the
# one that follows calls its epoch the same. That is seen in the channel, not
# by silence.
restarts() {
	MAP_OPTIONS='keepalive=100 io_timeout=100' two_disks "$@"
	write_steadily "$A"
	for _ in 1 2 3; do
		sleep 0.5
		restarted "$@"
		writing_goes_on
	done
	expect_log 'live -> reconnecting: the server has (begun anew|gone) ' 3
	end_writing
	nothing_failed "$A"
	detach
	nothing_wrong
}

test_the_reference_is_restarted_under_verified_writes() {
	restarts -x fill
}

# What was asked of the one before must not be done again: the buffer has other
# data by then.
test_a_restarted_server_reads_old_requests() {
	restarts -q replay
}

# peer_checks WORD... - the reference client with options and checks; its
# device 0 is $WORK/a, device 1 $WORK/b
peer_checks() {
	python3 $PEERS/muenblock_client.py "$@" $MEMORY "$WORK/a" "$WORK/b" \
		> "$WORK/checks" 2>&1 || {
		cat "$WORK/checks"
		fail "$* $(grep -m 3 -E '^FAIL|Error' "$WORK/checks")"
	}
	cat "$WORK/checks"
}

serve_two() {
	serve "$(disk_file 4 a)" "$(disk_file 3 b)"
}

test_the_reference_as_a_client() {
	serve_two
	peer_checks
	eventually 10 no_connections
	expect_log 'unbd-shm-server: shm:1: request of kind 0x19 is not known' 1
	gaps_untouched
}

# However much a request asks for, the thread that carries it out has what it
# needs.
test_large_requests_need_no_memory() {
	local event
	serve_two
	for event in kmalloc kmalloc_node; do
		[[ -d $TRACING/events/kmem/$event ]] || continue
		echo "bytes_req >= 2048" > $TRACING/events/kmem/$event/filter
		defer eval "echo 0 > $TRACING/events/kmem/$event/filter"
		trace_events kmem/$event
	done
	peer_checks check=geometry,large
	! grep 'unbd-shmd-1' $TRACING/trace || fail "memory was allocated"
}

test_each_habit_of_clients() {
	local habit
	serve_two
	for habit in "-q "{slow-start,batch,reserved,no-reset} \
		"-x "{epoch-1,fill,strict,drain-early} "-x all" "-q all"; do
		# shellcheck disable=SC2086 # several words
		peer_checks $habit check=geometry,deep,large,again
	done
	gaps_untouched
}

test_what_clients_count_offsets_in() {
	local unit
	for unit in 512 bytes; do
		modprobe unbd-shm-server connections="$CONNECTION" \
			offset_unit=$unit devices="$(disk_file 4 a):1,$(disk_file 3 b):1"
		peer_checks unit=$unit check=geometry,each-byte
		eventually 10 remove $SHM_SERVER 1
		rmmod unbd-shm-server
	done
}
