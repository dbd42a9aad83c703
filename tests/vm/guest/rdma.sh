# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the cases about RDMA share. Sourced by them, after lib.sh.

. /bed/tcp.sh
. /bed/held.sh

# rxe_here [INTERFACE] - soft RoCE on this guest's network, or on another one,
# with packets of 4 KiB. It stays for the checks to come. rdma_rxe of 6.1 wants
# its checksum loaded before.
rxe_here() {
	local end=$(( SECONDS + $(scaled 15) )) interface=${1:-eth0}
	if ! rdma link show rxe0/1 > /dev/null 2>&1; then
		ip link set "$interface" mtu 9000
		modprobe -q crc32_pclmul || modprobe -q crc32_generic || :
		modprobe rdma_rxe
		rdma link add rxe0 type rxe netdev "$interface"
	fi
	# An address becomes usable when its GID is in the table.
	until grep -qs "^0000:.*:ffff:" /sys/class/infiniband/rxe0/ports/1/gids/*
	do
		(( SECONDS < end )) || fail "no GID for an IPv4 address"
		doze 0.1
	done
}

# rxe_alone ADDRESS - soft RoCE that talks to itself, for a single guest
rxe_alone() {
	need_module dummy
	[[ -d /sys/class/net/rdma0 ]] || ip link add rdma0 type dummy
	ip addr replace "$1/24" dev rdma0
	ip link set rdma0 up
	rxe_here rdma0
}

# rxe_everywhere - on both hosts' network
rxe_everywhere() {
	if [[ ${BED_TOPOLOGY-} == loop ]]; then
		[[ -d /sys/class/net/eth0 ]] || ip link add eth0 type dummy
		ip addr replace 10.0.0.1/24 dev eth0
		ip addr replace 10.0.0.2/24 dev eth0
		ip link set eth0 up
		rxe_here
		return
	fi
	rxe_here
	on server <<< rxe_here
}

# serve - our own server in the other guest, for all its networks
serve() {
	on server <<-'EOF'
		load rdma-server
		export_dev name=vol0 "device_path=$(disk_file "$ROUND_TRIP_MIB")" \
			clients=10.0.0.0/16
		listen rdma:0.0.0.0:1234
	EOF
}

# serve_two - likewise, and a second device of 16 MiB, vol1
serve_two() {
	serve
	on server <<-'EOF'
		export_dev name=vol1 "device_path=$(disk_file 16 b)"
	EOF
}

# slow_round_trip MAPPING... - round_trip over soft RoCE: on one kernel a tree
# that is worth it, on the others a small one; then requests of all sizes
slow_round_trip() {
	local disk
	case $BED_KERNEL in
	6.1)	TREE_MIB=4 SIZE=4M round_trip "$@" ;;
	*)	TREE_MIB=1 SIZE=2M SYSTEMS=ext4 round_trip "$@" ;;
	esac
	disk=$(${MAP_BY:-map} "$@")
	compared "$disk" 4
	SIZE=4M verified_fio "$disk" --bsrange=4k-128k
	${UNMAP_BY:-unmap} "$disk"
}

# serve_held [DEPTH] - a held disk as vol0, and vol1, on a server that takes so
# many requests of a client at a time
serve_held() {
	held_disk
	modprobe unbd-rdma-server "sess_queue_depth=${1:-64}"
	export_dev name=vol0 "device_path=$HELD"
	export_dev name=vol1 "device_path=$(disk_file 16 b)"
	listen rdma:0.0.0.0:1234
}

# serve_full - a shallow disk as vol0, on a server that takes more than that:
# while it is held, requests wait for their turn
serve_full() {
	shallow_disk
	modprobe unbd-rdma-server sess_queue_depth=160
	export_dev name=vol0 "device_path=$SHALLOW"
	listen rdma:0.0.0.0:1234
}

# large_blocks_there - /dev/loop0 of the other guest, with blocks of 4 KiB
large_blocks_there() {
	on server <<-'EOF'
		need_module loop
		losetup --sector-size 4096 /dev/loop0 "$(disk_file 32)"
	EOF
	defer on server losetup -d /dev/loop0
}

# force_close_paths - of this guest's server, all of them
force_close_paths() {
	local conn
	for conn in "$SERVER"/connections/*; do
		[[ $(cat "$conn/state") != path ]] ||
			echo 1 > "$conn/force_close"
	done
}

# read_only_zeros DISK - it is read-only, and 16 MiB of zeros
read_only_zeros() {
	same "$(cat "/sys/block/$1/ro")" 1 ro
	same "$(cat "/sys/block/$1/size")" 32768 "size of $1"
	must_fail dd if=/dev/zero of="/dev/$1" bs=4k count=1 oflag=direct \
		status=none
	direct_read "$1" 0 16 | cmp -n $(( 16 << 20 )) - /dev/zero
}

# grows DISK FILE TEXT - to 400 MiB, when TEXT is written to FILE and after
# compared
grows() {
	on server truncate -s 400M "$WORK/disk"
	write_sysfs "$2" "$3"
	same "$(cat "/sys/block/$1/size")" $(( 400 * 2048 )) size
	dd if="$WORK/pattern" of="/dev/$1" bs=1M seek=396 oflag=direct \
		status=none
	direct_read "$1" 396 4 | cmp - "$WORK/pattern"
}

# rnbd_serve [PARAMETER...] - the kernel's own server in the other guest, with
# two RAM disks of ROUND_TRIP_MIB; parameters are those of rtrs_server. That of
# 5.10 wants all of its chunks at once, which a used guest has no room for.
rnbd_serve() {
	[[ $BED_KERNEL != 5.10 ]] || set -- "$@" sess_queue_depth=128
	on server <<-EOF
		rnbd_forget
		modprobe brd rd_nr=2 rd_size=$(( ROUND_TRIP_MIB * 1024 ))
		modprobe rtrs_server $*
		modprobe rnbd_server
	EOF
	defer on server bash -c '. /bed/lib.sh; . /bed/rdma.sh; rnbd_forget'
}

RNBD_CLIENT=/sys/class/rnbd-client/ctl

rnbd_load() {
	modprobe rnbd_client
	defer bash -c '. /bed/lib.sh; . /bed/rdma.sh; rnbd_forget'
}

# rnbd_map KEY=VALUE... - map by the kernel's own client, in this guest; print
# the disk's name
rnbd_map() {
	local before
	before=$(rnbd_disks)
	rnbd_load
	# The first connection of soft RoCE in 5.10 is lost at times.
	bedctl write $RNBD_CLIENT/map_device "$*" > /dev/null ||
		write_sysfs $RNBD_CLIENT/map_device "$*"
	settle 20
	comm -13 <(echo "$before") <(rnbd_disks)
}

rnbd_disks() {
	find /sys/block -name 'rnbd*' -printf '%f\n' | sort
}

# a_hundred_rounds CTL DISK UNMAP MAPPING... - or fewer: map by writing to
# CTL/map_device and read DISK; UNMAP unmaps it. udev would take longer than all
# the rest.
a_hundred_rounds() {
	local ctl=$1 disk=$2 file=$3 i most
	most=$(rounds 100 20)
	shift 3
	defer ask_udev control --start-exec-queue
	ask_udev control --stop-exec-queue
	for (( i = 0; i < most; i++ )); do
		write_sysfs "$ctl/map_device" "$*"
		direct_read "$disk" 0 > /dev/null || fail "no data in round $i"
		eventually 20 bedctl write "$file" normal > /dev/null
	done
	(( most == 100 )) || echo "only $most rounds in make check"
}

# rnbd_unmap DISK [force]
rnbd_unmap() {
	settle 20
	write_sysfs "/sys/block/$1/rnbd/unmap_device" "${2:-normal}"
}

# rnbd_forget - remove both from this guest; a session may be closing still
rnbd_forget() {
	local name try disk
	for disk in $(rnbd_disks); do
		rnbd_unmap "$disk" force
	done
	for name in rnbd_client rtrs_client rnbd_server rtrs_server rtrs_core \
		brd; do
		for try in {1..50}; do
			[[ -d /sys/module/$name ]] || break
			! rmmod $name 2> /dev/null || break
			(( try < 50 )) || fail "cannot unload $name"
			doze 0.2
		done
	done
}

# diagnosis - likewise the queue pairs of both ends, and what rxe has counted
diagnosis() {
	show_paths
	rxe_state
	[[ -z $(other_guests) ]] || on server <<< rxe_state
}

rxe_state() {
	rdma resource show qp || :
	grep . /sys/class/infiniband/rxe0/ports/1/hw_counters/* || :
}
