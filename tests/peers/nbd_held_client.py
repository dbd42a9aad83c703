#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Requests that a server's storage keeps for a while.

Each of the orders sends some, says "sent", and goes on when it reads a line.
"""

import argparse
import socket
import struct
import sys
import time

import nbdwire as nbd
from hostile_wire import Link, Wrong, expect, go_data

BLOCK = 4096


def sent():
    """Everything is on its way; wait until told to go on."""
    print("sent", flush=True)
    sys.stdin.readline()


def misfits(target, count):
    """Zeroes for whole blocks, then many writes of less than a block."""
    with Link(target).go() as link:
        cookies = [link.request("WRITE_ZEROES", 0, BLOCK, nbd.CMD_NO_HOLE)]
        cookies += [link.request("WRITE", BLOCK + 512, 512,
                                 payload=bytes(512)) for _ in range(count)]
        sent()
        for _ in cookies:
            reply = link.answer(dict.fromkeys(cookies, 0))
            expect(not reply.error, f"error {reply.error}")


def writers(target, count):
    """A connection for each write, and all are closed at once."""
    links = [Link(target).go() for _ in range(count)]
    for link in links:
        link.request("WRITE", 0, BLOCK, payload=bytes(BLOCK))
    sent()
    for link in links:
        link.sock.close()


def pair(target, _count):
    """Two writes, to the beginning and to the middle."""
    with Link(target).go() as link:
        link.request("WRITE", 0, BLOCK, payload=bytes(BLOCK))
        link.request("WRITE", link.size // 2, BLOCK, payload=bytes(BLOCK))
        sent()


def reset(target, _count):
    """Take all memory, have a write wait for some, and reset that one."""
    with Link(target).go() as greedy, Link(target).go() as link:
        for size in (nbd.MAX_PAYLOAD, 1 << 20):
            greedy.request("WRITE", 0, size, payload=bytes(size))
        sent()
        link.request("WRITE", 48 << 20, 1 << 20, payload=b"x" * (1 << 20))
        sent()
        link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        link.sock.close()
        sent()
        for _ in range(2):
            greedy.answer({0x101: 0, 0x102: 0})


def beside(target, _count):
    """A long write that fits no block; others, begun later, end before it."""
    with Link(target).go() as long, Link(target).go() as short:
        cookie = long.request("WRITE", 512, 4 << 20, payload=b"x" * (4 << 20))
        sent()
        for i in range(3):
            short.works("WRITE", (8 << 20) + i * BLOCK, BLOCK,
                        payload=bytes(BLOCK))
        long.sock.setblocking(False)
        try:
            expect(not long.sock.recv(1), "the long write was done before")
        except BlockingIOError:
            pass
        long.sock.setblocking(True)
        sent()
        reply = long.answer({cookie: 0})
        expect(not reply.error, f"error {reply.error}")


def halves(target, _count):
    """Each half of a block by another export, vol0 and vol1."""
    other = argparse.Namespace(**vars(target))
    other.export = "vol1"
    with Link(target).go() as one, Link(other).go() as two:
        half = BLOCK // 2
        cookies = (one.request("WRITE", 0, half, payload=b"a" * half),
                   two.request("WRITE", half, half, payload=b"b" * half))
        sent()
        for link, cookie in zip((one, two), cookies):
            reply = link.answer({cookie: 0})
            expect(not reply.error, f"error {reply.error}")


def reads(target, count):
    """Reads that are long enough to be looked through for holes."""
    size = 64 << 10
    with Link(target).dialect("structured").go() as link:
        cookies = {link.request("READ", i * size, size): 0
                   for i in range(count)}
        sent()
        for _ in cookies:
            reply = link.answer(cookies)
            expect(not reply.error, f"error {reply.error}")


def flusher(target, _count):
    """A FLUSH whose answer nobody waits for."""
    with Link(target).go() as link:
        link.works("WRITE", 0, BLOCK, payload=b"x" * BLOCK)
        link.request("FLUSH")
        sent()
        link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))


def flushes(target, count):
    """One that fails, on a new connection, and then some that do not."""
    with Link(target).go() as link:
        link.fails("EIO", "FLUSH")
        link.works("FLUSH")
        link.request("DISC")
        link.closed()
    for _ in range(count):
        with Link(target).go() as link:
            link.works("FLUSH")
    sent()


def again(target, _count):
    """Open the export anew while a write of before is on its way."""
    with Link(target).go() as link:
        link.request("WRITE", 0, BLOCK, payload=bytes(BLOCK))
        sent()
        link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
    with Link(target) as early:
        early.sock.settimeout(60)
        early.refused("POLICY", "GO", go_data(target.export))
    with Link(target) as late:
        number = late.option("GO", go_data(target.export))
        late.sock.settimeout(3)
        try:
            late.receive(1)
            raise Wrong("it was opened while the write was not done")
        except Wrong as e:
            expect("no answer" in str(e), str(e))
        sent()
        late.sock.settimeout(60)
        _, kind = late.replies(number)
        expect(kind == nbd.REP_ACK, f"GO: reply {kind:#x}")
    sent()


def greedy(target, _count):
    """Each of two connections wants half of 64 MiB of memory."""
    with Link(target).go() as one, Link(target).go() as other:
        size = nbd.MAX_PAYLOAD
        # What the server does not read is not taken either.
        for link in (one, other):
            link.sock.setblocking(False)
        left = {link: memoryview(nbd.pack_request(
            nbd.COMMANDS["WRITE"], 1, 0, size, 0, False, None) + bytes(size))
                for link in (one, other)}
        quiet = time.monotonic() + 3
        while time.monotonic() < quiet:
            for link in left:
                try:
                    sent_now = link.sock.send(left[link])
                    left[link] = left[link][sent_now:]
                except BlockingIOError:
                    time.sleep(0.01)
        sent()
        for link, rest in left.items():
            link.sock.settimeout(60)
            link.send(rest)
            reply = link.answer({1: 0})
            expect(not reply.error, f"error {reply.error}")


def odd(target, count):
    """Reads of half a page more than a piece of memory, as many as it takes."""
    size = (16 << 10) + 2048
    with Link(target).go() as link:
        sent()
        link.sock.setblocking(False)
        for i in range(count):
            try:
                link.sock.sendall(nbd.pack_request(
                    nbd.COMMANDS["READ"], i, 0, size, 0, False, None))
            except BlockingIOError:
                break
        sent()


ORDERS = {f.__name__: f for f in (misfits, writers, pair, reset, beside,
                                  halves, reads, greedy, flusher,
                                  flushes, again, odd)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", default="tcp:127.0.0.1:10809")
    parser.add_argument("--export", default="vol0")
    parser.add_argument("order", choices=ORDERS)
    parser.add_argument("count", type=int, nargs="?", default=1)
    arguments = parser.parse_args()
    ORDERS[arguments.order](arguments, arguments.count)
