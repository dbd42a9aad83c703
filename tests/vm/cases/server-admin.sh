# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The export server as its administrator sees it: exports, listeners, who may
# connect, what is counted, and how clients are got rid of.
# kernels: 6.1
# cpus: 2
# timeout: 600
# tags: tcp server

. /bed/tcp.sh

EXPORTS=$SERVER/exports
CONNECTIONS=$SERVER/connections

# begin [KEY=VALUE...] - a file as vol0, and a listener
begin() {
	FILE=$(disk_file 16)
	export_dev name=vol0 "device_path=$FILE" "$@"
	listen tcp:127.0.0.1:10809
}

# bad FILE ERRNO TEXT REGEX
bad() {
	refused "$2" "$SERVER/$1" "$3" "^unbd-server: $1: .*$4"
}

no_exports() {
	same "$(ls -A "$EXPORTS")" "" exports
}

stat_of() {
	cat "$EXPORTS/$1/stats/$2"
}

connections() {
	local dir
	for dir in "$CONNECTIONS"/*; do
		[[ ! -d $dir ]] || echo "${dir##*/}"
	done
}

test_nothing_is_there_until_somebody_says_so() {
	load server
	no_exports
	same "$(connections)" "" connections
	same "$(cat "$SERVER/listeners")" "" listeners
	matches "$(cat "$SERVER/export_device")" 'name=.*device_path=' usage
	matches "$(cat "$SERVER/unexport_device")" force usage
	matches "$(cat "$SERVER/listen")" tcp: usage
	matches "$(cat "$SERVER/unlisten")" ADDRESS usage
}

test_export_and_unexport() {
	begin
	same "$(cat "$EXPORTS/vol0/device_path")" "$FILE" device_path
	same "$(cat "$EXPORTS/vol0/size")" $(( 16 << 20 )) size
	same "$(cat "$EXPORTS/vol0/kind")" file kind
	same "$(cat "$EXPORTS/vol0/access_mode")" rw access_mode
	same "$(cat "$EXPORTS/vol0/clients")" any clients
	same "$(cat "$EXPORTS/vol0/state")" live state
	same "$(cat "$EXPORTS/vol0/connections")" 0 connections
	same "$(cat "$SERVER/listeners")" tcp:127.0.0.1:10809 listeners
	same "$(nbdinfo --size nbd://127.0.0.1/vol0)" $(( 16 << 20 )) size
	expect_log 'unbd-server: exported vol0: file .*rw, 16777216 bytes'
	unexport vol0
	no_exports
	must_fail nbdinfo --size nbd://127.0.0.1/vol0 2> /dev/null
	expect_log 'unbd-server: vol0 is no longer exported'
	unlisten tcp:127.0.0.1:10809
	same "$(ss -Hltn 'sport = :10809')" "" "sockets that listen"
}

