# SPDX-License-Identifier: GPL-2.0
"""The scripted server's transmission phase."""

import random
import struct
import time

import nbdwire as nbd
from script_faults import (FAULTS, Frame, data_frame, error_frame, finish,
                           hole_frame)
from script_handshake import META_ID
from script_store import Gone

# Transmission flag that a command or a command flag needs
COMMAND_NEEDS = {nbd.FLUSH: "flush", nbd.TRIM: "trim", nbd.CACHE: "cache",
                 nbd.WRITE_ZEROES: "zeroes"}
FLAG_NEEDS = {nbd.CMD_FUA: "fua", nbd.CMD_DF: "df",
              nbd.CMD_FAST_ZERO: "fast"}
FLAG_BELONGS = {nbd.CMD_NO_HOLE: nbd.WRITE_ZEROES, nbd.CMD_DF: nbd.READ,
                nbd.CMD_FAST_ZERO: nbd.WRITE_ZEROES,
                nbd.CMD_REQ_ONE: nbd.BLOCK_STATUS}
CHANGING = (nbd.WRITE, nbd.TRIM, nbd.WRITE_ZEROES)
FROZEN_FOR = 3600


class Request:
    """One request as it came."""

    def __init__(self, flags, kind, cookie, offset, length):
        self.flags, self.kind, self.cookie = flags, kind, cookie
        self.offset, self.length = offset, length
        self.payload = b""
        self.fault = None

    @property
    def name(self):
        """The command's name."""
        return nbd.COMMAND_NAMES.get(self.kind, str(self.kind))

    def __str__(self):
        return (f"{self.name} offset={self.offset} length={self.length} "
                f"flags={self.flags:#x} cookie={self.cookie:#x}")


