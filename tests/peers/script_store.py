# SPDX-License-Identifier: GPL-2.0
"""The bytes behind the scripted server, and the socket that misbehaves."""

import os
import socket
import struct
import threading
import time

import nbdwire as nbd

BLOCK = 4096


class Store:
    """Bytes in memory or in a file, shared by all connections."""

    def __init__(self):
        self.lock = threading.Lock()
        self.data = bytearray()
        self.path = None
        self.fd = -1

    def open(self, path, size):
        """Serve `path`, or `size` bytes of memory; return the size."""
        with self.lock:
            if path:
                if path != self.path:
                    self.fd = os.open(path, os.O_RDWR)
                    self.path = path
                return os.fstat(self.fd).st_size
            if len(self.data) < size <= 1 << 30:
                self.data.extend(bytes(size - len(self.data)))
            return size

    def read(self, offset, length):
        """Return bytes; what is beyond the end reads as zeroes."""
        with self.lock:
            if self.path:
                data = os.pread(self.fd, length, offset)
            else:
                data = bytes(self.data[offset:offset + length])
        return data + bytes(length - len(data))

    def write(self, offset, data):
        """Store bytes; what is beyond the end is lost."""
        with self.lock:
            if self.path:
                os.pwrite(self.fd, data, offset)
            else:
                end = min(offset + len(data), len(self.data))
                self.data[offset:end] = data[:max(end - offset, 0)]

    def zero(self, offset, length):
        """Fill a range with zeroes."""
        while length > 0:
            piece = min(length, 1 << 20)
            self.write(offset, bytes(piece))
            offset, length = offset + piece, length - piece

    def extents(self, offset, length):
        """Yield (length, is_hole) of the blocks of a range, joined."""
        end = offset + length
        run, kind = 0, None
        while offset < end:
            piece = min(BLOCK - offset % BLOCK, end - offset)
            hole = not any(self.read(offset, piece))
            if hole != kind and run:
                yield run, kind
                run = 0
            run, kind, offset = run + piece, hole, offset + piece
        if run:
            yield run, kind


class Gone(Exception):
    """The connection has ended, by the peer or by the script."""


class Wire:
    """A stream socket that dies, hangs or dawdles as the script says."""

    def __init__(self, sock, die=None, hang=None, reset=None, slow=""):
        self.sock = sock
        self.limits = [(n, how) for n, how in
                       ((die, "die"), (hang, "hang"), (reset, "reset"))
                       if n is not None]
        self.slow = slow
        self.sent = 0

    def send(self, data):
        """Send all of it unless the end of the script's patience is near."""
        for limit, how in self.limits:
            if self.sent + len(data) >= limit:
                self.deliver(data[:limit - self.sent])
                self.finish(how)
        self.deliver(data)

    def deliver(self, data):
        """Put bytes on the wire, in small pieces when told so."""
        step, pause = len(data) or 1, 0
        if self.slow:
            words = self.slow.split(":")
            step, pause = int(words[0]), int(words[1]) / 1000
        try:
            for i in range(0, len(data), step):
                self.sock.sendall(data[i:i + step])
                self.sent += len(data[i:i + step])
                if pause:
                    time.sleep(pause)
        except OSError as e:
            raise Gone(f"send: {e}") from e

    def receive(self, length):
        """Receive exactly `length` bytes."""
        try:
            return nbd.receive(self.sock, length)
        except EOFError as e:
            raise Gone(str(e)) from e
        except OSError as e:
            raise Gone(f"receive: {e}") from e

    def pending(self, seconds):
        """Say whether something is to be received within a time."""
        old = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            return len(self.sock.recv(1, socket.MSG_PEEK)) > 0
        except OSError:
            return False
        finally:
            self.sock.settimeout(old)

    def finish(self, how):
        """End the connection in the way the script wants it."""
        if how == "hang":
            self.wait_for_close()
        if how == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
        raise Gone(f"{how} after {self.sent} bytes")

    def wait_for_close(self):
        """Take what comes and answer nothing until the peer has closed."""
        try:
            while self.sock.recv(65536):
                pass
        except OSError:
            pass
