#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""An RTRS server with one disk that is right but for one fault.

    rtrs_hostile_server.py ADDRESS [FAULT]

The disk is vol0, of 16 MiB. Faults of requests are met by the first read of
the MiB at 9 MiB, where udev does not look, and by no later one. Prints
"listening", and the fault when it has happened. Goes on until it is killed.
"""

import dataclasses
import os
import select
import struct
import sys
import time

from pyverbs.pyverbs_error import PyverbsError

import rtrs_wire as rtrs
from rtrs_wire import (MR, CMID, AddrInfo, CMEvent, CMEventChannel, Link,
                       cm, ib)

SIZE = 16 << 20
PLACE = 9      # MiB

FAULTS = {
    # Instead of accepting
    "reject-garbage": {"reject": b"\xff" * 56},
    "reject-nothing": {"reject": b""},
    "reject-version": {"reject": rtrs.conn_rsp(version=0x901, error=-5)},
    "reject-success": {"reject": rtrs.conn_rsp(error=0)},
    "reject-beyond": {"reject": rtrs.conn_rsp(error=-32768)},
    "reject-second": {"reject": rtrs.conn_rsp(error=-104), "cid": 1},
    # In the private data of an accept
    "accept-nothing": {"accept": b""},
    "accept-magic": {"accept": rtrs.conn_rsp(magic=0x4242)},
    "accept-version": {"accept": rtrs.conn_rsp(version=0x100)},
    "accept-error": {"accept": rtrs.conn_rsp(error=-5)},
    "depth-zero": {"accept": rtrs.conn_rsp(depth=0)},
    "depth-huge": {"accept": rtrs.conn_rsp(depth=65535, io_size=1 << 20)},
    "io-size-zero": {"accept": rtrs.conn_rsp(io_size=0)},
    "io-size-huge": {"accept": rtrs.conn_rsp(io_size=0xFFFFF000)},
    "hdr-size-zero": {"accept": rtrs.conn_rsp(hdr_size=0)},
    # INFO_RSP, made of what it should be
    "info-type": {"info": lambda d: rtrs.info_rsp(d, kind=rtrs.RKEY_RSP)},
    "info-short": {"info": lambda d: rtrs.info_rsp(d)[:4]},
    "info-none": {"info": lambda d: rtrs.info_rsp([])},
    "info-more": {"info": lambda d: rtrs.info_rsp(d, count=9)},
    "info-most": {"info": lambda d: rtrs.info_rsp(d, count=65535)},
    "info-few": {"info": lambda d: rtrs.info_rsp(
        [(d[0][0], d[0][1], d[0][2] // 2)])},
    "info-odd": {"info": lambda d: rtrs.info_rsp(
        [(d[0][0], d[0][1], d[0][2] - 4096)])},
    "info-wraps": {"info": lambda d: rtrs.info_rsp(
        [((1 << 64) - 4096, d[0][1], d[0][2])])},
    "info-silence": {"info": lambda d: None},
    # RNBD's answers: errno and data
    "greet-type": {"greet": (0, rtrs.sess_info(kind=77))},
    "greet-error": {"greet": (5, b"")},
    "greet-silence": {"greet": None},
    "open-type": {"open": (0, rtrs.open_rsp(kind=rtrs.IO))},
    "open-error": {"open": (2, b"")},
    "open-denied": {"open": (1, b"")},
    "open-block-zero": {"open": (0, rtrs.open_rsp(block=0))},
    "open-block-odd": {"open": (0, rtrs.open_rsp(block=1000))},
    "open-block-large": {"open": (0, rtrs.open_rsp(block=32768))},
    "open-size": {"open": (0, rtrs.open_rsp(sectors=1 << 60))},
    "open-silence": {"open": None},
    "close-late": {"close": (0, b""), "late": 1},
    "close-silence": {"close": None},
}


@dataclasses.dataclass
class Read:
    """A read that a fault is made of."""

    server: object
    link: Link
    slot: int
    desc: tuple     # address, key, length
    data: bytes

    def answer(self, error=0, kind=rtrs.IO_RSP, slot=None):
        """Say nothing but how it went."""
        self.link.write_imm(b"", rtrs.imm_io_rsp(
            self.slot if slot is None else slot, error, kind))


def fault(function):
    """Register what a read at the place meets, instead of being served."""
    FAULTS[function.__name__.replace("_", "-")] = {"read": function}
    return function


@fault
def slot_idle(read):
    """An answer to what was not asked"""
    read.answer(slot=read.slot ^ 7)


@fault
def slot_beyond(read):
    """An answer with a number that no slot has"""
    read.answer(slot=0x7FFFF)


@fault
def imm_type(read):
    """Immediate data that nobody has defined"""
    read.answer(kind=6)


@fault
def request_of_ours(read):
    """A request from a server"""
    read.answer(kind=rtrs.IO_REQ)


@fault
def no_imm(read):
    """A message that says nothing"""
    read.link.send(b"hello")


@fault
def key_of_another(read):
    """A new key, for another slot"""
    read.link.send_imm(struct.pack("<HHI", rtrs.RKEY_RSP, read.slot ^ 1, 1),
                       rtrs.imm_io_rsp(read.slot))


@fault
def key_short(read):
    """A part of a message with a key"""
    read.link.send_imm(b"\4\0", rtrs.imm_io_rsp(read.slot))


@fault
def message_long(read):
    """More than a receive has room for"""
    read.link.send_imm(bytes(4096), rtrs.imm_io_rsp(read.slot))


@fault
def data_elsewhere(read):
    """Data to a place that was not given to the server"""
    read.link.write(read.data, read.desc[0] - (1 << 20), read.desc[1])


@fault
def data_beyond(read):
    """More data than the place has room for"""
    read.link.write(read.data * 2, *read.desc[:2])


@fault
def inval_of_another(read):
    """The end of a key that was not given to the server"""
    read.link.invalidate(read.desc[1] ^ 0x5500)


@fault
def inval_missing(read):
    """The end of a key is said, but has not come; harmless"""
    read.link.write(read.data, *read.desc[:2])
    read.answer(kind=rtrs.IO_RSP_W_INV)


@fault
def inval_left_out(read):
    """The end of a key is the client's affair; harmless"""
    read.link.write(read.data, *read.desc[:2])
    read.answer()


