# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What a server says of its export reaches the disk's limits, and what is done
# to the disk reaches the wire as the command that is meant.
# kernels: 6.1
# cpus: 2
# timeout: 400
# tags: tcp client limits

. /bed/tcp.sh

setup() {
	start_script
}

# shape WORD... - map a server of this shape; its name goes to DISK
shape() {
	script "$@"
	DISK=$(map sessname=s "$HERE" device_path=vol0 nr_queues=1)
}

limit() {
	same "$(queue_limit "$DISK" "$1")" "$2" "$1"
}

# kernels: 5.10 6.1 7.2
test_flush_and_fua() {
	shape flags=flush:fua
	limit write_cache "write back"
	limit fua 1
	unmap "$DISK"
	shape flags=flush
	limit write_cache "write back"
	limit fua 0
	unmap "$DISK"
	shape flags=fua
	limit write_cache "write through"
	unmap "$DISK"
	shape flags=
	limit write_cache "write through"
	unmap "$DISK"
	# Without HAS_FLAGS the others mean nothing.
	shape flags=0x44
	limit write_cache "write through"
	limit write_zeroes_max_bytes 0
	unmap "$DISK"
}

test_rotational_and_read_only() {
	shape flags=rotational:ro
	limit rotational 1
	same "$(cat "/sys/block/$DISK/ro")" 1 ro
	unmap "$DISK"
	shape flags=flush
	limit rotational 0
	same "$(cat "/sys/block/$DISK/ro")" 0 ro
	unmap "$DISK"
}

test_discard_and_write_zeroes() {
	shape flags=trim
	(( $(queue_limit "$DISK" discard_max_bytes) == 64 << 20 )) ||
		fail "discard_max_bytes $(queue_limit "$DISK" discard_max_bytes)"
	# Some kernels, 6.12 for one, raise it to the physical block size.
	matches "$(queue_limit "$DISK" discard_granularity)" '^(512|4096)$' \
		discard_granularity
	limit write_zeroes_max_bytes 0
	unmap "$DISK"
	shape flags=zeroes
	limit discard_max_bytes 0
	(( $(queue_limit "$DISK" write_zeroes_max_bytes) == 64 << 20 )) ||
		fail "write_zeroes_max_bytes"
	unmap "$DISK"
	shape flags=trim:zeroes blocksize=4096:4096:32M
	limit discard_granularity 4096
	unmap "$DISK"
}

# kernels: 6.1 7.2
test_block_sizes() {
	shape blocksize=1:4096:32M
	limit logical_block_size 512
	limit physical_block_size 4096
	limit minimum_io_size 4096
	limit optimal_io_size 4096
	limit max_hw_sectors_kb 32768
	unmap "$DISK"
	shape blocksize=4096:65536:1M
	limit logical_block_size 4096
	limit physical_block_size 65536
	limit minimum_io_size 65536
	limit optimal_io_size 65536
	limit max_hw_sectors_kb 1024
	unmap "$DISK"
	shape blocksize=512:512:0xffffffff
	limit max_hw_sectors_kb 32768
	unmap "$DISK"
	# Who names none gets what the protocol promises.
	shape blocksize=none
	limit logical_block_size 512
	limit max_hw_sectors_kb 32768
	limit max_segments 65535
	unmap "$DISK"
	shape style=oldstyle
	limit logical_block_size 512
	limit max_hw_sectors_kb 32768
	unmap "$DISK"
}

# Only kernels from 6.14 on have disks with blocks larger than a page.
# kernels: 6.1 7.2
test_blocks_larger_than_a_page() {
	script blocksize=16384:16384:32M
	log_from_here
	load client
	if [[ $BED_KERNEL == 7.2 ]]; then
		bedctl write "$CLIENT/map_device" \
			"sessname=s $HERE device_path=vol0"
		DISK=$(unbd_disks)
		limit logical_block_size 16384
		settle
		direct_read "$DISK" 1 > /dev/null
		unmap "$DISK"
	else
		expect_errno EINVAL "$CLIENT/map_device" \
			"sessname=s $HERE device_path=vol0"
		expect_log 'map_device: .*blocks of 16384 bytes'
		nothing_mapped
	fi
	no_violations
}

