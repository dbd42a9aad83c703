# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Clients that break every rule, on a file and on a block device: each gets
# the error that is due or is dropped, and the server is as good as before.
# kernels: 6.1
# timeout: 900
# tags: tcp server bad-input

. /bed/tcp.sh

# serve_file, serve_disk - vol0 to be abused, ro0 to be read only
serve_file() {
	export_dev name=vol0 "device_path=$(disk_file 64)"
	serve_rest
}

serve_disk() {
	local loop
	need_module loop
	loop=$(losetup -f --show --sector-size 4096 "$(disk_file 64)")
	defer losetup -d "$loop"
	# A loop device on tmpfs cannot zero, and says so each time.
	allow_log 'operation not supported error, dev loop'
	export_dev name=vol0 "device_path=$loop"
	serve_rest
}

serve_rest() {
	export_dev name=ro0 "device_path=$(disk_file 4 ro)" access_mode=ro
	listen tcp:127.0.0.1:10809
}

# hostile ARG... - all checks, or those named
hostile() {
	python3 $PEERS/nbd_hostile_client.py --export vol0 --read-only ro0 \
		"$@" > "$WORK/hostile" 2>&1 || {
		cat "$WORK/hostile"
		fail "$(grep -m 3 -E '^FAIL|Error' "$WORK/hostile")"
	}
	tail -n 1 "$WORK/hostile"
	eventually 20 no_connections
}

SLOW=silence,dawdling
LOAD="stall stall-sending trickling too-many coming-and-going"

# kernels: 6.1 debug
test_handshakes_and_requests_on_a_file() {
	serve_file
	hostile --skip "$SLOW,${LOAD// /,}"
	same "$(cat "$SERVER/exports/vol0/connections")" 0 connections
}

test_handshakes_and_requests_on_a_block_device() {
	serve_disk
	hostile --skip "$SLOW,${LOAD// /,}" --seed 2
}

test_handshakes_have_ten_seconds() {
	serve_file
	# shellcheck disable=SC2086
	hostile ${SLOW//,/ }
	expect_log 'handshake' 3
}

test_handshakes_have_any_time() {
	serve_file
	echo 0 > /sys/module/unbd_tcp_server/parameters/handshake_timeout
	exec 8<> /dev/tcp/127.0.0.1/10809
	same "$(head -c 8 <&8)" NBDMAGIC greeting
	sleep 30
	must_fail no_connections
	exec 8>&-
	eventually 20 no_connections
}

# What clients make the server hold is bounded, and theirs alone.
# gate: none
test_clients_that_stop_reading() {
	local before least
	serve_file
	before=$(available)
	python3 $PEERS/nbd_hostile_client.py --export vol0 stall \
		stall-sending > "$WORK/hostile" 2>&1 &
	least=$(least_available $!)
	wait $! || fail "$(grep -m 3 FAIL "$WORK/hostile")"
	echo "available: $(( before >> 10 )) MiB, at least $(( least >> 10 )) MiB"
	# An eighth of the memory is the limit for all clients' data; the file
	# itself and the client take some, too.
	(( before - least < $(total) / 8 + 96 * 1024 )) ||
		fail "$(( (before - least) >> 10 )) MiB are gone"
}

test_clients_that_trickle() {
	serve_file
	allow_log 'stalls while others wait'
	hostile trickling
}

available() {
	awk '/^MemAvailable/ { print $2 }' /proc/meminfo
}

total() {
	awk '/^MemTotal/ { print $2 }' /proc/meminfo
}

# least_available PID - while a process runs
least_available() {
	local least=999999999 now
	while kill -0 "$1" 2> /dev/null; do
		now=$(available)
		(( now > least )) || least=$now
		sleep 0.2
	done
	echo "$least"
}

test_connections_up_to_the_limit() {
	serve_file
	echo 100 > /sys/module/unbd_server/parameters/max_connections
	hostile --limit 100 too-many
}

test_thousands_of_connections() {
	local rounds=100
	! is_debug || rounds=20
	serve_file
	hostile --rounds $rounds coming-and-going
}

test_over_a_unix_socket() {
	serve_file
	listen "unix:$WORK/socket"
	hostile --connect "unix:$WORK/socket" request-magic past-the-end \
		write-cut header-in-pieces pipelined disc-with-requests \
		half-close gone-with-requests random-requests random-options
}

test_over_vsock() {
	need_module vsock_loopback
	serve_file
	listen vsock:any:10809
	hostile --connect vsock:1:10809 request-magic past-the-end write-cut \
		header-in-pieces pipelined disc-with-requests \
		gone-with-requests
}
