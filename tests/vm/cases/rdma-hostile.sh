# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# RDMA peers that break every rule: a client to our server and a server to our
# client, in one guest over soft RoCE.
# kernels: 6.1
# timeout: 600
# tags: rdma client server bad-input

. /bed/rdma.sh

ADDRESS=10.0.9.1

setup() {
	need_module rdma_ucm ib_uverbs
	rxe_alone $ADDRESS
	ip addr replace 10.0.9.2/24 dev rdma0
}

MAPPING="sessname=s path=rdma:$ADDRESS device_path=vol0 nr_queues=1"

# serve_here - our own server
serve_here() {
	modprobe unbd-rdma-server sess_queue_depth=9
	export_dev name=vol0 "device_path=$(disk_file 16)"
	listen rdma:$ADDRESS:1234
}

# serve_with [FAULT] - a server that is right but for that
serve_with() {
	[[ ! ${PEER-} ]] || { kill -9 "$PEER"; wait "$PEER" || :; }
	# What the last one said is not to be taken for this one's.
	: > "$WORK/peer"
	python3 $PEERS/rtrs_hostile_server.py $ADDRESS "$@" \
		> "$WORK/peer" 2>&1 &
	PEER=$!
	defer kill -9 "$PEER"
	eventually 20 grep -q listening "$WORK/peer"
}

# bad ERRNO REGEX FAULT - such a server is not mapped, for that reason
bad() {
	serve_with "$3"
	map_refused "$1" "$MAPPING" \
		"^unbd: map_device: sessname=s device_path=vol0: .*$2"
	grep -q "^$3" "$WORK/peer" || fail "$3 did not happen"
}

# begin FAULT [KEY=VALUE...] - a disk of such a server, with a pattern at 9 MiB
begin() {
	local fault=$1
	shift
	serve_with "$fault"
	# shellcheck disable=SC2086 # several words
	DISK=$(map $MAPPING keepalive=1 "$@")
	pattern "$WORK/pattern" 1
	dd if="$WORK/pattern" of="/dev/$DISK" bs=1M seek=9 oflag=direct \
		status=none
	allow_log "dev $DISK"
	log_from_here
}

# one_read - a single request; whose answer is taken for another's is not known
one_read() {
	dd if="/dev/$DISK" bs=64k skip=144 count=1 iflag=direct status=none
}

# reads_right - it brings the pattern's first 64 KiB
reads_right() {
	one_read | cmp - <(head -c 65536 "$WORK/pattern") ||
		fail "wrong data with $1"
}

# breaks REGEX FAULT [KEY=VALUE...] - a read meets the fault: the path breaks
# for this reason, once, and the data are right all the same
breaks() {
	begin "${@:2}"
	reads_right "$2"
	eventually 10 path_is s live
	same "$(path_stat s failures)" 1 "failures of the path with $2"
	matches "$(our_log)" "live -> reconnecting: .*$1" "the log of $2"
	grep -q "^$2" "$WORK/peer" || fail "$2 did not happen"
	unmap "$DISK"
}

# fails TEXT FAULT - a read fails with this error, and nothing else happens
fails() {
	local out
	begin "$2"
	out=$(tried one_read 2>&1 > /dev/null) || true
	matches "$out" "$1" "outcome of $2"
	same "$(path_stat s failures)" 0 "failures of the path with $2"
	unmap "$DISK"
}

# harmless FAULT - odd, but nothing is wrong with it
harmless() {
	begin "$1"
	reads_right "$1"
	same "$(path_stat s failures)" 0 "failures of the path with $1"
	grep -q "^$1" "$WORK/peer" || fail "$1 did not happen"
	unmap "$DISK"
}

# kernels: 6.1
# gate: none
test_clients_that_break_the_rules() {
	local log count disk
	serve_here
	python3 $PEERS/rtrs_hostile_client.py $ADDRESS > "$WORK/hostile" 2>&1 || {
		cat "$WORK/hostile"
		fail "$(grep -m 3 -E '^FAIL|Error' "$WORK/hostile")"
	}
	eventually 20 no_connections
	same "$(cat "$SERVER/exports/vol0/connections")" 0 connections
	while read -r count log; do
		expect_log "$log" "$count"
	done < <(sed -n 's/^ok .*\t\(..*\)/\1/p' "$WORK/hostile" | sort |
		uniq -c)
	disk=$(map sessname=s path=rdma:$ADDRESS device_path=vol0)
	compared "$disk" 2
	unmap "$disk"
}

test_whatever_a_client_may_say() {
	serve_here
	python3 $PEERS/rtrs_hostile_client.py $ADDRESS random-requests
	eventually 20 no_connections
}

# A request counts as soon as it has come, whatever the one before it waits for.
test_requests_behind_one_that_waits() {
	serve_full
	hold
	python3 $PEERS/rtrs_hostile_client.py $ADDRESS chunk-behind
	expect_log "dropped: chunk 150 is used before it was answered"
	release
	eventually 20 no_connections
}

# A disk that wants its data to stay what they are gets such data.
# kernels: 5.10 6.1 7.2
test_data_that_change_while_they_are_written() {
	local peer
	held_disk
	wants_stable_writes
	modprobe unbd-rdma-server sess_queue_depth=9
	export_dev name=vol0 "device_path=$HELD"
	listen rdma:$ADDRESS:1234
	hold
	python3 $PEERS/rtrs_hostile_client.py $ADDRESS data-change \
		> "$WORK/hostile" &
	peer=$!
	defer kill -9 $peer
	eventually 20 grep -q changed "$WORK/hostile"
	release
	wait $peer || fail "$(tail -n 1 "$WORK/hostile")"
	held_block A
	eventually 20 no_connections
}

