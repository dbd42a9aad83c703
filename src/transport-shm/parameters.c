// SPDX-License-Identifier: GPL-2.0
/*
 * The parameters that both ends have.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <unbd/compat.h>
#include <unbd/parse.h>

#include "connections.h"
#include "elements.h"
#include "parameters.h"

/* When the module is being loaded nothing is ready for them yet. */
static bool keep_for_later(struct shm_connections *set, const char *text,
			   char **later, int *err)
{
	char *all;

	if (set->owner->state != MODULE_STATE_COMING || READ_ONCE(set->ready))
		return false;
	all = *later ? kasprintf(GFP_KERNEL, "%s,%s", *later, text) :
		kstrdup(text, GFP_KERNEL);
	*err = all ? 0 : -ENOMEM;
	if (all) {
		kfree(*later);
		*later = all;
	}
	return true;
}

/**
 * shm_set_list() - set a parameter that is a list
 * @set: the module's connections
 * @text: what was written
 * @later: where it is kept when the module is being loaded
 * @add: what becomes of it otherwise
 *
 * Return: 0 or -errno.
 */
int shm_set_list(struct shm_connections *set, const char *text, char **later,
		 int (*add)(struct shm_connections *set, const char *text))
{
	int err = -ENODEV;

	if (keep_for_later(set, text, later, &err))
		return err;
	if (READ_ONCE(set->ready) && try_module_get(set->owner)) {
		err = add(set, text);
		module_put(set->owner);
	}
	return err;
}
EXPORT_SYMBOL_UNBD(shm_set_list);

static int set_connections(const char *text, const struct kernel_param *kp)
{
	struct shm_connections *set = kp->arg;

	return shm_set_list(set, text, &set->initial, shm_connections_add);
}

static int get_connections(char *page, const struct kernel_param *kp)
{
	struct shm_connections *set = kp->arg;
	struct shm_connection *conn;
	int at = 0;

	mutex_lock(&set->mutex);
	list_for_each_entry(conn, &set->list, entry)
		at += scnprintf(page + at, PAGE_SIZE - at, "%s%s",
				at ? "," : "", conn->text);
	at += scnprintf(page + at, PAGE_SIZE - at, "\n");
	mutex_unlock(&set->mutex);
	return at;
}

const struct kernel_param_ops shm_param_connections = {
	.set = set_connections,
	.get = get_connections,
};
EXPORT_SYMBOL_UNBD(shm_param_connections);

static int set_remove_connection(const char *text,
				 const struct kernel_param *kp)
{
	struct shm_connections *set = kp->arg;
	char why[UNBD_WHY_LEN] = "";
	bool force;
	u32 id;
	int err;

	if (!READ_ONCE(set->ready) || !try_module_get(set->owner))
		return -ENODEV;
	err = shm_parse_remove(text, &id, &force, why, sizeof(why));
	if (!err)
		err = shm_connections_remove(set, id, force, why, sizeof(why));
	if (err)
		pr_err("%s: remove_connection: %.*s: %s (%d)\n", set->name,
		       (int)strcspn(text, "\n"), text, why, err);
	module_put(set->owner);
	return err;
}

const struct kernel_param_ops shm_param_remove_connection = {
	.set = set_remove_connection,
};
EXPORT_SYMBOL_UNBD(shm_param_remove_connection);

static const char * const unit_names[] = {
	[SHM_OFFSET_BLOCKS] = "lba",
	[SHM_OFFSET_SECTORS] = "512",
	[SHM_OFFSET_BYTES] = "bytes",
};

static int set_unit(const char *text, const struct kernel_param *kp)
{
	enum shm_offset_unit *unit = kp->arg;
	int found = sysfs_match_string(unit_names, text);

	if (found < 0)
		return found;
	WRITE_ONCE(*unit, found);
	return 0;
}

static int get_unit(char *page, const struct kernel_param *kp)
{
	const enum shm_offset_unit *unit = kp->arg;

	return scnprintf(page, PAGE_SIZE, "%s\n", unit_names[*unit]);
}

const struct kernel_param_ops shm_param_offset_unit = {
	.set = set_unit,
	.get = get_unit,
};
EXPORT_SYMBOL_UNBD(shm_param_offset_unit);
