# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Servers that die, hang, come back or do not: I/O waits and goes on, or fails
# when it is time, and nobody is stuck.
# kernels: 6.1
# timeout: 900
# tags: tcp client recovery

. /bed/tcp.sh
. /bed/held.sh

# begin [KEY=VALUE...] - a file served by nbdkit, mapped as DISK
begin() {
	FILE=$(disk_file 16)
	start_nbdkit file "$FILE"
	DISK=$(map sessname=s "$HERE" device_path= "$@")
	allow_log "dev $DISK|Buffer I/O error"
}

# begin_impatient - the scripted server's, with io_timeout=3 fail_timeout=8
begin_impatient() {
	start_script "$SCRIPT_FLAGS"
	DISK=$(map sessname=s "$HERE" device_path= nr_queues=1 io_timeout=3 \
		fail_timeout=8)
	allow_log "dev $DISK|Buffer I/O error"
	settle 20
}

server_dies() {
	kill -9 "$PEER_PID"
	wait "$PEER_PID" || true
}

server_is_back() {
	start_nbdkit file "$FILE"
}

# kernels: 6.1 debug
test_a_server_restarted_twenty_times_under_writes() {
	local i times
	times=$(rounds 20 8)
	! is_debug || times=6
	begin
	write_steadily "$DISK" --also "$FILE"
	for (( i = 0; i < times; i++ )); do
		server_dies
		sleep 0.$(( i * 4 % 10 ))
		server_is_back
		writing_goes_on
	done
	end_writing
	same "$(path_stat s failures)" $times "failures of the path"
	same "$(path_stat s reconnects)" $times reconnects
	nothing_failed
	expect_log "s path 0 .*: live -> reconnecting: " $times
	expect_log "s path 0 .*: reconnecting -> live" $times
	unmap "$DISK"
	nobody_stuck
	(( times == 20 )) || echo "only $times restarts"
}

# kernels: 6.1 7.2
test_io_fails_after_fail_timeout_and_not_before() {
	local begin began took
	begin fail_timeout=6
	began=$(milliseconds)
	server_dies
	eventually 3 state_is "$DISK" parked
	read_fails_after 6 "$began"
	# From now on at once, ...
	begin=$(milliseconds)
	must_fail direct_read "$DISK" 2
	took=$(( $(milliseconds) - begin ))
	(( took < $(scaled 2000) )) || fail "took $took ms while failing"
	expect_log "$DISK: no path for fail_timeout .6 s., I/O fails"
	# ... until the server is back: the disk has not gone away.
	server_is_back
	eventually 5 state_is "$DISK" live
	direct_read "$DISK" 1 > /dev/null
	expect_log "$DISK: I/O goes on"
	unmap "$DISK"
	nobody_stuck
}

# The one before was over when the server was back, although nobody asked it
# for anything then.
test_each_outage_has_its_fail_timeout() {
	local began
	begin fail_timeout=6
	settle 20
	server_dies
	eventually 3 state_is "$DISK" parked
	sleep 4
	server_is_back
	eventually 5 state_is "$DISK" live
	sleep 3
	began=$(milliseconds)
	server_dies
	eventually 3 state_is "$DISK" parked
	read_fails_after 6 "$began"
	server_is_back
	eventually 5 state_is "$DISK" live
	unmap "$DISK"
}

# One that begins with a connection that is to know a new size, while a request
# is in flight, is an outage of its own, too.
test_an_outage_by_a_resize_has_its_fail_timeout() {
	local reader
	start_script "$SCRIPT_FLAGS"
	DISK=$(map sessname=s "$HERE" device_path= nr_queues=1 fail_timeout=8)
	settle 20
	script die=0
	write_sysfs "$CLIENT/sessions/s/paths/0/reconnect" 1
	eventually 3 state_is "$DISK" parked
	script
	eventually 5 state_is "$DISK" live
	direct_read "$DISK" 1 > /dev/null
	sleep 10
	script stall,cmd=READ size=32M die=0,skip=1
	direct_read "$DISK" 1 > /dev/null &
	reader=$!
	eventually 3 traced READ
	bedctl write "/sys/block/$DISK/unbd/resize" 0 || true
	eventually 3 path_is s reconnecting
	sleep 2
	same "$(state "$DISK")" parked state
	script size=32M
	within 10 tail --pid=$reader -f /dev/null
	wait $reader || fail "the read has failed"
	unmap "$DISK"
}

