# SPDX-License-Identifier: GPL-2.0
"""The debug kernel: Debian's linux-source with every checker switched on."""

import glob
import hashlib
import os
import shutil
import subprocess

from . import store

NAME = "kernels/debug"  # in the cache
SOURCE = "linux-source-6.12"
SUITE = "trixie-security"
CONFIG = os.path.join(store.TOP, "tests/vm/debug-kernel.config")
RECIPE = "1"  # raise it when the steps below change what comes out
JOBS = "2"

# Not read by the build of this configuration, and a third of the source.
UNWANTED = ("*/Documentation/[a-z]*", "*/tools/testing/*",
            "*/drivers/gpu/drm/amd/include/*")


def source_version():
    """Return the pinned version of the source package."""
    return store.pinned("debug", lambda: store.version_in(SUITE, SOURCE))


def recipe():
    """Return what the debug kernel is made from."""
    with open(CONFIG, "rb") as f:
        config = hashlib.sha256(f.read()).hexdigest()
    return f"{RECIPE} {source_version()} {config}\n"


def is_built():
    """Say whether provide() would return at once."""
    return store.is_made(NAME, recipe())


def provide():
    """Return the directory of the debug kernel, building it if needed.

    It holds build/ (a tree to build modules against), lib/modules/RELEASE,
    vmlinux and `release`.
    """
    return store.make_once(NAME, recipe(),
                           lambda where: build(where, source_version()),
                           keep=True)


def build(where, version):
    """Build kernel and modules; takes 12 minutes on two cores."""
    store.need_tools("gcc", "make", "flex", "bison", "bc", "xz", "dpkg-deb")
    if not os.path.exists("/usr/include/libelf.h"):
        store.need_packages("libelf-dev")
    tree = os.path.join(where, "build")
    unpack(tree, version)
    store.say(f"building the debug kernel from {SOURCE} {version} "
              "(about 12 minutes, once)")
    log = os.path.join(where, "build.log")
    with open(log, "w", encoding="utf-8") as out:
        make(tree, out, "allnoconfig", f"KCONFIG_ALLCONFIG={CONFIG}")
        make(tree, out, f"-j{JOBS}", "vmlinux", "modules")
    install(where, tree)


def make(tree, out, *args):
    """Run make in the kernel tree with its output in the log."""
    argv = ["make", "-C", tree, "LOCALVERSION=-debug",
            "KBUILD_BUILD_USER=unbd", "KBUILD_BUILD_HOST=unbd", *args]
    if subprocess.run(argv, stdout=out, stderr=out).returncode:
        raise store.BedError(f"the debug kernel does not build: {out.name}")


def unpack(tree, version):
    """Unpack the source of this version unless it is there already."""
    mark = os.path.join(tree, ".unpacked")
    if os.path.exists(mark) and open(mark, encoding="utf-8").read() == version:
        return
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    tmp = tree + ".deb"
    store.say(f"fetching {SOURCE} {version} (150 MB)")
    store.apt("unpack", tmp, f"{SOURCE}={version}")
    tarball = glob.glob(f"{tmp}/usr/src/*.tar.xz")[0]
    store.run("tar", "-xf", tarball, "-C", tree, "--strip-components=1",
              *[f"--exclude={p}" for p in UNWANTED])
    shutil.rmtree(tmp)
    with open(mark, "w", encoding="utf-8") as f:
        f.write(version)


def install(where, tree):
    """Put what a guest needs beside the build tree."""
    with open(os.path.join(tree, "include/config/kernel.release"),
              encoding="utf-8") as f:
        release = f.read().strip()
    shutil.rmtree(os.path.join(where, "lib"), ignore_errors=True)
    store.run("make", "-C", tree, "-s", "LOCALVERSION=-debug",
              f"INSTALL_MOD_PATH={where}", "modules_install")
    for link in ("build", "source"):
        path = os.path.join(where, "lib/modules", release, link)
        if os.path.islink(path):
            os.unlink(path)
    shutil.copy(os.path.join(tree, "vmlinux"), where)
    for name, text in (("release", release), ("version", source_version())):
        with open(os.path.join(where, name), "w", encoding="utf-8") as f:
            f.write(text + "\n")
    drop_objects(tree)


def drop_objects(tree):
    """Remove the objects: building modules needs headers and scripts only."""
    keep = tuple(os.path.join(tree, d) for d in ("scripts", "tools/objtool"))
    for path, _, files in os.walk(tree):
        if path.startswith(keep):
            continue
        for f in files:
            if f.endswith((".o", ".a", ".ko", ".cmd", ".mod", ".mod.c")):
                os.unlink(os.path.join(path, f))
