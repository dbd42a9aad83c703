# SPDX-License-Identifier: GPL-2.0
"""The disk of one run: our modules, the guest scripts and the cases."""

import glob
import os
import shutil

from . import store

GUEST = os.path.join(store.TOP, "tests/vm/guest")
CASES = os.path.join(store.TOP, "tests/vm/cases")
PEERS = os.path.join(store.TOP, "tests/peers")
UDEV = os.path.join(store.TOP, "tools/udev")
AGENT = os.path.join(store.TOP, "tools/ocf/unbd-export")
README = os.path.join(store.TOP, "README.md")
DOCS = os.path.join(store.TOP, "docs")
EXTRA = os.path.join("lib/modules", "{}", "updates/unbd")


def build(kernel, modules, where, cases=CASES, extra=()):
    """Write the payload image below `where` and return its path.

    `modules` are directories with .ko files, `cases` is one with cases;
    `extra` are files to put into /bed.
    """
    tree = os.path.join(where, "payload")
    bed = os.path.join(tree, "bed")
    shutil.copytree(GUEST, bed)
    for source, name in ((cases, "cases"), (PEERS, "peers"), (DOCS, "docs")):
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(bed, name),
                            ignore=shutil.ignore_patterns("__pycache__"))
    for path in (README, *extra):
        shutil.copy(path, bed)
    compile_bedctl(bed)
    compile_tool(bed)
    udev_rules(tree)
    cluster_agent(tree)
    if modules:
        add_modules(kernel, modules, tree, os.path.join(where, "depmod"))
    image = os.path.join(where, "payload.ext4")
    store.ext4_image(tree, image)
    shutil.rmtree(tree)
    return image


def compile_bedctl(bed):
    """Compile the guests' helpers on the host; guests have no compiler."""
    store.need_compiler()
    store.run("gcc", "-O2", "-static", "-o", os.path.join(bed, "bedctl"),
              os.path.join(bed, "bedctl.c"))
    store.run("gcc", "-O2", "-shared", "-fPIC", "-nostdlib", "-o",
              os.path.join(bed, "nokeys.so"), os.path.join(bed, "nokeys.c"))


def compile_tool(bed):
    """Compile the command; the guests' libc may be older than the host's."""
    store.run("make", "-s", "-C", store.TOP, "tools", "LDFLAGS=-static",
              f"tool={bed}/unbd")


def udev_rules(tree):
    """Install the udev rules of the project, as its package does."""
    rules = glob.glob(os.path.join(UDEV, "*.rules"))
    target = os.path.join(tree, "usr/lib/udev/rules.d")
    if rules:
        os.makedirs(target)
    for path in rules:
        shutil.copy(path, target)


def cluster_agent(tree):
    """Install what Pacemaker calls, where its packages put it."""
    target = os.path.join(tree, "usr/lib/ocf/resource.d/unbd")
    os.makedirs(target)
    shutil.copy(AGENT, target)


def add_modules(kernel, sources, tree, work):
    """Add our modules and an index that knows them beside the kernel's."""
    files = []
    for source in sources:
        found = glob.glob(os.path.join(source, "**/*.ko"), recursive=True)
        if not found:
            raise store.BedError(f"no modules in {source}")
        files += found
    extra = EXTRA.format(kernel.release)
    target = os.path.join(tree, "usr", extra)
    os.makedirs(target)
    for path in files:
        # Symbols for a debugger are most of a module's size.
        store.run("strip", "--strip-debug", "-o",
                  os.path.join(target, os.path.basename(path)), path)
    index = os.path.join(work, "lib/modules", kernel.release)
    os.makedirs(index)
    os.symlink(os.path.join(kernel.modules, "kernel"),
               os.path.join(index, "kernel"))
    shutil.copytree(target, os.path.join(work, extra))
    for name in ("modules.order", "modules.builtin",
                 "modules.builtin.modinfo"):
        path = os.path.join(kernel.modules, name)
        if os.path.exists(path):
            shutil.copy(path, index)
    store.run(store.find_tool("depmod"), "-b", work, kernel.release)
    for path in glob.glob(os.path.join(index, "modules.*")):
        shutil.copy(path, os.path.join(tree, "usr/lib/modules",
                                       kernel.release))
    shutil.rmtree(work)
