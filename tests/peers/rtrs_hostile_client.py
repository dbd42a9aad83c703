#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""An RTRS client that breaks the rules, and knows what it must get for that.

    rtrs_hostile_client.py ADDRESS [CHECK...]

The server must export vol0, 8 MiB at least, of blocks of 512 bytes. Prints
for each check its name and a regular expression: what the server has to say
of it in one line of its log. Those of which it may say anything have to be
named.
"""

import errno
import ipaddress
import os
import random
import signal
import struct
import sys
import time

import rtrs_wire as rtrs
from rtrs_wire import Path, Rejected, Wrong, expect

CHECKS = {}
LIMIT = 90      # seconds for a check; an emulated debug kernel is slow
BLOCK = bytes(range(256)) * 16


def check(log):
    """Register a check, with what it leaves in the server's log."""
    def register(function):
        CHECKS[function.__name__.replace("_", "-")] = function
        function.log = log
        return function
    return register


def rejects(address, error, data, **more):
    """The server does not accept a connection."""
    try:
        rtrs.connect(address, data, **more)
    except Rejected as e:
        got = rtrs.reject_errno(e.args[0])
        expect(got == error, f"rejected with {errno.errorcode.get(got, got)}")
        return
    raise Wrong("the server accepts it")


def elsewhere(address):
    """Return the address next to it, which this host must have, too."""
    return str(ipaddress.ip_address(address) + 1)


def request(**fields):
    """Return a connection request of a new path."""
    what = {"cid": 0, "cid_num": 2, "sess": os.urandom(16),
            "paths": os.urandom(16), **fields}
    return rtrs.conn_req(**what)


# --- connecting ---------------------------------------------------------------

@check("refused .*: magic 0x0000 is not RTRS")
def conn_short(address):
    """Hardly any request; the connection manager pads it with zeros"""
    rejects(address, errno.ECONNRESET, request()[:1])


@check("refused .*: magic 0x4242 is not RTRS")
def conn_magic(address):
    """Another protocol"""
    rejects(address, errno.ECONNRESET, request(magic=0x4242))


@check("refused .*: RTRS version 9.1, wanted 2")
def conn_version(address):
    """Another version"""
    rejects(address, errno.ECONNRESET, request(version=0x0901))


@check("refused .*: connection 7 of 2")
def conn_cid(address):
    """A connection beyond the last"""
    rejects(address, errno.ECONNRESET, request(cid=7))


@check("refused .*: connection 0 of 0")
def conn_none(address):
    """A path of no connections"""
    rejects(address, errno.ECONNRESET, request(cid_num=0))


@check("refused .*: its path is not there")
def conn_without_path(address):
    """A second connection without a first"""
    rejects(address, errno.ECONNRESET, request(cid=1))


@check("refused .*: a further path of a session that is not there")
def conn_without_session(address):
    """A further path without a session"""
    rejects(address, errno.ENXIO, request(first=0))


@check("refused .*: its path is not there")
def conn_twice(address):
    """One connection of a path twice"""
    path = Path(address, name=None)
    rejects(address, errno.ECONNRESET,
            request(cid=1, sess=path.sess, paths=path.paths))


@check("refused .*: its path is not there")
def conn_other_number(address):
    """Connections that do not agree how many they are"""
    path = Path(address, cids=3, name=None)
    rejects(address, errno.ECONNRESET,
            request(cid=1, cid_num=4, sess=path.sess, paths=path.paths))


@check("refused .*: its path is not there")
def conn_from_elsewhere(address):
    """A further connection that another host makes"""
    sess, paths = os.urandom(16), os.urandom(16)
    link = rtrs.connect(address, request(sess=sess, paths=paths))
    rejects(address, errno.ECONNRESET, request(cid=1, sess=sess, paths=paths),
            source=elsewhere(address))
    expect(not link.gone, "the first one is gone")


@check("refused .*: its path has not ended yet")
def path_of_another(address):
    """Another host has a path's name, and does it no harm"""
    path = Path(address)
    rejects(address, errno.EEXIST, request(sess=path.sess, paths=path.paths),
            source=elsewhere(address))
    path.open(b"vol0")


# --- INFO_REQ -----------------------------------------------------------------

def info_drops(address, message):
    """The server ends a path because of its first message."""
    path = Path(address, name=None)
    path.links[0].send(message)
    path.dropped()


@check("dropped: INFO_REQ of 100 bytes, wanted 272")
def info_short(address):
    """A part of the message"""
    info_drops(address, rtrs.info_req(b"hostile")[:100])


@check("dropped: INFO_REQ: ")
def info_long(address):
    """More than the message"""
    info_drops(address, rtrs.info_req(b"hostile") + bytes(512))


@check("dropped: message of type 4, wanted INFO_REQ")
def info_type(address):
    """Something else"""
    info_drops(address, rtrs.info_req(b"hostile", kind=rtrs.RKEY_RSP))


