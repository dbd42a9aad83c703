# SPDX-License-Identifier: GPL-2.0
"""SHMStream channels and the elements of muenblock 2.0, in shared memory.

Written from what is known of the protocols and of Muen's ends, not from the
kernel modules: both have to agree on the memory, not with each other.
"""

import mmap
import os
import random
import struct
import sys

TRANSPORT = 0x487312B6B79A9B6D
PROTOCOL = 0x5155684453516F3D
ONE = 1 << 64
HEADER = 64

REQUEST = struct.Struct("<HHIQQQ")
RESPONSE = struct.Struct("<HHIQ")

NONE, READ, WRITE, DISCARD, SYNC, GET_SMART = range(6)
MEDIA_BLOCKS, BLOCK_LENGTH = 0x10, 0x11
MAX_REQUESTS, MAX_BLOCKS, MAX_DEVICES, RESET = 0x19, 0x1A, 0x1B, 0x1F
UNBD_FENCE = 0x7501
OK, NOTSUPP, IOERR = 0, 1, 10
SMART_FAILED, SMART_OK = 0, 1

# Where a connection is in the memory. Behind the buffer, and between the
# channels and it, is what nobody may touch.
REQUEST_AT, REQUEST_BYTES = 0x1000, 0x8000
RESPONSE_AT, RESPONSE_BYTES = 0x9000, 0x4000
BUFFER_AT, BUFFER_BYTES = 0x10000, 0x1000000

PCI = "/sys/bus/pci/devices"


class Wrong(Exception):
    """The peer has not done what it should have done."""


def expect(condition, text):
    """Fail the check unless the condition holds."""
    if not condition:
        raise Wrong(text)


def chosen(argv, table):
    """Take -q and -x and KEY=VALUE off a command line.

    Return the habits of a table, of name: (whether it is a default, what it
    is), and the rest of them as a dictionary.
    """
    have = {name for name, (on, _) in table.items() if on}
    options = {}
    while argv and (argv[0] in ("-q", "-x") or "=" in argv[0]):
        option = argv.pop(0)
        if "=" in option:
            key, options[key] = option.split("=")
            continue
        name = argv.pop(0)
        names = set(table) if name == "all" else {name}
        if not names <= set(table):
            sys.exit(f"no habit is called {name}")
        have = have | names if option == "-q" else have - names
    return have, options


def map_memory(name):
    """Return the memory of an ivshmem device, or of a file."""
    if ":" in name:
        with open(f"{PCI}/{name}/enable", "w", encoding="ascii") as f:
            f.write("1")
        name = f"{PCI}/{name}/resource2"
    fd = os.open(name, os.O_RDWR)
    try:
        return memoryview(mmap.mmap(fd, os.fstat(fd).st_size))
    finally:
        os.close(fd)


class Memory:
    """A connection's part of the memory."""

    def __init__(self, name):
        self.all = map_memory(name)
        self.request = self.part(REQUEST_AT, REQUEST_BYTES)
        self.response = self.part(RESPONSE_AT, RESPONSE_BYTES)
        self.buffer = self.part(BUFFER_AT, BUFFER_BYTES)

    def part(self, at, length):
        """Return a part of the memory."""
        return self.all[at:at + length]

    def gaps(self):
        """Return what belongs to nobody, a MiB of it at most at the end."""
        channels = RESPONSE_AT + RESPONSE_BYTES
        return (self.all[channels:BUFFER_AT],
                self.part(BUFFER_AT + BUFFER_BYTES, 1 << 20))

    def mark_gaps(self):
        """Write a pattern to what nobody may touch."""
        for gap in self.gaps():
            gap[:] = random.Random(3).randbytes(len(gap))

    def check_gaps(self):
        """See that nobody has."""
        for gap in self.gaps():
            expect(gap == random.Random(3).randbytes(len(gap)),
                   "memory was written that belongs to nobody")


