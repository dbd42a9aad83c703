# SPDX-License-Identifier: GPL-2.0
"""The kernels guests boot, each a directory of the cache.

    release      what uname -r says
    version      the Debian version
    vmlinux      loaded through its PVH entry; skips unpacking it in the guest
    lib/modules  the modules guests may need, uncompressed
    modules.ext4 the same as a disk image
    initrd.cpio  what mounts the root file system
"""

import dataclasses
import fnmatch
import glob
import hashlib
import lzma
import os
import shutil
import struct
import zlib

from . import cpio, debugkernel, rootfs, store

DISTRO = ("5.10", "6.1", "6.12", "7.2")
ALL = DISTRO + ("debug",)
RECIPE = "1"  # raise it when the steps below change what comes out
INIT = os.path.join(store.TOP, "tests/vm/guest/initrd-init")

# Guests need few of the modules; indexing the others costs time in every run.
WANTED = (
    "arch/*", "block/*", "crypto/*", "lib/*", "mm/*",
    "drivers/block/*", "drivers/char/virtio_console*",
    "drivers/char/hw_random/virtio*", "drivers/crypto/virtio/*",
    "drivers/dax/*", "drivers/infiniband/core/*", "drivers/infiniband/sw/*",
    "drivers/infiniband/ulp/*", "drivers/md/*", "drivers/net/dummy*",
    "drivers/net/mii*", "drivers/net/net_failover*", "drivers/net/tun*",
    "drivers/net/veth*", "drivers/net/virtio_net*", "drivers/nvdimm/*",
    "drivers/nvme/*",
    "drivers/scsi/scsi_*", "drivers/scsi/sd_mod*", "drivers/scsi/virtio*",
    "drivers/target/*", "drivers/uio/*", "drivers/vhost/*",
    "drivers/virtio/*", "fs/btrfs/*", "fs/configfs/*", "fs/crypto/*",
    "fs/ext4/*", "fs/fuse/*", "fs/jbd2/*", "fs/mbcache*", "fs/overlayfs/*",
    "fs/xfs/*", "fs/*crc*", "net/802/*", "net/8021q/*", "net/core/*",
    "net/bridge/*", "net/ipv4/*", "net/ipv6/*", "net/llc/*",
    "net/netfilter/*", "net/packet/*", "net/sched/*", "net/tls/*",
    "net/unix/*", "net/vmw_vsock/*", "net/sunrpc/*",
)

# To reach the root file system and the runner, in the initramfs.
BOOT = ("virtio_pci", "virtio_pmem", "nd_pmem", "ext4", "crc32c_generic",
        "overlay")


@dataclasses.dataclass
class Kernel:
    """A kernel that is ready to boot."""

    key: str
    dir: str
    release: str
    version: str

    def path(self, *parts):
        """Return the path of one of its files."""
        return os.path.join(self.dir, *parts)

    @property
    def is_debug(self):
        """Say whether it has the checkers, and is so much slower."""
        return self.key == "debug"

    @property
    def modules(self):
        """Return the directory with modules.dep in it."""
        return self.path("lib/modules", self.release)


def provide(key):
    """Return the Kernel of a matrix key, fetching or building it."""
    if key == "debug":
        where = debugkernel.provide()
    elif key in DISTRO:
        where = provide_distro(key)
    else:
        raise store.BedError(f"unknown kernel {key}; known: {' '.join(ALL)}")
    kernel = Kernel(key, where, read(where, "release"), read(where, "version"))
    provide_images(kernel)
    return kernel


def read(where, name):
    """Return the one line of a file."""
    with open(os.path.join(where, name), encoding="utf-8") as f:
        return f.read().strip()


def provide_distro(key):
    """Fetch and unpack a Debian kernel."""
    fields = store.kernel_packages(key)
    recipe = f"{RECIPE} {fields['IMAGE']} {WANTED}\n"
    return store.make_once(f"kernels/{key}", recipe,
                           lambda where: unpack(where, key, fields))


def unpack(where, key, fields):
    """Take image and modules out of the packages."""
    store.need_tools("dpkg-deb", "xz", "zstd", "depmod")
    store.say(f"fetching kernel {key}: {fields['RELEASE']}")
    tmp = os.path.join(where, "tmp")
    release = fields["RELEASE"]
    store.apt("unpack", tmp, *fields["IMAGE"].split())
    bzimage = one_of(f"{tmp}/boot/vmlinuz-{release}",
                     f"{tmp}/usr/lib/modules/{release}/vmlinuz.unsigned")
    with open(bzimage, "rb") as f:
        vmlinux = extract_vmlinux(f.read())
    with open(os.path.join(where, "vmlinux"), "wb") as f:
        f.write(vmlinux)
    keep_modules(one_of(f"{tmp}/usr/lib/modules/{release}",
                        f"{tmp}/lib/modules/{release}"),
                 os.path.join(where, "lib/modules", release))
    for name, text in (("release", release), ("version", fields["VERSION"])):
        with open(os.path.join(where, name), "w", encoding="utf-8") as f:
            f.write(text + "\n")
    shutil.rmtree(tmp)


