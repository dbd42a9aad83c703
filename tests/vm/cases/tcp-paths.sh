# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Every form that a path over a stream socket can have.
# kernels: 6.1
# timeout: 400
# tags: tcp client paths

. /bed/tcp.sh

# use PATH [REGEX] - map over it, write, read back, see its source, unmap
use() {
	local disk dst=${1#*,}
	[[ $1 != tcp:*@* ]] || dst=tcp:${1#*@}
	disk=$(map sessname=s "path=$1" device_path=vol0)
	pattern "$WORK/pattern" 1
	dd if="$WORK/pattern" of="/dev/$disk" bs=1M seek=1 oflag=direct \
		status=none
	direct_read "$disk" 1 | cmp - "$WORK/pattern"
	same "$(cat "$CLIENT/sessions/s/paths/0/dst")" "$dst" dst
	same "$(cat "$CLIENT/sessions/s/paths/0/transport")" tcp transport
	matches "$(cat "$CLIENT/sessions/s/paths/0/src")" "${2-}" src
	unmap "$disk"
}

test_ipv4() {
	start_nbdkit memory 16M
	use tcp:127.0.0.1 '127.0.0.1:[0-9]+'
	use tcp:127.0.0.1:10809
	use tcp:127.0.0.2:10809
}

test_ipv4_with_a_source() {
	start_nbdkit memory 16M
	use tcp:127.0.0.5,tcp:127.0.0.1 '127.0.0.5'
	use tcp:127.0.0.6@127.0.0.1:10809 '127.0.0.6'
}

test_ipv6() {
	start_nbdkit memory 16M
	use 'tcp:[::1]:10809' '::1'
	use tcp:::1
}

# A link-local address means nothing without its interface.
test_ipv6_with_a_scope() {
	local address
	ip link add bed0 type veth peer name bed1 ||
		skip "this kernel has no veth"
	defer ip link del bed0
	ip link set bed0 up
	ip link set bed1 up
	eventually 10 link_local bed0
	address=$(link_local bed0)
	start_nbdkit -i "$address%bed0" memory 16M
	use "tcp:[$address%bed0]:10809" 'fe80:'
}

# A duplicate address cannot be ruled out in the first second.
link_local() {
	local address
	address=$(ip -6 -o addr show dev "$1" scope link -tentative |
		sed -n 's,.*inet6 \([^/]*\)/.*,\1,p')
	[[ -n $address ]] && echo "$address"
}

# kernels: 6.1 7.2
test_unix() {
	start_nbdkit -U "$WORK/socket" memory 16M
	use "unix:$WORK/socket"
}

test_unix_abstract() {
	LISTEN=unix:@bed start_script
	use unix:@bed
}

# kernels: 6.1 7.2
test_vsock() {
	need_module vsock_loopback
	start_nbdkit --vsock memory 16M
	use vsock:1:10809
	use vsock:1
}

# map_descriptor [KEY=VALUE...] - 8, a connected socket of this process, to a
# server that is started, as DISK
map_descriptor() {
	load client
	connect_descriptor
	write_sysfs "$CLIENT/map_device" \
		"sessname=s path=fd:8 device_path=vol0 $*"
	DISK=$(unbd_disks)
}

connect_descriptor() {
	start_nbdkit memory 32M
	exec 8<> /dev/tcp/127.0.0.1/10809
}

# A connected socket of the writing process. It belongs to the kernel then,
# whatever becomes of the process, and cannot be connected again.
test_a_descriptor() {
	map_descriptor
	exec 8>&-
	pattern "$WORK/pattern" 1
	dd if="$WORK/pattern" of="/dev/$DISK" bs=1M seek=1 oflag=direct \
		status=none
	direct_read "$DISK" 1 | cmp - "$WORK/pattern"
	settle
	unmap "$DISK"
}

test_a_descriptor_serves_one_device_once() {
	map_descriptor fail_timeout=2
	allow_log "dev $DISK"
	refused ENOTCONN "$CLIENT/map_device" \
		"sessname=s device_path=vol1" 'serves one device, once'
	refused EBUSY "$CLIENT/map_device" \
		"sessname=t path=fd:8 device_path=vol1" 'in use by the kernel'
	same "$(ls "$CLIENT/sessions")" s sessions
	direct_read "$DISK" 1 > /dev/null
	refused EOPNOTSUPP "$CLIENT/sessions/s/paths/0/reconnect" 1 \
		'connected a second time'
	stop_peer "$PEER_PID"
	eventually 10 path_is s failed
	must_fail timeout 20 dd if="/dev/$DISK" of=/dev/null bs=1M count=1 \
		iflag=direct 2> "$WORK/dd"
	grep -q 'Input/output error' "$WORK/dd" ||
		fail "the read ended with: $(tail -n 1 "$WORK/dd")"
	same "$(path_state s)" failed "state of a socket that has broken"
	unmap "$DISK" force
	exec 8>&-
}

# The number of a descriptor is used again, its connection is another one.
test_a_new_descriptor_in_place_of_a_broken_one() {
	map_descriptor fail_timeout=-1
	exec 8>&-
	stop_peer "$PEER_PID"
	eventually 10 path_is s failed
	connect_descriptor
	bedctl write "$CLIENT/sessions/s/add_path" fd:8
	exec 8>&-
	eventually 5 state_is "$DISK" live
	direct_read "$DISK" 1 > /dev/null
	unmap "$DISK"
}

# What the server has not taken when the path is lost is never sent: the pages
# are somebody else's then.
test_a_descriptor_has_nothing_left_to_send() {
	map_descriptor io_timeout=5 fail_timeout=2
	allow_log "[Dd]ev $DISK"
	kill -STOP "$PEER_PID"
	must_fail timeout 60 dd if=/dev/zero of="/dev/$DISK" bs=16M count=1 \
		oflag=direct 2> /dev/null
	eventually 20 path_is s failed
	same "$(ss -Htan 'dport = :10809' | awk '$3 > 0')" "" "data to be sent"
	kill -CONT "$PEER_PID"
	unmap "$DISK" force
	exec 8>&-
}

# Who closes it in the end does so as he meant to: the server's host gets a FIN.
test_a_descriptor_that_is_given_back() {
	load client
	start_nbdkit memory 16M
	python3 - "$CLIENT/map_device" <<-EOF
		import glob, os, socket, struct, sys, time
		s = socket.create_connection(("127.0.0.1", 10809))
		linger = struct.pack("ii", 1, 7)
		s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
		line = f"sessname=s path=fd:{s.fileno()} device_path=vol0"
		fd = os.open(sys.argv[1], os.O_WRONLY)
		os.write(fd, line.encode())
		time.sleep(2)
		unmap, = glob.glob("/sys/block/unbd*/unbd/unmap_device")
		with open(unmap, "w") as file:
		    file.write("force")
		had = s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
		assert had == linger, f"linger {struct.unpack('ii', had)}"
	EOF
}

test_a_unix_descriptor() {
	local disk
	load client
	start_nbdkit -U "$WORK/socket" memory 16M
	python3 - "$CLIENT/map_device" "$WORK/socket" <<-EOF
		import os, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect(sys.argv[2])
		line = f"sessname=s path=fd:{s.fileno()} device_path=vol0"
		fd = os.open(sys.argv[1], os.O_WRONLY)
		os.write(fd, line.encode())
	EOF
	disk=$(unbd_disks)
	direct_read "$disk" 1 > /dev/null
	settle
	unmap "$disk"
}

# In a mount namespace of the server's and the writer's, also after a restart.
test_a_unix_socket_that_only_the_writer_sees() {
	local holder
	load client
	mkdir "$WORK/private"
	unshare -m --propagation private bash -c \
		'mount -t tmpfs none "$1" && touch "$1.ready" && exec sleep 1000' \
		_ "$WORK/private" &
	holder=$!
	defer kill $holder
	eventually 5 test -e "$WORK/private.ready"
	serve_privately $holder
	nsenter -t $holder -m bedctl write "$CLIENT/map_device" \
		"sessname=s path=unix:$WORK/private/socket device_path="
	compared unbd0 4
	stop_peer "$PEER_PID"
	nsenter -t $holder -m rm "$WORK/private/socket"
	serve_privately $holder
	eventually 5 path_live s 0
	direct_read unbd0 1 > /dev/null
	unmap unbd0
	stop_peer "$PEER_PID"
	within 5 nsenter -t $holder -m umount "$WORK/private"
}

# serve_privately PID - where that process is
serve_privately() {
	start_peer nsenter -t "$1" -m nbdkit -f -P "$WORK/peer.pid" \
		-U "$WORK/private/socket" memory 16M
}

test_a_unix_socket_from_another_root_directory() {
	local root=$WORK/root
	load client
	mkdir -p "$root/run"
	start_nbdkit -U "$root/run/socket" memory 16M
	echo "sessname=s path=unix:/run/socket device_path=" > "$root/line"
	mkdir "$root/sys"
	mount --bind /sys "$root/sys"
	defer umount "$root/sys"
	python3 - "$root" "$CLIENT/map_device" <<-EOF
		import os, sys
		os.chroot(sys.argv[1])
		line = open("/line", "rb").read()
		os.write(os.open(sys.argv[2], os.O_WRONLY), line)
	EOF
	compared unbd0 4
	unmap unbd0
}

test_sixteen_paths_and_no_more() {
	local disk i paths=()
	start_nbdkit memory 16M
	for i in {1..16}; do
		paths+=("path=tcp:127.0.0.$i")
	done
	disk=$(map sessname=s "${paths[@]}" device_path=vol0 nr_queues=1)
	for i in {0..15}; do
		eventually 20 path_live s "$i"
	done
	refused ENOSPC "$CLIENT/sessions/s/add_path" tcp:127.0.0.17 \
		'16 paths already'
	compared "$disk" 4
	unmap "$disk"
}

# reads_of_first POLICY DEPTH - how many of 32 reads, so many at a time, go over
# the first path, to port 10809
reads_of_first() {
	local before
	write_sysfs "$CLIENT/sessions/s/policy" "$1"
	before=$(received)
	fio --name=reads --filename="/dev/$DISK" --ioengine=libaio --direct=1 \
		--rw=randread --bs=64k --iodepth="$2" --size=16M \
		--number_ios=32 --minimal > "$WORK/fio"
	echo $(( ($(received) - before) / 65536 ))
}

# received - bytes, from port 10809
received() {
	ss -Htin 'dport = :10809' |
		sed -n 's/.* bytes_received:\([0-9]*\) .*/\1/p' |
		awk '{ sum += $1 } END { print sum + 0 }'
}

# between NUMBER LEAST MOST POLICY
between() {
	(( $1 >= $2 && $1 <= $3 )) || fail "$4: $1 of 32 go over the first path"
}

test_each_policy_has_its_path() {
	local file
	file=$(disk_file 16)
	start_nbdkit --filter=delay file "$file" rdelay=150ms
	PORT=10810 start_nbdkit file "$file"
	DISK=$(map sessname=s "$HERE" path=tcp:127.0.0.1:10810 \
		device_path=vol0 nr_queues=1)
	eventually 20 path_live s 1
	settle
	between "$(reads_of_first prefer 1)" 32 32 prefer
	between "$(reads_of_first round-robin 1)" 15 17 round-robin
	between "$(reads_of_first min-latency 1)" 0 10 min-latency
	between "$(reads_of_first min-inflight 8)" 1 12 min-inflight
	unmap "$DISK"
}

# Each of two disks has one request at a time: they do not share a path. Alone
# each would use the first.
test_min_inflight_counts_what_other_disks_send() {
	local before disk file other port second
	local reads=(fio --name=reads --ioengine=psync --direct=1 --rw=randread
		--bs=64k --size=16M --minimal)
	file=$(disk_file 16)
	start_nbdkit --filter=delay file "$file" rdelay=20ms
	PORT=10810 start_nbdkit --filter=delay file "$file" rdelay=20ms
	DISK=$(map sessname=s "$HERE" path=tcp:127.0.0.1:10810 \
		device_path=vol0 nr_queues=1)
	disk=$(map sessname=s device_path=vol1 nr_queues=1)
	for port in 10809 10810; do
		eventually 20 connected_to $port 2
	done
	settle
	"${reads[@]}" --filename="/dev/$disk" --time_based --runtime=3600 \
		> "$WORK/other-fio" 2>&1 &
	other=$!
	defer kill $other
	eventually 20 has_come in_flight 0 1
	before=$(path_stat s reads 1)
	"${reads[@]}" --filename="/dev/$DISK" --number_ios=32 > "$WORK/fio"
	second=$(( $(path_stat s reads 1) - before ))
	kill $other || fail "the other disk's: $(< "$WORK/other-fio")"
	wait $other || true
	(( second >= 16 && second <= 48 )) ||
		fail "$second reads over the second path, of two times 32"
	unmap "$disk"
	unmap "$DISK"
}

# Their flushes would miss what went over the other one.
test_servers_whose_connections_share_no_cache_have_one_path_at_a_time() {
	local policy first=$CLIENT/sessions/s/paths/0
	start_nbdkit --filter=multi-conn memory 16M multi-conn-mode=disable
	PORT=10810 start_nbdkit --filter=multi-conn memory 16M \
		multi-conn-mode=disable
	DISK=$(map sessname=s "$HERE" device_path=vol0 nr_queues=1)
	write_sysfs "$CLIENT/sessions/s/add_path" tcp:127.0.0.1:10810
	eventually 20 path_live s 1
	expect_log 'path 1 .*share a cache: one path at a time'
	settle
	for policy in round-robin min-latency min-inflight; do
		between "$(reads_of_first $policy 8)" 32 32 $policy
	done
	write_sysfs "$first/disconnect" 1
	same "$(reads_of_first round-robin 8)" 0 "without it"
	write_sysfs "$first/reconnect" 1
	eventually 20 path_live s 0
	same "$(reads_of_first round-robin 8)" 0 "with it again"
	unmap "$DISK"
}

# total NAME - of the counters of both paths
total() {
	echo $(( $(path_stat s "$1" 0) + $(path_stat s "$1" 1) ))
}

# has_come NAME BEFORE COUNT
has_come() {
	same $(( $(total "$1") - $2 )) "$3" "$1"
}

# kernels: 5.10 6.1 7.2
test_each_path_counts_what_goes_over_it() {
	local errors file first flags i reader reads others time writes
	file=$(disk_file 16)
	flags=(--filter=delay --filter=error file "$file" rdelay=20ms
		error-pread-rate=100% "error-file=$WORK/errors")
	start_nbdkit "${flags[@]}"
	first=$PEER_PID
	PORT=10810 start_nbdkit "${flags[@]}"
	DISK=$(map sessname=s "$HERE" path=tcp:127.0.0.1:10810 \
		device_path=vol0 nr_queues=1 policy=round-robin)
	eventually 20 path_live s 1
	settle

	writes=$(path_stat s writes 0)
	dd if=/dev/zero of="/dev/$DISK" bs=64k count=64 oflag=direct status=none
	settle	# who closes what he wrote to has udev look at it
	has_come writes 0 64
	same $(( $(path_stat s writes 0) - writes )) 32 "writes over the first"
	for i in 0 1; do
		same "$(path_stat s write_bytes $i)" \
			$(( $(path_stat s writes $i) << 16 )) "bytes over $i"
	done

	reads=$(total reads) time=$(total time_us)
	dd if="/dev/$DISK" of=/dev/null bs=4k count=10 iflag=direct status=none
	has_come reads "$reads" 10
	(( $(total time_us) - time >= 200000 )) ||
		fail "10 times 20 ms make $(( $(total time_us) - time )) us"

	others=$(total others)
	blkdiscard -l 1M "/dev/$DISK"
	has_come others "$others" 1
	has_come other_bytes 0 $(( 1 << 20 ))
	sync "/dev/$DISK"
	has_come others "$others" 2
	settle

	errors=$(total errors)
	allow_log "dev $DISK"
	touch "$WORK/errors"
	must_fail direct_read "$DISK" 1
	rm "$WORK/errors"
	has_come errors "$errors" 1

	same "$(total in_flight)" 0 "in flight"
	kill -STOP "$PEER_PID" "$first"
	direct_read "$DISK" 1 > /dev/null &
	reader=$!
	eventually 5 has_come in_flight 0 1
	kill -CONT "$PEER_PID" "$first"
	wait $reader
	same "$(total in_flight)" 0 "in flight"
	unmap "$DISK"
}

test_a_mapping_that_joins_a_session_changes_nothing_of_it() {
	local other
	start_nbdkit memory 16M
	DISK=$(map sessname=s "$HERE" device_path=a policy=prefer keepalive=7)
	log_from_here
	other=$(map sessname=s device_path=b policy=round-robin keepalive=9)
	said 's: its policy stays prefer, not round-robin' ||
		fail "nothing is said of the policy"
	said 's: its keepalive stays 7, not 9' ||
		fail "nothing is said of keepalive"
	same "$(cat "$CLIENT/sessions/s/policy")" prefer policy
	unmap "$other"
	log_from_here
	other=$(map sessname=s device_path=b policy=prefer keepalive=7)
	! said stays || fail "something is said of what is the same"
	unmap "$other"
	unmap "$DISK"
}

discards_are() {
	same "$(queue_limit "$DISK" discard_max_bytes)" "$1" discard_max_bytes
}

# Of two servers one cannot, and is not asked to.
# kernels: 5.10 6.1 7.2
test_discards_are_what_all_paths_can_do() {
	local most
	start_nbdkit memory 16M
	PORT=10810 start_script flags=flush:fua:zeroes:multi:cache:fast
	DISK=$(map sessname=s "$HERE" device_path=vol0)
	most=$(queue_limit "$DISK" discard_max_bytes)
	(( most >= 1 << 20 )) || fail "discards of $most bytes with one path"
	write_sysfs "$CLIENT/sessions/s/add_path" tcp:127.0.0.1:10810
	eventually 20 path_live s 1
	eventually 20 discards_are 0
	write_sysfs "$CLIENT/sessions/s/paths/1/remove" 1
	eventually 20 discards_are "$most"
	blkdiscard -l 1M "/dev/$DISK"
	no_violations
	unmap "$DISK"
}

# A path that comes later is the last choice, also in the place of an older one.
test_prefer_keeps_the_order() {
	start_nbdkit memory 16M
	PORT=10810 start_nbdkit memory 16M
	DISK=$(map sessname=s path=tcp:127.0.0.2:10810 \
		path=tcp:127.0.0.1:10810 device_path=vol0 nr_queues=1)
	eventually 20 path_live s 1
	write_sysfs "$CLIENT/sessions/s/paths/0/remove" 1
	write_sysfs "$CLIENT/sessions/s/add_path" tcp:127.0.0.1
	eventually 20 path_live s 0
	settle
	between "$(reads_of_first prefer 1)" 0 0 prefer
	unmap "$DISK"
}

# How long an outage takes says nothing of how long answers do.
test_min_latency_forgives_an_outage() {
	local file first
	file=$(disk_file 16)
	start_nbdkit file "$file"
	first=$PEER_PID
	PORT=10810 start_nbdkit --filter=delay file "$file" rdelay=50ms
	DISK=$(map sessname=s "$HERE" path=tcp:127.0.0.1:10810 \
		device_path=vol0 nr_queues=1 io_timeout=2 policy=min-latency)
	eventually 20 path_live s 1
	settle
	reads_of_first min-latency 1
	kill -STOP "$first"
	defer kill -CONT "$first"
	direct_read "$DISK" 1 > /dev/null
	same "$(path_stat s failures)" 1 "failures of the path"
	kill -CONT "$first"
	eventually 10 path_live s 0
	between "$(reads_of_first min-latency 1)" 20 32 "fast again"
	unmap "$DISK"
}

# Poll queues: replies are looked for instead of waited for.
# kernels: 5.10 6.1 7.2
test_poll_queues() {
	local disk
	start_nbdkit memory 16M
	disk=$(map sessname=s "$HERE" device_path=vol0 nr_queues=1 \
		nr_poll_queues=1)
	same "$(queue_limit "$disk" io_poll)" 1 io_poll
	same "$(cat "/sys/block/$disk/unbd/nr_poll_queues")" 1 nr_poll_queues
	fio --name=poll --filename="/dev/$disk" --ioengine=pvsync2 --hipri \
		--direct=1 --rw=randrw --bs=4k --size=4M --number_ios=300 \
		--verify=crc32c --minimal > "$WORK/fio" 2>&1 ||
		fail "fio pvsync2: $(tail -n 2 "$WORK/fio")"
	trace_events tcp/tcp_rcv_space_adjust
	fio --name=poll --filename="/dev/$disk" --ioengine=io_uring --hipri \
		--direct=1 --rw=randrw --bs=4k --size=4M --number_ios=300 \
		--iodepth=16 --verify=crc32c --minimal > "$WORK/fio" 2>&1 ||
		fail "fio io_uring: $(tail -n 2 "$WORK/fio")"
	# It has taken replies from the connection's socket itself.
	grep -q '^ *fio-.* dport=10809' $TRACING/trace ||
		fail "fio has not polled"
	# Poll queues carry what is polled and the others the rest.
	direct_read "$disk" 1 > /dev/null
	unmap "$disk"
	disk=$(map sessname=s "$HERE" device_path=vol0 nr_poll_queues=-1)
	same "$(cat "/sys/block/$disk/unbd/nr_poll_queues")" "$(nproc)" \
		"nr_poll_queues=-1"
	unmap "$disk"
}

test_poll_queues_over_a_unix_socket() {
	local disk
	start_nbdkit -U "$WORK/socket" memory 16M
	disk=$(map sessname=s "path=unix:$WORK/socket" device_path=vol0 \
		nr_queues=1 nr_poll_queues=1)
	fio --name=poll --filename="/dev/$disk" --ioengine=pvsync2 --hipri \
		--direct=1 --rw=randrw --bs=4k --size=4M --number_ios=200 \
		--verify=crc32c --minimal > "$WORK/fio" 2>&1 ||
		fail "fio pvsync2: $(tail -n 2 "$WORK/fio")"
	unmap "$disk"
}