@fault
def beats(read):
    """More heartbeats than anybody needs; harmless"""
    for _ in range(200):
        read.server.links[0].write_imm(b"", rtrs.HB_MSG << 28)
    inval_left_out(read)


@fault
def silence(read):
    """No answer"""


@fault
def hang_up(read):
    """The end of the connection"""
    read.link.cmid.disconnect()
    read.server.forget()


@fault
def error(read):
    """EIO, which is the reader's affair"""
    read.answer(5)


@fault
def error_beyond(read):
    """The largest errno that there is room for"""
    read.answer(511)


class Server:
    """One client at a time."""

    def __init__(self, address, name):
        self.name, self.fault = name, FAULTS[name] if name else {}
        self.met = False
        self.depth, self.io_size, self.hdr_size = 16, 65536, 4096
        self.chunk = self.io_size + self.hdr_size
        self.disk = bytearray(SIZE)
        self.links, self.old = [], []
        self.memory = None
        self.channel = CMEventChannel()
        self.cmid = CMID(creator=self.channel)
        self.cmid.bind_addr(AddrInfo(
            src=address, src_service=str(rtrs.PORT),
            port_space=cm.RDMA_PS_TCP, flags=cm.RAI_PASSIVE))
        self.cmid.listen(16)
        self.fd = next(int(fd) for fd in os.listdir("/proc/self/fd")
                       if self.is_channel(fd))
        self.say("listening")

    @staticmethod
    def is_channel(fd):
        """Say whether a descriptor is the connection manager's."""
        try:
            return os.readlink(f"/proc/self/fd/{fd}").endswith("rdma_cm")
        except OSError:
            return False

    @staticmethod
    def say(text):
        """Tell the check."""
        print(text, flush=True)

    def hit(self, key, cid=0):
        """Return whether the fault is to happen now."""
        if key not in self.fault or self.met or \
                self.fault.get("cid", 0) != cid:
            return False
        # A mapping is to fail however often it is tried.
        self.met = key == "read"
        self.say(self.name)
        return True

    def forget(self):
        """Serve this client no longer; what it had stays until the end."""
        self.old.append((self.links, self.memory))
        self.links, self.memory = [], None

    def event(self):
        """Take an event of the connection manager."""
        event = CMEvent(self.channel)
        if event.event_type != cm.RDMA_CM_EVENT_CONNECT_REQUEST:
            event.close()
            return
        data = event.private_data
        cmid = CMID(creator=event, listen_id=self.cmid)
        # Its end would be that of what it shares with the listener.
        self.old.append(cmid)
        event.close()
        cid = struct.unpack_from("<H", data, 6)[0]
        if not cid:
            self.forget()
        if self.hit("reject", cid):
            cmid.reject(self.fault["reject"])
            return
        link = Link(cmid, self.links[0] if self.links else None)
        link.talk()
        self.links.append(link)
        reply = rtrs.conn_rsp(self.depth, self.io_size, self.hdr_size)
        if self.hit("accept", cid):
            reply = self.fault["accept"]
        cmid.accept(link.params(reply))

    def serve(self):
        """Serve until killed."""
        while True:
            try:
                if select.select([self.fd], [], [], 0)[0]:
                    self.event()
                busy = any([self.look(link) for link in list(self.links)])
            except PyverbsError:
                # The client has gone meanwhile.
                self.forget()
                continue
            if not busy:
                time.sleep(0.01)

    def look(self, link):
        """Return whether something had come."""
        link.completions()
        busy = bool(link.queue)
        while link.queue and link in self.links:
            self.take(link, link.queue.pop(0))
        return busy

    def take(self, link, got):
        """Take what a client has sent."""
        if got.imm is None:
            self.inform(link)
        elif got.kind == rtrs.HB_MSG:
            link.write_imm(b"", rtrs.HB_ACK << 28)
        elif got.kind == rtrs.IO_REQ:
            bits = 28 - (self.depth - 1).bit_length()
            self.serve_request(link, (got.imm & 0xFFFFFFF) >> bits,
                               got.imm & (1 << bits) - 1)

    def inform(self, link):
        """Answer INFO_REQ."""
        self.memory = MR(link.pd, self.depth * self.chunk,
                         ib.IBV_ACCESS_LOCAL_WRITE |
                         ib.IBV_ACCESS_REMOTE_WRITE)
        descs = [(self.memory.buf, self.memory.rkey,
                  self.depth * self.chunk)]
        message = rtrs.info_rsp(descs)
        if self.hit("info"):
            message = self.fault["info"](descs)
        if message is not None:
            link.send(message)

    def serve_request(self, link, slot, off):
        """Carry out what is in a chunk."""
        start = slot * self.chunk
        kind, usr_len = struct.unpack(
            "<HH", self.memory.read(4, start + off))
        usr = self.memory.read(usr_len, start + off - usr_len)
        desc = None
        if kind == rtrs.READ:
            _, _, count = struct.unpack(
                "<HHH", self.memory.read(6, start + off + 2))
            if count:
                desc = struct.unpack(
                    "<QII", self.memory.read(16, start + off + 8))
        what = struct.unpack_from("<H", usr)[0]
        if what == rtrs.IO:
            self.block_request(link, slot, usr, desc, start)
        elif what == rtrs.SESS_INFO:
            self.message(link, slot, desc, "greet",
                         (0, rtrs.sess_info(kind=rtrs.SESS_INFO_RSP)))
        elif what == rtrs.OPEN:
            self.message(link, slot, desc, "open",
                         (0, rtrs.open_rsp(sectors=SIZE // 512)))
        elif what == rtrs.CLOSE:
            self.message(link, slot, desc, "close", (0, b""))
        else:
            self.answer(link, slot, desc)

    def message(self, link, slot, desc, key, answer):
        """Answer a message of RNBD."""
        if self.hit(key):
            answer = self.fault[key]
            time.sleep(self.fault.get("late", 0))
        if answer is not None:
            self.answer(link, slot, desc, *answer)

    def block_request(self, link, slot, usr, desc, start):
        """Read, write, or say that it was done."""
        _, sector, op, size = struct.unpack_from("<IQII", usr, 4)
        at, op = sector * 512, op & 0xFF
        if op == rtrs.OP_READ:
            data = bytes(self.disk[at:at + size])
            if at >> 20 == PLACE and self.hit("read"):
                self.fault["read"](Read(self, link, slot, desc, data))
            else:
                self.answer(link, slot, desc, 0, data)
            return
        if op == rtrs.OP_WRITE:
            self.disk[at:at + size] = self.memory.read(size, start)
        self.answer(link, slot, desc)

    @staticmethod
    def answer(link, slot, desc, failed=0, data=b""):
        """Answer, with data that go to the client's memory."""
        if data and desc and not failed:
            link.write(data, *desc[:2])
        if desc:
            link.invalidate(desc[1])
        link.write_imm(b"", rtrs.imm_io_rsp(
            slot, failed, rtrs.IO_RSP_W_INV if desc else rtrs.IO_RSP))


def main():
    """Parse the command line and serve."""
    if len(sys.argv) not in (2, 3) or \
            len(sys.argv) == 3 and sys.argv[2] not in FAULTS:
        sys.exit("rtrs_hostile_server: ADDRESS " + " ".join(FAULTS))
    Server(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None).serve()


if __name__ == "__main__":
    main()
