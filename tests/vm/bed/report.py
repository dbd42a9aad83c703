# SPDX-License-Identifier: GPL-2.0
"""Results: a line a check for people, and one for tests/check to count."""

import collections
import os
import sys
import threading


class Report:
    """Collects results from several threads.

    A check that fails on a kernel is printed with the end of its output. With
    UNBD_RESULTS set, each result is appended to that file: status, name,
    kernel, seconds and reason, separated by tabs.
    """

    def __init__(self, what="vm"):
        self.what = what
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.file = os.environ.get("UNBD_RESULTS")

    def add(self, status, name, kernel, seconds="0.0", reason="", output="",
            used=0):
        """Take and print one result: ok, FAIL, skip or flaky.

        It took so many seconds of the guest, and of the host's processors.
        """
        where = "" if kernel == "-" else f" [{kernel}]"
        text = (f"{status:4} {name}{where} ({seconds} s" +
                (f", {used:.0f} s of the host)" if used else ")"))
        if reason:
            text += f": {reason}"
        if status == "FAIL" and output:
            text += "".join(f"\n     | {line}"
                            for line in output.splitlines()[-25:])
        with self.lock:
            self.counts[status] += 1
            print(text, flush=True)
            if self.file:
                fields = (status, name, kernel, seconds, reason)
                clean = (f.replace("\t", " ").replace("\n", " ")
                         for f in fields)
                with open(self.file, "a", encoding="utf-8") as f:
                    f.write("\t".join(clean) + "\n")

    def finish(self):
        """Print the counts; return the exit status."""
        c = self.counts
        print(f"{self.what}: {c['ok'] + c['flaky']} passed, "
              f"{c['FAIL']} failed, {c['skip']} skipped", flush=True)
        if not sum(c.values()):
            print(f"{self.what}: nothing was run", file=sys.stderr)
        return 0 if sum(c.values()) and not c["FAIL"] else 1
