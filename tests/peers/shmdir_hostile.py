#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Directory pages of shared memory, most of which say what is not so.

    shmdir_hostile.py MEMORY PLACE CONNECTIONS SEED

PLACE is what the module calls the memory, CONNECTIONS its parameter. For each
directory a connection is made, and removed if that was possible. In the end
there is one that the module has made by itself, whose contents are checked.
"""

import errno
import os
import random
import struct
import sys
import zlib

import muenblock_wire as wire
from muenblock_wire import expect

ROUNDS = 100
MAGIC = 0x31444853
PAGE = 4096
REGION = struct.Struct("<QQI60s")
ENTRY = struct.Struct("<IIII")
ENTRIES = 42
FREE, CLAIMED, VALID, VOID = range(4)
KINDS = {b"request": 1, b"response": 2, b"memory": 3}
# What may be said of a directory, and nothing else
REFUSALS = {errno.EINVAL, errno.EEXIST, errno.ENOSPC, errno.EAGAIN,
            errno.EOPNOTSUPP}


def entry(offset, size, kind, name, state=VALID, crc=None):
    """Return an entry."""
    region = REGION.pack(offset % wire.ONE, size % wire.ONE, kind, name)
    return ENTRY.pack(state, zlib.crc32(region) if crc is None else crc,
                      0, 0) + region


def page(entries, magic=MAGIC):
    """Return a directory."""
    return (struct.pack("<I60x", magic) + b"".join(entries)).ljust(
        PAGE, b"\0")[:PAGE]


def random_entry(rng, total):
    """Return an entry as nobody would make it."""
    name = rng.choice(list(KINDS))
    offsets = (0, 1, 8, 0x1000, 0x1001, 0x9000, 0x10000, total - PAGE, total,
               total + PAGE, 1 << 32, 1 << 63, wire.ONE - PAGE)
    lengths = (0, 1, 64, 96, 0x1000, 0x4000, 0x8000, 0x8001, 1 << 20, total,
               1 << 32, 1 << 63, wire.ONE - 0x1000, wire.ONE - 1)
    name = rng.choice((name, name, name, b"", b"x" * 60, b"other"))
    crc = rng.choice((None, None, None, None, 0, rng.getrandbits(32)))
    state = rng.choices((VALID, VOID, FREE, 77), (20, 2, 1, 1))[0]
    return entry(rng.choice(offsets), rng.choice(lengths),
                 rng.choice((1, 2, 3, KINDS.get(name, 0), 1 << 31)), name,
                 state, crc)


def directories(rng, total):
    """Yield pages."""
    yield page([], magic=0x12345678)
    yield page([entry(0x1000, 0x1000, 3, b"x%d" % i) for i in range(ENTRIES)])
    yield page([entry(0x1000, 0x8000, 1, b"request", CLAIMED)])
    for _ in range(ROUNDS):
        if rng.randrange(4):
            yield page([random_entry(rng, total)
                        for _ in range(rng.randrange(1, 8))])
        else:
            whole = bytearray(page([entry(0x1000, 0x8000, 1, b"request")]))
            for _ in range(rng.randrange(1, 8)):
                # A state of "claimed" is waited for.
                at = rng.choice([i for i in range(64, 400)
                                 if (i - 64) % 96 > 3])
                whole[at] = rng.randrange(256)
            yield bytes(whole)


class Parameters:
    """The module's parameters."""

    def __init__(self, path, place):
        self.path = path
        self.line = "2:" + ":".join(f"{place}/{n.decode()}" for n in KINDS)
        self.made = self.refused = 0

    def write(self, name, text):
        """Write to one; return the errno."""
        fd = os.open(os.path.join(os.path.dirname(self.path), name),
                     os.O_WRONLY)
        try:
            os.write(fd, text.encode())
        except OSError as e:
            return e.errno
        finally:
            os.close(fd)
        return 0

    def round(self):
        """Make a connection, and remove it again."""
        error = self.write("connections", self.line)
        if error:
            expect(error in REFUSALS, f"errno {errno.errorcode[error]}")
            self.refused += 1
            return False
        self.made += 1
        expect(not self.write("remove_connection", "2 force"), "it stays")
        return True


def check_page(memory):
    """See that the directory is as it is to be."""
    expect(struct.unpack_from("<I", memory)[0] == MAGIC, "no magic")
    end = PAGE
    for i, name in enumerate(KINDS):
        at = 64 + i * (ENTRY.size + REGION.size)
        state, crc, _, reserved = ENTRY.unpack_from(memory, at)
        region = bytes(memory[at + ENTRY.size:at + ENTRY.size + REGION.size])
        offset, size, kind, named = REGION.unpack(region)
        expect(state == VALID and not reserved, f"state {state}")
        expect(crc == zlib.crc32(region), "the sum is wrong")
        expect(named.rstrip(b"\0") == name and kind == KINDS[name],
               f"{named} of kind {kind}")
        expect(offset == end, f"{name} is at {offset:#x}")
        end = offset + size
    expect(end <= len(memory), "there is too much in it")


def main():
    """Try them all."""
    if len(sys.argv) != 5:
        sys.exit(__doc__.splitlines()[2].strip())
    memory = wire.map_memory(sys.argv[1])
    rng = random.Random(int(sys.argv[4]))
    parameters = Parameters(sys.argv[3], sys.argv[2])
    for directory in directories(rng, len(memory)):
        memory[:PAGE] = directory
        parameters.round()
    print(f"{parameters.made} connections made, "
          f"{parameters.refused} refused")
    expect(parameters.made and parameters.refused, "all went one way")
    memory[:PAGE] = bytes(PAGE)
    expect(parameters.round(), "no connection in memory that is new")
    check_page(memory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
