// SPDX-License-Identifier: GPL-2.0
/*
 * The provider "ivshmem": the memory of QEMU's device of that name, which
 * several guests have in common. ivshmem@0000:00:10.0/NAME is a region in the
 * memory of that device. With ivshmem-doorbell both ends notify each other,
 * with ivshmem-plain they look from time to time.
 *
 * No driver is registered: others use such devices for other purposes, so one
 * is taken when its address is named, and given back after that.
 */
#define pr_fmt(fmt) "unbd-shm: " fmt

#include <linux/interrupt.h>
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include <unbd/parse.h>

#include "directory.h"
#include "provider.h"
#include "window.h"

#define IVSHMEM_VENDOR	0x1af4
#define IVSHMEM_DEVICE	0x1110
#define REGISTER_BAR	0
#define MEMORY_BAR	2

/* Registers, of 32 bits: which peer this is; peer << 16 | vector rings */
#define IV_POSITION	8
#define DOORBELL	12

/**
 * struct ivshmem - a device in use
 * @pdev: the device
 * @registers: mapped, if there are interrupts
 * @lock: the next one; taken by the interrupt's handler
 * @watches: who wants to be notified, of whatever region
 */
struct ivshmem {
	struct pci_dev *pdev;
	void __iomem *registers;
	spinlock_t lock;		/* watches */
	struct list_head watches;
};

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

static irqreturn_t interrupt(int irq, void *arg)
{
	struct ivshmem *dev = arg;
	struct shm_watch *watch;
	unsigned long flags;

	spin_lock_irqsave(&dev->lock, flags);
	list_for_each_entry(watch, &dev->watches, entry)
		watch->notified(watch);
	spin_unlock_irqrestore(&dev->lock, flags);
	return IRQ_HANDLED;
}

/* One vector: it is threads that are woken, and few of them. */
static int enable_doorbell(struct ivshmem *dev)
{
	int err;

	dev->registers = pci_iomap(dev->pdev, REGISTER_BAR, 0);
	if (!dev->registers)
		return -ENOMEM;
	err = pci_alloc_irq_vectors(dev->pdev, 1, 1, PCI_IRQ_MSIX);
	if (err < 0)
		goto unmap;
	err = request_irq(pci_irq_vector(dev->pdev, 0), interrupt, 0,
			  "unbd-shm", dev);
	if (err)
		goto free_vectors;
	pci_set_master(dev->pdev);
	return 0;

free_vectors:
	pci_free_irq_vectors(dev->pdev);
unmap:
	pci_iounmap(dev->pdev, dev->registers);
	return err;
}

static void disable_doorbell(struct ivshmem *dev)
{
	pci_clear_master(dev->pdev);
	free_irq(pci_irq_vector(dev->pdev, 0), dev);
	pci_free_irq_vectors(dev->pdev);
	pci_iounmap(dev->pdev, dev->registers);
}

static int take_device(struct pci_dev *pdev, char *why, size_t len)
{
	int err;

	if (pdev->dev.driver)
		return unbd_why(why, len, -EBUSY, "%s has the driver %s",
				pci_name(pdev), pdev->dev.driver->name);
	err = pci_enable_device_mem(pdev);
	if (err)
		return unbd_why(why, len, err, "%s cannot be enabled",
				pci_name(pdev));
	err = pci_request_regions(pdev, "unbd-shm");
	if (err) {
		pci_disable_device(pdev);
		return unbd_why(why, len, err, "%s is in use", pci_name(pdev));
	}
	pci_dev_get(pdev);
	return 0;
}

static void give_device_back(struct pci_dev *pdev)
{
	pci_release_regions(pdev);
	pci_disable_device(pdev);
	pci_dev_put(pdev);
}

static int claim(struct shm_window_source *source, char *why, size_t len)
{
	struct pci_dev *pdev = source->owner;
	struct ivshmem *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	int err;

	if (!dev)
		return -ENOMEM;
	dev->pdev = pdev;
	spin_lock_init(&dev->lock);
	INIT_LIST_HEAD(&dev->watches);
	err = take_device(pdev, why, len);
	if (err)
		goto free;
	/* ivshmem-plain has no vectors. */
	if (pdev->msix_cap) {
		err = enable_doorbell(dev);
		if (err) {
			unbd_why(why, len, 0, "%s: no interrupt",
				 pci_name(pdev));
			goto give_back;
		}
		source->notifies = true;
	}
	source->owner = dev;
	return 0;

give_back:
	give_device_back(pdev);
free:
	kfree(dev);
	return err;
}

static void release(struct shm_window_source *source)
{
	struct ivshmem *dev = source->owner;

	if (source->notifies)
		disable_doorbell(dev);
	give_device_back(dev->pdev);
	kfree(dev);
}

static void ivshmem_notify(struct shm_region *region)
{
	struct ivshmem *dev = shm_window_owner(region);
	u32 bell;

	/* The reader sets the bell, then looks; pairs with ivshmem_watch(). */
	virt_mb();
	bell = READ_ONCE(*region->bell);
	/* To a peer that is not there any more it is rung in vain. */
	if (bell & SHM_DIR_BELL)
		writel(bell & ~0xff00u, dev->registers + DOORBELL);
}

static void ivshmem_watch(struct shm_region *region, struct shm_watch *watch)
{
	struct ivshmem *dev = shm_window_owner(region);
	u32 peer = readl(dev->registers + IV_POSITION);

	spin_lock_irq(&dev->lock);
	list_add_tail(&watch->entry, &dev->watches);
	spin_unlock_irq(&dev->lock);
	WRITE_ONCE(*region->bell, peer << 16 | SHM_DIR_BELL);
	/* Pairs with ivshmem_notify(). */
	virt_mb();
}

static void ivshmem_unwatch(struct shm_region *region, struct shm_watch *watch)
{
	struct ivshmem *dev = shm_window_owner(region);

	WRITE_ONCE(*region->bell, 0);
	spin_lock_irq(&dev->lock);
	list_del(&watch->entry);
	spin_unlock_irq(&dev->lock);
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
	.notify = ivshmem_notify,
	.watch = ivshmem_watch,
	.unwatch = ivshmem_unwatch,
};
