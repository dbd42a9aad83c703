# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Servers that break the protocol in the middle of I/O. The connection is given
# up with one line that says why; a new one is made, and the request is asked
# again: whoever reads gets the right bytes or an error, never wrong ones.
# kernels: 6.1
# timeout: 900
# tags: tcp client bad-input

. /bed/tcp.sh

MAPPING=(sessname=s "$HERE" device_path=vol0 nr_queues=1)

# begin WORD... - a disk of such a server, with a pattern from 9 MiB on: udev
# does not look there
begin() {
	start_script "$SCRIPT_FLAGS" "$@"
	DISK=$(map "${MAPPING[@]}")
	pattern "$WORK/pattern" 2
	dd if="$WORK/pattern" of="/dev/$DISK" bs=1M seek=9 oflag=direct \
		status=none
	allow_log "dev $DISK"
}

# breaks REGEX FAULT - the first READ at 9 MiB meets the fault: the path breaks
# for this reason, once, and the data are right all the same
breaks() {
	local before after
	script "$2,at=9M,cmd=READ,times=1"
	log_from_here
	before=$(path_stat s failures)
	direct_read "$DISK" 9 | cmp -n $(( 1 << 20 )) - "$WORK/pattern" ||
		fail "wrong data after $2"
	tried eventually 10 path_recovered "$(( before + 1 ))" ||
		fail "$2: $(tail -n 6 "$WORK/trace"; our_log)"
	after=$(our_log | grep -c -- '-> reconnecting')
	same "$after" 1 "lines in the log for $2"
	matches "$(our_log)" "live -> reconnecting: .*$1" "the log of $2"
	traced "fault ${2%%=*}"
	no_violations
}

# ignored FAULT - it is no reason to do anything
ignored() {
	local before
	script "$1,at=9M,cmd=READ,times=1"
	before=$(path_stat s failures)
	direct_read "$DISK" 9 | cmp -n $(( 1 << 20 )) - "$WORK/pattern" ||
		fail "wrong data after $1"
	same "$(path_stat s failures)" "$before" "failures of the path after $1"
	traced "fault ${1%%=*}"
	no_violations
}

path_recovered() {
	[[ $(path_stat s failures) == "$1" ]] && path_is s live
}

# fails TEXT FAULT [CMD] - a request meets the fault and fails with this error,
# and nothing else happens
fails() {
	local out before
	script "$2,at=9M,cmd=${3:-READ}"
	before=$(path_stat s failures)
	if [[ ${3:-READ} == READ ]]; then
		out=$(tried direct_read "$DISK" 9 2>&1 > /dev/null) || true
	else
		out=$(tried dd if="$WORK/pattern" of="/dev/$DISK" bs=64k \
			seek=144 count=1 oflag=direct status=none 2>&1) || true
	fi
	matches "$out" "$1" "outcome of $2"
	same "$(path_stat s failures)" "$before" "failures of the path after $2"
	no_violations
}

# harmless FAULT - odd, but nothing is wrong with it
harmless() {
	local before
	script "$1,at=9M,cmd=READ"
	before=$(path_stat s failures)
	direct_read "$DISK" 9 | cmp -n $(( 1 << 20 )) - "$WORK/pattern"
	same "$(path_stat s failures)" "$before" "failures of the path after $1"
	traced "fault $1"
}

end() {
	script
	direct_read "$DISK" 9 2 | cmp - "$WORK/pattern"
	unmap "$DISK"
}

# kernels: 6.1 debug
test_replies_that_do_not_belong() {
	begin
	breaks 'unknown cookie' wrong-cookie
	breaks 'unknown cookie' wrong-cookie=1
	breaks 'unknown cookie' wrong-cookie=0x100000000
	breaks 'unknown cookie 0xdeadbeef' unsolicited
	breaks 'unknown cookie' twice
	breaks 'unknown cookie' done-twice
	breaks 'reply with magic 0x21436587' bad-magic
	breaks 'reply with magic' garbage
	breaks 'simple reply to a READ' simple-for-structured
	breaks 'chunk of type 5' status-for-read
	end
}

test_data_that_does_not_fit() {
	begin
	breaks 'bytes at .* answer a READ' chunk-before
	breaks 'bytes at .* answer a READ' chunk-after
	breaks 'bytes at .* answer a READ' chunk-wrap
	breaks 'overlap' chunk-overlap
	breaks 'overlap' chunk-repeat
	breaks 'overlap' hole-overlap
	breaks 'answer a READ' hole-outside
	breaks 'answer a READ' hole-huge
	breaks 'empty hole' hole-empty
	breaks 'chunk of type 2, 11 bytes' hole-cut
	breaks 'chunk of type 1, 4 bytes' tiny-data
	breaks 'chunk of type 1, 8 bytes' empty-data
	end
}

# Each way back costs: for small pieces of a large request, too much.
test_data_that_come_backwards() {
	begin
	ignored chunk-backwards=4096
	breaks 'small chunks of a READ at 9437184 come backwards' \
		chunk-backwards=512
	end
}

test_reads_that_come_back_short_or_long() {
	begin
	breaks 'READ came back short, 524288 bytes of 1048576' short-data
	breaks 'READ came back short, 0 bytes' no-data
	breaks 'chunk of type 1, 1049096 bytes' long-data
	breaks 'closed the connection' half
	end
}

test_chunks_that_are_malformed() {
	begin
	breaks 'chunk of type 1, 4294967295 bytes' absurd-length
	breaks 'chunk of type 99' unknown-chunk
	ignored unknown-flags
	breaks 'chunk of type 0, 8 bytes' none-payload
	breaks 'error chunk of .* text' error-long-message
	breaks 'chunk of type 32769, 3 bytes' error-cut
	breaks 'chunk of type 32769, 60006 bytes' error-huge-message
	end
}

