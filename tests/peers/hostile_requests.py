# SPDX-License-Identifier: GPL-2.0
"""What a client can get wrong once it sends requests."""

import struct
import time

import nbdwire as nbd
from hostile_handshake import check
from hostile_wire import Link, expect, joined

DIALECTS = ("simple", "structured", "extended")
TOP = (1 << 64) - 4096


def everywhere(target):
    """Yield a connection in each dialect."""
    for dialect in DIALECTS:
        with Link(target).dialect(dialect).go() as link:
            yield link
            link.alive()


@check
def request_magic(target):
    """a request without its magic ends the connection"""
    for dialect in DIALECTS:
        for magic in (nbd.SIMPLE_MAGIC, 0x25609514, 0x12560953):
            with Link(target).dialect(dialect).go() as link:
                link.request("READ", 0, 512, magic=magic)
                link.closed()


@check
def request_other_dialect(target):
    """compact requests among extended ones, and the reverse"""
    with Link(target).dialect("extended").go() as link:
        link.send(nbd.pack_request(nbd.READ, 1, 0, 512) + bytes(4))
        link.closed()
    with Link(target).go() as link:
        link.send(nbd.pack_request(nbd.READ, 1, 0, 512, extended=True))
        link.closed()


@check
def command_unknown(target):
    """unknown commands are refused, the connection goes on"""
    for link in everywhere(target):
        for command in (8, 9, 200, 65535):
            link.fails("EINVAL", command, 0, 512)


@check
def flags_unknown(target):
    """unknown command flags are refused, and the payload is not lost"""
    for link in everywhere(target):
        for flag in (1 << 6, 1 << 15):
            link.fails("EINVAL", "READ", 0, 512, flag)
            link.fails("EINVAL", "WRITE", 0, 512, flag, payload=b"x" * 512)
            link.fails("EINVAL", "FLUSH", 0, 0, flag)


@check
def flags_misplaced(target):
    """flags that belong to another command"""
    for link in everywhere(target):
        link.fails("EINVAL", "READ", 0, 512, nbd.CMD_NO_HOLE)
        link.fails("EINVAL", "WRITE", 0, 512, nbd.CMD_DF, b"x" * 512)
        link.fails("EINVAL", "READ", 0, 512, nbd.CMD_REQ_ONE)
        link.fails("EINVAL", "TRIM", 0, 4096, nbd.CMD_FAST_ZERO)


@check
def past_the_end(target):
    """ranges past the end, at the end, and those that wrap"""
    for link in everywhere(target):
        size = link.size
        for offset, length in ((size, 512), (size - 512, 1024),
                               (size + 4096, 512), (TOP, 8192),
                               ((1 << 63) - 512, 1024), (TOP, 4096)):
            link.fails("EINVAL", "READ", offset, length)
            link.fails("ENOSPC", "WRITE", offset, length,
                       payload=bytes(length))
            link.fails("EINVAL", "TRIM", offset, length)
            link.fails("ENOSPC", "WRITE_ZEROES", offset, length)
            link.fails("EINVAL", "CACHE", offset, length)
        link.fails("EINVAL", "TRIM", 4096, 0xFFFFFFFF)
        link.fails("ENOSPC", "WRITE_ZEROES", 4096, 0xFFFFFFFF)
        link.read(size - 512, 512)


@check
def no_length(target):
    """requests for nothing"""
    for link in everywhere(target):
        link.fails("EINVAL", "READ", 0, 0)
        link.fails("EINVAL", "WRITE", 0, 0)
        link.fails("EINVAL", "WRITE_ZEROES", 4096, 0)
        link.fails("EINVAL", "FLUSH", 0, 4096)
        link.fails("EINVAL", "FLUSH", 4096, 0)


@check
def read_too_long(target):
    """a READ of more than the maximum payload"""
    for link in everywhere(target):
        for length in (nbd.MAX_PAYLOAD + 1, 0x7FFFFFFF, 0xFFFFFFFF):
            link.fails("EINVAL", "READ", 0, length)


@check
def write_too_long(target):
    """a WRITE of more than that: refused or dropped, never kept"""
    for dialect in DIALECTS:
        with Link(target).dialect(dialect).go() as link:
            length = nbd.MAX_PAYLOAD + 4096
            cookie = link.request("WRITE", 0, length)
            for _ in range(length >> 12):
                link.send(bytes(4096))
            reply = link.answer({cookie: 0})
            expect(reply.error in (nbd.EINVAL, nbd.ENOSPC),
                   f"error {reply.error}")
            link.alive()
        with Link(target).dialect(dialect).go() as link:
            link.request("WRITE", 0, 0xFFFFFFFF)
            link.closed()


@check
def extended_lengths(target):
    """64-bit lengths"""
    with Link(target).dialect("extended").go() as link:
        link.fails("EINVAL", "READ", 0, 1 << 40)
        link.fails("EINVAL", "READ", 4096, TOP)
        link.fails("EINVAL", "TRIM", 0, 1 << 33)
        link.fails("ENOSPC", "WRITE_ZEROES", 0, (1 << 64) - 1)
        link.works("WRITE_ZEROES", 0, min(link.size, 1 << 20))
        link.alive()
        link.request("WRITE", 0, 1 << 33)
        link.closed()


