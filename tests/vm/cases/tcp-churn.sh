# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Coming and going: a thousand mappings with openers at the same time, and the
# modules unloaded in every order. Leaks are looked for after the case.
# kernels: 6.1
# timeout: 900
# tags: tcp client leaks

. /bed/tcp.sh

# On an emulated debug kernel a thousand rounds take a quarter of an hour, and
# make check has not the time for them. The server is ours: nbdkit 1.32 aborts
# ("sock >= 0") sooner or later when a client leaves with replies on their way.
# kernels: 6.1 debug
test_a_thousand_rounds_with_openers() {
	local rounds
	rounds=$(rounds 1000 100)
	! is_debug || rounds=60
	load client
	export_dev name=vol0 "device_path=$(disk_file 16)"
	listen tcp:127.0.0.1
	# Of openers whose disk is taken away by force.
	allow_log 'dev unbd'
	python3 $PEERS/map_churn.py --rounds $rounds \
		--line "$HERE device_path=vol0 nr_queues=2" > "$WORK/churn" ||
		fail "$(tail -n 3 "$WORK/churn")"
	cat "$WORK/churn"
	(( rounds == 1000 )) || echo "only $rounds rounds on this kernel"
	nothing_mapped
	eventually 5 no_connections
	no_half_links
	same "$(grep -oE '^[0-9]+ rounds' "$WORK/churn")" "$rounds rounds" rounds
}

# What one process maps, another takes away while that one still announces its
# partitions.
test_unmapped_as_soon_as_it_is_there() {
	local file
	load client
	file=$(disk_file 40)
	printf 'size=1MiB\n%.0s' {1..30} | sfdisk -q --label gpt "$file"
	export_dev name=vol0 "device_path=$file"
	listen tcp:127.0.0.1
	allow_log 'dev unbd|Dev unbd|Buffer I/O error'
	python3 $PEERS/unmap_at_once.py 20 "$HERE device_path=vol0"
	nothing_mapped
	eventually 5 no_connections
	no_half_links
}

# Udev has seen disks when they were half gone: they have no session then.
no_half_links() {
	settle 60
	same "$(find /dev/disk/by-unbd -name ':*')" "" "links of no session"
}

test_rounds_with_a_server_that_dies() {
	local i rounds
	rounds=$(rounds 40 12)
	! is_debug || rounds=10
	load client
	for (( i = 0; i < rounds; i++ )); do
		start_nbdkit memory 16M
		bedctl write "$CLIENT/map_device" \
			"sessname=s $HERE device_path=vol0 fail_timeout=1" > \
			"$WORK/errno" &
		# Somewhere in the middle of all that.
		sleep 0.0$(( i % 10 ))
		kill -9 "$PEER_PID"
		wait $! || true
		allow_log 'dev unbd|Dev unbd|Buffer I/O error'
		for disk in $(unbd_disks); do
			unmap "$disk" force
		done
	done
	nothing_mapped
}

# Each order in which four modules can be removed: those that others need stay
# until these have gone, the others go at once. unbd-tcp has no order of its own:
# it stays until both ends have gone.
# gate: none
test_unload_in_every_order() {
	local a b c d modules="client tcp-client server tcp-server"
	for a in $modules; do for b in $modules; do for c in $modules; do
		for d in $modules; do
			[[ $(printf '%s\n' "$a" "$b" "$c" "$d" | sort -u |
				wc -l) == 4 ]] || continue
			load client server tcp-client tcp-server
			unload_in_order "$a" "$b" "$c" "$d"
		done
	done; done; done
}

unload_in_order() {
	local name
	for name; do
		case $name in
		tcp-*)
			must_fail rmmod unbd-tcp 2> /dev/null
			rmmod "unbd-$name" ;;
		*)
			if grep -q "^unbd_tcp_$name " /proc/modules; then
				must_fail rmmod "unbd-$name" 2> /dev/null
			else
				rmmod "unbd-$name"
			fi ;;
		esac
	done
	for name in client server tcp; do
		! grep -q "^unbd_$name " /proc/modules || rmmod "unbd-$name"
	done
	same "$(loaded)" "" "modules left"
}

# In use is in use; when it is over nothing is held any more.
test_unload_after_use_in_every_order() {
	local order
	for order in "tcp-client client tcp-server server" \
		"tcp-server server tcp-client client" \
		"tcp-client tcp-server client server" \
		"tcp-server tcp-client server client"; do
		use_all
		# shellcheck disable=SC2086
		unload $order tcp
		same "$(loaded)" "" "modules left"
	done
}

use_all() {
	local disk name
	export_dev name=vol0 "device_path=$(disk_file 16)"
	listen tcp:127.0.0.1:10809
	disk=$(map sessname=s "$HERE" device_path=vol0)
	direct_read "$disk" 1 > /dev/null
	for name in client tcp-client server tcp-server tcp; do
		must_fail rmmod "unbd-$name" 2> /dev/null
	done
	unmap "$disk"
	must_fail rmmod unbd-tcp-server 2> /dev/null
	unlisten tcp:127.0.0.1:10809
	eventually 5 no_connections
	unexport vol0
}

# Exports hold no module: the server takes them along.
test_unload_the_server_with_exports() {
	export_dev name=vol0 "device_path=$(disk_file 16)"
	export_dev name=vol1 "device_path=$(disk_file 16 other)"
	unload server
	same "$(loaded)" "" "modules left"
}

# Right behind the unmapping, while it is still cleaning up.
test_unload_at_once() {
	local i disk
	start_nbdkit memory 16M
	for i in {1..10}; do
		disk=$(map sessname=s "$HERE" device_path=vol0)
		unmap "$disk"
		eventually 5 rmmod unbd-tcp-client
		rmmod unbd-client
	done
}
