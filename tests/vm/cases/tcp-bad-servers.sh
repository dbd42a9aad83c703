# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Servers that do not get through the handshake, or should not: what is wrong
# is the errno and the one line in the log, and nothing stays.
# kernels: 6.1
# cpus: 2
# timeout: 600
# tags: tcp client bad-input

. /bed/tcp.sh

setup() {
	load client
	start_script "$SCRIPT_FLAGS"
}

# bad ERRNO REGEX WORD... - a server told WORD is refused for that reason
bad() {
	local errno=$1 regex=$2
	shift 2
	script "$@"
	map_refused "$errno" "sessname=s $HERE device_path=vol0" \
		"^unbd: map_device: sessname=s device_path=vol0: .*$regex"
	no_violations
}

# good WORD... - a server told WORD is served from
good() {
	local disk
	script "$@"
	disk=$(map sessname=s "$HERE" device_path=vol0 "${MAP[@]}")
	direct_read "$disk" 1 > /dev/null
	unmap "$disk"
	traced ' READ '
	no_violations
}
MAP=()

test_what_speaks_no_nbd() {
	bad EPROTO 'no NBD server, it says "HTTP/1.1 400' banner=http
	bad EPROTO 'no NBD server, it says "SSH-2.0' banner=ssh
	bad EPROTO 'no NBD server' banner=random
	bad EPROTO 'no NBD server' banner=zeroes
	bad EPROTO 'no NBD server' magic
	bad EPROTO 'unknown NBD version magic' style-magic
	bad EPROTO 'unknown NBD version magic' style=oldstyle style-magic
}

test_who_says_nothing() {
	bad ETIMEDOUT 'no answer to the handshake within 10000 ms' banner=silence
	bad ETIMEDOUT 'no answer to the handshake within 10000 ms' hang=30
}

test_replies_to_options_that_make_no_sense() {
	bad EPROTO 'has magic' reply-magic
	bad EPROTO 'is for option' reply-option
	bad EPROTO 'reply to .* is .*0x5' reply-type
	bad EPROTO 'reply to .* is ' reply-type=4
	bad EPROTO '4294967295 bytes' reply-length
	bad EPROTO '100000 bytes' reply-length=100000
	bad EPROTO 'more than .* replies' reply-endless
}

test_options_that_are_refused() {
	bad ENOENT 'refused GO with .*UNKNOWN' opt-error=GO:UNKNOWN
	bad EACCES 'refused GO with .*POLICY' opt-error=GO:POLICY
	bad ENOKEY 'refused .* with .*TLS_REQD' opt-error=GO:TLS_REQD
	bad ENOKEY 'refused .* with .*TLS_REQD' \
		opt-error=EXTENDED_HEADERS:TLS_REQD
	bad ESHUTDOWN 'refused GO with .*SHUTDOWN' opt-error=GO:SHUTDOWN
	bad EINVAL 'refused GO with .*BLOCK_SIZE_REQD' \
		opt-error=GO:BLOCK_SIZE_REQD
	bad EOPNOTSUPP 'refused GO with .*PLATFORM' opt-error=GO:PLATFORM
	# What the client can do without it does without.
	good opt-error=EXTENDED_HEADERS:POLICY
	good opt-error=STRUCTURED_REPLY:INVALID
	traced 'option GO'
}

test_an_export_that_does_not_exist() {
	bad ENOENT 'refused GO with .*UNKNOWN' names=vol1:vol2
	bad ENOENT 'closed the connection when asked for the export' \
		names=vol1 go=0
	bad ENOENT 'closed the connection when asked for the export' \
		names=vol1 style=plain
}

test_what_is_said_of_the_export() {
	bad EPROTO 'without the export' no-export-info
	bad EPROTO 'information 0 .* has 11 bytes' short-export-info
	bad EPROTO 'information 0 .* has 20 bytes' long-export-info
	bad EPROTO 'information 3 .* has 8 bytes' short-block-info
	bad EFBIG 'size 9223372036854775808 is absurd' \
		other-size=0x8000000000000000
	bad EFBIG 'is absurd' other-size=0xffffffffffffffff
	good unknown-info
	good text-info
}

test_block_sizes_that_make_no_sense() {
	local sizes
	for sizes in 3:4096:32M 0:4096:32M 128K:128K:32M 4096:512:32M \
		1:1:32M 1:3000:32M 1:4096:100 1:4096:0; do
		bad EPROTO 'block sizes .* make no sense' "blocksize=$sizes"
	done
	bad EOPNOTSUPP 'at most, less than a page' blocksize=512:512:2048
	good blocksize=512:512:4096
	good blocksize=1:4096:0xffffffff
	good blocksize=none
}

