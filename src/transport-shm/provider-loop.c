// SPDX-License-Identifier: GPL-2.0
/*
 * The provider "loop": memory of this kernel, for a client and a server that
 * both run in it. A region exists as long as an end has it open.
 */
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <unbd/parse.h>

#include "provider.h"

static unsigned int loop_buffer_mib = 16;
module_param(loop_buffer_mib, uint, 0644);
MODULE_PARM_DESC(loop_buffer_mib,
		 "size of buffers of the provider loop in MiB (default 16)");

/**
 * struct loop_region - a piece of memory with a name
 * @entry: in the list of all
 * @place: as in loop@PLACE/NAME
 * @name: likewise
 * @users: how often it is open
 * @addr: the memory
 * @pages: of which it consists
 * @size: bytes
 * @lock: the next one
 * @watches: who wants to be notified
 */
struct loop_region {
	struct list_head entry;
	char place[SHM_PLACE_LEN];
	char name[SHM_NAME_LEN];
	unsigned int users;
	void *addr;
	struct page **pages;
	size_t size;
	spinlock_t lock;		/* watches */
	struct list_head watches;
};

static DEFINE_MUTEX(regions_mutex);
static LIST_HEAD(regions);

static struct loop_region *find_region(const struct shm_region_name *name)
{
	struct loop_region *lr;

	lockdep_assert_held(&regions_mutex);

	list_for_each_entry(lr, &regions, entry)
		if (!strcmp(lr->place, name->place) &&
		    !strcmp(lr->name, name->name))
			return lr;
	return NULL;
}

static void free_region(struct loop_region *lr)
{
	kvfree(lr->pages);
	vfree(lr->addr);
	kfree(lr);
}

static int alloc_memory(struct loop_region *lr, size_t size)
{
	size_t i, nr = DIV_ROUND_UP(size, PAGE_SIZE);

	lr->addr = vzalloc(size);
	lr->pages = kvmalloc_array(nr, sizeof(*lr->pages), GFP_KERNEL);
	if (!lr->addr || !lr->pages)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		lr->pages[i] = vmalloc_to_page(lr->addr + i * PAGE_SIZE);
	return 0;
}

static struct loop_region *make_region(const struct shm_region_name *name,
				       size_t size)
{
	struct loop_region *lr = kzalloc(sizeof(*lr), GFP_KERNEL);

	if (!lr)
		return NULL;
	if (alloc_memory(lr, size)) {
		free_region(lr);
		return NULL;
	}
	lr->size = size;
	strscpy(lr->place, name->place, sizeof(lr->place));
	strscpy(lr->name, name->name, sizeof(lr->name));
	spin_lock_init(&lr->lock);
	INIT_LIST_HEAD(&lr->watches);
	list_add_tail(&lr->entry, &regions);
	return lr;
}

static int loop_open(struct shm_region *region,
		     const struct shm_region_name *name, char *why, size_t len)
{
	size_t size = shm_region_bytes(region->kind,
				       READ_ONCE(loop_buffer_mib));
	struct loop_region *lr;
	int err = 0;

	if (name->length)
		return unbd_why(why, len, -EINVAL,
				"loop has names, no windows");
	mutex_lock(&regions_mutex);
	lr = find_region(name);
	if (!lr)
		lr = make_region(name, size);
	if (!lr)
		err = unbd_why(why, len, -ENOMEM,
			       "no memory for %zu bytes", size);
	else if (region->kind != SHM_REGION_BUFFER && lr->size != size)
		err = unbd_why(why, len, -EINVAL,
			       "loop@%.32s/%.32s has another purpose",
			       name->place, name->name);
	if (!err) {
		lr->users++;
		region->addr = lr->addr;
		region->size = lr->size;
		region->local = true;
		region->priv = lr;
	}
	mutex_unlock(&regions_mutex);
	return err;
}

static void loop_close(struct shm_region *region)
{
	struct loop_region *lr = region->priv;
	bool last;

	mutex_lock(&regions_mutex);
	last = !--lr->users;
	if (last)
		list_del(&lr->entry);
	mutex_unlock(&regions_mutex);
	if (last)
		free_region(lr);
}

static struct page *loop_page(struct shm_region *region, size_t offset)
{
	const struct loop_region *lr = region->priv;

	return lr->pages[offset / PAGE_SIZE];
}

static void loop_notify(struct shm_region *region)
{
	struct loop_region *lr = region->priv;
	struct shm_watch *watch;
	unsigned long flags;

	spin_lock_irqsave(&lr->lock, flags);
	list_for_each_entry(watch, &lr->watches, entry)
		watch->notified(watch);
	spin_unlock_irqrestore(&lr->lock, flags);
}

static void loop_watch(struct shm_region *region, struct shm_watch *watch)
{
	struct loop_region *lr = region->priv;

	spin_lock_irq(&lr->lock);
	list_add_tail(&watch->entry, &lr->watches);
	spin_unlock_irq(&lr->lock);
}

static void loop_unwatch(struct shm_region *region, struct shm_watch *watch)
{
	struct loop_region *lr = region->priv;

	spin_lock_irq(&lr->lock);
	list_del(&watch->entry);
	spin_unlock_irq(&lr->lock);
}

struct shm_provider shm_loop_provider = {
	.owner = THIS_MODULE,
	.name = "loop",
	.open = loop_open,
	.close = loop_close,
	.page = loop_page,
	.notify = loop_notify,
	.watch = loop_watch,
	.unwatch = loop_unwatch,
};
