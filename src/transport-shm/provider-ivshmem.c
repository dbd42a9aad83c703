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

#include <linux/pci.h>

#include <unbd/parse.h>

#include "provider.h"
#include "window.h"

#define IVSHMEM_VENDOR	0x1af4
#define IVSHMEM_DEVICE	0x1110
#define MEMORY_BAR	2

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

static int claim(const struct shm_window_source *source, char *why, size_t len)
{
	struct pci_dev *pdev = source->owner;
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
		pci_disable_device(pdev);
		return unbd_why(why, len, err, "the memory of %s is in use",
				pci_name(pdev));
	}
	pci_dev_get(pdev);
	return 0;
}

static void release(const struct shm_window_source *source)
{
	struct pci_dev *pdev = source->owner;

	pci_release_region(pdev, MEMORY_BAR);
	pci_disable_device(pdev);
	pci_dev_put(pdev);
}

static int ivshmem_open(struct shm_region *region,
			const struct shm_region_name *name,
			char *why, size_t len)
{
	struct pci_dev *pdev = get_pci_device(name->place, why, len);
	struct shm_window_source source = {
		.claim = claim,
		.release = release,
	};
	int err;

	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	source.start = pci_resource_start(pdev, MEMORY_BAR);
	source.size = pci_resource_len(pdev, MEMORY_BAR);
	source.owner = pdev;
	err = shm_window_open(region, name, &source, why, len);
	pci_dev_put(pdev);
	return err;
}

struct shm_provider shm_ivshmem_provider = {
	.owner = THIS_MODULE,
	.name = "ivshmem",
	.open = ivshmem_open,
	.close = shm_window_close,
	.page = shm_window_page,
};
