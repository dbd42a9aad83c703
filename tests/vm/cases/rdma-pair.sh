# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Our RDMA client and our RDMA server, over soft RoCE in one kernel.
# topology: loop
# kernels: 6.1
# timeout: 600
# tags: rdma client server

. /bed/rdma.sh

THERE=(sessname=s path=rdma:10.0.0.1 device_path=vol0)

setup() {
	rxe_everywhere
}

# kernels: 5.10 6.1 6.12 7.2
test_file_systems_and_verified_io() {
	serve
	slow_round_trip "${THERE[@]}"
	on server <<-'EOF'
		same "$(cat $SERVER/exports/vol0/stats/errors)" 0 errors
	EOF
}

# write_pieces DISK - requests as large as can be, from memory that begins in the
# middle of a page: they have a piece more than soft RoCE sends at once
write_pieces() {
	python3 - "/dev/$1" "$WORK/pattern" <<-'EOF'
		import mmap, os, sys
		size = 124 << 10
		fd = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
		data = open(sys.argv[2], "rb").read()
		memory = mmap.mmap(-1, 1 << 20)
		part = memoryview(memory)[512:512 + size]
		for at in range(0, len(data) - size, size):
		    part[:] = data[at:at + size]
		    assert os.pwritev(fd, [part], at) == size
		    part[:] = bytes(size)
		    assert os.preadv(fd, [part], at) == size
		    assert bytes(part) == data[at:at + size]
	EOF
}

# What a disk takes does not depend on the adapter.
test_writes_of_many_pieces() {
	local disk
	serve
	disk=$(map "${THERE[@]}")
	same "$(queue_limit "$disk" max_segments)" 32 max_segments
	pattern "$WORK/pattern" 4
	write_pieces "$disk"
	nothing_failed "$disk"
	same "$(path_stat s failures)" 0 "failures of the path"
	unmap "$disk"
}

# max_queues NUMBER, max_sessions NUMBER - of the server
max_queues() {
	echo "$1" > /sys/module/unbd_rdma_server/parameters/max_queues
}

max_sessions() {
	echo "$1" > /sys/module/unbd_rdma_server/parameters/max_sessions
}

# was_refused REASON TIMES - the log of the server says that the client was, so
# often at least
was_refused() {
	(( $(klog | grep -c "refused 10.0.0..*: $1") >= $2 ))
}

test_what_the_server_rejects() {
	local disk
	serve
	load client
	on server <<< "max_queues 1"
	map_refused ECONNRESET "${THERE[*]}" \
		"rejects connection 0 of [23]: too many of them"
	# Nor is anything waited for because of the first mapping. (How often the
	# server is asked depends on who else looks at the path just then.)
	map_refused ECONNRESET "${THERE[*]}" "rejects connection 0 of "
	on server <<-'EOF'
		eventually 3 was_refused "more than max_queues" 2
		max_queues 4096
		max_sessions 0
	EOF
	map_refused EUSERS "${THERE[*]}" "it has too many clients"
	on server <<-'EOF'
		eventually 3 was_refused "too many are connected" 1
		max_sessions 1
	EOF
	# A session that is being closed is waited for.
	disk=$(map "${THERE[@]}")
	unmap "$disk"
	disk=$(map "${THERE[@]}")
	unmap "$disk"
}

# As large as the server's disk, read-only, and a second device of the session
test_devices_of_a_session() {
	local disk other
	serve_two
	disk=$(map "${THERE[@]}")
	other=$(map sessname=s device_path=vol1 access_mode=ro)
	same "$(ls -d "$CLIENT"/sessions/s/paths/* | wc -l)" 1 paths
	read_only_zeros "$other"
	compared "$disk" 4
	grows "$disk" "/sys/block/$disk/unbd/resize" 0
	same "$(cat "/sys/block/$other/size")" 32768 "size of vol1"
	# The one goes, the other stays.
	unmap "$disk"
	direct_read "$other" 0 > /dev/null
	on server <<-'EOF'
		same "$(cat "$SERVER/exports/vol1/stats/errors")" 0 errors
	EOF
	unmap "$other"
	nothing_mapped
}

# Nobody writes to the file "resize", nor is a server asked that tells of it.
test_the_disk_follows_the_servers_size() {
	local disk mib
	serve
	on server <<-'EOF'
		truncate -s 16M "$WORK/disk"
		echo 1 > /sys/module/unbd_rdma_server/parameters/keepalive
	EOF
	disk=$(map "${THERE[@]}" keepalive=1)
	write_steadily "$disk"
	for mib in 48 32 64; do
		on server <<< "truncate -s ${mib}M \$WORK/disk"
		eventually 20 is_mib "$disk" $mib
		compared_end "$disk" $mib
	done
	end_writing
	unmap "$disk"
	disk=$(map "${THERE[@]}" keepalive=0)
	on server <<< "truncate -s 48M \$WORK/disk"
	eventually 20 is_mib "$disk" 48
	unmap "$disk"
}

