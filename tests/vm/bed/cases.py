# SPDX-License-Identifier: GPL-2.0
"""Read test cases: shell files with a header of comments and test_ functions.

    # topology: two            one guest, two or three (one); netboot: a
    #                          third, "machine", has its root on the second;
    #                          ns: one, whose "server" is a network namespace;
    #                          loop: one, whose "server" is itself, by RDMA
    # kernels: 6.1 debug       where it runs (all); debug alone runs all
    # clock: real              runs in the host's time (virtual, if there is
                               one guest)
    # gate: 6.1 7.2            on which of its kernels make check runs it, or
                               all, or none (all in virtual time)
    # timeout: 120             seconds of the guest for each check (120)
    # tags: tcp interop        for --filter
    # cpus: 4                  CPUs of a guest (2; 1 in virtual time if QEMU
                               is an old one)
    # memory: 256              MiB of a guest (640; 1024 of the debug kernel)
    # modules: no              does not need our modules
    # peers: rnbd tester       needs the kernel's rtrs and rnbd; nbd's tester
    # devices: ivshmem mem disk  memory in common; a disk that stays
    # system: packages/installed the client is an installed Debian, and this
    #                          its state; see system.py

A line "# kernels:" or "# gate:" in the comment above a function is for that
check alone.
"""

import dataclasses
import glob
import os
import re

from . import kernels, qemu, store
from .lab import DEVICES, TOPOLOGIES

HEADER = re.compile(
    r"# (topology|clock|kernels|gate|timeout|tags|cpus|memory|modules|peers|"
    r"devices|system): *(.*)")
FUNCTION = re.compile(r"^((?:#.*\n)*)test_(\w+) *\(\)", re.MULTILINE)
ONLY = re.compile(r"^# (kernels|gate): *(.*)$", re.MULTILINE)
CLOCKS = ("virtual", "real")
ALL, NONE = "all", "none"


@dataclasses.dataclass
class Case:
    """One file of checks."""

    name: str
    checks: list
    topology: str = "one"
    clock: str = ""
    kernels: tuple = kernels.ALL
    gate: tuple = ()
    timeout: int = 120
    tags: tuple = ()
    cpus: int = 0  # what is usual
    memory: int = 0  # what is usual
    modules: bool = True
    peers: tuple = ()
    devices: tuple = ()
    system: str = ""
    # (kernels or gate, check) -> kernels, where it differs from the file's
    only: dict = dataclasses.field(default_factory=dict)

    def on(self, key, gate=False):
        """Return the part of the case for a kernel, or that of the gate."""
        return dataclasses.replace(self, checks=[
            c for c in self.checks if self.wanted(c, key, gate)])

    def wanted(self, check, key, gate):
        """Say whether a check runs on a kernel, or does so for the gate."""
        if key not in self.only.get(("kernels", check), self.kernels):
            return False
        gates = self.only.get(("gate", check), self.gate)
        return not gate or key in gates or ALL in gates

    @property
    def conditions(self):
        """Return the clock and the processors that its guests get.

        An old QEMU cannot have both virtual time and several of them. Whoever
        says how many there are needs them.
        """
        if qemu.is_fair() or self.clock == "real":
            return self.clock, self.cpus or 2
        return ("real" if self.cpus > 1 else "virtual"), self.cpus or 1

    def label(self, check):
        """Return what a check is called in results."""
        return f"{self.name}: {words(check)}"


def words(function):
    """Return a function's name as a person reads it."""
    return function.removeprefix("test_").replace("_", " ")


def load(path):
    """Return the Case of a file."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    fields = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        m = HEADER.fullmatch(line)
        if m:
            fields[m.group(1)] = m.group(2).strip()
    found = [("test_" + name, ONLY.findall(comment))
             for comment, name in FUNCTION.findall(text)]
    case = Case(os.path.basename(path).removesuffix(".sh"),
                [name for name, _ in found])
    case.only = {(word, name): tuple(keys.split())
                 for name, lines in found for word, keys in lines}
    case.topology = fields.get("topology", case.topology)
    single = len(TOPOLOGIES.get(case.topology, ())) == 1
    case.clock = fields.get("clock", "virtual" if single else "real")
    case.kernels = tuple(fields.get("kernels", "").split()) or kernels.ALL
    case.gate = tuple(fields.get("gate", "").split()) or (
        ALL if case.clock == "virtual" else NONE,)
    case.timeout = int(fields.get("timeout", case.timeout))
    case.tags = tuple(fields.get("tags", "").split())
    case.cpus = int(fields.get("cpus", case.cpus))
    case.memory = int(fields.get("memory", case.memory))
    case.modules = fields.get("modules") != "no"
    case.peers = tuple(fields.get("peers", "").split())
    case.devices = tuple(sorted(fields.get("devices", "").split()))
    case.system = fields.get("system", "")
    verify(case, path)
    return case


def verify(case, path):
    """Refuse what would silently not be run."""
    unknown = (set(case.kernels).union(case.gate, *case.only.values()) -
               {*kernels.ALL, ALL, NONE})
    if unknown:
        raise store.BedError(f"{path}: unknown kernel {unknown.pop()}")
    if set(case.peers) - {"rnbd", "tester"}:
        raise store.BedError(f"{path}: unknown peers {case.peers}")
    if set(case.devices) - set(DEVICES):
        raise store.BedError(f"{path}: unknown devices {case.devices}")
    if case.topology not in TOPOLOGIES:
        raise store.BedError(f"{path}: unknown topology {case.topology}")
    single = len(TOPOLOGIES[case.topology]) == 1
    if case.clock not in CLOCKS or (case.clock == "virtual" and not single):
        raise store.BedError(f"{path}: the clock cannot be {case.clock}")
    if not case.checks:
        raise store.BedError(f"{path}: no test_ functions")
    if len(set(case.checks)) != len(case.checks):
        raise store.BedError(f"{path}: two checks have one name")


def load_all(where, pattern=""):
    """Return the cases that match; a match in a check's name selects it."""
    found = []
    for path in sorted(glob.glob(os.path.join(where, "*.sh"))):
        case = load(path)
        if not any(re.search(pattern, w) for w in (case.name, *case.tags)):
            case.checks = [c for c in case.checks
                           if re.search(pattern, case.label(c))
                           or re.search(pattern, c)]
        if case.checks:
            found.append(case)
    return found