# A server that accepts and does not answer has not ended the outage.
test_fail_timeout_is_waited_for_once() {
	local began took
	begin_impatient
	server_dies
	eventually 3 state_is "$DISK" parked
	read_fails_after 8 0
	start_script "$SCRIPT_FLAGS"
	script stall,cmd=READ
	eventually 5 state_is "$DISK" live
	began=$(milliseconds)
	must_fail direct_read "$DISK" 1
	took=$(( $(milliseconds) - began ))
	(( took < $(scaled 6000) )) || fail "it took $took ms"
	expect_log "$DISK: no path for fail_timeout" 2
	# One that answers has.
	script
	eventually 5 state_is "$DISK" live
	direct_read "$DISK" 1 > /dev/null
	began=$(milliseconds)
	server_dies
	eventually 3 state_is "$DISK" parked
	read_fails_after 8 "$began"
	unmap "$DISK"
}

# A disk that nobody used for long is not in the outage that it had before.
test_an_idle_disk_has_its_fail_timeout() {
	local began took
	begin_impatient
	for_us_alone "$DISK"
	server_dies
	eventually 3 state_is "$DISK" parked
	read_fails_after 8 0
	start_script "$SCRIPT_FLAGS" 8>&-
	eventually 5 state_is "$DISK" live
	sleep 30
	script stall,cmd=READ
	began=$(milliseconds)
	must_fail direct_read "$DISK" 1
	took=$(( $(milliseconds) - began ))
	(( took >= 10500 )) || fail "it took $took ms"
	script
	# udev looks at what nobody holds any more.
	eventually 5 state_is "$DISK" live
	exec 8>&-
	unmap "$DISK"
}

# gate: none
test_a_path_that_never_stays_up_does_not_fill_the_log() {
	local reader
	start_script "$SCRIPT_FLAGS"
	DISK=$(map sessname=s "$HERE" device_path= nr_queues=1 fail_timeout=-1)
	settle 20
	log_from_here
	script drop,cmd=READ
	direct_read "$DISK" 1 > /dev/null &
	reader=$!
	sleep 60
	script
	wait $reader
	(( $(path_stat s failures) > 40 )) || fail "it was stable"
	(( $(our_log | grep -c "s path 0 ") <= 100 )) || fail "it fills the log"
	sleep 250
	write_sysfs "$CLIENT/sessions/s/paths/0/reconnect" 1
	eventually 3 said "s path 0 .*: [0-9]* lines about it were left out"
	eventually 3 state_is "$DISK" live
	unmap "$DISK"
}

test_fail_timeout_of_nothing() {
	local begin took
	begin fail_timeout=0
	server_dies
	eventually 3 state_is "$DISK" failing
	begin=$(milliseconds)
	must_fail direct_read "$DISK" 1
	took=$(( $(milliseconds) - begin ))
	(( took < $(scaled 2000) )) || fail "took $took ms"
	unmap "$DISK"
}

test_io_that_waits_for_ever_waits() {
	local reader
	begin fail_timeout=-1
	server_dies
	eventually 3 state_is "$DISK" parked
	direct_read "$DISK" 1 > "$WORK/read" &
	reader=$!
	sleep 5
	kill -0 $reader || fail "the reader has not waited"
	server_is_back
	within 10 tail --pid=$reader -f /dev/null
	wait $reader || fail "the read has failed"
	same "$(stat -c %s "$WORK/read")" 1048576 "bytes read"
	unmap "$DISK"
}

# The process stands still, its host's TCP does not.
test_a_server_that_hangs_is_noticed_by_io_timeout() {
	local reader stat
	begin io_timeout=3 keepalive=1
	kill -STOP "$PEER_PID"
	defer kill -CONT "$PEER_PID"
	direct_read "$DISK" 1 > "$WORK/read" &
	reader=$!
	sleep 1
	same "$(path_state s)" live "state before io_timeout"
	eventually 8 path_is s reconnecting
	expect_log 'no answer within io_timeout .3 s. for '"$DISK"
	same "$(state "$DISK")" parked "state"
	for stat in timeouts requeued parked; do
		(( $(cat "/sys/block/$DISK/unbd/stats/$stat") >= 1 )) ||
			fail "stats/$stat is 0"
	done
	kill -CONT "$PEER_PID"
	within 15 tail --pid=$reader -f /dev/null
	wait $reader || fail "the read has failed"
	unmap "$DISK"
}

