# SPDX-License-Identifier: GPL-2.0
"""The steps of the demonstration, each shown, timed and checked."""

import dataclasses
import json
import shlex
import time

from bed.lab import Timeout
from screen import Clock

SERVER = "/sys/devices/virtual/unbd-server/ctl"
CLIENT = "/sys/devices/virtual/unbd-client/ctl"
IMAGE_MIB = 64
FIO_MIB = 16
STEP_SECONDS = 120


@dataclasses.dataclass
class Transport:
    """A way between the two guests: what is typed in each."""

    name: str
    serve: tuple        # on the server, when there is a file
    load: str           # on the client, once
    map: str            # on the client
    unmap: str
    withdraw: tuple     # on the server
    modules: tuple      # of the client and of the server, to unload
    link: str           # to the disk
    setup: tuple = ()   # commands that both guests need before
    ready: str = ""     # and a condition to wait for


def network(name, listen, path, setup=(), ready=""):
    """Return a transport whose server listens and whose client connects."""
    return Transport(
        name,
        ("modprobe unbd-server",
         'echo "name=vol0 device_path=/srv/disk.img clients=10.0.0.0/24" \\\n'
         f"  > {SERVER}/export_device",
         f'echo "{listen}" \\\n  > {SERVER}/listen'),
        "modprobe unbd-client",
        f'echo "sessname=demo path={path} device_path=vol0" \\\n'
        f"  > {CLIENT}/map_device",
        "echo normal > /sys/block/unbd0/unbd/unmap_device",
        (f"echo vol0 > {SERVER}/unexport_device",
         f'echo "{listen}" \\\n  > {SERVER}/unlisten'),
        (f"unbd-{name}-client unbd-{name} unbd-client",
         f"unbd-{name}-server unbd-{name} unbd-server"),
        "/dev/disk/by-unbd/demo:vol0", setup, ready)


def shared_memory(where):
    """Return the transport of guests that have memory in common."""
    line = f"1:{where}/request:{where}/response:{where}/buffer"
    client, server = (f"/sys/module/unbd_shm_{end}/parameters"
                      for end in ("client", "server"))
    return Transport(
        "shm",
        (f"modprobe unbd-shm-server devices=/srv/disk.img:1 \\\n"
         f"  connections={line}",),
        "modprobe unbd-shm-client",
        f"echo {line} \\\n  > {client}/connections",
        f"echo 1 > {client}/remove_connection",
        (f"echo 1 > {server}/remove_connection",),
        ("unbd-shm-client unbd-client unbd-shm",
         "unbd-shm-server unbd-server unbd-shm"),
        "/dev/muendiska")


TRANSPORTS = {t.name: t for t in (
    network("tcp", "tcp:0.0.0.0:10809", "tcp:10.0.0.1:10809"),
    # rdma_rxe of 6.1 wants its checksum loaded before.
    network("rdma", "rdma:0.0.0.0:1234", "rdma:10.0.0.1:1234",
            ("ip link set eth0 mtu 9000",
             "modprobe -q crc32_pclmul || modprobe -q crc32_generic || :\n"
             "modprobe rdma_rxe",
             "rdma link add rxe0 type rxe netdev eth0"),
            "grep -qs '^0000:.*:ffff:' "
            "/sys/class/infiniband/rxe0/ports/1/gids/*"),
    shared_memory("ivshmem@0000:00:11.0"),
)}


class StepFailed(Exception):
    """A command ended with an error, or its outcome is wrong."""


