# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Our RDMA client, and a host with the kernel's own RNBD server that stands
# still or is dead. One CPU, as for the other checks of that server.
# topology: two
# kernels: 6.1
# timeout: 600
# cpus: 1
# peers: rnbd
# tags: rdma client interop

. /bed/rdma.sh

THERE=(sessname=s path=ip:10.0.0.1 device_path=/dev/ram0)

setup() {
	rxe_everywhere
}

test_a_server_that_freezes_and_thaws() {
	local disk
	rnbd_serve always_invalidate=N
	disk=$(map "${THERE[@]}" keepalive=1)
	write_steadily "$disk"
	host freeze server
	eventually 5 path_is s reconnecting
	eventually 2 state_is "$disk" parked
	host thaw server
	eventually 30 path_is s live
	writing_goes_on
	end_writing
	unmap "$disk"
}

test_unmap_force_returns_while_the_host_is_dead() {
	local disk
	rnbd_serve always_invalidate=N
	disk=$(map "${THERE[@]}" "${PATIENT[@]}")
	unmapped_from_the_dead "$disk"
}