def one_of(*paths):
    """Return the path that exists."""
    for path in paths:
        if os.path.exists(path):
            return path
    raise store.BedError(f"none of {' '.join(paths)} in the kernel package")


def extract_vmlinux(image):
    """Return the ELF file that a bzImage carries compressed."""
    setup_sectors = image[0x1f1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start:start + length]
    if payload.startswith(b"\xfd7zXZ"):
        return lzma.LZMADecompressor().decompress(payload)
    if payload.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(payload)
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        # The last four bytes are the size, which is not part of the frame.
        return store.run_binary("zstd", "-dc", data=payload[:-4])
    raise store.BedError("kernel image compressed in an unknown way")


def keep_modules(source, target):
    """Copy the wanted modules, uncompressed, with their order and builtins."""
    os.makedirs(target)
    for name in glob.glob(os.path.join(source, "modules.*")):
        shutil.copy(name, target)
    base = os.path.join(source, "kernel")
    for path, _, files in os.walk(base):
        for f in files:
            relative = os.path.relpath(os.path.join(path, f), base)
            if not any(fnmatch.fnmatch(relative, w) for w in WANTED):
                continue
            copy = os.path.join(target, "kernel", relative)
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy(os.path.join(path, f), copy)
            if copy.endswith(".xz"):
                store.run("xz", "-d", copy)


def provide_images(kernel):
    """Make the disk with the modules, and the initramfs."""
    with open(INIT, "rb") as f:
        init = f.read()
    busybox = os.path.join(rootfs.provide(), "busybox")
    made = read(kernel.dir, ".made-from")
    recipe = hashlib.sha256(f"{made} {BOOT}".encode() + init).hexdigest()
    stamp = kernel.path("images-from")
    with store.locked(f"images-{kernel.key}"):
        if os.path.exists(stamp) and read(kernel.dir, "images-from") == recipe:
            return
        modules_image(kernel)
        with open(busybox, "rb") as f:
            initrd(kernel, init, f.read())
        with open(stamp, "w", encoding="utf-8") as f:
            f.write(recipe)


def modules_image(kernel):
    """Write lib/modules into a disk image, below usr/ as Debian 12 has it."""
    tree = kernel.path("image-tree")
    shutil.rmtree(tree, ignore_errors=True)
    store.run(store.find_tool("depmod"), "-b", kernel.dir, kernel.release)
    os.makedirs(os.path.join(tree, "usr"))
    shutil.copytree(kernel.path("lib"), os.path.join(tree, "usr/lib"))
    store.ext4_image(tree, kernel.path("modules.ext4"))
    shutil.rmtree(tree)


def initrd(kernel, init, busybox):
    """Write the initramfs: busybox, the first modules and a short script."""
    archive = cpio.Archive()
    for name in ("bin", "dev", "proc", "sys", "modules", "root", "lower",
                 "payload", "kernel", "rw"):
        archive.directory(name)
    archive.device("dev/console", 5, 1)
    archive.device("dev/kmsg", 1, 11)
    archive.file("bin/busybox", busybox, 0o755)
    archive.file("init", init, 0o755)
    order = []
    for path in boot_modules(kernel):
        name = f"modules/{os.path.basename(path)}"
        order.append(name)
        with open(path, "rb") as f:
            archive.file(name, f.read())
    archive.file("modules/order", "\n".join(order + [""]).encode())
    with open(kernel.path("initrd.new"), "wb") as f:
        f.write(archive.finish())
    os.replace(kernel.path("initrd.new"), kernel.path("initrd.cpio"))


def boot_modules(kernel):
    """Return the files to insert before the root file system, in order."""
    depends, builtin = {}, set()
    with open(os.path.join(kernel.modules, "modules.dep"),
              encoding="utf-8") as f:
        for line in f:
            path, needs = line.split(":")
            depends[module_name(path)] = (path, needs.split())
    with open(os.path.join(kernel.modules, "modules.builtin"),
              encoding="utf-8") as f:
        builtin = {module_name(line.strip()) for line in f}
    order = []
    for name in BOOT:
        if name in depends:
            path, needs = depends[name]
            order += [p for p in [*reversed(needs), path] if p not in order]
        elif name not in builtin and not name.startswith("crc32c"):
            raise store.BedError(f"kernel {kernel.key} has no {name}")
    return [os.path.join(kernel.modules, p) for p in order]


def module_name(path):
    """Return the name of a module from the path of its file."""
    return os.path.basename(path).split(".ko")[0].replace("-", "_")