class Demo:
    """One transport shown in two running guests, from nothing to nothing."""

    def __init__(self, lab, screen, transport):
        self.lab = lab
        self.screen = screen
        self.transport = transport
        self.rows = []
        self.timed = 0
        self.tree = self.ask("client", "ls -d /usr/lib/python3.*")

    def run(self):
        """Show all steps; stop at the first that fails. Say if all is well."""
        parts = (
            *self.preparation(),
            ("The server exports a file",
             ("export a file", self.export)),
            ("The client maps it with one line",
             ("map the disk", self.map)),
            ("A file system on it, and real files in that",
             ("make ext4 on it", self.mkfs),
             ("copy files to it", self.copy_over)),
            ("Unmapped and mapped again, so that nothing is cached",
             ("map it again", self.remap),
             ("copy them back", self.copy_back),
             ("compare the files", self.compare_files)),
            ("Random writes, 32 at a time, then each block is verified",
             ("fio, crc32c", self.fio)),
            ("Is the client's disk the server's file, byte for byte?",
             ("compare the disks", self.compare_disks)),
            ("All of it goes away again",
             ("unmap, unexport", self.take_down),
             ("look at the logs", self.look_at_logs)),
        )
        for heading, *steps in parts:
            self.screen.heading(heading)
            for name, action in steps:
                if not self.step(name, action):
                    return False
        return True

    def preparation(self):
        """Return what comes before the steps that all transports share."""
        if not self.transport.setup:
            return ()
        return (("Both have an adapter, made of software",
                 ("make an adapter", self.set_up)),)

    def step(self, name, action):
        """Run one step, which returns the bytes it moved and its result."""
        self.timed = 0
        begin = time.monotonic()
        moved, result, well = 0, "FAILED", False
        try:
            moved, result = action()
            well = True
        except (StepFailed, Timeout) as e:
            self.screen.write(f"\n  FAILED: {e}\n")
        self.add_row(name, moved, self.timed or time.monotonic() - begin,
                     result)
        return well

    def add_row(self, name, moved, seconds, result):
        """Remember a row of the table."""
        rate = f"{moved / seconds / (1 << 20):.1f}" if moved else ""
        self.rows.append([
            self.transport.name, name, f"{moved:,}" if moved else "",
            f"{seconds:.1f}", rate, result])

    # What the steps are made of

    def type(self, guest, command, timed=False):
        """Show a command, run it in a guest, return what it printed.

        The step takes as long as its timed commands do.
        """
        said = []

        def on_out(text):
            text = text.encode("latin-1").decode("utf-8", "replace")
            said.append(text)
            self.screen.output(text)

        self.screen.command(guest, command)
        clock = Clock(self.screen)
        clock.start()
        try:
            status = self.lab.run(
                guest, ["bash", "-c", "set -eo pipefail\n" + command],
                STEP_SECONDS * self.lab.slow, on_out=on_out)
        finally:
            seconds = clock.stop()
            self.screen.end_line()
        if timed:
            self.timed += seconds
        if status:
            raise StepFailed(f"{guest}: status {status}")
        return "".join(said).strip()

    def ask(self, guest, command):
        """Run a command without showing it; return what it printed."""
        status, text = self.lab.output(guest, ["bash", "-c", command], 60)
        if status:
            raise StepFailed(f"{guest}: {command}: status {status}: {text}")
        return text.strip()

    def settle(self):
        """Wait for udev's links, as a person does without noticing."""
        self.ask("client", ". /bed/lib.sh; settle 30")

    # The steps

    def wait_for(self, guest, condition):
        """Wait until a command succeeds in a guest."""
        self.ask(guest, f"for i in {{1..300}}; do {condition} && exit; "
                        "sleep 0.1; done; exit 1")

    def set_up(self):
        """Give both guests what the transport works with."""
        for guest in ("server", "client"):
            for command in self.transport.setup:
                self.type(guest, command, True)
            self.wait_for(guest, self.transport.ready)
        return 0, "in both"

    def export(self):
        """Make a file and have it served."""
        self.type("server", f"truncate -s {IMAGE_MIB}M /srv/disk.img")
        for command in self.transport.serve:
            self.type("server", command, True)
        return 0, f"{IMAGE_MIB} MiB"

    def write_map_line(self):
        """Map the disk; that of shared memory comes when both are there."""
        self.type("client", self.transport.map, True)
        self.wait_for("client", f"[[ -b {self.transport.link} ]]")
        self.settle()

    def map(self):
        """Map the export and look at what came."""
        self.type("client", self.transport.load)
        self.write_map_line()
        self.type("client", "lsblk -o NAME,SIZE,LOG-SEC,PHY-SEC,RO /dev/unbd0")
        self.type("client", f"ls -g -o --time-style=+ {self.transport.link}")
        size = int(self.ask("client", "blockdev --getsize64 /dev/unbd0"))
        if size != IMAGE_MIB << 20:
            raise StepFailed(f"the disk has {size} bytes")
        queues = self.ask("client", "ls /sys/block/unbd0/mq | wc -l")
        return 0, f"/dev/unbd0, {queues} queues"

    def mkfs(self):
        """Make a file system and mount it."""
        self.type("client", "mkfs.ext4 -q -L demo /dev/unbd0", True)
        self.settle()
        self.type("client", "mount /dev/disk/by-label/demo /mnt")
        return 0, "mounted by its label"

    def copy_over(self):
        """Copy files to the disk; unmounting writes what is left."""
        self.type("client", f"cp -a {self.tree} /mnt/tree\numount /mnt", True)
        return self.size_of(self.tree), self.count(self.tree)

    def size_of(self, tree):
        """Return the bytes in the files below a directory."""
        return int(self.ask("client", f"find {tree} -type f -printf '%s\\n' | "
                                      "awk '{n += $1} END {print n}'"))

    def count(self, tree):
        """Say how many files are below a directory."""
        return self.ask("client", f"find {tree} -type f | wc -l") + " files"

    def remap(self):
        """Forget the disk and everything cached of it."""
        self.type("client", self.transport.unmap, True)
        self.write_map_line()
        self.type("client", f"mount {self.transport.link} /mnt")
        return 0, "mounted by its link"

    def copy_back(self):
        """Copy the files from the disk to memory."""
        self.type("client", "cp -a /mnt/tree /tmp/back", True)
        return self.size_of("/tmp/back"), self.count("/tmp/back")

    def compare_files(self):
        """Compare what came back with the original."""
        self.type("client",
                  f"cd {self.tree}\n"
                  "find . -type f -exec sha256sum {} + > /tmp/sums")
        self.type("client", "cd /tmp/back\nsha256sum --quiet -c /tmp/sums && "
                            "echo all the same", True)
        self.type("client", f"diff -r --no-dereference {self.tree} /tmp/back",
                  True)
        sums = int(self.ask("client", "wc -l < /tmp/sums"))
        if f"{sums} files" != self.count("/tmp/back"):
            raise StepFailed("not as many files as there were")
        return 0, f"{sums} checksums agree"

    def fio(self):
        """Write blocks in random order, then read and verify them."""
        self.type("client",
                  "fio --name=verify --directory=/mnt --direct=1 \\\n"
                  f"  --size={FIO_MIB}M --rw=randwrite --bs=16k "
                  "--ioengine=libaio --iodepth=32 \\\n"
                  "  --verify=crc32c --verify_fatal=1 \\\n"
                  "  --output-format=json --output=/tmp/fio.json", True)
        job = json.loads(self.ask("client", "cat /tmp/fio.json"))["jobs"][0]
        for verb in ("write", "read"):
            self.screen.output(
                f"{verb}: {job[verb]['io_bytes']:,} bytes, "
                f"{job[verb]['total_ios']:,} requests, "
                f"{job[verb]['iops']:,.0f} a second, "
                f"{job[verb]['clat_ns']['mean'] / 1e6:.1f} ms each\n")
        moved = [job[verb]["io_bytes"] for verb in ("write", "read")]
        if job["error"] or min(moved) < FIO_MIB << 20:
            raise StepFailed("not everything was written and verified")
        return sum(moved), "every block verified"

    def compare_disks(self):
        """Compare the disk on the client with the file on the server."""
        self.type("client", "umount /mnt")
        here = self.type("client", "sha256sum /dev/unbd0", True).split()[0]
        there = self.type("server", "sha256sum /srv/disk.img").split()[0]
        if here != there:
            raise StepFailed("they differ")
        return IMAGE_MIB << 20, "identical"

    def take_down(self):
        """Undo everything."""
        client, server = self.transport.modules
        self.type("client", self.transport.unmap, True)
        for command in self.transport.withdraw:
            self.type("server", command, True)
        self.type("client", f"rmmod {client}")
        self.ask("client", "rm -rf /tmp/back /tmp/sums")
        # The server learns by the network that the client has gone.
        self.wait_for("server", f'[[ -z "$(ls {SERVER}/connections)" ]]')
        self.type("server", f"rmmod {server}")
        return 0, "nothing left"

    def look_at_logs(self):
        """Show what the modules said; fail if a kernel has complained."""
        for guest in ("client", "server"):
            self.type(guest, "dmesg -t | grep '^unbd[-:]'")
            script = ". /bed/lib.sh; bedctl kmsg 0 | bad_log"
            status, text = self.lab.output(
                guest, ["bash", "-c", script], 60)
            if status:
                raise StepFailed(f"{guest}: the kernel complains: "
                                 f"{shlex.quote(text.strip())}")
        return 0, "no complaint"
