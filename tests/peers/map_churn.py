#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Map and unmap disks over and over while others open whatever is there.

    map_churn.py --rounds 1000 --line "path=tcp:127.0.0.1 device_path=vol0"

Each mapper has a session of its own. Every third disk is unmapped by force.
The openers do what udev and its like do: open each disk that appears, read
its beginning, its size and what sysfs says of it, and close it again.
"""

import argparse
import errno
import fcntl
import glob
import os
import struct
import sys
import threading
import time

MAP = "/sys/devices/virtual/unbd-client/ctl/map_device"
BLKGETSIZE64 = 0x80081272
GONE = (errno.ENXIO, errno.ENODEV, errno.ENOENT, errno.EIO, errno.EBADF,
        errno.ENOMEDIUM)
PATIENCE = 60


def write_file(path, text):
    """Write with one system call."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def read_file(path):
    """Return the text of a file of sysfs."""
    with open(path, encoding="utf-8") as f:
        return f.read().strip()


class Churn:
    """What mappers and openers share."""

    def __init__(self, args):
        self.args = args
        self.lock = threading.Lock()
        self.left = args.rounds
        self.busy = self.opened = self.forced = 0
        self.done = False
        self.errors = []

    def guarded(self, function, *args):
        """Run a thread's function, keep its error."""
        try:
            function(*args)
        except Exception as e:  # pylint: disable=broad-except
            self.errors.append(f"{function.__name__}: {e!r}")
            self.left = 0

    def mapper(self, name):
        """Map and unmap until all rounds are done."""
        while True:
            with self.lock:
                if self.left <= 0:
                    return
                self.left -= 1
                number = self.left
            write_file(MAP, f"sessname={name} {self.args.line}")
            self.unmap(self.disk_of(name), number % 3 == 0)

    @staticmethod
    def disk_of(session):
        """Return the disk of a session's only mapping."""
        for path in glob.glob("/sys/block/unbd*/unbd/session"):
            try:
                if read_file(path) == session:
                    return path.split("/")[3]
            except OSError as e:
                if e.errno not in GONE:
                    raise
        raise RuntimeError(f"no disk of {session}")

    def unmap(self, disk, force):
        """Take a disk away, as soon as nobody has it open or at once."""
        path = f"/sys/block/{disk}/unbd/unmap_device"
        until = time.monotonic() + PATIENCE
        pause = 0.002
        while True:
            try:
                write_file(path, "force" if force else "normal")
                self.forced += force
                return
            except OSError as e:
                if e.errno != errno.EBUSY or force:
                    raise
            self.busy += 1
            if time.monotonic() > until:
                raise RuntimeError(f"{disk} is never free")
            # Whoever has it open needs the processor to come to an end.
            time.sleep(pause)
            pause = min(2 * pause, 0.2)

    def opener(self):
        """Look at all disks for as long as there are mappers."""
        while not self.done:
            began = time.monotonic()
            for path in glob.glob("/dev/unbd*"):
                try:
                    self.look_at(path)
                except OSError as e:
                    if e.errno not in GONE:
                        raise
            # Mappers are to find the disks free now and then.
            time.sleep(min(time.monotonic() - began, 0.02))

    def look_at(self, path):
        """Open a disk as udev does."""
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            self.opened += 1
            size, = struct.unpack("Q", fcntl.ioctl(fd, BLKGETSIZE64, bytes(8)))
            os.pread(fd, 4096, 0)
            os.pread(fd, 4096, max(size - 4096, 0))
            for name in ("session", "state", "mapping_path", "stats/failed"):
                read_file(f"/sys/block/{path[5:]}/unbd/{name}")
        finally:
            os.close(fd)


def main():
    """Run mappers and openers, say how it went."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--mappers", type=int, default=2)
    parser.add_argument("--openers", type=int, default=2)
    parser.add_argument("--line", required=True)
    args = parser.parse_args()
    churn = Churn(args)
    mappers = [threading.Thread(target=churn.guarded,
                                args=(churn.mapper, f"churn{i}"))
               for i in range(args.mappers)]
    openers = [threading.Thread(target=churn.guarded, args=(churn.opener,))
               for _ in range(args.openers)]
    for thread in mappers + openers:
        thread.start()
    for thread in mappers:
        thread.join()
    churn.done = True
    for thread in openers:
        thread.join()
    print(f"{args.rounds} rounds, {churn.forced} by force; opened "
          f"{churn.opened} times, {churn.busy} times too busy to unmap")
    if not churn.opened:
        churn.errors.append("no disk was ever opened")
    for error in churn.errors:
        print(error)
    return 1 if churn.errors else 0


if __name__ == "__main__":
    sys.exit(main())
