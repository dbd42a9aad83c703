# SPDX-License-Identifier: GPL-2.0
"""A topology of running guests, driven by one loop in one thread."""

import os
import selectors
import shutil
import tempfile
import time

from . import ivshmem, qemu, store
from .guest import Guest, GuestDied, InstalledGuest, NetworkGuest

TOPOLOGIES = {"one": ("client",), "ns": ("client",), "loop": ("client",),
              "two": ("client", "server"),
              "three": ("client", "server", "server2"),
              "netboot": ("client", "server", "machine")}
# Whom the cases of a topology know that are no guests, but share the client's
# kernel
HOSTS = {"ns": "server", "loop": "server"}
DEVICES = ("disk", "ivshmem", "mem")
SHARED_MIB = 64
DISK_MIB = 1280  # sparse
BOOT_TIMEOUT = 900
# How much longer things may take: (virtual time?, debug kernel?) -> factor. In
# real time a host may have other things to do at any moment.
SLOW = {(True, False): 1, (True, True): 4,
        (False, False): 6, (False, True): 24}
ON_TIMEOUT = 120  # for one command in the other guest
FAILED = 125      # exit status of what the bed could not do


class Timeout(Exception):
    """Something took longer than it may."""


class Lab:
    """The guests of a topology and what goes on in them."""

    def __init__(self, topology, kernel, payload, accel, cpus=2, shell=None,
                 devices=(), memory=0, system=None):
        if topology == "netboot" and not system:
            raise store.BedError("netboot is for an installed system")
        self.dir = tempfile.mkdtemp(prefix="unbd-")
        self.kernel = kernel
        self.virtual = accel == qemu.VIRTUAL
        self.slow = SLOW[self.virtual, kernel.is_debug]
        self.guests = {}
        for name in TOPOLOGIES[topology]:
            kind = guest_kind(name, topology, system)
            self.guests[name] = kind(
                name, kernel if kind is Guest else system, payload, self.dir,
                accel, cpus, shell == name, memory)
        if topology == "netboot":
            self.join("machine", "server", 0)
            self.guests["machine"].add_root_to(self.guests["server"])
        else:
            for number, server in enumerate(TOPOLOGIES[topology][1:]):
                self.join("client", server, number)
        self.ivshmem = None
        self.add_devices(devices)
        self.selector = selectors.DefaultSelector()
        self.number = 0
        self.running = {}  # number -> (guest, callback taking a message)
        self.progress = 0  # when a row of results came
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

    def join(self, client, server, number):
        """Lay a cable between two guests: datagrams, so either may die."""
        ends = {n: os.path.join(self.dir, f"{n}.net{number}")
                for n in (client, server)}
        for host, name, peer in ((1, server, client), (2, client, server)):
            self.guests[name].add_link(
                f"10.0.{number}.{host}/24", f"52:54:00:00:0{number}:0{host}",
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

    @property
    def at_once(self):
        """Return the guests that boot without being told to."""
        return [g for g in self.guests.values() if not g.waits]

    def boot(self):
        """Start the guests and wait until their agents are there."""
        guests = self.at_once
        for guest in guests:
            self.start(guest.name)
        self.wait(lambda: all(g.ready for g in guests),
                  BOOT_TIMEOUT, "the guests do not boot")
        self.rest()

    def rest(self, command="stop"):
        """Stop guests in virtual time that have nothing to do.

        They would be busy with letting it pass.
        """
        for guest in self.guests.values() if self.virtual else ():
            if guest.alive:
                guest.tell_qemu(command)

    def wake(self):
        """Let guests go on that rest."""
        self.rest("cont")

    def start(self, name, then=None, words=()):
        """Start one guest; call then(text, status) when it is ready or ends.

        The words go to its kernel, for this boot.
        """
        guest = self.guests[name]
        if not guest.alive:
            self.kill(name)
            guest.start(words)
            self.selector.register(guest.agent, selectors.EVENT_READ, guest)
        self.booting.setdefault(name, [])
        if then:
            self.booting[name].append(then)

    def kill(self, name, why=None):
        """Cut the power of one guest; say why to those that wait for it."""
        guest = self.guests[name]
        if guest.agent:
            self.selector.unregister(guest.agent)
        guest.kill()
        for number, (where, callback) in list(self.running.items()):
            if where is guest:
                del self.running[number]
                callback({"exit": FAILED})
        for callback in self.booting.pop(name, []):
            callback(f"{why or name + ': the guest ended'}\n", FAILED)

    def wait(self, done, seconds, what):
        """Handle messages until done(), or no progress for so long."""
        began = time.monotonic()
        while not done():
            left = max(began, self.progress) + seconds - time.monotonic()
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
        except GuestDied as e:
            if self.boots_again(guest, e):
                return
            self.kill(guest.name, str(e))
            if guest.name == "client" or not self.running:
                raise

    def boots_again(self, guest, why):
        """Boot a guest a second time that ended while a check waits for it.

        As at first: that is seldom, and none of the check's business, nor is
        what such a kernel said; unless unbd was in it.
        """
        waiting = self.booting.get(guest.name)
        if not waiting or guest.boots > 1 or guest.crashed_with_unbd:
            return False
        self.booting[guest.name] = []
        self.kill(guest.name)
        guest.forget_boot()
        store.say(f"{self.kernel.key}: {why}; trying once more")
        self.start(guest.name, words=guest.boot_words)
        self.booting[guest.name] = waiting
        return True

    def handle(self, guest, message):
        """Act on one message of an agent."""
        if "ready" in message:
            # What the agent before this one ran has no one to report to.
            if guest.ready:
                raise GuestDied(f"{guest.name}: the agent was killed")
            guest.ready = True
            for callback in self.booting.pop(guest.name, []):
                callback(status=0)
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

    def run(self, name, argv, seconds, on_out=None, on_row=None, **kwargs):
        """Run a program in a guest to its end; return its exit status."""
        status = []
        rows = ""

        def callback(message):
            nonlocal rows
            if "out" in message and on_out:
                on_out(message["out"])
            if "row" in message and on_row:
                self.progress = time.monotonic()
                *lines, rows = (rows + message["row"]).split("\n")
                for line in lines:
                    on_row(line.split("\t"))
            if "exit" in message:
                status.append(message["exit"])

        self.wake()
        number = self.spawn(name, argv, callback, **kwargs)
        try:
            self.wait(lambda: status, seconds, "no end")
        finally:
            self.running.pop(number, None)
        self.rest()
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
            self.control(verb, target, words, reply)

    def relay(self, target, argv, stdin, reply):
        """Run a program in another guest for one that asked."""
        guest = self.guests[target]
        if not guest.ready:
            reply(f"{target} is not running\n", FAILED)
            return
        argv = ["timeout", str(ON_TIMEOUT * self.slow), *argv]
        self.spawn(target, argv, lambda m: reply(m.get("out"), m.get("exit")),
                   stdin)

    def control(self, verb, target, words, reply):
        """Do to a guest what only the host can do."""
        guest = self.guests[target]
        try:
            if verb in ("kill", "restart"):
                self.kill(target)
            if verb in ("start", "restart") and not guest.ready:
                guest.boots = 0
                self.start(target, reply, words)
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
        """Return the last console lines of every guest, and crashes last."""
        return "\n".join(
            f"--- console of {g.name}\n" + "\n".join(g.last_lines(count))
            for g in sorted(self.guests.values(), key=lambda g: g.crashed))


def guest_kind(name, topology, system):
    """Return the class of a guest."""
    if name == "machine":
        return NetworkGuest
    return (InstalledGuest if system and name == "client" and
            topology != "netboot" else Guest)


def console_since_mark(guest):
    """Return what a kernel printed since the check began (see klog.sh)."""
    with open(guest.console, "rb") as f:
        text = f.read().decode("latin-1").replace("\r", "")
    return text[max(text.rfind("] bed: "), 0):]
