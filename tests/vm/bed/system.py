# SPDX-License-Identifier: GPL-2.0
"""Debian as people install it: its own init, kernel, compiler and dkms.

A release is bootstrapped once. A system is what a script of
tests/installed/systems, run in a copy of that, makes of it; "# stages:" in its
header names the states that guests can boot, in order, and the script gets
each of these words as its argument. Both are kept in the cache:

    systems/KEY/base-HASH/tree         the release as it was installed
    systems/KEY/debs-HASH/*.deb        our packages, built there
    systems/KEY/NAME-HASH/STAGE/
        root.ext4                      the disk of a guest
        vmlinux                        its newest kernel, as /boot has it
        initrd.cpio                    and the initramfs of that kernel

and made again when a script, or what is in our packages, has changed. What
other work trees have made stays for a while.
"""

import contextlib
import dataclasses
import glob
import hashlib
import os
import re
import shutil
import tempfile
import time

from . import kernels, rootfs, store

INSTALLED = os.path.join(store.TOP, "tests/installed")
CONTROL = os.path.join(store.TOP, "packaging/deb/control")
SUITES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie"}
# Kernels of the release itself; backports are not.
IMAGES = {"5.10": r"linux-image-(5\.10\.\d+-\d+-amd64)",
          "6.1": r"linux-image-(6\.1\.\d+-\d+-amd64)",
          "6.12": r"linux-image-(6\.12\.\d+\+deb13(?:\.\d+)?-amd64)"}
README = os.path.join(store.TOP, "README.md")
NEWEST = ("linux-image-amd64", "linux-headers-amd64")
RECIPE = "1"  # raise it when the steps below change what comes out
SPARE_MIB = 512
KEEP_UNUSED = 3 * 3600  # seconds
UNIT = """\
[Unit]
Description=The test bed's hand in this guest
[Service]
ExecStartPre=/bin/mount -o ro /dev/disk/by-id/virtio-payload /media
ExecStartPre=/bin/mount --bind /media/bed /bed
ExecStart=/bed/system
[Install]
WantedBy=multi-user.target
"""
# Files stay as they are and services are not started: this is no booted
# system. Nothing of it is left mounted, however it ends.
CHROOT = """
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
exec chroot "$0" env -i HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
"""


@dataclasses.dataclass(frozen=True)
class System:
    """An installed Debian that is ready to boot; to Guest it is a kernel."""

    key: str
    name: str
    dir: str
    is_debug = False

    def path(self, *parts):
        """Return the path of one of its files."""
        return os.path.join(self.dir, *parts)


def provide(key, name):
    """Return the System NAME or NAME/STAGE, making what is missing of it."""
    if key not in SUITES:
        raise store.BedError(f"no Debian release has kernel {key} as its own")
    script, _, stage = name.partition("/")
    path = os.path.join(INSTALLED, "systems", script + ".sh")
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
    except OSError as e:
        raise store.BedError(f"no system {script}: {e}") from e
    found = re.search(r"^# stages: (.*)", text, re.MULTILINE)
    stages = found.group(1).split() if found else [script]
    stage = stage or stages[-1]
    if stage not in stages:
        raise store.BedError(f"{script} has no stage {stage}")
    base, debs = provide_base(key), provide_debs(key)
    recipe = digest(RECIPE, stamp(base), text, readme("install"),
                    *map(content, our_packages(debs)))
    where = kept(key, script, recipe,
                 lambda where: derive(where, base, debs, path, stages))
    return System(key, name, os.path.join(where, stage))


def kept(key, name, recipe, build):
    """Return the directory of this name and recipe, as store.make_once.

    Those of other recipes go when they have not been used for hours.
    """
    where = store.make_once(f"systems/{key}/{name}-{recipe[:12]}", recipe,
                            build)
    os.utime(where)
    same_name = os.path.join(os.path.dirname(where), f"{name}-" + "?" * 12)
    for other in glob.glob(same_name):
        if time.time() - os.path.getmtime(other) > KEEP_UNUSED:
            store.remove_tree(other)
    return where


