# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A server whose machine crashes with writes in its page cache: they were
# answered, and nobody has flushed them.
# topology: two
# kernels: 6.1
# timeout: 500
# tags: tcp client server recovery replay
# devices: disk

. /bed/tcp.sh
. /bed/fencing.sh
. /bed/replay.sh

# on server: export_cached - a file on its disk
export_cached() {
	store_there
	export_dev name=vol0 "device_path=$WORK/store/vol0"
	listen tcp:0.0.0.0:10809
}

map_cached() {
	DISK=$(map sessname=s path=tcp:10.0.0.1 device_path=vol0 \
		fail_timeout=-1 "$@")
}

# kernels: 6.1 7.2
test_what_the_server_has_lost_is_written_again() {
	written_again
}

test_without_memory_the_next_flush_fails() {
	serve_cached
	map_cached replay=off
	same "$(cat "/sys/block/$DISK/unbd/replay")" off
	flush
	pattern "$WORK/pattern" 1
	dd if="$WORK/pattern" "of=/dev/$DISK" bs=64k oflag=direct status=none
	crash_server
	must_fail cmp -n 1048576 "$WORK/pattern" "/dev/$DISK"
	same "$(cat "/sys/block/$DISK/unbd/state")" lost
	must_fail flush
	flush
	same "$(cat "/sys/block/$DISK/unbd/state")" lost
	same "$(stat_of replayed)" 0 "writes that were sent again"
	allow_log 'the server has restarted and lost writes|I/O error.* op 0x1:\(WRITE\)'
	unmap "$DISK"
}

# What went over a path whose server did not tell who it is was not kept.
test_a_server_that_was_not_known_before() {
	serve_cached
	on server <<< 'listen tcp:0.0.0.0:10810'
	do_not_fence
	map_cached
	echo Y > /sys/module/unbd_client/parameters/fencing
	pattern "$WORK/pattern" 1
	dd if="$WORK/pattern" "of=/dev/$DISK" bs=64k oflag=direct status=none
	write_sysfs "$CLIENT/sessions/s/add_path" tcp:10.0.0.1:10810
	eventually 20 path_live s 1
	crash_server
	on server <<< 'listen tcp:0.0.0.0:10810'
	eventually 30 path_live s 1
	eventually 30 state_is "$DISK" lost
	must_fail flush
	flush
	allow_log 'the server has restarted and lost writes|I/O error.* op 0x1:\(WRITE\)'
	unmap "$DISK"
}

# Once more without a crash: nothing is lost by that.
test_a_server_that_was_only_reloaded_has_lost_nothing() {
	serve_cached
	map_cached replay=off
	pattern "$WORK/pattern" 1
	dd if="$WORK/pattern" "of=/dev/$DISK" bs=64k oflag=direct status=none
	on server <<-'EOF'
		unlisten tcp:0.0.0.0:10809
		unexport vol0 force
		unload tcp-server server
		export_cached
	EOF
	eventually 30 path_is s live
	cmp -n 1048576 "$WORK/pattern" "/dev/$DISK"
	same "$(cat "/sys/block/$DISK/unbd/state")" live
	flush
	unmap "$DISK"
}

# More than twice what may be kept, and nobody else flushes
test_memory_is_bounded_by_flushing() {
	serve_cached
	map_cached replay=1M
	same "$(cat "/sys/block/$DISK/unbd/replay")" 1048576
	pattern "$WORK/pattern" 8
	dd if="$WORK/pattern" "of=/dev/$DISK" bs=16k oflag=direct status=none
	on server <<-'EOF'
		(( $(cat "$SERVER/exports/vol0/stats/flushes") > 4 ))
	EOF
	flush
	crash_server
	direct_read "$DISK" 0 8 | cmp - "$WORK/pattern"
	same "$(cat "/sys/block/$DISK/unbd/state")" live
	allow_log 'the server has restarted'
	unmap "$DISK"
}

# kernels: 6.1 7.2
test_the_server_crashes_under_verified_writes() {
	serve_cached
	map_cached
	write_steadily "$DISK" --fsync 50
	for _ in 1 2 3; do
		sleep 1
		crash_server
		writing_goes_on
	done
	end_writing
	(( $(stat_of replayed) )) || fail "nothing was written again"
	nothing_failed
	allow_log 'the server has restarted'
	unmap "$DISK"
}
