# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Memory that cannot be had, at each place where a mapping, a listener or an
# export asks for some: an errno, no crash, nothing left behind. The leak scan
# comes after the case.
# kernels: debug
# timeout: 900
# tags: tcp client server leaks

. /bed/tcp.sh

SLAB=/sys/kernel/debug/failslab
times=1000000

setup() {
	[[ -d $SLAB ]] || skip "this kernel cannot fail allocations"
	defer eval "echo 0 > $SLAB/probability; echo 0 > $SLAB/require-start;
		echo 0xffffffffffffffff > $SLAB/require-end;
		echo Y > $SLAB/ignore-gfp-wait; echo 2 > $SLAB/verbose"
	echo 0 > $SLAB/verbose
	echo 0 > $SLAB/probability
	echo N > $SLAB/ignore-gfp-wait
}

# fail_each FILE TEXT [UNDO-FILE UNDO-TEXT]
fail_each() {
	local undo=()
	(( $# < 4 )) || undo=(--undo "$3" "$4")
	python3 $PEERS/fail_nth.py "$1" "$2" "${undo[@]}" \
		--every "${EVERY:-1}" \
		--allow "ENOMEM,ENOBUFS,EAGAIN${ALLOW:+,$ALLOW}" \
		> "$WORK/nth" 2>&1 ||
		fail "$2: $(tail -n 1 "$WORK/nth")"
	cat "$WORK/nth"
}

# The kernel does not look whether the name of a disk that it adds could be
# allocated; a device without a name is invalid then. Of some 800 allocations
# most are the kernel's for any disk: EVERY=1 takes half an hour.
test_a_mapping() {
	local ALLOW=EINVAL,ENFILE EVERY=${EVERY:-9}
	load client tcp-client
	start_nbdkit memory 16M
	allow_log 'dev unbd|Buffer I/O error'
	fail_each "$CLIENT/map_device" \
		"sessname=s $HERE device_path=vol0 nr_queues=2" \
		/sys/block/unbd0/unbd/unmap_device force
	nothing_mapped
}

test_an_export_of_a_file() {
	load server
	fail_each "$SERVER/export_device" \
		"name=vol0 device_path=$(disk_file 16) clients=10.0.0.0/8" \
		"$SERVER/unexport_device" vol0
	same "$(ls -A "$SERVER/exports")" "" exports
}

test_an_export_of_a_block_device() {
	local device
	need_module brd
	defer rmmod brd
	load server
	device=$(ls /dev/ram0)
	fail_each "$SERVER/export_device" "name=vol0 device_path=$device" \
		"$SERVER/unexport_device" vol0
	same "$(ls -A "$SERVER/exports")" "" exports
}

# Without memory for a socket the kernel says ENFILE, for its port EADDRINUSE,
# for its name in tmpfs ENOSPC.
test_a_listener() {
	local ALLOW=ENFILE,EADDRINUSE,ENOSPC
	load server tcp-server
	fail_each "$SERVER/listen" tcp:127.0.0.1:10809 \
		"$SERVER/unlisten" tcp:127.0.0.1:10809
	fail_each "$SERVER/listen" "unix:$WORK/socket" \
		"$SERVER/unlisten" "unix:$WORK/socket"
	same "$(cat "$SERVER/listeners")" "" listeners
}

# In all the modules' contexts, a few of a hundred allocations, while data go
# over it: I/O may fail or wait, what is read back is right.
test_io_with_little_memory() {
	local disk
	export_dev name=vol0 "device_path=$(disk_file 16)"
	listen tcp:127.0.0.1:10809
	disk=$(map sessname=s "$HERE" device_path=vol0 nr_queues=2)
	pattern "$WORK/pattern" 8
	limit_to_modules
	allow_log "resource error, dev $disk"
	echo 2 > $SLAB/probability
	eventually 60 dd if="$WORK/pattern" of="/dev/$disk" bs=256k \
		oflag=direct status=none
	eventually 60 dd if="/dev/$disk" of="$WORK/read" bs=256k count=32 \
		iflag=direct status=none
	echo 0 > $SLAB/probability
	(( times - $(cat $SLAB/times) > 0 )) || fail "no allocation has failed"
	cmp "$WORK/read" "$WORK/pattern"
	unmap "$disk"
}

# Fail what our code asks for, not what the rest of the kernel does.
limit_to_modules() {
	local size from
	read -r size from < <(awk '$1 == "unbd_tcp_server" { print $2, $6 }' \
		/proc/modules)
	printf '%#x' "$from" > $SLAB/require-start
	printf '%#x' $(( from + size )) > $SLAB/require-end
	echo $times > $SLAB/times
}
