// SPDX-License-Identifier: GPL-2.0
/*
 * unbd doctor, on machines that are trees of files.
 */
#include <sys/utsname.h>

#include "../../tools/unbd/doctor.h"
#include "tree.h"

/* "@" stands for the release of the kernel that runs. */
#define CONFIG		"boot/config-@"
#define MODULES		"lib/modules/@/"
#define LOCKDOWN	"sys/kernel/security/lockdown"
#define LOADED		"module/unbd_client/"
#define PCI		"bus/pci/devices/0000:00:10.0/"
#define PAT		"sys/kernel/debug/x86/pat_memtype_list"
#define CONNECTIONS	"module/unbd_shm_client/parameters/connections"
#define SESSION		"devices/virtual/unbd-client/ctl/sessions/shm1/"
#define PORT		"class/infiniband/mlx5_0/ports/1/"

#define WHOLE_CONFIG \
"# made\nCONFIG_INET=y\nCONFIG_IPV6=m\nCONFIG_UNIX=y\nCONFIG_VSOCKETS=m\n" \
"CONFIG_INFINIBAND=m\nCONFIG_INFINIBAND_ADDR_TRANS=y\nCONFIG_PCI=y\n" \
"CONFIG_ZONE_DEVICE=y\n"

#define INFO		"filename:  /x.ko\nversion:        1.0\nsrcversion:  A\n"
#define SIGNED		INFO "signer:    mok\n"

/**
 * struct doctor_row - a machine
 * @files: pairs of a name and a text
 * @args: of the command
 * @status: its exit status
 * @says: what is among its output
 * @not: what is not
 */
