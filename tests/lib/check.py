#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run the tests: builds, static checks, unit tests and fuzzers, guests.

    tests/check            the gate: what must pass before anything lands
    tests/check all        everything, for hours

FILTER is a regular expression that a test's name has to match, KERNEL the
kernels of the matrix to use: 5.10, 6.1, 6.12, 7.2, debug. The debug kernel has
to be compiled, which takes a quarter of an hour: the gate uses it when it is
there already, or when KERNEL names it. Named alone, "all" runs every case in
guests on it. LIMIT is how many minutes there are: what has not been run by then
has failed. After three failures the gate ends, unless there is a FILTER.

A step that runs many tests appends a line for each to the file that
UNBD_RESULTS names: status (ok, FAIL, skip, flaky), name, kernel, seconds and
reason, separated by tabs. Any other step is one test, which its exit status
decides: 77 when it cannot run here, with the reason on its last line.
The last line says how many passed, failed and were skipped; it is kept in
build/check/last or build/check-all/last, behind the commit, with the seconds.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, os.path.join(TOP, "tests/vm"))

# pylint: disable=wrong-import-position
from bed import store  # noqa: E402
from plan import KERNELS, Plan, Step  # noqa: E402

CANNOT = 77  # exit status of a test that cannot run on this machine
STATUSES = ("ok", "FAIL", "skip", "flaky")
MOST_FLAKY = 2
MOST_FAILED = 3
MINUTES = {False: 60, True: 12 * 60}


class Results:
    """Counts and prints; used by several threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = dict.fromkeys(STATUSES, 0)
        self.began = time.monotonic()

    @property
    def seconds(self):
        """Return how long the run takes already."""
        return int(time.monotonic() - self.began)

    def print(self, text):
        """Print whole lines only; results with the time of the run."""
        if text.split(" ", 1)[0] in STATUSES:
            text = f"{self.seconds // 60:2}:{self.seconds % 60:02} {text}"
        with self.lock:
            sys.stdout.write(text if text.endswith("\n") else text + "\n")
            sys.stdout.flush()

    def count(self, status):
        """Count a test that somebody else has printed."""
        with self.lock:
            self.counts[status] += 1

    def add(self, status, step, seconds, reason=""):
        """Count and print a test."""
        kernel = "" if step.kernel == "-" else f" [{step.kernel}]"
        self.count(status)
        self.print(f"{status:4} {step.name}{kernel} ({seconds:.1f} s)"
                   + (f": {reason}" if reason else ""))

    def finish(self, tier):
        """Print the totals, and keep them; return the exit status."""
        ok, failed, skipped, flaky = (self.counts[s] for s in STATUSES)
        if flaky:
            self.print(f"{flaky} of those that passed were flaky")
        total = f"{ok + flaky} passed, {failed} failed, {skipped} skipped"
        self.print(total)
        where = os.path.join(TOP, "build", tier)
        os.makedirs(where, exist_ok=True)
        with open(os.path.join(where, "last"), "w", encoding="utf-8") as f:
            f.write(f"{commit()} {total} {self.seconds}\n")
        return 0 if ok and not failed and flaky <= MOST_FLAKY else 1


def commit():
    """Return what was tested: the commit, and whether there is more."""
    def git(*argv):
        return subprocess.run(["git", *argv], cwd=TOP, text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout.strip()
    return (f"{git('rev-parse', 'HEAD') or 'none'} "
            f"{'dirty' if git('status', '--porcelain') else 'clean'}")


class Runner:
    """Runs steps and keeps track of the processes, to end them."""

    def __init__(self, results, most_failed=0):
        self.results = results
        self.most_failed = most_failed
        self.processes = set()
        self.why_stopped = ""

    def run_all(self, steps, seconds):
        """Run steps, each when its time has come, and end in time."""
        timer = threading.Timer(seconds, self.stop, ["out of time"])
        timer.daemon = True
        timer.start()
        threads = [threading.Thread(target=self.run, args=(step,), daemon=True)
                   for step in steps]
        for thread in threads:
            thread.start()
            time.sleep(0.05)  # they queue for the processors in this order
        for thread in threads:
            while thread.is_alive():
                thread.join(0.5)
        timer.cancel()
        if self.why_stopped:
            self.results.print(f"stopped: {self.why_stopped}")

    def run(self, step):
        """Run a step to its end, when what it needs has passed."""
        try:
            if step.after:
                step.after.ended.wait()
                if step.after.failed and not self.why_stopped:
                    self.fail(step, 0, f"{step.after.name} has failed")
                    return
            if step.places and not self.why_stopped:
                with store.places(step.places):
                    self.run_now(step)
            else:
                self.run_now(step)
        finally:
            step.ended.set()

    def run_now(self, step):
        """Run a step to its end, and count how it was."""
        if self.why_stopped:
            self.fail(step, 0, f"not run: {self.why_stopped}")
            return
        began = time.monotonic()
        with tempfile.NamedTemporaryFile("w+", suffix=".results") as f:
            status, output = self.execute(step, f.name)
            seconds = time.monotonic() - began
            if step.many:
                self.collect(step, status, f.read().splitlines(), seconds)
            elif status == 0:
                self.results.add("ok", step, seconds)
            elif status == CANNOT:
                self.results.add("skip", step, seconds,
                                 "".join(output[-1:]).strip())
            else:
                self.results.print("".join(f"     | {x}" for x in output))
                self.fail(step, seconds, self.ending(status))

    def fail(self, step, seconds, reason):
        """Count and print a step that has failed."""
        step.failed = True
        self.results.add("FAIL", step, seconds, reason)
        self.look_at_failures()

    def look_at_failures(self, more=0):
        """End everything when enough has failed to know the verdict."""
        failed = self.results.counts["FAIL"] + more
        if self.most_failed and failed >= self.most_failed:
            threading.Thread(target=self.stop, args=["enough has failed"],
                             daemon=True).start()

    def execute(self, step, results_file):
        """Run the command; return its exit status and last lines."""
        env = dict(os.environ, UNBD_RESULTS=results_file, **step.env)
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
            env.pop(name, None)
        p = subprocess.Popen(step.argv, cwd=TOP, env=env, text=True,
                             errors="replace", stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True)
        self.processes.add(p)
        output, failed = [], 0
        for line in p.stdout:
            if step.many:
                self.results.print(line)
                if line.startswith("FAIL "):
                    failed += 1
                    self.look_at_failures(failed)
            output = output[-39:] + [line]
        status = p.wait()
        self.processes.discard(p)
        return status, output

    def collect(self, step, status, lines, seconds):
        """Take the results that a step of many tests has written."""
        seen = [line.split("\t", 1)[0] for line in lines]
        for word in seen:
            if word in STATUSES:
                self.results.count(word)
        if status and "FAIL" not in seen:
            self.fail(step, seconds, self.ending(status))
        elif not seen and not os.environ.get("FILTER"):
            self.fail(step, seconds, "it ran no test")

    def ending(self, status):
        """Say how a command ended."""
        if self.why_stopped:
            return f"not run to its end: {self.why_stopped}"
        return (f"killed by signal {-status}" if status < 0
                else f"exit status {status}")

    def stop(self, why):
        """End what runs, with all its children."""
        self.why_stopped = self.why_stopped or why
        for p in list(self.processes):
            kill(p)


def kill(process):
    """End a step's processes, politely at first: guests are to be reaped."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            pass


