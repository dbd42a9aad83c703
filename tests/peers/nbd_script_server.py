#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""An NBD server that does exactly what it is told, right or wrong.

    nbd_script_server.py [OPTIONS] [SETTING=VALUE | FAULT]...

With no words it is a correct server of 16 MiB of memory. Settings shape it
(style=oldstyle structured=0 flags=flush:fua blocksize=512:4096:1M), faults
make it fail in one defined way (die=57, wrong-cookie,at=1M,times=1). --help
lists them all. What is random is the same for the same seed.

A control file holds words too, and is read again when it changes: one server
can be led through many misdeeds. The trace names every connection, option
and request, and says VIOLATION where the client breaks the protocol.
"""

import argparse
import os
import socket
import sys
import threading

import nbdwire as nbd
import script_config
from script_config import DEFAULTS, HANDSHAKE_FAULTS, Script
from script_faults import FAULTS
from script_handshake import Handshake
from script_store import Gone, Store, Wire
from script_transmission import Transmission


class Server:
    """Listeners, and a thread for each connection."""

    def __init__(self, script, trace_file):
        self.script, self.store = script, Store()
        self.trace_file = trace_file
        self.lock = threading.Lock()
        self.total = 0

    def trace(self, number, text):
        """Write a line about a connection."""
        if self.trace_file:
            with self.lock:
                print(number, text, file=self.trace_file, flush=True)

    def accept(self, listener):
        """Serve those who connect, for ever."""
        while True:
            sock, _ = listener.accept()
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.total += 1
                total = self.total
            threading.Thread(target=self.serve, args=(sock, total),
                             daemon=True).start()

    def serve(self, sock, total):
        """Serve one connection to its end."""
        number = self.script.next_connection()

        def trace(text):
            self.trace(total, text)

        trace(f"open {number}")
        wire = self.wire(sock, number)
        try:
            handshake = Handshake(self.script, self.store, wire, number, trace)
            handshake.run()
            trace(f"transmission after {wire.sent} bytes")
            Transmission(handshake, trace).run()
        except Gone as e:
            trace(f"end {e}")
        finally:
            sock.close()

    def wire(self, sock, number):
        """Return a connection with the limits that the script sets it."""
        def limit(name):
            arg = self.script.fault(name, number)
            return None if arg is None else int(arg or "0")

        die = limit("die")
        sweep = self.script.fault("sweep", number)
        if sweep is not None:
            first, last = (int(word) for word in sweep.split(":"))
            if first + number - 1 <= last:
                die = first + number - 1
        return Wire(sock, die, limit("hang"), limit("reset"),
                    self.script["slow"])


def listen(address):
    """Return a listening socket."""
    family, where = nbd.parse_address(address)
    sock = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_UNIX:
        if where[0] != "\0" and os.path.exists(where):
            os.unlink(where)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(where)
    sock.listen(128)
    return sock


def words_help():
    """Describe settings and faults."""
    lines = ["settings (and defaults):"]
    lines += [f"  {k}={v}" for k, v in DEFAULTS.items()]
    lines.append("faults of the handshake:")
    lines += [f"  {k:20} {v}" for k, v in HANDSHAKE_FAULTS.items()]
    lines.append("faults of the answers:")
    lines += [f"  {k:20} {v.__doc__}" for k, v in FAULTS.items()]
    lines.append(script_config.Fault.__doc__)
    return "\n".join(lines)


def daemonize(pidfile):
    """Go to the background; the caller returns when we are listening."""
    pid = os.fork()
    if pid:
        with open(pidfile, "w", encoding="utf-8") as f:
            f.write(f"{pid}\n")
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)


def main():
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=words_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", action="append", metavar="ADDRESS",
                        help="tcp:HOST:PORT, unix:PATH, vsock:CID:PORT; "
                        "repeatable (tcp:127.0.0.1:10809)")
    parser.add_argument("--control", metavar="FILE",
                        help="more words, read again when they change")
    parser.add_argument("--trace", metavar="FILE",
                        help="what the clients do")
    parser.add_argument("--daemon", metavar="PIDFILE",
                        help="go to the background once listening")
    parser.add_argument("--pidfile", metavar="FILE",
                        help="written once we are listening")
    parser.add_argument("words", nargs="*", metavar="WORD")
    args = parser.parse_args()
    try:
        script = Script(args.words, args.control, FAULTS)
        listeners = [listen(a)
                     for a in args.listen or ["tcp:127.0.0.1:10809"]]
    except (ValueError, OSError) as e:
        sys.exit(f"nbd_script_server: {e}")
    if args.daemon:
        daemonize(args.daemon)
    if args.pidfile:
        with open(args.pidfile, "w", encoding="utf-8") as f:
            f.write(f"{os.getpid()}\n")
    trace = open(args.trace, "a", encoding="utf-8") if args.trace else None
    server = Server(script, trace)
    threads = [threading.Thread(target=server.accept, args=(listener,),
                                daemon=True) for listener in listeners]
    for thread in threads:
        thread.start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