class Transmission:
    """One connection from the end of its handshake to its own end."""

    def __init__(self, handshake, trace):
        self.script, self.store = handshake.script, handshake.store
        self.wire, self.number = handshake.wire, handshake.number
        self.structured = handshake.structured
        self.extended = handshake.extended
        self.meta = handshake.meta
        self.size, self.flags = handshake.size, handshake.flags
        self.blocks = handshake.blocks
        self.trace = trace
        self.rng = random.Random(int(self.script["seed"]) * 1000 + self.number)

    def run(self):
        """Answer requests until the peer says DISC or is gone."""
        while True:
            batch = self.gather()
            self.rng.shuffle(batch)
            answers = [self.answer(request) for request in batch
                       if request.kind != nbd.DISC]
            self.deliver(answers)
            if any(request.kind == nbd.DISC for request in batch):
                raise Gone("disconnected")

    def gather(self):
        """Take one request, or all that wait when answers are reordered."""
        self.script.refresh()
        batch = [self.take()]
        limit = int(self.script["reorder"])
        while (len(batch) < limit and batch[-1].kind != nbd.DISC and
               self.wire.pending(0.01)):
            batch.append(self.take())
            if batch[-1].cookie in {r.cookie for r in batch[:-1]}:
                self.trace(f"VIOLATION cookie in use: {batch[-1]}")
        return batch

    def take(self):
        """Receive one request with its payload."""
        fmt, magic = (">IHHQQQ", nbd.EXT_REQUEST_MAGIC) if self.extended \
            else (">IHHQQI", nbd.REQUEST_MAGIC)
        got, *fields = struct.unpack(
            fmt, self.wire.receive(struct.calcsize(fmt)))
        request = Request(*fields)
        if got != magic:
            self.trace(f"VIOLATION magic {got:#x}")
            raise Gone("bad request magic")
        self.trace(str(request))
        request.fault = self.script.request_fault(request, self.number)
        if request.fault and request.fault.name == "early":
            self.deliver([self.frames(request, 0)])
        if request.fault and request.fault.name == "freeze":
            self.freeze()
        if request.kind == nbd.WRITE or request.flags & nbd.CMD_PAYLOAD_LEN:
            if request.length > 64 << 20:
                self.trace(f"VIOLATION payload: {request}")
                raise Gone("payload too long")
            request.payload = self.wire.receive(request.length)
        return request

    def freeze(self):
        """Let everything stand still."""
        self.trace("fault freeze")
        time.sleep(FROZEN_FOR)
        raise Gone("frozen")

    def problems(self, request):
        """Yield what is wrong with a request."""
        if request.kind not in nbd.COMMAND_NAMES:
            yield "unknown command"
        need = COMMAND_NEEDS.get(request.kind)
        if need and not self.flags & nbd.FLAGS[need]:
            yield f"server does not offer {need}"
        yield from self.flag_problems(request)
        if self.flags & nbd.FLAGS["ro"] and request.kind in CHANGING:
            yield "server is read-only"
        if request.kind == nbd.FLUSH:
            if request.offset or request.length:
                yield "FLUSH of a range"
            return
        if request.length == 0:
            yield "no length"
        if request.offset + request.length > self.size:
            yield f"past the end at {self.size}"
        least, _, most = self.blocks or (512, 4096, nbd.MAX_PAYLOAD)
        if (request.offset | request.length) % least:
            yield f"not a multiple of {least}"
        if request.kind in (nbd.READ, nbd.WRITE) and request.length > most:
            yield f"more than {most} bytes"

    def flag_problems(self, request):
        """Yield what is wrong with the flags of a request."""
        if request.flags >> 6:
            yield "unknown flags"
        for flag, need in FLAG_NEEDS.items():
            if request.flags & flag and not self.flags & nbd.FLAGS[need]:
                yield f"server does not offer {need}"
        for flag, kind in FLAG_BELONGS.items():
            if request.flags & flag and request.kind != kind:
                yield f"flag {flag:#x} does not belong"
        payload = bool(request.flags & nbd.CMD_PAYLOAD_LEN)
        if payload != (self.extended and request.kind == nbd.WRITE):
            yield "PAYLOAD_LEN"

    def answer(self, request):
        """Execute a request and return the frames of its answer."""
        problems = list(self.problems(request))
        if problems and self.script.is_set("strict"):
            self.trace(f"VIOLATION {problems[0]}: {request}")
            return self.frames(request, nbd.EINVAL)
        self.execute(request)
        delay = int(self.script["delay"])
        if delay:
            time.sleep(delay / 1000)
        if request.fault is None:
            return self.frames(request, 0)
        self.trace(f"fault {request.fault.name}: {request}")
        if request.fault.name == "early":
            return []
        return FAULTS[request.fault.name](self, request,
                                          self.frames(request, 0),
                                          request.fault.arg)

    def execute(self, request):
        """Change the store as the request asks."""
        if request.fault and request.fault.name.startswith("error"):
            return
        if request.kind == nbd.WRITE:
            self.store.write(request.offset, request.payload)
        elif request.kind in (nbd.TRIM, nbd.WRITE_ZEROES):
            self.store.zero(request.offset, request.length)

    def read_payload(self, request):
        """Return the data that a request asks for, if any."""
        if request.kind != nbd.READ:
            return b""
        return self.store.read(request.offset, request.length)

    def frames(self, request, error):
        """Return the correct answer in the dialect that was agreed on."""
        if error:
            return finish([error_frame(self, request, error)])
        if not self.structured:
            return [Frame(self, request, payload=self.read_payload(request))]
        if request.kind == nbd.READ and request.length:
            frames = self.read_frames(request)
        elif request.kind == nbd.BLOCK_STATUS:
            frames = [self.status_frame(request)]
        else:
            frames = [Frame(self, request)]
        return finish(frames)

    def read_frames(self, request):
        """Return the chunks of a READ."""
        if request.flags & nbd.CMD_DF:
            pieces = [(request.offset, request.length)]
        else:
            pieces = self.pieces(request.offset, request.length)
        frames = [self.piece_frame(request, *piece) for piece in pieces]
        if self.script.is_set("chunks"):
            self.rng.shuffle(frames)
            if self.rng.random() < 0.3:
                frames.append(Frame(self, request))
        return frames

    def pieces(self, offset, length):
        """Cut a range at random when the script wants that."""
        end = offset + length
        while offset < end:
            size = end - offset
            if self.script.is_set("chunks"):
                size = min(size, self.rng.choice((1, 13, 512, 513, 4096,
                                                  10000, 65536, 262144)))
                size = max(size, length // 64)
                size = min(size, end - offset)
            yield offset, size
            offset += size

    def piece_frame(self, request, offset, length):
        """Return one piece as data, or as a hole where it is all zero."""
        data = self.store.read(offset, length)
        if (self.script.is_set("holes") and not any(data) and
                not request.flags & nbd.CMD_DF):
            return hole_frame(self, request, offset, length)
        return data_frame(self, request, offset, data)

    def status_frame(self, request):
        """Return base:allocation of a range."""
        if not self.meta:
            return error_frame(self, request, nbd.EINVAL)
        body = struct.pack(">I", META_ID)
        for length, hole in self.store.extents(request.offset, request.length):
            body += struct.pack(">II", length, 3 if hole else 0)
            if request.flags & nbd.CMD_REQ_ONE:
                break
        return Frame(self, request, nbd.CHUNK_STATUS, body)

    def deliver(self, answers):
        """Send answers, the chunks of several of them mixed."""
        answers = [frames for frames in answers if frames]
        while answers:
            frames = self.rng.choice(answers)
            self.wire.send(frames.pop(0).encode())
            if not frames:
                answers.remove(frames)