@check("dropped: session name .*/")
def info_slash(address):
    """A name that is a path"""
    info_drops(address, rtrs.info_req(b"../../etc"))


@check("dropped: session name with byte 0x0a")
def info_newline(address):
    """A name that forges a line of the log"""
    info_drops(address, rtrs.info_req(b"a\nunbd: all is well"))


@check("dropped: session name without an end")
def info_endless(address):
    """A name without an end"""
    info_drops(address, rtrs.info_req(b"x" * 255))


@check("dropped: .* before INFO_REQ")
def info_later(address):
    """A request first"""
    path = Path(address, name=None)
    path.links[1].write_imm(b"", rtrs.imm_io_req(path.depth, 0, 64))
    path.dropped()


# --- immediate data -----------------------------------------------------------

def imm_drops(address, imm):
    """The server ends a path because of immediate data."""
    path = Path(address)
    path.put(b"", imm)
    path.dropped()


@check("dropped: immediate data 0x50000000 of unknown type")
def imm_type(address):
    """Nothing that is defined"""
    imm_drops(address, 5 << 28)


@check("dropped: immediate data 0x10000003 is a server's")
def imm_of_a_server(address):
    """An answer from a client"""
    imm_drops(address, rtrs.imm_io_rsp(3))


@check("dropped: immediate data .*: chunk 15 of 9, ")
def imm_chunk(address):
    """A chunk beyond the last"""
    path = Path(address)
    expect(path.depth == 9, f"queue_depth {path.depth}, not 9")
    path.put(b"", rtrs.imm_io_req(path.depth, 15, 64))
    path.dropped()


@check("dropped: immediate data .*, offset 16777215 of ")
def imm_offset(address):
    """An offset beyond the chunk"""
    path = Path(address)
    path.put(b"", rtrs.imm_io_req(path.depth, 1, (1 << 24) - 1))
    path.dropped()


@check("dropped: receive: ")
def no_imm(address):
    """A message nobody has asked for"""
    path = Path(address)
    path.links[1].send(b"hello")
    path.dropped()


# --- requests -----------------------------------------------------------------

def drops(address, usr, msg, **more):
    """The server ends a path because of a request."""
    path = Path(address)
    path.request(usr, msg, **more)
    path.dropped()


@check("dropped: request of type 9")
def request_type(address):
    """Neither a read nor a write"""
    drops(address, bytes(32), rtrs.write_msg(32, kind=9))


@check("dropped: user header of 65535 bytes ends at 32")
def request_header(address):
    """A header that begins before its chunk"""
    drops(address, bytes(32), rtrs.write_msg(0xFFFF))


@check("dropped: request with .* bytes of data and 5004 of headers")
def request_header_long(address):
    """A header that is too long"""
    drops(address, bytes(5000), rtrs.write_msg(5000))


@check("dropped: read request with 2 descriptors")
def request_descs(address):
    """A read to two places"""
    drops(address, bytes(32), rtrs.read_msg(32, (0, 0, 512), (0, 0, 512)))


@check("dropped: read request with 1 descriptors in 8 bytes")
def request_cut(address):
    """A descriptor that the chunk has no room for"""
    path = Path(address)
    off = path.io_size + path.hdr_size - 8
    path.put(rtrs.read_msg(32, count=1), rtrs.imm_io_req(path.depth, 0, off),
             at=off)
    path.dropped()


@check("dropped: read of 4096 bytes to nowhere")
def request_nowhere(address):
    """A read without memory"""
    drops(address, bytes(32), rtrs.read_msg(32), hole=4096)


@check("dropped: read of 4096 bytes to memory of 0")
def request_no_room(address):
    """A read to no memory"""
    drops(address, bytes(32), rtrs.read_msg(32, (4096, 1, 0)), hole=4096)


@check("dropped: message of type 4 with 8 bytes, wanted type 4 with ")
def io_short(address):
    """An I/O message without its end"""
    usr = rtrs.block_io(0, rtrs.OP_READ, 0, 0)[:8]
    drops(address, usr, rtrs.write_msg(len(usr)))


@check("dropped: a message of type 77")
def message_type(address):
    """A message that RNBD has not"""
    usr = rtrs.sess_info(kind=77)
    drops(address, usr, rtrs.write_msg(len(usr)), cid=0)


@check("dropped: 17 bytes are not 1 to 17 keys")
def fence_odd(address):
    """A FENCE with a piece of a key"""
    usr = struct.pack("<HH", 0x7562, 0) + bytes(17)
    drops(address, usr, rtrs.write_msg(len(usr)), cid=0)


@check("dropped: a message of 0 bytes")
def message_empty(address):
    """A request without a user header"""
    drops(address, b"", rtrs.write_msg(0))


