#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A server of muenblock that breaks the rules in one way.

    muenblock_hostile_server.py fault=NAME [seed=N] MEMORY DISK...

What has to do with requests happens once, when a read at 9 MiB comes, and is
printed then; what has to do with questions happens each time.
But for that it is the reference server.
"""

import os
import random
import struct
import sys
import time

import muenblock_server as reference
import muenblock_wire as wire
from muenblock_wire import ONE

MARK = (9 << 20) // 512
LOUD = 100000       # that many have come
NOISE = 500         # responses to nothing with each answer
STORM = 3           # seconds

ANSWERS = {
    # fault: kind of question: what is answered
    "blocks-none": {wire.MEDIA_BLOCKS: 0},
    "blocks-huge": {wire.MEDIA_BLOCKS: 1 << 55},
    "blocks-most": {wire.MEDIA_BLOCKS: ONE - 1},
    "block-zero": {wire.BLOCK_LENGTH: 0},
    "block-one": {wire.BLOCK_LENGTH: 1},
    "block-odd": {wire.BLOCK_LENGTH: 1000},
    "block-huge": {wire.BLOCK_LENGTH: 1 << 32 | 512},
    "block-most": {wire.BLOCK_LENGTH: ONE - 1},
    "devices-most": {wire.MAX_DEVICES: ONE - 1},
    "most-zero": {wire.MAX_BLOCKS: 0},
    "most-most": {wire.MAX_BLOCKS: ONE - 1},
    "most-one": {wire.MAX_BLOCKS: 1},
}
SILENT = {
    "silent": set(range(1 << 16)),
    "silent-devices": {wire.MAX_DEVICES},
    "silent-blocks": {wire.MEDIA_BLOCKS},
    "silent-length": {wire.BLOCK_LENGTH},
}
# After which the server begins anew, and does nothing until the client has
# left: the next answer would put the counters right again.
LASTING = ("counter-back", "counter-far", "counter-most", "start-far",
           "epoch-protocol", "epoch-size", "epoch-elements", "gone")


class Hostile(reference.Server):
    """The reference server, with a fault."""

    def __init__(self, memory, disks, habits, fault="", seed="1", **options):
        super().__init__(memory, disks, habits, **options)
        self.fault = fault
        self.rng = random.Random(int(seed))
        self.happened = False
        self.noisy = 0

    def status_of(self, kind, disk):
        """Answer a question, or lie."""
        lies = ANSWERS.get(self.fault, {})
        if self.fault == "block-changes" and self.happened:
            lies = {wire.BLOCK_LENGTH: 4096}
        return lies[kind] if kind in lies else super().status_of(kind, disk)

    def handle(self, kind, device, tag, length, offset, buffer):
        """Do what a request asks for, or something else."""
        if kind in SILENT.get(self.fault, ()):
            return
        if self.fault == "reset-as-ping" and kind == wire.RESET:
            self.respond(wire.MAX_DEVICES, device, tag, 0)
        if (kind == wire.READ and offset == MARK and not self.happened and
                hasattr(self, self.method())):
            self.happened = True
            print(self.fault, flush=True)
            getattr(self, self.method())(device, tag)
            if self.fault in LASTING:
                self.recover()
            return
        if self.fault == "noise" and kind in (wire.READ, wire.WRITE):
            self.noise(tag, device)
        if self.fault == "gone-at-reset" and kind == wire.RESET:
            print(self.fault, flush=True)
            self.writer.deactivate()
            self.activate()
            return
        if self.fault == "sync-fails" and kind == wire.SYNC:
            self.respond(kind, device, tag, 1)
            return
        super().handle(kind, device, tag, length, offset, buffer)

    def method(self):
        """Return the name of what does the fault."""
        return "do_" + self.fault.replace("-", "_")

    def recover(self):
        """Begin anew when the client has left."""
        end = time.monotonic() + 60
        while self.reader.load("epoch") and time.monotonic() < end:
            time.sleep(0.001)
        self.activate()

    def answer(self, *response):
        """Write one response, now."""
        self.writer.put(wire.RESPONSE.pack(*response))

    # --- what is done instead of answering a read ---------------------------

    def do_nothing(self, _device, _tag):
        """No answer"""

    def do_block_changes(self, device, tag):
        """From now on there are other blocks"""
        self.answer(wire.READ, device, tag, 0)

    def do_tag_unknown(self, device, tag):
        """The answer to another request, which nobody sent"""
        self.answer(wire.READ, device, tag ^ 1 << 20, 0)

    def do_tag_beyond(self, device, _tag):
        """Likewise, for a slot that is not there"""
        self.answer(wire.READ, device, 0xFFFFFFFF, 0)

    def do_kind_other(self, device, tag):
        """The answer to a write"""
        self.answer(wire.WRITE, device, tag, 0)

    def do_device_other(self, device, tag):
        """The answer of another device"""
        self.answer(wire.READ, device ^ 1, tag, 0)

    def do_counter_back(self, _device, _tag):
        """WC runs backwards"""
        self.writer.store("wc", self.writer.wc - 3)

    def do_counter_far(self, _device, _tag):
        """WC is beyond what the ring holds"""
        self.writer.store("wc", self.writer.wc + 5000)

    def do_counter_most(self, _device, _tag):
        """WC is as large as can be"""
        self.writer.store("wc", ONE - 1)

    def do_start_far(self, device, tag):
        """WSC says that the element has been overwritten"""
        self.writer.store("wsc", 1 << 40)
        self.writer.wc += 1
        self.writer.store("wc", self.writer.wc)

    def do_epoch(self, _device, _tag):
        """Another epoch, with nothing else new"""
        self.writer.store("epoch", 77)

    def do_epoch_protocol(self, _device, _tag):
        """Another epoch, of another protocol"""
        self.writer.store("protocol", wire.PROTOCOL ^ 1)
        self.writer.store("epoch", 78)

    def do_epoch_size(self, _device, _tag):
        """Another epoch, with elements of no size"""
        self.writer.store("size", 0)
        self.writer.store("epoch", 79)

    def do_epoch_elements(self, _device, _tag):
        """Another epoch, with a ring whose bytes are 0 modulo 2^64"""
        self.writer.store("elements", 1 << 60)
        self.writer.store("epoch", 80)

    def do_gone(self, _device, _tag):
        """No epoch any more"""
        self.writer.deactivate()

    def do_status(self, device, tag):
        """A status that nobody knows"""
        self.answer(wire.READ, device, tag, ONE - 1)

    def do_status_again(self, device, tag):
        """One that would mean "try again" to the block layer"""
        self.answer(wire.READ, device, tag, 12)

    # --- what goes on all the time ------------------------------------------

    def noise(self, tag, device):
        """Responses to nothing, in front of the one that is due."""
        pick = self.rng.choices
        tags = [(tag ^ 1 << 16 + i % 16) for i in range(NOISE // 4)]
        rest = NOISE - len(tags)
        tags += pick(range(1 << 31, 1 << 32), k=rest)
        kinds = pick((0, 1, 2, 3, 4, 5, 0x10, 0x1B, 0x1F, 0x101, 0xFFFF),
                     k=NOISE)
        # Of this very tag, but for another kind or device.
        elements = [(wire.GET_SMART, device, tag, 0),
                    (wire.READ, device ^ 256, tag, 0),
                    (wire.WRITE, device ^ 1, tag, 0)]
        for kind, number in zip(kinds, tags):
            if number & 0xFFFF0000 != tag & 0xFFFF0000:
                elements.append((kind, device, number, number & 15))
        flat = [word for element in elements for word in element]
        layout = struct.Struct("<" + "HHIQ" * len(elements))
        self.writer.put_block(layout.pack(*flat))
        self.noisy += len(elements)
        if self.noisy > LOUD >= self.noisy - len(elements):
            print(f"noise {LOUD}", flush=True)

    def storm(self):
        """Change bytes of the channel for some seconds, in another process.

        Of the elements all but what says that a request has succeeded.
        """
        if os.fork():
            return
        response = self.memory.response
        words = response[:wire.HEADER].cast("Q")
        end = time.monotonic() + STORM
        while time.monotonic() < end:
            for slot in self.rng.choices(range(1020), k=50):
                at = wire.HEADER + 16 * slot + self.rng.randrange(16)
                response[at] = self.rng.randrange(1, 256)
            word = self.rng.randrange(8)
            before = words[word]
            words[word] = before ^ 1 << self.rng.randrange(64)
            words[word] = before
        print("storm", flush=True)
        os._exit(0)

    def serve(self):
        """Serve until somebody kills us."""
        if self.fault == "storm":
            self.storm()
        super().serve()


def main():
    """Serve."""
    server = reference.make(sys.argv[1:], Hostile)
    server.begin()
    print("serving", flush=True)
    server.serve()


if __name__ == "__main__":
    main()
