# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The command unbd, from nothing to a disk and back.
# kernels: 6.1
# timeout: 120
# tags: tool tcp

. /bed/tcp.sh

MIB=8

# exits STATUS REGEX unbd... - it fails so, with such a message, and prints
# nothing
exits() {
	local status=0 wanted=$1 regex=$2
	shift 2
	"$@" > "$WORK/stdout" 2> "$WORK/stderr" || status=$?
	same "$status" "$wanted" "exit status of '$*' ($(< "$WORK/stderr"))"
	matches "$(< "$WORK/stderr")" "$regex" "what '$*' says"
	same "$(< "$WORK/stdout")" "" "output of '$*'"
}

# serve - a file as vol0 to listeners that all paths below lead to
serve() {
	FILE=$(disk_file $MIB)
	unbd export vol0 "$FILE" --clients 127.0.0.0/8,::1
	unbd listen tcp:127.0.0.1:10809
}

# ask JQ COMMAND... - of the JSON that it prints
ask() {
	local filter=$1
	shift
	"$@" > "$WORK/json"
	jq -r "$filter" "$WORK/json"
}

# another_parser COMMAND... - of JSON does not mind it, either
another_parser() {
	"$@" | python3 -m json.tool > /dev/null
}

# holds DISK - a pattern written through it comes back, and is in the file
holds() {
	pattern "$WORK/pattern" $MIB
	dd if="$WORK/pattern" of="$1" bs=1M oflag=direct status=none
	dd if="$1" bs=1M iflag=direct status=none | cmp - "$WORK/pattern"
	cmp "$FILE" "$WORK/pattern"
}

# shown NAME KEY - a value of "unbd show"
shown() {
	unbd show "$1" | awk -v key="$2" '$1 == key { print $2; exit }'
}

test_a_disk_from_its_export_to_its_end() {
	local disk
	serve
	same "$(loaded | grep -c server)" 2 "modules of the server"
	disk=$(unbd map sessname=blya path=tcp:127.0.0.1 device_path=vol0 \
		fail_timeout=-1)
	same "$disk" /dev/unbd0 "what was mapped"
	holds "$disk"
	settle 10
	holds /dev/disk/by-unbd/blya:vol0

	matches "$(unbd list)" "/dev/unbd0 +8M +rw +live +1/1 +blya +vol0" list
	matches "$(unbd list)" "vol0 +8M +rw +live +[0-9]+ .*$FILE" list
	matches "$(unbd list)" "tcp:127.0.0.1:10809" list
	same "$(shown unbd0 session)" blya
	same "$(shown /dev/unbd0 fail_timeout)" -1
	same "$(shown /dev/disk/by-unbd/blya:vol0 export)" vol0
	same "$(shown blya policy)" min-inflight
	same "$(shown vol0 device_path)" "$FILE"

	truncate -s 16M "$FILE"
	unbd resize unbd0
	same "$(blockdev --getsize64 "$disk")" $(( 16 << 20 )) size
	unbd resize "$disk" 9M
	same "$(blockdev --getsize64 "$disk")" $(( 9 << 20 )) size

	exits 1 'Device or resource busy' unbd unexport vol0
	settle 10
	unbd unmap /dev/disk/by-unbd/blya:vol0
	same "$(unbd_disks)" "" disks
	eventually 5 no_connections
	unbd unexport vol0
	unbd unlisten tcp:127.0.0.1:10809
	same "$(unbd list)" "" list
}

test_what_it_prints_is_JSON() {
	serve
	same "$(ask .disk unbd map nbd://127.0.0.1/vol0 --session a --json)" \
		unbd0 "disk that was mapped"
	holds /dev/unbd0
	same "$(ask .disks[0].size unbd list --json)" $(( MIB << 20 ))
	same "$(ask .listeners[0] unbd list --json)" tcp:127.0.0.1:10809
	same "$(ask .disks[0].paths[0].dst unbd show unbd0 --json)" \
		tcp:127.0.0.1
	same "$(ask '.exports | length' unbd show unbd0 --json)" 0
	same "$(ask .exports[0].clients unbd show vol0 --json)" \
		127.0.0.0/8,0:0:0:0:0:0:0:1/128
	same "$(ask .sessions[0].disks[0].disk unbd show a --json)" unbd0
	(( $(ask .disks[0].bytes_written unbd stats unbd0 --json) >=
		MIB << 20 )) || fail "written: $(cat "$WORK/json")"
	same "$(ask .exports[0].bytes_written unbd stats --json)" \
		$(( MIB << 20 )) "written to the file"
	same "$(ask .exports[0].errors unbd stats vol0 --json)" 0
	matches "$(unbd stats)" 'bytes_written +8M' stats
	another_parser unbd list --json
	another_parser unbd stats --json
}

