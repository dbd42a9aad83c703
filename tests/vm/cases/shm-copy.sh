# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Client and server of muenblock in one kernel, over reserved memory, where
# nobody notifies; also over a part of it that has no struct pages.
# kernels: 6.1
# timeout: 300
# tags: shm muenblock mem
# devices: mem

. /bed/tcp.sh
. /bed/shm.sh
# Such pages come in pieces of 2 MiB.
WHOLE=mem@0x100000000
ODD=mem@0x100001000

# quiet_memory - what a check before has left there is gone
quiet_memory() {
	python3 - <<-'EOF'
		import mmap, os
		fd = os.open("/dev/mem", os.O_RDWR | os.O_SYNC)
		memory = mmap.mmap(fd, 8192, offset=0x100000000)
		memory[:] = bytes(8192)
	EOF
}

setup() {
	quiet_memory
}

# device_pages - how many the kernel has had for memory of devices, at most
device_pages() {
	awk '/zone +Device/ { here = 1 }
		here && $1 == "spanned" { n += $2; here = 0 }
		END { print n + 0 }' /proc/zoneinfo
}

# Its data are copied anyway.
test_the_client_needs_no_pages() {
	local before
	share $WHOLE
	before=$(device_pages)
	attach
	same "$(device_pages)" "$before" "pages of the memory"
	attach_is_served
}

attach_is_served() {
	serve "$(disk_file 16)"
	eventually 10 nr_disks 1
	compared "$(by_letter a)" 2
	detach
}

test_the_server_has_pages() {
	share $WHOLE
	serve "$(disk_file 16)"
	(( $(device_pages) > 0 )) || fail "no pages"
	attach
	eventually 10 nr_disks 1
	compared "$(by_letter a)" 2
	detach
}

test_data_are_copied_where_there_are_no_pages() {
	local disk
	share $ODD
	serve "$(disk_file 64)"
	attach
	eventually 10 nr_disks 1
	disk=$(by_letter a)
	SIZE=8M verified_fio "$disk" --bsrange=512-256k --blockalign=512
	compared "$disk" 4
	cmp -n $(( 4 << 20 )) "$WORK/disk" "$WORK/pattern"
	blkdiscard -o 8M -l 1M "/dev/$disk"
	nothing_failed "$disk"
	detach
}

# cpu_time - of our threads, in microseconds
cpu_time() {
	pgrep '^unbd-shmd?-1$' | sed 's|.*|/proc/&/schedstat|' | xargs cat |
		awk '{ n += $1 } END { print int(n / 1000) }'
}

# Both ends look 250 times a second, and that is all.
test_who_looks_in_vain_sleeps() {
	local before
	share $WHOLE
	serve "$(disk_file 16)"
	attach
	eventually 10 nr_disks 1
	settle 20
	sleep 1
	before=$(cpu_time)
	sleep 10
	before=$(( $(cpu_time) - before ))
	echo "$before us of 20 s"
	(( before > 0 && before < 150000 )) || fail "$before us of 20 s"
	detach
}
