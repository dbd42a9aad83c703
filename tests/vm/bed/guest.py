# SPDX-License-Identifier: GPL-2.0
"""One QEMU process, the console it writes and the agent inside."""

import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import time

from . import ivshmem, qemu, rootfs, store, tsc

MEMORY = 640
DEBUG_MEMORY = 1024
MOST_MEMORY = "8G"  # with the images that it boots from
INSTALLED_MEMORY = 1024
# What QEMU has translated is found again only at the same address, so nothing
# may be randomized: starting a program takes three times as long otherwise.
# Nor are kernel stacks: each system call would look at the clock for that.
# Bounce buffers are for devices that do not reach all memory, of which there
# are none; clearing them, by single bytes, was a sixth of a boot.
APPEND = ("console=ttyS0 panic=-1 net.ifnames=0 mitigations=off nokaslr "
          "norandmaps randomize_kstack_offset=off no_timer_check "
          "log_buf_len=4M tsc=reliable swiotlb=noforce")
# Left out of the emulated processor: copying by single bytes, which kernels
# take for the fastest way; a fifth level of page tables; and a switch at each
# access to user memory. That is a quarter of the work.
CPU = "max,-erms,-fsrm,-la57,-smap"
# ACPI's tables take KASAN minutes to interpret; MPPARSE finds the CPUs.
DEBUG_APPEND = "acpi=off"
# The first line of what a kernel says when it has crashed, a trace behind it.
CRASH = re.compile("Kernel panic|Oops|BUG: (kernel|unable)|kernel BUG|"
                   "general protection fault")
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class GuestDied(Exception):
    """QEMU ended or the agent's connection broke."""


def die_with_parent():
    """Let the kernel end this child when its parent is gone."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Guest:
    """A virtual machine of a lab; may be killed and started again."""

    usual_memory = MEMORY
    waits = False  # to be started by the case?

    def __init__(self, name, kernel, payload, where, accel, cpus=2,
                 shell=False, memory=0):
        self.name = name
        self.kernel = kernel
        self.payload = payload
        self.where = where
        self.accel = accel
        self.cpus = cpus
        self.shell = shell
        usual = DEBUG_MEMORY if kernel.is_debug else self.usual_memory
        self.memory = memory or usual
        self.virtual = accel == qemu.VIRTUAL
        self.links = []
        self.extra = []  # more words for QEMU
        self.words = []  # and for the kernel
        self.process = self.agent = self.qmp = None
        self.ready = False
        self.boots = 0  # since it was to start
        self.boot_words = ()
        self.boot_at = 0  # in the console's file
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
        """Give the guest an ivshmem device, 0000:00:10.0, backed by a file.

        And another one, 0000:00:12.0, with the same memory: what a module has
        taken for itself programs of that guest must not map.
        """
        for name, address in (("shm", "0x10"), ("twin", "0x12")):
            self.extra += ["-object", f"memory-backend-file,id={name},share=on,"
                           f"mem-path={path},size={mib}M", "-device",
                           f"ivshmem-plain,memdev={name},addr={address}"]

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
        """Give the guest a disk, /dev/vda, that outlives a power cut.

        Of the guest, not of the host: the host's own disk is not waited for.
        """
        with open(self.path("disk"), "wb") as f:
            f.truncate(mib << 20)
        self.extra += ["-drive", "if=virtio,format=raw,cache=unsafe,"
                       "file=" + self.path("disk")]

    def command(self, more=()):
        """Return the QEMU command line, with more words for the kernel."""
        k = self.kernel
        words = [APPEND, f"bed.name={self.name}", *self.words, *more]
        words += [DEBUG_APPEND] if k.is_debug else []
        words += self.clock_words()
        argv = [*qemu.command(), "-nodefaults",
                "-no-user-config", "-no-reboot", "-display", "none",
                "-machine", "pc,hpet=off", "-accel", self.accel, "-cpu", CPU,
                # A socket each: the MP table lists no further cores.
                "-smp", f"{self.cpus},sockets={self.cpus}",
                "-m", f"{self.memory},maxmem={MOST_MEMORY}",
                "-kernel", k.path("vmlinux"), "-initrd", k.path("initrd.cpio"),
                "-chardev", f"file,id=con,append=on,path={self.console}",
                "-device", "isa-serial,chardev=con",
                "-device", "virtio-serial-pci",
                "-chardev", f"socket,id=agent,path={self.path('agent')}",
                "-device", "virtserialport,chardev=agent,name=unbd.agent",
                "-chardev", f"socket,id=qmp,path={self.path('qmp')}",
                "-mon", "chardev=qmp,mode=control"]
        argv += qemu.clock() if self.virtual else []
        argv += self.drives()
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

    def clock_words(self):
        """Return what its kernel is told of its clock, not to measure it."""
        if self.virtual:
            return [f"tsc_early_khz={qemu.TSC_KHZ}"]
        if "thread=multi" in self.accel and tsc.khz():
            return [f"tsc_early_khz={tsc.khz()}"]
        return []

    def drives(self):
        """Return the words for what it boots from, /dev/pmem0 and so on.

        It is memory of the guest: a disk would answer in the host's time.
        """
        images = (store.cache_dir(rootfs.NAME, "root.ext4"),
                  self.kernel.path("modules.ext4"), self.payload)
        words = []
        for i, image in enumerate(images):
            words += ["-object", f"memory-backend-file,id=pmem{i},share=on,"
                      f"readonly=on,mem-path={image},"
                      f"size={os.path.getsize(image)}",
                      "-device", f"virtio-pmem-pci,memdev=pmem{i}"]
        return words

    def start(self, words=()):
        """Start QEMU and take its connections."""
        self.boots += 1
        self.boot_words = words
        self.boot_at = (os.path.getsize(self.console)
                        if os.path.exists(self.console) else 0)
        self.ready = False
        self.received = b""
        self.started = time.monotonic()
        with open(self.path("qemu"), "ab") as log:
            self.process = subprocess.Popen(
                self.command(words), stderr=log,
                stdout=None if self.shell else log,
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

    @property
    def processor_seconds(self):
        """Return what QEMU has used of the host's processors."""
        if not self.alive:
            return 0
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as f:
            fields = f.read().rpartition(")")[2].split()
        user, system = int(fields[11]), int(fields[12])
        return (user + system) / os.sysconf("SC_CLK_TCK")

    def ending(self):
        """Return how QEMU ended, or what its kernel said before it did."""
        try:
            status = self.process.wait(5)
        except subprocess.TimeoutExpired:
            return ", but QEMU runs on"
        said = tail(self.path("qemu"), 3)
        if status < 0:
            return f": QEMU was killed by signal {-status} {said}"
        if status:
            return f": QEMU ended with status {status} {said}"
        return ": " + " | ".join(self.last_lines(3, before=3, after=1))

    @property
    def crashed(self):
        """Say whether the kernel has crashed since it was booted."""
        return any(map(CRASH.search, self.boot_log()))

    @property
    def crashed_with_unbd(self):
        """Say whether unbd was in the kernel when it crashed."""
        lines = iter(self.boot_log())
        return any(map(CRASH.search, lines)) and any(
            "unbd" in line for line in lines)

    def forget_boot(self):
        """Take what the last boot printed out of the console's file."""
        os.truncate(self.console, self.boot_at)

    def boot_log(self):
        """Return the console's lines since the last boot."""
        try:
            with open(self.console, encoding="utf-8", errors="replace") as f:
                text = f.read().replace("\r", "")
        except FileNotFoundError:
            return []
        lines = text[max(text.rfind("] Linux version "), 0):].splitlines()
        return [line for line in lines if line]

    def last_lines(self, count, before=8, after=16):
        """Return the last lines of the console, or those about a crash.

        What led to it is said before it, and a report has 25 lines.
        """
        lines = self.boot_log()
        for i, line in enumerate(lines):
            if CRASH.search(line):
                return lines[max(i - before, 0):i + after]
        return lines[-count:]

    def tell_qemu(self, command, **arguments):
        """Run a QMP command (stop, cont, set_link...)."""
        message = {"execute": command, "arguments": arguments}
        received = b""
        try:
            self.qmp.sendall(json.dumps(message).encode() + b"\n")
        except OSError as e:
            raise GuestDied(f"{self.name}: QEMU takes no command") from e
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


