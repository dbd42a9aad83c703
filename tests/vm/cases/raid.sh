# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Disks of two servers as an md RAID1 with a bitmap, as README.md has it: either
# server is lost under writes, and gets what it missed when it is back.
# topology: three
# kernels: 6.1
# timeout: 600
# tags: tcp client recovery doc
# devices: disk

. /bed/tcp.sh
. /bed/readme.sh

# serve_half - 96 MiB that outlive a power failure. The guest's own udev makes
# an array of them when it finds them after one.
serve_half() {
	settle 20
	mdadm --quiet --stop --scan || :
	[[ -b /dev/vda1 ]] ||
		sfdisk -q --wipe always /dev/vda <<< $'label: gpt\nsize=96M'
	settle 20
	export_dev name=vol0 device_path=/dev/vda1
	listen tcp:0.0.0.0:10809
}

# array_is UU|U_|_U - which halves have everything
array_is() {
	grep -qF "[$1]" /proc/mdstat
}

mib_written() {
	awk '{ print int($7 / 2048) }' "/sys/block/$1/stat"
}

# few_dirty - the bitmap's bits go some seconds after the writes
few_dirty() {
	local bits
	bits=$(mdadm --examine-bitmap /dev/unbd0 |
		sed -n 's/.*chunks), \([0-9]*\) dirty.*/\1/p')
	(( bits < 4 )) || fail "$bits chunks are dirty"
}

# put FILE MIB - on the array, at a place
put() {
	dd if="$1" of=/dev/md0 bs=1M seek="$2" oflag=direct conv=fsync \
		status=none
}

test_a_server_that_was_lost_gets_what_it_missed() {
	local before copied
	need_module raid1
	on server <<< serve_half
	on server2 <<< serve_half
	allow_log 'md/raid1:md0|dev unbd|Buffer I/O error|super_written'
	defer bedctl write /sys/block/md0/md/array_state clear
	run_blocks 8 8
	eventually 60 array_is UU
	pattern "$WORK/pattern" 48
	put "$WORK/pattern" 0
	write_steadily md0 --offset $(( 64 << 20 ))
	eventually 60 few_dirty

	host kill server2
	eventually 40 array_is U_
	writing_goes_on
	# Newer data where it had older
	head -c 4M "$WORK/pattern" > "$WORK/newer"
	put "$WORK/newer" 8
	dd if="$WORK/newer" of="$WORK/pattern" bs=1M seek=8 conv=notrunc \
		status=none
	host start server2
	on server2 <<< serve_half
	eventually 30 state_is unbd1 live
	before=$(mib_written unbd1)
	run_blocks 9 9
	eventually 60 array_is UU
	copied=$(( $(mib_written unbd1) - before ))
	echo "$copied MiB written to it"
	(( copied >= 4 && copied < 32 )) || fail "$copied MiB were copied"
	writing_goes_on

	# Now it has all there is.
	host kill server
	eventually 40 array_is _U
	writing_goes_on
	end_writing
	direct_read md0 0 48 | cmp - "$WORK/pattern"
	mdadm --quiet --stop /dev/md0
}
