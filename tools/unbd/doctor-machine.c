// SPDX-License-Identifier: GPL-2.0
/*
 * This machine: are our modules there for its kernel, does it take them, and
 * has it what they need?
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"

const char *files_root = "";

/* All that a descriptor has, up to something that cannot be true */
#define MAX_FILE	(4U << 20)

static char *read_all(int fd, size_t *len)
{
	struct text t = { 0 };
	char part[4096];
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) > 0 && t.len < MAX_FILE)
		text_add(&t, part, n);
	close(fd);
	*len = t.len;
	if (!n && !t.at)
		return copy_text("");
	if (n >= 0)
		return t.at;
	text_free(&t);
	return NULL;
}

static char *read_bytes(const char *path, size_t *len)
{
	char *whole = make_text("%s%s", files_root, path);
	int fd = open(whole, O_RDONLY | O_CLOEXEC);

	free(whole);
	return fd < 0 ? NULL : read_all(fd, len);
}

char *file_read(const char *fmt, ...)
{
	va_list args;
	size_t len;
	char *path, *text;

	va_start(args, fmt);
	if (vasprintf(&path, fmt, args) < 0)
		path = copy_text("");
	va_end(args);
	text = read_bytes(path, &len);
	free(path);
	return text;
}

/* What a program prints, NULL if it fails or is not there */
static char *output_of(const char * const *argv)
{
	int ends[2], status = -1;
	size_t len;
	char *text;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return NULL;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		execvp(argv[0], (char * const *)argv);
		_exit(127);
	}
	close(ends[1]);
	text = read_all(ends[0], &len);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && !status)
		return text;
	free(text);
	return NULL;
}

static char *run_modinfo(const char *release, const char *module)
{
	const char * const argv[] = {
		"/sbin/modinfo", "-k", release, module, NULL,
	};

	return output_of(argv);
}

char *(*modinfo)(const char *release, const char *module) = run_modinfo;

/* ------------------------------------------------------------------ */
/* The kernel's configuration                                         */

/* Of the running kernel, from wherever it can be had; NULL if nowhere */
static char *read_config(const char *release)
{
	char *packed = make_text("%s/proc/config.gz", files_root);
	const char * const argv[] = { "gzip", "-dc", packed, NULL };
	char *text = output_of(argv);

	free(packed);
	if (!text)
		text = file_read("/boot/config-%s", release);
	if (!text)
		text = file_read("/lib/modules/%s/config", release);
	if (!text)
		text = file_read("/lib/modules/%s/build/.config", release);
	return text;
}

/* "y" or "m"? */
static bool is_set(const char *config, const char *option)
{
	char *line = make_text("\n%s=", option);
	const char *at = strstr(config, line);
	char value = at ? at[strlen(line)] : 'n';

	free(line);
	return value == 'y' || value == 'm';
}

static const struct need {
	const char *option;
	enum severity severity;
	const char *without;
} needs[] = {
	{ "CONFIG_INET", FAULT, "there is no TCP" },
	{ "CONFIG_IPV6", NOTE, "there are no addresses of IPv6" },
	{ "CONFIG_UNIX", NOTE, "there are no paths with unix:" },
	{ "CONFIG_VSOCKETS", NOTE, "there are no paths with vsock:" },
	{ "CONFIG_INFINIBAND", NOTE, "there is no RDMA, and no module for it" },
	{ "CONFIG_INFINIBAND_ADDR_TRANS", NOTE,
	  "the modules for RDMA cannot be loaded" },
	{ "CONFIG_PCI", NOTE, "there is no shared memory with ivshmem@" },
	{ "CONFIG_ZONE_DEVICE", NOTE,
	  "data in shared memory are copied once more" },
};

static void look_at_config(const char *release, const char *config)
{
	bool missing = false;
	size_t i;

	if (!config) {
		found(NOTE, "kernel", NULL,
		      "no configuration of %s is in /proc/config.gz, /boot or /lib/modules",
		      release);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(needs); i++) {
		if (is_set(config, needs[i].option))
			continue;
		missing = true;
		found(needs[i].severity, "kernel",
		      needs[i].severity == FAULT ?
		      "boot another kernel" : NULL,
		      "%s has no %s: %s", release, needs[i].option,
		      needs[i].without);
	}
	if (!missing)
		found(OK, "kernel", NULL, "%s has all that the modules can use",
		      release);
}

