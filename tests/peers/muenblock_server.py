#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A server of muenblock 2.0 as Muen's are, each habit of theirs to be chosen.

    muenblock_server.py [-q NAME]... [-x NAME]... [KEY=VALUE...] MEMORY DISK...

MEMORY is an ivshmem device or a file. A DISK is a file; FILE:BLOCK has blocks
of that many bytes, FILE:smart is there for its health alone, and "-" is a
number without a disk. -q adds a habit, -x takes one away, "all" is each.
What the client does wrong is printed as a line that begins with "wrong:".
"""

import os
import sys
import time

import muenblock_wire as wire
from muenblock_wire import DISCARD, NOTSUPP, OK, READ, SYNC, WRITE

HABITS = {
    # name: (whether it has it unless told otherwise, what it is)
    "epoch-1": (True, "each epoch is called 1, so a restart may go unseen"),
    "fill": (True, "the slots are cleared, too, when an epoch begins"),
    "strict": (True, "the client's ring must have one size, to the byte"),
    "slow-start": (False, "the first look at a client reads nothing"),
    "batch": (False, "responses are counted once for many of them"),
    "reserved": (False, "the header's reserved word is not 0"),
    "merge": (True, "requests are joined, by a rule that mixes up units"),
    "late": (False, "answers that are due come before that to a reset"),
    "disk-order": (False, "of two devices the latter is answered first"),
    "silent": (True, "questions that are not known have no answer"),
    "replay": (False, "a new server reads the client's channel from 0"),
    "leaves": (False, "goes with its client"),
    "smart-at-0": (True, "health data are written to 0, whatever was asked"),
    "prp": (False, "of a request the first 255 blocks are transferred"),
    "count-16": (False, "blocks to discard are counted by 16 bits"),
    "no-discard": (False, "does not know how to discard"),
}
UNITS = {"lba": None, "512": 512, "bytes": 1}
MOST_TAGS = 64      # of requests that are joined
MOST_SECTORS = 255  # that clients are known to ask for


class Disk:
    """A file, as a device."""

    def __init__(self, word):
        path, _, kind = word.partition(":")
        self.smart_only = kind == "smart"
        self.block = int(kind) if kind.isdecimal() else 512
        self.fd = os.open(path, os.O_RDWR)
        self.size = os.fstat(self.fd).st_size
        self.blocks = 0 if self.smart_only else self.size // self.block
        self.pending = None


class Run:
    """Requests that are carried out as one."""

    def __init__(self, kind, device, tag, length, offset, buffer):
        self.kind, self.device, self.tags = kind, device, [tag]
        self.length, self.offset, self.buffer = length, offset, buffer

    def takes(self, kind, length, offset, buffer):
        """Join another one if it follows: bytes are added to blocks here."""
        if (kind != self.kind or len(self.tags) == MOST_TAGS or
                buffer != self.buffer + self.length or
                offset != self.offset + self.length):
            return False
        self.length += length
        return True


class Server:
    """A server with devices; poll() does what there is to do."""

    def __init__(self, memory, disks, habits, unit="lba", most=65536,
                 slots=None):
        self.memory, self.disks, self.habits = memory, disks, habits
        self.unit, self.most = UNITS[unit], int(most)
        self.writer = wire.Writer(memory.response, wire.RESPONSE.size,
                                  "fill" in habits)
        self.writer.ring = int(slots or self.writer.ring)
        self.reader = wire.Reader(memory.request, wire.REQUEST.size,
                                  strict="strict" in habits,
                                  slow_start="slow-start" in habits)
        self.due = []
        self.here = False
        self.counts = {}

    def wrong(self, text):
        """The client did what it should not have done."""
        print(f"wrong: {text}", flush=True)

    # --- what is told -------------------------------------------------------

    def begin(self):
        """Begin to serve."""
        if "replay" not in self.habits:
            self.reader.drain()
        if "leaves" not in self.habits or self.reader.load("epoch"):
            self.activate()

    def activate(self):
        """Begin an epoch."""
        epoch = 1 if "epoch-1" in self.habits else time.monotonic_ns() | 1
        reserved = 0x55AA if "reserved" in self.habits else 0
        self.writer.activate(epoch=epoch, reserved=reserved)
        self.here = True

    def respond(self, kind, device, tag, status):
        """Answer a request."""
        element = wire.RESPONSE.pack(kind, device, tag, status)
        if "batch" in self.habits:
            self.due.append(element)
        else:
            self.writer.put(element)

    def tell(self):
        """Write the answers that have been collected."""
        if self.due:
            self.writer.put(*self.due)
            self.due = []

    # --- what is done -------------------------------------------------------

    def disk_of(self, device):
        """Return a device, or None."""
        return self.disks[device] if device < len(self.disks) else None

    def carry_out(self, run, answer=True):
        """Do what was joined, and answer each part of it."""
        disk = self.disks[run.device]
        status = self.transfer(disk, run)
        if "smart-at-0" in self.habits:
            self.memory.buffer[:512] = os.urandom(512)
        for tag in run.tags if answer else ():
            self.respond(run.kind, run.device, tag, status)

    def transfer(self, disk, run):
        """Read, write or discard; return the status."""
        at = run.offset * (self.unit or disk.block)
        length = run.length
        if run.kind == DISCARD:
            return self.discard(disk, at, length)
        if "prp" in self.habits:
            length = min(length, 255 * disk.block)
        data = self.memory.buffer[run.buffer:run.buffer + length]
        done = (os.preadv(disk.fd, [data], at) if run.kind == READ else
                os.pwritev(disk.fd, [data], at))
        return OK if done == length else wire.IOERR

    def discard(self, disk, at, length):
        """Zero blocks."""
        blocks = length // disk.block
        if "no-discard" in self.habits or blocks > 65536:
            return NOTSUPP
        if "count-16" in self.habits:
            blocks = blocks & 0xFFFF or 65536
        while blocks > 0:
            part = min(blocks, 8192)
            at += os.pwrite(disk.fd, bytes(part * disk.block), at)
            blocks -= part
        return OK

    def finish(self, disk, answer=True):
        """Do what is pending of a disk."""
        if disk and disk.pending:
            run, disk.pending = disk.pending, None
            self.carry_out(run, answer)

    def finish_all(self, answer=True):
        """Do what is pending."""
        order = -1 if "disk-order" in self.habits else 1
        for disk in self.disks[::order]:
            self.finish(disk, answer)

    # --- what is asked ------------------------------------------------------

    def judge(self, disk, kind, length, offset, buffer):
        """Complain of what a client must not ask for."""
        at = offset * (self.unit or disk.block)
        limit = MOST_SECTORS * 512
        if kind == DISCARD:
            limit = self.most * disk.block
        elif buffer % disk.block or buffer + length > len(self.memory.buffer):
            self.wrong(f"buffer {buffer:#x}+{length:#x}")
        elif buffer < 512:
            self.wrong("data where health goes")
        if not length or length % disk.block or length > limit:
            self.wrong(f"length {length:#x} of kind {kind}")
        if at % disk.block or at + length > disk.size:
            self.wrong(f"offset {offset:#x}")

    def data(self, kind, device, tag, length, offset, buffer):
        """READ, WRITE and DISCARD."""
        disk = self.disk_of(device)
        if not disk or not disk.blocks:
            self.respond(kind, device, tag, NOTSUPP)
            return
        self.judge(disk, kind, length, offset, buffer)
        run = disk.pending
        if run and run.takes(kind, length, offset, buffer):
            run.tags.append(tag)
            return
        self.finish(disk)
        disk.pending = Run(kind, device, tag, length, offset, buffer)
        if "merge" not in self.habits:
            self.finish(disk)

    def status_of(self, kind, disk):
        """Answer a question of a disk, or of none."""
        if kind == wire.MAX_DEVICES:
            return sum(1 for d in self.disks if d and d.blocks)
        if not disk or disk.smart_only:
            return 0
        return {wire.MEDIA_BLOCKS: disk.blocks,
                wire.BLOCK_LENGTH: disk.block,
                wire.MAX_BLOCKS: self.most}[kind]

    def smart(self, device, tag, buffer):
        """Tell of a disk's health."""
        disk = self.disk_of(device)
        at = 0 if "smart-at-0" in self.habits else buffer
        if disk:
            self.memory.buffer[at:at + 512] = bytes([device]) * 512
        self.respond(wire.GET_SMART, device, tag,
                     wire.SMART_OK if disk else wire.SMART_FAILED)

    def handle(self, kind, device, tag, length, offset, buffer):
        """Do what a request asks for."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        disk = self.disk_of(device)
        if kind in (READ, WRITE, DISCARD):
            self.data(kind, device, tag, length, offset, buffer)
        elif kind == SYNC:
            self.finish_all()
            if disk:
                os.fsync(disk.fd)
            self.respond(kind, device, tag, OK if disk else NOTSUPP)
        elif kind == wire.RESET:
            self.finish_all("late" in self.habits)
            self.respond(kind, device, tag, OK if disk else NOTSUPP)
        elif kind in (wire.MEDIA_BLOCKS, wire.BLOCK_LENGTH, wire.MAX_BLOCKS,
                      wire.MAX_DEVICES):
            self.respond(kind, device, tag, self.status_of(kind, disk))
        elif kind == wire.GET_SMART:
            self.smart(device, tag, buffer)
        elif kind == wire.NONE:
            if not disk:
                self.respond(kind, device, tag, NOTSUPP)
        else:
            self.unknown(kind, device, tag)

    def unknown(self, kind, device, tag):
        """A kind that no server answers."""
        self.wrong(f"request of kind {kind:#x}")
        if "silent" not in self.habits:
            self.respond(kind, device, tag, NOTSUPP)

    def poll(self):
        """Do what there is to do; return whether there was anything."""
        what, element = self.reader.get()
        if what == wire.SUCCESS:
            if not self.here:
                self.activate()
            self.handle(*wire.REQUEST.unpack(element))
            return True
        if "leaves" in self.habits:
            self.follow(what)
        self.finish_all()
        self.tell()
        return what == wire.CHANGED

    def follow(self, what):
        """Come and go as the client does."""
        if self.here and what == wire.INACTIVE:
            self.writer.deactivate()
            self.here = False
        elif not self.here and what != wire.INACTIVE:
            self.activate()

    def serve(self):
        """Serve until somebody kills us."""
        idle = 0
        while True:
            idle = 0 if self.poll() else idle + 1
            if idle > 20:
                time.sleep(0.0003)


def make(argv, kind=Server):
    """Return the server that a command line asks for."""
    habits, options = wire.chosen(argv, HABITS)
    if not argv:
        sys.exit(__doc__.splitlines()[2].strip())
    memory = wire.Memory(argv[0])
    disks = [None if w == "-" else Disk(w) for w in argv[1:]]
    return kind(memory, disks, habits, **options)


def main():
    """Serve."""
    server = make(sys.argv[1:])
    server.begin()
    print("serving", flush=True)
    server.serve()


if __name__ == "__main__":
    main()
