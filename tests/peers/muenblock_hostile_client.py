#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A client of muenblock that breaks the rules of the memory it shares.

    muenblock_hostile_client.py MEMORY FILE SEED [CHECK...]

FILE is what the server has as device 0; there is no device 1. Not one byte of
its first half may change, whatever is asked for, nor any of the memory that
belongs to nobody. After each check a client that behaves is served.
"""

import hashlib
import itertools
import os
import random
import struct
import sys
import time

import muenblock_wire as wire
from muenblock_client import HABITS, Client
from muenblock_wire import Wrong, expect

ELEMENTS = 100000
BATCH = 400         # the response channel has room for their answers
STORM = 3           # seconds
CHECKS = {}


def check(function):
    """Register a check."""
    CHECKS[function.__name__.replace("_", "-")] = function
    return function


def well_behaved(memory, path):
    """A client comes, and gets what it asks for."""
    client = Client(memory, {n for n in HABITS if HABITS[n][0]})
    client.begin()
    size = os.path.getsize(path)
    expect([d.size for d in client.devices] == [size], "other devices")
    half = size // 2
    data = os.urandom(65536)
    expect(client.wait(client.write(0, half, data, 1 << 20)[0]) == 0,
           "a write fails")
    expect(client.read(0, half, len(data), 2 << 20) == data, "other bytes")
    expect(client.ask(wire.SYNC) == 0, "a flush fails")
    return client


def first_half(path):
    """Return a digest of what nobody may write."""
    with open(path, "rb") as f:
        return hashlib.sha1(f.read(os.path.getsize(path) // 2)).digest()


class Elements:
    """Requests that a client may write, and some that it may not.

    Those that are in order go to the second half of the disk. All others have
    something in them that is out of bounds, or would be if it were not cut off
    to fewer bits.
    """

    def __init__(self, rng, size, room):
        self.rng = rng
        half, end = size // 1024, size // 512
        self.kinds = [0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 0x10, 0x11, 0x19,
                      0x1A, 0x1B, 0x1F, 0x42, 0x100, 0x101, wire.UNBD_FENCE,
                      0x8002, 0xFFFF]
        self.devices = [0] * 12 + [1, 2, 63, 64, 255, 256, 0x8000, 0xFFFF]
        self.lengths = [512] * 6 + [4096] * 6 + [
            0, 1, 16, 17 * 16, 18 * 16, 511, 513, 65536 * 512, 65537 * 512,
            130560, room, room + 512,
            1 << 31, 1 << 32, (1 << 32) + 512, 1 << 63, wire.ONE - 512,
            wire.ONE - 1]
        self.offsets = [half, half + 1, end - 8, end - 8, end - 1, end,
                        1 << 31, 1 << 32, 1 << 54, (1 << 54) - 1, 1 << 55,
                        (1 << 55) + 1, 1 << 63, wire.ONE - 1, wire.ONE - 8]
        self.buffers = [0, 512, 4096, 1 << 20] * 3 + [
            1, 511, room - 512, room - 4096, room, room + 4096, 1 << 32,
            (1 << 32) + 512, 1 << 63, wire.ONE - 512, wire.ONE - 4096]

    def batch(self, count):
        """Return that many, as tuples."""
        pick = self.rng.choices
        return list(zip(pick(self.kinds, k=count), pick(self.devices, k=count),
                        pick(range(1 << 32), k=count),
                        pick(self.lengths, k=count),
                        pick(self.offsets, k=count),
                        pick(self.buffers, k=count)))


def packed(batch):
    """Return a batch as bytes."""
    layout = struct.Struct("<" + "HHIQQQ" * len(batch))
    return layout.pack(*itertools.chain.from_iterable(batch))


def new_responses(client):
    """Return what has come since last time, at once."""
    reader = client.reader
    begin, end = reader.rc, reader.load("wc")
    expect(begin <= end <= begin + reader.elements, "responses were lost")
    ring = bytes(reader.slots[:reader.elements * 16])
    at, to = begin % reader.elements, end % reader.elements
    data = (ring[at * 16:to * 16] if at <= to and end - begin < len(ring) // 16
            else ring[at * 16:] + ring[:to * 16])
    reader.rc = end
    return list(wire.RESPONSE.iter_unpack(data))


@check
def elements(memory, path, rng):
    """100,000 requests of all sorts"""
    client = well_behaved(memory, path)
    source = Elements(rng, os.path.getsize(path), len(memory.buffer))
    answered, sent = 0, set()
    for number in range(ELEMENTS // BATCH):
        batch = source.batch(BATCH)
        last = (wire.MAX_DEVICES, 0, number)
        client.writer.put_block(packed(batch) + wire.REQUEST.pack(*last,
                                                                  0, 0, 0))
        # What went to the disk may be answered later than the last one.
        before, sent = sent, {t[:3] for t in batch} | {last}
        got = set()
        end = time.monotonic() + 30
        while last not in got:
            new = new_responses(client)
            answered += len(new)
            got.update(t[:3] for t in new)
            expect(time.monotonic() < end, f"no answer in batch {number}")
            time.sleep(0.001)
        expect(got <= sent | before, "an answer to nothing")
    print(f"{answered} of {ELEMENTS} elements were answered")
    client.end()


@check
def headers(memory, path, rng):
    """Epochs whose header is wrong in one place"""
    client = well_behaved(memory, path)
    for name, value in (
            ("transport", 0), ("protocol", 0), ("size", 33),
            ("elements", 1023), ("elements", 1 << 59), ("elements", 0),
            ("elements", 1 << 20), ("elements", 1 << 32 | 1022),
            ("elements", wire.ONE - 1), ("size", 0), ("size", 16),
            ("size", 1 << 32 | 32), ("size", 1 << 63),
            ("transport", wire.TRANSPORT ^ 1), ("protocol", wire.ONE - 1)):
        client.writer.activate(epoch=rng.getrandbits(63) | 1)
        client.writer.deactivate()
        time.sleep(0.05)
        client.writer.store(name, value)
        client.writer.store("epoch", rng.getrandbits(63) | 1)
        client.writer.put(wire.REQUEST.pack(wire.RESET, 0, 1, 0, 0, 0))
        time.sleep(0.05)
        expect(not new_responses(client), f"{name} {value:#x} is served")
    client.end()


@check
def counters(memory, path, rng):
    """Counters that run backwards, or far ahead"""
    client = well_behaved(memory, path)
    for _ in range(200):
        wc = client.writer.load("wc")
        client.writer.store("wsc", rng.choice((
            wc, 0, wc + 1, wc + 1022, wc + 1023, 1 << 63, wire.ONE - 1)))
        client.writer.store("wc", rng.choice((
            0, wc - 1, wc - 5, wc + 1, wc + 1021, wc + 1023, 1 << 32, 1 << 63,
            wire.ONE - 1)))
        time.sleep(0.002)
    client.end()


@check
def epochs(memory, path, rng):
    """More epochs than there is time for"""
    client = well_behaved(memory, path)
    end = time.monotonic() + STORM
    while time.monotonic() < end:
        for _ in range(100):
            client.writer.store("epoch", rng.getrandbits(64))
            client.writer.store("wc", rng.getrandbits(3))
    client.end()


def flip(memory, rng, end):
    """Change bytes of the channel, whatever it is being used for.

    Of the elements: kind, tag, length, the place in the buffer, and within
    the second half of the disk the place there.
    """
    places = [i for i in range(32) if i not in (2, 3, *range(17, 24))]
    words = memory.request[:wire.HEADER].cast("Q")
    while time.monotonic() < end:
        for slot in rng.choices(range(512), k=50):
            at = wire.HEADER + slot * 32 + rng.choice(places)
            memory.request[at] = rng.getrandbits(8)
        word = rng.randrange(8)
        before = words[word]
        words[word] = before ^ 1 << rng.randrange(64)
        words[word] = before


@check
def storm(memory, path, rng):
    """Elements and headers that change while they are read"""
    client = well_behaved(memory, path)
    half = os.path.getsize(path) // 1024
    good = packed([(wire.READ + i % 2, 0, i, 4096, half + 256, (i + 1) << 12)
                   for i in range(BATCH)])
    end = time.monotonic() + STORM
    child = os.fork()
    if not child:
        try:
            flip(memory, rng, end)
        finally:
            os._exit(0)
    while time.monotonic() < end:
        client.writer.put_block(good)
        time.sleep(0.01)
    os.waitpid(child, 0)
    client.end()


def run(name, memory, path, seed):
    """Run a check; return whether it passed."""
    begun = time.monotonic()
    half = first_half(path)
    memory.mark_gaps()
    try:
        CHECKS[name](memory, path, random.Random(seed))
        well_behaved(memory, path).end()
        expect(first_half(path) == half, "the disk has other bytes")
        memory.check_gaps()
    except Wrong as e:
        print(f"FAIL {name}: {e}", flush=True)
        return False
    print(f"ok {name} {time.monotonic() - begun:.1f} s", flush=True)
    return True


def main():
    """Run the checks that are named, or all."""
    if len(sys.argv) < 4:
        sys.exit(__doc__.splitlines()[2].strip())
    memory = wire.Memory(sys.argv[1])
    path, seed = sys.argv[2], int(sys.argv[3])
    print(f"seed {seed}", flush=True)
    return 0 if all(run(name, memory, path, seed)
                    for name in sys.argv[4:] or CHECKS) else 1


if __name__ == "__main__":
    sys.exit(main())