# connects - how many connections this guest has asked for
connects() {
	awk '/^Tcp:/ { opened = $6 } END { print opened }' /proc/net/snmp
}

# So that a server is in use again within two seconds of its return.
test_a_lost_server_is_asked_again_and_again() {
	begin keepalive=1
	drop_network
	eventually 5 path_is s reconnecting
	asked_every_two_seconds connects
	restore_network
	eventually 8 path_is s live
	unmap "$DISK"
}

# Packets vanish, nothing is reset: silence for three probes is the end.
test_a_cut_network_is_noticed_while_idle() {
	begin keepalive=1
	settle
	sleep 1
	cut_is_noticed
	restore_network
	eventually 8 path_is s live
	direct_read "$DISK" 1 > /dev/null
	unmap "$DISK"
}

# kernels: 5.10 6.1 7.2
test_a_cut_network_is_noticed_under_load() {
	begin keepalive=1
	write_steadily "$DISK" --also "$FILE"
	cut_is_noticed
	restore_network
	eventually 8 path_is s live
	writing_goes_on 8
	end_writing
	unmap "$DISK"
	nobody_stuck
}

# A busy connection that is healthy must not be given up.
test_a_slow_server_is_not_given_up() {
	local began
	start_script
	DISK=$(map sessname=s "$HERE" device_path= keepalive=1 nr_queues=1)
	script delay=4000
	began=$(milliseconds)
	direct_read "$DISK" 1 > /dev/null
	direct_read "$DISK" 2 > /dev/null
	(( $(milliseconds) - began >= 8000 )) || fail "the server was not slow"
	script
	same "$(path_stat s failures)" 0 failures
	unmap "$DISK"
}

# force_is_quick HOW - with requests in flight and a server that is away
force_is_quick() {
	local begin took i readers=()
	for i in {1..8}; do
		direct_read "$DISK" "$i" > /dev/null 2>&1 &
		readers+=($!)
	done
	sleep 1
	begin=$(milliseconds)
	unmap "$DISK" force
	took=$(( $(milliseconds) - begin ))
	(( took < $(scaled 1000) )) || fail "unmapping took $took ms, $1"
	echo "$1: unmapped in $took ms"
	must_fail test -e "/sys/block/$DISK"
	for i in "${readers[@]}"; do
		within 5 tail --pid="$i" -f /dev/null
		! wait "$i" || fail "a read has succeeded"
	done
	nobody_stuck
	same "$(ls -A "$CLIENT/sessions")" "" sessions
}

test_unmap_force_is_quick_when_the_server_hangs() {
	begin
	kill -STOP "$PEER_PID"
	defer kill -CONT "$PEER_PID"
	force_is_quick "server stopped"
}

# What each path takes is not added up.
test_unmap_force_is_quick_with_sixteen_paths() {
	local i more=()
	for i in {2..16}; do
		more+=("path=tcp:127.0.0.$i")
	done
	begin "${more[@]}" nr_queues=2 policy=round-robin
	for i in {1..15}; do
		eventually 20 path_live s "$i"
	done
	kill -STOP "$PEER_PID"
	defer kill -CONT "$PEER_PID"
	force_is_quick "sixteen paths"
}

test_unmap_force_is_quick_when_the_server_is_dead() {
	begin
	server_dies
	force_is_quick "server dead"
}

test_unmap_force_is_quick_when_the_network_is_cut() {
	begin
	drop_network
	force_is_quick "network cut"
}

test_unmap_force_is_quick_while_it_reconnects() {
	begin
	server_dies
	start_script banner=silence
	eventually 5 traced ' open '
	force_is_quick "handshake hangs"
}

# modprobe may wait for a disk that waits for its path.
test_unmap_force_is_quick_while_modprobe_hangs() {
	local modprobe adding
	begin
	modprobe=$(< /proc/sys/kernel/modprobe)
	defer eval "echo $modprobe > /proc/sys/kernel/modprobe"
	printf '#!/bin/sh\ntouch %s; exec sleep 15\n' "$WORK/asked" \
		> "$WORK/modprobe"
	chmod +x "$WORK/modprobe"
	echo "$WORK/modprobe" > /proc/sys/kernel/modprobe
	bedctl write "$CLIENT/sessions/s/add_path" rdma:127.0.0.3 \
		> "$WORK/outcome" &
	adding=$!
	eventually 5 test -e "$WORK/asked"
	server_dies
	force_is_quick "modprobe hangs"
	within 20 tail --pid=$adding -f /dev/null
	same "$(< "$WORK/outcome")" ENODEV "the outcome of adding a path"
}

