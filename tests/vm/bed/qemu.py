# SPDX-License-Identifier: GPL-2.0
"""The QEMU that guests run in, and the clock it gives them.

In virtual time an instruction is a nanosecond and waiting takes none of the
host's time, so what the host has to do besides cannot make a limit strike, and
what fails once fails again. The processors of a guest share that time fairly
from QEMU 8.1 on. Where the machine's own is older, a newer one is unpacked into
the cache; it runs with the machine's libraries, and the machine's stays as it
is.
"""

import fractions
import functools
import os
import re
import subprocess

from . import store

FAIR = (8, 1)
SUITE = "bookworm-backports"
PACKAGES = ("qemu-system-x86", "qemu-system-common", "qemu-system-data",
            "seabios")
TOOL = "qemu-system-x86_64"
VIRTUAL = "tcg,thread=single"  # for -accel
TSC_KHZ = 1000000  # of a guest in virtual time, at any speed


@functools.lru_cache(maxsize=None)
def command():
    """Return the first words of a command line, fetching what is missing."""
    store.need_tools(TOOL)
    own = [store.find_tool(TOOL)]
    if version(own) >= FAIR:
        return own
    try:
        return newer()
    except store.BedError as e:
        store.say(f"no newer QEMU, so one processor in virtual time: {e}")
        return own


@functools.lru_cache(maxsize=None)
def is_fair():
    """Say whether several processors can share virtual time."""
    return version(command()) >= FAIR


def version(argv):
    """Return the version of a QEMU as two numbers, (0, 0) if it cannot run."""
    try:
        text = subprocess.run([*argv, "--version"], text=True, check=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0, 0
    return tuple(map(int, re.search(r"(\d+)\.(\d+)", text).groups()))


def newer():
    """Return the words for the QEMU in the cache, unpacking it once."""
    packages = store.pinned("qemu", lambda: " ".join(
        f"{name}={store.version_in(SUITE, name)}" for name in PACKAGES))
    where = store.make_once("qemu", packages, lambda where: store.apt(
        "unpack", where, *packages.split()))
    share = os.path.join(where, "usr/share")
    argv = [os.path.join(where, "usr/bin", TOOL),
            "-L", os.path.join(share, "qemu"),
            "-L", os.path.join(share, "seabios")]
    if version(argv) < FAIR:
        raise store.BedError(f"{packages.split()[0]} does not run here")
    return argv


def clock():
    """Return the words for virtual time.

    SPEED=1/4 makes it that of a machine four times slower: each instruction
    takes four nanoseconds. Dates are the same in every run, and so is what
    the processor has for random numbers.
    """
    speed = fractions.Fraction(os.environ.get("SPEED") or 1)
    shift = int(1 / speed).bit_length() - 1 if speed else 0
    if speed * 2 ** shift != 1 or shift > 10:
        raise store.BedError("SPEED is 1, 1/2, 1/4, 1/8...")
    return ["-icount", f"shift={shift},sleep=off", "-seed", "1",
            "-rtc", "base=2026-01-01,clock=vm"]
