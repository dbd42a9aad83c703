# SPDX-License-Identifier: GPL-2.0
"""Clients that ask for too much, or take nothing of what they asked for."""

import socket
import threading
import time

import nbdwire as nbd
from hostile_handshake import check
from hostile_wire import Link, Wrong, expect, joined

PIECE = 1 << 20


def in_flight(link, count, length, command="READ"):
    """Send `count` requests at once; return {cookie: offset}."""
    sent, data = {}, b""
    for i in range(count):
        offset = i * length % (link.size - length)
        offset -= offset % 512
        link.cookie += 1
        sent[link.cookie] = offset
        data += nbd.pack_request(nbd.COMMANDS[command], link.cookie, offset,
                                 length, 0, link.extended)
    link.send(data)
    return sent


def collect(link, sent, length):
    """Receive the replies to all of them, each exactly once."""
    left = dict(sent)
    while left:
        reply = link.answer({cookie: length for cookie in left})
        expect(not reply.error, f"error {reply.error}")
        joined(reply, left.pop(reply.cookie), length)


@check
def pipelined(target):
    """more requests at once than the server takes: all are answered"""
    for dialect in ("simple", "structured", "extended"):
        with Link(target).dialect(dialect).go() as link:
            collect(link, in_flight(link, 1000, 4096), 4096)
            link.alive()


@check
def pipelined_writes(target):
    """likewise with writes; later ones to the same place come later"""
    with Link(target).go() as link:
        cookies = {}
        for i in range(200):
            cookie = link.request("WRITE", i * 4096, 4096,
                                  payload=bytes([i + 1]) * 4096)
            cookies[cookie] = 0
        while cookies:
            reply = link.answer(cookies)
            expect(not reply.error, f"error {reply.error}")
            del cookies[reply.cookie]
        for i in range(200):
            expect(link.read(i * 4096, 4096) == bytes([i + 1]) * 4096,
                   f"block {i}")


@check
def disc_with_requests(target):
    """DISC: what was asked before is answered, then the server hangs up"""
    for dialect in ("simple", "structured"):
        with Link(target).dialect(dialect).go() as link:
            sent = in_flight(link, 64, 65536)
            link.request("DISC")
            collect(link, sent, 65536)
            link.closed()


@check
def half_close(target):
    """the end of the client's stream is as good as DISC"""
    with Link(target).go() as link:
        sent = in_flight(link, 16, 65536)
        link.end()
        collect(link, sent, 65536)
        link.closed()


@check
def gone_with_requests(target):
    """a client that vanishes with much in flight"""
    for _ in range(10):
        with Link(target).dialect("structured").go() as link:
            in_flight(link, 128, 262144)
    with Link(target).go() as link:
        link.alive()


@check
def stall(target):
    """who reads no replies stalls itself and nobody else"""
    stalled = [Link(target).dialect("structured").go() for _ in range(8)]
    try:
        sent = [in_flight(link, 80, PIECE) for link in stalled]
        time.sleep(1)
        start = time.monotonic()
        with Link(target).go() as link:
            for i in range(20):
                link.read(i * 4096, 4096)
            link.works("WRITE", 0, PIECE, payload=bytes(PIECE))
        took = time.monotonic() - start
        expect(took < 20, f"others wait {took:.1f} s")
        stalled[0].sock.settimeout(120)
        collect(stalled[0], sent[0], PIECE)
        stalled[0].alive()
    finally:
        for link in stalled:
            link.sock.close()


@check
def stall_sending(target):
    """writes that are announced and never sent hold up nobody else"""
    halves = [Link(target).go() for _ in range(8)]
    try:
        for link in halves:
            for _ in range(4):
                link.request("WRITE", 0, PIECE, payload=bytes(PIECE))
            link.request("WRITE", 0, nbd.MAX_PAYLOAD)
        with Link(target).go() as link:
            for i in range(20):
                link.works("WRITE", i * 4096, 4096, payload=bytes(4096))
    finally:
        for link in halves:
            link.sock.close()


@check
def trickling(target):
    """a byte now and then is no reason to keep what others wait for"""
    halves = [Link(target).go() for _ in range(4)]
    done = threading.Event()

    def trickle():
        while not done.wait(5):
            for link in halves:
                try:
                    link.sock.send(b"x")
                except OSError:
                    pass

    feeder = threading.Thread(target=trickle)
    try:
        for link in halves:
            link.request("WRITE", 0, nbd.MAX_PAYLOAD)
        feeder.start()
        with Link(target).go() as link:
            link.sock.settimeout(200)
            link.works("WRITE", 0, nbd.MAX_PAYLOAD,
                       payload=bytes(nbd.MAX_PAYLOAD))
    finally:
        done.set()
        feeder.join()
        for link in halves:
            link.sock.close()


def opened(target, count):
    """Open connections until the server refuses; return those it took."""
    links = []
    for _ in range(count):
        try:
            link = Link(target, greet=False)
            link.receive(18)
        except (Wrong, OSError):
            break
        links.append(link)
    return links


@check
def too_many(target):
    """connections up to the limit are taken, one more is not"""
    if not target.limit:
        return
    links = opened(target, target.limit + 20)
    try:
        expect(len(links) == target.limit,
               f"{len(links)} connections, the limit is {target.limit}")
    finally:
        for link in links:
            link.sock.close()
    until = time.monotonic() + 30
    while True:
        try:
            with Link(target).go() as link:
                link.alive()
            return
        except (Wrong, OSError):
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


@check
def coming_and_going(target):
    """thousands of connections, one after the other and at once"""
    for i in range(target.rounds):
        links = [Link(target, greet=False) for _ in range(20)]
        for link in links:
            if i % 2:
                link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     b"\1\0\0\0\0\0\0\0")
            link.sock.close()
    until = time.monotonic() + 30
    while True:
        try:
            with Link(target).go() as link:
                link.alive()
            return
        except (Wrong, OSError):
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
