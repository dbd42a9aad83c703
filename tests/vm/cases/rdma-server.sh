# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Devices that clients of RDMA name below dev_search_path, and how they share
# them; what a session costs the server.
# topology: loop
# kernels: 6.1
# timeout: 600
# tags: rdma server

. /bed/rdma.sh

HERE=path=ip:10.0.0.1

setup() {
	rxe_everywhere
}

# search_below PATH [PARAMETER...] - serve two RAM disks of 64 MiB and whatever
# else is there; parameters are those of unbd-rdma-server
search_below() {
	local path=$1
	shift
	on server <<-EOF
		rnbd_forget
		modprobe brd rd_nr=2 rd_size=65536
		modprobe unbd-server "dev_search_path=$path"
		modprobe unbd-rdma-server sess_queue_depth=64 $*
		listen rdma:0.0.0.0:1234
	EOF
}

# nothing_open - in the server
nothing_open() {
	[[ -z $(ls -A "$SERVER/exports") ]] && no_connections
}

# only_open_by SESSION - ram0, in the server
only_open_by() {
	[[ $(ls "$SERVER/exports") == "!dev!ram0@$1" ]]
}

# refused_there ERRNO MAPPING REGEX - it fails, and the server says why
refused_there() {
	load client
	expect_errno "$1" "$CLIENT/map_device" "$2"
	on server <<-EOF
		expect_log '$3'
	EOF
	nothing_mapped
}

test_a_device_and_its_end() {
	local disk
	search_below /dev
	disk=$(map sessname=s $HERE device_path=ram0)
	compared "$disk" 4
	on server <<-'EOF'
		same "$(ls "$SERVER/exports")" '!dev!ram0@s' exports
		same "$(cat "$SERVER"/exports/*/access_mode)" rw access_mode
	EOF
	unmap "$disk"
	on server <<< "eventually 5 nothing_open"
	# A slash in front changes nothing.
	disk=$(map sessname=s $HERE device_path=/ram0)
	direct_read "$disk" 0 4 | cmp - "$WORK/pattern"
	unmap "$disk"
}

test_what_cannot_be_opened() {
	search_below /dev
	refused_there ENOENT "sessname=s $HERE device_path=none" \
		'refused .* "none" as rw: /dev/none: no such'
	refused_there EINVAL "sessname=s $HERE device_path=../dev/ram0" \
		'refused .*/dev/ram0" is no name of a device'
	refused_there ENOTBLK "sessname=s $HERE device_path=null" \
		'refused .* /dev/null is no block device'
	on server <<-'EOF'
		echo "" > /sys/module/unbd_server/parameters/dev_search_path
		export_dev name=other "device_path=$(disk_file 8)"
	EOF
	refused_there ENOENT "sessname=s $HERE device_path=ram0" \
		'refused .* "ram0" as rw: there is no such export'
}

test_a_directory_for_each_session() {
	local disk
	on server <<-'EOF'
		mkdir -p /run/ns/a/d /run/ns/b/d
		ln -sf /dev/ram1 /run/ns/a/d/vol
	EOF
	search_below /run/ns/%SESSNAME%/d
	disk=$(map sessname=a $HERE device_path=vol)
	compared "$disk" 1
	unmap "$disk"
	refused_there ENOENT "sessname=b $HERE device_path=vol" \
		'refused .* /run/ns/b/d/vol: no such'
}

test_who_may_write_beside_whom() {
	local a b c
	search_below /dev
	a=$(map sessname=a $HERE device_path=ram0)
	expect_errno EPERM "$CLIENT/map_device" \
		"sessname=b $HERE device_path=ram0"
	b=$(map sessname=b $HERE device_path=ram0 access_mode=migration)
	expect_errno EPERM "$CLIENT/map_device" \
		"sessname=c $HERE device_path=ram0 access_mode=migration"
	c=$(map sessname=c $HERE device_path=ram0 access_mode=ro)
	same "$(cat "/sys/block/$c/ro")" 1 ro
	compared "$b" 1
	direct_read "$c" 0 | cmp - "$WORK/pattern"
	unmap "$a"
	unmap "$b"
	on server <<< "eventually 5 only_open_by c"
	# One reader keeps nobody from writing.
	a=$(map sessname=d $HERE device_path=ram0)
	unmap "$a"
	unmap "$c"
}