test_a_size_that_is_no_multiple() {
	shape size=16777217 blocksize=1:4096:32M
	same "$(blockdev --getsize64 "/dev/$DISK")" 16777216 size
	expect_log 'size 16777217 is not a multiple of 512'
	unmap "$DISK"
	shape size=16781000 blocksize=4096:4096:32M
	same "$(blockdev --getsize64 "/dev/$DISK")" 16777216 size
	unmap "$DISK"
	no_violations
}

test_a_size_of_nothing_and_of_very_much() {
	shape size=0
	same "$(blockdev --getsize64 "/dev/$DISK")" 0 size
	unmap "$DISK"
	shape size=0x7ffffffffffffe00
	same "$(blockdev --getsize64 "/dev/$DISK")" 9223372036854775296 size
	dd if="/dev/$DISK" of=/dev/null bs=512 skip=18014398509481982 count=1 \
		iflag=direct status=none
	unmap "$DISK"
	no_violations
}

# A request as large as the server's largest payload, and no larger.
test_large_requests() {
	shape size=80M flags=flush:fua
	echo 32768 > "/sys/block/$DISK/queue/max_sectors_kb"
	dd if=/dev/zero of="/dev/$DISK" bs=64M count=1 oflag=direct status=none
	traced 'WRITE offset=[0-9]* length=33554432 '
	dd if="/dev/$DISK" of=/dev/null bs=64M count=1 iflag=direct status=none
	# How far a read is merged is the kernel's affair.
	traced 'READ offset=[0-9]* length=[0-9]{7,8} '
	unmap "$DISK"
	no_violations
	shape blocksize=512:4096:65536
	dd if=/dev/zero of="/dev/$DISK" bs=1M count=1 oflag=direct status=none
	traced 'WRITE offset=[0-9]* length=65536 ' 16
	unmap "$DISK"
	no_violations
}

# write_one [FLAGS] - one direct write of a block at 1 MiB
write_one() {
	dd if=/dev/zero of="/dev/$DISK" bs=4k seek=256 count=1 \
		oflag="direct${1:+,$1}" status=none
}

# kernels: 5.10 6.1 7.2
test_flush_and_fua_on_the_wire() {
	shape flags=flush:fua
	write_one dsync
	traced 'WRITE offset=1048576 length=4096 flags=0x1 '
	script flags=flush:fua
	sync "/dev/$DISK"
	traced 'FLUSH offset=0 length=0 flags=0x0'
	unmap "$DISK"
	shape flags=flush
	write_one dsync
	traced 'WRITE offset=1048576 length=4096 flags=0x0 '
	traced FLUSH
	unmap "$DISK"
	no_violations
	shape flags=
	write_one dsync
	sync "/dev/$DISK"
	not_traced FLUSH
	unmap "$DISK"
	no_violations
}

# kernels: 5.10 6.1 7.2
test_discard_and_zeroes_on_the_wire() {
	shape flags=flush:trim:zeroes:fast
	blkdiscard -o 1M -l 2M "/dev/$DISK"
	traced 'TRIM offset=1048576 length=2097152 flags=0x0'
	blkdiscard -z -o 4M -l 1M "/dev/$DISK"
	traced 'WRITE_ZEROES offset=4194304 length=1048576 '
	fallocate -z -n -o 6M -l 1M "/dev/$DISK"
	traced 'WRITE_ZEROES offset=6291456 length=1048576 flags=0x2 '
	fallocate -p -o 8M -l 1M "/dev/$DISK"
	traced 'WRITE_ZEROES offset=8388608 length=1048576 flags=0x0 '
	unmap "$DISK"
	traced DISC
	no_violations
}

