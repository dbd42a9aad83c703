# SPDX-License-Identifier: GPL-2.0
"""What the scripted server can do wrong once it answers requests.

Each fault takes the frames of a correct answer and returns those to send
instead. FAULTS maps the name to the function, whose first line describes it.
"""

import struct

import nbdwire as nbd
from script_store import Gone

FAULTS = {}


class Frame:
    """One simple reply or one chunk, every field open to abuse."""

    def __init__(self, conn, request, kind=nbd.CHUNK_NONE, payload=b"",
                 simple=None, error=0):
        self.simple = not conn.structured if simple is None else simple
        self.extended = conn.extended
        self.kind, self.payload, self.error = kind, payload, error
        self.cookie = request.cookie
        self.offset = request.offset
        self.flags = 0
        self.length = None
        self.magic = None

    def encode(self):
        """Return the bytes."""
        if self.simple:
            return struct.pack(">IIQ", self.magic or nbd.SIMPLE_MAGIC,
                               self.error, self.cookie) + self.payload
        length = len(self.payload) if self.length is None else self.length
        if self.extended:
            return struct.pack(">IHHQQQ", self.magic or nbd.EXT_CHUNK_MAGIC,
                               self.flags, self.kind, self.cookie,
                               self.offset, length) + self.payload
        return struct.pack(">IHHQI", self.magic or nbd.CHUNK_MAGIC,
                           self.flags, self.kind, self.cookie,
                           length & 0xFFFFFFFF) + self.payload


def fault(function):
    """Register a fault under its name with dashes."""
    FAULTS[function.__name__.strip("_").replace("_", "-")] = function
    return function


def finish(frames):
    """Set DONE on the last chunk and on no other."""
    for frame in frames:
        frame.flags &= ~nbd.CHUNK_DONE
    if not frames[-1].simple:
        frames[-1].flags |= nbd.CHUNK_DONE
    return frames


def data_frame(conn, request, offset, data):
    """Return a chunk with data for an absolute offset."""
    return Frame(conn, request, nbd.CHUNK_DATA,
                 struct.pack(">Q", offset % (1 << 64)) + data, simple=False)


def hole_frame(conn, request, offset, length):
    """Return a chunk with a hole."""
    return Frame(conn, request, nbd.CHUNK_HOLE,
                 struct.pack(">QI", offset % (1 << 64), length), simple=False)


def error_frame(conn, request, error, message=b"", offset=None):
    """Return an error, as a chunk where these are spoken."""
    if not conn.structured:
        return Frame(conn, request, error=error)
    payload = struct.pack(">IH", error, len(message)) + message
    kind = nbd.CHUNK_ERROR
    if offset is not None:
        kind, payload = nbd.CHUNK_ERROR_OFFSET, payload + struct.pack(
            ">Q", offset)
    return Frame(conn, request, kind, payload, simple=False)


def halves(request):
    """Return (offset, length) of both halves of a request."""
    half = request.length // 2
    return ((request.offset, half),
            (request.offset + half, request.length - half))


def half_data(conn, request, which):
    """Return a data chunk for one half of a READ."""
    offset, length = halves(request)[which]
    return data_frame(conn, request, offset, conn.store.read(offset, length))


# Replies that do not belong.

@fault
def wrong_cookie(_conn, _request, frames, arg):
    """the cookie XOR ARG (default: bit 63)"""
    for frame in frames:
        frame.cookie ^= int(arg or "0x8000000000000000", 0)
    return frames


@fault
def twice(_conn, _request, frames, _arg):
    """the whole answer two times"""
    return frames + frames


@fault
def unsolicited(conn, request, frames, _arg):
    """before the answer, one to a request that was never sent"""
    extra = Frame(conn, request)
    extra.cookie = 0xDEADBEEF00000000 | request.cookie & 0xFFFF
    return finish([extra]) + frames


@fault
def bad_magic(_conn, _request, frames, _arg):
    """no magic that NBD knows"""
    frames[0].magic = 0x21436587
    return frames


@fault
def garbage(conn, _request, frames, _arg):
    """random bytes in place of the answer"""
    conn.wire.send(conn.rng.randbytes(sum(len(f.encode()) for f in frames)))
    return []


@fault
def simple_for_structured(conn, request, _frames, _arg):
    """a simple reply though chunks were agreed on"""
    return [Frame(conn, request, payload=conn.read_payload(request),
                  simple=True)]


@fault
def structured_for_simple(conn, request, _frames, _arg):
    """chunks though only simple replies were agreed on"""
    data = conn.read_payload(request)
    if not data:
        return finish([Frame(conn, request, simple=False)])
    return finish([data_frame(conn, request, request.offset, data)])


