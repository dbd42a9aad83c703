# SPDX-License-Identifier: GPL-2.0
"""What a client can get wrong, or do slowly, before transmission begins."""

import os
import struct
import time

import nbdwire as nbd
from hostile_wire import Link, Wrong, expect, go_data, meta_data

CHECKS = {}


def check(function):
    """Register a check under its name with dashes."""
    CHECKS[function.__name__.replace("_", "-")] = function
    return function


@check
def client_flags_unknown(target):
    """unknown client flags end the connection"""
    for flags in (4, 1 << 31, 0xFFFFFFFF):
        with Link(target, greet=False) as link:
            link.greeting(flags)
            link.closed()


@check
def client_flags_few(target):
    """a client without fixed newstyle gets only EXPORT_NAME, with padding"""
    with Link(target, greet=False) as link:
        link.greeting(0)
        link.option("EXPORT_NAME", target.export.encode())
        size, flags, padding = struct.unpack(">QH124s", link.receive(134))
        expect(size == target.size and flags & 1, f"{size} {flags:#x}")
        expect(not any(padding), "padding is not zero")
        link.size, link.flags = size, flags
        link.alive()


@check
def export_name_no_zeroes(target):
    """EXPORT_NAME without padding"""
    with Link(target) as link:
        link.option("EXPORT_NAME", target.export.encode())
        size, flags = struct.unpack(">QH", link.receive(10))
        expect(size == target.size and flags & 1, f"{size} {flags:#x}")
        link.alive()


@check
def export_name_unknown(target):
    """EXPORT_NAME of nothing can only be answered by hanging up"""
    for name in (b"no-such-export", b"x" * 4097, b"a\0b", b"\xff\xfe"):
        with Link(target) as link:
            link.option("EXPORT_NAME", name)
            link.closed()


@check
def export_name_extended(target):
    """EXPORT_NAME is forbidden once extended headers were agreed on"""
    with Link(target).dialect("extended") as link:
        link.option("EXPORT_NAME", target.export.encode())
        link.closed()


@check
def option_magic(target):
    """an option without its magic ends the connection"""
    with Link(target) as link:
        link.option("GO", go_data(target.export), magic=nbd.REQUEST_MAGIC)
        link.closed()


@check
def option_length_absurd(target):
    """an option of 4 GiB ends the connection before its data"""
    for length in (0xFFFFFFFF, 0x80000000, 64 << 20):
        with Link(target) as link:
            link.option("GO", b"", length=length)
            link.closed()


@check
def option_too_big(target):
    """too long an option is read, refused and forgotten"""
    with Link(target) as link:
        link.refused("TOO_BIG", "GO", bytes(60000))
        link.go().alive()


@check
def option_unknown(target):
    """what the server does not know it says so, and goes on"""
    with Link(target) as link:
        for option in (0, 4, 12, 77, 0xFFFFFFFF):
            link.refused("UNSUP", option)
            link.refused("UNSUP", option, b"data of an unknown option")
        link.go().alive()


@check
def starttls(target):
    """no TLS here: refused, and nothing is reset"""
    with Link(target) as link:
        link.dialect("structured")
        link.refused("UNSUP", "STARTTLS")
        link.go().alive()


@check
def abort(target):
    """ABORT is acknowledged, then the connection ends"""
    with Link(target) as link:
        link.acked("ABORT")
        link.closed()


@check
def list_exports(target):
    """LIST names the export; with data it is invalid"""
    with Link(target) as link:
        names = []
        for kind, data in link.acked("LIST"):
            expect(kind == nbd.REP_SERVER, f"reply {kind}")
            length, = struct.unpack_from(">I", data)
            names.append(data[4:4 + length].decode())
        expect(target.export in names, f"{target.export} not in {names}")
        link.refused("INVALID", "LIST", b"x")
        link.go().alive()


@check
def go_unknown(target):
    """GO and INFO of nothing are refused, the client may try again"""
    with Link(target) as link:
        for option in ("GO", "INFO"):
            link.refused("UNKNOWN", option, go_data("no-such-export"))
            link.refused("UNKNOWN", option, go_data("x" * 300))
            link.refused("UNKNOWN", option, go_data("../" + target.export))
        link.go().alive()


@check
def go_malformed(target):
    """GO whose parts do not fit together"""
    good = go_data(target.export, (3,))
    bad = [b"", b"\0" * 3, good[:-1], good + b"\0", good[:4],
           struct.pack(">I", 0xFFFFFFFF) + good[4:],
           struct.pack(">I", 0x7FFFFFFF) + good[4:],
           good[:-4] + struct.pack(">HH", 0xFFFF, 3),
           go_data("a\0b"), go_data("x" * 4097)]
    with Link(target) as link:
        for data in bad:
            for option in ("GO", "INFO"):
                link.refused("INVALID", option, data)
        link.go().alive()


