// SPDX-License-Identifier: GPL-2.0
/*
 * unbd-shm: what both ends of the block protocol over shared memory need,
 * providers of memory above all.
 */
#define pr_fmt(fmt) "unbd-shm: " fmt

#include <linux/mutex.h>

#include <unbd/parse.h>

#include "provider.h"

static DEFINE_MUTEX(providers_mutex);
static LIST_HEAD(providers);

static struct shm_provider *find_provider(const char *name)
{
	struct shm_provider *provider;

	lockdep_assert_held(&providers_mutex);

	list_for_each_entry(provider, &providers, entry)
		if (!strcmp(provider->name, name))
			return provider;
	return NULL;
}

/**
 * shm_register_provider() - offer a provider of shared memory
 * @provider: stays in place until shm_unregister_provider()
 *
 * Return: 0 or -EEXIST.
 */
int shm_register_provider(struct shm_provider *provider)
{
	int err = 0;

	mutex_lock(&providers_mutex);
	if (find_provider(provider->name))
		err = -EEXIST;
	else
		list_add_tail(&provider->entry, &providers);
	mutex_unlock(&providers_mutex);
	return err;
}
EXPORT_SYMBOL_UNBD(shm_register_provider);

/**
 * shm_unregister_provider() - withdraw a provider
 * @provider: whose regions are all closed: they hold its module
 */
void shm_unregister_provider(struct shm_provider *provider)
{
	mutex_lock(&providers_mutex);
	list_del(&provider->entry);
	mutex_unlock(&providers_mutex);
}
EXPORT_SYMBOL_UNBD(shm_unregister_provider);

static const struct shm_provider *try_get(const char *name)
{
	struct shm_provider *provider;

	mutex_lock(&providers_mutex);
	provider = find_provider(name);
	if (provider && !try_module_get(provider->owner))
		provider = NULL;
	mutex_unlock(&providers_mutex);
	return provider;
}

static const struct shm_provider *get_provider(const char *name)
{
	const struct shm_provider *provider = try_get(name);

	if (provider)
		return provider;
	request_module("unbd-shm-provider-%s", name);
	return try_get(name);
}

/* Its kind has been set, and whether pages are wanted. */
static int open_region(struct shm_region *region,
		       const struct shm_region_name *name,
		       char *why, size_t len)
{
	const struct shm_provider *provider = get_provider(name->provider);
	int err;

	if (!provider)
		return unbd_why(why, len, -EPROTONOSUPPORT,
				"there is no provider \"%s\" here",
				name->provider);
	region->provider = provider;
	err = provider->open(region, name, why, len);
	if (err) {
		region->provider = NULL;
		module_put(provider->owner);
	}
	return err;
}

static void close_region(struct shm_region *region)
{
	const struct shm_provider *provider = region->provider;

	if (!provider)
		return;
	provider->close(region);
	region->provider = NULL;
	module_put(provider->owner);
}

/**
 * shm_regions_open() - open the three regions of a connection
 * @regions: filled in
 * @o: their names
 * @wants_pages: struct pages are of use, where the provider can have some
 * @why: reason of a failure
 * @len: size of @why
 *
 * Process context, may sleep. Return: 0 or -errno.
 */
int shm_regions_open(struct shm_regions *regions,
		     const struct shm_connection_option *o, bool wants_pages,
		     char *why, size_t len)
{
	int err;

	*regions = (struct shm_regions){
		.request = { .kind = SHM_REGION_REQUEST },
		.response = { .kind = SHM_REGION_RESPONSE },
		.buffer = { .kind = SHM_REGION_BUFFER },
	};
	/* Of one piece of memory all is mapped in the same way, or none. */
	regions->request.wants_pages = wants_pages;
	regions->response.wants_pages = wants_pages;
	regions->buffer.wants_pages = wants_pages;
	err = open_region(&regions->request, &o->request, why, len);
	if (!err)
		err = open_region(&regions->response, &o->response, why, len);
	if (!err)
		err = open_region(&regions->buffer, &o->buffer, why, len);
	if (err)
		shm_regions_close(regions);
	return err;
}
EXPORT_SYMBOL_UNBD(shm_regions_open);

/**
 * shm_regions_close() - close what is open of a connection's regions
 * @regions: filled in by shm_regions_open()
 */
void shm_regions_close(struct shm_regions *regions)
{
	close_region(&regions->buffer);
	close_region(&regions->response);
	close_region(&regions->request);
}
EXPORT_SYMBOL_UNBD(shm_regions_close);

static struct shm_provider * const own_providers[] = {
	&shm_loop_provider,
	&shm_mem_provider,
#ifdef CONFIG_PCI
	&shm_ivshmem_provider,
#endif
};

static void __exit unbd_shm_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(own_providers); i++)
		shm_unregister_provider(own_providers[i]);
}

static int __init unbd_shm_init(void)
{
	unsigned int i;

	/* They come first, and have different names. */
	for (i = 0; i < ARRAY_SIZE(own_providers); i++)
		shm_register_provider(own_providers[i]);
	return 0;
}

module_init(unbd_shm_init);
module_exit(unbd_shm_exit);

MODULE_DESCRIPTION("unbd: shared memory for both ends of muenblock");
MODULE_LICENSE("GPL");
MODULE_VERSION(UNBD_VERSION);
