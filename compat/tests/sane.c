// SPDX-License-Identifier: GPL-2.0
/* has to compile: every header that a probe uses */
#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/build_bug.h>
#include <linux/bvec.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/percpu-rwsem.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/socket.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <net/sock.h>
