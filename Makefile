# SPDX-License-Identifier: GPL-2.0
#
# For people. kbuild reads the file Kbuild instead and never this one.

NAME	:= unbd
VERSION	:= $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)

KVER	?= $(shell uname -r)
KDIR	?= /lib/modules/$(KVER)/build
BUILD	?= build/$(if $(filter file,$(origin KDIR)),$(KVER),kdir)
USRSRC	?= /usr/src
DKMS	?= dkms

# What is installed beside the modules
MANDIR	?= /usr/local/share/man
RULES	?= /usr/lib/udev/rules.d
manuals	 = $(wildcard tools/man/*.[1-8])
manual	 = $(MANDIR)/man$(subst .,,$(suffix $(1)))/$(notdir $(1))
rules	 = $(wildcard tools/udev/*.rules)

build	:= $(abspath $(BUILD))
sources	 = Kbuild dkms.conf $(shell find compat/Kbuild.include compat/tests \
		include src -name '*.[ch]' -o -name 'Kbuild*')

ifneq ($(V),1)
Q := @
endif

.PHONY: help modules clean install uninstall demo check
.PHONY: need-headers need-root need-dkms uninstall-modules

help:
	@echo "unbd $(VERSION), network block devices over TCP, RDMA and shared memory"
	@echo
	@echo "  make modules [KVER=release|KDIR=dir] [BUILD=dir]"
	@echo "                  build for a kernel: the running one, another"
	@echo "                  installed one, or one whose headers are in KDIR"
	@echo "  make install    build and install by DKMS for the kernel KVER"
	@echo "  make uninstall  take that back"
	@echo "  make demo       export, map and use a disk in two virtual machines"
	@echo "  make check [FILTER=word] [KERNEL=key]"
	@echo "                  run all tests, or some of them"
	@echo "  make clean      remove what was built here"

need-headers:
	$(Q)test -e $(KDIR)/Makefile || { \
		echo "no kernel headers in $(KDIR)" >&2; \
		echo "Debian, Ubuntu: apt install linux-headers-$(KVER)" >&2; \
		echo "Fedora, RHEL:   dnf install kernel-devel-$(KVER)" >&2; \
		exit 1; }

need-root:
	$(Q)test $$(id -u) = 0 || { \
		echo "this has to run as root: sudo make $(MAKECMDGOALS)" >&2; \
		exit 1; }

need-dkms:
	$(Q)command -v $(firstword $(DKMS)) > /dev/null || { \
		echo "dkms is missing; install the package dkms" >&2; exit 1; }

# The sources are linked into a directory for each kernel, so that several
# can be built side by side and nothing is written between the sources.
modules: need-headers
	$(Q)mkdir -p $(addprefix $(build)/,$(sort $(dir $(sources))))
	$(Q)find -L $(build) -type l -delete
	$(Q)for f in $(sources); do \
		test -e $(build)/$$f || ln -s $(CURDIR)/$$f $(build)/$$f || \
		exit; done
	+$(Q)$(MAKE) -C $(KDIR) M=$(build) modules

clean:
	$(Q)rm -rf build
	$(Q)for d in tests/unit tests/fuzz; do \
		test ! -e $$d/Makefile || $(MAKE) -s -C $$d clean || exit; done

# Other versions go, too: DKMS would keep them beside this one.
uninstall-modules: need-root need-dkms
	$(Q)for v in $$($(DKMS) status -m $(NAME) | \
			sed -n 's#^$(NAME)[/,] *\([^,: ]*\).*#\1#p' | sort -u); do \
		$(DKMS) remove -m $(NAME) -v $$v --all || exit; \
		rm -rf $(USRSRC)/$(NAME)-$$v; done

install: need-root need-dkms need-headers uninstall-modules
	$(Q)rm -rf $(USRSRC)/$(NAME)-$(VERSION)
	$(Q)for f in $(sources) LICENSE; do \
		install -D -m 644 $$f $(USRSRC)/$(NAME)-$(VERSION)/$$f || \
		exit; done
	$(Q)$(DKMS) add -m $(NAME) -v $(VERSION)
	$(Q)$(DKMS) install -m $(NAME) -v $(VERSION) -k $(KVER)
	$(Q)install -D -m 644 -t $(RULES) $(rules)
	$(Q)udevadm control --reload > /dev/null 2>&1 || :
	$(Q)$(foreach m,$(manuals),install -D -m 644 $m $(call manual,$m) &&) :

uninstall: need-root need-dkms uninstall-modules
	$(Q)rm -f $(addprefix $(RULES)/,$(notdir $(rules)))
	$(Q)rm -f $(foreach m,$(manuals),$(call manual,$m))

demo:
	$(Q)tests/demo

check:
	$(Q)tests/check
