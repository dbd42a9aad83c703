# SPDX-License-Identifier: GPL-2.0
"""The words that tell the scripted server what to be and what to do wrong."""

import os
import re
import threading

import nbdwire as nbd

# What a server is when nothing is said: a good and modern one.
DEFAULTS = {
    "style": "fixed",        # fixed, plain (newstyle), oldstyle
    "structured": "1",       # STRUCTURED_REPLY is understood
    "extended": "0",         # EXTENDED_HEADERS is understood
    "meta": "1",             # base:allocation is understood
    "go": "1",               # GO and INFO are understood
    "nozeroes": "1",         # NO_ZEROES is offered
    "names": "",             # exports there are, "a:b"; empty: any name
    "flags": "flush:fua:trim:zeroes:df:multi:cache:fast",  # or a number
    "size": "16M",
    "file": "",              # serve this file instead of memory
    "blocksize": "1:4096:32M",   # MIN:PREFERRED:MAX, "none" to say nothing
    "seed": "1",             # of everything that is random
    "chunks": "0",           # 1: READ data comes in random chunks
    "holes": "1",            # zeroes in a READ chunk are sent as holes
    "reorder": "0",          # answer up to N requests in random order
    "delay": "0",            # milliseconds before each answer
    "slow": "",              # BYTES:MILLISECONDS, delivery in small pieces
    "strict": "1",           # refuse requests that break the protocol
}

HANDSHAKE_FAULTS = {
    "die": "close after N bytes have been sent",
    "reset": "likewise, with a TCP reset",
    "hang": "send nothing more after N bytes, but keep the connection",
    "sweep": "FROM:TO, die after FROM bytes on the first connection, one byte "
             "more on each that follows, and not at all after TO",
    "banner": "be no NBD server: http, ssh, random, zeroes, silence",
    "magic": "a wrong first magic",
    "style-magic": "a wrong second magic",
    "reply-magic": "a wrong magic in each option reply",
    "reply-option": "option replies that name another option",
    "reply-type": "option replies of type N (default 5, unknown)",
    "reply-length": "option replies that claim N bytes (default 2^32-1)",
    "reply-endless": "GO is answered with information without end",
    "opt-error": "OPTION:ERROR, refuse an option (GO:UNKNOWN)",
    "no-export-info": "GO is acknowledged without INFO_EXPORT",
    "short-export-info": "an INFO_EXPORT of 11 bytes",
    "long-export-info": "an INFO_EXPORT of 20 bytes",
    "short-block-info": "an INFO_BLOCK_SIZE of 8 bytes",
    "unknown-info": "an information of type 77 beside the others (harmless)",
    "text-info": "name and description beside the others (harmless)",
    "unasked": "an answer to cookie N right behind that to GO",
    "meta-wrong": "a context that was not asked for",
    "other-size": "another size (with conn=2- for later connections only)",
    "other-flags": "other transmission flags, as in flags=",
    "other-blocksize": "other block sizes, as in blocksize=",
}

WORD = re.compile(r"([a-z-]+)(?:=([^,]*))?((?:,[a-z]+=[^,]+)*)$")


class Fault:
    """One thing to do wrong, and when.

    NAME[=ARG][,at=OFFSET][,cmd=READ][,skip=N][,times=N][,conn=K[-]]

    at      only requests that touch the byte at OFFSET
    cmd     only that command
    skip    not the first N that would match
    times   N times in all, then no more
    conn    only connection K, or with "K-" all from K on; the first is 1
    """

    def __init__(self, word):
        match = WORD.match(word)
        if not match:
            raise ValueError(f"{word}: not understood")
        self.name, self.arg, rest = match.groups()
        when = dict(w.split("=", 1) for w in rest.split(",") if w)
        self.at = nbd.size(when.pop("at")) if "at" in when else None
        self.cmd = when.pop("cmd", None)
        self.skip = int(when.pop("skip", 0))
        self.times = int(when.pop("times", -1))
        self.conn = when.pop("conn", None)
        if when:
            raise ValueError(f"{word}: {', '.join(when)} not understood")

    def on_connection(self, number):
        """Say whether the fault belongs on the connection of this number."""
        if self.conn is None:
            return True
        if self.conn.endswith("-"):
            return number >= int(self.conn[:-1])
        return number == int(self.conn)

    def on_request(self, request):
        """Say whether it belongs on this request, without counting."""
        if self.cmd and nbd.COMMANDS.get(self.cmd.upper()) != request.kind:
            return False
        if self.at is None:
            return True
        end = request.offset + max(request.length, 1)
        return request.offset <= self.at < end

    def spend(self):
        """Count one match; say whether the fault is due."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times == 0:
            return False
        self.times -= 1
        return True


class Script:
    """What the server has been told: settings and faults.

    The words come from the command line and from a control file, which is
    read again whenever it has changed: a test starts one server and leads it
    through all its misdeeds.
    """

    def __init__(self, words, control=None, known=()):
        self.words = list(words)
        self.control = control
        self.known = set(HANDSHAKE_FAULTS) | set(known)
        self.lock = threading.RLock()
        self.stamp = None
        self.connections = 0
        self.apply([])
        self.refresh()

    def apply(self, more):
        """Take the words of the command line and of the control file."""
        settings, faults = dict(DEFAULTS), []
        for word in self.words + more:
            key, _, value = word.partition("=")
            if key in settings:
                settings[key] = value
                continue
            fault = Fault(word)
            if fault.name not in self.known:
                raise ValueError(f"{word}: no such fault")
            faults.append(fault)
        self.settings, self.faults = settings, faults
        self.connections = 0

    def refresh(self):
        """Read the control file again if it is another one by now."""
        if not self.control or not os.path.exists(self.control):
            return
        with self.lock:
            info = os.stat(self.control)
            stamp = (info.st_mtime_ns, info.st_ino, info.st_size)
            if stamp == self.stamp:
                return
            self.stamp = stamp
            with open(self.control, encoding="utf-8") as f:
                self.apply(f.read().split())

    def __getitem__(self, key):
        return self.settings[key]

    def is_set(self, key):
        """Say whether a setting is switched on."""
        return self.settings[key] not in ("", "0")

    def next_connection(self):
        """Return the number of a new connection since the last change."""
        with self.lock:
            self.refresh()
            self.connections += 1
            return self.connections

    def fault(self, name, number, prefix=""):
        """Return the argument of a handshake fault ("" if none), or None."""
        with self.lock:
            for fault in self.faults:
                arg = fault.arg or ""
                if (fault.name == name and fault.on_connection(number) and
                        arg.startswith(prefix) and fault.spend()):
                    return arg
        return None

    def request_fault(self, request, number):
        """Return the fault that is due on a request, or None."""
        with self.lock:
            self.refresh()
            for fault in self.faults:
                if fault.name in HANDSHAKE_FAULTS:
                    continue
                if not fault.on_connection(number):
                    continue
                if fault.on_request(request) and fault.spend():
                    return fault
        return None


def transmission_flags(text):
    """Turn "flush:fua" or a number into transmission flags."""
    if re.match(r"\d", text):
        return int(text, 0)
    bits = nbd.FLAGS["has_flags"]
    for name in filter(None, text.split(":")):
        bits |= nbd.FLAGS[name]
    return bits


def block_sizes(text):
    """Turn "MIN:PREFERRED:MAX" into three numbers, "none" into None."""
    if text in ("", "none"):
        return None
    return tuple(nbd.size(word) for word in text.split(":"))