def debug_kernel_is_built():
    """Say whether the debug kernel is in the cache."""
    return not subprocess.run(["tests/vm/kernel", "--is-built", "debug"],
                              cwd=TOP).returncode


def chosen_kernels(everything, results):
    """Return the kernels that KERNEL names, or those that are usual."""
    keys = re.split(r"[,\s]+", os.environ.get("KERNEL", "").strip())
    keys = [k for k in keys if k]
    if not keys:
        keys = list(KERNELS)
        if not everything and not debug_kernel_is_built():
            keys.remove("debug")
            results.add("skip", Step("all", [], kernel="debug"), 0,
                        "not in the cache; make check-all builds this kernel")
    unknown = set(keys) - set(KERNELS)
    if unknown:
        sys.exit(f"make check: unknown KERNEL {' '.join(sorted(unknown))}; "
                 f"known: {' '.join(KERNELS)}")
    return [k for k in KERNELS if k in keys]


def main(argv):
    """Run everything that is wanted; return the exit status."""
    everything = argv == ["all"]
    if argv and not everything:
        sys.exit(__doc__.strip())
    gate = not everything and not os.environ.get("FILTER")
    results = Results()
    runner = Runner(results, MOST_FAILED if gate else 0)
    minutes = int(os.environ.get("LIMIT") or MINUTES[everything])

    def interrupted(number, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)
    try:
        steps = Plan(everything, chosen_kernels(everything, results)).make()
        runner.run_all(steps, minutes * 60)
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        runner.stop("interrupted")
        results.print("interrupted")
        results.finish("interrupted")
        return 1
    return results.finish("check-all" if everything else "check")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
