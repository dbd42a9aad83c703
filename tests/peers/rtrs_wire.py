# SPDX-License-Identifier: GPL-2.0
"""RTRS and RNBD messages as bytes, and RDMA connections to send them by.

What blocks, blocks in C: whoever uses this sets an alarm.
"""

import errno
import os
import struct
import time

from pyverbs import cm_enums as cm
from pyverbs import enums as ib
from pyverbs.cmid import CMID, AddrInfo, CMEvent, CMEventChannel, ConnParam
from pyverbs.cq import CQ
from pyverbs.mr import MR
from pyverbs.qp import QP, QPCap, QPInitAttr
from pyverbs.wr import SGE, RecvWR, SendWR

PORT = 1234
MAGIC, VERSION = 0x1BBD, 0x0200
INFO_REQ, INFO_RSP, WRITE, READ, RKEY_RSP = range(5)
IO_REQ, IO_RSP, IO_RSP_W_INV, HB_MSG, HB_ACK = 0, 1, 2, 8, 9
SESS_INFO, SESS_INFO_RSP, OPEN, OPEN_RSP, IO, CLOSE = range(6)
OP_READ, OP_WRITE, OP_FLUSH, OP_DISCARD = range(4)

RECVS = 128        # receives of a connection
ROOM = 1024        # bytes of each
OUT = 1 << 18      # bytes that can be sent at once
PATIENCE = 20      # seconds for what the peer has to do


class Wrong(Exception):
    """The peer has not done what it should have done."""


class Rejected(Exception):
    """The peer has rejected a connection; args[0] are its private data."""


def expect(condition, text):
    """Fail the check unless the condition holds."""
    if not condition:
        raise Wrong(text)


# --- bytes --------------------------------------------------------------------

def conn_req(cid, cid_num, sess, paths, magic=MAGIC, version=VERSION,
             first=1):
    """Return the private data of a connection request."""
    return struct.pack("<BBHHHHH16s16sB11x", 0, 0, magic, version, cid,
                       cid_num, 1, sess, paths, first)


def conn_rsp(depth=16, io_size=65536, hdr_size=4096, flags=0, magic=MAGIC,
             version=VERSION, error=0):
    """Return the private data of an accept, or of a reject."""
    return struct.pack("<HHhHIII36x", magic, version, error, depth, io_size,
                       hdr_size, flags)


def reject_errno(data):
    """Return the errno in the private data of a reject."""
    magic, _, error = struct.unpack_from("<HHh", data)
    expect(magic == MAGIC, f"rejected with magic {magic:#x}")
    return -error


def packed(descs):
    """Return descriptors, of (address, key, length), as bytes."""
    return b"".join(struct.pack("<QII", *d) for d in descs)


def info_req(name, kind=INFO_REQ):
    """Return the client's first message."""
    return struct.pack("<H255s15x", kind, name)


def info_rsp(descs, kind=INFO_RSP, count=None):
    """Return the server's answer."""
    return struct.pack("<HH4x", kind, len(descs) if count is None else count) \
        + packed(descs)


def write_msg(usr_len, kind=WRITE):
    """Return what goes behind the user header of a write."""
    return struct.pack("<HH", kind, usr_len)


def read_msg(usr_len, *descs, inval=0, count=None):
    """Return what goes behind the user header of a read."""
    return struct.pack("<HHHH", READ, usr_len, inval,
                       len(descs) if count is None else count) + packed(descs)


def sess_info(kind=SESS_INFO):
    """Return RNBD's greeting."""
    return struct.pack("<HHB31x", kind, 0, 2)


def open_dev(name, mode=1):
    """Return the message that opens a device."""
    return struct.pack("<HHBB255s3x", OPEN, 0, mode, 0, name)


def open_rsp(device=0, sectors=32768, block=512, physical=4096, cache=2,
             kind=OPEN_RSP):
    """Return the answer to that."""
    return struct.pack("<HHIQIIIIIHHHHBB10x", kind, 0, device, sectors, 128,
                       0, 0, 0, 0, physical, block, 32, 0, 0, cache)


def close_dev(device):
    """Return the message that closes a device."""
    return struct.pack("<HHI", CLOSE, 0, device)


def block_io(device, op, sector, size):
    """Return the message of a block request."""
    return struct.pack("<HHIQIIH6x", IO, 0, device, sector, op, size, 0)


def imm_io_req(depth, slot, off):
    """Return the immediate data of a request."""
    bits = (depth - 1).bit_length()
    return IO_REQ << 28 | slot << 28 - bits | off


def imm_io_rsp(slot, error=0, kind=IO_RSP):
    """Return the immediate data of an answer."""
    return kind << 28 | error << 19 | slot


def swapped(number):
    """Return 32 bits in the order of the wire, or from it."""
    return int.from_bytes(number.to_bytes(4, "little"), "big")


# --- connections --------------------------------------------------------------

