# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What needs a second kernel: a server's host that stands still, or is dead.
# topology: two
# kernels: 6.1
# timeout: 600
# tags: tcp rdma client server recovery

. /bed/rdma.sh

OVER_TCP=(sessname=s path=tcp:10.0.0.1 device_path=vol0)
OVER_RDMA=(sessname=s path=rdma:10.0.0.1 device_path=vol0)

serve_tcp() {
	on server <<-'EOF'
		export_dev name=vol0 "device_path=$(disk_file 64)" \
			clients=10.0.0.0/24
		listen tcp:0.0.0.0:10809
	EOF
}

serve_rdma() {
	rxe_everywhere
	serve
}

# freezes_and_thaws MAPPING... - the whole host stands still and goes on later
freezes_and_thaws() {
	local disk
	disk=$(map "$@" keepalive=1)
	write_steadily "$disk"
	host freeze server
	eventually 5 path_is s reconnecting
	eventually 5 state_is "$disk" parked
	host thaw server
	eventually 30 path_is s live
	writing_goes_on
	end_writing
	unmap "$disk"
}

# gate: 6.1
test_a_server_that_freezes_and_thaws_over_tcp() {
	serve_tcp
	freezes_and_thaws "${OVER_TCP[@]}"
}

# gate: 6.1
test_a_server_that_freezes_and_thaws_over_rdma() {
	serve_rdma
	freezes_and_thaws "${OVER_RDMA[@]}"
}

test_unmap_force_returns_while_the_host_is_dead() {
	local disk
	serve_tcp
	disk=$(map "${OVER_TCP[@]}" "${PATIENT[@]}")
	unmapped_from_the_dead "$disk"
}
