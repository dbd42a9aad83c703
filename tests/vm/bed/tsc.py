# SPDX-License-Identifier: GPL-2.0
"""How fast the processor's counter runs that emulated guests see as theirs.

They would measure it against an emulated timer when they boot. On a busy host
that goes wrong now and then, by a factor of forty even, and in such a guest
every time-out strikes forty times too early.
"""

import ctypes
import functools
import mmap
import platform
import time

# rdtsc; shl $32, %rdx; or %rdx, %rax; ret
READ = b"\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0\xc3"
SECONDS = 0.2
TRIES = 20


def sample(read):
    """Return (nanoseconds, ticks), read as close together as can be."""
    best = None
    for _ in range(TRIES):
        before = time.perf_counter_ns()
        ticks = read()
        took = time.perf_counter_ns() - before
        if not best or took < best[0]:
            best = took, before + took // 2, ticks
    return best[1:]


@functools.lru_cache(maxsize=None)
def khz():
    """Return the frequency, or None where there is no such counter."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return None
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE |
                   mmap.PROT_EXEC) as code:
        code.write(READ)
        address = ctypes.c_char.from_buffer(code)
        read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(address))
        began, first = sample(read)
        time.sleep(SECONDS)
        ended, last = sample(read)
        del address
    return (last - first) * 1000000 // (ended - began)