test_an_export_of_that_name_goes_first() {
	local disk
	search_below /dev
	on server <<-'EOF'
		export_dev name=ram0 "device_path=$(disk_file 8)"
		export_dev name=ram1 "device_path=$(disk_file 8 b)" \
			clients=192.0.2.1
	EOF
	disk=$(map sessname=s $HERE device_path=ram0)
	same "$(cat "/sys/block/$disk/size")" 16384 size
	unmap "$disk"
	# Nor is the device a way past the export's list.
	refused_there EACCES "sessname=s $HERE device_path=ram1" \
		'refused .* "ram1" as rw: clients= does not list it'
}

test_data_that_are_copied() {
	local disk
	search_below /dev always_invalidate=Y
	disk=$(map sessname=s $HERE device_path=ram0)
	compared "$disk" 4
	SIZE=2M verified_fio "$disk" --bsrange=4k-128k
	unmap "$disk"
}

test_force_close_and_remap() {
	local disk
	search_below /dev
	disk=$(map sessname=s $HERE device_path=ram0)
	compared "$disk" 1
	allow_log "dev $disk|Buffer I/O error"
	on server <<< force_close_paths
	# The path is lost, and comes back by itself.
	direct_read "$disk" 0 | cmp - "$WORK/pattern"
	unmap "$disk"
}

# What the manual says: 512 chunks of 128 KiB, and a little for itself. A first
# session takes what the kernel keeps for itself of the checks before.
test_what_a_session_pins() {
	local first disk
	on server <<-'EOF'
		rnbd_forget
		modprobe unbd-server
		export_dev name=vol0 "device_path=$(disk_file 8)"
		listen rdma:0.0.0.0:1234
	EOF
	first=$(map sessname=first $HERE device_path=vol0 nr_queues=4)
	on server <<< 'free_kib > /run/before'
	disk=$(map sessname=s $HERE device_path=vol0 nr_queues=4)
	on server <<-'EOF'
		used=$(( $(< /run/before) - $(free_kib) ))
		echo "a session takes $used KiB"
		(( used >= 65536 && used <= 65536 + 16384 )) ||
			fail "a session takes $used KiB"
	EOF
	unmap "$disk"
	unmap "$first"
}

# What the manual says of the client, over soft RoCE: 10 MiB for 512 chunks and
# four queues. The chunks are small here, for the server's sake.
test_what_a_session_takes_of_a_client() {
	local disks i before used
	on server <<-'EOF'
		rnbd_forget
		modprobe unbd-rdma-server max_chunk_size=16384
		export_dev name=vol0 "device_path=$(disk_file 8)"
		listen rdma:0.0.0.0:1234
	EOF
	disks=$(map sessname=s $HERE device_path=vol0 nr_queues=4)
	before=$(free_kib)
	for i in 1 2 3 4; do
		disks+=" $(map sessname=s$i $HERE device_path=vol0 nr_queues=4)"
	done
	# The server is in this kernel, with 512 chunks of 16 KiB.
	used=$(( (before - $(free_kib)) / 4 - 512 * 16 ))
	echo "a session takes $used KiB"
	(( used >= 1024 && used <= 12 * 1024 )) ||
		fail "a session takes $used KiB"
	for i in $disks; do
		unmap "$i"
	done
}

# free_kib - what nobody has; the check before may still be giving some back
free_kib() {
	local now last=0
	while
		echo 3 > /proc/sys/vm/drop_caches
		now=$(sed -n 's/^MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo)
		(( now > last + 128 ))
	do
		last=$now
		sleep 0.5
	done
	echo "$now"
}
