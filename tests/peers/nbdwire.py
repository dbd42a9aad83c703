# SPDX-License-Identifier: GPL-2.0
"""The NBD wire format, as far as the scripted peers need it.

Everything on the wire is big-endian. Section numbers are those of the NBD
protocol description.
"""

import socket
import struct

INIT_MAGIC = 0x4E42444D41474943
OLD_MAGIC = 0x0000420281861253
OPT_MAGIC = 0x49484156454F5054
REP_MAGIC = 0x0003E889045565A9
REQUEST_MAGIC = 0x25609513
SIMPLE_MAGIC = 0x67446698
CHUNK_MAGIC = 0x668E33EF
EXT_REQUEST_MAGIC = 0x21E41C71
EXT_CHUNK_MAGIC = 0x6E8A278C

# Handshake and client flags
FIXED_NEWSTYLE = 1 << 0
NO_ZEROES = 1 << 1

OPTIONS = {"EXPORT_NAME": 1, "ABORT": 2, "LIST": 3, "PEEK_EXPORT": 4,
           "STARTTLS": 5, "INFO": 6, "GO": 7, "STRUCTURED_REPLY": 8,
           "LIST_META_CONTEXT": 9, "SET_META_CONTEXT": 10,
           "EXTENDED_HEADERS": 11, "UNBD_FENCE": 0x756e6264}
OPTION_NAMES = {v: k for k, v in OPTIONS.items()}

REP_ACK, REP_SERVER, REP_INFO, REP_META_CONTEXT = 1, 2, 3, 4
REP_UNBD_INSTANCE = 0x756e6264
REP_ERRORS = {"UNSUP": 1, "POLICY": 2, "INVALID": 3, "PLATFORM": 4,
              "TLS_REQD": 5, "UNKNOWN": 6, "SHUTDOWN": 7,
              "BLOCK_SIZE_REQD": 8, "TOO_BIG": 9, "EXT_HEADER_REQD": 10}

INFO_EXPORT, INFO_NAME, INFO_DESCRIPTION, INFO_BLOCK_SIZE = 0, 1, 2, 3

# Transmission flags
FLAGS = {"has_flags": 1 << 0, "ro": 1 << 1, "flush": 1 << 2, "fua": 1 << 3,
         "rotational": 1 << 4, "trim": 1 << 5, "zeroes": 1 << 6,
         "df": 1 << 7, "multi": 1 << 8, "resize": 1 << 9, "cache": 1 << 10,
         "fast": 1 << 11, "payload": 1 << 12}

COMMANDS = {"READ": 0, "WRITE": 1, "DISC": 2, "FLUSH": 3, "TRIM": 4,
            "CACHE": 5, "WRITE_ZEROES": 6, "BLOCK_STATUS": 7,
            "UNBD_WATCH": 0x7562}
COMMAND_NAMES = {v: k for k, v in COMMANDS.items()}
READ, WRITE, DISC, FLUSH, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS = range(8)

CMD_FUA, CMD_NO_HOLE, CMD_DF, CMD_REQ_ONE, CMD_FAST_ZERO, CMD_PAYLOAD_LEN = (
    1 << i for i in range(6))

CHUNK_DONE = 1
CHUNK_NONE, CHUNK_DATA, CHUNK_HOLE, CHUNK_STATUS, CHUNK_STATUS_EXT = (
    0, 1, 2, 5, 6)
CHUNK_ERROR, CHUNK_ERROR_OFFSET = 0x8001, 0x8002

EPERM, EIO, ENOMEM, EINVAL, ENOSPC, EOVERFLOW, ENOTSUP, ESHUTDOWN = (
    1, 5, 12, 22, 28, 75, 95, 108)
ERRORS = {"EPERM": EPERM, "EIO": EIO, "ENOMEM": ENOMEM, "EINVAL": EINVAL,
          "ENOSPC": ENOSPC, "EOVERFLOW": EOVERFLOW, "ENOTSUP": ENOTSUP,
          "ESHUTDOWN": ESHUTDOWN}

MAX_PAYLOAD = 32 << 20


def rep_error(name):
    """Return the option reply type of an error's name."""
    return 1 << 31 | REP_ERRORS[name]


def size(text):
    """Parse a number with an optional K, M, G or T behind it."""
    unit = {"K": 10, "M": 20, "G": 30, "T": 40}.get(text[-1:].upper())
    return int(text[:-1], 0) << unit if unit else int(text, 0)


def parse_address(text):
    """Turn tcp:HOST:PORT, unix:PATH or vsock:CID:PORT into (family, addr)."""
    kind, _, rest = text.partition(":")
    if kind == "unix":
        return socket.AF_UNIX, rest.replace("@", "\0", 1) \
            if rest.startswith("@") else rest
    host, _, port = rest.rpartition(":")
    if kind == "vsock":
        return socket.AF_VSOCK, (int(host or "-1", 0) & 0xFFFFFFFF, int(port))
    if kind != "tcp":
        raise ValueError(f"{text}: not tcp:, unix: or vsock:")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    info = socket.getaddrinfo(host.strip("[]"), int(port), family,
                              socket.SOCK_STREAM)
    return info[0][0], info[0][4]


def receive(sock, length):
    """Receive exactly `length` bytes; EOFError when the peer has closed."""
    data = bytearray(length)
    view, got = memoryview(data), 0
    while got < length:
        n = sock.recv_into(view[got:])
        if n == 0:
            raise EOFError(f"closed after {got} of {length} bytes")
        got += n
    return bytes(data)


def pack_request(kind, cookie, offset, length, flags=0, extended=False,
                 magic=None):
    """Return the header of a request."""
    if extended:
        return struct.pack(">IHHQQQ", magic or EXT_REQUEST_MAGIC, flags, kind,
                           cookie, offset, length)
    return struct.pack(">IHHQQI", magic or REQUEST_MAGIC, flags, kind, cookie,
                       offset, length)
