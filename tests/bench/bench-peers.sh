# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the bench compares, each in a guest of its own: start_PEER sets DISK up
# over one connection, with a RAM disk or a RAM-backed file at the other end.
# Sourced by measure.sh.

. /bed/lib.sh
. /bed/rdma.sh

RAM_KIB=$(( 128 * 1024 ))
NVMET=/sys/kernel/config/nvmet
RXE=10.9.9.1

start_ram() {
	DISK=ram0
}

# --- TCP ----------------------------------------------------------------------

# nbd_ko SERVER... - what was started there, used by the kernel's own client
nbd_ko() {
	modprobe nbd nbds_max=1
	sleep 1
	nbd-client -b 4096 127.0.0.1 10809 /dev/nbd0 "$@" > /dev/null
	DISK=nbd0
}

nbdkit_start() {
	nbdkit -i 127.0.0.1 memory $(( RAM_KIB / 1024 ))M
}

start_nbd+nbdkit() {
	nbdkit_start
	nbd_ko
}

start_nbd+nbd-server() {
	cat > "$WORK/conf" <<-EOF
		[generic]
		listenaddr = 127.0.0.1
		[vol0]
		exportname = /dev/ram0
		flush = true
		fua = true
	EOF
	nbd-server -C "$WORK/conf"
	nbd_ko -N vol0
}

start_nbd+qemu-nbd() {
	qemu-nbd --fork -t -b 127.0.0.1 -f raw -x vol0 \
		--cache=none --aio=native /dev/ram0
	nbd_ko -N vol0
}

# unbd_server ADDRESS
unbd_server() {
	load "${1%%:*}-server"
	export_dev name=vol0 device_path=/dev/ram0
	listen "$1"
}

start_nbd+unbd() {
	unbd_server tcp:127.0.0.1:10809
	nbd_ko -N vol0
}

start_unbd+nbdkit() {
	nbdkit_start
	sleep 1
	DISK=$(map sessname=s path=tcp:127.0.0.1 device_path= nr_queues=1)
}

start_unbd-tcp() {
	unbd_server tcp:127.0.0.1:10809
	DISK=$(map sessname=s path=tcp:127.0.0.1 device_path=vol0 nr_queues=1)
}

# nvmet TRANSPORT ADDRESS - export the RAM disk by NVMe, and connect to it
nvmet() {
	modprobe "nvmet-$1"
	modprobe "nvme-$1"
	mountpoint -q /sys/kernel/config ||
		mount -t configfs configfs /sys/kernel/config
	mkdir -p $NVMET/subsystems/t/namespaces/1 $NVMET/ports/1
	echo 1 > $NVMET/subsystems/t/attr_allow_any_host
	echo -n /dev/ram0 > $NVMET/subsystems/t/namespaces/1/device_path
	echo 1 > $NVMET/subsystems/t/namespaces/1/enable
	echo "$1" > $NVMET/ports/1/addr_trtype
	echo ipv4 > $NVMET/ports/1/addr_adrfam
	echo "$2" > $NVMET/ports/1/addr_traddr
	echo 4420 > $NVMET/ports/1/addr_trsvcid
	ln -s $NVMET/subsystems/t $NVMET/ports/1/subsystems/t
	echo "transport=$1,traddr=$2,trsvcid=4420,nqn=t,nr_io_queues=1" \
		> /dev/nvme-fabrics
	eventually 20 test -b /dev/nvme0n1
	DISK=nvme0n1
}

start_nvme-tcp() {
	nvmet tcp 127.0.0.1
}

# --- shared memory ------------------------------------------------------------

start_unbd-shm() {
	modprobe unbd-shm-server device=/dev/ram0:1 \
		connections=1:loop@a/request:loop@a/response:loop@a/memory
	modprobe unbd-shm-client \
		connections=1:loop@a/request:loop@a/response:loop@a/memory
	eventually 20 test -b /dev/unbd0
	DISK=unbd0
}

# --- RDMA, over soft RoCE that talks to itself ----------------------------------

start_unbd-rdma() {
	rxe_alone $RXE
	unbd_server rdma:$RXE:1234
	DISK=$(map sessname=s path=rdma:$RXE device_path=vol0 nr_queues=1)
}

start_rnbd() {
	rxe_alone $RXE
	modprobe rnbd_server
	DISK=$(rnbd_map sessname=s path=ip:$RXE device_path=/dev/ram0)
}

start_nvme-rdma() {
	rxe_alone $RXE
	nvmet rdma $RXE
}