class Received:
    """One thing that has come: its bytes, or immediate data, or both."""

    def __init__(self, data, imm):
        self.data, self.imm = data, imm
        self.kind = None if imm is None else imm >> 28
        self.slot = None if imm is None else imm & 0x7FFFF
        self.error = None if imm is None else imm >> 19 & 0x1FF


class Link:
    """One connection of a path."""

    patience = 4    # seconds for the peer to acknowledge what is sent

    def __init__(self, cmid, first=None):
        self.cmid = cmid
        self.pd = first.pd if first else cmid.pd
        self.context = first.context if first else cmid.context
        self.cq = CQ(self.context, 1024)
        self.qp = QP(self.pd, QPInitAttr(
            qp_type=ib.IBV_QPT_RC, scq=self.cq, rcq=self.cq, sq_sig_all=1,
            cap=QPCap(max_send_wr=256, max_recv_wr=RECVS, max_send_sge=1,
                      max_recv_sge=1)))
        self.into = MR(self.pd, RECVS * ROOM, ib.IBV_ACCESS_LOCAL_WRITE)
        self.out = MR(self.pd, OUT, ib.IBV_ACCESS_LOCAL_WRITE)
        self.queue = []
        self.gone = False
        self.accepted = b""
        self.become(ib.IBV_QPS_INIT)
        for i in range(RECVS):
            self.post(i)

    def become(self, *states):
        """Take the queue pair through these states."""
        for state in states:
            self.qp.modify(*self.cmid.init_qp_attr(state))

    def talk(self):
        """Get ready to talk to the peer, which is known by now."""
        self.become(ib.IBV_QPS_INIT, ib.IBV_QPS_RTR, ib.IBV_QPS_RTS)

    def post(self, i):
        """Post a receive."""
        self.qp.post_recv(RecvWR(wr_id=i, num_sge=1, sg=[
            SGE(self.into.buf + i * ROOM, ROOM, self.into.lkey)]))

    def params(self, data):
        """Return parameters to connect or accept with."""
        param = ConnParam(retry=7, rnr_retry=7, qp_num=self.qp.qp_num,
                          data_len=len(data))
        if data:
            param.set_private_data(data)
        return param

    def transmit(self, opcode, data, imm=0, addr=0, rkey=0):
        """Send something; return whether the peer has got it.

        One that has hung up in the meantime does not say so.
        """
        if self.gone:
            return False
        expect(len(data) <= OUT, "too much for one message")
        if data:
            self.out.write(data, len(data))
        wr = SendWR(wr_id=RECVS, opcode=opcode, num_sge=1,
                    sg=[SGE(self.out.buf, len(data), self.out.lkey)],
                    imm_data=swapped(imm))
        if addr or rkey:
            wr.set_wr_rdma(rkey, addr)
        self.qp.post_send(wr)
        begin = now = time.monotonic()
        while now < begin + self.patience:
            for wc in self.completions():
                return wc.status == ib.IBV_WC_SUCCESS
            now = time.monotonic()
            if now > begin + 0.05:
                time.sleep(0.01)
        self.gone = True
        return False

    def send(self, data):
        """Send a message."""
        return self.transmit(ib.IBV_WR_SEND, data)

    def send_imm(self, data, imm):
        """Send a message with immediate data."""
        return self.transmit(ib.IBV_WR_SEND_WITH_IMM, data, imm)

    def write(self, data, addr, rkey):
        """Write to the peer's memory."""
        return self.transmit(ib.IBV_WR_RDMA_WRITE, data, 0, addr, rkey)

    def write_imm(self, data, imm, addr=0, rkey=0):
        """Write to the peer's memory and tell it."""
        return self.transmit(ib.IBV_WR_RDMA_WRITE_WITH_IMM, data, imm, addr,
                             rkey)

    def invalidate(self, rkey):
        """Send nothing but the end of one of the peer's keys."""
        return self.transmit(ib.IBV_WR_SEND_WITH_INV, b"", swapped(rkey))

    def completions(self):
        """Return completions of sends; queue what was received."""
        sent = []
        for wc in self.cq.poll(16)[1]:
            if wc.wr_id == RECVS:
                sent.append(wc)
            elif wc.status == ib.IBV_WC_SUCCESS:
                self.received(wc)
        return sent

    def received(self, wc):
        """Take what has come, and post the receive again."""
        data = b""
        if wc.opcode == ib.IBV_WC_RECV:
            data = self.into.read(wc.byte_len, wc.wr_id * ROOM)
        imm = None
        if wc.wc_flags & ib.IBV_WC_WITH_IMM:
            imm = swapped(wc.imm_data)
        self.queue.append(Received(data, imm))
        self.post(wc.wr_id)

    def receive(self):
        """Return what comes next, but for heartbeats."""
        end = time.monotonic() + PATIENCE
        while True:
            while self.queue:
                got = self.queue.pop(0)
                if got.kind not in (HB_MSG, HB_ACK):
                    return got
            if time.monotonic() > end:
                raise Wrong("nothing comes")
            self.completions()
            time.sleep(0.005)