test_lines_that_are_wrong() {
	local long file
	load server
	file=$(disk_file 1)
	long=$(printf 'x%.0s' {1..256})
	bad export_device EINVAL " " 'name= is missing'
	bad export_device EINVAL "name=a" 'device_path= is missing'
	bad export_device EINVAL "name=a device_path=$file colour=red" \
		'unknown key in "colour=red"'
	bad export_device EINVAL "name=a name=b device_path=$file" 'given twice'
	bad export_device EINVAL "name=a device_path=$file device_path=$file" \
		'given twice'
	bad export_device EINVAL "name=a/b device_path=$file" "cannot have a '/'"
	bad export_device EINVAL "name=.. device_path=$file" 'is not a name'
	bad export_device ENAMETOOLONG "name=$long device_path=$file" 'longer than'
	bad export_device E2BIG "name=a device_path=/$(printf 'x%.0s' {1..5000})" \
		'longer than'
	bad export_device EINVAL "name=a device_path=relative" 'does not begin'
	bad export_device ENOENT "name=a device_path=/nonexistent/disk" \
		'/nonexistent/disk: no such'
	bad export_device EISDIR "name=a device_path=/etc" 'neither a block'
	bad export_device ENOTBLK "name=a device_path=/dev/null" 'neither a block'
	bad export_device EINVAL "name=a device_path=$file access_mode=all" \
		'access_mode=all'
	bad export_device EINVAL "name=a device_path=$file clients=host" \
		'clients=host'
	bad export_device ERANGE "name=a device_path=$file clients=10.0.0.0/33" \
		'10.0.0.0/33'
	bad export_device EINVAL "name=a device_path=$file clients=10.0.0.0/x" \
		'10.0.0.0/x'
	bad export_device EINVAL "name=a device_path=$file clients=" 'clients='
	no_exports
	bad unexport_device ENOENT nothing 'nothing: no such export'
	bad unexport_device EINVAL " " 'expected'
	bad unexport_device EINVAL "vol0 now" 'expected'
	bad listen EINVAL " " 'one address is expected'
	bad listen EINVAL tcp:here 'is no numeric'
	bad listen EPROTONOSUPPORT udp:127.0.0.1 'names no transport'
	bad listen EADDRNOTAVAIL tcp:192.0.2.1:10809 'no such address'
	bad listen ENODEV 'tcp:[fe80::1%nosuch0]:10809' 'interface'
	bad listen ENOENT unix:/nonexistent/socket 'no such directory'
	bad listen EINVAL fd:3 'descriptor'
	bad unlisten ENOENT tcp:127.0.0.1:10809 'not listened on'
	same "$(cat "$SERVER/listeners")" "" listeners
}

test_a_name_is_taken_once() {
	begin
	bad export_device EEXIST \
		"name=vol0 device_path=$(disk_file 1 other)" 'vol0: the name is taken'
	same "$(cat "$EXPORTS/vol0/device_path")" "$FILE" device_path
}

test_a_second_listener_on_one_port() {
	begin
	bad listen EADDRINUSE tcp:127.0.0.1:10809 'listened on already'
	bad listen EADDRINUSE tcp:0.0.0.0:10809 'address is in use'
	PORT=10810 start_peer socat TCP4-LISTEN:10810,fork /dev/null
	bad listen EADDRINUSE tcp:127.0.0.1:10810 'address is in use'
	listen tcp:127.0.0.2:10809
	same "$(nbdinfo --size nbd://127.0.0.2/vol0)" $(( 16 << 20 )) size
}

test_listeners_of_each_kind() {
	begin
	listen 'tcp:[::1]:10811'
	listen "unix:$WORK/socket"
	listen unix:@bed
	same "$(nbdinfo --size 'nbd://[::1]:10811/vol0')" $(( 16 << 20 )) tcp6
	same "$(nbdinfo --size "nbd+unix:///vol0?socket=$WORK/socket")" \
		$(( 16 << 20 )) unix
	same "$(socat -u -T 1 ABSTRACT-CONNECT:bed - | head -c 8)" NBDMAGIC abstract
	if modprobe -q vsock_loopback; then
		listen vsock:any:10812
		same "$(nbdinfo --size nbd+vsock://1:10812/vol0)" \
			$(( 16 << 20 )) vsock
	fi
	unlisten "unix:$WORK/socket"
	must_fail test -e "$WORK/socket"
	must_fail nbdinfo --size "nbd+unix:///vol0?socket=$WORK/socket" \
		2> /dev/null
	# IPv4 reaches the wildcard of IPv6.
	listen 'tcp:[::]:10813'
	same "$(nbdinfo --size nbd://127.0.0.1:10813/vol0)" $(( 16 << 20 )) both
}

# They are made in the network namespace of who writes.
test_a_listener_in_another_namespace() {
	local inside="ip netns exec bed"
	begin
	ip netns add bed
	defer ip netns del bed
	$inside ip link set lo up
	$inside bedctl write "$SERVER/listen" tcp:127.0.0.1:10811
	same "$($inside nbdinfo --size nbd://127.0.0.1:10811/vol0)" \
		$(( 16 << 20 )) "size, asked inside"
	must_fail nbdinfo --size nbd://127.0.0.1:10811/vol0 2> /dev/null
	same "$($inside bedctl write "$SERVER/unlisten" tcp:127.0.0.1:10809)" \
		ENOENT "unlisten what is outside"
	$inside bedctl write "$SERVER/unlisten" tcp:127.0.0.1:10811
	same "$(cat "$SERVER/listeners")" tcp:127.0.0.1:10809 listeners
}