@check
def go_unknown_info(target):
    """unknown kinds of information are passed over"""
    with Link(target) as link:
        link.go(infos=(999, 3, 0, 3, 65535)).alive()
        expect(link.blocks, "no block size information")


@check
def info_is_go(target):
    """INFO says what GO says, twice, and does not begin transmission"""
    with Link(target) as link:
        data = go_data(target.export, (3,))
        first, second = link.acked("INFO", data), link.acked("INFO", data)
        third = link.acked("GO", data)
        expect(first == second == third, f"{first} {second} {third}")
        link.alive()


@check
def block_sizes(target):
    """the block sizes keep to the rules, and who does not ask gets 512"""
    with Link(target).go() as link:
        expect(link.blocks, "no block sizes")
        least, best, most = link.blocks
        expect(least & (least - 1) == 0 and 1 <= least <= 65536, str(least))
        expect(best & (best - 1) == 0 and best >= max(least, 512), str(best))
        expect(most >= best, f"{best} {most}")
    with Link(target).go(infos=()) as link:
        expect(link.blocks is None, "block sizes that were not asked for")
        link.read(512, 512)


@check
def structured_reply_data(target):
    """STRUCTURED_REPLY takes no data"""
    with Link(target) as link:
        link.refused("INVALID", "STRUCTURED_REPLY", b"x")
        link.refused("INVALID", "EXTENDED_HEADERS", b"x")
        link.go()
        cookie = link.request("READ", 0, 512)
        expect(link.answer({cookie: 512}).simple, "structured all the same")


@check
def fence_malformed(target):
    """UNBD_FENCE takes from 1 to 17 keys of 16 bytes"""
    with Link(target) as link:
        for size in (0, 1, 15, 17, 18 * 16, 8192):
            link.refused("INVALID", "UNBD_FENCE", bytes(size))
        link.go().alive()


@check
def fence_unknown_keys(target):
    """keys that nobody has are fenced at once, one's own is not"""
    with Link(target) as other, Link(target) as link:
        told = other.acked("UNBD_FENCE", b"o" * 16)
        expect([kind for kind, _ in told] == [nbd.REP_UNBD_INSTANCE] and
               len(told[0][1]) == 16, f"UNBD_FENCE: replies {told}")
        other.go()
        expect(link.acked("UNBD_FENCE", b"k" * 16) == told, "instances")
        link.acked("UNBD_FENCE", b"k" * 16 + bytes(16) + b"k" * 16)
        link.acked("UNBD_FENCE", b"k" * 16 * 17)
        link.go().alive()
        other.alive()


@check
def fence_others(target):
    """whoever knows its key can end a connection, and only that one"""
    with Link(target) as one, Link(target) as two, Link(target) as link:
        for victim, key in ((one, b"1"), (two, b"2")):
            victim.acked("UNBD_FENCE", key * 16)
            victim.go()
        link.acked("UNBD_FENCE", b"k" * 16 + b"1" * 16)
        one.closed()
        link.go().alive()
        two.alive()


@check
def meta_before_structured(target):
    """SET_META_CONTEXT needs structured replies"""
    with Link(target) as link:
        link.refused("INVALID", "SET_META_CONTEXT",
                     meta_data(target.export, (b"base:allocation",)))
        link.go().alive()


@check
def meta_malformed(target):
    """metadata queries that do not fit the option"""
    good = meta_data(target.export, (b"base:allocation",))
    count = 4 + len(target.export)
    bad = [b"", good[:3], good[:count], good[:-1], good + b"\0",
           good[:count] + struct.pack(">I", 0xFFFFFFFF) + good[count + 4:],
           good[:count + 4] + struct.pack(">I", 0xFFFFFFFF),
           good[:count + 4] + struct.pack(">I", 0x80000000) + b"x" * 100,
           meta_data(target.export, (b"base:" + b"x" * 4092,))]
    with Link(target).dialect("structured") as link:
        for data in bad:
            link.refused("INVALID", "SET_META_CONTEXT", data)
            link.refused("INVALID", "LIST_META_CONTEXT", data)
        link.go().alive()


@check
def meta_contexts(target):
    """contexts that do not exist are left out, the last SET counts"""
    with Link(target).dialect("structured") as link:
        listed = link.acked("LIST_META_CONTEXT",
                            meta_data(target.export, ()))
        expect([d[4:] for _, d in listed] == [b"base:allocation"],
               str(listed))
        found = link.meta((b"x-none:a", b"base:allocation", b"qemu:b"))
        expect(list(found.values()) == [b"base:allocation"], str(found))
        expect(link.meta((b"x-none:a", b"base:other", b"base:")) == {},
               "a context that was not asked for")
        link.go()
        link.fails("EINVAL", "BLOCK_STATUS", 0, 4096)
        link.alive()