# A reader works meanwhile, so each picture has something to show.
test_top() {
	local row reader
	serve
	unbd map nbd://127.0.0.1/vol0 --session a
	while dd if=/dev/unbd0 of=/dev/null bs=4k count=64 iflag=direct \
		status=none; do
		doze 0.1
	done &
	reader=$!
	defer kill $reader
	unbd top --count 2 > "$WORK/top"
	for row in 'NAME +STATE +READ/s' 'session a' \
		'0 tcp:127.0.0.1 +live +[0-9]' 'unbd0 vol0 +live +[0-9]' \
		'export vol0 +live +[0-9]'; do
		same "$(grep -cE "$row" "$WORK/top")" 2 "rows '$row'"
	done
	(( $(grep -cE ' 127.0.0.1:[0-9]+ +open ' "$WORK/top") >= 2 )) ||
		fail "connections: $(< "$WORK/top")"
	eventually 5 traffic_is_shown
	same "$(unbd top --count 2 --interval 0.1 --json | wc -l)" 2 lines
	kill $reader
	wait $reader || true
	unbd unmap a
}

test_top_on_a_terminal() {
	local top
	serve
	unbd map nbd://127.0.0.1/vol0 --session a
	mkfifo "$WORK/keys"
	/usr/bin/script -qefc "unbd top --interval 0.1" "$WORK/screen" \
		< "$WORK/keys" > /dev/null &
	top=$!
	exec 8> "$WORK/keys"
	eventually 10 grep -qs 'unbd0 vol0 *live' "$WORK/screen"
	echo q >&8
	within 10 tail -s 0.1 --pid=$top -f /dev/null
	wait $top
	exec 8>&-
	# The screen of before, with its cursor
	matches "$(< "$WORK/screen")" $'\e\\[\\?25h\e\\[\\?1049l' "the end"
	settle 10
	unbd unmap a
}