class InstalledGuest(Guest):
    """A guest that boots an installed Debian; its disk stays when it ends."""

    usual_memory = INSTALLED_MEMORY

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.words += ["root=/dev/vda", "rw"]

    def drives(self):
        """Return the words for its own copy of the disk and the payload."""
        return self.root_drive() + self.payload_drive()

    def root_drive(self, more=""):
        """Return the words for its own copy of the disk."""
        root = self.path("root")
        if not os.path.exists(root):
            store.run("cp", "--reflink=auto", "--sparse=always",
                      self.kernel.path("root.ext4"), root)
        return ["-drive", "if=none,id=root,format=raw,cache=unsafe,"
                f"file={root}",
                "-device", f"virtio-blk-pci,drive=root,serial=root{more}"]

    def payload_drive(self):
        """Return the words for the disk that bed.service looks for."""
        return ["-drive", "if=none,id=payload,format=raw,readonly=on,"
                f"file={self.payload}",
                "-device", "virtio-blk-pci,drive=payload,serial=payload"]


class NetworkGuest(InstalledGuest):
    """A guest whose root file system is on a disk of the guest server."""

    waits = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.words = [
            "root=/dev/disk/by-unbd/boot:root", "rw",
            "ip=10.0.0.2:::255.255.255.0::eth0:off",
            'unbd="sessname=boot path=tcp:10.0.0.1 device_path=root"']

    def drives(self):
        """Return the words for the payload: its root is elsewhere."""
        return self.payload_drive()

    def add_root_to(self, server):
        """Give another guest the disk, as /dev/disk/by-id/virtio-root."""
        # Behind its own disks, in the order of the bus
        server.extra += self.root_drive(",addr=0x1e")


def tail(path, count):
    """Return the last lines of a file."""
    with open(path, encoding="utf-8", errors="replace") as f:
        return "\n".join(f.read().splitlines()[-count:])