static const struct doctor_row {
	const char *files[9];
	const char *args;
	int status;
	const char *says;
	const char *not;
} doctor_rows[] = {
	/* Configuration */
	{ { CONFIG, WHOLE_CONFIG }, "doctor", 1,
	  "ok       kernel: @ has all that the modules can use\n", "no CONFIG" },
	{ { CONFIG, "CONFIG_INET=n\n# CONFIG_PCI is not set\n" }, "doctor", 1,
	  "fault    kernel: @ has no CONFIG_INET: there is no TCP; boot another",
	  "ok       kernel" },
	{ { CONFIG, "\nCONFIG_INET=y\n# CONFIG_PCI is not set\n" }, "doctor", 1,
	  "note     kernel: @ has no CONFIG_PCI: ", "CONFIG_INET:" },
	{ { MODULES "config", WHOLE_CONFIG }, "doctor", 1, "ok       kernel",
	  NULL },
	{ { NULL }, "doctor", 1,
	  "note     kernel: no configuration of @ is in ", NULL },
	/* Modules */
	{ { NULL }, "doctor", 1,
	  "fault    modules: none is installed for @; install linux-headers-@ ",
	  "unbd-client:" },
	{ { MODULES "build/Makefile", "" }, "doctor", 1,
	  "for @; make install, or dkms autoinstall -k @\n", NULL },
	{ { "lib/modules/2.4.0/updates/dkms/unbd-client.ko.xz", "" }, "doctor",
	  1, "installed for 2.4.0, but not for @, which runs; ", NULL },
	{ { MODULES "updates/unbd/unbd-client.ko", "" }, "doctor", 1,
	  "fault    unbd-client: /lib/modules/@/updates/unbd/unbd-client.ko "
	  "is there, but modprobe does not know of it; run depmod -a\n",
	  "modules: none" },
	{ { "modinfo/unbd-client", INFO }, "doctor", 1,
	  "warning  unbd-server: it is not installed for @; ", "headers" },
	{ { "modinfo/unbd-client", INFO }, "doctor", 1,
	  "note     unbd-rdma-client: it is not installed: ", NULL },
	{ { "modinfo/unbd-client", INFO, LOADED "version", "1.0\n",
	    LOADED "srcversion", "A\n" }, "doctor", 1,
	  "note     unbd-client: version 1.0 is loaded, the command has ",
	  "another build" },
	{ { "modinfo/unbd-client", INFO, LOADED "version", "1.1\n" }, "doctor",
	  1, "warning  unbd-client: version 1.1 is loaded, 1.0 is installed; ",
	  NULL },
	{ { "modinfo/unbd-client", INFO, LOADED "version", "1.0\n",
	    LOADED "srcversion", "B\n" }, "doctor", 1,
	  "warning  unbd-client: another build is loaded", NULL },
	{ { "modinfo/unbd-server", INFO, LOADED "version", "1.0\n" }, "doctor",
	  1, "warning  unbd-client: version 1.0 is loaded, but not installed",
	  NULL },
	/* Signatures */
	{ { LOCKDOWN, "[none] integrity confidentiality\n",
	    "modinfo/unbd-client", INFO }, "doctor", 1,
	  "ok       signatures: secure boot is off, modules need none\n",
	  "not signed" },
	{ { LOCKDOWN, "none [integrity] confidentiality\n",
	    "modinfo/unbd-client", INFO }, "doctor", 1,
	  "fault    unbd-client: it is not signed, and lockdown makes ", NULL },
	{ { "sys/module/module/parameters/sig_enforce", "Y\n",
	    "modinfo/unbd-client", SIGNED, "proc/keys", "1 asymmetri you: x\n"
	  }, "doctor", 1, "warning  unbd-client: its signer \"mok\" is none",
	  "not signed" },
	{ { LOCKDOWN, "none [integrity] confidentiality\n",
	    "modinfo/unbd-client", SIGNED, "proc/keys", "1 asymmetri mok: x\n"
	  }, "doctor", 1, "modules need one by lockdown\n", "signed" },
	{ { LOCKDOWN, "none [integrity] confidentiality\n",
	    "modinfo/unbd-client", INFO, LOADED "version", "1.0\n" }, "doctor",
	  1, "modules need one by lockdown\n", "not signed" },
	/* RDMA */
	{ { NULL }, "doctor", 1, "note     rdma: this machine has no adapter",
	  NULL },
	{ { PORT "state", "4: ACTIVE\n", PORT "link_layer", "Ethernet\n",
	    PORT "gid_attrs/ndevs/0", "eth7\n" }, "doctor", 1,
	  "ok       mlx5_0 port 1: it is active, Ethernet of eth7\n",
	  "no adapter" },
	{ { PORT "state", "1: DOWN\n" }, "doctor", 1,
	  "note     mlx5_0 port 1: it is not active (1: DOWN); ", NULL },
	{ { NULL }, "doctor|ip:127.0.0.1", 1,
	  "fault    ip:127.0.0.1: this machine has no adapter for RDMA; ",
	  NULL },
	/* Shared memory */
	{ { PCI "vendor", "0x1af4\n", PCI "device", "0x1110\n", PCI "resource",
	    "0x1 0x2 0x3\n0x4 0x5 0x6\n0x800000000 0x803ffffff 0x7\n" },
	  "doctor", 1,
	  "ok       ivshmem@0000:00:10.0: 64M of memory at 0x800000000\n",
	  NULL },
	{ { PCI "vendor", "0x1af4\n", PCI "device", "0x1110\n", PCI "resource",
	    "0 0 0\n0 0 0\n0xe0000000 0xe3ffffff 0x7\n", PAT,
	    "PAT memtype list:\nPAT: [mem 0xe0000000-0xe4000000] uncached-minus\n"
	  }, "doctor", 1,
	  "warning  ivshmem@0000:00:10.0: its 64M at 0xe0000000 are mapped "
	  "uncached, which may be very slow; give the device 4096 MiB", NULL },
	{ { PCI "vendor", "0x1af4\n", PCI "device", "0x1110\n", PCI "resource",
	    "0 0 0\n0 0 0\n0xe0000000 0xe3ffffff 0x7\n", PAT,
	    "PAT: [mem 0xe4000000-0xe5000000] uncached-minus\n"
	    "PAT: [mem 0xe0000000-0xe4000000] write-back\n" }, "doctor", 1,
	  "below 4 GiB it may be mapped uncached, and is not now\n",
	  "warning  ivshmem" },
	{ { PCI "vendor", "0x8086\n", PCI "device", "0x1110\n" }, "doctor", 1,
	  "note     rdma", "ivshmem" },
	{ { NULL }, "doctor|shm:1", 1, "fault    shm:1: unbd-shm-client is not",
	  NULL },
	{ { CONNECTIONS, "11:a:b:c,2:d:e:f\n" }, "doctor|shm:1", 1,
	  "fault    shm:1: unbd-shm-client has no connection 1; ", NULL },
	{ { CONNECTIONS, "11:a:b:c,1:d:e:f\n" }, "doctor|shm:1", 1,
	  "warning  shm:1: the connection is there, but its disks ", NULL },
	{ { CONNECTIONS, "1:a:b:c\n", SESSION "policy", "prefer\n",
	    SESSION "paths/0/state", "live\n", SESSION "paths/0/dst", "shm:1\n"
	  }, "doctor|shm:1", 0, "ok       shm:1: the session shm1 is live\n",
	  "fault" },
	{ { CONNECTIONS, "1:a:b:c\n", SESSION "policy", "prefer\n",
	    SESSION "paths/0/state", "reconnecting\n",
	    SESSION "paths/0/dst", "shm:1\n" }, "doctor", 1,
	  "fault    shm:1: the session shm1 has lost its server; ", NULL },
	/* Words */
	{ { NULL }, "doctor|unix:/proc/none", 1, ": there is no such socket; ",
	  NULL },
	{ { CONNECTIONS, "1:a\n" }, "doctor|--json|shm:2", 1,
	  "{\n  \"findings\": [\n    {\n      \"severity\": \"fault\",\n"
	  "      \"about\": \"shm:2\",\n", "note" },
	{ { NULL }, "doctor|tcp:", 2, "", "tcp" },
	{ { NULL }, "doctor|disk", 2, "", "disk" },
	{ { NULL }, "doctor|nbds://10.0.0.1/a", 2, "", "nbds" },
	{ { NULL }, "list|rdma:10.0.0.1", 2, "", "rdma" },
	{ { NULL }, "list|unix:/proc/none", 1, "", "/proc/none: No such" },
	{ { NULL }, "list|unbd0", 2, "", "unbd0" },
};

