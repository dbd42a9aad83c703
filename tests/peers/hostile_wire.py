# SPDX-License-Identifier: GPL-2.0
"""A raw NBD client that sends what it is told, and checks what comes back."""

import socket
import struct
import time

import nbdwire as nbd

PATIENCE = 60  # seconds for an answer; an emulated debug kernel is slow


class Wrong(Exception):
    """The server did not do what it should have done."""


def expect(condition, text):
    """Fail the check unless the condition holds."""
    if not condition:
        raise Wrong(text)


class Reply:
    """What came back for one request: all its chunks put together."""

    def __init__(self, cookie):
        self.cookie = cookie
        self.error = 0
        self.data = {}          # offset -> bytes, None for a hole's length
        self.kinds = []
        self.extents = []
        self.simple = False


class Link:
    """A connection, from nothing said to the transmission phase."""

    def __init__(self, target, greet=True):
        self.target = target
        family, where = nbd.parse_address(target.address)
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(where)
        if family != socket.AF_UNIX and family != socket.AF_VSOCK:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.structured = self.extended = False
        self.size, self.flags, self.blocks = 0, 0, None
        self.cookie = 0x100
        if greet:
            self.greeting()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def end(self):
        """Send no more; the server may have hung up meanwhile."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def send(self, data):
        """Send all of it; the server may have hung up meanwhile."""
        try:
            self.sock.sendall(data)
        except socket.timeout as e:
            raise Wrong("the server takes nothing any more") from e
        except OSError as e:
            raise Wrong(f"send: {e}") from e

    def receive(self, length):
        """Receive exactly `length` bytes."""
        try:
            return nbd.receive(self.sock, length)
        except socket.timeout as e:
            raise Wrong(f"no answer within {PATIENCE} s") from e
        except (EOFError, OSError) as e:
            raise Wrong(f"answer expected: {e}") from e

    def closed(self, within=PATIENCE):
        """Expect the server to hang up within a time, saying nothing before.

        Return how long that took.
        """
        start = time.monotonic()
        self.sock.settimeout(within)
        try:
            data = self.sock.recv(1)
        except socket.timeout as e:
            raise Wrong(f"still connected after {within} s") from e
        except OSError:
            data = b""
        expect(not data, "the server answered instead of hanging up")
        return time.monotonic() - start

    def closed_after_greeting(self, within):
        """Take the greeting, say nothing, and expect to be hung up on."""
        self.receive(18)
        return self.closed(within * 3)

    def greeting(self, flags=nbd.FIXED_NEWSTYLE | nbd.NO_ZEROES):
        """Take the server's greeting and answer it."""
        first, second, offered = struct.unpack(">QQH", self.receive(18))
        expect(first == nbd.INIT_MAGIC and second == nbd.OPT_MAGIC,
               f"greeting {first:#x} {second:#x}")
        expect(offered == 3, f"handshake flags {offered:#x}")
        self.send(struct.pack(">I", flags))

    def option(self, option, data=b"", length=None, magic=nbd.OPT_MAGIC):
        """Send an option."""
        number = nbd.OPTIONS.get(option, option)
        length = len(data) if length is None else length
        self.send(struct.pack(">QII", magic, number, length) + data)
        return number

    def reply(self, option):
        """Receive one option reply: (type, data)."""
        magic, number, kind, length = struct.unpack(">QIII", self.receive(20))
        expect(magic == nbd.REP_MAGIC, f"option reply magic {magic:#x}")
        expect(number == option, f"reply to {number}, asked {option}")
        expect(length <= 65536, f"reply of {length} bytes")
        return kind, self.receive(length)

    def replies(self, option):
        """Receive option replies up to the final one: ([...], type)."""
        parts = []
        while True:
            kind, data = self.reply(option)
            if kind == nbd.REP_ACK or kind >> 31:
                return parts, kind
            parts.append((kind, data))

    def ask(self, option, data=b"", **kwargs):
        """Send an option and return its replies."""
        return self.replies(self.option(option, data, **kwargs))

    def refused(self, error, option, data=b"", **kwargs):
        """Expect an option to be refused with this error."""
        _, kind = self.ask(option, data, **kwargs)
        expect(kind == nbd.rep_error(error),
               f"{option}: reply {kind:#x}, expected {error}")

    def acked(self, option, data=b"", **kwargs):
        """Expect an option to be acknowledged; return what came before."""
        parts, kind = self.ask(option, data, **kwargs)
        expect(kind == nbd.REP_ACK, f"{option}: reply {kind:#x}")
        return parts

    def go(self, name=None, infos=(nbd.INFO_BLOCK_SIZE,)):
        """Enter transmission; return self."""
        name = self.target.export if name is None else name
        for kind, data in self.acked("GO", go_data(name, infos)):
            expect(kind == nbd.REP_INFO, f"GO: reply {kind}")
            what, = struct.unpack_from(">H", data)
            if what == nbd.INFO_EXPORT:
                self.size, self.flags = struct.unpack(">QH", data[2:])
            elif what == nbd.INFO_BLOCK_SIZE:
                self.blocks = struct.unpack(">III", data[2:])
        expect(self.flags & 1, "GO without INFO_EXPORT")
        return self

    def dialect(self, name):
        """Agree on "simple", "structured" or "extended"; return self."""
        if name == "structured":
            self.acked("STRUCTURED_REPLY")
            self.structured = True
        elif name == "extended":
            self.acked("EXTENDED_HEADERS")
            self.structured = self.extended = True
        return self

    def meta(self, queries=(b"base:allocation",)):
        """Agree on metadata contexts; return {id: name}."""
        parts = self.acked("SET_META_CONTEXT",
                           meta_data(self.target.export, queries))
        return {struct.unpack(">I", data[:4])[0]: data[4:]
                for _, data in parts}

    def request(self, command, offset=0, length=0, flags=0, payload=b"",
                magic=None, cookie=None):
        """Send a request and return its cookie."""
        kind = nbd.COMMANDS.get(command, command)
        if cookie is None:
            self.cookie += 1
            cookie = self.cookie
        if self.extended and command == "WRITE":
            flags ^= nbd.CMD_PAYLOAD_LEN
        self.send(nbd.pack_request(kind, cookie, offset, length, flags,
                                   self.extended, magic) + payload)
        return cookie

    def answer(self, lengths):
        """Receive replies until one is complete.

        `lengths` maps the cookies in flight to the bytes that a simple reply
        to a READ carries (0 for others). The reply is kept in self.partial
        while chunks of others come in between.
        """
        partial = self.__dict__.setdefault("partial", {})
        while True:
            magic, = struct.unpack(">I", self.receive(4))
            if magic == nbd.SIMPLE_MAGIC:
                return self.simple_reply(lengths)
            want = nbd.EXT_CHUNK_MAGIC if self.extended else nbd.CHUNK_MAGIC
            expect(magic == want and self.structured,
                   f"reply magic {magic:#x}")
            flags, kind, cookie, length = self.chunk_header()
            expect(cookie in lengths, f"reply to unknown cookie {cookie:#x}")
            reply = partial.setdefault(cookie, Reply(cookie))
            self.chunk(reply, kind, self.receive(length))
            if flags & nbd.CHUNK_DONE:
                return partial.pop(cookie)

    def chunk_header(self):
        """Receive the rest of a chunk's header."""
        if self.extended:
            flags, kind, cookie, _, length = struct.unpack(
                ">HHQQQ", self.receive(28))
        else:
            flags, kind, cookie, length = struct.unpack(
                ">HHQI", self.receive(16))
        expect(length <= nbd.MAX_PAYLOAD + 64, f"chunk of {length} bytes")
        return flags, kind, cookie, length

    def simple_reply(self, lengths):
        """Receive the rest of a simple reply."""
        expect(not self.extended, "simple reply with extended headers")
        error, cookie = struct.unpack(">IQ", self.receive(12))
        expect(cookie in lengths, f"reply to unknown cookie {cookie:#x}")
        reply = Reply(cookie)
        reply.simple, reply.error = True, error
        if lengths[cookie] and not error:
            expect(not self.structured, "simple reply with data")
            reply.data[None] = self.receive(lengths[cookie])
        return reply

    @staticmethod
    def chunk(reply, kind, data):
        """Take one chunk apart."""
        reply.kinds.append(kind)
        if kind == nbd.CHUNK_DATA:
            offset, = struct.unpack_from(">Q", data)
            reply.data[offset] = data[8:]
        elif kind == nbd.CHUNK_HOLE:
            offset, length = struct.unpack(">QI", data)
            reply.data[offset] = bytes(length)
        elif kind in (nbd.CHUNK_ERROR, nbd.CHUNK_ERROR_OFFSET):
            reply.error, = struct.unpack_from(">I", data)
        elif kind == nbd.CHUNK_STATUS:
            reply.extents += struct.iter_unpack(">II", data[4:])
        elif kind == nbd.CHUNK_STATUS_EXT:
            reply.extents += struct.iter_unpack(">QQ", data[8:])
        else:
            expect(kind == nbd.CHUNK_NONE, f"chunk of type {kind}")

    def call(self, command, offset=0, length=0, flags=0, payload=b""):
        """Send one request and return its reply."""
        cookie = self.request(command, offset, length, flags, payload)
        return self.answer({cookie: length if command == "READ" else 0})

    def fails(self, error, command, offset=0, length=0, flags=0, payload=b""):
        """Expect a request to fail with this error."""
        reply = self.call(command, offset, length, flags, payload)
        expect(reply.error == nbd.ERRORS[error],
               f"{command} {offset}+{length} flags {flags:#x}: error "
               f"{reply.error}, expected {error}")

    def works(self, command, offset=0, length=0, flags=0, payload=b""):
        """Expect a request to succeed; return its reply."""
        reply = self.call(command, offset, length, flags, payload)
        expect(not reply.error, f"{command} {offset}+{length} flags "
               f"{flags:#x}: error {reply.error}")
        return reply

    def read(self, offset, length, flags=0):
        """Read and return the bytes."""
        return joined(self.works("READ", offset, length, flags), offset,
                      length)

    def alive(self):
        """Expect the connection to be of use still."""
        self.read(0, 512)


def joined(reply, offset, length):
    """Put the chunks of a READ together, each byte exactly once."""
    if None in reply.data:
        return reply.data[None]
    data, place = b"", offset
    for start in sorted(reply.data):
        expect(start == place, f"chunk at {start}, expected {place}")
        data += reply.data[start]
        place += len(reply.data[start])
    expect(len(data) == length, f"{len(data)} bytes of {length}")
    return data


def go_data(name, infos=()):
    """Return the data of GO and INFO."""
    raw = name.encode()
    return (struct.pack(">I", len(raw)) + raw + struct.pack(">H", len(infos)) +
            b"".join(struct.pack(">H", i) for i in infos))


def meta_data(name, queries):
    """Return the data of the metadata options."""
    raw = name.encode()
    return (struct.pack(">I", len(raw)) + raw +
            struct.pack(">I", len(queries)) +
            b"".join(struct.pack(">I", len(q)) + q for q in queries))