test_a_server_that_goes_away() {
	bad ECONNRESET 'closed the connection without a greeting' die=0
	bad ECONNRESET 'closed the connection' die=16
	bad ECONNRESET 'closed the connection during' die=18
	bad ECONNRESET 'closed the connection during' die=50
	bad ECONNRESET '' reset=18
}

# Each connection asks again; what comes must be the same export.
test_connections_that_see_different_exports() {
	MAP=(nr_queues=2)
	good
	bad_second ESTALE 'size was 16777216 bytes and is 8388608' \
		other-size=8M,conn=2-
	bad_second ESTALE 'flags were .* and are' other-flags=flush:multi,conn=2-
	bad_second ESTALE 'block sizes were .* and are' \
		other-blocksize=512:4096:1M,conn=2-
}

bad_second() {
	local errno=$1 regex=$2
	shift 2
	script "$@"
	map_refused "$errno" "sessname=s $HERE device_path=vol0 nr_queues=2" \
		"^unbd: map_device: .*$regex"
}

# A server may take fewer connections than it promised.
test_a_server_that_takes_one_connection_only() {
	local disk how
	for how in die=0,conn=2- die=40,conn=2- reset=18,conn=2- \
		opt-error=GO:POLICY,conn=2-; do
		script "$how"
		log_from_here
		disk=$(map sessname=s "$HERE" device_path=vol0 nr_queues=2)
		direct_read "$disk" 1 > /dev/null
		matches "$(our_log)" '1 of 2 connections: ' "the log of $how"
		unmap "$disk"
	done
}

test_styles_that_are_older() {
	good style=oldstyle size=20M
	good style=plain
	good style=plain nozeroes=0
	good go=0
	good go=0 nozeroes=0
	good structured=0
	good structured=0 go=0
	good extended=1
	good structured=1 meta=0
}

# The best that both sides know is agreed on.
test_the_newest_headers_are_asked_for() {
	good extended=1
	traced 'option EXTENDED_HEADERS'
	not_traced 'option STRUCTURED_REPLY'
	good extended=0
	traced 'option STRUCTURED_REPLY'
	good structured=0
	traced 'option GO'
	traced "go 'vol0' infos .3."
}

# map_from_a_mute - from a server that greets and answers no read as long as
# there is a file WORK/hang; in the background, by WRITER, until there is a disk
map_from_a_mute() {
	stop_peer "$PEER_PID"
	touch "$WORK/hang"
	start_nbdkit eval thread_model='echo parallel' get_size='echo 16M' pread='
		while [ -e '"$WORK"'/hang ]; do
			sleep 0.2
		done
		head -c $3 /dev/zero'
	bedctl write "$CLIENT/map_device" \
		"sessname=s $HERE device_path= io_timeout=2 fail_timeout=-1" \
		> "$WORK/outcome" &
	WRITER=$!
	eventually 5 test -e /sys/block/unbd0/unbd/unmap_device
	sleep 8
	kill -0 $WRITER || fail "mapped: $(< "$WORK/outcome")"
}

test_a_disk_whose_partitions_cannot_be_read_is_taken_away() {
	local begin took
	map_from_a_mute
	allow_log "[Dd]ev unbd"
	begin=$(milliseconds)
	unmap unbd0 force
	took=$(( $(milliseconds) - begin ))
	(( took < $(scaled 1000) )) || fail "unmapping took $took ms"
	within 5 tail --pid=$WRITER -f /dev/null
	same "$(< "$WORK/outcome")" ENODEV "the outcome of mapping"
	nothing_mapped
	rm "$WORK/hang"
}

test_who_waits_for_partitions_can_be_killed() {
	map_from_a_mute
	allow_log "[Dd]ev unbd"
	kill -9 $WRITER
	within 2 tail --pid=$WRITER -f /dev/null
	eventually 2 nothing_mapped
	rm "$WORK/hang"
}

test_partitions_are_found_when_the_server_answers_at_last() {
	map_from_a_mute
	rm "$WORK/hang"
	wait $WRITER
	same "$(< "$WORK/outcome")" "" "the outcome of mapping"
	direct_read unbd0 1 > /dev/null
	unmap unbd0
}
