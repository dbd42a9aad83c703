# SPDX-License-Identifier: GPL-2.0
"""Run cases: which guests to boot, what to do when one hangs or dies."""

import dataclasses
import os
import re
import threading
import time

from . import accel, qemu, store
from .guest import GuestDied
from .lab import HOSTS, TOPOLOGIES, Lab, Timeout

LOGS = os.path.join(store.TOP, "build/vm")
HOST_SECONDS = 1800  # for a check at least: its guest may stand still
# What only a host that has other things to do can bring about
LATE = re.compile("not in time|took more than|no end in|do not boot|"
                  "takes no message|does not start")
SHOW_STACKS = """
echo w > /proc/sysrq-trigger
if [ -d /sys/class/infiniband/rxe0 ]; then
    timeout 3 rdma resource show qp
    grep . /sys/class/infiniband/rxe0/ports/1/hw_counters/*
fi
"""
SHOW_BLOCKED = "ps axo pid,stat,wchan:30,args | grep '^ *[0-9]* D'"


@dataclasses.dataclass
class Group:
    """Cases that can share guests, and where they run."""

    kernel: object
    payload: str
    topology: str
    clock: str
    cpus: int
    devices: tuple
    memory: int
    system: object  # what the client boots, if not the kernel alone
    cases: list
    boots: int = 0  # how many sessions have begun to run its cases

    @property
    def places(self):
        """Return how many of the host's processors a boot takes."""
        return min(len(TOPOLOGIES[self.topology]), store.PLACES)

    @property
    def accel(self):
        """Return QEMU's -accel."""
        return (qemu.VIRTUAL if self.clock == "virtual"
                else accel.choose(self.kernel))


class Runner:
    """Runs groups side by side, a guest to a processor."""

    def __init__(self, groups, report, gate=False):
        self.groups = groups
        self.gate = gate
        self.report = report
        self.free = store.PLACES
        self.wake = threading.Condition()
        self.labs = set()
        self.stopping = False
        self.errors = []
        self.late = []  # (group, case, check, reason) that were too late once

    def run(self):
        """Run everything; on an interrupt leave no guest behind."""
        self.run_groups()
        self.stopping = False
        for group, case, check, reason in self.late:
            group.cases[:] = [dataclasses.replace(case, checks=[check])]
            self.run_session(Session(self, group, reason), store.PLACES)

    def run_groups(self):
        """Run all groups, as many at a time as there is room for."""
        threads = [threading.Thread(target=self.work, daemon=True)
                   for _ in range(self.free)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.5)
        finally:
            self.stop()
            for thread in threads:
                thread.join(10)
        if self.errors:
            raise self.errors[0]

    def stop(self):
        """Make the threads end by pulling the plug of their guests."""
        with self.wake:
            self.stopping = True
            for lab in self.labs:
                lab.pull_plug()
            self.wake.notify_all()

    def work(self):
        """Boot guests for a group and run its cases, as long as there are."""
        while group := self.take():
            try:
                self.run_session(Session(self, group), group.places)
            except Exception as e:  # pylint: disable=broad-except
                self.errors.append(e)
                threading.Thread(target=self.stop).start()
            finally:
                with self.wake:
                    self.free += group.places
                    self.wake.notify_all()

    def run_session(self, session, places):
        """Run a session on some of the host's processors."""
        try:
            with store.places(places):
                session.run()
        except store.BedError as e:
            self.give_up(session, e)

    def give_up(self, session, error):
        """Report as failed what cannot be run because guests do not boot."""
        group = session.group
        with self.wake:
            cases = [session.case] if session.case else []
            cases += group.cases
            group.cases.clear()
        for case in [] if self.stopping else cases:
            for check in case.checks:
                session.result("FAIL", case, check, "0.0",
                               str(error).splitlines()[0], str(error))

    def take(self):
        """Return a group whose guests there is room for, or None at the end.

        Larger topologies first: they cannot fill up what is left at the end.
        Then those that nobody has booted guests for, as a boot is dear.
        """
        with self.wake:
            while not self.stopping:
                todo = [g for g in self.groups if g.cases]
                if not todo:
                    return None
                fits = [g for g in todo if g.places <= self.free]
                if fits:
                    group = max(fits, key=lambda g: (g.places, -g.boots))
                    group.boots += 1
                    self.free -= group.places
                    return group
                self.wake.wait(1)
            return None

    def next_case(self, group):
        """Take the next case of a group."""
        with self.wake:
            if self.stopping or not group.cases:
                return None
            return group.cases.pop(0)


