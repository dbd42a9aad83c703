#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# With unbd= on the kernel's command line the network is needed.

if getarg unbd= > /dev/null; then
	echo rd.neednet=1 > /etc/cmdline.d/90-unbd.conf
fi
