# SPDX-License-Identifier: GPL-2.0
"""The scripted server's half of the handshake, with its faults."""

import random
import struct

import nbdwire as nbd
from script_config import block_sizes, transmission_flags
from script_store import Gone

META_ID = 42
OPTION_LIMIT = 65536

BANNERS = {
    "http": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    "zeroes": bytes(4096),
}


class Handshake:
    """One connection's way from accept() to transmission."""

    def __init__(self, script, store, wire, number, trace):
        self.script, self.store, self.wire = script, store, wire
        self.number, self.trace = number, trace
        self.structured = self.extended = self.meta = False
        self.no_zeroes = False
        self.export = None
        self.size, self.flags, self.blocks = 0, 0, None

    def fault(self, name):
        """Return the argument of a fault that is due here, or None."""
        return self.script.fault(name, self.number)

    def run(self):
        """Negotiate; return when transmission begins, raise Gone otherwise."""
        self.look_up()
        banner = self.fault("banner")
        if banner is not None:
            self.play(banner)
        style = self.script["style"]
        magic = 0x4E42444D41474944 if self.fault("magic") is not None \
            else nbd.INIT_MAGIC
        second = nbd.OLD_MAGIC if style == "oldstyle" else nbd.OPT_MAGIC
        if self.fault("style-magic") is not None:
            second ^= 1 << 40
        self.wire.send(struct.pack(">QQ", magic, second))
        if style == "oldstyle":
            self.oldstyle()
        else:
            self.newstyle(style == "fixed")

    def play(self, banner):
        """Be something else than an NBD server."""
        if banner == "random":
            rng = random.Random(int(self.script["seed"]) + self.number)
            self.wire.send(rng.randbytes(4096))
        elif banner != "silence":
            self.wire.send(BANNERS[banner])
        self.wire.wait_for_close()
        raise Gone(f"played {banner}")

    def look_up(self):
        """Settle what this connection is told of the export."""
        self.size = self.store.open(self.script["file"],
                                    nbd.size(self.script["size"]))
        other = self.fault("other-size")
        if other is not None:
            self.size = nbd.size(other)
        other = self.fault("other-flags")
        self.flags = transmission_flags(
            self.script["flags"] if other is None else other)
        other = self.fault("other-blocksize")
        self.blocks = block_sizes(
            self.script["blocksize"] if other is None else other)

    def oldstyle(self):
        """Everything in one message, no choice for the client."""
        self.wire.send(struct.pack(">QI124x", self.size, self.flags))
        self.blocks = None
        self.trace("oldstyle")

    def newstyle(self, fixed):
        """Exchange flags, then options until one ends the handshake."""
        flags = (nbd.FIXED_NEWSTYLE if fixed else 0) | (
            nbd.NO_ZEROES if self.script.is_set("nozeroes") else 0)
        self.wire.send(struct.pack(">H", flags))
        client, = struct.unpack(">I", self.wire.receive(4))
        self.trace(f"client-flags {client:#x}")
        if client & ~flags:
            self.violation(f"client flags {client:#x}, offered {flags:#x}")
        self.no_zeroes = bool(client & nbd.NO_ZEROES)
        while not self.option(fixed and client & nbd.FIXED_NEWSTYLE):
            pass

    def option(self, fixed):
        """Handle one option; say whether transmission begins."""
        magic, option, length = struct.unpack(">QII", self.wire.receive(16))
        if magic != nbd.OPT_MAGIC or length > OPTION_LIMIT:
            self.violation(f"option magic {magic:#x} length {length}")
            raise Gone("bad option")
        data = self.wire.receive(length)
        name = nbd.OPTION_NAMES.get(option, str(option))
        self.trace(f"option {name} {length}")
        if name == "EXPORT_NAME":
            return self.export_name(data)
        if not fixed:
            self.violation(f"option {name} without fixed newstyle")
            raise Gone("option before its time")
        refusal = self.refusal(name)
        if refusal:
            self.reply(option, nbd.rep_error(refusal), b"refused by script")
            return False
        handler = getattr(self, "on_" + name.lower(), None)
        if handler is None:
            self.reply(option, nbd.rep_error("UNSUP"))
            return False
        return handler(option, data)

    def refusal(self, name):
        """Return the error an option is to be refused with, if any."""
        word = self.script.fault("opt-error", self.number, name + ":")
        return word and word.partition(":")[2]

    def violation(self, text):
        """Note that the client has broken the protocol."""
        self.trace(f"VIOLATION {text}")

    def reply(self, option, kind, data=b""):
        """Send an option reply, or what the script makes of it."""
        magic, length = nbd.REP_MAGIC, len(data)
        if self.fault("reply-magic") is not None:
            magic ^= 1
        if self.fault("reply-option") is not None:
            option += 1
        arg = self.fault("reply-type")
        if arg is not None:
            kind = int(arg or "5", 0)
        arg = self.fault("reply-length")
        if arg is not None:
            length = int(arg or "0xffffffff", 0)
        self.wire.send(struct.pack(">QIII", magic, option, kind, length))
        self.wire.send(data)

    def known(self, name):
        """Say whether there is an export of this name."""
        names = self.script["names"]
        return not names or name in names.split(":")

    def export_name(self, data):
        """EXPORT_NAME: no reply but the export itself, or the end."""
        self.export = data.decode(errors="replace")
        if self.extended:
            self.violation("EXPORT_NAME after EXTENDED_HEADERS")
        if not self.known(self.export):
            raise Gone("no such export")
        tail = b"" if self.no_zeroes else bytes(124)
        self.wire.send(struct.pack(">QH", self.size, self.flags) + tail)
        self.blocks = None
        self.trace(f"export-name {self.export}")
        return True

    def on_abort(self, option, _data):
        """ABORT: a polite end."""
        self.reply(option, nbd.REP_ACK)
        raise Gone("abort")

    def on_list(self, option, _data):
        """LIST: the names that were given."""
        for name in self.script["names"].split(":"):
            raw = name.encode()
            self.reply(option, nbd.REP_SERVER,
                       struct.pack(">I", len(raw)) + raw)
        self.reply(option, nbd.REP_ACK)
        return False

    def on_structured_reply(self, option, data):
        """STRUCTURED_REPLY: understood if the script says so."""
        if not self.script.is_set("structured"):
            self.reply(option, nbd.rep_error("UNSUP"))
            return False
        if data:
            self.violation("STRUCTURED_REPLY with data")
        self.structured = True
        self.reply(option, nbd.REP_ACK)
        return False

    def on_extended_headers(self, option, data):
        """EXTENDED_HEADERS: likewise."""
        if not self.script.is_set("extended"):
            self.reply(option, nbd.rep_error("UNSUP"))
            return False
        if data:
            self.violation("EXTENDED_HEADERS with data")
        self.structured = self.extended = True
        self.reply(option, nbd.REP_ACK)
        return False

    def on_set_meta_context(self, option, data):
        """SET_META_CONTEXT: base:allocation or nothing."""
        if not self.script.is_set("meta"):
            self.reply(option, nbd.rep_error("UNSUP"))
            return False
        if not self.structured:
            self.violation("SET_META_CONTEXT without structured replies")
        if self.fault("meta-wrong") is not None:
            self.reply(option, nbd.REP_META_CONTEXT,
                       struct.pack(">I", META_ID) + b"x-unbd:wrong")
        elif b"base:allocation" in data:
            self.meta = True
            self.reply(option, nbd.REP_META_CONTEXT,
                       struct.pack(">I", META_ID) + b"base:allocation")
        self.reply(option, nbd.REP_ACK)
        return False

    def on_info(self, option, data):
        """INFO: as GO, but the handshake goes on."""
        self.go(option, data)
        return False

    def on_go(self, option, data):
        """GO: the export's information, then transmission."""
        return self.go(option, data)

    def go(self, option, data):
        """Answer GO and INFO; say whether it was granted."""
        if not self.script.is_set("go"):
            self.reply(option, nbd.rep_error("UNSUP"))
            return False
        name, asked = parse_go(data)
        if name is None:
            self.violation("malformed GO")
            self.reply(option, nbd.rep_error("INVALID"))
            return False
        if not self.known(name):
            self.reply(option, nbd.rep_error("UNKNOWN"))
            return False
        self.export = name
        self.trace(f"go '{name}' infos {asked}")
        while self.fault("reply-endless") is not None:
            self.info(option, nbd.INFO_NAME, b"and one more")
        self.informations(option, asked)
        self.grant(option)
        return True

    def grant(self, option):
        """End the handshake; what nobody asked for may come right behind."""
        cookie = self.fault("unasked")
        if cookie is None:
            self.reply(option, nbd.REP_ACK)
            return
        self.wire.send(struct.pack(">QIII", nbd.REP_MAGIC, option,
                                   nbd.REP_ACK, 0) +
                       struct.pack(">IIQ", nbd.SIMPLE_MAGIC, 0,
                                   int(cookie, 0)))

    def informations(self, option, asked):
        """Send what is known of the export."""
        if self.fault("unknown-info") is not None:
            self.info(option, 77, b"not known to anybody")
        if self.fault("text-info") is not None:
            self.info(option, nbd.INFO_NAME, self.export.encode())
            self.info(option, nbd.INFO_DESCRIPTION, b"a scripted export")
        body = struct.pack(">QH", self.size, self.flags)
        if self.fault("short-export-info") is not None:
            body = body[:-1]
        if self.fault("long-export-info") is not None:
            body += bytes(8)
        if self.fault("no-export-info") is None:
            self.info(option, nbd.INFO_EXPORT, body)
        if self.blocks and nbd.INFO_BLOCK_SIZE in asked:
            body = struct.pack(">III", *self.blocks)
            if self.fault("short-block-info") is not None:
                body = body[:6]
            self.info(option, nbd.INFO_BLOCK_SIZE, body)
        else:
            self.blocks = None

    def info(self, option, kind, body):
        """Send one NBD_REP_INFO."""
        self.reply(option, nbd.REP_INFO, struct.pack(">H", kind) + body)


def parse_go(data):
    """Return (name, [information types]) of a GO, (None, None) if bad."""
    if len(data) < 6:
        return None, None
    length, = struct.unpack_from(">I", data)
    if len(data) < 6 + length:
        return None, None
    count, = struct.unpack_from(">H", data, 4 + length)
    if len(data) != 6 + length + 2 * count:
        return None, None
    name = data[4:4 + length].decode(errors="replace")
    return name, list(struct.unpack_from(f">{count}H", data, 6 + length))
