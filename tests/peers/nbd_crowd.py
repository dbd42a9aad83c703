#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Many clients at once, each with a connection to one of many exports.

All say what they want without waiting for an answer, and each reads a block.
Then all stay until a line comes.
"""

import argparse
import socket
import struct
import sys

import nbdwire as nbd

BLOCK = 4096
SIZE_AND_FLAGS = 10  # the answer to EXPORT_NAME, without zeroes behind it


def hello(name):
    """Return all that a client says."""
    option = nbd.OPTIONS["EXPORT_NAME"]
    return (struct.pack(">I8sII", nbd.FIXED_NEWSTYLE | nbd.NO_ZEROES,
                        b"IHAVEOPT", option, len(name)) + name.encode() +
            nbd.pack_request(nbd.COMMANDS["READ"], 1, 0, BLOCK, 0, False,
                             None))


def answered(sock):
    """Whether the whole answer has come."""
    want = 18 + SIZE_AND_FLAGS + 16 + BLOCK
    got = b""
    while len(got) < want:
        part = sock.recv(want - len(got))
        if not part:
            return False
        got += part
    return got[-BLOCK - 12:-BLOCK - 8] == bytes(4)


def main():
    """Come, be counted, wait."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", help="of sockets called 1, 2, ...")
    parser.add_argument("sockets", type=int)
    parser.add_argument("clients", type=int)
    parser.add_argument("exports", type=int, help="called vol1, vol2, ...")
    args = parser.parse_args()
    crowd = []
    for i in range(args.clients):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(f"{args.directory}/{i % args.sockets + 1}")
        sock.sendall(hello(f"vol{i % args.exports + 1}"))
        crowd.append(sock)
    print(sum(map(answered, crowd)), "are served", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
