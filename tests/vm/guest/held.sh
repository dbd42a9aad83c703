# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A disk that keeps what it is given for as long as a check wants. Sourced by
# the cases that have one, after lib.sh.

# The disk
HELD=/dev/mapper/held

# held_disk [SECTOR_SIZE] - make one of 64 MiB; below it is the device LOOP
held_disk() {
	need_module loop
	LOOP=$(losetup -f --show --sector-size "${1:-512}" \
		"$(disk_file 64 held)")
	defer losetup -d "$LOOP"
	dmsetup create held --table "0 131072 linear $LOOP 0"
	defer eval "dmsetup resume held; dmsetup remove --deferred held"
}

# hold, release - what comes to it meanwhile waits there
hold() {
	dmsetup suspend --nolockfs --noflush held
}

release() {
	dmsetup resume held
}
