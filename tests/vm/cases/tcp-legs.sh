# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Each disk of a session has connections of its own: what happens to one export
# is no business of its neighbours.
# kernels: 6.1
# timeout: 600
# tags: tcp client recovery

. /bed/tcp.sh

# slowest_read DISK COUNT - in milliseconds, of so many in a row
slowest_read() {
	local begin i took slowest=0
	for (( i = 0; i < $2; i++ )); do
		begin=$(milliseconds)
		dd if="/dev/$1" of=/dev/null bs=4k count=1 iflag=direct \
			status=none
		took=$(( $(milliseconds) - begin ))
		(( took <= slowest )) || slowest=$took
		doze 0.2
	done
	echo $slowest
}

untouched() {
	local stat
	for stat in requeued parked timeouts failed; do
		same "$(cat "/sys/block/$1/unbd/stats/$stat")" 0 "$1 $stat"
	done
}

test_an_export_that_hangs_leaves_its_neighbours_alone() {
	local bad reader slowest
	# shellcheck disable=SC2016
	start_nbdkit eval thread_model='echo parallel' open='echo "$3"' \
		get_size='echo 16M' pread='
			case $2 in
			bad*)	[ ! -e '"$WORK"'/hang ] || sleep 1000 ;;
			esac
			head -c $3 /dev/zero'
	DISK=$(map sessname=s "$HERE" device_path=good io_timeout=2)
	bad=$(map sessname=s "$HERE" device_path=bad1 io_timeout=2)
	log_from_here
	touch "$WORK/hang"
	direct_read "$bad" 0 > /dev/null &
	reader=$!
	slowest=$(slowest_read "$DISK" 50)
	(( slowest < $(scaled 100) )) || fail "a read took $slowest ms"
	untouched "$DISK"
	(( $(cat "/sys/block/$bad/unbd/stats/timeouts") >= 2 )) ||
		fail "$bad did not hang"
	said "s path 0 .*: $bad: no answer within io_timeout" ||
		fail "the log does not say so"
	same "$(path_stat s failures)" 0 "failures of the path"
	rm "$WORK/hang"
	within 10 tail --pid=$reader -f /dev/null
	wait $reader
	unmap "$bad"
	unmap "$DISK"
}

# serve_exports - nbdkit, with an export for every name; who opens one that
# begins with "bad" waits as long as there is a file WORK/hang, and so many
# seconds as WORK/slow says
serve_exports() {
	# shellcheck disable=SC2016
	start_nbdkit eval thread_model='echo parallel' open='
			case $3 in
			bad*)	while [ -e '"$WORK"'/hang ]; do
					sleep 0.2
				done
				[ ! -e '"$WORK"'/slow ] ||
					sleep "$(cat '"$WORK"'/slow)" ;;
			esac
			echo "$3"' \
		get_size='echo 16M' can_multi_conn='exit 0' pread='
			head -c $3 /dev/zero'
}

# Those whose servers do not answer come first, in the order of their mapping.
test_exports_that_hang_delay_no_others() {
	local bad=() disk i begin took
	serve_exports
	for i in 0 1 2 3; do
		bad+=("$(map sessname=s "$HERE" device_path=bad$i nr_queues=1)")
	done
	DISK=$(map sessname=s "$HERE" device_path=good nr_queues=1)
	touch "$WORK/hang"
	restart_server
	begin=$(milliseconds)
	eventually 2 state_is "$DISK" live
	took=$(( $(milliseconds) - begin ))
	(( took < $(scaled 2000) )) || fail "it took $took ms"
	direct_read "$DISK" 0 > /dev/null
	same "$(path_state s)" live "state of the path"
	for disk in "${bad[@]}"; do
		same "$(state "$disk")" parked "state of $disk"
	done
	rm "$WORK/hang"
	for disk in "${bad[@]}"; do
		eventually 10 state_is "$disk" live
		unmap "$disk"
	done
	unmap "$DISK"
}

# restart_server - as serve_exports has started it
restart_server() {
	stop_peer "$PEER_PID"
	eventually 2 path_is s reconnecting
	serve_exports
}

# Who maps waits ten seconds for it, and so does who connects again.
test_an_export_that_is_slow_to_open_comes_back() {
	local begin took
	echo 5 > "$WORK/slow"
	serve_exports
	DISK=$(map sessname=s "$HERE" device_path=bad nr_queues=1)
	restart_server
	begin=$(milliseconds)
	eventually 20 state_is "$DISK" live
	took=$(( $(milliseconds) - begin ))
	(( took < $(scaled 8000) )) || fail "it took $took ms"
	direct_read "$DISK" 0 > /dev/null
	unmap "$DISK"
}