@check
def meta_unknown_export(target):
    """metadata of an export that is not there"""
    with Link(target).dialect("structured") as link:
        link.refused("UNKNOWN", "SET_META_CONTEXT",
                     meta_data("no-such-export", (b"base:allocation",)))
        link.go().alive()


@check
def meta_other_export(target):
    """contexts set for one export are void when another is opened"""
    if not target.read_only:
        return
    with Link(target).dialect("structured") as link:
        link.acked("SET_META_CONTEXT",
                   meta_data(target.read_only, (b"base:allocation",)))
        link.go()
        link.fails("EINVAL", "BLOCK_STATUS", 0, 4096)


@check
def options_pipelined(target):
    """several options in one segment are answered one after the other"""
    with Link(target) as link:
        go = go_data(target.export)
        link.send(struct.pack(">QII", nbd.OPT_MAGIC, 3, 0) +
                  struct.pack(">QII", nbd.OPT_MAGIC, 99, 2) + b"xy" +
                  struct.pack(">QII", nbd.OPT_MAGIC, 6, len(go)) + go)
        link.replies(3)
        expect(link.replies(99)[1] == nbd.rep_error("UNSUP"), "option 99")
        expect(link.replies(6)[1] == nbd.REP_ACK, "INFO")
        link.go().alive()


@check
def options_in_pieces(target):
    """options that come byte by byte"""
    with Link(target, greet=False) as link:
        link.receive(18)
        go = go_data(target.export, (3,))
        data = struct.pack(">IQII", 3, nbd.OPT_MAGIC, 7, len(go)) + go
        for i in range(len(data)):
            link.send(data[i:i + 1])
            time.sleep(0.002)
        link.replies(7)
        link.alive()


@check
def option_after_export_name(target):
    """in transmission an option is a request with a bad magic"""
    with Link(target) as link:
        link.option("EXPORT_NAME", target.export.encode())
        link.receive(10)
        link.option("LIST", bytes(64))
        link.closed()


@check
def go_in_transmission(target):
    """likewise after GO"""
    with Link(target).go() as link:
        link.option("GO", go_data(target.export, (3,)))
        link.closed()


@check
def cut_anywhere(target):
    """a client that goes away at each byte of its handshake"""
    go = go_data(target.export, (3,))
    data = struct.pack(">IQII", 3, nbd.OPT_MAGIC, 8, 0) + struct.pack(
        ">QII", nbd.OPT_MAGIC, 7, len(go)) + go
    for length in range(len(data) + 1):
        with Link(target, greet=False) as link:
            link.send(data[:length])
    with Link(target).go() as link:
        link.alive()


@check
def silence(target):
    """who says nothing is dropped after the time for the handshake"""
    with Link(target, greet=False) as mute, Link(target) as half:
        half.send(struct.pack(">QI", nbd.OPT_MAGIC, 7))
        took = mute.closed_after_greeting(target.handshake_limit)
        half.closed(target.handshake_limit * 2)
        low, high = target.handshake_limit * 0.8, target.handshake_limit * 2
        expect(low <= took <= high, f"dropped after {took:.1f} s")


@check
def dawdling(target):
    """the time counts as a whole, however busily the client talks"""
    start = time.monotonic()
    with Link(target) as link:
        try:
            while time.monotonic() - start < target.handshake_limit * 3:
                link.refused("UNSUP", 77)
                time.sleep(0.2)
        except Wrong:
            took = time.monotonic() - start
            expect(took >= target.handshake_limit * 0.8,
                   f"dropped after {took:.1f} s already")
            return
        raise Wrong("a handshake without end")


@check
def random_options(target):
    """options of random bytes: any answer will do, but the server lives"""
    for i in range(100):
        with Link(target) as link:
            data = target.rng.randbytes(target.rng.choice((0, 1, 7, 40, 300)))
            option = target.rng.randrange(12)
            length = len(data) + target.rng.choice((0, 0, 0, 1, -1, 5))
            link.option(option, data, length=max(length, 0))
            if i % 3 == 0:
                link.end()
    with Link(target).go() as link:
        link.alive()


@check
def reset_in_handshake(target):
    """a reset instead of a farewell"""
    for _ in range(20):
        with Link(target) as link:
            link.sock.setsockopt(1, 13, struct.pack("ii", 1, 0))
            link.send(os.urandom(5))
    with Link(target).go() as link:
        link.alive()