class Channel:
    """The header of a channel, as numbers; each is loaded or stored at once."""

    NAMES = ("transport", "epoch", "protocol", "size", "elements", "reserved",
             "wsc", "wc")

    def __init__(self, region):
        self.words = region[:HEADER].cast("Q")
        self.slots = region[HEADER:]

    def load(self, name):
        """Return a field."""
        return self.words[self.NAMES.index(name)]

    def store(self, name, value):
        """Set a field."""
        self.words[self.NAMES.index(name)] = value % ONE


class Writer(Channel):
    """The writing end of a channel.

    fill: all slots are filled with zeros when it begins, not only its header
    """

    EPOCH, WSC, WC = 1, 6, 7

    def __init__(self, region, size, fill=True):
        super().__init__(region)
        self.size = size
        self.ring = len(self.slots) // size
        self.fill = fill
        self.wc = 0

    def activate(self, protocol=PROTOCOL, epoch=1, reserved=0):
        """Begin an epoch. Both ends of Muen call each of theirs 1."""
        self.deactivate()
        header = (TRANSPORT, 0, protocol, self.size, self.ring, reserved, 0, 0)
        for i, value in enumerate(header):
            self.words[i] = value
        if self.fill:
            self.slots[:] = bytes(len(self.slots))
        self.wc = 0
        self.words[self.EPOCH] = epoch

    def deactivate(self):
        """End it."""
        self.words[self.EPOCH] = 0

    def put(self, *elements):
        """Write elements, counted once if there are several."""
        self.words[self.WSC] = self.wc + len(elements)
        for element in elements:
            at = self.wc % self.ring * self.size
            self.slots[at:at + self.size] = element
            self.wc += 1
        self.words[self.WC] = self.wc

    def put_block(self, block):
        """Write many elements that are side by side in some bytes."""
        count = len(block) // self.size
        self.words[self.WSC] = self.wc + count
        at = self.wc % self.ring
        first = min(count, self.ring - at) * self.size
        at *= self.size
        self.slots[at:at + first] = block[:first]
        self.slots[:len(block) - first] = block[first:]
        self.wc += count
        self.words[self.WC] = self.wc


INACTIVE, INCOMPATIBLE, CHANGED, EMPTY, OVERRUN, SUCCESS = range(6)


class Reader(Channel):
    """A reading end of a channel.

    strict: the ring has to have exactly the size of the memory, as Muen wants
    slow_start: the first look at a writer says CHANGED, as Linux' does
    """

    EPOCH, WSC, WC = 1, 6, 7

    def __init__(self, region, size, protocol=PROTOCOL, strict=True,
                 slow_start=False):
        super().__init__(region)
        self.size, self.protocol = size, protocol
        self.room = len(self.slots) // size
        self.strict, self.slow_start = strict, slow_start
        self.epoch = self.elements = self.rc = 0

    def synchronise(self, epoch):
        """Take over what the writer says; return whether that can be."""
        transport, _, protocol, size, elements, _, _, _ = self.words
        good = (transport == TRANSPORT and protocol == self.protocol and
                size == self.size and 0 < elements <= self.room)
        if self.strict and elements != self.room:
            good = False
        self.elements, self.rc = elements, 0
        self.epoch = epoch if good else 0
        return good

    def get(self):
        """Return what became of it, and the element if that is SUCCESS."""
        words = self.words
        epoch = words[self.EPOCH]
        if not epoch:
            self.epoch = 0
            return INACTIVE, None
        wc = words[self.WC]
        # The same epoch says nothing of a writer that calls all of them 1.
        if epoch != self.epoch or wc < self.rc:
            if not self.synchronise(epoch):
                return INCOMPATIBLE, None
            if self.slow_start or words[self.EPOCH] != epoch:
                return CHANGED, None
            wc = words[self.WC]
        if self.rc >= wc:
            return EMPTY, None
        at = self.rc % self.elements * self.size
        element = bytes(self.slots[at:at + self.size])
        if words[self.WSC] > self.rc + self.elements:
            self.rc = words[self.WC]
            return OVERRUN, None
        if words[self.EPOCH] != epoch:
            return CHANGED, None
        self.rc += 1
        return SUCCESS, element

    def drain(self):
        """Pass over what was written."""
        epoch = self.words[self.EPOCH]
        if epoch and self.synchronise(epoch):
            self.rc = self.words[self.WC]