def next_event(channel, *wanted):
    """Return the connection manager's next event, which has to be one of."""
    event = CMEvent(channel)
    if event.event_type not in wanted:
        text = event.event_str()
        event.close()
        raise Wrong(text)
    return event


def connect(address, data, first=None, source=None):
    """Return a Link whose connection request has these private data."""
    channel = CMEventChannel()
    cmid = CMID(creator=channel)
    where = AddrInfo(src=source, dst=address, dst_service=str(PORT),
                     port_space=cm.RDMA_PS_TCP)
    cmid.resolve_addr(where)
    next_event(channel, cm.RDMA_CM_EVENT_ADDR_RESOLVED).close()
    cmid.resolve_route()
    next_event(channel, cm.RDMA_CM_EVENT_ROUTE_RESOLVED).close()
    link = Link(cmid, first)
    link.channel = channel
    cmid.connect(link.params(data))
    event = next_event(channel, cm.RDMA_CM_EVENT_CONNECT_RESPONSE,
                       cm.RDMA_CM_EVENT_REJECTED)
    link.accepted = event.private_data
    kind = event.event_type
    event.close()
    if kind == cm.RDMA_CM_EVENT_REJECTED:
        raise Rejected(link.accepted)
    link.talk()
    cmid.establish()
    return link


class Path:
    """A client's path, as far as a check needs it."""

    def __init__(self, address, cids=2, name=b"hostile"):
        self.address, self.cids = address, cids
        self.sess, self.paths = os.urandom(16), os.urandom(16)
        self.links = []
        self.link(0)
        self.depth, self.io_size, self.hdr_size = struct.unpack_from(
            "<6xHII", self.links[0].accepted)
        for cid in range(1, cids):
            self.link(cid)
        self.descs = []
        if name:
            self.info(info_req(name))
        self.sink = MR(self.links[0].pd, self.io_size,
                       ib.IBV_ACCESS_LOCAL_WRITE | ib.IBV_ACCESS_REMOTE_WRITE)

    def link(self, cid):
        """Connect one more."""
        data = conn_req(cid, self.cids, self.sess, self.paths)
        self.links.append(connect(self.address, data,
                                  self.links[0] if self.links else None))

    def info(self, message):
        """Send INFO_REQ; take INFO_RSP apart."""
        self.links[0].send(message)
        got = self.links[0].receive()
        kind, count = struct.unpack_from("<HH", got.data)
        expect(kind == INFO_RSP and count, f"no INFO_RSP but {got.data[:8]}")
        size = self.io_size + self.hdr_size
        for at in range(8, 8 + 16 * count, 16):
            addr, key, length = struct.unpack_from("<QII", got.data, at)
            self.descs += [(addr + i, key) for i in range(0, length, size)]
        expect(len(self.descs) == self.depth, f"{len(self.descs)} chunks")

    def put(self, data, imm, cid=1, slot=0, at=0):
        """Write to a chunk."""
        addr, key = self.descs[slot]
        return self.links[cid].write_imm(data, imm, addr + at, key)

    def request(self, usr, msg, data=b"", hole=0, cid=1, slot=0):
        """Write a request as it should be."""
        off = len(data) + hole + len(usr)
        return self.put(data + usr + msg,
                        imm_io_req(self.depth, slot, off), cid, slot, hole)

    def answer(self, cid=1, slot=0):
        """Return the errno of the answer."""
        got = self.links[cid].receive()
        expect(got.kind in (IO_RSP, IO_RSP_W_INV) and got.slot == slot,
               f"no answer but {got.imm}")
        return got.error

    def room(self, length):
        """Return the descriptor of memory that a read can go to."""
        return (self.sink.buf, self.sink.rkey, length)

    def ask(self, usr, length):
        """Ask on the service connection; return errno and data."""
        self.request(usr, read_msg(len(usr), self.room(length)), hole=length,
                     cid=0)
        return self.answer(0), self.sink.read(length, 0)

    def open(self, name, mode=1):
        """Open a device; return its id."""
        expect(self.ask(sess_info(), 36)[0] == 0, "SESS_INFO")
        error, data = self.ask(open_dev(name, mode), 56)
        expect(not error, f"OPEN of {name}: {errno.errorcode.get(error)}")
        return struct.unpack_from("<4xI", data)[0]

    def io(self, device, op, sector, size, data=b"", **more):
        """Do a block request as it should be; return its errno."""
        usr = block_io(device, op, sector, size)
        if op in (OP_READ, OP_FLUSH):
            hole = size if op == OP_READ else 0
            self.request(usr, read_msg(len(usr), *[self.room(hole)]
                                       if hole else []), hole=hole, **more)
        else:
            self.request(usr, write_msg(len(usr)), data, **more)
        return self.answer(slot=more.get("slot", 0))

    def dropped(self):
        """Wait until the server ends the path."""
        for link in self.links:
            next_event(link.channel, cm.RDMA_CM_EVENT_DISCONNECTED).close()
