#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""An NBD client that breaks the rules, and knows what it must get for that.

    nbd_hostile_client.py --connect tcp:127.0.0.1:10809 --export vol0 CHECK...

Each check expects one exact error, or the end of the connection, and that the
server is as good as before. Without names all checks are run. The export must
be of at least 4 MiB and is overwritten.
"""

import argparse
import random
import sys

import hostile_handshake
import hostile_load        # noqa: F401  (they register their checks)
import hostile_requests    # noqa: F401
from hostile_wire import Link, Wrong

CHECKS = hostile_handshake.CHECKS


class Target:
    """The server under test, and what is known about it."""

    def __init__(self, args):
        self.address, self.export = args.connect, args.export
        self.read_only = args.read_only
        self.limit, self.rounds = args.limit, args.rounds
        self.handshake_limit = args.handshake_limit
        self.rng = random.Random(args.seed)
        self.size = 0

    def learn_size(self):
        """Ask the server how long the export is."""
        with Link(self).go() as link:
            self.size = link.size
            link.request("DISC")


def run(target, name):
    """Run one check; return whether the server has passed."""
    try:
        CHECKS[name](target)
    except (Wrong, OSError) as e:
        print(f"FAIL {name}: {e}", flush=True)
        return False
    print(f"ok {name}", flush=True)
    return True


def main():
    """Parse the command line and run the checks."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connect", default="tcp:127.0.0.1:10809",
                        metavar="ADDRESS",
                        help="tcp:HOST:PORT, unix:PATH, vsock:CID:PORT")
    parser.add_argument("--export", default="", metavar="NAME")
    parser.add_argument("--read-only", metavar="NAME",
                        help="another export, which is read-only")
    parser.add_argument("--limit", type=int, metavar="N",
                        help="connections that the server takes")
    parser.add_argument("--handshake-limit", type=float, default=10,
                        metavar="SECONDS")
    parser.add_argument("--rounds", type=int, default=50,
                        help="20 connections each (50)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true",
                        help="list the checks and what they expect")
    parser.add_argument("--skip", default="", metavar="CHECK,...")
    parser.add_argument("checks", nargs="*", metavar="CHECK")
    args = parser.parse_args()
    if args.list:
        for name, function in CHECKS.items():
            print(f"{name:30} {function.__doc__}")
        return 0
    target = Target(args)
    skipped = args.skip.split(",")
    names = [n for n in args.checks or CHECKS if n not in skipped]
    unknown = [n for n in names if n not in CHECKS]
    if unknown:
        sys.exit(f"nbd_hostile_client: no check {', '.join(unknown)}")
    try:
        target.learn_size()
    except (Wrong, OSError) as e:
        sys.exit(f"nbd_hostile_client: {args.connect}: {e}")
    failed = [name for name in names if not run(target, name)]
    print(f"{len(names) - len(failed)} of {len(names)} checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
