#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A client of muenblock 2.0 as Muen's are, each habit of theirs to be chosen.

    muenblock_client.py [-q NAME]... [-x NAME]... [KEY=VALUE...] MEMORY FILE...

MEMORY is an ivshmem device or a file. FILEs are what the server has as its
devices, in this order; every byte of them is compared. -q adds a habit, -x
takes one away, "all" is each. check=NAME,... names what to check.
"""

import os
import random
import sys
import time
import uuid

import muenblock_wire as wire
from muenblock_wire import (DISCARD, IOERR, NOTSUPP, OK, READ, SYNC, WRITE,
                            Wrong, expect)

HABITS = {
    # name: (whether it has it unless told otherwise, what it is)
    "epoch-1": (True, "each epoch is called 1, so a restart may go unseen"),
    "fill": (True, "the slots are cleared, too, when an epoch begins"),
    "strict": (True, "the server's ring must have one size, to the byte"),
    "slow-start": (False, "the first look at a server reads nothing"),
    "batch": (False, "requests are counted once for many of them"),
    "reserved": (False, "the header's reserved word is not 0"),
    "drain-early": (True, "old responses are passed over when it is too soon"),
    "no-reset": (False, "begins without a reset"),
    "cut-in-bytes": (True, "where a request is cut, bytes are added to blocks"),
}
PATIENCE = 20   # seconds for an answer
UNITS = {"lba": None, "512": 512, "bytes": 1}
CHECKS = {}


def check(function):
    """Register a check."""
    CHECKS[function.__name__.replace("_", "-")] = function
    return function


class Device:
    """What the server says of a device."""

    def __init__(self, client, number):
        self.number = number
        self.blocks = client.ask(wire.MEDIA_BLOCKS, number)
        self.block = client.ask(wire.BLOCK_LENGTH, number)
        self.most = client.ask(wire.MAX_BLOCKS, number)
        self.size = self.blocks * self.block


class Client:
    """A client; its data are in the buffer where it wants them."""

    def __init__(self, memory, habits, unit="lba"):
        self.memory, self.habits = memory, habits
        self.unit = UNITS[unit]
        self.writer = wire.Writer(memory.request, wire.REQUEST.size,
                                  "fill" in habits)
        self.reader = wire.Reader(memory.response, wire.RESPONSE.size,
                                  strict="strict" in habits,
                                  slow_start="slow-start" in habits)
        self.tag = random.getrandbits(30)
        self.waiting = {}   # tag: kind and device
        self.answers = {}   # tag: status
        self.unsent = []
        self.devices = []

    def begin(self):
        """Begin anew: nothing is pending, and what there is is known."""
        if "drain-early" in self.habits:
            self.activate()
            self.reader.drain()
            self.reader.epoch = 0
            self.wait_for_server()
            while self.receive(after=wire.OVERRUN):
                pass
        else:
            self.writer.deactivate()
            self.wait_for_server()
            self.reader.drain()
            self.activate()
        if "no-reset" not in self.habits:
            expect(self.ask(wire.RESET) == OK, "a reset fails")
        count = self.ask(wire.MAX_DEVICES)
        self.devices = [Device(self, i) for i in range(count)]

    def activate(self):
        """Begin an epoch."""
        epoch = 1 if "epoch-1" in self.habits else time.monotonic_ns() | 1
        reserved = 0x55AA if "reserved" in self.habits else 0
        self.writer.activate(epoch=epoch, reserved=reserved)

    def wait_for_server(self):
        """Wait until there is one."""
        end = time.monotonic() + PATIENCE
        while not self.reader.load("epoch"):
            expect(time.monotonic() < end, "there is no server")
            time.sleep(0.001)

    def end(self):
        """Leave."""
        self.writer.deactivate()

    # --- requests -----------------------------------------------------------

    def send(self, kind, device=0, length=0, offset=0, buffer=0):
        """Send a request as it is given, in bytes; return its tag."""
        self.tag = (self.tag + 1) % (1 << 32)
        unit = self.unit or (self.devices[device].block
                             if device < len(self.devices) else 512)
        element = wire.REQUEST.pack(kind, device, self.tag, length,
                                    offset // unit, buffer)
        self.waiting[self.tag] = (kind, device)
        if "batch" in self.habits:
            self.unsent.append(element)
        else:
            self.writer.put(element)
        return self.tag

    def flush(self):
        """Write the requests that have been collected."""
        if self.unsent:
            self.writer.put(*self.unsent)
            self.unsent = []

    def receive(self, after=wire.CHANGED):
        """Take one response; return whether there is more to come."""
        self.flush()
        what, element = self.reader.get()
        if what in (wire.CHANGED, after):
            return True
        if what == wire.EMPTY:
            return False
        expect(what == wire.SUCCESS, f"reading responses gives {what}")
        kind, device, tag, status = wire.RESPONSE.unpack(element)
        # Those to another client of before have other tags.
        if tag in self.waiting:
            expect(self.waiting.pop(tag) == (kind, device),
                   f"{kind} of device {device} for tag {tag:#x}")
            self.answers[tag] = status
        return True

    def wait(self, tag):
        """Wait for an answer; return the status."""
        end = time.monotonic() + PATIENCE
        while tag not in self.answers:
            if not self.receive():
                expect(time.monotonic() < end, f"no answer to {tag:#x}: "
                       f"{self.waiting.get(tag)}")
                time.sleep(0.0002)
        return self.answers.pop(tag)

    def ask(self, kind, device=0, **more):
        """Send a request; return the status."""
        return self.wait(self.send(kind, device, **more))

    def unanswered(self, kind, device=0):
        """Send a request that has no answer."""
        self.flush()
        before = set(self.answers)
        tag = self.send(kind, device)
        self.ask(wire.MAX_DEVICES)
        time.sleep(0.02)
        self.ask(wire.MAX_DEVICES)
        expect(tag in self.waiting and set(self.answers) == before,
               f"kind {kind:#x} is answered")
        del self.waiting[tag]

    def pieces(self, device, length):
        """Cut a transfer; yield its pieces' place and length."""
        most = self.devices[device].most * self.devices[device].block
        for at in range(0, length, most):
            expect(not at or "cut-in-bytes" not in self.habits,
                   "the server has requests cut, which goes wrong")
            yield at, min(most, length - at)

    def write(self, device, offset, data, buffer):
        """Write; return the tags."""
        self.memory.buffer[buffer:buffer + len(data)] = data
        return [self.send(WRITE, device, length, offset + at, buffer + at)
                for at, length in self.pieces(device, len(data))]

    def read(self, device, offset, length, buffer):
        """Read; return the data."""
        for tag in [self.send(READ, device, n, offset + at, buffer + at)
                    for at, n in self.pieces(device, length)]:
            expect(self.wait(tag) == OK, f"read of {length} at {offset}")
        return bytes(self.memory.buffer[buffer:buffer + length])