test_servers_that_go_silent() {
	MAPPING+=(io_timeout=2)
	begin
	breaks 'no answer within io_timeout .2 s.' stall
	breaks 'no answer within io_timeout .2 s.' no-done
	breaks 'no answer within io_timeout .2 s.' freeze
	breaks 'closed the connection' drop
	breaks 'the connection broke|closed the connection' drop-reset
	end
}

test_simple_replies_only() {
	begin structured=0
	breaks 'unknown cookie' wrong-cookie
	breaks 'unknown cookie' unsolicited
	breaks 'unknown cookie' twice
	breaks 'reply with magic' bad-magic
	breaks 'reply with magic 0x668e33ef' structured-for-simple
	breaks 'closed the connection' short-data
	breaks 'reply with magic|unknown cookie' long-data
	breaks 'closed the connection' half
	fails 'Input/output error' error
	end
}

test_extended_headers() {
	begin extended=1
	breaks 'unknown cookie' wrong-cookie
	breaks 'unknown cookie' twice
	breaks 'reply with magic' bad-magic
	breaks 'reply with magic 0x67446698' simple-for-structured
	breaks 'reply with magic 0x668e33ef' ext-as-structured
	breaks 'reply for offset' ext-offset
	breaks 'chunk of type 1, 18446744073709551615 bytes' absurd-length
	breaks 'answer a READ' chunk-after
	breaks 'overlap' chunk-repeat
	breaks 'READ came back short' short-data
	breaks 'server is shutting down' error=ESHUTDOWN
	fails 'No space left' error=ENOSPC WRITE
	end
}

# Only the server's word for "out of order" counts as the path's failure: what
# it says of the medium goes up as it is.
test_errors_reach_whoever_asked() {
	begin
	fails 'Input/output error' error=EIO
	fails 'Input/output error' error-simple
	fails 'Input/output error' error-offset
	fails 'Input/output error' error-midway
	fails 'Input/output error' error-first
	fails 'Input/output error' unknown-error
	fails 'Cannot allocate memory' error=ENOMEM
	fails 'No space left on device' error=ENOSPC
	fails 'Remote I/O error' error=EPERM
	fails 'Input/output error' error=EOVERFLOW
	fails 'Operation not supported' error=ENOTSUP
	fails 'Invalid argument|Remote I/O error' error=EINVAL
	fails 'Invalid argument|Remote I/O error' error=12345
	fails 'Invalid argument|Remote I/O error' error-zero
	fails 'No space left on device' error=ENOSPC WRITE
	fails 'Remote I/O error' error=EPERM WRITE
	fails 'Input/output error' error=EIO WRITE
	breaks 'server is shutting down' error=ESHUTDOWN
	# Which is told that nothing more will come.
	traced DISC
	end
}

# An answer that comes while its WRITE is still being sent must not free what
# the socket has yet to send.
test_answers_before_the_request_is_complete() {
	begin
	for _ in 1 2 3; do
		script "early,at=9M,cmd=WRITE"
		dd if="$WORK/pattern" of="/dev/$DISK" bs=2M seek=9M count=1 \
			oflag=direct,seek_bytes status=none
	done
	traced 'fault early'
	end
}

# A write to which data are the answer.
test_data_in_the_answer_to_a_write() {
	begin
	script data-for-write,at=9M,cmd=WRITE,times=1
	log_from_here
	dd if="$WORK/pattern" of="/dev/$DISK" bs=1M seek=9 oflag=direct \
		status=none
	matches "$(our_log)" 'reconnecting: chunk of type 1.* answers WRITE' log
	end
}

# Slow, in pieces, in any order, with holes: all of it allowed.
test_correct_servers_that_are_odd() {
	local words
	for words in "slow=4000:1" "chunks=1 reorder=16" \
		"chunks=1 reorder=16 extended=1" "structured=0 reorder=16"; do
		# shellcheck disable=SC2086
		begin $words
		script
		SIZE=2M verified_fio "$DISK" --offset=4M --bs=4k-64k \
			--number_ios=150
		no_violations
		end
		stop_peer "$PEER_PID"
	done
}

# A server that is wrong each time: no loop without end, no wrong data.
test_a_server_that_never_gets_it_right() {
	local out
	start_script "$SCRIPT_FLAGS"
	DISK=$(map sessname=s "$HERE" device_path=vol0 nr_queues=1 fail_timeout=4)
	allow_log "dev $DISK"
	script wrong-cookie,cmd=READ
	out=$(timeout -k 1 "$(scaled 30)" dd if="/dev/$DISK" of=/dev/null \
		bs=64k count=1 iflag=direct 2>&1) || true
	matches "$out" 'Input/output error' "outcome"
	script
	eventually 10 state_is "$DISK" live
	direct_read "$DISK" 9 > /dev/null
	unmap "$DISK"
}

# A second path whose server answers before anything can have been asked there:
# the leg is not ready for it, whichever its place in the life of the disk.
# kernels: 6.1 debug
test_answers_before_there_are_requests() {
	local _
	start_nbdkit memory 16M
	DISK=$(map sessname=s "$HERE" device_path=)
	LISTEN=tcp:127.0.0.1:10810 start_script "$SCRIPT_FLAGS" \
		unasked=0x100000000
	for _ in {1..5}; do
		log_from_here
		write_sysfs "$CLIENT/sessions/s/add_path" tcp:127.0.0.1:10810
		eventually 10 said 'unknown cookie 0x100000000'
		write_sysfs "$CLIENT/sessions/s/paths/1/remove" 1
	done
	no_violations
	direct_read "$DISK" 9 > /dev/null
	unmap "$DISK"
}
