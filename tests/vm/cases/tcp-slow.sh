# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Slow is not dead: links and servers that take their time, and those that have
# stopped, which shall not be mistaken for one another.
# topology: ns
# kernels: 6.1
# timeout: 600
# tags: tcp client recovery

. /bed/tcp.sh

# slow_link WHERE RATE - what leaves "client" or "server" does so at RATE
slow_link() {
	need_module sch_netem
	qdisc "$1" add "netem rate $2 limit 10000"
}

# fast_link WHERE - and no longer
fast_link() {
	qdisc "$1" del
}

qdisc() {
	local tc="tc qdisc $2 dev eth0 root ${3-}"
	case $1 in
	client)	$tc ;;
	server)	on server <<< "$tc" ;;
	esac
}

# serve_file - a file in the other guest, mapped as DISK
serve_file() {
	on server <<-'EOF'
		export_dev name=vol0 "device_path=$(disk_file 32)"
		listen tcp:0.0.0.0:10809
	EOF
	DISK=$(map sessname=s path=tcp:10.0.0.1 device_path=vol0 nr_queues=1 \
		"$@")
}

# serve_slowly KEY=VALUE... - nbdkit's eval as the server on this host
serve_slowly() {
	local method
	# shellcheck disable=SC2016
	local -A how=([get_size]='echo 1G' [pread]='head -c $3 /dev/zero'
		[can_write]='exit 0' [pwrite]='cat > /dev/null'
		[can_flush]='exit 0' [flush]='exit 0')
	for method; do
		how[${method%%=*}]=${method#*=}
	done
	set --
	for method in "${!how[@]}"; do
		set -- "$@" "$method=${how[$method]}"
	done
	start_nbdkit eval "$@"
}

stat_of() {
	cat "/sys/block/$DISK/unbd/stats/$1"
}

nothing_twice() {
	local stat
	for stat in timeouts requeued parked failed; do
		same "$(stat_of $stat)" 0 "stats/$stat"
	done
}

# took_about SECONDS BEGIN - at least so long: it was as slow as it should be
took_about() {
	local took=$(( $(milliseconds) - $2 ))
	(( took >= $1 * 1000 )) || fail "took $took ms, not $1 s: not slow at all"
}

# written_slowly SECONDS MIB DD... - that much of DISK, by dd with these words,
# takes about so long, and is there once. It ends what the client's link is slow
# at, and the mapping.
written_slowly() {
	local begin
	begin=$(milliseconds)
	dd if="$WORK/data" of="/dev/$DISK" status=none "${@:3}"
	took_about "$1" "$begin"
	nothing_twice
	fast_link client
	direct_read "$DISK" 0 "$2" | cmp - "$WORK/data"
	unmap "$DISK"
}

test_one_large_write_over_a_slow_link() {
	serve_file io_timeout=4 fail_timeout=20
	head -c 2M /dev/urandom > "$WORK/data"
	slow_link client 1mbit
	written_slowly 14 2 bs=2M oflag=direct
}

# The last of them waits for longer than io_timeout before its turn comes.
test_many_small_writes_over_a_slow_link() {
	serve_file io_timeout=4 fail_timeout=20
	head -c 16M /dev/urandom > "$WORK/data"
	slow_link client 8mbit
	echo 64 > "/sys/block/$DISK/queue/max_sectors_kb"
	echo 0 > "/sys/block/$DISK/queue/wbt_lat_usec"
	written_slowly 12 16 bs=1M conv=fsync
}

# 256 kbit/s with the defaults, in either direction
test_a_modem() {
	local begin
	serve_file
	head -c 1M /dev/urandom > "$WORK/data"
	dd if="$WORK/data" of="/dev/$DISK" bs=1M oflag=direct status=none
	slow_link server 256kbit
	begin=$(milliseconds)
	direct_read "$DISK" 0 | cmp - "$WORK/data"
	took_about 30 "$begin"
	fast_link server
	slow_link client 256kbit
	head -c 1M /dev/urandom > "$WORK/data"
	written_slowly 30 1 bs=1M oflag=direct
}

test_zeroes_at_64_mib_a_second() {
	local begin
	# shellcheck disable=SC2016
	serve_slowly thread_model='echo parallel' can_zero='exit 0' \
		can_trim='exit 0' zero='sleep $(( $3 >> 26 ))' \
		trim='sleep $(( $3 >> 26 ))' pwrite='exit 1'
	DISK=$(map sessname=s "$HERE" device_path= nr_queues=1 io_timeout=5 \
		fail_timeout=20)
	begin=$(milliseconds)
	blkdiscard -z "/dev/$DISK"
	took_about 1 "$begin"
	blkdiscard "/dev/$DISK"
	nothing_twice
	unmap "$DISK"
}

# One after the other: 16 pieces of a second each
# gate: none
test_zeroes_by_a_server_that_does_one_thing_at_a_time() {
	local begin
	# shellcheck disable=SC2016
	serve_slowly thread_model='echo serialize_all_requests' \
		can_zero='exit 0' zero='sleep $(( $3 >> 26 ))' pwrite='exit 1'
	DISK=$(map sessname=s "$HERE" device_path= nr_queues=1 io_timeout=5 \
		fail_timeout=20)
	begin=$(milliseconds)
	blkdiscard -z "/dev/$DISK"
	took_about 16 "$begin"
	nothing_twice
	unmap "$DISK"
}

# A server of one connection cannot be asked: it has four times io_timeout.
test_a_flush_that_takes_long() {
	local begin
	serve_slowly thread_model='echo serialize_all_requests' flush='sleep 7'
	DISK=$(map sessname=s "$HERE" device_path= nr_queues=1 io_timeout=3 \
		fail_timeout=8)
	begin=$(milliseconds)
	dd if=/dev/zero of="/dev/$DISK" bs=4k count=1 conv=fsync status=none &
	sleep 2
	# What comes behind it has to wait, too.
	direct_read "$DISK" 0 > /dev/null
	wait $!
	took_about 7 "$begin"
	nothing_twice
	unmap "$DISK"
}

# One that answers what it is asked meanwhile is alive for as long as it does.
test_a_flush_that_takes_very_long() {
	local begin
	serve_slowly thread_model='echo parallel' can_multi_conn='exit 0' \
		flush='sleep 40'
	DISK=$(map sessname=s "$HERE" device_path= nr_queues=1 io_timeout=3 \
		fail_timeout=8)
	begin=$(milliseconds)
	dd if=/dev/zero of="/dev/$DISK" bs=4k count=1 conv=fsync status=none
	took_about 40 "$begin"
	nothing_twice
	unmap "$DISK"
}

# Asking whether it lives finds a new size, that its connections do not know.
test_an_export_that_grows_during_a_flush() {
	echo 1G > "$WORK/size"
	serve_slowly thread_model='echo parallel' can_multi_conn='exit 0' \
		flush='sleep 10' get_size="cat $WORK/size"
	DISK=$(map sessname=s "$HERE" device_path= nr_queues=1 io_timeout=3)
	dd if=/dev/zero of="/dev/$DISK" bs=4k count=1 conv=fsync status=none &
	sleep 1
	echo 2G > "$WORK/size"
	wait $!
	eventually 5 is_mib "$DISK" 2048
	direct_read "$DISK" 2047 | cmp -n 1048576 - /dev/zero
	nothing_failed
	unmap "$DISK"
}

nothing_failed() {
	local stat
	for stat in timeouts failed; do
		same "$(stat_of $stat)" 0 "stats/$stat"
	done
}

# stops_within SECONDS REGEX - the server stops now, and is found out
stops_within() {
	local begin took
	begin=$(milliseconds)
	kill -STOP "$PEER_PID"
	defer kill -CONT "$PEER_PID"
	eventually $(( $1 * 2 )) path_is s reconnecting
	took=$(( $(milliseconds) - begin ))
	(( took <= $1 * 1000 )) || fail "noticed after $took ms"
	expect_log "$2"
	kill -CONT "$PEER_PID"
	eventually 20 path_is s live
}

test_a_server_that_stops_in_a_flush() {
	serve_slowly thread_model='echo parallel' can_multi_conn='exit 0' \
		flush='sleep 5'
	DISK=$(map sessname=s "$HERE" device_path= nr_queues=1 io_timeout=3)
	dd if=/dev/zero of="/dev/$DISK" bs=4k count=1 conv=fsync status=none &
	sleep 1
	stops_within 8 'no answer within io_timeout .3 s. for '"$DISK"', and none'
	wait $!
	unmap "$DISK"
}

# gate: none
test_a_server_of_one_connection_that_stops_in_a_flush() {
	serve_slowly thread_model='echo serialize_all_requests' flush='sleep 5'
	DISK=$(map sessname=s "$HERE" device_path= nr_queues=1 io_timeout=3)
	dd if=/dev/zero of="/dev/$DISK" bs=4k count=1 conv=fsync status=none &
	sleep 1
	stops_within 14 'no answer within io_timeout .3 s. for '"$DISK"
	wait $!
	unmap "$DISK"
}

# Each new request is taken by the server's host, none by the server.
# gate: none
test_a_server_that_stops_under_new_requests() {
	local i readers=()
	serve_slowly thread_model='echo parallel'
	DISK=$(map sessname=s "$HERE" device_path= nr_queues=1 io_timeout=3)
	for i in {0..19}; do
		sleep "$(( i / 2 )).$(( i % 2 * 5 ))" && dd if="/dev/$DISK" \
			of=/dev/null bs=4k count=1 skip="$i" iflag=direct \
			status=none &
		readers+=($!)
	done
	stops_within 5 'no answer within io_timeout .3 s. for '"$DISK"
	wait "${readers[@]}"
	unmap "$DISK"
}
