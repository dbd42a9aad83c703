# SPDX-License-Identifier: GPL-2.0
"""The kernel's own rtrs and rnbd, which Debian's kernels leave out.

Built from Debian's linux-source of the guest's kernel, as a peer to test
with. They stay in the cache: nothing of them is part of this project.
"""

import glob
import os
import shutil
import subprocess

from . import store

RECIPE = "3"  # raise it when the steps below change what comes out
HEADERS = os.path.join(store.TOP, "tests/matrix/headers")
PARTS = {"rtrs": "drivers/infiniband/ulp/rtrs", "rnbd": "drivers/block/rnbd"}

# What the Makefiles of the kernel's tree would say; a source that a series
# has not got yet, or not any more, is left out.
MODULES = {
    "rtrs": {"rtrs-core": ["rtrs"],
             "rtrs-client": ["rtrs-clt", "rtrs-clt-stats", "rtrs-clt-sysfs",
                             "rtrs-clt-trace"],
             "rtrs-server": ["rtrs-srv", "rtrs-srv-stats", "rtrs-srv-sysfs",
                             "rtrs-srv-trace"]},
    "rnbd": {"rnbd-client": ["rnbd-clt", "rnbd-clt-sysfs", "rnbd-common"],
             "rnbd-server": ["rnbd-srv", "rnbd-srv-sysfs", "rnbd-common",
                             "rnbd-srv-trace", "rnbd-srv-dev"]},
}


def provide(kernel):
    """Return directories with the .ko files that a kernel has not got."""
    if kernel.is_debug:
        return []
    recipe = f"{RECIPE} {kernel.key} {kernel.version}\n"
    return [store.make_once(f"rnbd/{kernel.key}", recipe,
                            lambda where: build(where, kernel))]


def build(where, kernel):
    """Fetch the two directories and build them."""
    store.need_tools("gcc", "make", "xz", "dpkg-deb")
    source = unpack(where, kernel)
    tree = os.path.join(where, "build")
    for name, path in PARTS.items():
        shutil.copytree(os.path.join(source, path), os.path.join(tree, name))
        write_kbuild(os.path.join(tree, name), MODULES[name])
    with open(os.path.join(tree, "Kbuild"), "w", encoding="utf-8") as f:
        f.write("obj-m := rtrs/ rnbd/\n")
    shutil.rmtree(source)
    be_patient(os.path.join(tree, "rtrs/rtrs-clt.c"))
    make(tree, kernel)
    for path in glob.glob(os.path.join(tree, "*/*.ko")):
        shutil.copy(path, where)
    shutil.rmtree(tree)


def unpack(where, kernel):
    """Unpack the two directories; return the root of the tree."""
    series = ".".join(kernel.version.split(".")[:2])
    package = f"linux-source-{series}={kernel.version}"
    store.say(f"fetching {package} (140 MB)")
    tmp = os.path.join(where, "deb")
    source = os.path.join(where, "source")
    store.apt("unpack", tmp, package)
    tarball = glob.glob(f"{tmp}/usr/src/*.tar.xz")[0]
    os.makedirs(source)
    store.run("tar", "-xf", tarball, "-C", source, "--strip-components=1",
              "--wildcards", *[f"*/{p}/*" for p in PARTS.values()])
    shutil.rmtree(tmp)
    return source


def be_patient(path):
    """Have the client wait for half a minute before it sends again.

    Since 6.6 that is half a second over RoCE, for which a guest of a busy
    host may stand still; and soft RoCE registers memory again when it sends
    again, finds it taken and gives the connection up.
    """
    made = "con->c.cm_id = cm_id;"
    store.replace_once(path, made, made + " rdma_set_ack_timeout(cm_id, 23);")


def write_kbuild(where, modules):
    """Say what the modules of a directory are made of."""
    lines = ["ccflags-y := -I$(src)/../rtrs -I$(src)"]
    for module, objects in modules.items():
        have = [f"{o}.o" for o in objects
                if os.path.exists(os.path.join(where, f"{o}.c"))]
        lines += [f"obj-m += {module}.o", f"{module}-y := {' '.join(have)}"]
    for name in ("Makefile", "Kbuild"):
        with open(os.path.join(where, name), "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")


def make(tree, kernel):
    """Build for the headers of the kernel, with the compiler that it has."""
    r = subprocess.run([HEADERS, kernel.key], text=True,
                       stdout=subprocess.PIPE)
    if r.returncode:
        raise store.BedError(f"no headers for kernel {kernel.key}")
    cc = "gcc-12" if store.find_tool("gcc-12") else "gcc"
    argv = ["make", "-C", r.stdout.strip(), f"M={tree}", f"CC={cc}", "-j2",
            "CONFIG_DEBUG_INFO_BTF_MODULES=", "KCFLAGS=-Wno-attributes",
            "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=", "modules"]
    store.say(f"building rtrs and rnbd for {kernel.release}")
    log = os.path.join(os.path.dirname(tree), "build.log")
    with open(log, "w", encoding="utf-8") as out:
        if subprocess.run(argv, stdout=out, stderr=out).returncode:
            raise store.BedError(f"rtrs and rnbd do not build: {log}")
