# SPDX-License-Identifier: GPL-2.0
"""nbd-tester-client, which Debian tests its nbd-server with and packages not.

Built from Debian's source of nbd, as a peer to test with; with the logs of
requests that it plays it stays in the cache.
"""

import glob
import os
import shutil

from . import rootfs, store

RECIPE = "1"  # raise it when the steps below change what comes out
FILES = ("nbd-tester-client", "integrity-test.tr", "integrityhuge-test.tr")

# The guests' own: the host's C library, to which they are linked, may be newer
# than theirs but not the other way round.
LIBRARIES = ("libglib2.0-dev", "libpcre2-dev")

# What its configure would find, without GnuTLS: there is no TLS in unbd.
CONFIG = """\
#define SIZEOF_UNSIGNED_SHORT_INT 2
#define SIZEOF_UNSIGNED_INT 4
#define SIZEOF_UNSIGNED_LONG_INT 8
#define HAVE_MKSTEMP 1
"""


def provide():
    """Return the paths of FILES, building what is not there."""
    where = store.make_once("nbd-tester", RECIPE, build)
    return [os.path.join(where, name) for name in FILES]


def build(where):
    """Fetch the source and compile one command of it, statically."""
    store.need_compiler()
    store.need_tools("dpkg-deb", "dpkg-source", "xz")
    store.say("building nbd-tester-client (some seconds, once)")
    tmp = os.path.join(where, "tmp")
    store.apt("source", tmp, "nbd")
    source = glob.glob(f"{tmp}/nbd-*/")[0]
    store.apt("unpack", tmp, *[f"{p}/{rootfs.SUITES[0]}" for p in LIBRARIES])
    for name in FILES:
        path = os.path.join(source, "tests/run", name)
        if os.path.exists(path):
            shutil.copy(path, where)
    with open(os.path.join(source, "config.h"), "w", encoding="utf-8") as f:
        f.write(CONFIG)
    # So long it waits for a server; a guest of a busy host may stand still.
    store.replace_once(f"{source}/tests/run/{FILES[0]}.c", "tv.tv_sec = 5;",
                       "tv.tv_sec = 60;")
    lib = f"{tmp}/usr/lib/x86_64-linux-gnu"
    store.run("gcc", "-O2", "-static", "-w",
              "-o", os.path.join(where, FILES[0]),
              f"{source}/tests/run/{FILES[0]}.c", f"{source}/cliserv.c",
              f"-I{source}", f"-I{tmp}/usr/include/glib-2.0",
              f"-I{lib}/glib-2.0/include", f"-L{lib}", "-lglib-2.0",
              "-lpcre2-8", "-pthread")
    shutil.rmtree(tmp)