# More than a page of each, and as many connections as 64 hosts with 64
# processors have
# gate: none
test_many_listeners_exports_and_connections() {
	local begin dir i wanted=""
	dir=$WORK/$(printf 'd%.0s' {1..60})
	mkdir "$dir"
	FILE=$(disk_file 1)
	load server
	for i in {1..60}; do
		listen "unix:$dir/$i"
		wanted+="unix:$dir/$i"$'\n'
	done
	same "$(< "$SERVER/listeners")" "${wanted%$'\n'}" listeners
	same "$(dd if="$SERVER/listeners" bs=7 status=none)" \
		"${wanted%$'\n'}" "listeners in small pieces"
	same "$(unbd list --json | jq '.listeners | length')" 60 \
		"listeners that unbd knows"
	for i in {1..1000}; do
		echo "name=vol$i device_path=$FILE access_mode=ro" \
			> "$SERVER/export_device"
	done
	same "$(ls "$EXPORTS" | wc -l)" 1000 exports
	same "$(exports_told "unix:$dir/60")" 1000 \
		"exports that a client is told of"
	same "$(nbdinfo --size "nbd+unix:///vol999?socket=$dir/60")" \
		$(( 1 << 20 )) size
	eventually 5 no_connections
	echo 4096 > /sys/module/unbd_server/parameters/max_connections
	ulimit -n 5000
	coproc CROWD { exec python3 $PEERS/nbd_crowd.py "$dir" 60 4096 1000; }
	begin=$SECONDS
	read -r -t "$(scaled 120)" i <&"${CROWD[0]}" || fail "nobody comes"
	same "$i" "4096 are served" "what they say"
	echo "$(( SECONDS - begin )) s"
	same "$(ls "$CONNECTIONS" | wc -l)" 4096 connections
	same "$(unbd stats --json | jq '[.exports[].connections | length] | add')" 4096 \
		"connections that unbd knows"
	same "$(cat "$EXPORTS"/*/connections | awk '{ n += $1 } END { print n }')" \
		4096 "connections of all exports"
	# One more is told apart from those.
	must_fail nbdinfo --size "nbd+unix:///vol1?socket=$dir/1" 2> /dev/null
	echo >&"${CROWD[1]}"
	eventually 60 no_connections
	nbdinfo --size "nbd+unix:///vol1?socket=$dir/1"
}

# exports_told ADDRESS - how many a client is told of
exports_told() {
	python3 - "$PEERS" "$1" <<-'EOF'
		import sys
		sys.path.insert(0, sys.argv[1])
		from hostile_wire import Link
		class Target:
		    address, export = sys.argv[2], ""
		print(len(Link(Target).acked("LIST")))
	EOF
}

# make_namespace - with a wire to it, which is there as long as the namespace is
make_namespace() {
	ip netns add bed
	defer eval "ip netns del bed 2> /dev/null || :"
	ip link add bed0 type veth peer name bed1 netns bed
	defer eval "ip link del bed0 2> /dev/null || :"
	ip addr add 10.9.0.2/24 dev bed0
	ip link set bed0 up
	ip -n bed addr add 10.9.0.1/24 dev bed1
	ip -n bed link set bed1 up
}

no_wire() {
	[[ ! -e /sys/class/net/bed0 ]]
}

