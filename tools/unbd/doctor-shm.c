// SPDX-License-Identifier: GPL-2.0
/*
 * Shared memory: is it there, is it cached, who uses it?
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

#define PCI_DEVICES	"bus/pci/devices"

/* "PAT: [mem 0xSTART-0xEND] uncached": the end is behind the last byte */
static bool is_uncached(const char *list, uint64_t start, uint64_t end)
{
	const char *at = list;
	unsigned long long from, to;
	char kind[16];

	while (at && (at = strstr(at, "[mem "))) {
		if (sscanf(at, "[mem %llx-%llx] %15s", &from, &to, kind) == 3 &&
		    from < end && to > start && starts_with(kind, "uncached"))
			return true;
		at++;
	}
	return false;
}

/* A line "START END FLAGS" for each resource; the third is the memory. */
static bool memory_range(const char *device, uint64_t *start, uint64_t *end)
{
	char *text = sysfs_read(device, "resource"), *at = text;
	unsigned long long first = 0, last = 0;
	bool ok;
	int i;

	for (i = 0; at && i < 2; i++) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	ok = at && sscanf(at, "%llx %llx", &first, &last) == 2 && first;
	*start = first;
	*end = last + 1;
	free(text);
	return ok;
}

static void look_at_ivshmem(const char *address, const char *device)
{
	char *list = file_read("/sys/kernel/debug/x86/pat_memtype_list");
	char *about = make_text("ivshmem@%s", address);
	struct text size = { 0 };
	uint64_t start, end;

	if (!memory_range(device, &start, &end)) {
		found(FAULT, about, "see QEMU's command line",
		      "the device has no memory");
	} else {
		text_add_size(&size, end - start);
		if (list && is_uncached(list, start, end))
			found(WARNING, about,
			      "give the device 4096 MiB or more, or boot with nopat",
			      "its %s at %#llx are mapped uncached, which may be very slow",
			      size.at, (unsigned long long)start);
		else if (start >> 32)
			found(OK, about, NULL, "%s of memory at %#llx",
			      size.at, (unsigned long long)start);
		else
			found(NOTE, about, NULL,
			      "%s of memory at %#llx: below 4 GiB it may be mapped uncached%s",
			      size.at, (unsigned long long)start,
			      list ? ", and is not now" :
			      "; debugfs would tell");
	}
	text_free(&size);
	free(about);
	free(list);
}

static bool is_ivshmem(const char *device)
{
	char *vendor = sysfs_read(device, "vendor");
	char *number = sysfs_read(device, "device");
	bool is = vendor && number && !strcmp(vendor, "0x1af4") &&
		!strcmp(number, "0x1110");

	free(vendor);
	free(number);
	return is;
}

static void look_at_connections(const char *end, const char *dir)
{
	char *connections = sysfs_read(dir, "parameters/connections");

	if (connections && *connections)
		found(OK, end, NULL, "connections %s", connections);
	else if (connections)
		found(WARNING, end, "see CONNECTIONS in unbd-shm(7)",
		      "it is loaded, but has no connection");
	free(connections);
}

void doctor_memory(void)
{
	char **names, *device;
	size_t count = sysfs_list(PCI_DEVICES, "", &names), i;

	for (i = 0; i < count; i++) {
		device = make_text(PCI_DEVICES "/%s", names[i]);
		if (is_ivshmem(device))
			look_at_ivshmem(names[i], device);
		free(device);
	}
	free_names(names, count);
	look_at_connections("unbd-shm-client", "module/unbd_shm_client");
	look_at_connections("unbd-shm-server", "module/unbd_shm_server");
}

/* Is there "ID:..." among what is separated by commas or newlines? */
static bool has_connection(const char *connections, const char *id)
{
	size_t len = strlen(id);

	while (*connections) {
		if (!strncmp(connections, id, len) && connections[len] == ':')
			return true;
		connections += strcspn(connections, ",\n");
		connections += strspn(connections, ",\n");
	}
	return false;
}

static void look_at_session(const char *about, const char *name,
			    const struct model *m)
{
	const struct session *s = model_session(m, name);

	if (s && live_paths(s))
		found(OK, about, NULL, "the session %s is live", name);
	else if (s)
		found(FAULT, about,
		      "see whether the other end has its module loaded, and the same text for connections=",
		      "the session %s has lost its server", name);
	else
		found(WARNING, about,
		      "load unbd-shm-server at the other end, with the same text for connections=; see the kernel's log",
		      "the connection is there, but its disks are not mapped");
}

void doctor_shm(const char *about, const struct address *a,
		const struct model *m)
{
	char *connections = sysfs_read("module/unbd_shm_client/parameters",
				       "connections");
	char *session = make_text("shm%s", a->host);

	if (!connections)
		found(FAULT, about, "modprobe unbd-shm-client connections=...",
		      "unbd-shm-client is not loaded");
	else if (!has_connection(connections, a->host))
		found(FAULT, about,
		      "write it to /sys/module/unbd_shm_client/parameters/connections",
		      "unbd-shm-client has no connection %s", a->host);
	else
		look_at_session(about, session, m);
	free(session);
	free(connections);
}
