#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Unmap disks by force as soon as sysfs has the file for it.

    unmap_at_once.py ROUNDS "path=tcp:127.0.0.1 device_path=vol0"
"""

import errno
import glob
import sys
import threading
import time

from map_churn import MAP, write_file

# Of the only disk, whose number is another while somebody holds an old one
UNMAP = "/sys/block/unbd*/unbd/unmap_device"
PATIENCE = 60


def unmap():
    """Wait for the disk and take it away."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for path in glob.glob(UNMAP):
            try:
                return write_file(path, "force")
            except FileNotFoundError:
                pass
    raise TimeoutError("there was no disk")


def map_disk(line):
    """Map; whoever waits for its partitions is told that it has gone."""
    try:
        write_file(MAP, "sessname=s " + line)
    except OSError as e:
        if e.errno != errno.ENODEV:
            raise


def main():
    """Map in one thread, unmap in another."""
    rounds, line = int(sys.argv[1]), sys.argv[2]
    for _ in range(rounds):
        other = threading.Thread(target=unmap)
        other.start()
        map_disk(line)
        other.join()


if __name__ == "__main__":
    main()
