#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Map what unbd= on the kernel's command line says; called again and again
# until the root file system is there.

unbd restore --boot
