# SPDX-License-Identifier: GPL-2.0
"""The server of QEMU's ivshmem-doorbell: gives the machines that connect to it
one memory, and each the means to interrupt the others (QEMU, "Device
Specification for Inter-VM shared memory device", client-server protocol).
"""

import os
import selectors
import socket
import struct
import threading

VERSION = 0
MEMORY_FOLLOWS = -1
VECTORS = 1


class Peer:
    """A machine that is connected."""

    def __init__(self, number, sock):
        self.number = number
        self.sock = sock
        self.bells = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(VECTORS)]

    def tell(self, value, fd=None):
        """Send a number, and maybe a descriptor."""
        try:
            socket.send_fds(self.sock, [struct.pack("<q", value)],
                            [] if fd is None else [fd])
        except OSError:
            pass  # it has gone, which its socket says as well

    def tell_bells_of(self, other):
        """Send what interrupts a peer."""
        for bell in other.bells:
            self.tell(other.number, bell)

    def close(self):
        """Forget it."""
        self.sock.close()
        for bell in self.bells:
            os.close(bell)


class Server(threading.Thread):
    """Serves at the path of a socket until it is closed."""

    def __init__(self, path, size):
        super().__init__(daemon=True)
        self.memory = os.memfd_create("ivshmem")
        os.ftruncate(self.memory, size)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.ended, self.end = socket.socketpair()
        self.peers = []
        self.next = 0
        self.start()

    def run(self):
        """Take peers until the other end of a socket pair is closed."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.ended, selectors.EVENT_READ)
            selector.register(self.listener, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self.ended:
                        return
                    if key.fileobj is self.listener:
                        peer = self.welcome()
                        selector.register(peer.sock, selectors.EVENT_READ,
                                          peer)
                    else:
                        selector.unregister(key.fileobj)
                        self.leave(key.data)

    def welcome(self):
        """Introduce a new peer to the others and them to it."""
        peer = Peer(self.next, self.listener.accept()[0])
        self.next += 1
        peer.tell(VERSION)
        peer.tell(peer.number)
        peer.tell(MEMORY_FOLLOWS, self.memory)
        for other in self.peers:
            other.tell_bells_of(peer)
            peer.tell_bells_of(other)
        peer.tell_bells_of(peer)
        self.peers.append(peer)
        return peer

    def leave(self, peer):
        """Peers send nothing: one that can be read from has gone."""
        self.peers.remove(peer)
        for other in self.peers:
            other.tell(peer.number)
        peer.close()

    def close(self):
        """End, from another thread."""
        self.end.close()
        self.join()
        for peer in self.peers:
            peer.close()
        for thing in (self.listener, self.ended):
            thing.close()
        os.close(self.memory)