traffic_is_shown() {
	[[ $(ask '(.disks[0], .paths[0], .exports[0]) |
		.reads_per_second > 0' unbd top --once --json | xargs) == \
		"true true true" ]]
}

# Every way to name a server; the session is called after it.
test_mapping_by_URI_and_options() {
	local disk i=0 uri
	FILE=$(disk_file $MIB)
	unbd export vol0 "$FILE"
	unbd listen 'tcp:[::]:10809'
	unbd listen 'tcp:[::1]:10810'
	unbd listen "unix:$WORK/sock et"
	defer unbd unlisten "unix:$WORK/sock et"
	for uri in nbd://localhost/vol0 nbd://127.0.0.1:10809/vol0 \
		'nbd://[::1]:10810/vol0' \
		"nbd+unix:///vol0?socket=$WORK/sock%20et"; do
		disk=$(unbd map "$uri")
		same "$disk" "/dev/unbd$i" "$uri"
		i=$(( i + 1 ))
	done
	same "$(ask '[.sessions[].session] | sort | join(" ")' \
		unbd list --json)" \
		"127.0.0.1 ::1:10810 localhost run_bed_work_sock et" sessions
	holds /dev/unbd3
	disk=$(unbd map --session o --path tcp:127.0.0.1 --export vol0 --ro \
		--queues 1 --depth 7 --policy prefer --io-timeout 9 \
		--fail-timeout 8 --keepalive 3 --poll-queues 1)
	same "$(ask '.disks[0] | [.access_mode, .queues, .poll_queues,
		.queue_depth, .io_timeout, .fail_timeout] | join(" ")' \
		unbd show "$disk" --json)" "ro 1 1 7 9 8"
	same "$(ask '.sessions[0] | [.policy, .keepalive] | join(" ")' \
		unbd show o --json)" "prefer 3"
	settle 10
	unbd unmap unbd0 unbd1 unbd2 unbd3 o
	same "$(unbd_disks)" "" disks
}

test_paths() {
	serve
	unbd listen tcp:127.0.0.2:10809
	unbd map nbd://127.0.0.1/vol0 nbd://127.0.0.2/vol0 --session a
	same "$(ask '.sessions[0].paths | map(.dst) | join(" ")' \
		unbd show a --json)" "tcp:127.0.0.1 tcp:127.0.0.2"
	unbd path remove a tcp:127.0.0.1
	exits 1 'a path 1: Device or resource busy.*last path' \
		unbd path remove a 1
	holds /dev/unbd0
	unbd path add a tcp:127.0.0.1
	eventually 10 paths_are live live
	exits 1 'a: File exists' unbd path add a tcp:127.0.0.2
	unbd path disconnect a 1
	paths_are live failed
	holds /dev/unbd0
	unbd path reconnect a tcp:127.0.0.2
	eventually 10 paths_are live live
	exits 3 'no path 7' unbd path reconnect a 7
	exits 3 'no session b' unbd path add b tcp:127.0.0.1
	exits 2 'add, remove' unbd path move a 0
	settle 10
	unbd unmap a
}

paths_are() {
	[[ $(cat $CLIENT/sessions/a/paths/*/state | xargs) == "$*" ]]
}

test_saving_and_restoring() {
	local lines
	serve
	unbd export "two words" "$(disk_file 4 other)" --ro
	defer unbd unexport --force "two words"
	unbd listen "unix:$WORK/sock et"
	defer unbd unlisten "unix:$WORK/sock et"
	unbd map sessname=a path=tcp:127.0.0.9,127.0.0.1 device_path=vol0 \
		fail_timeout=-1 policy=rr queue_depth=16 > "$WORK/maps"
	unbd map sessname="b c" "path=unix:$WORK/sock et" \
		"device_path=two words" keepalive=0 >> "$WORK/maps"
	holds /dev/unbd0
	unbd save "$WORK/saved"
	unbd save | cmp - "$WORK/saved"
	lines=$(grep -v '^#' "$WORK/saved" | sort)
	same "$lines" "$(sort <<-EOF
		export name="two words" device_path=$WORK/other access_mode=ro
		export name=vol0 device_path=$FILE clients=127.0.0.0/8,0:0:0:0:0:0:0:1/128
		listen tcp:127.0.0.1:10809
		listen "unix:$WORK/sock et"
		map sessname=a path=tcp:127.0.0.9,tcp:127.0.0.1 device_path=vol0 policy=round-robin queue_depth=16 fail_timeout=-1
		map sessname="b c" path="unix:$WORK/sock et" device_path="two words" keepalive=0
	EOF
	)" "what was saved"
	settle 10
	unbd unmap a "b c"
	unbd unexport --force vol0 "two words"
	unbd unlisten tcp:127.0.0.1:10809
	unbd unlisten "unix:$WORK/sock et"
	same "$(unbd list)" "" list
	unload_all

	unbd restore "$WORK/saved"
	unbd save | cmp - "$WORK/saved"
	cmp <(dd if=/dev/unbd0 bs=1M iflag=direct status=none) "$WORK/pattern"
	# What is there is left alone, and a bad line hinders no other.
	unbd unlisten tcp:127.0.0.1:10809
	sed -i '1i map sessname=x path=tcp:127.0.0.1:1 device_path=y' \
		"$WORK/saved"
	exits 1 "saved:1: not mapped: Connection refused" unbd restore "$WORK/saved"
	matches "$(unbd list)" tcp:127.0.0.1:10809 list
	settle 10
	unbd unmap a "b c"
}

# Each says what was wrong, and the kernel's word is passed on.
test_refusals() {
	exits 2 'Usage: unbd COMMAND' unbd
	exits 2 'fly is no command' unbd fly
	exits 2 'unknown option --fast' unbd map --fast
	exits 2 'neither KEY=VALUE nor a URI' unbd map vol0
	exits 2 'no encryption' unbd map nbds://127.0.0.1/vol0
	exits 3 'neither a disk nor a session' unbd unmap unbd0
	exits 3 'neither a disk' unbd show vol0
	exits 3 'no export vol0' unbd unexport vol0
	exits 3 'not a disk' unbd resize /dev/null
	same "$(loaded)" "" "modules that were loaded for nothing"

	exits 1 'Invalid argument.*kernel says: unknown key in "name=x"' \
		unbd map sessname=a name=x
	exits 1 'Connection refused.*kernel says: .*tcp:127.0.0.1:1' \
		unbd map nbd://127.0.0.1:1/vol0
	exits 1 'Not a directory|No such file.*kernel says: name=v: ' \
		unbd export v "$WORK/nothing"
	serve
	exits 1 'File exists.*kernel says: name=vol0: ' \
		unbd export vol0 "$FILE"
	exits 1 'in use.*kernel says: tcp:127.0.0.1:10809' \
		unbd listen tcp:127.0.0.1:10809
	exits 1 'No such file.*kernel says: ' unbd map nbd://127.0.0.1/vol1
	exits 3 'nobody listens' unbd unlisten tcp:127.0.0.1:7
	nothing_mapped
	unbd map nbd://127.0.0.1/vol0 --session a > "$WORK/disk"
	settle 10
	exec 9< /dev/unbd0
	exits 1 'unbd0: Device or resource busy.*kernel says: ' \
		unbd unmap unbd0
	exits 1 'unbd0: Invalid argument.*kernel says: ' \
		unbd resize unbd0 1G
	exits 2 '7 is no size' unbd resize unbd0 7
	unbd unmap --force a
	exec 9<&-
	same "$(unbd_disks)" "" disks
}

test_help() {
	local word
	for word in $(unbd help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
		matches "$(unbd help "$word")" "^Usage: unbd $word" help
	done
	same "$(unbd map --help)" "$(unbd help map)" help
	[[ $(unbd --version) == "unbd "[0-9]* ]]
	exits 2 'fly is no command' unbd help fly
}

# rejecting RULE... - this guest's firewall does so with what comes in
rejecting() {
	need_module nft_reject_inet
	nft -f - <<-EOF
		add table inet doctor
		add chain inet doctor in { type filter hook input priority 0; }
		flush chain inet doctor in
		add rule inet doctor in tcp dport 10809 $*
	EOF
	defer nft flush table inet doctor
}

test_doctor_tries_paths() {
	advice fault 'connection refused.*unbd listen tcp:0.0.0.0:10809$' \
		tcp:127.0.0.1
	advice fault 'there is no way to 203.0.113.1: .*unreach' \
		tcp:203.0.113.1
	advice fault 'there is no such socket' "unix:$WORK/none"
	rejecting reject with icmpx admin-prohibited
	advice fault 'a firewall rejects it: 127.0.0.1 says .* ICMP 3/13; open' \
		tcp:127.0.0.1
	rejecting drop
	advice fault 'no answer in 5 seconds; .*no firewall drops port 10809' tcp:127.0.0.1
	nft flush table inet doctor
	PORT=7 start_peer socat TCP-LISTEN:7,fork,reuseaddr \
		SYSTEM:'echo hello; sleep 9'
	advice fault 'it is no NBD server: it begins with "hello' tcp:127.0.0.1:7
	ip route add prohibit 203.0.113.2
	defer ip route del prohibit 203.0.113.2
	advice fault 'a route or a rule prohibits it' tcp:203.0.113.2
	exits 2 'port' unbd doctor tcp:127.0.0.1:0
	same "$(loaded)" "" "modules that were loaded for nothing"
}

# Ours and another one's are asked what they export, too.
test_doctor_and_list_ask_servers() {
	serve
	advice ok "unbd's server, exports: 1\$" tcp:127.0.0.1
	matches "$(unbd list tcp:127.0.0.1)" 'vol0 +8M +rw$'
	unbd export other "$(disk_file 4 other)" --ro --clients 10.9.9.9
	same "$(ask '.exports[] | [.export, .size, .read_only] | join(" ")' \
		unbd list --json tcp:127.0.0.1)" "vol0 $(( MIB << 20 )) false"
	unbd doctor nbd://127.0.0.1/vol0 > /dev/null
	unbd doctor nbd://127.0.0.1/other > "$WORK/found" && fail "other" || :
	matches "$(< "$WORK/found")" \
		'fault .*has no export "other" for this machine; on the server'
	unbd unexport other vol0
	advice fault 'connected, but the server closes .*no export for this' \
		tcp:127.0.0.1

	PORT=10810 start_nbdkit memory 4M
	advice note 'it cannot fence' tcp:127.0.0.1:10810
	matches "$(unbd list tcp:127.0.0.1:10810)" '"" +4M +rw$'
	exits 1 'Connection refused; see unbd doctor' unbd list tcp:127.0.0.1:1
}

# What it says of the machine, of disks, and of a path that is lost
test_doctor_looks_at_a_session() {
	serve
	unbd map nbd://127.0.0.1/vol0 --session a
	unbd doctor > "$WORK/found" || fail "$(< "$WORK/found")"
	matches "$(< "$WORK/found")" "ok +modules: 11 of version .* for $(uname -r)"
	matches "$(< "$WORK/found")" 'ok +unbd0: it is live'
	matches "$(< "$WORK/found")" 'ok +a path 0: tcp:127.0.0.1 is live'
	unbd unlisten tcp:127.0.0.1:10809
	unbd unexport --force vol0
	eventually 10 lost_is_found
	unbd doctor --json > "$WORK/json" || :
	another_parser cat "$WORK/json"
	unbd unmap --force a
}

lost_is_found() {
	unbd doctor > "$WORK/found" && fail "nothing is wrong"
	grep -q '^fault .*unbd0: it is parked: ' "$WORK/found"
	grep -q '^fault .*a path 0: tcp:127.0.0.1 is reconnecting' "$WORK/found"
	grep -q '^fault .*tcp:127.0.0.1: connection refused' "$WORK/found"
}
