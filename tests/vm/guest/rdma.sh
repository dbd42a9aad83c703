# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the cases about RDMA share. Sourced by them, after lib.sh.

. /bed/tcp.sh

# rxe_here - soft RoCE on this guest's network, with packets of 4 KiB. It stays
# for the checks to come. rdma_rxe of 6.1 wants its checksum loaded before.
rxe_here() {
	local end=$(( SECONDS + $(scaled 15) ))
	if ! rdma link show rxe0/1 > /dev/null 2>&1; then
		ip link set eth0 mtu 9000
		modprobe -q crc32_pclmul || modprobe -q crc32_generic || :
		modprobe rdma_rxe
		rdma link add rxe0 type rxe netdev eth0
	fi
	# An address becomes usable when its GID is in the table.
	until grep -qs "^0000:.*:ffff:" /sys/class/infiniband/rxe0/ports/1/gids/*
	do
		(( SECONDS < end )) || fail "no GID for an IPv4 address"
		sleep 0.1
	done
}

# rxe_everywhere - likewise in both guests
rxe_everywhere() {
	rxe_here
	on server <<< rxe_here
}

# serve - our own server in the other guest, for all its networks
serve() {
	on server <<-'EOF'
		load rdma-server
		export_dev name=vol0 "device_path=$(disk_file 64)" \
			clients=10.0.0.0/16
		listen rdma:0.0.0.0:1234
	EOF
}

# rnbd_serve [PARAMETER...] - the kernel's own server in the other guest, with
# two RAM disks of 64 MiB; parameters are those of rtrs_server
rnbd_serve() {
	on server <<-EOF
		rnbd_forget
		modprobe brd rd_nr=2 rd_size=65536
		modprobe rtrs_server $*
		modprobe rnbd_server
	EOF
	defer on server bash -c '. /bed/lib.sh; . /bed/rdma.sh; rnbd_forget'
}

# rnbd_map KEY=VALUE... - a disk of the kernel's own client, in this guest
rnbd_map() {
	modprobe rnbd_client
	defer bash -c '. /bed/lib.sh; . /bed/rdma.sh; rnbd_forget'
	write_sysfs /sys/class/rnbd-client/ctl/map_device "$*"
}

rnbd_unmap() {
	local file
	for file in /sys/block/rnbd*/rnbd/unmap_device; do
		[[ ! -e $file ]] || write_sysfs "$file" force
	done
}

# rnbd_forget - remove both from this guest; a session may be closing still
rnbd_forget() {
	local name try
	rnbd_unmap
	for name in rnbd_client rtrs_client rnbd_server rtrs_server rtrs_core \
		brd; do
		for try in {1..50}; do
			[[ -d /sys/module/$name ]] || break
			! rmmod $name 2> /dev/null || break
			(( try < 50 )) || fail "cannot unload $name"
			sleep 0.2
		done
	done
}

# compared DISK MIB - a pattern, written and read again past the page cache
compared() {
	pattern "$WORK/pattern" "$2"
	dd if="$WORK/pattern" of="/dev/$1" bs=1M oflag=direct conv=fsync \
		status=none
	direct_read "$1" 0 "$2" | cmp - "$WORK/pattern"
}

# rdma_diagnosis - what to look at if nothing moves any more
rdma_diagnosis() {
	rdma resource show qp || :
	grep . /sys/class/infiniband/rxe0/ports/1/hw_counters/* || :
}

# path_live SESSION N
path_live() {
	[[ $(path_state "$1" "$2") == live ]]
}