@check("dropped: a message of 3000 bytes")
def message_long(address):
    """Longer than any message"""
    usr = rtrs.sess_info() + bytes(3000 - 36)
    drops(address, usr, rtrs.write_msg(len(usr)), cid=0)


# --- devices ------------------------------------------------------------------

def asks(address, usr, error):
    """The server refuses a message and stays."""
    path = Path(address)
    expect(path.ask(rtrs.sess_info(), 36)[0] == 0, "SESS_INFO")
    got = path.ask(usr, 56)[0]
    expect(got == error, f"errno {got}")
    path.open(b"vol0")


@check(": access mode 9 ")
def open_mode(address):
    """An access mode that there is not"""
    asks(address, rtrs.open_dev(b"vol0", mode=9), errno.EINVAL)


@check(": device name without an end")
def open_endless(address):
    """A name without an end"""
    asks(address, rtrs.open_dev(b"x" * 255), errno.EINVAL)


@check(": device name with byte 0x1b")
def open_escape(address):
    """A name that moves a terminal's cursor"""
    asks(address, rtrs.open_dev(b"a\033[2J"), errno.EINVAL)


@check("")
def io_refused(address):
    """Requests that are wrong by themselves get their errno"""
    path = Path(address)
    device = path.open(b"vol0")
    far = 1 << 50
    for op, sector, size, data, error in (
            (rtrs.OP_WRITE, 0, 4096, BLOCK[:512], errno.EINVAL),
            (rtrs.OP_WRITE, 0, 512, BLOCK, errno.EINVAL),
            (rtrs.OP_WRITE, far, 4096, BLOCK, errno.ENOSPC),
            (rtrs.OP_WRITE, (1 << 64) - 1, 4096, BLOCK, errno.EINVAL),
            (rtrs.OP_READ, far, 4096, b"", errno.EINVAL),
            (rtrs.OP_DISCARD, far, 4096, b"", None),
            (9, 0, 4096, BLOCK, errno.EOPNOTSUPP),
            (200, 0, 4096, b"", errno.EOPNOTSUPP),
            (rtrs.OP_FLUSH, (1 << 64) - 1, 0, b"", 0),
            (rtrs.OP_WRITE, 0, 4096, BLOCK, 0)):
        got = path.io(device, op, sector, size, data)
        expect(got == error if error is not None else got,
               f"operation {op} at {sector}: errno {got}, expected {error}")
    expect(path.io(device + 1000, rtrs.OP_READ, 0, 4096) == errno.ENOTCONN,
           "a device that is not open")
    expect(path.io(device, rtrs.OP_READ, 0, 4096) == 0, "a good read")
    expect(path.sink.read(4096, 0) == BLOCK, "wrong bytes")


@check("")
def io_read_only(address):
    """What is opened for reading is not written, by no operation"""
    path = Path(address)
    device = path.open(b"vol0", mode=0)
    for op, data in ((rtrs.OP_WRITE, BLOCK), (rtrs.OP_DISCARD, b""),
                     (4, b""), (5, b"")):
        got = path.io(device, op, 0, 4096, data)
        expect(got == errno.EPERM, f"operation {op}: errno {got}")
    expect(path.io(device, rtrs.OP_READ, 0, 4096) == 0, "a good read")


@check("")
def io_of_another(address):
    """What another session has open is out of reach"""
    other = Path(address, name=b"other")
    theirs = other.open(b"vol0", mode=0)
    path = Path(address)
    expect(path.io(theirs, rtrs.OP_READ, 0, 4096) == errno.ENOTCONN,
           "another session's device can be read")
    expect(path.request(rtrs.close_dev(theirs), rtrs.write_msg(8), cid=0),
           "cannot send")
    expect(path.answer(0) == errno.ENOENT, "and be closed")
    expect(other.io(theirs, rtrs.OP_READ, 0, 4096) == 0, "it is closed")


@check("")
def io_header_changes(address):
    """A header that changes while the server looks at it"""
    path = Path(address)
    device = path.open(b"vol0")
    rng = random.Random(5)
    usr = rtrs.block_io(device, rtrs.OP_WRITE, 8, 4096)
    addr, key = path.descs[0]
    for _ in range(200):
        path.request(usr, rtrs.write_msg(len(usr)), BLOCK)
        # Past the offset that came as immediate data, and into the header
        path.links[1].write(rng.randbytes(8), addr + 4096 + 20, key)
        error = path.answer()
        expect(error in (0, errno.EINVAL, errno.EOPNOTSUPP),
               f"errno {error}")


@check("dropped: chunk 2 is used before it was answered")
def chunk_twice(address):
    """A chunk that is used again before its answer"""
    path = Path(address)
    device = path.open(b"vol0")
    usr = rtrs.block_io(device, rtrs.OP_READ, 0, 4096)
    msg = rtrs.read_msg(len(usr), path.room(4096))
    while path.request(usr, msg, hole=4096, slot=2):
        pass
    path.dropped()


