# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Data through a mapped disk, written and verified. Sourced by lib.sh.

# pattern FILE MIB - bytes that no two blocks have in common
pattern() {
	bedctl pattern "$2" > "$1"
}

# direct_read DISK MIB [COUNT] - MiB at a place, past the page cache
direct_read() {
	dd if="/dev/$1" bs=1M skip="$2" count="${3:-1}" iflag=direct,fullblock \
		status=none
}

# is_mib DISK MIB - that is its size
is_mib() {
	same "$(blockdev --getsize64 "/dev/$1")" $(( $2 << 20 )) size
}

# compared_end DISK MIB - the last MiB is there to be written and read
compared_end() {
	pattern "$WORK/pattern" 1
	dd if="$WORK/pattern" of="/dev/$1" bs=1M seek=$(( $2 - 1 )) \
		oflag=direct status=none
	direct_read "$1" $(( $2 - 1 )) | cmp - "$WORK/pattern"
}

# compared DISK MIB - a pattern, written and read again past the page cache
compared() {
	pattern "$WORK/pattern" "$2"
	dd if="$WORK/pattern" of="/dev/$1" bs=1M oflag=direct conv=fsync \
		status=none
	direct_read "$1" 0 "$2" | cmp - "$WORK/pattern"
}

# verified_fio DISK [ARG...] - random reads and writes at depth 32 by 4 jobs,
# each with a quarter of SIZE (8M) of the disk; what is read is verified
verified_fio() {
	local disk=$1 size=${SIZE:-8M} quarter
	shift
	quarter=$(( ${size%M} * 256 ))k
	fio --name=verify --filename="/dev/$disk" --ioengine=libaio --direct=1 \
		--rw=randrw --bs=4k --iodepth=32 --numjobs=4 --group_reporting \
		--size=$quarter --offset_increment=$quarter \
		--verify=crc32c --verify_fatal=1 --randseed=7 --minimal "$@" \
		> "$WORK/fio.out" 2>&1 ||
		fail "fio: $(grep -v '^3;' "$WORK/fio.out" | sed -n 1,3p)"
}

# write_steadily DISK [ARG...] - verified writes until end_writing
write_steadily() {
	local disk=$1
	shift
	rm -f "$WORK/stop" "$WORK/status"
	python3 $PEERS/steady_writer.py "/dev/$disk" --stop "$WORK/stop" \
		--status "$WORK/status" "$@" > "$WORK/writer" 2>&1 &
	WRITER=$!
	defer kill -9 "$WRITER"
	eventually 20 wrote_more_than 0
}

wrote_more_than() {
	[[ -s $WORK/status ]] && (( $(cat "$WORK/status") > $1 ))
}

# writing_goes_on [SECONDS] - writes come through again, within 30 s. What the
# writer said last may be from before it had to wait.
writing_goes_on() {
	rm -f "$WORK/status"
	eventually 20 test -s "$WORK/status"
	eventually "${1:-30}" wrote_more_than $(( $(cat "$WORK/status") + 3 ))
}

# end_writing - what the writer says is the check's outcome
end_writing() {
	touch "$WORK/stop"
	within 90 tail -s 0.1 --pid="$WRITER" -f /dev/null
	wait "$WRITER" || fail "writer: $(tail -n 2 "$WORK/writer")"
	cat "$WORK/writer"
}

# What round_trip wants of a disk, in MiB
# shellcheck disable=SC2034
ROUND_TRIP_MIB=368

# round_trip MAPPING... - map; file systems on two partitions, a tree in each;
# unmount, map again: all is as it was; then verified random I/O. TREE_MIB,
# SYSTEMS and SIZE say how much, MAP_BY and UNMAP_BY what maps if not map. The
# emulated debug kernel does less of everything, and so does make check where it
# is not on 6.1.
round_trip() {
	local disk number system size=${TREE_MIB:-4} fio=${SIZE:-8M}
	local systems=${SYSTEMS:-ext4 xfs}
	if [[ $BED_KERNEL != 6.1 ]] && { in_gate || is_debug; }; then
		size=1 systems=ext4 fio=2M
	fi
	disk=$(${MAP_BY:-map} "$@")
	sfdisk -q --wipe always "/dev/$disk" <<< $'label: gpt\nsize=40M\nsize=304M'
	settle 20
	[[ -d /tmp/tree.$size ]] || make_tree "/tmp/tree.$size" "$size"
	number=0
	for system in $systems; do
		number=$(( number + 1 ))
		make_file_system "$system" "/dev/${disk}p$number"
		copy_tree "/tmp/tree.$size" "/dev/${disk}p$number" \
			"$WORK/$system"
	done
	${UNMAP_BY:-unmap} "$disk"

	disk=$(${MAP_BY:-map} "$@")
	number=0
	for system in $systems; do
		number=$(( number + 1 ))
		compare_tree "/tmp/tree.$size" "/dev/${disk}p$number" \
			"$WORK/$system"
	done
	e2fsck -fn "/dev/${disk}p1" > "$WORK/fsck" 2>&1 ||
		fail "e2fsck: $(tail -n 3 "$WORK/fsck")"
	SIZE=$fio verified_fio "$disk" --offset=348M
	${UNMAP_BY:-unmap} "$disk"
}

make_file_system() {
	case $1 in
	ext4)	mkfs.ext4 -q -F "$2" ;;
	xfs)	mkfs.xfs -q -f "$2" ;;
	esac
}

copy_tree() {
	mkdir -p "$3"
	mount "$2" "$3"
	defer umount -q "$3"
	cp -a "$1" "$3/tree"
	umount "$3"
}

compare_tree() {
	mount "$2" "$3"
	same_tree "$1" "$3/tree"
	umount "$3"
}