@check
def extended_payload_flag(target):
    """PAYLOAD_LEN where it does not belong, and missing where it does"""
    with Link(target).dialect("extended").go() as link:
        flag = nbd.CMD_PAYLOAD_LEN
        link.fails("EINVAL", "WRITE", 0, 512, flag)  # that is: without it
        link.fails("EINVAL", "READ", 0, 512, flag, payload=b"x" * 512)
        link.fails("EINVAL", "TRIM", 0, 512, flag, payload=b"x" * 512)
        link.alive()
    with Link(target).go() as link:
        link.fails("EINVAL", "WRITE", 0, 512, nbd.CMD_PAYLOAD_LEN,
                   b"x" * 512)
        link.alive()


@check
def write_cut(target):
    """a WRITE whose client dies half way leaves no trace"""
    with Link(target).go() as good:
        good.works("WRITE", 65536, 65536, payload=b"A" * 65536)
        for sent in (0, 1, 511, 4096, 65535):
            with Link(target).go() as link:
                link.request("WRITE", 65536, 65536, payload=b"B" * sent)
        time.sleep(0.2)
        expect(good.read(65536, 65536) == b"A" * 65536,
               "half a WRITE was carried out")


@check
def header_cut(target):
    """a client that dies at each byte of a request's header"""
    for dialect in ("simple", "extended"):
        with Link(target).dialect(dialect).go() as good:
            header = nbd.pack_request(nbd.READ, 1, 0, 512,
                                      extended=good.extended)
            for length in range(0, len(header), 3):
                with Link(target).dialect(dialect).go() as link:
                    link.send(header[:length])
            good.alive()


@check
def header_in_pieces(target):
    """requests and payloads that come in small pieces"""
    for dialect in DIALECTS:
        with Link(target).dialect(dialect).go() as link:
            flags = nbd.CMD_PAYLOAD_LEN if link.extended else 0
            data = nbd.pack_request(nbd.WRITE, 7, 8192, 1000, flags,
                                    link.extended) + b"pieces...!" * 100
            for i in range(0, len(data), 13):
                link.send(data[i:i + 13])
                time.sleep(0.001)
            expect(link.answer({7: 0}).error == 0, "WRITE in pieces")
            expect(link.read(8192, 1000) == b"pieces...!" * 100, "data")


@check
def read_only(target):
    """a read-only export takes no change"""
    if not target.read_only:
        return
    for dialect in DIALECTS:
        with Link(target).dialect(dialect).go(target.read_only) as link:
            expect(link.flags & nbd.FLAGS["ro"], "not read-only")
            link.fails("EPERM", "WRITE", 0, 512, payload=bytes(512))
            for command, offer in (("TRIM", "trim"),
                                   ("WRITE_ZEROES", "zeroes")):
                error = "EPERM" if link.flags & nbd.FLAGS[offer] else "EINVAL"
                link.fails(error, command, 0, 4096)
            link.alive()


@check
def block_status(target):
    """BLOCK_STATUS: refused unless agreed on, and covering no more"""
    for dialect in ("structured", "extended"):
        with Link(target).dialect(dialect).go() as link:
            link.fails("EINVAL", "BLOCK_STATUS", 0, 4096)
            link.alive()
        with Link(target).dialect(dialect) as link:
            link.meta()
            link.go()
            reply = link.works("BLOCK_STATUS", 0, link.size)
            total = sum(length for length, _ in reply.extents)
            expect(0 < total <= link.size, f"{total} bytes of {link.size}")
            one = link.works("BLOCK_STATUS", 0, link.size, nbd.CMD_REQ_ONE)
            expect(len(one.extents) == 1, f"{len(one.extents)} extents")
            link.fails("EINVAL", "BLOCK_STATUS", link.size, 512)
            link.fails("EINVAL", "BLOCK_STATUS", 0, 0)


@check
def dont_fragment(target):
    """DF gets one chunk of data"""
    with Link(target).dialect("structured").go() as link:
        if not link.flags & nbd.FLAGS["df"]:
            return
        reply = link.works("READ", 0, 1 << 20, nbd.CMD_DF)
        expect(reply.kinds in ([1], [1, 0]), f"chunks {reply.kinds}")


@check
def every_dialect_reads_the_same(target):
    """data and holes put together are the same bytes in each dialect"""
    with Link(target).go() as link:
        link.works("WRITE_ZEROES", 1 << 20, 1 << 20)
        for i in range(0, 1 << 20, 128 << 10):
            link.works("WRITE", (1 << 20) + i, 6000, payload=b"%6d" % i * 1000)
        plain = link.read(1 << 20, 1 << 20)
    for dialect in ("structured", "extended"):
        with Link(target).dialect(dialect).go() as link:
            expect(link.read(1 << 20, 1 << 20) == plain, dialect)