# Whoever removes both at once gets one of them.
test_one_path_of_two_stays() {
	local paths=$CLIENT/sessions/s/paths first i
	begin path=tcp:127.0.0.2
	for i in {1..20}; do
		eventually 10 path_live s 0
		eventually 10 path_live s 1
		echo 1 2> /dev/null > "$paths/0/remove" &
		first=$!
		echo 1 2> /dev/null > "$paths/1/remove" &
		wait $! || true
		wait $first || true
		same "$(ls "$paths" | wc -l)" 1 "paths left in round $i"
		direct_read "$DISK" 1 > /dev/null
		[[ -e $paths/0 ]] || write_sysfs \
			"$CLIENT/sessions/s/add_path" tcp:127.0.0.1
		[[ -e $paths/1 ]] || write_sysfs \
			"$CLIENT/sessions/s/add_path" tcp:127.0.0.2
	done
	unmap "$DISK"
}

test_unmap_force_of_a_mounted_disk() {
	begin
	mkfs.ext4 -q "/dev/$DISK"
	allow_log 'EXT4-fs|JBD2|Aborting journal'
	mounted "/dev/$DISK" "$WORK/mnt"
	echo text > "$WORK/mnt/file"
	sync "$WORK/mnt/file"
	echo more > "$WORK/mnt/other"
	unmap "$DISK" force
	must_fail sync "$WORK/mnt/other"
	umount "$WORK/mnt" || umount -l "$WORK/mnt"
	nobody_stuck
}

test_reconnect_disconnect_and_remap_by_hand() {
	begin
	write_steadily "$DISK" --also "$FILE"
	write_sysfs "$CLIENT/sessions/s/paths/0/reconnect" 1
	eventually 5 reconnected 1
	write_sysfs "$CLIENT/sessions/s/paths/0/disconnect" 1
	eventually 3 path_is s failed
	eventually 3 state_is "$DISK" parked
	sleep 2
	same "$(path_state s)" failed "state of a path that was disconnected"
	write_sysfs "$CLIENT/sessions/s/paths/0/reconnect" 1
	eventually 5 reconnected 2
	write_sysfs "$CLIENT/sessions/s/paths/0/disconnect" 1
	eventually 3 state_is "$DISK" parked
	write_sysfs "/sys/block/$DISK/unbd/remap_device" 1
	eventually 5 path_is s live
	writing_goes_on 5
	end_writing
	unmap "$DISK"
}

reconnected() {
	(( $(path_stat s reconnects) >= $1 )) && path_is s live
}

# What comes back must be what was mapped.
test_another_disk_that_comes_back_is_refused() {
	start_script "$SCRIPT_FLAGS"
	DISK=$(map sessname=s "$HERE" device_path= nr_queues=1)
	comes_back_as 'export has 8388608 bytes, '"$DISK"' has 16777216' size=8M
	comes_back_as 'blocks of 4096 bytes' blocksize=4096:4096:32M
	comes_back_as 'lost flush' flags=multi
	comes_back_as 'become read-only' flags=flush:fua:ro
	comes_back_as 'refused GO with .*UNKNOWN' names=other
	script size=32M
	eventually 10 path_is s live
	direct_read "$DISK" 1 > /dev/null
	unmap "$DISK"
}

# The disk does not flush, for there was nothing to be flushed.
test_a_write_cache_that_comes_back_is_refused() {
	start_script flags=multi
	DISK=$(map sessname=s "$HERE" device_path= nr_queues=1)
	comes_back_as 'has got a write cache' flags=multi:flush
	script
	eventually 10 path_is s live
	direct_read "$DISK" 1 > /dev/null
	unmap "$DISK"
}

test_a_read_only_disk_needs_no_server_that_writes() {
	start_script "$SCRIPT_FLAGS"
	DISK=$(map sessname=s "$HERE" device_path= nr_queues=1 access_mode=ro)
	script flags=flush:fua:ro
	write_sysfs "$CLIENT/sessions/s/paths/0/reconnect" 1
	eventually 10 reconnected 1
	direct_read "$DISK" 1 > /dev/null
	unmap "$DISK"
}

