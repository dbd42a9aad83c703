/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What older kernels lack. The code is written for the newest kernel; these
 * headers bring the others up to it, sorted by the kernel header that has the
 * newer thing. HAVE_* come from the probes in compat/tests/, never from
 * version numbers: distributions carry much of a newer kernel back.
 *
 * Where the old and the new shape differ too much for one to pose as the
 * other, there is an unbd_ function for both.
 */
#ifndef UNBD_COMPAT_H
#define UNBD_COMPAT_H

#include <unbd-config.h>

#include <unbd/compat-lib.h>
#include <unbd/compat-block.h>
#include <unbd/compat-disk.h>
#include <unbd/compat-net.h>

#endif /* UNBD_COMPAT_H */
