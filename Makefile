# SPDX-License-Identifier: GPL-2.0
#
# For people. kbuild reads the file Kbuild instead and never this one.

NAME	:= unbd
VERSION	:= $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)

KVER	?= $(shell uname -r)
KDIR	?= /lib/modules/$(KVER)/build
BUILD	?= build/$(if $(filter file,$(origin KDIR)),$(KVER),kdir)
DKMS	?= dkms
RPMBUILD ?= rpmbuild

# Where things are installed; packages say DESTDIR and PREFIX
PREFIX	?= /usr/local
USRSRC	?= /usr/src
SBINDIR	?= $(PREFIX)/sbin
MANDIR	?= $(PREFIX)/share/man
BASHDIR	?= $(PREFIX)/share/bash-completion/completions
ZSHDIR	?= $(PREFIX)/share/zsh/site-functions
RULES	?= /usr/lib/udev/rules.d
OCFDIR	?= /usr/lib/ocf/resource.d/unbd
GENERATORS ?= /usr/lib/systemd/system-generators
INITRAMFS ?= /usr/share/initramfs-tools
DRACUT	?= /usr/lib/dracut/modules.d

# An archive of what packages are built from
archive	?= build/$(NAME)-$(VERSION).tar.gz
shipped	 = $(sources) LICENSE README.md CHANGELOG.md Makefile \
	$(shell find tools packaging -type f)
changed	 = $(shell sed -n 's/^ -- .*>  //p;T;q' packaging/deb/changelog)

# The command, which is for any kernel
tool	:= build/tools/unbd
CFLAGS	?= -O2 -g
toolflags = -std=gnu11 -Wall -Wextra -D_GNU_SOURCE -Iinclude \
	-DUNBD_VERSION='"$(VERSION)"'

build	:= $(abspath $(BUILD))
sources	 = Kbuild dkms.conf $(shell find compat/Kbuild.include compat/tests \
		include src -name '*.[ch]' -o -name 'Kbuild*')