# A server that was never asked before may be that of another disk: only one
# that is in use may say that it has grown.
test_a_second_path_to_another_disk_is_refused() {
	begin
	PORT=10810 start_nbdkit memory 32M
	log_from_here
	write_sysfs "$CLIENT/sessions/s/add_path" tcp:127.0.0.1:10810
	eventually 10 said "33554432 bytes, that of $DISK has 16777216: not the"
	sleep 2
	must_fail path_live s 1
	write_sysfs "$CLIENT/sessions/s/paths/1/remove" 1
	truncate -s 32M "$FILE"
	write_sysfs "/sys/block/$DISK/unbd/resize" 0
	write_sysfs "$CLIENT/sessions/s/add_path" tcp:127.0.0.2
	eventually 10 path_live s 1
	# Nor does it matter how much of it is in use.
	write_sysfs "$CLIENT/sessions/s/paths/1/remove" 1
	write_sysfs "/sys/block/$DISK/unbd/resize" 40960
	write_sysfs "$CLIENT/sessions/s/add_path" tcp:127.0.0.2
	eventually 10 path_live s 1
	unmap "$DISK"
}

# comes_back_as REGEX WORD... - no I/O goes there
comes_back_as() {
	local regex=$1
	shift
	script
	eventually 10 path_is s live
	log_from_here
	script "$@"
	write_sysfs "$CLIENT/sessions/s/paths/0/reconnect" 1
	eventually 10 traced ' open '
	sleep 1
	! path_is s live || fail "live again: $*"
	not_traced ' READ | WRITE '
	matches "$(our_log)" "$regex" "the log of $*"
}

# While a server refuses, it is asked again soon, but not all the time, and the
# log does not fill.
test_reconnecting_has_a_back_off() {
	local count
	begin
	server_dies
	start_script die=0
	eventually 5 traced ' open '
	log_from_here
	: > "$WORK/trace"
	sleep 10
	count=$(grep -c ' open ' "$WORK/trace")
	(( count >= 5 && count <= 25 )) || fail "$count attempts in 10 s"
	(( $(our_log | wc -l) <= 2 )) || fail "the log: $(our_log)"
	unmap "$DISK"
}

# kernels: 6.1 7.2
test_resize_takes_up_the_servers_size() {
	begin
	udevadm monitor --kernel --property --subsystem-match=block \
		> "$WORK/events" &
	defer kill $!
	sleep 1
	truncate -s 32M "$FILE"
	write_sysfs "/sys/block/$DISK/unbd/resize" 0
	same "$(blockdev --getsize64 "/dev/$DISK")" $(( 32 << 20 )) size
	eventually 5 grep -q RESIZE=1 "$WORK/events"
	expect_log "$DISK: size changes from 32768 to 65536 sectors"
	# All of it can be used.
	pattern "$WORK/pattern" 16
	dd if="$WORK/pattern" of="/dev/$DISK" bs=1M seek=16 oflag=direct \
		status=none
	cmp "$WORK/pattern" <(tail -c 16M "$FILE")
	# To something the server has less of, as RNBD does it: in sectors.
	write_sysfs "/sys/block/$DISK/unbd/resize" 40960
	same "$(blockdev --getsize64 "/dev/$DISK")" $(( 20 << 20 )) size
	write_sysfs "/sys/block/$DISK/unbd/resize" 65536
	refused EINVAL "/sys/block/$DISK/unbd/resize" 65544 'sectors only'
	unmap "$DISK"
}

# Once, or not at all: never by way of what else the server has.
test_resize_changes_the_size_once() {
	begin
	truncate -s 32M "$FILE"
	expect_errno EINVAL "/sys/block/$DISK/unbd/resize" 65544
	same "$(blockdev --getsize64 "/dev/$DISK")" $(( 16 << 20 )) size
	write_sysfs "/sys/block/$DISK/unbd/resize" 40960
	write_sysfs "/sys/block/$DISK/unbd/resize" 40960
	expect_log 'size changes from 32768 to 40960 sectors' 1
	expect_log 'size changes' 1
	unmap "$DISK"
	PORT=10810 start_script blocksize=4096:4096:32M
	DISK=$(map sessname=s path=tcp:127.0.0.1:10810 device_path= nr_queues=1)
	refused EINVAL "/sys/block/$DISK/unbd/resize" 32767 'blocks of 4096'
	write_sysfs "/sys/block/$DISK/unbd/resize" 32760
	same "$(blockdev --getsize64 "/dev/$DISK")" $(( 32760 * 512 )) size
	unmap "$DISK"
}

