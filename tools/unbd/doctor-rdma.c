// SPDX-License-Identifier: GPL-2.0
/*
 * RDMA: adapters and their ports.
 */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

#define DEVICES		"class/infiniband"

/* ------------------------------------------------------------------ */
/* Adapters                                                           */

static void look_at_port(const char *device, const char *port)
{
	char *dir = make_text(DEVICES "/%s/ports/%s", device, port);
	char *about = make_text("%s port %s", device, port);
	char *state = sysfs_read(dir, "state");
	char *layer = sysfs_read(dir, "link_layer");
	char *net = sysfs_read(dir, "gid_attrs/ndevs/0");

	/* "4: ACTIVE" */
	if (state && starts_with(state, "4:"))
		found(OK, about, NULL, "it is active, %s%s%s",
		      layer ? layer : "", net ? " of " : "", net ? net : "");
	else
		found(NOTE, about,
		      "see the cable, the switch and ip link; InfiniBand wants a subnet manager",
		      "it is not active (%s)", state ? state : "?");
	free(net);
	free(layer);
	free(state);
	free(about);
	free(dir);
}

void doctor_rdma_devices(void)
{
	char **devices, **ports, *dir;
	size_t nr_devices = sysfs_list(DEVICES, "", &devices);
	size_t nr_ports, i, k;

	if (!nr_devices)
		found(NOTE, "rdma", NULL, "this machine has no adapter for it");
	for (i = 0; i < nr_devices; i++) {
		dir = make_text(DEVICES "/%s/ports", devices[i]);
		nr_ports = sysfs_list(dir, "", &ports);
		for (k = 0; k < nr_ports; k++)
			look_at_port(devices[i], ports[k]);
		free_names(ports, nr_ports);
		free(dir);
	}
	free_names(devices, nr_devices);
}

/* No connection is tried. */
void doctor_rdma(const char *about)
{
	char **devices;
	size_t count = sysfs_list(DEVICES, "", &devices);

	free_names(devices, count);
	if (!count)
		found(FAULT, about,
		      "load its driver, or for soft RoCE: rdma link add rxe0 type rxe netdev INTERFACE",
		      "this machine has no adapter for RDMA");
	else
		found(NOTE, about, "map it: the kernel's log tells why it fails",
		      "a connection by RDMA is not tried");
}
