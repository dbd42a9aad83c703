# SPDX-License-Identifier: GPL-2.0
"""Mutants: small faults in the modules' sources, as patches; see README.md."""

import dataclasses
import glob
import os
import re
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.realpath(os.path.join(HERE, "../.."))
KERNEL = "6.1"  # of checks in guests
HEADER = re.compile(
    r"# SPDX-License-Identifier: GPL-2\.0\n"
    r"# what is wrong: (?P<wrong>.+)\n"
    r"# killed by: (?P<kind>vm|unit) (?P<check>.+)\n"
    r"\ndiff --git ")


class MutantError(Exception):
    """A mutant is of no use; the message says why."""


@dataclasses.dataclass
class Mutant:
    """One patch.

    wrong: what it does
    kind, check: "vm" and a regular expression for the name of a check in
    guests, or "unit" and the name of a unit test
    """

    path: str
    wrong: str
    kind: str
    check: str

    @property
    def name(self):
        """Return what it is called in results."""
        return os.path.basename(self.path).removesuffix(".patch")

    @property
    def killer(self):
        """Return the check that is to find it, as in its header."""
        return f"{self.kind} {self.check}"

    def apply(self, tree, *options):
        """Apply the patch to the sources in a directory."""
        # The directory may be below our own repository and is none.
        env = dict(os.environ, GIT_CEILING_DIRECTORIES=os.path.dirname(tree))
        r = subprocess.run(["git", "apply", *options, self.path], cwd=tree,
                           env=env, text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
        if r.returncode:
            raise MutantError(f"does not apply: {r.stdout.strip()}")


def load(path):
    """Return the mutant of a file."""
    with open(path, encoding="utf-8") as f:
        m = HEADER.match(f.read())
    if not m:
        raise MutantError(f"{path}: its first lines are not those of a mutant")
    return Mutant(path, **m.groupdict())


def load_all(names=()):
    """Return the mutants of these names, or all."""
    paths = [os.path.join(HERE, f"{name}.patch") for name in names]
    missing = [p for p in paths if not os.path.exists(p)]
    if missing:
        raise MutantError(f"there is no {missing[0]}")
    return [load(p) for p in paths or
            sorted(glob.glob(os.path.join(HERE, "*.patch")))]