# A container that stops does not say unlisten.
test_a_listener_ends_with_its_namespace() {
	local inside="ip netns exec bed" address i
	begin
	for i in {1..3}; do
		make_namespace
		for address in tcp:0.0.0.0:10811 'tcp:[::]:10812' \
			"unix:$WORK/inside" unix:@bed; do
			$inside bedctl write "$SERVER/listen" "$address"
		done
		same "$(nbdinfo --size nbd://10.9.0.1:10811/vol0)" \
			$(( 16 << 20 )) "size, asked of namespace $i"
		# Somebody who has not said anything yet
		exec 7<> /dev/tcp/10.9.0.1/10811
		exec 7<&-
		eventually 5 no_connections
		log_from_here
		ip netns del bed
		eventually 10 no_wire
		same "$(cat "$SERVER/listeners")" tcp:127.0.0.1:10809 listeners
		must_fail test -e "$WORK/inside"
		expect_log 'no longer listening on tcp:0.0.0.0:10811: its network namespace is gone' "$i"
		same "$(our_log | wc -l)" 4 "lines for 4 listeners"
	done
	# And there is nothing that holds the modules.
	unlisten tcp:127.0.0.1:10809
	unload tcp-server
	unload server
}

# Who is connected may go on, and keeps the namespace, until it goes, too.
test_a_namespace_that_goes_with_the_last_client() {
	begin
	make_namespace
	ip netns exec bed bedctl write "$SERVER/listen" tcp:0.0.0.0:10811
	exec 7<> /dev/tcp/10.9.0.1/10811
	eventually 5 eval '! no_connections'
	ip netns del bed
	sleep 5
	must_fail no_wire
	same "$(cat "$SERVER/connections/"*/state)" negotiating state
	exec 7<&-
	eventually 10 no_wire
	same "$(cat "$SERVER/listeners")" tcp:127.0.0.1:10809 listeners
}

# A dead server's socket is taken over, anything else is not.
test_unix_names_that_exist() {
	begin
	python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])' "$WORK/socket"
	listen "unix:$WORK/socket"
	bad listen EADDRINUSE "unix:$WORK/../work/socket" 'in use'
	echo text > "$WORK/file"
	bad listen EADDRINUSE "unix:$WORK/file" 'in use'
	same "$(cat "$WORK/file")" text "a file that is no socket"
}

test_who_may_connect() {
	begin clients=127.0.0.5,127.0.1.0/24,10.0.0.0/8,fd00::/16
	same "$(cat "$EXPORTS/vol0/clients")" \
		127.0.0.5/32,127.0.1.0/24,10.0.0.0/8,fd00:0:0:0:0:0:0:0/16 \
		clients
	listen "unix:$WORK/socket"
	log_from_here
	must_fail nbdinfo --size nbd://127.0.0.1/vol0 2> /dev/null
	one_line_says 'refused 127.0.0.1.*' "a refused client"
	from_address 127.0.0.5
	from_address 127.0.1.77
	must_fail from_address 127.0.2.1
	must_fail from_address 127.0.0.6
	# To the wildcard of IPv6, too
	listen 'tcp:[::]:10813'
	ip addr add fd00::5/128 dev lo nodad
	defer ip addr del fd00::5/128 dev lo
	from_address 127.0.0.5 10813
	must_fail from_address 127.0.0.6 10813
	from_address '[fd00::5]' 10813
	must_fail from_address '[::1]' 10813
	# Whoever may open the file may use the socket.
	nbdinfo --size "nbd+unix:///vol0?socket=$WORK/socket"
	# An export for all lets everybody connect, and see only that one.
	export_dev name=open "device_path=$(disk_file 1 other)"
	same "$(nbdinfo --list --json nbd://127.0.0.1 |
		jq -r '.exports[]."export-name"')" open "exports for 127.0.0.1"
	must_fail nbdinfo --size nbd://127.0.0.1/vol0 2> /dev/null
	nbdinfo --size nbd://127.0.0.1/open
	# Nothing guards an abstract name, and no list could have it.
	listen unix:@bed
	socat "UNIX-LISTEN:$WORK/abstract,fork" ABSTRACT-CONNECT:bed &
	defer kill $!
	eventually 5 test -S "$WORK/abstract"
	nbdinfo --size "nbd+unix:///open?socket=$WORK/abstract"
	must_fail nbdinfo --size "nbd+unix:///vol0?socket=$WORK/abstract" \
		2> /dev/null
	# A client by vsock has no address that a list could have.
	modprobe -q vsock_loopback || return 0
	listen vsock:any:10814
	must_fail nbdinfo --size nbd+vsock://1:10814/vol0 2> /dev/null
	nbdinfo --size nbd+vsock://1:10814/open
}