# A server that cannot zero after all gets zeroes to write.
test_zeroes_that_are_not_supported() {
	pattern "$WORK/pattern" 1
	shape flags=flush:zeroes error=ENOTSUP,cmd=WRITE_ZEROES
	dd if="$WORK/pattern" of="/dev/$DISK" bs=1M seek=1 oflag=direct \
		status=none
	# The kernel asks first; old ones print that the answer was no.
	allow_log "operation not supported error, dev $DISK"
	blkdiscard -z -o 1M -l 512K "/dev/$DISK"
	traced 'WRITE_ZEROES offset=1048576'
	traced 'WRITE offset=1048576 '
	direct_read "$DISK" 1 | cmp - <(head -c 512K /dev/zero
		tail -c 512K "$WORK/pattern")
	unmap "$DISK"
	no_violations
}

# packets PROGRAM LEAST - how many the program has queued of so many bytes
packets() {
	sed -n "s/^ *$1-.* net_dev_queue: .* len=//p" $TRACING/trace |
		awk -v "least=$2" '$1 >= least' | wc -l
}

# batches READ-OR-WRITE LEAST - 16 requests at once are sent by who submits them,
# some in packets of so many bytes
batches() {
	echo > $TRACING/trace
	fio --name=batch --filename="/dev/$DISK" --ioengine=libaio --direct=1 \
		--rw="rand$1" --bs=4k --iodepth=16 --iodepth_batch=16 \
		--iodepth_batch_complete_min=16 --number_ios=64 --minimal \
		> "$WORK/fio"
	(( $(packets fio "$2") >= 1 )) || fail "no packet has several ${1}s"
}

# No other thread has to run between a request and its packet, and requests that
# come together leave together. In front of a packet's data are 66 bytes.
# kernels: 5.10 6.1 7.2
test_submitters_send() {
	local sent
	shape flags=flush
	settle
	trace_events net/net_dev_queue
	dd if="/dev/$DISK" of=/dev/null bs=4k count=16 iflag=direct status=none
	sent=$(packets dd $(( 66 + 28 )))
	(( sent >= 8 )) || fail "dd sends $sent of its 16 reads"
	batches read $(( 66 + 16 * 28 ))
	batches write $(( 66 + 2 * (28 + 4096) ))
	unmap "$DISK"
}

# What a write sends are its pages, not a copy: another content is what the
# server gets that has not received them yet.
# kernels: 5.10 6.1 7.2
test_writes_are_sent_from_their_pages() {
	local writer
	shape flags=flush
	settle
	kill -STOP "$PEER_PID"
	defer kill -CONT "$PEER_PID"
	python3 - "/dev/$DISK" "$WORK" <<-'EOF' &
		import mmap, os, sys, threading, time
		page = mmap.mmap(-1, 4096)
		page[:] = b"A" * 4096
		fd = os.open(sys.argv[1], os.O_WRONLY | os.O_DIRECT)
		writer = threading.Thread(target=os.pwritev,
		                          args=(fd, [page], 1 << 20))
		writer.start()
		while not os.path.exists(sys.argv[2] + "/arrived"):
		    time.sleep(0.1)
		page[:] = b"B" * 4096
		open(sys.argv[2] + "/changed", "w").close()
		writer.join()
	EOF
	writer=$!
	eventually 10 server_has_to_receive $(( 28 + 4096 ))
	touch "$WORK/arrived"
	eventually 10 test -e "$WORK/changed"
	kill -CONT "$PEER_PID"
	wait $writer
	direct_read "$DISK" 1 > "$WORK/read"
	cmp -n 4096 "$WORK/read" <(printf 'B%.0s' {1..4096})
	unmap "$DISK"
}

# server_has_to_receive BYTES - they have come, and it has not taken them
server_has_to_receive() {
	[[ $(ss -Htn state established 'sport = :10809') == "$1 "* ]]
}

# Several connections: whatever is flushed was answered before.
test_many_queues_keep_to_the_protocol() {
	script "$SCRIPT_FLAGS" extended=1
	DISK=$(map sessname=s "$HERE" device_path=vol0 nr_queues=2)
	# A processor each, so that both queues have work
	SIZE=2M verified_fio "$DISK" --fsync=16 --number_ios=150 \
		--cpus_allowed=0-1 --cpus_allowed_policy=split
	traced '^1 .*WRITE '
	traced '^2 .*WRITE '
	unmap "$DISK"
	no_violations
	traced DISC 2
}
