# SPDX-License-Identifier: GPL-2.0
"""A topology of running guests, driven by one loop in one thread."""

import os
import selectors
import shutil
import tempfile
import time

from . import ivshmem, store
from .guest import Guest, GuestDied, tail

TOPOLOGIES = {"one": ("client",), "two": ("client", "server")}
ADDRESS = {"server": "10.0.0.1/24", "client": "10.0.0.2/24"}
MAC = {"server": "52:54:00:00:00:01", "client": "52:54:00:00:00:02"}
DEVICES = ("disk", "ivshmem", "mem")
SHARED_MIB = 64
DISK_MIB = 128
BOOT_TIMEOUT = 90
BOOT_SECONDS = 5  # on two processors with nothing else to do
NOMINAL_SLOW = {False: 1, True: 4}  # the debug kernel is slower
ON_TIMEOUT = 120  # for one command in the other guest
FAILED = 125      # exit status of what the bed could not do


class Timeout(Exception):
    """Something took longer than it may."""


class Lab:
    """The guests of a topology and what goes on in them."""

    def __init__(self, topology, kernel, payload, accel, cpus=2, shell=None,
                 devices=()):
        self.dir = tempfile.mkdtemp(prefix="unbd-")
        self.kernel = kernel
        self.slow = NOMINAL_SLOW[kernel.is_debug]
        self.guests = {
            name: Guest(name, kernel, payload, self.dir, accel, cpus,
                        shell == name)
            for name in TOPOLOGIES[topology]}
        if topology == "two":
            self.join("client", "server", 0)
        self.ivshmem = None
        self.add_devices(devices)
        self.selector = selectors.DefaultSelector()
        self.number = 0
        self.running = {}  # number -> (guest, callback taking a message)
        self.booting = {}  # guest name -> callbacks for when it is ready

    def add_devices(self, devices):
        """Give all guests one memory, and each a disk, if that is wanted."""
        if "ivshmem" in devices:
            self.ivshmem = ivshmem.Server(os.path.join(self.dir, "ivshmem"),
                                          SHARED_MIB << 20)
        for guest in self.guests.values():
            if "ivshmem" in devices:
                guest.add_memory(os.path.join(self.dir, "memory"), SHARED_MIB)
                guest.add_doorbell(os.path.join(self.dir, "ivshmem"))
            if "mem" in devices:
                guest.add_reserved(os.path.join(self.dir, "reserved"),
                                   SHARED_MIB)
            if "disk" in devices:
                guest.add_disk(DISK_MIB)

    def join(self, one, other, number):
        """Lay a cable between two guests: datagrams, so either may die."""
        ends = {n: os.path.join(self.dir, f"{n}.net{number}")
                for n in (one, other)}
        for name, peer in ((one, other), (other, one)):
            self.guests[name].add_link(ADDRESS[name], MAC[name],
                                       ends[name], ends[peer])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Kill all guests and forget their files."""
        for guest in self.guests.values():
            guest.close()
        if self.ivshmem:
            self.ivshmem.close()
        self.selector.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def pull_plug(self):
        """End the guests from another thread; the loop will notice."""
        for guest in self.guests.values():
            if guest.process:
                guest.process.kill()

    def boot(self):
        """Start all guests and wait until their agents are there.

        How long that takes says how slow the machine is today.
        """
        begin = time.monotonic()
        for name in self.guests:
            self.start(name)
        self.wait(lambda: all(g.ready for g in self.guests.values()),
                  BOOT_TIMEOUT * self.slow, "the guests do not boot")
        seconds = (time.monotonic() - begin) / len(self.guests)
        self.slow = min(max(self.slow, round(seconds / BOOT_SECONDS)), 16)

    def start(self, name, then=None):
        """Start one guest; call then(status) when it is ready."""
        guest = self.guests[name]
        if not guest.alive:
            self.kill(name)
            guest.start()
            self.selector.register(guest.agent, selectors.EVENT_READ, guest)
        self.booting.setdefault(name, [])
        if then:
            self.booting[name].append(then)

    def kill(self, name):
        """Cut the power of one guest."""
        guest = self.guests[name]
        if guest.agent:
            self.selector.unregister(guest.agent)
        guest.kill()
        for number, (where, callback) in list(self.running.items()):
            if where is guest:
                del self.running[number]
                callback({"exit": FAILED})

    def wait(self, done, seconds, what):
        """Handle messages until done() or the time is over."""
        deadline = time.monotonic() + seconds
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout(f"{what} in {seconds:.0f} s")
            for key, _ in self.selector.select(min(left, 1)):
                # An earlier message of this round may have ended the guest.
                if key.data.agent is key.fileobj:
                    self.pump(key.data)

    def pump(self, guest):
        """Handle what one guest has sent."""
        try:
            for message in guest.receive():
                self.handle(guest, message)
        except GuestDied:
            self.kill(guest.name)
            if guest.name == "client" or not self.running:
                raise

    def handle(self, guest, message):
        """Act on one message of an agent."""
        if "ready" in message:
            # What the agent before this one ran has no one to report to.
            if guest.ready:
                raise GuestDied(f"{guest.name}: the agent was killed")
            guest.ready = True
            for callback in self.booting.pop(guest.name, []):
                callback(0)
        elif "ask" in message:
            self.asked(guest, message)
        elif message["id"] in self.running:
            callback = self.running[message["id"]][1]
            if "exit" in message:
                del self.running[message["id"]]
            callback(message)

    def spawn(self, name, argv, callback, stdin="", env=None):
        """Run a program in a guest; callback gets out, row and exit."""
        self.number += 1
        guest = self.guests[name]
        self.running[self.number] = (guest, callback)
        guest.send({"run": self.number, "argv": argv, "stdin": stdin,
                    "env": env or {}})
        return self.number

    def cancel(self, number):
        """Kill a program and forget it."""
        if number in self.running:
            guest, callback = self.running.pop(number)
            guest.send({"kill": number})
            callback({"exit": FAILED})

    def run(self, name, argv, seconds, on_out=None, on_row=None, **kwargs):
        """Run a program in a guest to its end; return its exit status."""
        status = []
        rows = ""

        def callback(message):
            nonlocal rows
            if "out" in message and on_out:
                on_out(message["out"])
            if "row" in message and on_row:
                *lines, rows = (rows + message["row"]).split("\n")
                for line in lines:
                    on_row(line.split("\t"))
            if "exit" in message:
                status.append(message["exit"])

        number = self.spawn(name, argv, callback, **kwargs)
        try:
            self.wait(lambda: status, seconds, "no end")
        finally:
            self.running.pop(number, None)
        return status[0]

    def output(self, name, argv, seconds):
        """Run a program in a guest; return its status and what it printed."""
        parts = []
        status = self.run(name, argv, seconds, on_out=parts.append)
        return status, "".join(parts).encode("latin-1").decode(
            "utf-8", "replace")

    def asked(self, guest, message):
        """Answer a program in a guest (bedctl ask ...)."""
        def reply(text=None, status=None):
            answer = {"answer": message["ask"]}
            if text is not None:
                answer["out"] = text
            if status is not None:
                answer["exit"] = status
            if guest.alive and guest.agent:
                guest.send(answer)

        verb, target, *words = [*message["argv"], ""][:2] + message["argv"][2:]
        if target not in self.guests:
            reply(f"no guest is called {target}\n", FAILED)
        elif verb == "on":
            self.relay(target, words, message["stdin"], reply)
        else:
            self.control(verb, target, reply)

    def relay(self, target, argv, stdin, reply):
        """Run a program in another guest for one that asked."""
        guest = self.guests[target]
        if not guest.ready:
            reply(f"{target} is not running\n", FAILED)
            return
        argv = ["timeout", str(ON_TIMEOUT * self.slow), *argv]
        self.spawn(target, argv, lambda m: reply(m.get("out"), m.get("exit")),
                   stdin)

    def control(self, verb, target, reply):
        """Do to a guest what only the host can do."""
        guest = self.guests[target]
        try:
            if verb in ("kill", "restart"):
                self.kill(target)
            if verb in ("start", "restart") and not guest.ready:
                self.start(target, lambda status: reply(status=status))
                return
            if verb == "console":
                reply(console_since_mark(guest))
            elif verb in ("freeze", "thaw"):
                guest.tell_qemu("stop" if verb == "freeze" else "cont")
            elif verb not in ("kill", "start"):
                reply(f"the host cannot {verb}\n", FAILED)
                return
            reply(status=0)
        except (store.BedError, GuestDied, OSError, AttributeError) as e:
            reply(f"{verb} {target}: {e}\n", FAILED)

    def keep_consoles(self, prefix):
        """Copy the consoles to PREFIXname.console."""
        for guest in self.guests.values():
            if os.path.exists(guest.console):
                shutil.copy(guest.console, f"{prefix}{guest.name}.console")

    def console_tail(self, count=40):
        """Return the last console lines of every guest."""
        return "\n".join(
            f"--- console of {g.name}\n{tail(g.console, count)}"
            for g in self.guests.values())


def console_since_mark(guest):
    """Return what a kernel printed since the check began (see klog.sh)."""
    with open(guest.console, "rb") as f:
        text = f.read().decode("latin-1").replace("\r", "")
    return text[max(text.rfind("] bed: "), 0):]