test_resize_does_not_hold_up_unmapping() {
	local begin took
	start_script
	DISK=$(map sessname=s "$HERE" device_path= nr_queues=1)
	settle 20
	script hang=0
	bedctl write "/sys/block/$DISK/unbd/resize" 0 > "$WORK/outcome" &
	eventually 5 traced ' open '
	begin=$(milliseconds)
	unmap "$DISK"
	took=$(( $(milliseconds) - begin ))
	(( took < $(scaled 1000) )) || fail "unmapping took $took ms"
	wait $! || true
}

test_resize_without_a_server() {
	begin
	log_from_here
	server_dies
	eventually 5 state_is "$DISK" parked
	# The next line of the log is to be that of the refusal.
	eventually 5 said 'cannot connect'
	refused ENOTCONN "/sys/block/$DISK/unbd/resize" 0 'no path is live'
	server_is_back
	eventually 5 state_is "$DISK" live
	write_sysfs "/sys/block/$DISK/unbd/resize" 0
	unmap "$DISK"
}

# cpu_1 STATE - 0 takes it away, 1 brings it back
cpu_1() {
	echo "$1" > /sys/devices/system/cpu/cpu1/online
}

# read_from_cpu_1 - as READER, for as long as it takes
read_from_cpu_1() {
	taskset -c 1 dd if="/dev/$DISK" of=/dev/null bs=4k count=1 \
		iflag=direct status=none &
	READER=$!
}

# take_cpu_1 - as TAKER, until the check ends or cpu_is_taken
take_cpu_1() {
	defer cpu_1 1
	cpu_1 0 &
	TAKER=$!
}

# cpu_is_taken - and what was read from there has been; it is given back
cpu_is_taken() {
	within 10 tail --pid=$READER -f /dev/null
	within 10 tail --pid=$TAKER -f /dev/null
	wait $READER $TAKER
	same "$(cat /sys/devices/system/cpu/online)" 0 "processors"
	cpu_1 1
}

# Whoever takes a processor away waits for what is in flight from there, with
# a lock that the way back to the server must not need.
test_a_processor_goes_while_io_waits() {
	begin fail_timeout=-1
	server_dies
	eventually 3 state_is "$DISK" parked
	read_from_cpu_1
	sleep 2
	take_cpu_1
	sleep 3
	server_is_back
	cpu_is_taken
	unmap "$DISK"
}

test_a_processor_goes_while_the_server_hangs() {
	begin io_timeout=4 fail_timeout=-1
	kill -STOP "$PEER_PID"
	defer kill -CONT "$PEER_PID"
	read_from_cpu_1
	sleep 1
	take_cpu_1
	eventually 8 path_is s reconnecting
	kill -CONT "$PEER_PID"
	cpu_is_taken
	unmap "$DISK"
}

# Mapping one disk interrupts what the path is at for another, not more.
test_resize_while_another_disk_is_mapped() {
	local other resize
	FILE=$(disk_file 16)
	start_nbdkit --filter=delay file "$FILE" delay-open=2
	DISK=$(map sessname=s "$HERE" device_path=a nr_queues=1)
	truncate -s 32M "$FILE"
	bedctl write "/sys/block/$DISK/unbd/resize" 0 &
	resize=$!
	sleep 1
	other=$(map sessname=s "$HERE" device_path=b nr_queues=1)
	wait $resize
	is_mib "$DISK" 32
	same "$(path_stat s failures)" 0 "failures of the path"
	unmap "$other"
	unmap "$DISK"
}

# await_change FILE - poll(2) says that FILE has another content, which it prints
await_change() {
	timeout 60 python3 -c '
import select, sys
with open(sys.argv[1]) as f:
    f.read()
    print("ready", flush=True)
    poll = select.poll()
    poll.register(f, select.POLLPRI)
    poll.poll()
    f.seek(0)
    print(f.read(), end="")' "$1"
}

test_poll_tells_of_each_state() {
	local file
	begin
	for file in "/sys/block/$DISK/unbd/state" \
		"$CLIENT/sessions/s/paths/0/state"; do
		await_change "$file" > "$WORK/${file//\//-}" &
		eventually 20 grep -q ready "$WORK/${file//\//-}"
	done
	server_dies
	wait
	same "$(tail -n 1 "$WORK"/-sys-block-*)" parked "state of $DISK"
	same "$(tail -n 1 "$WORK"/-sys-devices-*)" reconnecting \
		"state of the path"
	server_is_back
	unmap "$DISK"
}