/* ------------------------------------------------------------------ */
/* Modules                                                            */

static const char * const modules[] = {
	"unbd-client", "unbd-tcp-client", "unbd-rdma-client",
	"unbd-shm-client", "unbd-server", "unbd-tcp-server",
	"unbd-rdma-server", "unbd-shm-server", "unbd-rdma", "unbd-shm",
	"unbd-tcp",
};

/* Where DKMS and people put them, compressed or not */
#define PLACES	"/{updates,extra,kernel}{,/dkms,/unbd}/"

/* The first file that fits, below files_root, or NULL; to be freed */
static char *find_module(const char *release, const char *module)
{
	char *pattern = make_text("%s/lib/modules/%s" PLACES "%s.ko*",
				  files_root, release, module);
	char *path = NULL;
	glob_t g;

	if (!glob(pattern, GLOB_BRACE, NULL, &g)) {
		path = copy_text(g.gl_pathv[0] + strlen(files_root));
		globfree(&g);
	}
	free(pattern);
	return path;
}

static char *release_of(const char *path)
{
	char *release = copy_text(path + strlen("/lib/modules/"));

	release[strcspn(release, "/")] = '\0';
	return release;
}

/* "NAME:    VALUE" on a line of its own; "" if there is none; to be freed */
static char *info_value(const char *info, const char *name)
{
	char *key = make_text("\n%s:", name);
	const char *at = strstr(info, key);
	char *value = copy_text(at ? at + strlen(key) +
				strspn(at + strlen(key), " \t") : "");

	value[strcspn(value, "\n")] = '\0';
	free(key);
	return value;
}

static char *loaded_value(const char *module, const char *file)
{
	char *dir = make_text("module/%s", module), *at, *value;

	for (at = dir; *at; at++)
		if (*at == '-')
			*at = '_';
	value = sysfs_read(dir, file);
	free(dir);
	return value;
}

static void look_at_loaded(const char *module, const char *info)
{
	char *version = loaded_value(module, "version");
	char *source = loaded_value(module, "srcversion");
	char *installed = info_value(info, "version");
	char *installed_source = info_value(info, "srcversion");

	if (version && strcmp(version, installed))
		found(WARNING, module, "unmap and unload, or boot, to use it",
		      "version %s is loaded, %s is installed", version,
		      installed);
	else if (source && *installed_source &&
		 strcmp(source, installed_source))
		found(WARNING, module, "unmap and unload, or boot, to use it",
		      "another build is loaded than is installed");
	else if (version && strcmp(version, UNBD_VERSION))
		found(NOTE, module, "install both from one release",
		      "version %s is loaded, the command has %s", version,
		      UNBD_VERSION);
	free(version);
	free(source);
	free(installed);
	free(installed_source);
}

static void look_at_absent(const char *release, const char *module,
			   const char *path)
{
	char *loaded = loaded_value(module, "version");

	if (path)
		found(FAULT, module, "run depmod -a",
		      "%s is there, but modprobe does not know of it", path);
	else if (loaded)
		found(WARNING, module, "install it, or it is not there after a boot",
		      "version %s is loaded, but not installed for %s", loaded,
		      release);
	else if (strstr(module, "rdma"))
		found(NOTE, module, NULL,
		      "it is not installed: there are no paths over RDMA");
	else
		found(WARNING, module, "install all of them by one make install",
		      "it is not installed for %s", release);
	free(loaded);
}

static char *install_advice(const char *release)
{
	char *makefile = make_text("%s/lib/modules/%s/build/Makefile",
				   files_root, release);
	bool headers = !access(makefile, F_OK);

	free(makefile);
	if (headers)
		return make_text("make install, or dkms autoinstall -k %s",
				 release);
	return make_text("install linux-headers-%s or kernel-devel-%s, then make install",
			 release, release);
}

