# SPDX-License-Identifier: GPL-2.0
"""Which steps a run of the tests has, and what each of them needs."""

import dataclasses
import os
import re
import subprocess
import threading

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
FIRST = "6.1"  # the kernel whose guests take longest
KERNELS = (FIRST, "5.10", "6.12", "7.2", "debug")
SPARSE_KERNELS = {False: ("6.1",), True: ("6.1", "6.12")}
FLAVOURS = ("6.1-rt", "6.1-cloud", "6.1-arm64")
DKMS_KERNELS = ("6.1",)
INSTALLED_KERNELS = ("5.10", "6.1", "6.12")  # Debian 11, 12, 13
SLOW = "1/4"  # of the usual speed; the cases that are run so, too:
SLOW_CASES = "^(tcp-recovery|tcp-legs|tcp-paths|server-hostile)"


@dataclasses.dataclass
class Step:
    """One command.

    name: of the test, or of the group when the command runs many
    many: it writes a result for each test to UNBD_RESULTS
    places: how many of the machine's processors it keeps busy; 0 when it
        takes them itself
    after: the step that has to pass before
    """

    name: str
    argv: list
    kernel: str = "-"
    many: bool = False
    places: int = 1
    after: object = None
    env: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        self.ended = threading.Event()
        self.failed = False


class Plan:
    """The steps of one run, quick verdicts and long work first."""

    def __init__(self, everything, keys):
        self.everything = everything
        self.keys = keys
        self.pattern = os.environ.get("FILTER", "")
        self.steps = []

    def make(self):
        """Return all steps."""
        self.add_one("static/rules", ["tests/static/rules"])
        for key in self.keys:
            self.add_guests(key, self.add_build(key))
            if key == self.keys[0]:
                self.add_suites()
        if FIRST in self.keys:
            self.add_bed()
        self.add_static()
        if self.everything:
            self.add_rest()
        return self.steps

    def add(self, name, argv, **more):
        """Add a step."""
        self.steps.append(Step(name, argv, **more))

    def add_one(self, name, argv, **more):
        """Add a step that is one test, if its name is wanted."""
        if re.search(self.pattern, name):
            self.add(name, argv, **more)

    def add_build(self, key):
        """Add the build for a kernel; return it, if it is wanted."""
        before = len(self.steps)
        self.add_one("build", ["tests/matrix/build", key,
                               f"build/modules/{key}"], kernel=key, places=2)
        return self.steps[-1] if len(self.steps) > before else None

    def add_suites(self):
        """Add the unit tests and fuzzers; they know FILTER themselves.

        The seeds of the fuzzers are the unit tests' inputs.
        """
        self.add("unit", ["make", "-s", "-C", "tests/unit", "check"],
                 many=True)
        self.add("fuzz", ["make", "-s", "-C", "tests/fuzz", "check"],
                 many=True, after=self.steps[-1])

    def add_guests(self, key, build):
        """Add what boots guests with a kernel."""
        more = ["--named"] if self.everything else ["--gate"]
        if self.everything and self.keys == ["debug"]:
            more = []
        self.add_cases("vm", key, *more, after=build)

    def add_cases(self, name, key, *more, pattern=None, **fields):
        """Add a step of tests/vm/run, if it has anything to run."""
        argv = ["tests/vm/run", "--kernel", key, *more]
        pattern = pattern or self.pattern
        argv += ["--filter", pattern] if pattern else []
        if not pattern or has_cases(argv):
            self.add(name, argv, kernel=key, many=True, places=0, **fields)

    def add_bed(self):
        """Add the bench, and the test of the test bed."""
        self.add_one("bench", ["tests/bench/run", "--check"], kernel=FIRST,
                     places=0)
        some = [] if self.everything else ["--gate"]
        self.add_one("vm/selftest", ["tests/vm/selftest", *some, FIRST],
                     kernel=FIRST, places=0)

    def add_static(self):
        """Add what reads the sources."""
        for key in SPARSE_KERNELS[self.everything]:
            if key in self.keys:
                self.add_one("static/sparse", ["tests/static/sparse", key],
                             kernel=key)
        for name in sorted(os.listdir(os.path.join(TOP, "tests/static"))):
            if name not in ("rules", "sparse") and not name.startswith("."):
                self.add_one(f"static/{name}", [f"tests/static/{name}"])

    def add_rest(self):
        """Add what only a whole run has."""
        if "debug" in self.keys:
            self.add_one("vm/selftest", ["tests/vm/selftest", "debug"],
                         kernel="debug", places=0)
        for flavour in FLAVOURS:
            if flavour.split("-")[0] in self.keys:
                self.add_build(flavour)
        for key in DKMS_KERNELS:
            if key in self.keys:
                self.add_one("dkms", ["tests/matrix/dkms", key], kernel=key)
        for key in INSTALLED_KERNELS:
            if key in self.keys:
                self.add_cases("installed", key,
                               "--cases", "tests/installed/cases")
        if FIRST in self.keys:
            self.add_one("demo", ["tests/demo"], kernel=FIRST, places=2)
            if re.search(self.pattern, "mutants"):
                self.add("mutants", ["tests/mutants/run"], many=True, places=0)
            if re.search(self.pattern, "speed"):
                self.add_cases("speed", FIRST, "--named", pattern=SLOW_CASES,
                               env={"SPEED": SLOW})


def has_cases(argv):
    """Say whether any case in guests matches."""
    r = subprocess.run(argv + ["--list"], cwd=TOP, text=True,
                       stdout=subprocess.PIPE)
    return r.returncode != 0 or r.stdout.strip() != ""