static const char *doctor_name(size_t row)
{
	const struct doctor_row *r = &doctor_rows[row];

	return printable(*r->says ? r->says : r->args);
}

/* What is in the tree instead of modinfo(8) */
static char *modinfo_file(const char *release, const char *module)
{
	(void)release;
	return file_read("/modinfo/%s", module);
}

static char *with_release(const char *text)
{
	struct text whole = { 0 };
	struct utsname u;

	uname(&u);
	text_add(&whole, "", 0);
	for (; *text; text++) {
		if (*text == '@' && !starts_with(text, "@0000"))
			text_print(&whole, "%s", u.release);
		else
			text_add(&whole, text, 1);
	}
	return whole.at;
}

static void run_doctor(size_t row)
{
	const struct doctor_row *r = &doctor_rows[row];
	const char * const *file;
	char *text, *out, *err;
	int status;

	begin_tree();
	modinfo = modinfo_file;
	for (file = r->files; *file; file += 2) {
		text = with_release(*file);
		make_file(text, file[1]);
		free(text);
	}
	status = run_line(r->args);
	out = read_file("out");
	err = read_file("err");
	check(status == r->status, "status is %d and not %d: %s%s", status,
	      r->status, out, err);
	/* Its last newline has been cut off. */
	text = make_text("%s\n", out);
	free(out);
	out = with_release(r->says);
	check(strstr(text, out), "it says \"%s\"", text);
	check(!r->not || !strstr(text, r->not), "it says \"%s\"", text);
	check(!!*err == (status == EXIT_USAGE || starts_with(r->args, "list")),
	      "it complains \"%s\"", err);
	free(text);
	free(out);
	free(err);
	end_tree();
}

const struct unit_suite tool_doctor_suite = {
	"doctor", ARRAY_SIZE(doctor_rows), doctor_name, run_doctor, NULL, NULL,
};
