# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Shared memory and TCP as paths of one disk. A write that a server still holds
# when its path is lost must not be executed on top of what is written over the
# other path, whichever that is.
# kernels: 6.1
# timeout: 300
# tags: shm muenblock tcp client server recovery paths

. /bed/tcp.sh
. /bed/shm.sh
. /bed/fencing.sh
share loop@a

# hold_one PATH PATH - DISK over both, and a held write that went by the first
hold_one() {
	export_slowly 0
	listen tcp:127.0.0.1:10810
	serve 0
	attach auto_map=N
	DISK=$(map sessname=s "path=$1" "path=$2" device_path=0 nr_queues=1 \
		policy=prefer)
	eventually 20 path_live s 1
	LOSE=${1%%:*}
	hold_a_write
}

# lose_connection - that which the write came by
lose_connection() {
	local conn
	for conn in "$SERVER"/connections/*; do
		[[ $(cat "$conn/transport") != "$LOSE" ]] ||
			echo 1 > "$conn/force_close"
	done
}

test_a_tcp_path_fences() {
	hold_one shm:1 tcp:127.0.0.1:10810
	direct_read "$DISK" 4 > /dev/null
	nothing_comes_late
}

test_shared_memory_fences() {
	hold_one tcp:127.0.0.1:10810 shm:1
	direct_read "$DISK" 4 > /dev/null
	nothing_comes_late
}

# gate: none
test_without_fencing_newer_data_are_lost() {
	do_not_fence
	hold_one shm:1 tcp:127.0.0.1:10810
	newer_data_are_lost
}

# dsync_write BYTE - over each of the paths
dsync_write() {
	head -c 32768 /dev/zero | tr '\0' "$1" > "$WORK/data"
	dd if="$WORK/data" of="/dev/$DISK" bs=4k oflag=direct,dsync status=none
	dd if="/dev/$DISK" bs=32k count=1 iflag=direct status=none |
		cmp - "$WORK/data"
}

fua_is() {
	(( $(queue_limit "$DISK" fua) == $1 ))
}

nr_flushes() {
	awk '{print $16}' "/sys/block/$DISK/stat"
}

# What is stable when it is answered stays so.
test_a_path_without_fua_joins() {
	local with without
	export_dev name=0 "device_path=$(disk_file 16)"
	listen tcp:127.0.0.1:10810
	serve 0
	attach auto_map=N
	DISK=$(map sessname=s path=tcp:127.0.0.1:10810 device_path=0 \
		policy=round-robin)
	fua_is 1
	dsync_write A
	with=$(nr_flushes)
	write_sysfs "$CLIENT/sessions/s/add_path" shm:1
	eventually 20 path_live s 1
	eventually 20 fua_is 0
	dsync_write B
	# The kernel flushes anyway after such a write.
	without=$(( $(nr_flushes) - with ))
	(( without > with )) || fail "$without flushes, $with with FUA"
	nothing_failed
	unmap "$DISK"
}

# A connection over TCP knows the size that it was opened with, and no other.
test_the_disk_grows() {
	local mib
	do_not_fence # the server would announce it over TCP
	export_dev name=0 "device_path=$(disk_file 16)"
	listen tcp:127.0.0.1:10810
	serve 0
	attach auto_map=N
	DISK=$(map sessname=s path=shm:1 path=tcp:127.0.0.1:10810 \
		device_path=0 policy=round-robin)
	for mib in 17 18 19 20; do
		eventually 20 path_live s 1
		truncate -s "${mib}M" "$WORK/disk"
		write_sysfs "/sys/block/$DISK/unbd/resize" 0
		is_mib "$DISK" $mib
		direct_read "$DISK" 0 $mib > /dev/null
	done
	nothing_failed
	unmap "$DISK"
}
