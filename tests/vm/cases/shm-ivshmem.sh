# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Client and server of muenblock in two guests, over memory that both have by
# ivshmem-plain or ivshmem-doorbell: in either order, several disks, and either
# end killed.
# topology: two
# kernels: 6.1
# timeout: 600
# tags: shm muenblock ivshmem recovery
# devices: ivshmem disk

. /bed/shm.sh
PLAIN=ivshmem@0000:00:10.0
DOORBELL=ivshmem@0000:00:11.0
share $PLAIN

# gate: 6.1
test_two_disks_and_a_tree() {
	local a b
	on server <<-'EOF'
		serve /dev/vda "$(disk_file 40)"
	EOF
	attach
	eventually 10 nr_disks 2
	a=$(by_letter a)
	b=$(by_letter b)
	[[ $(blockdev --getsize64 "/dev/$a") == $(( 1280 << 20 )) ]]
	[[ $(blockdev --getsize64 "/dev/$b") == $(( 40 << 20 )) ]]
	# 64 MiB of device memory are not where the firmware lets them be cached.
	expect_log "unbd-shm: $PLAIN: the memory is mapped uncached"
	mkfs.ext4 -q "/dev/$a"
	mounted "/dev/$a" "$WORK/mnt"
	make_tree "$WORK/tree" 8
	cp -a "$WORK/tree" "$WORK/mnt/tree"
	verified_fio "$b" --bsrange=512-256k --blockalign=512
	umount "$WORK/mnt"
	detach
	nr_disks 0
	attach
	eventually 10 nr_disks 2
	a=$(by_letter a)
	mounted "/dev/$a" "$WORK/mnt"
	same_tree "$WORK/tree" "$WORK/mnt/tree"
	umount "$WORK/mnt"
	fsck.ext4 -fn "/dev/$a"
	detach
}

# interrupts - how often we were told something
interrupts() {
	awk '/unbd-shm/ { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+$/) n += $i }
		END { print n + 0 }' /proc/interrupts
}

# The client is first, too.
test_doorbells_ring_at_both_ends() {
	share $DOORBELL
	attach_first serve_there /dev/vda
	SIZE=32M verified_fio "$DISK" --bsrange=512-256k --blockalign=512
	nothing_failed
	(( $(interrupts) > 10 )) || fail "$(interrupts) interrupts here"
	on server <<-'EOF'
		(( $(interrupts) > 10 )) || fail "$(interrupts) interrupts there"
	EOF
	detach
}

test_what_is_not_there() {
	load shm-client
	expect_errno ENODEV $SHM_CLIENT/connections \
		1:ivshmem@0000:00:1f.7/a:loop@x/b:loop@x/c
	expect_errno ENODEV $SHM_CLIENT/connections \
		1:ivshmem@00:00.0/a:loop@x/b:loop@x/c
	expect_errno EINVAL $SHM_CLIENT/connections \
		1:ivshmem@00:20.0/a:loop@x/b:loop@x/c
	expect_errno EINVAL $SHM_CLIENT/connections \
		"1:$PLAIN+0x4000000+0x8000:loop@x/b:loop@x/c"
	expect_errno EINVAL $SHM_CLIENT/connections \
		"1:$PLAIN/q:$PLAIN/q:loop@x/c"
	expect_errno ENAMETOOLONG $SHM_CLIENT/connections \
		"1:$PLAIN/$(printf 'x%.0s' {1..60}):loop@x/b:loop@x/c"
	allow_log 'unbd-shm-'
}

test_the_server_is_killed_under_verified_writes() {
	local disk
	share $DOORBELL
	serve_there /dev/vda
	attach
	eventually 10 nr_disks 1
	disk=$(by_letter a)
	write_steadily "$disk"
	for _ in 1 2; do
		host kill server
		sleep 1
		host start server
		serve_there /dev/vda
		writing_goes_on
	done
	end_writing
	nothing_failed "$disk"
	detach
}

test_the_server_is_reloaded_under_verified_writes() {
	local disk
	serve_there /dev/vda
	attach
	eventually 10 nr_disks 1
	disk=$(by_letter a)
	write_steadily "$disk"
	for _ in 1 2 3; do
		on server <<-'EOF'
			remove $SHM_SERVER "1 force"
			rmmod unbd-shm-server
			sleep 0.5
			serve /dev/vda
		EOF
		writing_goes_on
	done
	end_writing
	nothing_failed "$disk"
	detach
}

test_the_client_is_killed_while_it_writes() {
	serve /dev/vda
	on server <<-'EOF'
		attach
		eventually 10 nr_disks 1
		write_pattern --offset=0
	EOF
	for _ in 1 2; do
		on server <<-'EOF'
			write_pattern --offset=16M --time_based --runtime=100 \
				> /dev/null 2>&1 &
			disown
			sleep 1
		EOF
		host kill server
		host start server
		on server <<-'EOF'
			attach
			eventually 20 nr_disks 1
			write_pattern --offset=0 --verify_only
			write_pattern --offset=0
		EOF
	done
	on server <<< detach
}

# write_pattern [ARG...] - 2 MiB, flushed and read again
write_pattern() {
	fio --name=v --filename="/dev/$(by_letter a)" --rw=randwrite --bs=16k \
		--verify=crc32c --direct=1 --size=2M --ioengine=libaio \
		--iodepth=8 --end_fsync=1 --verify_fatal=1 --output=/dev/null \
		"$@"
}