# What a client says must not look like what the kernel says.
test_names_of_clients_in_the_log() {
	local name
	begin
	log_from_here
	for name in a%0Aunbd-server:%20all%20is%20well a%1B%5B2J; do
		must_fail nbdinfo --size "nbd://127.0.0.1/$name" 2> /dev/null
	done
	# The log's reader says \x5c for a backslash.
	expect_log 'refused .*"a\\x5cnunbd-server: all is well": there is no' 1
	expect_log 'refused .*"a\\x5c(e|033|x1b)\[2J": there is no' 1
	must_fail expect_log '^unbd-server: all is well' 1
}

# from_address ADDRESS [PORT] - a greeting for a client from there
from_address() {
	local to=TCP4:127.0.0.1
	[[ $1 != *:* ]] || to="TCP6:[::1]"
	[[ $(socat -u -T 2 "$to:${2:-10809},bind=$1" - |
		head -c 8) == NBDMAGIC ]]
}

test_who_may_write() {
	local errors
	begin access_mode=ro
	same "$(cat "$EXPORTS/vol0/access_mode")" ro access_mode
	matches "$(cat "$EXPORTS/vol0/features")" read-only features
	same "$(nbdinfo --json nbd://127.0.0.1/vol0 |
		jq '.exports[0].is_read_only')" true is_read_only
	errors=$(stat_of vol0 errors)
	must_fail qemu-io -f raw -c 'write 0 4k' nbd://127.0.0.1/vol0 \
		> /dev/null 2>&1
	same "$(stat_of vol0 errors)" "$errors" "errors at the storage"
	# The same file may be read by many and written by one export.
	export_dev name=ro2 "device_path=$FILE" access_mode=ro
	export_dev name=rw "device_path=$FILE"
	bad export_device EBUSY "name=rw2 device_path=$FILE" 'for writing as rw'
	bad export_device EBUSY "name=mi device_path=$FILE access_mode=migration" \
		'for writing as rw'
	unexport rw
	export_dev name=mi1 "device_path=$FILE" access_mode=migration
	export_dev name=mi2 "device_path=$FILE" access_mode=migration
}

# unable FILE TEXT REGEX - root without capabilities may not write that
unable() {
	log_from_here
	same "$(setpriv --bounding-set -all --inh-caps -all \
		bedctl write "$1" "$2" || :)" EPERM "writing '$2' to $1"
	matches "$(bedctl kmsg "$LOG_AT")" "$3: CAP_SYS_ADMIN is needed" log
}

test_roots_name_is_not_enough() {
	local disk number
	begin
	disk=$(map sessname=s "$HERE" device_path=vol0 nr_queues=1)
	number=$(connections)
	unable "$SERVER/export_device" "name=vol1 device_path=$FILE" \
		'unbd-server: export_device'
	unable "$SERVER/unlisten" tcp:127.0.0.1:10809 'unbd-server: unlisten'
	unable "$CONNECTIONS/$number/force_close" 1 'unbd-server: force_close'
	unable "$CLIENT/map_device" "sessname=t $HERE device_path=vol0" \
		'unbd: map_device'
	unable "/sys/block/$disk/unbd/unmap_device" force 'unbd: unmap_device'
	unable "$CLIENT/sessions/s/policy" prefer 'unbd: policy'
	unable "$CLIENT/sessions/s/paths/0/remove" 1 'unbd: remove'
	same "$(cat "$SERVER/listeners")" tcp:127.0.0.1:10809 listeners
	same "$(cat "$CLIENT/sessions/s/paths/0/state")" live state
	unmap "$disk"
}

