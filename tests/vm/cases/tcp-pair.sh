# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Our client and our server on two networks, and what can happen in between.
# topology: ns
# kernels: 6.1
# timeout: 600
# tags: tcp client server recovery

. /bed/tcp.sh

THERE=(sessname=s path=tcp:10.0.0.1 device_path=vol0)

# serve - in the other guest, for this one
serve() {
	on server <<-EOF
		export_dev name=vol0 "device_path=\$(disk_file $ROUND_TRIP_MIB)" \
			clients=10.0.0.0/24,127.0.0.1
		listen tcp:0.0.0.0:10809
	EOF
}

test_file_systems_and_a_tree() {
	serve
	round_trip "${THERE[@]}"
	on server <<-'EOF'
		same "$(cat $SERVER/exports/vol0/stats/errors)" 0 errors
		eventually 5 no_connections
	EOF
}

test_ipv6_with_a_scope() {
	local disk
	on server <<-EOF
		export_dev name=vol0 "device_path=\$(disk_file 16)"
		listen 'tcp:[::]:10809'
	EOF
	disk=$(map sessname=s 'path=tcp:[fe80::5054:ff:fe00:1%eth0]:10809' \
		device_path=vol0)
	direct_read "$disk" 1 > /dev/null
	unmap "$disk"
}

# kernels: 6.1 7.2
test_a_cut_network_under_verified_writes() {
	local disk
	serve
	disk=$(map "${THERE[@]}" keepalive=1)
	write_steadily "$disk"
	cut_is_noticed
	sleep 2
	restore_network
	eventually 10 path_is s live
	writing_goes_on
	end_writing
	unmap "$disk"
}

# The server's modules go and come back, as in an upgrade.
# kernels: 5.10 6.1 7.2 debug
test_the_server_is_replaced_under_writes() {
	local disk
	on server <<-'EOF'
		truncate -s 16M /root/disk
		export_dev name=vol0 device_path=/root/disk
		listen tcp:0.0.0.0:10809
	EOF
	disk=$(map "${THERE[@]}")
	write_steadily "$disk"
	on server <<-'EOF'
		unlisten tcp:0.0.0.0:10809
		unexport vol0 force
		unload tcp-server server
		export_dev name=vol0 device_path=/root/disk
		listen tcp:0.0.0.0:10809
	EOF
	eventually 10 path_is s live
	writing_goes_on
	end_writing
	unmap "$disk"
}

# Two clients on one export, one of them never heard of again.
test_a_client_that_dies_leaves_nothing() {
	local disk other
	serve
	write_sysfs $SERVER/listen tcp:127.0.0.1:10809
	disk=$(map "${THERE[@]}" nr_queues=1)
	other=$(map sessname=t path=tcp:127.0.0.1 device_path=vol0 nr_queues=1)
	direct_read "$disk" 1 > /dev/null
	is_connected_by 2
	drop_network
	unmap "$disk" force
	is_connected_by 2
	eventually 120 is_connected_by 1
	direct_read "$other" 1 > /dev/null
	nothing_failed "$other"
	same "$(path_stat t failures)" 0 "failures of the other client's path"
	unmap "$other"
}

# is_connected_by NUMBER - clients, each by one connection
is_connected_by() {
	local all=("$SERVER"/connections/*)
	[[ -e ${all[0]} ]] || all=()
	(( ${#all[@]} == $1 ))
}
