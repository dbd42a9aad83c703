// SPDX-License-Identifier: GPL-2.0
/*
 * The provider "ivshmem": the memory of QEMU's device of that name, which
 * several guests have in common. ivshmem@0000:00:10.0/NAME is a region in the
 * memory of that device.
 *
 * No driver is registered: others use such devices for other purposes, so one
 * is taken when its address is named, and given back after that.
 */
#define pr_fmt(fmt) "unbd-shm: " fmt

#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include <unbd/parse.h>

#include "provider.h"
#include "window.h"

#define IVSHMEM_VENDOR	0x1af4
#define IVSHMEM_DEVICE	0x1110
#define MEMORY_BAR	2

/**
 * struct ivshmem - a device in use
 * @entry: in the list of all
 * @pdev: the device
 * @users: regions that are open
 * @window: its memory
 */
struct ivshmem {
	struct list_head entry;
	struct pci_dev *pdev;
	unsigned int users;
	struct shm_window window;
};

static DEFINE_MUTEX(devices_mutex);	/* which there are, and users */
static LIST_HEAD(devices);

static struct pci_dev *get_pci_device(const char *place, char *why, size_t len)
{
	unsigned int domain = 0, bus, slot, function;
	struct pci_dev *pdev;
	char end;

	if (sscanf(place, "%x:%x:%x.%u%c", &domain, &bus, &slot, &function,
		   &end) != 4) {
		domain = 0;
		if (sscanf(place, "%x:%x.%u%c", &bus, &slot, &function,
			   &end) != 3)
			bus = 256;
	}
	if (bus > 255 || slot > 31 || function > 7) {
		unbd_why(why, len, 0,
			 "\"%.32s\" is not the address of a PCI device, as 0000:00:10.0",
			 place);
		return ERR_PTR(-EINVAL);
	}
	pdev = pci_get_domain_bus_and_slot(domain, bus,
					   PCI_DEVFN(slot, function));
	if (pdev && pdev->vendor == IVSHMEM_VENDOR &&
	    pdev->device == IVSHMEM_DEVICE)
		return pdev;
	unbd_why(why, len, 0, pdev ? "%s is another device" :
		 "there is no PCI device %s", place);
	pci_dev_put(pdev);
	return ERR_PTR(-ENODEV);
}

static void complain_if_uncached(struct ivshmem *dev)
{
	if (!shm_window_cached(&dev->window))
		pr_warn("ivshmem@%s: the memory is mapped uncached, which may be very slow; the firmware has its %zu MiB below 4 GiB: give it 4096 MiB or more, or boot with nopat\n",
			pci_name(dev->pdev), dev->window.size >> 20);
}

static int take_device(struct ivshmem *dev, char *why, size_t len)
{
	struct pci_dev *pdev = dev->pdev;
	int err;

	if (pdev->dev.driver)
		return unbd_why(why, len, -EBUSY, "%s has the driver %s",
				pci_name(pdev), pdev->dev.driver->name);
	err = pci_enable_device_mem(pdev);
	if (err)
		return unbd_why(why, len, err, "%s cannot be enabled",
				pci_name(pdev));
	err = pci_request_region(pdev, MEMORY_BAR, "unbd-shm");
	if (err) {
		unbd_why(why, len, err, "the memory of %s is in use",
			 pci_name(pdev));
		goto disable;
	}
	dev->window.start = pci_resource_start(pdev, MEMORY_BAR);
	dev->window.size = pci_resource_len(pdev, MEMORY_BAR);
	err = shm_window_map(&dev->window, why, len);
	if (err)
		goto release;
	complain_if_uncached(dev);
	return 0;

release:
	pci_release_region(pdev, MEMORY_BAR);
disable:
	pci_disable_device(pdev);
	return err;
}

static void put_ivshmem(struct ivshmem *dev)
{
	lockdep_assert_held(&devices_mutex);

	if (--dev->users)
		return;
	list_del(&dev->entry);
	shm_window_unmap(&dev->window);
	pci_release_region(dev->pdev, MEMORY_BAR);
	pci_disable_device(dev->pdev);
	pci_dev_put(dev->pdev);
	kfree(dev);
}

static struct ivshmem *find_ivshmem(struct pci_dev *pdev)
{
	struct ivshmem *dev;

	lockdep_assert_held(&devices_mutex);

	list_for_each_entry(dev, &devices, entry)
		if (dev->pdev == pdev)
			return dev;
	return NULL;
}

/* The device of a region, ready; holds the reference to @pdev, or drops it. */
static struct ivshmem *get_ivshmem(struct pci_dev *pdev, char *why, size_t len)
{
	struct ivshmem *dev = find_ivshmem(pdev);
	int err = -ENOMEM;

	if (dev) {
		pci_dev_put(pdev);
		dev->users++;
		return dev;
	}
	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (dev) {
		dev->pdev = pdev;
		dev->users = 1;
		err = take_device(dev, why, len);
	}
	if (!err) {
		list_add_tail(&dev->entry, &devices);
		return dev;
	}
	kfree(dev);
	pci_dev_put(pdev);
	return ERR_PTR(err);
}

static int ivshmem_open(struct shm_region *region,
			const struct shm_region_name *name,
			char *why, size_t len)
{
	struct pci_dev *pdev = get_pci_device(name->place, why, len);
	struct ivshmem *dev;
	int err;

	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	mutex_lock(&devices_mutex);
	dev = get_ivshmem(pdev, why, len);
	err = PTR_ERR_OR_ZERO(dev);
	if (!err) {
		err = shm_window_region(&dev->window, region, name, why, len);
		if (err)
			put_ivshmem(dev);
		region->priv = dev;
	}
	mutex_unlock(&devices_mutex);
	return err;
}

static void ivshmem_close(struct shm_region *region)
{
	mutex_lock(&devices_mutex);
	put_ivshmem(region->priv);
	mutex_unlock(&devices_mutex);
}

static struct page *ivshmem_page(struct shm_region *region, size_t offset)
{
	struct ivshmem *dev = region->priv;

	return shm_window_page(&dev->window, region->addr + offset);
}

struct shm_provider shm_ivshmem_provider = {
	.owner = THIS_MODULE,
	.name = "ivshmem",
	.open = ivshmem_open,
	.close = ivshmem_close,
	.page = ivshmem_page,
};
