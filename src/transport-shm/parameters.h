/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parameters that both ends have, each in its module: there kernel_param's
 * arg is what they are about.
 */
#ifndef UNBD_SHM_PARAMETERS_H
#define UNBD_SHM_PARAMETERS_H

#include <linux/moduleparam.h>

struct shm_connections;

/* About the module's &struct shm_connections */
extern const struct kernel_param_ops shm_param_connections;
extern const struct kernel_param_ops shm_param_remove_connection;

/* About an enum shm_offset_unit */
extern const struct kernel_param_ops shm_param_offset_unit;

int shm_set_list(struct shm_connections *set, const char *text, char **later,
		 int (*add)(struct shm_connections *set, const char *text));

#endif
