# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Peers of muenblock that break every rule of the memory they share: a client
# to our server, a server to our client, and a directory of regions that says
# what is not so.
# kernels: 6.1
# timeout: 600
# tags: shm muenblock bad-input client server
# devices: ivshmem

. /bed/shmpeer.sh
. /bed/held.sh

# What is random is the same each time.
SEED=20

setup() {
	quiet_memory
}

# serve_pattern - our server, with a disk of 16 MiB of which nothing is alike
serve_pattern() {
	pattern "$WORK/disk" 16
	serve "$WORK/disk"
}

# hostile_client CHECK... - in the end our own client finds a disk that works
hostile_client() {
	python3 $PEERS/muenblock_hostile_client.py $MEMORY "$WORK/disk" $SEED \
		"$@" > "$WORK/hostile" 2>&1 || {
		cat "$WORK/hostile"
		fail "$(grep -m 3 -E '^FAIL|Error' "$WORK/hostile")"
	}
	cat "$WORK/hostile"
}

# few_lines - whatever a peer does, it does not fill the log
few_lines() {
	local lines
	lines=$(klog | grep -c 'unbd')
	(( lines < 150 )) || fail "$lines lines in the log"
}

# said REGEX - in the log, once at least
said() {
	klog | grep -qE "$1" || fail "nothing in the log matches '$1'"
}

test_a_hundred_thousand_requests() {
	serve_pattern
	hostile_client elements
	said 'unbd-shm-server: shm:1: request of kind 0x[0-9a-f]* is not known'
	few_lines
}

test_headers_and_counters_of_requests() {
	serve_pattern
	hostile_client headers counters
	said "shm:1: a client's channel is of another kind: transport 0x0,"
	said 'transport 0x487312b6b79a9b6d, protocol 0x0, 1022 elements of 32 '
	said 'protocol 0x5155684453516f3d, 1022 elements of 33 bytes'
	said 'protocol 0x5155684453516f3d, 1023 elements of 32 bytes'
	said ' 576460752303423488 elements of 32 bytes'
	said 'shm:1: the client has overrun its channel'
	few_lines
}

# gate: none
test_requests_that_change_while_they_are_read() {
	serve_pattern
	hostile_client epochs storm
	few_lines
}

# change_block FROM TO - those bytes, wherever the memory has a block of them
change_block() {
	python3 - "$1" "$2" <<-EOF
		import sys
		sys.path.insert(0, "$PEERS")
		import muenblock_wire as wire
		old, new = (4096 * word.encode() for word in sys.argv[1:])
		buffer = wire.Memory("$MEMORY").buffer
		places = [at for at in range(0, len(buffer), 4096)
		          if buffer[at:at + 4096] == old]
		for at in places:
		    buffer[at:at + 4096] = new
		sys.exit(not places)
	EOF
}

# A disk that wants its data to stay what they are gets such data.
# kernels: 5.10 6.1 7.2
test_data_that_change_while_they_are_written() {
	held_disk
	wants_stable_writes
	serve "$HELD"
	attach
	eventually 10 nr_disks 1
	DISK=$(by_letter a)
	settle 20
	hold
	head -c 4096 /dev/zero | tr '\0' A |
		dd of="/dev/$DISK" bs=4k oflag=direct iflag=fullblock \
			status=none &
	eventually 10 change_block A B
	release
	wait $! || fail "the write has failed"
	held_block A
	detach
}

# hostile WORD... - a server with a fault instead of the one there is
hostile() {
	start_peer_server muenblock_hostile_server "$@" $MEMORY "$WORK/disk"
}

MAPPING="sessname=s path=shm:1 device_path=0"

# bad ERRNO REGEX FAULT... - such a server is not mapped, for that reason; a
# fault may be KEY=VALUE, too
bad() {
	local fault
	for fault in "${@:3}"; do
		[[ $fault == *=* ]] || fault=fault=$fault
		hostile "$fault"
		map_refused "$1" "$MAPPING" \
			"^unbd: map_device: sessname=s device_path=0: .*$2"
	done
}

test_servers_that_answer_nonsense() {
	disk_file 16
	load client
	attach auto_map=N
	bad ENOENT 'the server has no device 0' blocks-none
	bad EPROTO '[0-9]* blocks of 512 bytes make no sense' blocks-huge \
		blocks-most
	bad EPROTO 'blocks of [0-9]* bytes make no sense' block-zero block-one \
		block-odd block-huge block-most
	bad EOPNOTSUPP 'no request of a page fits' most-one
	bad EPROTO 'channel has 15 elements, too few' slots=15
	bad ETIMEDOUT 'does not answer when asked for block length' silent-length
	gaps_untouched
}

# begin WORD... - a disk of the reference, with a pattern at 9 MiB
begin() {
	peer_serves $MEMORY "$(disk_file 16)"
	attach "$@"
	eventually 10 nr_disks 1
	DISK=$(by_letter a)
	pattern "$WORK/pattern" 1
	dd if="$WORK/pattern" of="/dev/$DISK" bs=1M seek=9 oflag=direct \
		status=none
}

# reads_right WHAT - the pattern's first 64 KiB come
reads_right() {
	dd if="/dev/$DISK" bs=64k skip=144 count=1 iflag=direct status=none |
		cmp - <(head -c 65536 "$WORK/pattern") ||
		fail "wrong data with $1"
}

failures() {
	path_stat $SESSION failures
}

