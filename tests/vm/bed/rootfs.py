# SPDX-License-Identifier: GPL-2.0
"""The root file system that all guests share, read-only."""

import hashlib
import os
import shutil

from . import store

PACKAGES = os.path.join(store.TOP, "tests/vm/packages")
SUITES = ("bookworm", "bookworm-updates", "bookworm-security")
RECIPE = "2"  # raise it when the steps below change what comes out

# Nothing in a guest reads these; they are half of the files.
UNWANTED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*",
            "/usr/share/info/*", "/usr/share/i18n/*")


def packages():
    """Return the names in the package list."""
    with open(PACKAGES, encoding="utf-8") as f:
        return [line.strip() for line in f
                if line.strip() and not line.startswith("#")]


def recipe():
    """Return what the image is made from, as a hash."""
    text = "\n".join((RECIPE, *SUITES, *packages()))
    return hashlib.sha256(text.encode()).hexdigest()


# Work trees with other lists of packages do not take it from each other.
NAME = f"root-{recipe()[:12]}"


def provide():
    """Return the directory with root.ext4 and a static busybox."""
    return store.make_once(NAME, recipe(), build)


def build(where):
    """Bootstrap Debian and turn it into an image."""
    store.need_tools("mmdebstrap", "mke2fs")
    store.say("bootstrapping the guests' root file system "
              "(about a minute, once)")
    tree = os.path.join(where, "tree")
    try:
        bootstrap(where, tree)
        shutil.copy(os.path.join(tree, "bin/busybox"), where)
        store.ext4_image(tree, os.path.join(where, "root.ext4"))
    finally:
        store.remove_tree(tree)


def bootstrap(where, tree):
    """Install the packages below `tree`."""
    sources = os.path.join(where, "sources.list")
    with open(sources, "w", encoding="utf-8") as f:
        f.write(store.apt("sources", *SUITES))
    excludes = [f"--dpkgopt=path-exclude={p}" for p in UNWANTED]
    store.run(*store.as_root(
        "mmdebstrap", "--mode=root", "--variant=minbase", *excludes,
        '--aptopt=Acquire::Check-Valid-Until "false"',
        '--aptopt=Acquire::Retries "3"',
        '--aptopt=APT::Install-Recommends "false"',
        f"--include={','.join(packages())}",
        "--customize-hook=rm -rf \"$1\"/var/lib/apt/lists \"$1\"/var/cache/apt",
        "--customize-hook=mkdir -p \"$1\"/bed \"$1\"/lower",
        "bookworm", tree, sources))