# What is installed beside the modules, as FILE:TARGET
into	 = $(foreach f,$(2),$f:$(1)/$(notdir $f))
manpage	 = $(call into,$(MANDIR)/man$(subst .,,$(suffix $(1))),$(1))
utils	 = $(tool):$(SBINDIR)/unbd \
	$(foreach m,$(wildcard tools/man/*.[1-8]),$(call manpage,$m)) \
	$(call into,$(RULES),$(wildcard tools/udev/*.rules)) \
	tools/ocf/unbd-export:$(OCFDIR)/unbd-export \
	tools/completion/unbd.bash:$(BASHDIR)/unbd \
	tools/completion/unbd.zsh:$(ZSHDIR)/_unbd \
	tools/initramfs/hook:$(INITRAMFS)/hooks/unbd \
	tools/initramfs/script:$(INITRAMFS)/scripts/local-top/unbd \
	tools/initramfs/script:$(INITRAMFS)/scripts/local-block/unbd \
	$(call into,$(DRACUT)/95unbd,$(wildcard tools/dracut/*.sh))
generator = $(GENERATORS)/unbd-generator

ifneq ($(V),1)
Q := @
endif

.PHONY: help modules tools clean install uninstall demo check check-all bench
.PHONY: mutants
.PHONY: need-headers need-root need-dkms uninstall-modules
.PHONY: install-source install-utils dist deb rpm

help:
	@echo "unbd $(VERSION), network block devices over TCP, RDMA and shared memory"
	@echo
	@echo "  make modules [KVER=release|KDIR=dir] [BUILD=dir]"
	@echo "                  build for a kernel: the running one, another"
	@echo "                  installed one, or one whose headers are in KDIR"
	@echo "  make tools      build the command unbd"
	@echo "  make install    build and install by DKMS for the kernel KVER"
	@echo "  make uninstall  take that back"
	@echo "  make deb, rpm   build packages into build/"
	@echo "  make demo       export, map and use a disk in two virtual machines"
	@echo "  make check [FILTER=word] [KERNEL=key]"
	@echo "                  run the tests that must pass before anything"
	@echo "                  lands, or some of them (40 minutes)"
	@echo "  make check-all  run everything; KERNEL=debug: every case on a"
	@echo "                  kernel with all checkers (hours)"
	@echo "  make mutants [MUTANTS=names]"
	@echo "                  plant faults, to see whether tests notice them"
	@echo "  make bench      count what a request costs, beside other block"
	@echo "                  devices over networks"
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

tools: $(tool)

$(tool): $(wildcard tools/unbd/*.[ch] include/unbd/proto/*.h) dkms.conf
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(toolflags) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ \
		$(filter %.c,$^)

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

# What DKMS builds from, below DESTDIR
install-source:
	$(Q)for f in $(sources) LICENSE; do \
		install -D -m 644 $$f \
			$(DESTDIR)$(USRSRC)/$(NAME)-$(VERSION)/$$f || exit; \
	done

# What is for all kernels, below DESTDIR
install-utils: $(tool)
	$(Q)for u in $(utils); do f=$${u%%:*}; \
		test -x $$f && mode=755 || mode=644; \
		install -D -m $$mode $$f $(DESTDIR)$${u#*:} || exit; done
	$(Q)mkdir -p $(DESTDIR)$(GENERATORS)
	$(Q)ln -sf $(SBINDIR)/unbd $(DESTDIR)$(generator)

# What is there stays when this cannot be built.
install: need-root need-dkms need-headers $(tool) modules
	+$(Q)$(MAKE) uninstall-modules
	$(Q)rm -rf $(USRSRC)/$(NAME)-$(VERSION)
	+$(Q)$(MAKE) install-source install-utils DESTDIR=
	$(Q)$(DKMS) add -m $(NAME) -v $(VERSION)
	$(Q)$(DKMS) install -m $(NAME) -v $(VERSION) -k $(KVER)
	$(Q)udevadm control --reload > /dev/null 2>&1 || :

uninstall: need-root need-dkms uninstall-modules
	$(Q)rm -f $(foreach u,$(utils),$(lastword $(subst :, ,$u))) \
		$(generator)
	$(Q)rmdir $(DRACUT)/95unbd 2> /dev/null || :
	$(Q)udevadm control --reload > /dev/null 2>&1 || :

# The same files make the same archive.
dist:
	$(Q)grep -q '^$(NAME) ($(VERSION))' packaging/deb/changelog && \
		grep -q '^Version:[[:space:]]*$(VERSION)$$' \
			packaging/rpm/$(NAME).spec || { \
		echo "dkms.conf says version $(VERSION)," \
			"packaging/ another" >&2; exit 1; }
	$(Q)mkdir -p $(dir $(archive))
	$(Q)tar -I 'gzip -n' -cf $(archive) --sort=name --owner=0 --group=0 \
		--numeric-owner --mode=u=rwX,go=rX --mtime='$(changed)' \
		--transform='s,^,$(NAME)-$(VERSION)/,' $(shipped)

deb: dist
	$(Q)command -v dpkg-buildpackage > /dev/null || { \
		echo "dpkg-buildpackage is missing; install the packages" \
			"dpkg-dev and debhelper" >&2; exit 1; }
	$(Q)rm -rf build/deb && mkdir -p build/deb
	$(Q)tar -C build/deb -xf $(archive)
	$(Q)mv build/deb/$(NAME)-$(VERSION)/packaging/deb \
		build/deb/$(NAME)-$(VERSION)/debian
	+$(Q)cd build/deb/$(NAME)-$(VERSION) && dpkg-buildpackage -us -uc
	$(Q)cp build/deb/*.deb build

rpm: dist
	$(Q)command -v $(firstword $(RPMBUILD)) > /dev/null || { \
		echo "rpmbuild is missing; install the package rpm-build" >&2; \
		exit 1; }
	$(Q)rm -rf build/rpm
	+$(Q)$(RPMBUILD) --define '_topdir $(CURDIR)/build/rpm' -ta $(archive)
	$(Q)find build/rpm/RPMS -name '*.rpm' -exec cp -t build {} +

demo:
	$(Q)tests/demo

check:
	$(Q)tests/check

check-all:
	$(Q)tests/check all

bench:
	$(Q)tests/lib/python tests/bench/run $(PEERS)

mutants:
	$(Q)tests/lib/python tests/mutants/run $(MUTANTS)