# comes_back_slowly SLOW SECONDS - an export that it takes so long to open once
# its server has been restarted is there again within so many seconds
comes_back_slowly() {
	serve_exports
	DISK=$(map sessname=s "$HERE" device_path=bad nr_queues=1)
	echo "$1" > "$WORK/slow"
	restart_server
	eventually "$2" state_is "$DISK" live
	direct_read "$DISK" 0 > /dev/null
	unmap "$DISK"
}

# One that has become slow is given as long now and then.
test_an_export_that_has_become_slow_comes_back() {
	comes_back_slowly 5 30
}

# Also when that does not suffice, which is found out after a minute or so.
test_an_export_that_has_become_very_slow_comes_back() {
	comes_back_slowly 25 180
}

# our_port - from which the youngest connection to the first server comes
our_port() {
	ss -Htn state established dport = :10809 |
		sed -E 's/.*:([0-9]+) +[^ ]+:10809.*/\1/' |
		grep -vxF "${1-}" | tail -n 1
}

# break_connection PORT
break_connection() {
	ss -K sport = ":$1" dport = :10809 > /dev/null
}

# Its requests go to the second path, and it is attached anew, while another
# one's handshake lasts.
test_a_broken_leg_waits_for_no_handshake() {
	local bad bad_port port slowest
	need_module tcp_diag
	serve_exports
	PORT=10810 serve_exports
	bad=$(map sessname=s "$HERE" "$HERE:10810" device_path=bad nr_queues=1)
	eventually 5 path_live s 1
	bad_port=$(our_port)
	DISK=$(map sessname=s device_path=good nr_queues=1 io_timeout=60)
	port=$(our_port "$bad_port")
	touch "$WORK/hang"
	log_from_here
	break_connection "$bad_port"
	eventually 5 said "$bad: no answer to the handshake"
	eventually 5 connected_to 10809 2
	( sleep 2; break_connection "$port" ) &
	slowest=$(slowest_read "$DISK" 20)
	wait $!
	(( slowest < $(scaled 100) )) || fail "a read took $slowest ms"
	same "$(cat "/sys/block/$DISK/unbd/stats/parked")" 0 "$DISK parked"
	connected_to 10809 2 || fail "the leg has not come back"
	same "$(state "$bad")" live "$bad, over the second path"
	rm "$WORK/hang"
	unmap "$bad"
	unmap "$DISK"
}

# last_port - from which the path's last connection that came about comes
last_port() {
	local address
	address=$(< "$CLIENT/sessions/s/paths/0/src")
	echo "${address##*:}"
}

# others_come_and_go - of the session: DISK breaks and comes back, then others
# are mapped and unmapped
others_come_and_go() {
	local new i
	break_connection "$(last_port)"
	direct_read "$DISK" 0 > /dev/null
	for (( i = 0; i < 5; i++ )); do
		new=$(map sessname=s device_path=new$i nr_queues=1)
		unmap "$new"
	done
}

# A handshake of two seconds, while others of the session come, go and break
# gate: none
test_neighbours_do_not_disturb_a_handshake() {
	local slow begin took
	need_module tcp_diag
	serve_exports
	DISK=$(map sessname=s "$HERE" device_path=good nr_queues=1)
	slow=$(map sessname=s device_path=bad nr_queues=1)
	echo 2 > "$WORK/slow"
	restart_server
	begin=$(milliseconds)
	eventually 2 state_is "$DISK" live
	others_come_and_go &
	eventually 10 state_is "$slow" live
	took=$(( $(milliseconds) - begin ))
	kill -0 $! || fail "the others were quicker"
	wait $!
	(( took < $(scaled 4000) )) || fail "it took $took ms"
	unmap "$slow"
	unmap "$DISK"
}

test_an_export_that_is_taken_away_leaves_its_neighbours_alone() {
	local other
	allow_log "dev unbd"
	export_dev name=vol0 "device_path=$(disk_file 16 first)"
	export_dev name=vol1 "device_path=$(disk_file 16 second)"
	listen tcp:127.0.0.1:10809
	DISK=$(map sessname=s "$HERE" device_path=vol0)
	other=$(map sessname=s "$HERE" device_path=vol1)
	write_steadily "$DISK"
	unexport vol1 force
	eventually 5 state_is "$other" parked
	sleep 3
	end_writing
	untouched "$DISK"
	same "$(path_state s)" live "state of the path"
	same "$(path_stat s failures)" 0 "failures of the path"
	export_dev name=vol1 "device_path=$(disk_file 16 second)"
	eventually 5 state_is "$other" live
	unmap "$other"
	unmap "$DISK"
}