@check
def unaligned(target):
    """512-byte I/O without block sizes; any byte where the minimum is 1"""
    with Link(target).go(infos=()) as link:
        link.works("WRITE", 0, 8192, payload=b"0" * 8192)
        link.works("WRITE", 512, 512, payload=b"1" * 512)
        link.works("WRITE", 3584, 1024, payload=b"2" * 1024)
        want = bytearray(b"0" * 8192)
        want[512:1024] = b"1" * 512
        want[3584:4608] = b"2" * 1024
        expect(link.read(0, 8192) == want, "512-byte writes")
    with Link(target).go() as link:
        if not link.blocks or link.blocks[0] > 1:
            return
        for offset, length in ((1, 1), (511, 3), (4095, 2), (777, 5000)):
            data = target.rng.randbytes(length)
            link.works("WRITE", offset, length, payload=data)
            want[offset:offset + length] = data
            expect(link.read(offset, length) == data, f"{offset}+{length}")
        expect(link.read(0, 8192) == want, "byte writes")


@check
def zeroes_and_trim(target):
    """WRITE_ZEROES reads back as zeroes, FAST_ZERO may say it is slow"""
    with Link(target).go() as link:
        for flags in (0, nbd.CMD_NO_HOLE, nbd.CMD_FUA):
            if flags == nbd.CMD_FUA and not link.flags & nbd.FLAGS["fua"]:
                continue
            link.works("WRITE", 0, 65536, payload=b"Z" * 65536)
            link.works("WRITE_ZEROES", 4096, 32768, flags)
            want = b"Z" * 4096 + bytes(32768) + b"Z" * 28672
            expect(link.read(0, 65536) == want, f"zeroes, flags {flags}")
        if link.flags & nbd.FLAGS["fast"]:
            reply = link.call("WRITE_ZEROES", 0, 4096, nbd.CMD_FAST_ZERO)
            expect(reply.error in (0, nbd.ENOTSUP), f"error {reply.error}")
        if link.flags & nbd.FLAGS["trim"]:
            link.works("TRIM", 0, 65536)
            link.works("TRIM", 512, 512)


@check
def zeroes_unaligned(target):
    """zeroes over a range that fits no block"""
    with Link(target).go(infos=()) as link:
        link.works("WRITE", 0, 16384, payload=b"Y" * 16384)
        link.works("WRITE_ZEROES", 512, 11264)
        want = b"Y" * 512 + bytes(11264) + b"Y" * (16384 - 11776)
        expect(link.read(0, 16384) == want, "the edges")


@check
def cookies(target):
    """any cookie is good, also the same one again"""
    with Link(target).dialect("structured").go() as link:
        for cookie in (0, 1, (1 << 64) - 1, 0x7FFFFFFFFFFFFFFF):
            link.request("READ", 0, 512, cookie=cookie)
            link.answer({cookie: 512})
        for _ in range(2):
            link.request("WRITE", 0, 512, payload=bytes(512), cookie=5)
        for _ in range(2):
            link.answer({5: 0})


@check
def watching(target):
    """one wait for another size at a time, and whoever waits may go"""
    for link in everywhere(target):
        link.fails("EINVAL", "UNBD_WATCH", link.size, 1)
        link.fails("EINVAL", "UNBD_WATCH", link.size, 0, nbd.CMD_FUA)
        link.works("UNBD_WATCH", link.size + 1)
        link.works("UNBD_WATCH", (1 << 64) - 1)
        first = link.request("UNBD_WATCH", link.size)
        second = link.request("UNBD_WATCH", link.size + 1)
        reply = link.answer({first: 0, second: 0})
        expect((reply.cookie, reply.error) == (second, nbd.EINVAL),
               "a second one")
    with Link(target).go() as link:
        link.request("UNBD_WATCH", link.size)
        link.request("DISC")
        link.closed()


@check
def random_requests(target):
    """headers of random bytes: the server answers or hangs up, and lives"""
    for i in range(60):
        dialect = DIALECTS[i % 3]
        with Link(target).dialect(dialect).go() as link:
            magic = nbd.EXT_REQUEST_MAGIC if link.extended \
                else nbd.REQUEST_MAGIC
            body = bytearray(target.rng.randbytes(28 if link.extended else 24))
            if i % 4:
                body[2:4] = struct.pack(">H", target.rng.randrange(9))
                body[12:17] = bytes(5)
            link.send(struct.pack(">I", magic) + body)
            link.end()
    with Link(target).go() as link:
        link.alive()


@check
def error_in_read(target):
    """an error under structured replies is a chunk, not a simple reply"""
    with Link(target).dialect("structured").go() as link:
        reply = link.call("READ", link.size, 512)
        expect(not reply.simple and reply.error == nbd.EINVAL,
               f"simple {reply.simple}, error {reply.error}")
        data = link.works("READ", 0, 1024)
        expect(not data.simple, "simple reply to a READ")
        joined(data, 0, 1024)
