#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run the tests: builds, static checks, unit tests and fuzzers, guests.

FILTER is a regular expression that a test's name has to match, KERNEL the
kernels of the matrix to use: 5.10, 6.1, 6.12, 7.2, debug. The debug kernel has
to be compiled, which takes a quarter of an hour: it is used when it is there
already, or when KERNEL names it. Named alone, it runs all cases in guests. 5.10
and 6.12 are also Debian 11 and 13, but as installed systems they are used only
when KERNEL names them: it takes minutes to install one.

A step that runs many tests appends a line for each to the file that
UNBD_RESULTS names: status (ok, FAIL, skip), name, kernel, seconds and reason,
separated by tabs. Any other step is one test, which its exit status decides:
77 when it cannot run here, with the reason on its last line.
The last line says how many passed, failed and were skipped.
"""

import dataclasses
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
KERNELS = ("5.10", "6.1", "6.12", "7.2", "debug")
SPARSE_KERNELS = ("6.1", "6.12")
DKMS_KERNELS = ("6.1",)
INSTALLED_KERNELS = ("5.10", "6.1", "6.12")  # Debian 11, 12, 13
INSTALLED_ALWAYS = ("6.1",)
CANNOT = 77  # exit status of a test that cannot run on this machine
STATUSES = ("ok", "FAIL", "skip")


@dataclasses.dataclass
class Step:
    """One command.

    name: of the test, or of the group when the command runs many
    many: it writes a result for each test to UNBD_RESULTS
    limit: seconds it may take
    """

    name: str
    argv: list
    kernel: str = "-"
    many: bool = False
    limit: int = 900


class Results:
    """Counts and prints; used by several threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = dict.fromkeys(STATUSES, 0)

    def print(self, text):
        """Print whole lines only."""
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

    def finish(self):
        """Print the totals; return the exit status."""
        ok, failed, skipped = (self.counts[s] for s in STATUSES)
        self.print(f"{ok} passed, {failed} failed, {skipped} skipped")
        return 0 if ok and not failed else 1


class Runner:
    """Runs steps and keeps track of the processes, to end them."""

    def __init__(self, results):
        self.results = results
        self.processes = set()
        self.stopped = False

    def run_all(self, steps):
        """Run steps one after the other."""
        for step in steps:
            self.run(step)

    def run(self, step):
        """Run a step to its end."""
        if self.stopped:
            return
        began = time.monotonic()
        with tempfile.NamedTemporaryFile("w+", suffix=".results") as f:
            status, output = self.execute(step, f.name)
            seconds = time.monotonic() - began
            if self.stopped:
                return
            if step.many:
                self.collect(step, status, f.read().splitlines(), seconds)
            elif status == 0:
                self.results.add("ok", step, seconds)
            elif status == CANNOT:
                self.results.add("skip", step, seconds,
                                 "".join(output[-1:]).strip())
            else:
                self.results.print("".join(f"     | {x}" for x in output))
                self.results.add("FAIL", step, seconds, ending(status))

    def execute(self, step, results_file):
        """Run the command; return its exit status and last lines."""
        env = dict(os.environ, UNBD_RESULTS=results_file)
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
            env.pop(name, None)
        p = subprocess.Popen(step.argv, cwd=TOP, env=env, text=True,
                             errors="replace", stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True)
        self.processes.add(p)
        timer = threading.Timer(step.limit, kill, [p])
        timer.start()
        output = []
        for line in p.stdout:
            if step.many:
                self.results.print(line)
            output = output[-39:] + [line]
        status = p.wait()
        timed_out = not timer.is_alive()
        timer.cancel()
        self.processes.discard(p)
        return ("timeout" if timed_out else status), output

    def collect(self, step, status, lines, seconds):
        """Take the results that a step of many tests has written."""
        seen = [line.split("\t", 1)[0] for line in lines]
        for word in seen:
            if word in STATUSES:
                self.results.count(word)
        if status and "FAIL" not in seen:
            self.results.add("FAIL", step, seconds, ending(status))
        elif not seen and not os.environ.get("FILTER"):
            self.results.add("FAIL", step, seconds, "it ran no test")

    def stop(self):
        """End what runs, with all its children."""
        self.stopped = True
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


def ending(status):
    """Say how a command ended."""
    if status == "timeout":
        return "it took too long"
    return (f"killed by signal {-status}" if status < 0
            else f"exit status {status}")


def builds(kernels):
    """Return the steps that build the modules."""
    return [Step("build", ["tests/matrix/build", key, f"build/modules/{key}"],
                 kernel=key, limit=7200 if key == "debug" else 1200)
            for key in kernels]


