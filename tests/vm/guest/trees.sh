# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Real file trees, and whether they are still the same.

# make_tree DIR MIB - about MIB of files: programs and libraries of the guest,
# and the shapes that copying gets wrong
make_tree() {
	local dir=$1 left=$(( $2 * 1024 )) size path
	mkdir -p "$dir/deep/er/and/deeper" "$dir/files"
	ln -s ../files "$dir/deep/link"
	: > "$dir/empty"
	truncate -s 3000001 "$dir/sparse"
	echo middle | dd of="$dir/sparse" bs=1 seek=1500000 conv=notrunc status=none
	echo linked > "$dir/one" && ln "$dir/one" "$dir/deep/two"
	head -c 12345 /dev/urandom > "$dir/deep/er/random"
	while read -r size path; do
		(( left > 0 )) || break
		cp "$path" "$dir/files/${path//\//_}"
		left=$(( left - size ))
	done < <(find /usr/lib/python3* /usr/lib/x86_64-linux-gnu /usr/bin \
		-xdev -type f -printf '%k %p\n' | sort -k 2 || true)
	(( left <= 0 )) || fail "not $2 MiB of files in the guest"
}

# tree_sums DIR - a line a file: contents, size, mode and link target
tree_sums() (
	cd "$1" || exit
	find . -not -name lost+found -not -type d -printf '%P %m %s %l\n' | sort
	find . -type f -print0 | sort -z | xargs -0 md5sum
)

# same_tree DIR DIR
same_tree() {
	diff <(tree_sums "$1") <(tree_sums "$2") > "$WORK/tree.diff" ||
		fail "$1 and $2 differ: $(head -n 3 "$WORK/tree.diff")"
}

# drop_caches - make the next read come from the device
drop_caches() {
	sync
	echo 3 > /proc/sys/vm/drop_caches
}

# mounted DEVICE DIR [OPTION...] - mount until the check ends
mounted() {
	local device=$1 dir=$2
	shift 2
	mkdir -p "$dir"
	mount "$@" "$device" "$dir"
	defer umount -l "$dir"
}
