#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Use more memory than there is, and know what must be in it.

    memory_user.py MIB SECONDS

Fills anonymous memory, then reads page after page, compares it with what was
written last and writes something new, until the time is over. At the end all of
it is compared once more. A page that differs ends it all with status 1.
"""

import mmap
import sys
import time

PAGE = 4096


def content(page, version):
    """Return the bytes of one version of a page."""
    return b"%24d%8d" % (page, version) * (PAGE // 32)


def check(area, page, version):
    """End with status 1 if a page is not of that version."""
    found = area[page * PAGE:(page + 1) * PAGE]
    if found != content(page, version):
        sys.exit(f"page {page} is not of version {version} but begins with "
                 f"{found[:32]!r}")


def main():
    """Fill, use, compare."""
    pages = int(sys.argv[1]) * (1 << 20) // PAGE
    begin = time.monotonic()
    end = begin + float(sys.argv[2])
    area = mmap.mmap(-1, pages * PAGE)
    version = 0
    while not version or time.monotonic() < end:
        for page in range(pages):
            if version:
                check(area, page, version)
            area[page * PAGE:(page + 1) * PAGE] = content(page, version + 1)
        version += 1
        print(f"pass {version} after {time.monotonic() - begin:.0f} s",
              flush=True)
    for page in range(pages):
        check(area, page, version)


if __name__ == "__main__":
    main()
