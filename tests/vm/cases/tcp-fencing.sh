# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A write that a server still holds when its connection is lost: it must not
# be executed on top of what is written after it was sent again.
# kernels: 6.1
# timeout: 400
# tags: tcp client server recovery

. /bed/tcp.sh
. /bed/fencing.sh

# hold_one PATH... - DISK over these, and a held write of it
hold_one() {
	export_slowly
	listen tcp:127.0.0.1:10810
	DISK=$(map sessname=s "$@" device_path=vol0 nr_queues=1 policy=prefer)
	hold_a_write
}

lose_connection() {
	ss -K dst 127.0.0.1 dport = :10810 > /dev/null
}

# traced EVENT REGEX - what the trace says of an event, in order
traced() {
	matches "$(sed -n "s/.* $1: //p" $TRACING/trace | paste -sd ';')" "$2" \
		"trace of $1"
}

# kernels: 5.10 6.1 7.2
test_a_write_waits_for_its_predecessor() {
	load client
	trace_events unbd
	hold_one path=tcp:127.0.0.1:10810
	nothing_comes_late
	traced unbd_path_state 's path 0 [^;]*: live -> reconnecting \(-[0-9]*\);s path 0 [^;]*: reconnecting -> live \(0\)'
	traced unbd_disk_state '^unbd1: parked;unbd1: live'
	traced 'unbd_rq_[a-z]*' '^(unbd1: op 1, sector 2048, 4096 bytes;?){3}$'
	same "$(grep -o 'unbd_rq_[a-z]*' $TRACING/trace | paste -sd ' ')" \
		"unbd_rq_lost unbd_rq_held unbd_rq_again" "order of events"
}

# Over a path that was live all the time, which goes on with everything else
test_another_path_fences() {
	listen "tcp:[::1]:10810"
	hold_one path=tcp:127.0.0.1:10810 "path=tcp:[::1]:10810"
	direct_read "$DISK" 4 > /dev/null
	nothing_comes_late
}

# By another address: the server has those of one wait all the same.
test_without_fencing_newer_data_are_lost() {
	do_not_fence
	listen "tcp:[::1]:10810"
	hold_one path=tcp:127.0.0.1:10810 "path=tcp:[::1]:10810"
	newer_data_are_lost
}

# late_ipv4 - what goes to 127.0.0.1 takes three seconds
late_ipv4() {
	need_module sch_prio
	need_module sch_netem
	need_module cls_u32
	defer tc qdisc del dev lo root
	tc qdisc add dev lo root handle 1: prio priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
	tc qdisc add dev lo parent 1:3 netem delay 3s limit 10000
	tc filter add dev lo parent 1: protocol ip u32 match u32 0 0 flowid 1:3
}

# write_and_change - a block of A, whose buffer becomes B when it is answered
write_and_change() {
	exec python3 - "/dev/$DISK" "$WORK" <<-'EOF'
		import mmap, os, sys, time
		page = mmap.mmap(-1, 4096)
		page[:] = b"A" * 4096
		fd = os.open(sys.argv[1], os.O_WRONLY | os.O_DIRECT)
		os.pwritev(fd, [page], 1 << 20)
		page[:] = b"B" * 4096
		open(sys.argv[2] + "/answered", "w").close()
		while not os.path.exists(sys.argv[2] + "/end"):
		    time.sleep(0.1)
	EOF
}

nr_writes() {
	cat "$SERVER/exports/vol0/stats/writes"
}

both_have_come() {
	(( $(nr_writes) == 2 ))
}

# Nobody fences, so the write may be executed once more when its packets come at
# last; but not with what its buffer has by then.
test_late_packets_have_what_was_written() {
	do_not_fence
	truncate -s 16M "$WORK/store"
	export_dev name=vol0 "device_path=$WORK/store"
	listen tcp:127.0.0.1:10810
	listen "tcp:[::1]:10810"
	DISK=$(map sessname=s path=tcp:127.0.0.1:10810 "path=tcp:[::1]:10810" \
		device_path=vol0 nr_queues=1 policy=prefer)
	eventually 20 path_live s 1
	late_ipv4
	write_and_change &
	WRITER=$!
	defer kill -9 "$WRITER"
	sleep 0.5
	lose_connection
	eventually 20 test -e "$WORK/answered"
	same "$(nr_writes)" 1 "writes, before the late one"
	eventually 20 both_have_come
	holds A
	touch "$WORK/end"
	wait "$WRITER"
	nothing_failed
	unmap "$DISK"
}

# The user is told of an error in time, and what is written then stays.
test_a_held_write_fails_with_the_disk() {
	hold_one path=tcp:127.0.0.1:10810
	allow_log "dev $DISK|Buffer I/O error"
	writer_waits
	unmap "$DISK" force
	wait "$WRITER" && fail "a write to a disk that is gone"
	touch "$WORK/release"
}