# What a client asks for and has to wait for is its own affair.
test_messages_that_wait_hold_up_nobody() {
	local peer disk
	serve_held 300
	hold
	python3 $PEERS/rtrs_hostile_client.py $ADDRESS opens-that-wait \
		> "$WORK/hostile" &
	peer=$!
	defer kill -9 $peer
	eventually 20 grep -q waiting "$WORK/hostile"
	disk=$(map sessname=s path=rdma:$ADDRESS device_path=vol1)
	compared "$disk" 2
	unmap "$disk"
	release
	wait $peer || fail "$(tail -n 1 "$WORK/hostile")"
	eventually 20 no_connections
}

test_servers_that_do_not_accept() {
	load client
	bad EPROTO 'does not speak RTRS' reject-garbage
	bad EPROTO 'does not speak RTRS' reject-nothing
	bad EPROTONOSUPPORT 'the server speaks RTRS 9.1, we 2' reject-version
	bad EPROTO 'the server refuses with error 0' reject-success
	bad EPROTO 'the server refuses with error -32768' reject-beyond
	bad ECONNRESET 'rejects connection 1 of 2' reject-second
}

test_servers_that_accept_nonsense() {
	load client
	bad EPROTO 'magic 0x0000 is not RTRS' accept-nothing
	bad EPROTO 'magic 0x4242 is not RTRS' accept-magic
	bad EPROTO 'RTRS version 1.0, wanted 2' accept-version
	bad EPROTO 'accepted with error -5' accept-error
	bad EPROTO 'queue depth 0' depth-zero
	bad EPROTO '65535 chunks of 1052672 bytes are too many' depth-huge
	bad EPROTO 'chunks of 0 bytes for data' io-size-zero
	bad EPROTO 'chunks of 4294963200 bytes for data' io-size-huge
	bad EPROTO 'and 0 for headers' hdr-size-zero
}

test_servers_whose_chunks_are_wrong() {
	load client
	bad EPROTO 'message of type 4, wanted INFO_RSP' info-type
	bad EPROTO 'INFO_RSP of 4 bytes' info-short
	bad EPROTO 'INFO_RSP of 8 bytes for 0 descriptors' info-none
	bad EPROTO 'INFO_RSP of 24 bytes for 9 descriptors' info-more
	bad EPROTO 'for 65535 descriptors and 16 chunks' info-most
	bad EPROTO '8 chunks described, wanted 16' info-few
	bad EPROTO 'descriptor 0 of 1 has .* bytes' info-odd
	bad EPROTO 'descriptor 0 of 1 has .* bytes' info-wraps
	bad ETIMEDOUT 'INFO' info-silence
}

test_servers_whose_devices_are_wrong() {
	load client
	bad EPROTO 'message of type 77 .*, wanted type 1' greet-type
	bad EIO 'SESS_INFO' greet-error
	bad ETIMEDOUT 'SESS_INFO' greet-silence
	bad EPROTO 'message of type 4 .*, wanted type 3' open-type
	bad ENOENT 'the server has no device vol0' open-error
	bad EPERM 'the server does not grant access to vol0' open-denied
	bad EPROTO 'logical blocks of 0 bytes' open-block-zero
	bad EPROTO 'logical blocks of 1000 bytes' open-block-odd
	bad EPROTO '1152921504606846976 sectors' open-size
	bad ETIMEDOUT 'OPEN' open-silence
}

# kernels: 6.1
# gate: none
test_answers_that_do_not_belong() {
	breaks 'answer for slot .*, which is not in flight' slot-idle
	breaks 'immediate data .*: chunk 524287 of 16' slot-beyond
	breaks 'immediate data 0x6.* of unknown type' imm-type
	breaks 'a request from a server' request-of-ours
	breaks 'message of 5 bytes without immediate data' no-imm
	breaks 'message of type 4 for chunk' key-of-another
	breaks 'RKEY_RSP of 2 bytes' key-short
	breaks 'receiving' message-long
	breaks 'closed' data-elsewhere
	breaks 'closed' data-beyond
	# Either end may be the first to notice.
	breaks 'closed|remote invalid request' inval-of-another
}

test_answers_that_do_not_come() {
	breaks 'no answer within io_timeout' silence io_timeout=2
	breaks 'closed by the server' hang-up
}

test_answers_that_are_odd() {
	harmless beats
	harmless inval-missing
	harmless inval-left-out
	fails 'Input/output error' error
	fails 'error' error-beyond
}

# unmapped HOW - it, and how long that took, in milliseconds
unmapped() {
	local begin
	settle 20
	begin=$(milliseconds)
	write_sysfs "/sys/block/$DISK/unbd/unmap_device" "$1"
	TOOK=$(( $(milliseconds) - begin ))
	echo "$1: $TOOK ms"
}

# Who unmaps a disk may want another to have it at once. By force means at once.
test_servers_that_are_slow_to_close() {
	begin close-late
	unmapped normal
	grep -q '^close-late' "$WORK/peer" || fail "it is not told"
	(( TOOK >= 1000 )) || fail "the server has not closed it in $TOOK ms"
	begin close-silence
	unmapped normal
	grep -q '^close-silence' "$WORK/peer" || fail "it is not told"
	(( TOOK < 10000 )) || fail "unmapped in $TOOK ms"
	begin close-silence
	unmapped force
	(( TOOK < 1000 )) || fail "unmapped by force in $TOOK ms"
}
