# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A Debian with our packages, its own init, kernel and initramfs.
# kernels: 5.10 6.1 6.12
# system: packages/installed
# modules: no
# timeout: 180

# A disk over loopback, by nothing but what the packages have installed
uses_a_disk() {
	local link=/dev/disk/by-unbd/127.0.0.1:vol0
	head -c 16M /dev/urandom > "$WORK/file"
	cp "$WORK/file" "$WORK/exported"
	unbd export vol0 "$WORK/exported"
	unbd listen tcp:127.0.0.1:10809
	unbd map nbd://127.0.0.1/vol0
	eventually 10 test -b $link
	cmp "$WORK/file" $link
	head -c 1M /dev/urandom > "$WORK/piece"
	dd if="$WORK/piece" of=$link bs=1M seek=3 oflag=direct status=none
	dd if="$WORK/piece" of="$WORK/file" bs=1M seek=3 conv=notrunc status=none
	unmap unbd0
	cmp "$WORK/file" "$WORK/exported"
}

modules_are_built() {
	local name file
	for name in unbd-{client,server,tcp,rdma,shm} \
		unbd-{tcp,rdma,shm}-{client,server}; do
		file=$(modinfo -F filename "$name")
		matches "$file" "^/lib/modules/$(uname -r)/updates/dkms/"
	done
}

test_boots_with_all_modules() {
	same "$(command -v unbd)" /usr/sbin/unbd
	modules_are_built
	eventually 60 systemctl is-system-running
	same "$(systemctl --failed --plain --no-legend)" "" "failed units"
}

test_maps() {
	uses_a_disk
}