def contents(path, at=0, length=-1):
    """Return the bytes of a file, or some of them."""
    with open(path, "rb") as f:
        f.seek(at)
        return f.read(length)


def sizes(block, total, rng):
    """Yield places and lengths, of all sizes to 127.5 KiB, of a whole disk."""
    at = 0
    most = 255 * 512 // block
    while at < total:
        length = min(rng.choice((1, 2, 7, 8, 64, most, rng.randint(1, most)))
                     * block, total - at)
        yield at, length
        at += length


@check
def geometry(client, files):
    """The devices are those"""
    expect(len(client.devices) == len(files), f"{len(client.devices)} devices")
    for device, path in zip(client.devices, files):
        expect(device.size == os.path.getsize(path),
               f"device {device.number} has {device.size} bytes")
        expect(device.most * device.block >= 1 << 20,
               f"requests of {device.most} blocks")


@check
def each_byte(client, files):
    """All is written and read, several at a time, of all devices in turn"""
    rng = random.Random(5)
    images = [rng.randbytes(len(contents(f))) for f in files]
    work = [(d.number, at, n) for d in client.devices
            for at, n in sizes(d.block, d.size, rng)]
    rng.shuffle(work)
    for first in range(0, len(work), 40):
        tags = []
        for i, (number, at, n) in enumerate(work[first:first + 40]):
            tags += client.write(number, at, images[number][at:at + n],
                                 (i + 1) << 17)
        expect(all(client.wait(tag) == OK for tag in tags), "a write fails")
    expect(all(client.ask(SYNC, d.number) == OK for d in client.devices),
           "a flush fails")
    for path, image in zip(files, images):
        expect(contents(path) == image, "the file has other bytes")
    rng.shuffle(work)
    for number, at, n in work:
        expect(client.read(number, at, n, rng.randrange(1, 100) << 17)
               == images[number][at:at + n], f"other bytes at {at:#x}")


@check
def deep(client, _files):
    """As many at a time as the channels have room for"""
    size = client.devices[0].size // 4096 * 4096
    tags = {}
    for i in range(1000):
        at = i * 4096 % size
        tags[client.send(READ, 0, 4096, at, 4096 * (i + 1))] = (i, at)
    image = client.read(0, 0, 4096, 8 << 20)
    for tag, (i, at) in tags.items():
        expect(client.wait(tag) == OK, "a read fails")
        if not at:
            expect(client.memory.buffer[4096 * (i + 1):4096 * (i + 2)] ==
                   image, "other bytes")
    client.wait(client.send(SYNC))


@check
def large(client, files):
    """A request for which others would have been cut"""
    data = random.Random(6).randbytes(1 << 20)
    for tag in client.write(0, 1 << 20, data, 1 << 20):
        expect(client.wait(tag) == OK, "a write fails")
    expect(contents(files[0], 1 << 20, 1 << 20) == data, "the file differs")
    expect(client.read(0, 1 << 20, 1 << 20, 3 << 20) == data, "other bytes")