# A disk that somebody here uses is not given away.
test_block_devices_in_use() {
	local loop
	need_module loop
	loop=$(losetup -f --show "$(disk_file 16)")
	defer losetup -d "$loop"
	allow_log 'error, dev loop'
	mkfs.ext4 -q "$loop"
	mounted "$loop" "$WORK/mnt"
	load server
	bad export_device EBUSY "name=vol0 device_path=$loop" "$loop"
	umount "$WORK/mnt"
	export_dev name=vol0 "device_path=$loop"
	same "$(cat "$EXPORTS/vol0/kind")" "block device" kind
	must_fail mount "$loop" "$WORK/mnt" 2> /dev/null
	bad export_device EBUSY "name=vol1 device_path=$loop" "$loop"
	unexport vol0
	mount "$loop" "$WORK/mnt"
	umount "$WORK/mnt"
}

# exported_and_read - a disk as vol0 of which somebody here has read the beginning,
# and keeps it open
exported_and_read() {
	need_module loop
	LOOP=$(losetup -f --show "$(disk_file 16)")
	defer losetup -d "$LOOP"
	export_dev name=vol0 "device_path=$LOOP"
	listen tcp:127.0.0.1:10809
	exec 9<> "$LOOP"
	read_through_the_cache
}

read_through_the_cache() {
	head -c 65536 "$LOOP" > /dev/null
}

# begins_with CHARACTER - what is read of the disk here
begins_with() {
	head -c 65536 /dev/zero | tr '\0' "$1" |
		cmp - <(head -c 65536 "$LOOP") ||
		fail "not '$1' but old data in the page cache"
}

# Whoever had it open all the time reads what clients have written.
test_a_device_is_read_anew_after_an_export() {
	exported_and_read
	qemu-io -f raw -c 'write -P 0x5a 0 64k' nbd://127.0.0.1/vol0 > /dev/null
	eventually 10 no_connections
	unexport vol0
	begins_with Z
	exec 9<&-
}

test_a_device_is_read_anew_while_it_is_exported() {
	local url=nbd://127.0.0.1/vol0
	exported_and_read
	allow_log 'operation not supported error, dev loop'
	qemu-io -f raw -c 'write -P 0x5a 0 64k' $url > /dev/null
	begins_with Z
	qemu-io -f raw -c 'write -z 0 64k' $url > /dev/null
	begins_with '\0'
	# Nothing that is written here is lost.
	head -c 4096 /dev/zero | tr '\0' X | dd of="$LOOP" bs=4k seek=256 \
		conv=notrunc status=none
	qemu-io -f raw -c 'write -P 0x5a 1M 64k' $url > /dev/null
	same "$(head -c 4096 /dev/zero | tr '\0' X | md5sum)" \
		"$(dd if="$LOOP" bs=4k skip=256 count=1 status=none | md5sum)" \
		"what was written here"
	exec 9<&-
}

# read_ms DISK - milliseconds that its first 16 MiB take
read_ms() {
	local begin
	begin=$(milliseconds)
	dd if="/dev/$1" of=/dev/null bs=128k count=128 iflag=direct status=none
	echo $(( $(milliseconds) - begin ))
}

test_what_follows_in_a_file_makes_no_read_slower() {
	local first large name second small
	for name in 16 160; do
		dd if=/dev/zero of="$WORK/$name" bs=1M count=$name status=none
		export_dev name=$name "device_path=$WORK/$name"
	done
	listen tcp:127.0.0.1:10809
	small=$(map sessname=s "$HERE" device_path=16)
	large=$(map sessname=s device_path=160)
	first=$(read_ms "$small")
	second=$(read_ms "$large")
	(( second < first * 3 / 2 + 20 )) ||
		fail "16 MiB of 160 take $second ms, 16 MiB of 16 $first ms"
	unmap "$large"
	unmap "$small"
}

# holes_of EXPORT - where they are and how long, of a client's map
holes_of() {
	nbdinfo --map "nbd://127.0.0.1/$1" | awk '$3 == 3 { print $1, $2 }'
}

