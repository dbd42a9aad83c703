# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Our client and nbdkit in all its shapes: file systems, a real tree, checksums
# after mapping again, and verified random I/O at depth 32 over 4 queues.
# kernels: 6.1
# timeout: 900
# tags: tcp client interop
# cpus: 4

. /bed/tcp.sh

SIZE_MIB=${ROUND_TRIP_MIB}M
DEFAULT=(sessname=s "$HERE" device_path= nr_queues=4)

test_memory() {
	start_nbdkit memory "$SIZE_MIB"
	round_trip "${DEFAULT[@]}"
}

test_file() {
	start_nbdkit file "$(disk_file "$ROUND_TRIP_MIB")"
	round_trip "${DEFAULT[@]}"
}

test_without_structured_replies() {
	start_nbdkit --no-sr memory "$SIZE_MIB"
	round_trip "${DEFAULT[@]}"
}

# Plain newstyle: EXPORT_NAME is the only option there is.
test_without_handshake_flags() {
	start_nbdkit --mask-handshake=0 memory "$SIZE_MIB"
	round_trip "${DEFAULT[@]}"
}

# With -o, nbdkit announces flushes, discards, FUA and zeroes and then refuses
# them. This plugin has no more than the last, which the filter takes away.
test_oldstyle() {
	start_nbdkit -o --filter=nozero split "$(disk_file "$ROUND_TRIP_MIB")"
	round_trip "${DEFAULT[@]}"
}

test_oldstyle_read_only() {
	local disk
	pattern "$WORK/pattern" 16
	start_nbdkit -o -r file "$WORK/pattern"
	disk=$(map "${DEFAULT[@]}")
	same "$(cat "/sys/block/$disk/ro")" 1 ro
	direct_read "$disk" 0 16 | cmp - "$WORK/pattern"
	unmap "$disk"
}

# Requests that do not keep to these sizes are errors.
test_blocksize_policy() {
	start_nbdkit --filter=blocksize-policy memory "$SIZE_MIB" \
		blocksize-minimum=4096 blocksize-preferred=65536 \
		blocksize-maximum=1M blocksize-error-policy=error
	round_trip "${DEFAULT[@]}"
}

# The filter fails requests for as long as a file is there.
test_error() {
	local disk
	start_nbdkit --filter=error memory "$SIZE_MIB" error=ENOSPC \
		error-rate=100% error-file="$WORK/trigger"
	round_trip "${DEFAULT[@]}"
	disk=$(map "${DEFAULT[@]}")
	allow_log "[dD]ev $disk|Buffer I/O error"
	settle
	touch "$WORK/trigger"
	matches "$(write_block "$disk")" 'No space left on device' "a write"
	must_fail direct_read "$disk" 1
	rm "$WORK/trigger"
	same "$(write_block "$disk")" "" "a write without errors"
	same "$(path_stat s failures)" 0 "failures of the path"
	unmap "$disk"
}

write_block() {
	dd if=/dev/zero of="/dev/$1" bs=4k seek=256 count=1 oflag=direct \
		status=none 2>&1 || true
}

test_delay() {
	start_nbdkit --filter=delay memory "$SIZE_MIB" rdelay=1ms wdelay=1ms
	round_trip "${DEFAULT[@]}"
}
