#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# dracut: what it takes to have the root file system on a disk of unbd, see
# unbd-boot(7).

program() {
	find /usr/local/sbin/unbd /usr/sbin/unbd 2> /dev/null | head -n 1
}

# Is a device of the host's own file systems one of ours?
is_ours() {
	[[ $(readlink -f "/sys/dev/block/$1") == */unbd* ]]
}

check() {
	[[ $(program) ]] || return 1
	[[ ! $hostonly ]] || for_each_host_dev_and_slaves is_ours || return 255
}

depends() {
	echo network
}

installkernel() {
	# Of the transports those that need nothing but a network card
	hostonly='' instmods unbd-client unbd-tcp-client unbd-shm-client
}

install() {
	inst "$(program)" /sbin/unbd
	inst_multiple sed modprobe
	inst_rules 60-unbd.rules
	inst_hook cmdline 90 "$moddir/unbd-cmdline.sh"
	inst_hook initqueue/settled 90 "$moddir/unbd-map.sh"
}
