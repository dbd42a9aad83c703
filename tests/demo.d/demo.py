# SPDX-License-Identifier: GPL-2.0
"""Export a file in one virtual machine, use it as a disk in another.

Everything that a user would type is shown, and run just as it is shown. The
table at the end says how each step went, and so does the exit status.
"""

import argparse
import os
import sys
import tempfile
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, os.path.join(TOP, "tests/vm"))

# pylint: disable=wrong-import-position
from bed import accel, kernels, payload, qemu, store  # noqa: E402
from bed.guest import GuestDied  # noqa: E402
from bed.lab import Lab, Timeout  # noqa: E402
from screen import Screen  # noqa: E402
from steps import TRANSPORTS, Demo, StepFailed  # noqa: E402

PICTURE = """
    +-- client 10.0.0.2 -----+           +-- server 10.0.0.1 -----+
    |  /dev/unbd0            |           |  /srv/disk.img         |
    |  unbd-client           +-----------+  unbd-server           |
    +------------------------+           +------------------------+
"""


def parse(argv):
    """Return the parsed command line."""
    p = argparse.ArgumentParser(prog="tests/demo", description=__doc__)
    p.add_argument("transport", nargs="*", metavar="TRANSPORT",
                   help="of " + " ".join(TRANSPORTS) + "; default: all")
    p.add_argument("--kernel", default=os.environ.get("KERNEL") or "6.1",
                   choices=kernels.ALL, help="both guests' (6.1)")
    args = p.parse_args(argv)
    for name in args.transport:
        if name not in TRANSPORTS:
            p.error(f"no transport {name}")
    return args


def build_modules(kernel, where):
    """Build the modules for the guests' kernel."""
    store.need_tools("gcc", "make")
    store.run(os.path.join(TOP, "tests/matrix/build"), kernel.key, where)


def demonstrate(args, screen, tmp):
    """Boot the guests and show the transports; return whether all is well."""
    kernel = kernels.provide(args.kernel)
    qemu.command()
    screen.write(f"  Two virtual machines, Debian's kernel {kernel.release}:"
                 f"\n{PICTURE}\n")
    modules = os.path.join(tmp, "modules")
    with screen.waiting("building the modules"):
        build_modules(kernel, modules)
        image = payload.build(kernel, [modules], tmp)
    kind = accel.choose(kernel)
    with Lab("two", kernel, image, kind, devices=("ivshmem",)) as lab:
        with screen.waiting("booting both"):
            lab.boot()
        well = show_all(args, screen, lab)
    if kind != "kvm":
        screen.write("\n  These machines are emulated. Real ones take a small "
                     "part of the time.\n")
    return well


def show_all(args, screen, lab):
    """Show each transport, then the table."""
    rows = []
    well = True
    for name in args.transport or TRANSPORTS:
        if len(TRANSPORTS) > 1:
            screen.heading(f"=== {name} ===")
        try:
            demo = Demo(lab, screen, TRANSPORTS[name])
            well = demo.run() and well
            rows += demo.rows
        except (GuestDied, StepFailed, Timeout) as e:
            screen.write(f"\n  FAILED: {e}\n")
            well = False
    if not well:
        screen.write("\n" + lab.console_tail(25) + "\n")
    screen.heading("What happened")
    screen.table(rows)
    return well


def main(argv):
    """Run the demonstration; return the exit status."""
    args = parse(argv)
    screen = Screen()
    # What the bed says must not get into the clock's way.
    store.say = lambda text: screen.write(f"    {text}\n")
    begin = time.monotonic()
    screen.heading("unbd: a file of one machine is a disk of another")
    with tempfile.TemporaryDirectory(prefix="unbd-demo-") as tmp:
        well = demonstrate(args, screen, tmp)
    screen.write("\n  " + ("All is well" if well else "NOT all is well") +
                 f", after {time.monotonic() - begin:.0f} s.\n")
    return 0 if well else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except store.BedError as e:
        sys.exit(f"tests/demo: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
