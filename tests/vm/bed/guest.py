# SPDX-License-Identifier: GPL-2.0
"""One QEMU process, the console it writes and the agent inside."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import time

from . import ivshmem, rootfs, store

MEMORY = 640
DEBUG_MEMORY = 1024
# What QEMU has translated is found again only at the same address, so nothing
# may be randomized: starting a program takes three times as long otherwise.
APPEND = ("console=ttyS0 panic=-1 net.ifnames=0 mitigations=off nokaslr "
          "norandmaps no_timer_check log_buf_len=4M tsc=reliable")
# ACPI's tables take KASAN minutes to interpret; MPPARSE finds the CPUs.
DEBUG_APPEND = "acpi=off"
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class GuestDied(Exception):
    """QEMU ended or the agent's connection broke."""


def die_with_parent():
    """Let the kernel end this child when its parent is gone."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Guest:
    """A virtual machine of a lab; may be killed and started again."""

    def __init__(self, name, kernel, payload, where, accel, cpus=2,
                 shell=False):
        self.name = name
        self.kernel = kernel
        self.payload = payload
        self.where = where
        self.accel = accel
        self.cpus = cpus
        self.shell = shell
        self.memory = DEBUG_MEMORY if kernel.is_debug else MEMORY
        self.links = []
        self.extra = []  # more words for QEMU
        self.words = []  # and for the kernel
        self.process = self.agent = self.qmp = None
        self.ready = False
        self.received = b""
        self.started = 0
        self.listeners = {n: self.listen(n) for n in ("agent", "qmp")}

    def path(self, name):
        """Return the path of one of this guest's files."""
        return os.path.join(self.where, f"{self.name}.{name}")

    def listen(self, name):
        """Listen on a socket that QEMU connects to when it starts."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path(name))
        listener.listen(1)
        listener.settimeout(20)
        return listener

    @property
    def console(self):
        """Return the file with everything the guest's kernel printed."""
        return self.path("console")

    def add_link(self, address, mac, local, remote):
        """Give the guest a network card whose wire are two socket paths."""
        self.links.append((address, mac, local, remote))

    def add_memory(self, path, mib):
        """Give the guest an ivshmem device, 0000:00:10.0, backed by a file."""
        self.extra += ["-object", "memory-backend-file,id=shm,share=on,"
                       f"mem-path={path},size={mib}M",
                       "-device", "ivshmem-plain,memdev=shm,addr=0x10"]

    def add_doorbell(self, path):
        """Give the guest an ivshmem device, 0000:00:11.0, with interrupts."""
        self.extra += ["-chardev", f"socket,id=shm,path={path}",
                       "-device", "ivshmem-doorbell,chardev=shm,"
                       f"vectors={ivshmem.VECTORS},addr=0x11"]

    def add_reserved(self, path, mib):
        """Give the guest a file as memory that its kernel does not use.

        It is where neither the firmware nor QEMU put anything: above 4 GiB.
        """
        self.extra += ["-object",
                       f"memory-backend-ram,id=ram,size={self.memory}M",
                       "-object", "memory-backend-file,id=reserved,share=on,"
                       f"mem-path={path},size={mib}M",
                       "-numa", f"node,memdev=ram,cpus=0-{self.cpus - 1}",
                       "-numa", "node,memdev=reserved",
                       "-machine", f"max-ram-below-4g={self.memory}M"]
        self.memory += mib
        self.words += [f"memmap={mib}M$0x100000000"]

    def add_disk(self, mib):
        """Give the guest a disk, /dev/vdd, that outlives a power cut."""
        with open(self.path("disk"), "wb") as f:
            f.truncate(mib << 20)
        self.extra += ["-drive", "if=virtio,format=raw,file="
                       + self.path("disk")]

    def command(self):
        """Return the QEMU command line."""
        k = self.kernel
        words = [APPEND, f"bed.name={self.name}", *self.words]
        words += [DEBUG_APPEND] if k.is_debug else []
        argv = [store.find_tool("qemu-system-x86_64"), "-nodefaults",
                "-no-user-config", "-no-reboot", "-display", "none",
                "-machine", "pc", "-accel", self.accel, "-cpu", "max",
                # A socket each: the MP table lists no further cores.
                "-smp", f"{self.cpus},sockets={self.cpus}",
                "-m", str(self.memory),
                "-kernel", k.path("vmlinux"), "-initrd", k.path("initrd.cpio"),
                "-chardev", f"file,id=con,append=on,path={self.console}",
                "-device", "isa-serial,chardev=con",
                "-device", "virtio-serial-pci",
                "-chardev", f"socket,id=agent,path={self.path('agent')}",
                "-device", "virtserialport,chardev=agent,name=unbd.agent",
                "-chardev", f"socket,id=qmp,path={self.path('qmp')}",
                "-mon", "chardev=qmp,mode=control"]
        root = store.cache_dir(rootfs.NAME, "root.ext4")
        for image in (root, k.path("modules.ext4"), self.payload):
            argv += ["-drive", f"if=virtio,format=raw,readonly=on,file={image}"]
        for i, (address, mac, local, remote) in enumerate(self.links):
            words.append(f"bed.net{i}={address}")
            argv += ["-netdev", f"dgram,id=net{i},local.type=unix,local.path="
                     f"{local},remote.type=unix,remote.path={remote}",
                     "-device", f"virtio-net-pci,netdev=net{i},mac={mac},"
                     "host_mtu=9000,romfile="]
        argv += self.extra
        if self.shell:
            argv += ["-chardev", "stdio,id=shell,signal=off",
                     "-device", "isa-serial,chardev=shell"]
        return argv + ["-append", " ".join(words)]

    def start(self):
        """Start QEMU and take its connections."""
        self.ready = False
        self.received = b""
        self.started = time.monotonic()
        with open(self.path("qemu"), "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stderr=log, stdout=None if self.shell else log,
                stdin=None if self.shell else subprocess.DEVNULL,
                preexec_fn=die_with_parent,  # pylint: disable=W1509
                start_new_session=not self.shell)
        try:
            self.agent = self.listeners["agent"].accept()[0]
            self.qmp = self.listeners["qmp"].accept()[0]
            self.qmp.settimeout(20)
            self.tell_qemu("qmp_capabilities")
        except OSError as e:
            self.kill()
            raise store.BedError(f"QEMU does not start: "
                                 f"{tail(self.path('qemu'), 5)}") from e

    def kill(self):
        """End the guest as if its power had failed."""
        if self.process:
            self.process.kill()
            self.process.wait()
        for s in (self.agent, self.qmp):
            if s:
                s.close()
        self.process = self.agent = self.qmp = None
        self.ready = False

    def close(self):
        """Kill the guest and remove its sockets."""
        self.kill()
        for listener in self.listeners.values():
            listener.close()

    @property
    def alive(self):
        """Say whether QEMU runs."""
        return self.process is not None and self.process.poll() is None

    def ending(self):
        """Return how QEMU ended if that is not by the guest's own doing."""
        try:
            status = self.process.wait(5)
        except subprocess.TimeoutExpired:
            return ", but QEMU runs on"
        said = tail(self.path("qemu"), 3)
        if status < 0:
            return f": QEMU was killed by signal {-status} {said}"
        return f": QEMU ended with status {status} {said}" if status else ""

    def tell_qemu(self, command, **arguments):
        """Run a QMP command (stop, cont, set_link...)."""
        message = {"execute": command, "arguments": arguments}
        self.qmp.sendall(json.dumps(message).encode() + b"\n")
        received = b""
        while True:
            data = self.qmp.recv(65536)
            if not data:
                raise GuestDied(f"{self.name}: QEMU ended")
            received += data
            for line in received.split(b"\n"):
                try:
                    reply = json.loads(line or b"{}")
                except ValueError:
                    continue  # the rest of it is still to come
                if "error" in reply:
                    raise store.BedError(f"{command}: {reply['error']}")
                if "return" in reply:
                    return

    def send(self, message):
        """Send one message to the agent."""
        try:
            self.agent.settimeout(30)
            self.agent.sendall(json.dumps(message).encode() + b"\n")
        except OSError as e:
            raise GuestDied(f"{self.name}: the agent takes no message") from e

    def receive(self):
        """Return the messages of the agent that have arrived."""
        try:
            data = self.agent.recv(1 << 20)
        except OSError:
            data = b""
        if not data:
            raise GuestDied(f"{self.name}: the guest ended{self.ending()}")
        *lines, self.received = (self.received + data).split(b"\n")
        return [json.loads(line) for line in lines if line]


def tail(path, count):
    """Return the last lines of a file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return "\n".join(f.read().replace("\r", "").splitlines()[-count:])
    except FileNotFoundError:
        return ""
