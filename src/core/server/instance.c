// SPDX-License-Identifier: GPL-2.0
/*
 * Which life of this machine it is, for clients that keep what was not flushed.
 *
 * What has been written to an export is in the page cache or behind a drive's
 * cache, and there it stays when this module goes and comes again. So it is
 * the kernel's boot that counts, which has a random name of its own.
 */
#define pr_fmt(fmt) "unbd-server: " fmt

#include <linux/fs.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/uuid.h>

#include "server.h"

#define BOOT_ID		"/proc/sys/kernel/random/boot_id"

static struct unbd_instance instance;

static int read_boot_id(uuid_t *id)
{
	char text[UUID_STRING_LEN + 1] = "";
	struct file *file;
	loff_t pos = 0;
	ssize_t n;

	file = filp_open(BOOT_ID, O_RDONLY, 0);
	if (IS_ERR(file))
		return PTR_ERR(file);
	n = kernel_read(file, text, UUID_STRING_LEN, &pos);
	fput(file);
	if (n < 0)
		return n;
	return uuid_parse(text, id);
}

/**
 * unbd_instance_init() - find out
 *
 * In the context of the process that loads the module.
 */
void unbd_instance_init(void)
{
	uuid_t id;
	int err = read_boot_id(&id);

	BUILD_BUG_ON(sizeof(id) != sizeof(instance));

	if (!err) {
		memcpy(&instance, &id, sizeof(instance));
		return;
	}
	/* Clients will believe that this machine has been restarted. */
	pr_warn("cannot read %s (%d)\n", BOOT_ID, err);
	get_random_bytes(&instance, sizeof(instance));
}

const struct unbd_instance *unbd_server_instance(void)
{
	return &instance;
}
EXPORT_SYMBOL_UNBD(unbd_server_instance);