@fault
def data_for_write(conn, request, _frames, _arg):
    """data in the answer to something that is no READ"""
    return finish([data_frame(conn, request, request.offset, bytes(512))])


@fault
def status_for_read(conn, request, frames, _arg):
    """block status that nobody asked for"""
    return [Frame(conn, request, nbd.CHUNK_STATUS,
                  struct.pack(">III", 42, request.length, 0),
                  simple=False)] + frames


# READ data that does not fit the request.

@fault
def chunk_before(conn, request, _frames, _arg):
    """data for the place before the request"""
    return finish([data_frame(conn, request, request.offset - 512,
                              conn.read_payload(request))])


@fault
def chunk_after(conn, request, _frames, _arg):
    """data for the place behind the request"""
    return finish([data_frame(conn, request, request.offset + request.length,
                              conn.read_payload(request))])


@fault
def chunk_wrap(conn, request, _frames, _arg):
    """an offset near 2^64, so that offset + length wraps"""
    return finish([data_frame(conn, request, -512,
                              conn.read_payload(request))])


@fault
def chunk_overlap(conn, request, frames, _arg):
    """the first half of the data two times, then all of the data"""
    return finish([half_data(conn, request, 0), half_data(conn, request, 0)] +
                  frames)


@fault
def chunk_repeat(conn, request, _frames, _arg):
    """the first half two times and never the second: the sum is right"""
    return finish([half_data(conn, request, 0), half_data(conn, request, 0)])


@fault
def chunk_backwards(conn, request, _frames, arg):
    """all of the data in chunks of ARG bytes, the last one first"""
    step = int(arg)
    places = range(request.offset, request.offset + request.length, step)
    return finish([data_frame(conn, request, at, conn.store.read(at, step))
                   for at in reversed(places)])


@fault
def hole_overlap(conn, request, frames, _arg):
    """a hole over the first half, then all of the data"""
    offset, length = halves(request)[0]
    return finish([hole_frame(conn, request, offset, length)] + frames)


@fault
def hole_outside(conn, request, frames, _arg):
    """a hole that begins in the request and ends behind it"""
    return finish([hole_frame(conn, request, request.offset,
                              request.length + 512)] + frames)


@fault
def hole_empty(conn, request, frames, _arg):
    """a hole of no bytes"""
    return finish([hole_frame(conn, request, request.offset, 0)] + frames)


@fault
def hole_huge(conn, request, _frames, _arg):
    """a hole of 4 GiB - 1"""
    return finish([hole_frame(conn, request, request.offset, 0xFFFFFFFF)])


@fault
def hole_cut(conn, request, frames, _arg):
    """a hole chunk of 11 bytes"""
    frame = hole_frame(conn, request, request.offset, request.length)
    frame.payload = frame.payload[:11]
    return finish([frame] + frames)