def host_steps(kernels, wanted):
    """Return the steps that need no guest, in the order they run."""
    steps = [Step("static/sparse", ["tests/static/sparse", key], kernel=key)
             for key in SPARSE_KERNELS if key in kernels]
    for name in sorted(os.listdir(os.path.join(TOP, "tests/static"))):
        if name != "sparse" and not name.startswith("."):
            steps.append(Step(f"static/{name}", [f"tests/static/{name}"]))
    steps += [Step("dkms", ["tests/matrix/dkms", key], kernel=key)
              for key in DKMS_KERNELS if key in kernels]
    steps = [s for s in steps if wanted(s.name)]
    for name in ("unit", "fuzz"):
        steps.append(Step(name, ["make", "-s", "-C", f"tests/{name}",
                                 "check"], many=True, limit=1800))
    return steps


def kernels_step(kernels):
    """Return the step that fetches what guests boot, beside the builds."""
    keys = [key for key in kernels if key != "debug"]
    return Step("vm/kernels", ["tests/vm/kernel", "--rnbd", *keys],
                limit=1800)


def guest_step(kernels, pattern, *more):
    """Return the step that boots guests."""
    argv = ["tests/vm/run", "--kernel", ",".join(kernels), *more]
    if pattern:
        argv += ["--filter", pattern]
    return Step("vm", argv, many=True, limit=6 * 3600)


def installed_steps(kernels, pattern):
    """Return the steps that boot installed Debians with our packages."""
    usual = INSTALLED_KERNELS if os.environ.get("KERNEL") else INSTALLED_ALWAYS
    keys = [key for key in usual if key in kernels]
    step = guest_step(keys, pattern, "--cases", "tests/installed/cases")
    step.name = "installed"
    return [step] if keys and (not pattern or has_cases(step)) else []


def bed_steps(kernels, wanted):
    """Return the steps of the test bed itself, and of what else uses it."""
    steps = [Step("vm/selftest", ["tests/vm/selftest", key], kernel=key,
                  limit=1800)
             for key in ("6.1", "debug") if key in kernels]
    if "6.1" in kernels:
        steps += [Step("demo", ["tests/demo", "tcp"], kernel="6.1"),
                  Step("bench", ["tests/bench/run", "--check", "unbd-tcp",
                                 "unbd-shm"], kernel="6.1")]
    return [s for s in steps if wanted(s.name)]


def has_cases(step):
    """Say whether any case in guests matches."""
    r = subprocess.run(step.argv + ["--list"], cwd=TOP, text=True,
                       stdout=subprocess.PIPE)
    return r.returncode != 0 or r.stdout.strip() != ""


def debug_kernel_is_built():
    """Say whether the debug kernel is in the cache."""
    return not subprocess.run(["tests/vm/kernel", "--is-built", "debug"],
                              cwd=TOP).returncode


def chosen_kernels(results):
    """Return the kernels that KERNEL names, or those that are usual."""
    keys = re.split(r"[,\s]+", os.environ.get("KERNEL", "").strip())
    keys = [k for k in keys if k]
    if not keys:
        keys = list(KERNELS)
        if not debug_kernel_is_built():
            keys.remove("debug")
            results.add("skip", Step("all", [], kernel="debug"), 0,
                        "this kernel is not built here yet; "
                        "make check KERNEL=debug does that, too")
    unknown = set(keys) - set(KERNELS)
    if unknown:
        sys.exit(f"make check: unknown KERNEL {' '.join(sorted(unknown))}; "
                 f"known: {' '.join(KERNELS)}")
    return [k for k in KERNELS if k in keys]


def main():
    """Run everything that is wanted; return the exit status."""
    pattern = os.environ.get("FILTER", "")
    results = Results()
    kernels = chosen_kernels(results)
    runner = Runner(results)

    def wanted(name):
        return re.search(pattern, name) is not None

    def interrupted(number, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)
    guests = guest_step(kernels, pattern)
    try:
        fetch = threading.Thread(
            target=runner.run_all,
            args=([] if pattern else [kernels_step(kernels)],))
        fetch.start()
        if wanted("build"):
            runner.run_all(builds(kernels))
        fetch.join()
        beside = [threading.Thread(target=runner.run_all, args=(steps,))
                  for steps in (host_steps(kernels, wanted),
                                bed_steps(kernels, wanted),
                                installed_steps(kernels, pattern))]
        for thread in beside:
            thread.start()
        if not pattern or has_cases(guests):
            runner.run(guests)
        for thread in beside:
            thread.join()
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        runner.stop()
        results.print("interrupted")
        results.finish()
        return 1
    return results.finish()


if __name__ == "__main__":
    sys.exit(main())
