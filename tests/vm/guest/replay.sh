# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A server in another guest with writes in its page cache, which its power
# failure loses. Sourced by the cases about that, which have export_cached and
# map_cached.

# store_there - its disk, whose last state is stable
store_there() {
	mountpoint -q "$WORK/store" || mounted /dev/vda "$WORK/store"
}

# serve_cached - make a file on it and export that
serve_cached() {
	on server <<-'EOF'
		mkfs.ext4 -q -F /dev/vda
		mounted /dev/vda "$WORK/store"
		head -c 32M /dev/zero > "$WORK/store/vol0"
		sync
		export_cached
	EOF
}

# crash_server - the power goes; it comes back and exports what it has
crash_server() {
	host kill server
	host start server
	on server <<< export_cached
}

# both DD-ARG... - to the disk, without a flush, and to the model of it
both() {
	dd "of=/dev/$DISK" oflag=direct conv=notrunc status=none "$@"
	dd "of=$WORK/model" conv=notrunc status=none "$@"
}

stat_of() {
	cat "/sys/block/$DISK/unbd/stats/$1"
}

flush() {
	dd if=/dev/zero "of=/dev/$DISK" bs=4k count=0 conv=fsync,notrunc \
		status=none
}

# written_again - all that the server loses
written_again() {
	serve_cached
	map_cached
	truncate -s 32M "$WORK/model"
	pattern "$WORK/pattern" 8
	both if="$WORK/pattern" bs=64k count=100
	both if="$WORK/pattern" bs=512 count=7 seek=33
	flush
	# The same places again, in order, and other kinds of writes
	both if="$WORK/pattern" bs=4k count=200 skip=100 seek=50
	both if="$WORK/pattern" bs=4k count=100 skip=700 seek=60
	both if="$WORK/pattern" bs=1536 count=5 skip=3 seek=1000
	blkdiscard -z -o 1M -l 256k "/dev/$DISK"
	both if=/dev/zero bs=4k count=64 seek=256
	both if="$WORK/pattern" bs=4k count=1 seek=257
	same "$(stat_of replayed)" 0 "writes that were sent again"
	# A client that has nothing to do may not have noticed until it reads.
	crash_server
	direct_read "$DISK" 0 32 | cmp - "$WORK/model"
	(( $(stat_of replayed) > 300 )) || fail "$(stat_of replayed) replayed"
	same "$(cat "/sys/block/$DISK/unbd/state")" live
	nothing_failed
	# That they were is stable.
	crash_server
	direct_read "$DISK" 0 32 | cmp - "$WORK/model"
	allow_log 'the server has restarted'
	unmap "$DISK"
}
