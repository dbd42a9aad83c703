# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A guest of 256 MiB whose only swap space is a mapped disk, and a program that
# uses more memory than that: nothing is stuck, killed or lost, though the path
# is cut again and again. What would free memory has to wait meanwhile.
#
# This is 256 MiB for half a minute, with a cut each 10 seconds. Ten
# minutes of 1 GiB, with a cut each 30 seconds:
#
#     CASE_SECONDS=600 CASE_MIB=1024 CASE_CUT=30 \
#             tests/vm/run --kernel 6.1 --filter swap
#
# topology: two
# kernels: 6.1
# memory: 256
# timeout: 2700
# tags: tcp rdma shm client recovery
# devices: ivshmem disk

. /bed/rdma.sh
. /bed/shm.sh
share ivshmem@0000:00:11.0

USE=${CASE_SECONDS:-30}
MIB=${CASE_MIB:-256}
CUT=${CASE_CUT:-10}

# cut_often WHAT - the server cuts itself off: what would do it in the client
# may be swapped out to where it cannot come back from
cut_often() {
	while sleep "$CUT"; do
		"cut_$1"
		sleep 4
		"mend_$1"
	done
}

cut_network() {
	nft add rule inet bed in iifname eth0 drop
}

mend_network() {
	nft flush chain inet bed in
}

cut_memory() {
	remove $SHM_SERVER "1 force"
	rmmod unbd-shm-server
}

mend_memory() {
	serve /dev/vda
}

# be_cut_often WHAT - from now on, until the end of the check
be_cut_often() {
	on server <<-EOF
		CONNECTION=$CONNECTION
		CUT=$CUT
		cut_often $1 < /dev/null > $WORK/cutter 2>&1 &
		echo \$! > $WORK/cutter.pid
		disown
	EOF
	CUTTER=$(on server cat "$WORK/cutter.pid")
	defer on server kill "$CUTTER"
}

# used_as_swap DISK SESSION - by a program that needs more memory than there is
used_as_swap() {
	local written
	mkswap "/dev/$1" > /dev/null
	swapon "/dev/$1"
	defer swapoff "/dev/$1"
	# Emulated, it is the requests that take the time, not their bytes.
	write_sysfs /proc/sys/vm/page-cluster 6
	python3 $PEERS/memory_user.py "$MIB" "$USE"
	written=$(awk '{ print $7 / 2048 }' "/sys/block/$1/stat")
	echo "$written MiB written, $(path_stat "$2" failures) cuts"
	(( ${written%.*} > MIB / 4 )) || fail "$written MiB swapped out"
	(( $(path_stat "$2" failures) > 1 )) || fail "the path was not cut"
	swapoff "/dev/$1"
	nothing_failed "$1"
}

# over_network TRANSPORT PORT
over_network() {
	local disk
	restore_network
	defer restore_network
	[[ $1 == tcp ]] || rxe_everywhere
	on server <<-EOF
		export_dev name=vol0 device_path=/dev/vda
		listen $1:0.0.0.0:$2
	EOF
	disk=$(map sessname=s "path=$1:10.0.0.1" device_path=vol0 keepalive=1)
	be_cut_often network
	used_as_swap "$disk" s
	on server kill "$CUTTER"
	on server <<< mend_network
	unmap "$disk"
	nobody_stuck
}

# Over RDMA, CASE_NETWORK="rdma 1234", a path may not come back: see README.
test_over_a_network() {
	# shellcheck disable=SC2086 # two words
	over_network ${CASE_NETWORK:-tcp 10809}
}

test_over_shared_memory() {
	local disk
	serve_there /dev/vda
	attach
	disk=$(by_letter a)
	be_cut_often memory
	used_as_swap "$disk" shm1
	eventually 20 path_is shm1 live
	on server kill "$CUTTER"
	detach
	nobody_stuck
}
