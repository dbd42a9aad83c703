# SPDX-License-Identifier: GPL-2.0
"""Find out whether KVM boots our kernels; if not, guests are emulated.

An openable /dev/kvm proves nothing: nested hosts let a guest start and then
hang or die. So one guest is booted up to its first program, once a host boot.
"""

import os
import subprocess
import tempfile
import time

from . import qemu, store

TCG = "tcg,thread=multi"
PROBE_SECONDS = 15
MARK = "Run /init as init process"


def choose(kernel):
    """Return QEMU's -accel argument for this host."""
    forced = os.environ.get("UNBD_ACCEL")
    if forced:
        return TCG if forced == "tcg" else forced
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return TCG
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        answer = store.cache_dir(f"kvm-{f.read().strip()}")
    if not os.path.exists(answer):
        with store.locked("kvm"):
            works = probe(kernel)
            with open(answer, "w", encoding="ascii") as f:
                f.write("kvm" if works else "tcg")
    with open(answer, encoding="ascii") as f:
        return "kvm" if f.read() == "kvm" else TCG


def probe(kernel):
    """Boot a kernel by KVM up to its first program, or give up."""
    store.say("trying whether KVM works here")
    with tempfile.NamedTemporaryFile(prefix="unbd-kvm-") as console:
        # pylint: disable-next=consider-using-with
        guest = subprocess.Popen(
            [*qemu.command(), "-nodefaults",
             "-no-reboot", "-display", "none", "-machine", "pc",
             "-accel", "kvm", "-cpu", "max", "-smp", "2", "-m", "512",
             "-kernel", kernel.path("vmlinux"),
             "-initrd", kernel.path("initrd.cpio"),
             "-append", "console=ttyS0 loglevel=8 panic=-1",
             "-serial", f"file:{console.name}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + PROBE_SECONDS
            while time.monotonic() < deadline and guest.poll() is None:
                time.sleep(0.2)
                with open(console.name, encoding="utf-8",
                          errors="replace") as f:
                    if MARK in f.read():
                        return True
        finally:
            guest.kill()
            guest.wait()
    return False
