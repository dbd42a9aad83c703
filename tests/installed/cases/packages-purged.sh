# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The same Debian after our packages have been purged.
# kernels: 5.10 6.1 6.12
# system: packages/purged
# modules: no
# timeout: 180

test_leaves_nothing() {
	local image
	same "$(find / -xdev \( -path /bed -o -path /media \) -prune -o \
		-iname '*unbd*' -print)" "" "files that are left"
	same "$(grep -l unbd /lib/modules/*/modules.* || :)" "" \
		"indices with unbd"
	for image in /boot/initrd.img-*; do
		same "$(lsinitramfs "$image" | grep -i unbd || :)" "" "$image"
	done
	same "$(dpkg-query -W 'unbd*' 2> /dev/null)" "" "packages"
	same "$(dkms status)" "" "what dkms knows"
	must_fail modprobe unbd-client
}
