/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which life of a server's machine is this? A server that has crashed and come
 * back may have lost writes that it answered and nobody flushed; one whose
 * module was only loaded again has not.
 */
#ifndef UNBD_INSTANCE_H
#define UNBD_INSTANCE_H

#include <linux/types.h>

#define UNBD_INSTANCE_LEN	16

/**
 * struct unbd_instance - what a server calls its machine's present life
 * @byte: another after each boot
 */
struct unbd_instance {
	u8 byte[UNBD_INSTANCE_LEN];
};

#endif /* UNBD_INSTANCE_H */