@check
def discard(client, files):
    """What is discarded reads as zeros or as before, the rest as before"""
    before = contents(files[0])
    length = 1 << 20
    expect(client.ask(DISCARD, 0, length=length, offset=length) == OK,
           "it fails")
    after = contents(files[0])
    expect(after[:length] == before[:length] and
           after[2 * length:] == before[2 * length:], "more was discarded")
    expect(after[length:2 * length] in (bytes(length),
                                        before[length:2 * length]),
           "it has other bytes")


@check
def health(client, _files):
    """Files have none; nothing is written to the buffer"""
    before = bytes(client.memory.buffer[:1 << 18])
    expect(client.ask(wire.GET_SMART, 0, length=512, buffer=1 << 17) ==
           wire.SMART_FAILED, "a file is healthy")
    expect(client.memory.buffer[:1 << 18] == before, "the buffer was written")


@check
def unanswered(client, _files):
    """Kinds that no server answers"""
    for kind in (wire.NONE, wire.MAX_REQUESTS, 6, 0x42, 0xFFFF):
        client.unanswered(kind)


@check
def fence(client, _files):
    """Keys are taken, and the life of the server's machine comes back"""
    at = 1 << 17
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        life = uuid.UUID(f.read().strip()).bytes
    for keys in (1, 2, 17):
        client.memory.buffer[at:at + 512] = os.urandom(512)
        expect(client.ask(wire.UNBD_FENCE, 0, length=16 * keys, buffer=at) ==
               0 and client.memory.buffer[at:at + 16] == life, f"{keys} keys")
    room = len(client.memory.buffer)
    for length, buffer in ((0, at), (15, at), (18 * 16, at), (32, room - 16),
                           (16, room), (16, wire.ONE - 16)):
        expect(client.ask(wire.UNBD_FENCE, 0, length=length, buffer=buffer) ==
               IOERR, f"{length} bytes of keys at {buffer:#x}")


@check
def no_device(client, files):
    """Numbers that no device has"""
    for device in (len(files), 63, 64, 255, 0xFFFF):
        for kind in (READ, WRITE, DISCARD, SYNC):
            expect(client.ask(kind, device, length=512) == NOTSUPP,
                   f"kind {kind} of device {device}")
        for kind in (wire.MEDIA_BLOCKS, wire.BLOCK_LENGTH, wire.MAX_BLOCKS,
                     wire.GET_SMART):
            expect(client.ask(kind, device) == 0,
                   f"kind {kind} of device {device}")


@check
def out_of_bounds(client, files):
    """Places that are not there: nothing is transferred"""
    device = client.devices[0]
    room = len(client.memory.buffer)
    before = contents(files[0])
    for kind in (READ, WRITE):
        for length, offset, buffer in (
                (0, 0, 0), (1, 0, 0), (513, 0, 0), (512, 0, 1),
                (512, device.size, 0), (1024, device.size - 512, 0),
                (512, 0, room), (1024, 0, room - 512),
                (512, 0, wire.ONE - 512), (room + 512, 0, 0),
                (wire.ONE - 512, 0, 0), (wire.ONE - 512, 0, 512),
                (512, (1 << 63) - 512, 0)):
            status = client.ask(kind, 0, length=length, offset=offset,
                                buffer=buffer)
            expect(status in (NOTSUPP, 3, IOERR),
                   f"{length:#x} at {offset:#x} to {buffer:#x}: {status}")
    expect(contents(files[0]) == before, "the file has other bytes")


@check
def again(client, files):
    """A client that ends in the middle, and its successor with the same epoch

    What was asked before has ended when the reset is answered.
    """
    for _ in range(3):
        for i in range(200):
            client.send(WRITE, 0, 4096, (i % 64) * 4096, 0)
        client.flush()
        client.waiting.clear()
        client.answers.clear()
        client.begin()
        data = os.urandom(64 * 4096)
        expect(client.wait(client.write(0, 0, data, 1 << 17)[0]) == OK,
               "a write fails")
        client.memory.buffer[:4096] = bytes(4096)
        time.sleep(0.05)
        expect(contents(files[0], 0, len(data)) == data,
               "the one before has written after the reset")


def main():
    """Run the checks that are named, or all."""
    argv = sys.argv[1:]
    habits, options = wire.chosen(argv, HABITS)
    if not argv:
        sys.exit(__doc__.splitlines()[2].strip())
    names = options.pop("check", ",".join(CHECKS)).split(",")
    client = Client(wire.Memory(argv[0]), habits, **options)
    client.begin()
    failed = False
    for name in names:
        begun = time.monotonic()
        try:
            CHECKS[name](client, argv[1:])
            print(f"ok {name} {time.monotonic() - begun:.1f} s", flush=True)
        except Wrong as e:
            failed = True
            print(f"FAIL {name}: {e}", flush=True)
    client.end()
    return failed


if __name__ == "__main__":
    sys.exit(main())