@fault
def short_data(conn, request, frames, _arg):
    """DONE with only the first half (simple: half, then the end)"""
    if frames[0].simple:
        wire = frames[0].encode()
        conn.wire.send(wire[:16 + request.length // 2])
        raise Gone("short data")
    return finish([half_data(conn, request, 0)])


@fault
def no_data(conn, request, _frames, _arg):
    """DONE without any data (simple: a header, and no more comes)"""
    return finish([Frame(conn, request)])


@fault
def long_data(conn, request, _frames, _arg):
    """512 bytes more than were asked for"""
    data = conn.store.read(request.offset, request.length + 512)
    if not conn.structured:
        return [Frame(conn, request, payload=data)]
    return finish([data_frame(conn, request, request.offset, data)])


@fault
def tiny_data(conn, request, frames, _arg):
    """a data chunk too small for its offset"""
    return finish([Frame(conn, request, nbd.CHUNK_DATA, bytes(4),
                         simple=False)] + frames)


@fault
def empty_data(conn, request, frames, _arg):
    """a data chunk with an offset and no data"""
    return finish([data_frame(conn, request, request.offset, b"")] + frames)


# Chunks that are malformed.

@fault
def absurd_length(_conn, _request, frames, arg):
    """a chunk that claims ARG bytes (default 2^32-1; extended 2^64-1)"""
    frames[0].length = int(arg, 0) if arg else (1 << 64) - 1
    return frames


@fault
def unknown_chunk(conn, request, frames, _arg):
    """a chunk of type 99"""
    return finish([Frame(conn, request, 99, bytes(8), simple=False)] + frames)


@fault
def unknown_error(conn, request, _frames, _arg):
    """an error chunk of type 0x80ff (to be taken as some error)"""
    return finish([Frame(conn, request, 0x80FF,
                         struct.pack(">IH", nbd.EIO, 0), simple=False)])


@fault
def unknown_flags(_conn, _request, frames, _arg):
    """a chunk with flag bit 5 set"""
    frames[0].flags |= 1 << 5
    return frames


@fault
def none_payload(conn, request, frames, _arg):
    """a chunk of type NONE that carries 8 bytes"""
    return finish(frames + [Frame(conn, request, payload=bytes(8),
                                  simple=False)])


@fault
def no_done(_conn, _request, frames, _arg):
    """all the data and never DONE"""
    for frame in frames:
        frame.flags &= ~nbd.CHUNK_DONE
    return frames


@fault
def done_twice(conn, request, frames, _arg):
    """another DONE when the answer was complete"""
    return frames + finish([Frame(conn, request)])


@fault
def ext_offset(_conn, _request, frames, _arg):
    """an extended header that echoes another offset"""
    for frame in frames:
        frame.offset += 4096
    return frames


@fault
def ext_as_structured(_conn, _request, frames, _arg):
    """compact chunk headers though extended ones were agreed on"""
    for frame in frames:
        frame.extended = False
    return frames


# Errors.

@fault
def error(conn, request, _frames, arg):
    """the error ARG, by name or number (default EIO)"""
    number = nbd.ERRORS.get(arg) if arg else nbd.EIO
    number = int(arg, 0) if number is None else number
    return finish([error_frame(conn, request, number, b"by script")])


@fault
def error_simple(conn, request, _frames, arg):
    """the error as a simple reply, as nbd-server does"""
    return [Frame(conn, request, simple=True,
                  error=nbd.ERRORS[arg or "EIO"])]


@fault
def error_offset(conn, request, _frames, arg):
    """an error with its place"""
    return finish([error_frame(conn, request, nbd.ERRORS[arg or "EIO"],
                               b"there", request.offset)])


@fault
def error_outside(conn, request, _frames, arg):
    """an error at a place outside the request"""
    return finish([error_frame(conn, request, nbd.ERRORS[arg or "EIO"], b"",
                               request.offset + request.length + 512)])


@fault
def error_midway(conn, request, _frames, arg):
    """half of the data, then an error"""
    if not conn.structured:
        raise Gone("error midway")
    return finish([half_data(conn, request, 0),
                   error_frame(conn, request, nbd.ERRORS[arg or "EIO"])])


@fault
def error_first(conn, request, frames, arg):
    """an error, and then all of the data"""
    return finish([error_frame(conn, request, nbd.ERRORS[arg or "EIO"])] +
                  frames)


@fault
def error_zero(conn, request, _frames, _arg):
    """an error chunk with the error 0"""
    return finish([error_frame(conn, request, 0)])


@fault
def error_long_message(conn, request, _frames, _arg):
    """a message that is longer than its chunk"""
    frame = error_frame(conn, request, nbd.EIO, b"text")
    frame.payload = struct.pack(">IH", nbd.EIO, 4096) + b"text"
    return finish([frame])


@fault
def error_cut(conn, request, _frames, _arg):
    """an error chunk of 3 bytes"""
    return finish([Frame(conn, request, nbd.CHUNK_ERROR, bytes(3),
                         simple=False)])


@fault
def error_huge_message(conn, request, _frames, _arg):
    """a message of 60,000 bytes"""
    return finish([error_frame(conn, request, nbd.EIO, b"x" * 60000)])


# The course of things.

@fault
def early(_conn, _request, frames, _arg):
    """the answer before the payload of the WRITE has been read"""
    return frames  # Transmission sends it at once when it sees the name


@fault
def half(conn, _request, frames, _arg):
    """half of the bytes of the answer, then the end"""
    wire = b"".join(frame.encode() for frame in frames)
    conn.wire.send(wire[:len(wire) // 2])
    raise Gone("half an answer")


@fault
def drop(_conn, _request, _frames, _arg):
    """the end instead of an answer"""
    raise Gone("drop")


@fault
def drop_reset(conn, _request, _frames, _arg):
    """likewise, with a TCP reset"""
    conn.wire.finish("reset")


@fault
def stall(_conn, _request, _frames, _arg):
    """no answer to this request, but to others"""
    return []


@fault
def freeze(conn, _request, _frames, _arg):
    """neither read nor write any more, and do not close"""
    conn.freeze()
    return []