# closed_there EXPORT - by the server, until the client asks for it again
closed_there() {
	local conn
	for conn in "$SERVER"/connections/*; do
		[[ $(cat "$conn/export") != "$1" ]] ||
			write_sysfs "$conn/force_close" 1
	done
}

# The other disks of the session do not notice.
test_a_device_that_the_server_closes() {
	local disk other file
	serve_two
	file=$WORK/b
	disk=$(map "${THERE[@]}")
	other=$(map sessname=s device_path=vol1)
	settle 20
	pattern "$WORK/pattern" 1
	write_steadily "$disk"
	for _ in 1 2 3; do
		on server <<< "closed_there vol1"
		dd if="$WORK/pattern" of="/dev/$other" bs=64k oflag=direct \
			conv=fsync status=none
		direct_read "$other" 0 | cmp - "$WORK/pattern"
	done
	on server <<< "unexport vol1 force"
	dd if=/dev/zero of="/dev/$other" bs=64k count=4 oflag=direct \
		status=none &
	sleep 3
	kill -0 $! || fail "nothing waits for the device"
	writing_goes_on
	on server <<< "export_dev name=vol1 device_path=$file"
	wait $! || fail "what waited for the device has failed"
	end_writing
	same "$(path_stat s failures)" 0 "failures of the path"
	nothing_failed "$disk"
	nothing_failed "$other"
	unmap "$disk"
	unmap "$other"
}

test_a_hundred_rounds_of_mapping() {
	serve
	load client
	a_hundred_rounds $CLIENT unbd0 /sys/block/unbd0/unbd/unmap_device \
		"${THERE[@]}" nr_poll_queues=1
	bedctl write $CLIENT/map_device "${THERE[*]} nr_poll_queues=1"
	same "$(queue_limit unbd0 io_poll)" 1 io_poll
	bedctl write /sys/block/unbd0/unbd/unmap_device normal
}

# All of them at once, not one after the other
test_polled_connections_end_soon() {
	local disk begin
	serve
	disk=$(map "${THERE[@]}" nr_queues=1 nr_poll_queues=4)
	settle 20
	begin=$(milliseconds)
	write_sysfs "/sys/block/$disk/unbd/unmap_device" force
	begin=$(( $(milliseconds) - begin ))
	(( begin < 500 )) || fail "unmapped in $begin ms"
}

# An adapter that is removed waits for the identifiers, and for nothing else that
# is made on it.
test_identifiers_go_last() {
	local disk
	serve
	disk=$(map "${THERE[@]}")
	settle 20
	trace_calls id=rdma_destroy_id pd=ib_dealloc_pd_user
	unmap "$disk"
	eventually 10 no_connections
	# Of what each task did last
	awk '!/^#/ { sub(/:$/, "", $5); last[$1] = $5; seen[$5]++ }
		END { for (t in last) print last[t], t
		      print seen["pd"], "domains" }' $TRACING/trace \
		> "$WORK/last"
	cat "$WORK/last"
	grep -qx '2 domains' "$WORK/last"
	! grep '^pd ' "$WORK/last" || fail "an adapter goes too early"
}

# adapter_goes_and_comes - that of both ends, under write_steadily
adapter_goes_and_comes() {
	rdma link delete rxe0
	eventually 10 path_away s 0
	rxe_here
	eventually 20 path_is s live
	writing_goes_on
}

# kernels: 6.1 debug
test_the_adapter_goes_under_writes() {
	local disk
	serve
	disk=$(map "${THERE[@]}")
	write_steadily "$disk"
	for _ in 1 2 3; do
		adapter_goes_and_comes
	done
	end_writing
	unmap "$disk"
}

# Who listens at an address of the adapter listens there again, without a word
# from anybody; and not when it has been told not to.
# kernels: 5.10 6.1 7.2
test_a_listener_comes_back_with_its_adapter() {
	local disk
	serve
	on server <<-'EOF'
		unlisten rdma:0.0.0.0:1234
		listen rdma:10.0.0.1:1234
		listen rdma:10.0.0.2:1234
	EOF
	disk=$(map "${THERE[@]}")
	write_steadily "$disk"
	for _ in 1 2; do
		adapter_goes_and_comes
	done
	end_writing
	unmap "$disk"
	rdma link delete rxe0
	unlisten rdma:10.0.0.2:1234
	rxe_here
	eventually 20 bedctl write $CLIENT/map_device "${THERE[*]}" > /dev/null
	must_fail bedctl write $CLIENT/map_device \
		"sessname=t path=rdma:10.0.0.2 device_path=vol0"
	unmap "$(unbd_disks)"
}

# A disk of the server's that takes its time is no reason not to let it go.
test_the_adapter_goes_while_the_disk_waits() {
	local disk
	serve_full
	disk=$(map "${THERE[@]}" nr_queues=2 keepalive=1)
	for_us_alone "$disk"
	hold
	fio --name=v --filename="/dev/$disk" --rw=randwrite --bs=4k --direct=1 \
		--size=1M --ioengine=libaio --iodepth=100 --numjobs=2 \
		--thread --output="$WORK/fio" &
	WRITER=$!
	eventually 10 under_way "$disk" 100
	within 20 rdma link delete rxe0
	rxe_here
	release
	wait $WRITER || fail "fio: $(tail -n 3 "$WORK/fio")"
	nothing_failed "$disk"
	exec 8>&-
	unmap "$disk"
}

# The server's modules go and come back, as in an upgrade.
# kernels: 6.1 debug
test_the_server_is_replaced_under_writes() {
	local disk
	on server <<-'EOF'
		truncate -s 16M /root/disk
		load rdma-server
		export_dev name=vol0 device_path=/root/disk
		listen rdma:0.0.0.0:1234
	EOF
	disk=$(map "${THERE[@]}")
	write_steadily "$disk"
	on server <<-'EOF'
		unlisten rdma:0.0.0.0:1234
		unexport vol0 force
		# The client closes its path when it learns of that.
		eventually 15 unload rdma-server
		unload server
		load rdma-server
		export_dev name=vol0 device_path=/root/disk
		listen rdma:0.0.0.0:1234
	EOF
	eventually 20 path_is s live
	writing_goes_on
	end_writing
	unmap "$disk"
}

# The memory of a session is not made for whom the lists keep out.
test_strangers_are_refused_before_they_cost_anything() {
	load rdma-server client
	export_dev name=vol0 "device_path=$(disk_file 16)" \
		clients=192.168.0.0/16
	listen rdma:0.0.0.0:1234
	trace_calls chunks=srv_chunks_alloc
	map_refused EACCES "${THERE[*]}" "it does not allow this address"
	! grep 'chunks:' $TRACING/trace || fail "memory was allocated"
	eventually 10 no_connections
}

opened() {
	same "$(cat "$SERVER/exports/$1/connections")" "$2" "connections of $1"
}

# All that the server takes, and more. What udev wants of the disk waits, too, so
# it cannot be waited for.
test_a_disk_that_waits_leaves_room() {
	local disk other=unbd1
	serve_held
	disk=$(map "${THERE[@]}" nr_queues=2)
	same "$disk" unbd0
	for_us_alone "$disk"
	hold
	fio --name=v --filename="/dev/$disk" --rw=randwrite --bs=4k --direct=1 \
		--size=1M --ioengine=libaio --iodepth=200 --numjobs=2 \
		--thread --output="$WORK/fio" &
	WRITER=$!
	eventually 10 under_way "$disk" 50
	write_sysfs $CLIENT/map_device "sessname=s device_path=vol1"
	eventually 10 test -b /dev/$other
	within 5 dd if=/dev/zero of=/dev/$other bs=4k count=4 oflag=direct \
		conv=fsync status=none
	truncate -s 32M "$WORK/b"
	write_sysfs /sys/block/$other/unbd/resize 0
	is_mib $other 32
	eventually 10 bedctl write /sys/block/$other/unbd/unmap_device normal
	opened vol1 0
	release
	wait $WRITER || fail "a request of the disk that was held has failed"
	nothing_failed "$disk"
	exec 8>&-
	same "$(path_stat s failures)" 0 "failures of the path"
	unmap "$disk"
}

# What was in flight on the path that is removed has all of the slots.
test_a_path_that_goes_leaves_its_slots() {
	local disk begin
	serve_held
	disk=$(map "${THERE[@]}" path=rdma:10.0.0.2 nr_queues=2 policy=prefer)
	eventually 20 path_live s 1
	for_us_alone "$disk"
	hold
	fio --name=v --filename="/dev/$disk" --rw=randwrite --bs=4k --direct=1 \
		--size=1M --ioengine=libaio --iodepth=200 --numjobs=2 \
		--thread --output="$WORK/fio" &
	WRITER=$!
	eventually 10 under_way "$disk" 50
	write_sysfs "$CLIENT/sessions/s/paths/0/remove" 1
	begin=$(milliseconds)
	release
	wait $WRITER || fail "fio: $(tail -n 3 "$WORK/fio")"
	begin=$(( $(milliseconds) - begin ))
	echo "$begin ms"
	(( begin < 15000 )) || fail "it took $begin ms"
	nothing_failed "$disk"
	exec 8>&-
	unmap "$disk"
}