class Session:
    """One thread's guests: booted, given cases, booted again if they break.

    With a reason why it failed before it is a check's second try.
    """

    def __init__(self, runner, group, before=""):
        self.runner = runner
        self.group = group
        self.before = before
        self.kernel = group.kernel
        self.lab = None
        self.booted_for = []  # the cases that have run in this boot
        self.case = None
        self.log = None
        # Of the check that runs now:
        self.check = None
        self.began = 0
        self.used = 0
        self.output = []

    def run(self):
        """Run cases of the group until there are no more."""
        try:
            while case := self.runner.next_case(self.group):
                self.case = dataclasses.replace(case, checks=case.checks[:])
                self.run_case(self.case)
            self.case = None
        finally:
            self.close_lab()

    def open_lab(self):
        """Boot the guests unless they are there."""
        for attempt in (1, 2):
            if self.lab:
                return
            self.new_lab()
            try:
                self.lab.boot()
            except (GuestDied, Timeout) as e:
                why = f"{e}\n{self.lab.console_tail()}"
                self.close_lab()
                if attempt == 2 or self.runner.stopping:
                    raise store.BedError(why) from e
                store.say(f"{self.kernel.key}: {e}; trying once more")

    def new_lab(self):
        """Make the guests, where stop() finds them."""
        g = self.group
        lab = Lab(g.topology, g.kernel, g.payload, g.accel, g.cpus,
                  devices=g.devices, memory=g.memory, system=g.system)
        self.booted_for = []
        with self.runner.wake:
            self.lab = lab
            self.runner.labs.add(lab)

    def close_lab(self):
        """End the guests."""
        if self.lab:
            with self.runner.wake:
                self.runner.labs.discard(self.lab)
            self.lab.close()
            self.lab = None

    def run_case(self, case):
        """Run all checks of a case, over several boots if need be."""
        where = os.path.join(LOGS, self.kernel.key)
        os.makedirs(where, exist_ok=True)
        path = os.path.join(where, case.name) + ("-2" if self.before else "")
        left = case.checks
        with open(f"{path}.log", "w", encoding="utf-8") as self.log:
            while left and not self.runner.stopping:
                self.open_lab()
                self.booted_for.append(case.name)
                sound = self.run_checks(case, left)
                self.lab.keep_consoles(f"{path}.")
                if not sound:
                    self.close_lab()

    def run_checks(self, case, left):
        """Run the checks in `left`, taking out those that have a result.

        Return whether the guests can be used for more.
        """
        before = len(left)
        self.check = None
        limit = case.timeout * self.lab.slow
        try:
            status = self.lab.run(
                "client", ["bash", "/bed/runcase", case.name, *left],
                max(HOST_SECONDS, limit), self.on_out,
                lambda fields: self.on_row(case, left, fields),
                env={**self.environment(), "BED_LIMIT": str(limit)})
            why = f"runcase ended with status {status}"
        except (Timeout, GuestDied) as e:
            status = None
            why = str(e)
            if isinstance(e, Timeout):
                why += self.last_words()
                self.show_blocked()
        if self.runner.stopping:
            return False
        if status == 0 and not left:
            return True
        if self.check or len(left) == before:
            self.blame(case, left, why)
        return False

    def environment(self):
        """Return the variables that lib.sh documents."""
        asked = {k: v for k, v in os.environ.items() if k.startswith("CASE_")}
        return {"BED_KERNEL": self.kernel.key, "BED_SLOW": str(self.lab.slow),
                "BED_GUESTS": " ".join(g.name for g in self.lab.at_once),
                "BED_TOPOLOGY": self.group.topology,
                "BED_GATE": "1" if self.runner.gate else "",
                "BED_HOSTS": HOSTS.get(self.group.topology, ""), **asked}

    def on_out(self, text):
        """Keep what a check prints."""
        text = text.encode("latin-1").decode("utf-8", "replace")
        self.output.append(text)
        self.log.write(text)
        self.log.flush()

    def on_row(self, case, left, fields):
        """Take a row of runcase."""
        if fields[0] == "begin":
            self.check = fields[1]
            self.began = time.monotonic()
            self.used = self.processor_seconds()
            self.output = []
            self.log.write(f"=== {self.check}\n")
            return
        if fields[0] == "late":
            raise Timeout(f"no end in {fields[2]} s")
        status, check, seconds, reason = fields
        self.check = None
        used = self.processor_seconds() - self.used
        self.log.write(f"--- {seconds} s, {used:.1f} s of a processor\n")
        if check in left:
            left.remove(check)
        self.result(status, case, check, seconds, reason,
                    "".join(self.output), used)

    def result(self, status, case, check, *details):
        """Report a check, or have it tried once more.

        In real time a check may be too late for reasons that are none of its
        own. It gets one more try, at the end and alone, and is flaky then.
        """
        reason = details[1]
        if status == "FAIL":
            seconds, _, output, *more = details
            output += f"\nin this boot: {' '.join(self.booted_for)}"
            details = (seconds, reason, output, *more)
        if (status == "FAIL" and self.group.clock == "real" and
                LATE.search(reason) and "kernel log" not in reason and
                not self.before):
            store.say(f"{case.label(check)}: {reason}; once more, at the end")
            self.runner.late.append((self.group, case, check, reason))
            return
        if status == "ok" and self.before:
            status, details = "flaky", (details[0], self.before, *details[2:])
        self.runner.report.add(status, case.label(check), self.kernel.key,
                               *details)

    def processor_seconds(self):
        """Return what the guests have used: what a run has least of."""
        return sum(g.processor_seconds for g in self.lab.guests.values())

    def blame(self, case, left, why):
        """Report the check during which the guests broke."""
        check = self.check or left[0]
        if check in left:
            left.remove(check)
        parts = [self.lab.console_tail(), "".join(self.output)]
        if any(g.crashed for g in self.lab.guests.values()):
            parts.reverse()  # the report has the end
        text = "\n".join(parts)
        self.log.write(f"{why}\n{text}\n")
        self.result("FAIL", case, check,
                    f"{time.monotonic() - self.began:.1f}", why, text)

    def last_words(self):
        """Return what a check printed last: it may have failed before."""
        lines = "".join(self.output).strip().splitlines()
        return f", after '{lines[-1]}'" if lines else ""

    def show_blocked(self):
        """Have the guests say which tasks are stuck, and in which stack."""
        for script in (SHOW_STACKS, SHOW_BLOCKED):
            for name, guest in self.lab.guests.items():
                if guest.ready:
                    self.output.append(f"--- {name}\n")
                    self.say_there(name, script)

    def say_there(self, name, script):
        """Run a script in a guest that may not answer any more."""
        try:
            self.lab.run(name, ["sh", "-c", script], 10, self.on_out)
        except (Timeout, GuestDied):
            pass
