# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A disk that keeps what it is given for as long as a check wants. Sourced by
# the cases that have one, after lib.sh.

# The disk
HELD=/dev/mapper/held

# held_disk [SECTOR_SIZE] - make one of 64 MiB; below it is the device LOOP
# shellcheck disable=SC2120 # some cases pass one
held_disk() {
	need_module loop
	LOOP=$(losetup -f --show --sector-size "${1:-512}" \
		"$(disk_file 64 held)")
	defer losetup -d "$LOOP"
	dmsetup create held --table "0 131072 linear $LOOP 0"
	defer eval "dmsetup resume held; dmsetup remove --deferred held"
}

# shallow_disk - SHALLOW, above such a one, which takes 128 requests at a time
shallow_disk() {
	held_disk
	SHALLOW=$(losetup -f --show --direct-io=on "$HELD")
	defer losetup -d "$SHALLOW"
	echo none > "/sys/block/${SHALLOW#/dev/}/queue/scheduler"
}

# hold, release - what comes to it meanwhile waits there
hold() {
	dmsetup suspend --nolockfs --noflush held
}

release() {
	dmsetup resume held
}

# wants_stable_writes - it computes something from data that are written to it,
# as RAID 5 does, so they must not change meanwhile
wants_stable_writes() {
	local disk
	disk=$(basename "$(readlink -f "$HELD")")
	echo 1 > "/sys/block/$disk/queue/stable_writes"
}

# held_block BYTE - its first block is of that
held_block() {
	dd if="$HELD" bs=4k count=1 iflag=direct status=none |
		cmp - <(head -c 4096 /dev/zero | tr '\0' "$1")
}

# for_us_alone DISK - from now on, until "exec 8>&-": udev heeds the lock, and does
# not read the partitions, for ever, of a disk that is held
for_us_alone() {
	exec 8<> "/dev/$1"
	flock 8
	settle 20
}

# under_way DISK NUMBER - so many of its requests are, or more
under_way() {
	(( $(awk '{ print $1 + $2 }' "/sys/block/$1/inflight") >= $2 ))
}