static void look_at_nothing(const char *release)
{
	char *path = find_module("*", "unbd-client");
	char *other;

	if (path) {
		other = release_of(path);
		found_advised(FAULT, "modules", install_advice(release),
			      "they are installed for %s, but not for %s, which runs",
			      other, release);
		free(other);
	} else {
		found_advised(FAULT, "modules", install_advice(release),
			      "none is installed for %s", release);
	}
	free(path);
}

/* ------------------------------------------------------------------ */
/* Signatures                                                         */

/* EFI's own variables have this behind their names. */
#define EFI_GLOBAL	"8be4df61-93ca-11d2-aa0d-00e098032b8c"

static bool secure_boot(void)
{
	size_t len = 0;
	char *bytes = read_bytes("/sys/firmware/efi/efivars/SecureBoot-"
				 EFI_GLOBAL, &len);
	/* Behind four bytes of attributes */
	bool on = bytes && len >= 5 && bytes[4] == 1;

	free(bytes);
	return on;
}

/* What makes the kernel refuse modules without a good signature, or NULL */
static const char *signature_demand(void)
{
	char *lockdown = file_read("/sys/kernel/security/lockdown");
	char *enforce = file_read("/sys/module/module/parameters/sig_enforce");
	const char *by = NULL;

	if (enforce && *enforce == 'Y')
		by = "module.sig_enforce";
	else if (lockdown && !strstr(lockdown, "[none]"))
		by = "lockdown";
	free(lockdown);
	free(enforce);
	return by;
}

/* Of what is loaded the kernel has thought well of already. */
static void look_at_signature(const char *module, const char *info,
			      const char *demand)
{
	char *signer = info_value(info, "signer");
	char *keys = file_read("/proc/keys");
	char *loaded = loaded_value(module, "version");

	if (loaded)
		;
	else if (!*signer)
		found(FAULT, module,
		      "let DKMS sign it, and enrol its key: mokutil --import /var/lib/dkms/mok.pub",
		      "it is not signed, and %s makes the kernel refuse it",
		      demand);
	else if (keys && !strstr(keys, signer))
		found(WARNING, module,
		      "enrol it: mokutil --import /var/lib/dkms/mok.pub",
		      "its signer \"%s\" is none in /proc/keys, and %s demands one",
		      signer, demand);
	free(signer);
	free(keys);
	free(loaded);
}

/* How many are installed, so that modprobe finds them */
static size_t look_at_modules(const char *release, char **info)
{
	const char *demand = signature_demand();
	size_t there = 0, i;

	found(OK, "signatures", NULL, "secure boot is %s, %s%s",
	      secure_boot() ? "on" : "off",
	      demand ? "modules need one by " : "modules need none",
	      demand ? demand : "");
	for (i = 0; i < ARRAY_SIZE(modules); i++) {
		info[i] = modinfo(release, modules[i]);
		if (!info[i])
			continue;
		there++;
		if (demand)
			look_at_signature(modules[i], info[i], demand);
		look_at_loaded(modules[i], info[i]);
	}
	return there;
}

/* Without any, it is one finding and not one for each. */
static void look_at_missing(const char *release, char **info, size_t there)
{
	bool lost = false;
	char *path;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modules); i++) {
		if (info[i])
			continue;
		path = find_module(release, modules[i]);
		lost = lost || path;
		if (there || path)
			look_at_absent(release, modules[i], path);
		free(path);
	}
	if (!there && !lost)
		look_at_nothing(release);
}

void doctor_machine(void)
{
	char *info[ARRAY_SIZE(modules)] = { NULL }, *config, *version;
	struct utsname u;
	size_t there, i;

	uname(&u);
	config = read_config(u.release);
	look_at_config(u.release, config);
	there = look_at_modules(u.release, info);
	look_at_missing(u.release, info, there);
	if (info[0]) {
		version = info_value(info[0], "version");
		found(OK, "modules", NULL, "%zu of version %s are installed for %s",
		      there, version, u.release);
		free(version);
	}
	for (i = 0; i < ARRAY_SIZE(modules); i++)
		free(info[i]);
	free(config);
}