def digest(*texts):
    """Return one word that differs if one of the texts does."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def content(path):
    """Return one word for what is in a file."""
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def our_packages(where):
    """Return the packages to install; there is one for debuggers, too."""
    return [p for p in sorted(glob.glob(os.path.join(where, "*.deb")))
            if "-dbgsym_" not in p]


def readme(mark):
    """Return the commands behind a mark in README.md, for bash."""
    with open(README, encoding="utf-8") as f:
        found = re.search(rf"^<!-- packages: {mark} -->\n```text\n(.*?)^```",
                          f.read(), re.MULTILINE | re.DOTALL)
    if not found:
        raise store.BedError(f"README.md has no commands to {mark} packages")
    return 'apt() { apt-get -qy "$@"; }\n' + found.group(1)


def stamp(where):
    """Return the recipe of a cached directory."""
    return kernels.read(where, ".made-from")


def listed(path):
    """Return the lines of a file that are no comments."""
    with open(path, encoding="utf-8") as f:
        return [x.strip() for x in f if x.strip() and not x.startswith("#")]


def build_depends():
    """Return the packages that ours are built with."""
    with open(CONTROL, encoding="utf-8") as f:
        field = re.search(r"^Build-Depends:((?:.*\n)(?: .*\n)*)", f.read(),
                          re.MULTILINE).group(1)
    # debhelper-compat (= 13) is a version of debhelper.
    return ["build-essential", *(re.sub(r"-compat$", "", x.split()[0])
                                 for x in field.split(","))]


def provide_base(key):
    """Return the directory with a fresh installation of a release."""
    wanted = listed(os.path.join(INSTALLED, "packages")) + build_depends()
    recipe = digest(RECIPE, SUITES[key], UNIT, *wanted)
    return kept(key, "base", recipe,
                lambda where: bootstrap(where, key, wanted))


def older_kernel(key):
    """Return the release of the newest kernel but one."""
    rows = [x.split("\t") for x in
            store.apt("list", IMAGES[key]).splitlines()]
    names = [name for name, _, suite in rows
             if suite in (SUITES[key], SUITES[key] + "-security")]
    names = list(dict.fromkeys(names))
    if len(names) < 2:
        raise store.BedError(f"no two kernels of {SUITES[key]} on the mirror")
    return re.fullmatch(IMAGES[key], names[1]).group(1)


def bootstrap(where, key, wanted):
    """Install a release with a kernel that has a newer one already.

    What an upgrade and our packages need is downloaded now: mirrors drop old
    versions, and nothing that is made from this asks the network again.
    """
    store.need_tools("mmdebstrap", "mke2fs", "zstd", "xz")
    suite, release = SUITES[key], older_kernel(key)
    store.say(f"installing Debian's {suite} (minutes, once)")
    sources = os.path.join(where, "sources.list")
    with open(sources, "w", encoding="utf-8") as f:
        f.write(store.apt("sources", suite, f"{suite}-security"))
    unit = os.path.join(where, "bed.service")
    with open(unit, "w", encoding="utf-8") as f:
        f.write(UNIT)
    tree = os.path.join(where, "tree")
    wanted = [*wanted, f"linux-image-{release}", f"linux-headers-{release}"]
    excludes = [f"--dpkgopt=path-exclude={p}" for p in rootfs.UNWANTED
                if "/man/" not in p]
    hooks = [
        "mkdir -p \"$1\"/bed \"$1\"/media",
        f"cp {unit} \"$1\"/etc/systemd/system/",
        "chroot \"$1\" systemctl -q enable bed.service",
        "chroot \"$1\" systemctl -q mask apt-daily.timer "
        "apt-daily-upgrade.timer",
        "chroot \"$1\" systemd-machine-id-setup",
        "chroot \"$1\" apt-get clean",
        "chroot \"$1\" apt-get -qy --download-only install dkms "
        + " ".join(NEWEST)]
    store.run(*store.as_root(
        "mmdebstrap", "--mode=root", "--variant=minbase", *excludes,
        "--skip=cleanup/apt",
        '--aptopt=Acquire::Check-Valid-Until "false"',
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=Acquire::Retries "3"',
        '--aptopt=APT::Install-Recommends "false"',
        f"--include={','.join(wanted)}",
        *(f"--customize-hook={h}" for h in hooks), suite, tree, sources))


@contextlib.contextmanager
def copy_of(base, where):
    """Have a tree to work in, as long as it is needed."""
    tree = os.path.join(where, "tree")
    try:
        store.run(*store.as_root("cp", "-a", "--reflink=auto",
                                 os.path.join(base, "tree"), tree))
        yield tree
    finally:
        store.remove_tree(tree)


def inside(tree, *argv):
    """Run a command in a tree as in a system that is not booted."""
    return store.run(*store.as_root(
        "unshare", "--mount", "--pid", "--fork", "--kill-child",
        "sh", "-euc", CHROOT, tree, *argv))


def put(tree, target, *paths):
    """Copy files into a directory of a tree."""
    store.run(*store.as_root("install", "-D", "-m", "644", "-t",
                             os.path.join(tree, target), *paths))


def provide_debs(key):
    """Return the directory with our packages, built in their release."""
    with tempfile.TemporaryDirectory(prefix="unbd-") as tmp:
        archive = os.path.join(tmp, "unbd.tar.gz")
        store.run("make", "-s", "-C", store.TOP, "dist", f"archive={archive}")
        base = provide_base(key)
        recipe = digest(RECIPE, stamp(base), content(archive))
        return kept(key, "debs", recipe,
                    lambda where: build_debs(where, base, archive))


def build_debs(where, base, archive):
    """Build our packages from an archive of the sources."""
    store.say("building the packages")
    with copy_of(base, where) as tree:
        put(tree, "root", archive)
        inside(tree, "bash", "-euc", "cd /root; tar -xf unbd.tar.gz; "
               "cd unbd-*/\n" + readme("build"))
        for path in glob.glob(f"{tree}/root/unbd-*/build/*.deb"):
            shutil.copy(path, where)


def derive(where, base, debs, script, stages):
    """Run a script in a copy of a release, and make a disk of each stage."""
    with copy_of(base, where) as tree:
        put(tree, "root/build", *our_packages(debs))
        install = os.path.join(where, "install")
        with open(install, "w", encoding="utf-8") as f:
            f.write(readme("install"))
        put(tree, "root", script, install)
        for stage in stages:
            store.say(f"making the system {os.path.basename(where)}/{stage}")
            said = inside(tree, "bash", "-euo", "pipefail", "-c",
                          'cd /root; . "./$0"', os.path.basename(script), stage)
            result = os.path.join(where, stage)
            os.makedirs(result)
            with open(os.path.join(result, "log"), "w",
                      encoding="utf-8") as f:
                f.write(said)
            make_bootable(tree, result)


def make_bootable(tree, where):
    """Write what a guest boots: the disk, the newest kernel, its initramfs."""
    images = glob.glob(os.path.join(tree, "boot/vmlinuz-*"))
    newest = max(images, key=lambda p: [
        int(n) for n in re.findall(r"\d+", os.path.basename(p))])
    release = os.path.basename(newest).removeprefix("vmlinuz-")
    with open(newest, "rb") as f:
        vmlinux = kernels.extract_vmlinux(f.read())
    with open(os.path.join(where, "vmlinux"), "wb") as f:
        f.write(vmlinux)
    shutil.copy(os.path.join(tree, f"boot/initrd.img-{release}"),
                os.path.join(where, "initrd.cpio"))
    store.ext4_image(tree, os.path.join(where, "root.ext4"), SPARE_MIB)