# Data that a client has been told of may be a hole the next time.
test_holes_that_clients_make() {
	FILE=$WORK/full
	dd if=/dev/zero of="$FILE" bs=1M count=4 status=none
	export_dev name=vol0 "device_path=$FILE"
	listen tcp:127.0.0.1:10809
	same "$(holes_of vol0)" "" "holes of what is full"
	qemu-io -f raw -c 'discard 1M 1M' nbd://127.0.0.1/vol0 > /dev/null
	same "$(holes_of vol0)" "1048576 1048576" "holes after a discard"
	qemu-io -f raw -c 'write -z -u 3M 1M' nbd://127.0.0.1/vol0 > /dev/null
	same "$(holes_of vol0)" $'1048576 1048576\n3145728 1048576' \
		"holes after zeroing"
	qemu-io -f raw -c 'write -P 1 1M 1M' nbd://127.0.0.1/vol0 > /dev/null
	same "$(holes_of vol0)" "3145728 1048576" "holes after a write"
}

test_what_is_counted() {
	local dir
	begin
	qemu-io -f raw -c 'write 0 64k' -c 'write 1M 64k' -c 'read 0 4k' \
		-c 'read 8k 4k' -c 'read 64k 4k' -c flush -c 'discard 2M 64k' \
		-c 'write -z 4M 64k' nbd://127.0.0.1/vol0 > /dev/null
	(( $(stat_of vol0 writes) == 2 )) || fail "writes $(stat_of vol0 writes)"
	same "$(stat_of vol0 bytes_written)" 131072 bytes_written
	(( $(stat_of vol0 reads) >= 3 )) || fail "reads $(stat_of vol0 reads)"
	(( $(stat_of vol0 bytes_read) >= 12288 )) || fail bytes_read
	(( $(stat_of vol0 flushes) >= 1 )) || fail flushes
	same "$(stat_of vol0 discards)" 1 discards
	same "$(stat_of vol0 write_zeroes)" 1 write_zeroes
	same "$(stat_of vol0 errors)" 0 errors

	sit_there vol0
	dir=$CONNECTIONS/$(connections)
	same "$(cat "$dir/export")" vol0 export
	same "$(cat "$dir/transport")" tcp transport
	matches "$(cat "$dir/peer")" '127.0.0.1' peer
	same "$(cat "$dir/state")" open state
	same "$(cat "$dir/stats/reads")" 1 "reads of the connection"
	same "$(cat "$EXPORTS/vol0/connections")" 1 "connections of vol0"
}

# sit_there EXPORT - a client that reads a block and keeps its connection
sit_there() {
	# nbdsh is not packaged for scripts of this length: the raw way.
	python3 - "$1" "$PEERS" > "$WORK/sitting" 2>&1 <<-'EOF' &
		import sys, time
		sys.path.insert(0, sys.argv[2])
		from hostile_wire import Link
		class Target:
		    address, export = "tcp:127.0.0.1:10809", sys.argv[1]
		link = Link(Target).go()
		link.read(0, 4096)
		print("open", flush=True)
		try:
		    link.closed(1000)
		    print("closed", flush=True)
		except Exception as e:
		    print(e, flush=True)
	EOF
	SITTING=$!
	defer kill $SITTING
	eventually 10 grep -q open "$WORK/sitting"
}

test_force_close_of_one_connection() {
	local number
	begin
	sit_there vol0
	number=$(connections)
	refused EINVAL "$CONNECTIONS/$number/force_close" 0 'only 1 can be written'
	write_sysfs "$CONNECTIONS/$number/force_close" 1
	eventually 5 grep -q closed "$WORK/sitting"
	eventually 5 no_connection "$number"
	nbdinfo --size nbd://127.0.0.1/vol0
}

no_connection() {
	[[ ! -d $CONNECTIONS/$1 ]]
}

test_unexport_with_clients() {
	begin
	sit_there vol0
	bad unexport_device EBUSY vol0 '1 connections are using it'
	unexport "vol0 force"
	eventually 5 grep -q closed "$WORK/sitting"
	no_exports
	rm "$FILE"
}

