#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Write to a file of sysfs with its first, second, third... allocation failing.

    fail_nth.py FILE TEXT [--undo FILE TEXT] [--every N]

Ends with the first write for which no allocation was left to fail. Whenever
a write succeeds it is undone by the other one. With --every only each Nth of
the allocations, which is N times as fast. Prints how many failed, and is
content if the errno was ENOMEM or another that --allow names.
"""

import argparse
import errno
import os
import sys

NTH = "/proc/thread-self/fail-nth"
LIMIT = 2000


def write(path, text, nth=0):
    """Write; return (errno or 0, whether the Nth allocation came about)."""
    fd = os.open(path, os.O_WRONLY)
    control = os.open(NTH, os.O_RDWR)
    error = 0
    try:
        os.pwrite(control, b"%d" % nth, 0)
        try:
            os.write(fd, text.encode())
        except OSError as e:
            error = e.errno
        left = int(os.pread(control, 16, 0).strip(b"\0\n") or b"0")
        os.pwrite(control, b"0", 0)
    finally:
        os.close(control)
        os.close(fd)
    return error, left == 0


def main():
    """Go through all allocations."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("text")
    parser.add_argument("--undo", nargs=2, metavar=("FILE", "TEXT"))
    parser.add_argument("--allow", default="ENOMEM")
    parser.add_argument("--every", type=int, default=1)
    args = parser.parse_args()
    allowed = [getattr(errno, name) for name in args.allow.split(",")]
    failed = 0
    for nth in range(1, LIMIT, args.every):
        error, came = write(args.file, args.text, nth)
        if error and error not in allowed:
            sys.exit(f"allocation {nth}: {errno.errorcode[error]}")
        failed += bool(error)
        if not error and args.undo:
            undone, _ = write(*args.undo)
            if undone:
                sys.exit(f"undo after {nth}: {errno.errorcode[undone]}")
        if not came:
            if error:
                sys.exit(f"failed by itself: {errno.errorcode[error]}")
            if not failed:
                sys.exit(f"none of {nth - 1} allocations has failed")
            print(f"{nth - 1} allocations, {failed} of them matter")
            return 0
    sys.exit(f"more than {LIMIT} allocations")


if __name__ == "__main__":
    sys.exit(main())
