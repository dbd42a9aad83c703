# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A write that a server holds while it is sent again. Sourced by the cases about
# fencing, after lib.sh; they have lose_connection.

# export_slowly [NAME] - an export, vol0, on a disk of another server, whose
# first write after "hold" has been made waits for "release"
export_slowly() {
	local lower
	truncate -s 16M "$WORK/store"
	start_nbdkit --threads=8 eval thread_model='echo parallel' \
		get_size='echo 16M' can_write='exit 0' \
		pread="dd if=$WORK/store bs=4k count=\$3 skip=\$4 \
			iflag=count_bytes,skip_bytes status=none" \
		pwrite="! rmdir $WORK/hold 2> /dev/null || {
			touch $WORK/held
			while [ ! -e $WORK/release ]; do sleep 0.1; done
		}
		dd of=$WORK/store bs=4k seek=\$4 oflag=seek_bytes \
			conv=notrunc iflag=fullblock status=none"
	lower=$(map sessname=lower "$HERE" device_path= nr_queues=1)
	export_dev "name=${1:-vol0}" "device_path=/dev/$lower"
}

# write_of BYTE [DISK] - a block of it at 1 MiB
write_of() {
	head -c 4096 /dev/zero | tr '\0' "$1" |
		dd of="/dev/${2:-$DISK}" bs=4k seek=256 oflag=direct \
			iflag=fullblock status=none
}

# holds BYTE - the disk has that there
holds() {
	dd if="/dev/$DISK" bs=4k skip=256 count=1 iflag=direct status=none |
		cmp - <(head -c 4096 /dev/zero | tr '\0' "$1")
}

# hold_a_write - one write of DISK, a block of A, is held by the server, and the
# connection that it came by is lost
hold_a_write() {
	mkdir "$WORK/hold"
	write_of A &
	WRITER=$!
	defer kill -9 "$WRITER"
	eventually 20 test -e "$WORK/held"
	lose_connection
	eventually 20 path_has_failed
}

path_has_failed() {
	(( $(path_stat s failures 0) ))
}

fenced() {
	cat "/sys/block/$DISK/unbd/stats/fenced"
}

writer_waits() {
	kill -0 "$WRITER"
}

release_it() {
	touch "$WORK/release"
	wait "$WRITER"
}

# newer_data_stay - written after the first write was answered
newer_data_stay() {
	write_of B
	touch "$WORK/release"
	# The held one, if it is to come still.
	sleep 2
	holds B
}

# nothing_comes_late - the write is sent again when the held one is over
nothing_comes_late() {
	sleep 2
	writer_waits
	same "$(fenced)" 1 "writes that were held"
	release_it
	holds A
	newer_data_stay
	nothing_failed
	unmap "$DISK"
}

# do_not_fence - until the check's end
do_not_fence() {
	load client
	defer eval 'echo Y > /sys/module/unbd_client/parameters/fencing'
	echo N > /sys/module/unbd_client/parameters/fencing
}

# newer_data_are_lost - which is what fencing is for
newer_data_are_lost() {
	within 20 tail -s 0.1 --pid="$WRITER" -f /dev/null
	same "$(fenced)" 0 "writes that were held"
	must_fail newer_data_stay
	unmap "$DISK"
}
