#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Write to a disk until told to stop, and know what must be there.

    steady_writer.py DEVICE --stop FILE [--status FILE] [--also FILE]
                     [--fsync WRITES]

Each thread owns some blocks. It writes one after the other, with O_DIRECT and
an fsync after each or after some, every time something new, and rests for a
moment: whoever only writes keeps all guests' processors busy. When FILE
appears the writing ends and all blocks are read back: they must hold what was
written last. Any error of the disk on the way ends it all with status 1.
"""

import argparse
import hashlib
import mmap
import os
import sys
import threading
import time

BLOCK = 4096


def content(block, version):
    """Return the bytes of one version of a block."""
    seed = hashlib.sha256(b"%d %d" % (block, version)).digest()
    return (b"%20d %20d " % (block, version) + seed * 127)[:BLOCK]


class Writer(threading.Thread):
    """One thread and its blocks."""

    def __init__(self, args, number):
        super().__init__()
        self.args = args
        self.first = number * args.blocks
        self.versions = [0] * args.blocks
        self.acked = 0
        self.longest = 0.0
        self.error = None

    def run(self):
        """Write until the stop file appears."""
        try:
            fd = os.open(self.args.device, os.O_RDWR | os.O_DIRECT)
            page = mmap.mmap(-1, BLOCK)
            while not os.path.exists(self.args.stop):
                self.write_next(fd, page)
                time.sleep(0.01)
            os.close(fd)
            if not self.acked:
                self.error = "nothing was written"
        except Exception as e:  # pylint: disable=broad-except
            self.error = f"write {self.acked}: {e}"

    def write_next(self, fd, page):
        """Write and flush the next version of the next block."""
        i = self.acked % self.args.blocks
        version = self.versions[i] + 1
        page[:] = content(self.first + i, version)
        start = time.monotonic()
        os.pwrite(fd, page, self.args.offset + (self.first + i) * BLOCK)
        if not (self.acked + 1) % self.args.fsync:
            os.fsync(fd)
        self.longest = max(self.longest, time.monotonic() - start)
        self.versions[i] = version
        self.acked += 1

    def verify(self, path, flags):
        """Return what is wrong with the blocks in a file, if anything."""
        fd = os.open(path, os.O_RDONLY | flags)
        page = mmap.mmap(-1, BLOCK)
        try:
            for i, version in enumerate(self.versions):
                block = self.first + i
                os.preadv(fd, [page], self.args.offset + block * BLOCK)
                if version and page[:] != content(block, version):
                    return (f"{path}: block {block} is not version {version} "
                            f"but begins with {page[:42]!r}")
        except OSError as e:
            return f"{path}: {e}"
        finally:
            os.close(fd)
        return None


def report(args, writers):
    """Keep the status file up to date until the writers have ended."""
    while any(w.is_alive() for w in writers):
        if args.status:
            with open(args.status + ".new", "w", encoding="utf-8") as f:
                f.write(f"{sum(w.acked for w in writers)}\n")
            os.rename(args.status + ".new", args.status)
        time.sleep(0.1)


def main():
    """Write, stop, verify."""
    parser = argparse.ArgumentParser()
    parser.add_argument("device")
    parser.add_argument("--stop", required=True)
    parser.add_argument("--status")
    parser.add_argument("--also", help="a file that must hold the same")
    parser.add_argument("--fsync", type=int, default=1)
    parser.add_argument("--threads", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=64)
    parser.add_argument("--offset", type=int, default=0)
    args = parser.parse_args()
    writers = [Writer(args, n) for n in range(args.threads)]
    for w in writers:
        w.start()
    report(args, writers)
    errors = [w.error for w in writers if w.error]
    if not errors:
        errors = [e for w in writers if (e := w.verify(args.device,
                                                       os.O_DIRECT))]
    if args.also and not errors:
        errors = [e for w in writers if (e := w.verify(args.also, 0))]
    print(f"{sum(w.acked for w in writers)} writes, the longest took "
          f"{max(w.longest for w in writers):.1f} s")
    for error in errors:
        print(error)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