# By force while writes are under way: what is answered is there.
test_unexport_by_force_under_load() {
	local disk
	begin
	disk=$(map sessname=s "$HERE" device_path=vol0)
	write_steadily "$disk"
	sleep 1
	unexport "vol0 force"
	no_exports
	eventually 10 state_is "$disk" parked
	export_dev name=vol0 "device_path=$FILE"
	eventually 10 state_is "$disk" live
	end_writing
	unmap "$disk"
}

# The disk keeps what it was given for as long as it likes: a connection that is
# to go waits, and is no hung task meanwhile.
test_connections_are_closed_while_the_disk_hangs() {
	local disk loop number
	need_module loop
	loop=$(losetup -f --show "$(disk_file 16)")
	defer losetup -d "$loop"
	dmsetup create hangs --table "0 32768 linear $loop 0"
	defer eval "dmsetup resume hangs; dmsetup remove --deferred hangs"
	export_dev name=vol0 device_path=/dev/mapper/hangs
	listen tcp:127.0.0.1:10809
	disk=$(map sessname=s "$HERE" device_path=vol0 nr_queues=1)
	settle 20
	dmsetup suspend --nolockfs --noflush hangs
	dd if=/dev/zero of="/dev/$disk" bs=64k count=4 oflag=direct \
		status=none &
	sleep 1
	number=$(connections)
	write_sysfs "$CONNECTIONS/$number/force_close" 1
	sleep 1
	same "$(cat "$CONNECTIONS/$number/state")" closing state
	same "$(ps axo stat,comm --no-headers | awk '/^D.*kworker/')" \
		"" "workers in uninterruptible sleep"
	dmsetup resume hangs
	wait $!
	eventually 10 test ! -d "$CONNECTIONS/$number"
	unmap "$disk"
	unexport vol0
}

# Listening ends, connections stay.
test_unlisten_leaves_connections_alone() {
	local disk
	begin
	disk=$(map sessname=s "$HERE" device_path=vol0)
	unlisten tcp:127.0.0.1:10809
	direct_read "$disk" 1 > /dev/null
	same "$(path_stat s failures)" 0 failures
	unmap "$disk"
}

test_limits_of_connections() {
	begin
	echo 5 > /sys/module/unbd_server/parameters/max_connections
	echo 3 > /sys/module/unbd_server/parameters/max_connections_per_export
	python3 - "$PEERS" > "$WORK/limits" 2>&1 <<-'EOF' || true
		import sys
		sys.path.insert(0, sys.argv[1])
		from hostile_wire import Link, Wrong, go_data
		class Target:
		    address, export = "tcp:127.0.0.1:10809", "vol0"
		links = [Link(Target).go() for _ in range(3)]
		fourth = Link(Target)
		fourth.refused("POLICY", "GO", go_data("vol0"))
		fifth = Link(Target)
		try:
		    Link(Target, greet=False).closed()
		except ConnectionResetError:
		    pass  # before connect() had returned
		for link in links:
		    link.alive()
		print("fine")
	EOF
	grep -q fine "$WORK/limits" || fail "$(tail -n 1 "$WORK/limits")"
	expect_log 'refused 127.0.0.1.*max_connections=5'
	eventually 10 nbdinfo --size nbd://127.0.0.1/vol0
}

# A map of more connections than there may be gets by with those.
test_a_client_that_wants_more_than_there_may_be() {
	local disk
	begin
	echo 1 > /sys/module/unbd_server/parameters/max_connections_per_export
	disk=$(map sessname=s "$HERE" device_path=vol0 nr_queues=2)
	direct_read "$disk" 1 > /dev/null
	expect_log '1 of 2 connections: '
	unmap "$disk"
}

test_the_default_export() {
	begin
	same "$(nbdinfo --size nbd://127.0.0.1)" $(( 16 << 20 )) "the only one"
	export_dev name=other "device_path=$(disk_file 1 other)"
	must_fail nbdinfo --size nbd://127.0.0.1 2> /dev/null
	export_dev name=default "device_path=$(disk_file 2 third)"
	same "$(nbdinfo --size nbd://127.0.0.1)" $(( 2 << 20 )) "the default"
}