@check(None)
def chunk_behind(address):
    """The same behind requests that wait for the server's disk"""
    path = Path(address)
    device = path.open(b"vol0")
    usr = rtrs.block_io(device, rtrs.OP_WRITE, 0, 4096)
    for slot in (*range(151), 150):
        path.request(usr, rtrs.write_msg(len(usr)), BLOCK, slot=slot)
    path.dropped()


@check(None)
def opens_that_wait(address):
    """More messages than a server has workers, each of which has to wait"""
    path = Path(address)
    device = path.open(b"vol0")
    usr = rtrs.block_io(device, rtrs.OP_WRITE, 0, 4096)
    path.request(usr, rtrs.write_msg(len(usr)), BLOCK, slot=path.depth - 1)
    usr = rtrs.close_dev(device)
    path.request(usr, rtrs.write_msg(len(usr)), cid=0, slot=path.depth - 2)
    usr = rtrs.open_dev(b"vol0")
    for slot in range(path.depth - 2):
        path.request(usr, rtrs.read_msg(len(usr), path.room(56)), hole=56,
                     cid=0, slot=slot)
    print("waiting", flush=True)
    for _ in range(path.depth - 1):
        error = path.links[0].receive().error
        expect(error == 0, f"errno {error}")


@check(None)
def data_change(address):
    """Data that change while the server's disk holds their write"""
    path = Path(address)
    device = path.open(b"vol0")
    usr = rtrs.block_io(device, rtrs.OP_WRITE, 0, 4096)
    path.request(usr, rtrs.write_msg(len(usr)), b"A" * 4096)
    time.sleep(2)
    addr, key = path.descs[0]
    expect(path.links[1].write(b"B" * 4096, addr, key), "cannot write")
    print("changed", flush=True)
    expect(path.answer() == 0, "the write has failed")


@check("dropped: send: ")
def read_elsewhere(address):
    """A read to memory that is not ours to give"""
    path = Path(address)
    device = path.open(b"vol0")
    usr = rtrs.block_io(device, rtrs.OP_READ, 0, 4096)
    path.request(usr, rtrs.read_msg(len(usr), (4096, 0xDEAD00, 4096)),
                 hole=4096)
    path.dropped()


@check("dropped: send: ")
def inval_elsewhere(address):
    """A key to invalidate that nobody has"""
    path = Path(address)
    device = path.open(b"vol0")
    usr = rtrs.block_io(device, rtrs.OP_READ, 0, 4096)
    path.request(usr, rtrs.read_msg(len(usr), (path.sink.buf, path.sink.rkey
                                               ^ 0x5500, 4096), inval=1),
                 hole=4096)
    path.dropped()


@check("")
def chunk_beyond(address):
    """A write past the memory that was given to us"""
    path = Path(address)
    addr, key = path.descs[-1]
    expect(not path.links[1].write(BLOCK, addr + path.io_size +
                                   path.hdr_size, key),
           "memory of the server can be written")


@check(None)
def random_requests(address):
    """Whatever a client may put into a chunk"""
    rng = random.Random(11)
    for _ in range(20):
        path = Path(address)
        device = path.open(b"vol0")
        usr = bytearray(rtrs.block_io(device, rtrs.OP_READ, 8, 512))
        for _ in range(rng.randrange(1, 5)):
            usr[rng.randrange(len(usr))] = rng.randrange(256)
        msg = bytearray(rtrs.read_msg(len(usr), path.room(512)))
        msg[rng.randrange(len(msg))] = rng.randrange(256)
        path.request(bytes(usr), bytes(msg), hole=512)
        time.sleep(0.05)


def run(address, name):
    """Run one check in a process of its own; return whether it passed."""
    pid = os.fork()
    if not pid:
        signal.alarm(LIMIT)
        try:
            CHECKS[name](address)
            status = 0
        except Rejected as e:
            status = print(f"FAIL {name}: rejected, {e}") or 1
        except Exception as e:  # pylint: disable=broad-except
            status = print(f"FAIL {name}: {type(e).__name__} {e}") or 1
        sys.stdout.flush()
        os._exit(status)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        print(f"FAIL {name}: signal {os.WTERMSIG(status)}")
    elif not status:
        print(f"ok {name}\t{CHECKS[name].log or ''}")
    sys.stdout.flush()
    # So that the server's messages are not held back.
    time.sleep(0.6)
    return not status


def main():
    """Run the checks that are named, or all."""
    if len(sys.argv) < 2:
        sys.exit(__doc__.splitlines()[2].strip())
    names = sys.argv[2:] or [n for n, f in CHECKS.items()
                             if f.log is not None]
    failed = [name for name in names if not run(sys.argv[1], name)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