# breaks REGEX FAULT - a read meets the fault: the path breaks for this reason,
# and the data are right all the same
breaks() {
	hostile fault="$2"
	eventually 20 path_is $SESSION live
	log_from_here
	reads_right "$2"
	eventually 10 path_is $SESSION live
	matches "$(our_log)" "live -> reconnecting: $1" "the log of $2"
	grep -q "^$2" "$WORK/ready" || fail "$2 did not happen"
}

# gate: none
test_channels_of_servers_that_change() {
	begin
	breaks 'the server has begun anew' counter-back
	breaks 'the server has overrun its channel' counter-far
	breaks 'the server has overrun its channel' counter-most
	breaks 'the server has overrun its channel' start-far
	breaks 'the server has begun anew' epoch
	breaks 'the server speaks another protocol now' epoch-protocol
	breaks 'the server speaks another protocol now' epoch-size
	breaks 'the server speaks another protocol now' epoch-elements
	breaks 'the server has gone' gone
	peer_serves $MEMORY "$WORK/disk"
	compared "$DISK" 2
	detach
	nothing_wrong
	gaps_untouched
}

# ignored REGEX FAULT - it is an answer to nothing, which is said; the request
# is sent again after io_timeout
ignored() {
	breaks 'no answer within io_timeout' "$2"
	matches "$(our_log)" "response to nothing: $1" "the log of $2"
}

test_answers_that_do_not_belong() {
	begin map_options=io_timeout=1
	ignored 'read, device 0, tag 0x' tag-unknown
	ignored 'read, device 0, tag 0xffffffff' tag-beyond
	ignored 'write, device 0, tag 0x' kind-other
	ignored 'read, device 1, tag 0x' device-other
	breaks 'no answer within io_timeout' nothing
	hostile fault=reset-as-ping
	eventually 20 path_is $SESSION live
	reads_right reset-as-ping
	detach
	gaps_untouched
}

test_answers_that_nobody_knows() {
	local fault
	begin
	allow_log "dev $DISK"
	for fault in status status-again; do
		hostile fault=$fault
		must_fail dd if="/dev/$DISK" of=/dev/null bs=64k skip=144 \
			count=1 iflag=direct status=none
		reads_right "$fault"
	done
	detach
}

# One request at a time: the noise before two answers would fill the channel,
# and whether our client was faster is nothing to test.
# gate: none
test_a_hundred_thousand_responses() {
	begin "map_options=nr_queues=1 queue_depth=1"
	hostile fault=noise seed=$SEED
	direct_read "$DISK" 9 | cmp - "$WORK/pattern" || fail "wrong data"
	fio --name=v --filename="/dev/$DISK" --rw=read --bs=4k --direct=1 \
		--size=1M --output=/dev/null
	compared "$DISK" 1
	nothing_failed
	same "$(failures)" 1 "failures of the path, of which one is the restart"
	expect_log 'response to nothing'
	grep -q '^noise 100000' "$WORK/ready" || fail "too little noise"
	detach
	gaps_untouched
}

# gate: none
test_answers_that_change_while_they_are_read() {
	local end
	begin map_options=io_timeout=1
	allow_log "dev $DISK"
	hostile fault=storm seed=$SEED
	end=$(( SECONDS + $(scaled 60) ))
	until grep -q storm "$WORK/ready"; do
		(( SECONDS < end )) || fail "the storm does not end"
		tried direct_read "$DISK" 9 > /dev/null 2>&1 || :
	done
	peer_serves $MEMORY "$WORK/disk"
	compared "$DISK" 2
	detach
	nothing_wrong
	gaps_untouched
	few_lines
}

test_directories_that_are_wrong() {
	load server shm-server
	python3 $PEERS/shmdir_hostile.py $MEMORY ivshmem@0000:00:10.0 \
		$SHM_SERVER/connections $SEED
	allow_log 'unbd-shm'
	rmmod unbd-shm-server
	share ivshmem@0000:00:10.0
	serve "$(disk_file 8)"
	attach
	eventually 10 nr_disks 1
	compared "$(by_letter a)" 2
	detach
}

# Whoever writes around the page cache asks for nothing else.
test_a_flush_that_fails() {
	begin
	hostile fault=sync-fails
	eventually 20 path_is $SESSION live
	allow_log "dev $DISK"
	must_fail dd if="$WORK/pattern" of="/dev/$DISK" bs=64k count=1 \
		oflag=direct conv=fsync status=none
	detach
}

# A server that changes them without a new epoch, and nobody but "resize" asks.
test_blocks_that_change() {
	begin
	hostile fault=block-changes
	eventually 20 path_is $SESSION live
	dd if="/dev/$DISK" of=/dev/null bs=64k skip=144 count=1 iflag=direct \
		status=none
	grep -q '^block-changes' "$WORK/ready"
	log_from_here
	expect_errno ESTALE "/sys/block/$DISK/unbd/resize" 0
	matches "$(our_log)" \
		'device 0 has blocks of 4096 bytes now, not of 512' "the log"
	eventually 20 path_is $SESSION reconnecting
	peer_serves $MEMORY "$WORK/disk"
	eventually 20 path_is $SESSION live
	reads_right "blocks that were others"
	detach
}

# It is asked again, but not at once.
# gate: none
test_a_server_that_goes_during_each_handshake() {
	local count
	begin
	hostile fault=gone-at-reset
	sleep 10
	count=$(grep -c '^gone-at-reset' "$WORK/ready") || :
	echo "$count handshakes"
	(( count >= 3 && count <= 40 )) || fail "$count in ten seconds"
	peer_serves $MEMORY "$WORK/disk"
	eventually 20 path_is $SESSION live
	reads_right "one that stays"
	detach
}
