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

# limits_are FUA MAX_HW_SECTORS_KB MAX_SECTORS_KB
limits_are() {
	[[ $(queue_limit "$DISK" fua) == "$1" &&
		$(queue_limit "$DISK" max_hw_sectors_kb) == "$2" &&
		$(queue_limit "$DISK" max_sectors_kb) == "$3" ]]
}

# written_in_pieces_of BYTES - and read again
written_in_pieces_of() {
	head -c 8M /dev/urandom > "$WORK/data"
	dd if="$WORK/data" of="/dev/$DISK" bs="$1" oflag=direct status=none
	dd if="/dev/$DISK" bs="$1" count=8M iflag=direct,count_bytes \
		status=none | cmp - "$WORK/data"
}

# now_limits_are FUA MAX_HW_SECTORS_KB MAX_SECTORS_KB - soon, and data arrive
now_limits_are() {
	eventually 20 limits_are "$@"
	written_in_pieces_of 8M
	dsync_write C
}

# Whichever was first, and whichever has gone
# kernels: 5.10 6.1 6.12 7.2
test_limits_are_those_of_the_paths_that_there_are() {
	local narrow user
	export_dev name=0 "device_path=$(disk_file 16)"
	listen tcp:127.0.0.1:10810
	serve 0
	attach auto_map=N
	DISK=$(map sessname=s path=shm:1 device_path=0)
	narrow=$(queue_limit "$DISK" max_hw_sectors_kb)
	(( narrow < 4096 )) || fail "requests of $narrow KiB over shared memory"
	write_sysfs "$CLIENT/sessions/s/add_path" tcp:127.0.0.1:10810
	eventually 20 path_live s 1
	now_limits_are 0 "$narrow" "$narrow"
	write_sysfs "$CLIENT/sessions/s/paths/0/remove" 1
	now_limits_are 1 32768 4096
	for user in 512 64; do
		echo $user > "/sys/block/$DISK/queue/max_sectors_kb"
		write_sysfs "$CLIENT/sessions/s/add_path" shm:1
		eventually 20 path_live s 0
		now_limits_are 0 "$narrow" $(( user < narrow ? user : narrow ))
		write_sysfs "$CLIENT/sessions/s/paths/0/remove" 1
		now_limits_are 1 32768 $user
	done
	nothing_failed
	unmap "$DISK"
}

# unmapping_is_all_it_says [force] - of paths that go one by one, each with limits
# of its own, nobody wants to hear
unmapping_is_all_it_says() {
	attach auto_map=N
	DISK=$(map sessname=s path=shm:1 path=tcp:127.0.0.1:10810 device_path=0)
	eventually 20 path_live s 0
	eventually 20 path_live s 1
	log_from_here
	unmap "$DISK" "$@"
	same "$(our_log | grep '^unbd: ' | grep -v ': live -> removing$')" \
		"unbd: $DISK: unmapped${1:+ by force}" "what is said of it"
	detach
}

test_unmapping_a_disk_with_several_paths() {
	export_dev name=0 "device_path=$(disk_file 16)"
	listen tcp:127.0.0.1:10810
	serve 0
	unmapping_is_all_it_says
	unmapping_is_all_it_says force
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

# goes_on_without N - the other path carries everything
goes_on_without() {
	eventually 10 path_away s "$1"
	same "$(state "$DISK")" live "state without path $1"
	writing_goes_on 10
}

# cut_each SHM TCP - their numbers in the session
cut_each() {
	eventually 20 path_live s 1
	eventually 20 path_live s 0
	write_steadily "$DISK"
	for _ in 1 2; do
		echo "1 force" > $SHM_SERVER/remove_connection
		goes_on_without "$1"
		echo "$CONNECTION" > $SHM_SERVER/connections
		echo 0:1 > $SHM_SERVER/devices
		eventually 20 path_live s "$1"
		drop_network 10810
		goes_on_without "$2"
		restore_network
		eventually 20 path_live s "$2"
	done
	end_writing
	nothing_failed
	same "$(cat "/sys/block/$DISK/unbd/stats/parked")" 0 stats/parked
	unmap "$DISK"
}

test_each_is_cut_while_the_other_goes_on() {
	local line=(sessname=s device_path=0 keepalive=1 policy=round-robin)
	local shm=path=shm:1 tcp=path=tcp:127.0.0.1:10810
	export_dev name=0 "device_path=$(disk_file 16)"
	listen tcp:127.0.0.1:10810
	serve 0
	attach auto_map=N
	DISK=$(map "${line[@]}" $shm $tcp)
	cut_each 0 1
	DISK=$(map "${line[@]}" $tcp $shm)
	cut_each 1 0
}
