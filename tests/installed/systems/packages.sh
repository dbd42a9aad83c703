# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Our packages come, the kernel is replaced, our packages go.
# stages: installed upgraded purged

case $1 in
installed)
	. ./install
	;;
upgraded)
	apt-get -qy install linux-image-amd64 linux-headers-amd64
	;;
purged)
	apt-get -qy purge unbd-dkms unbd-utils
	rm -r ./*
	;;
esac
