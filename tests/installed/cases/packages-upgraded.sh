# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The same Debian with a newer kernel, for which DKMS has built by itself.
# kernels: 5.10 6.1 6.12
# system: packages/upgraded
# modules: no
# timeout: 180

. /bed/cases/packages-installed.sh

test_maps_with_the_new_kernel() {
	local kernels=(/boot/vmlinuz-*)
	same "${#kernels[@]}" 2 "number of kernels"
	modules_are_built
	uses_a_disk
}
