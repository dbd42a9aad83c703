# SPDX-License-Identifier: GPL-2.0
"""What the bed keeps between runs, and the host tools it installs."""

import contextlib
import fcntl
import itertools
import os
import shlex
import shutil
import subprocess
import sys
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
APT = os.path.join(TOP, "tests/lib/apt")

PLACES = max(2, os.cpu_count() or 1)

# Host command -> Debian package that has it.
TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "depmod": "kmod",
    "xz": "xz-utils",
    "zstd": "zstd",
    "gcc": "gcc",
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "dpkg-deb": "dpkg",
    "dpkg-source": "dpkg-dev",
}


class BedError(Exception):
    """The bed cannot do its work; the message says why."""


def cache_dir(*parts):
    """Return a path below the cache of the project."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "unbd", *parts)


def say(text):
    """Tell the person waiting what is going on."""
    print(f"bed: {text}", file=sys.stderr, flush=True)


def run(*argv, quiet=True, **kwargs):
    """Run a host command; on failure raise BedError with its last lines."""
    if quiet:
        kwargs.setdefault("stdout", subprocess.PIPE)
        kwargs.setdefault("stderr", subprocess.STDOUT)
    try:
        r = subprocess.run(argv, text=True, errors="replace", **kwargs)
    except OSError as e:
        raise BedError(f"{argv[0]}: {e}") from e
    if r.returncode:
        tail = "\n".join((r.stdout or "").splitlines()[-15:])
        raise BedError(f"{shlex.join(argv)} failed ({r.returncode})\n{tail}")
    return r.stdout or ""


def run_binary(*argv, data):
    """Feed bytes to a host command and return the bytes it prints."""
    try:
        return subprocess.run(argv, input=data, stdout=subprocess.PIPE,
                              check=True).stdout
    except (OSError, subprocess.CalledProcessError) as e:
        raise BedError(f"{argv[0]}: {e}") from e


def as_root(*argv):
    """Prefix a command so that it runs as root."""
    return argv if os.geteuid() == 0 else ("sudo", "-n", *argv)


def find_tool(name):
    """Return the path of a host command, also from the sbin directories."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return shutil.which(name, path=path)


def need_tools(*names):
    """Install the packages of those host commands that are missing."""
    missing = [TOOLS[n] for n in names if not find_tool(n)]
    if missing:
        need_packages(*missing)
    lost = [n for n in names if not find_tool(n)]
    if lost:
        raise BedError(f"no {', '.join(lost)} on this machine")


def need_compiler():
    """Install what user space is compiled with."""
    need_tools("gcc", "make")
    if not os.path.exists("/usr/include/stdlib.h"):
        need_packages("libc6-dev")


def need_packages(*packages):
    """Install packages on the host from its own sources."""
    say(f"installing on this machine: {' '.join(packages)}")
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    with locked("host-apt"):
        run(*as_root("apt-get", "-q", "update"), env=env)
        run(*as_root("apt-get", "-qy", "install", "--no-install-recommends",
                     *packages), env=env)


def apt(*args):
    """Run tests/lib/apt and return what it prints."""
    r = subprocess.run([APT, *args], text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    if r.returncode:
        raise BedError(r.stderr.strip() or f"tests/lib/apt {args[0]} failed")
    return r.stdout


def version_in(suite, package):
    """Return the newest version of a package in a suite."""
    for line in apt("list", package).splitlines():
        _, version, where = line.split("\t")
        if where == suite:
            return version
    raise BedError(f"{package} is not in {suite}")


def pinned(name, find):
    """Return what find() returned when it was asked first."""
    pin = cache_dir("apt/pins", name)
    if not os.path.exists(pin):
        found = find()
        with open(f"{pin}.{os.getpid()}", "w", encoding="utf-8") as f:
            f.write(found)
        os.replace(f.name, pin)
    with open(pin, encoding="utf-8") as f:
        return f.read()


def kernel_packages(key):
    """Return the fields RELEASE, VERSION, IMAGE... of a distro kernel."""
    words = shlex.split(apt("kernel", key))
    return dict(w.split("=", 1) for w in words)


@contextlib.contextmanager
def locked(name, quiet=False):
    """Let one process at a time build the cached thing of this name."""
    os.makedirs(cache_dir("locks"), exist_ok=True)
    path = cache_dir("locks", name.replace("/", "-"))
    with open(path, "w", encoding="utf-8") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not quiet:
                say(f"waiting for another run ({name})")
            fcntl.flock(f, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def places(count):
    """Hold some of the machine's processors, among all runs on it.

    More work at once makes none of it finish earlier.
    """
    with contextlib.ExitStack() as held:
        # One at a time collects its places, so that no two wait for each
        # other with half of what they need.
        with locked("places", quiet=True):
            for i in itertools.cycle(range(PLACES)):
                if take_place(held, i):
                    count -= 1
                if not count:
                    break
                if i == PLACES - 1:
                    time.sleep(0.1)
        yield


def take_place(held, number):
    """Try to take one place until `held` is closed."""
    path = cache_dir("locks", f"place-{number}")
    f = open(path, "w", encoding="utf-8")  # pylint: disable=R1732
    try:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        f.close()
        return False
    held.enter_context(f)
    return True


def stamp_path(name):
    """Return the file that says from what a cached thing was made."""
    return os.path.join(cache_dir(name), ".made-from")


def is_made(name, recipe):
    """Say whether a cached directory is complete and of this recipe."""
    try:
        with open(stamp_path(name), encoding="utf-8") as f:
            return f.read() == recipe
    except FileNotFoundError:
        return False


def make_once(name, recipe, build, keep=False):
    """Return the cached directory `name`, calling build(dir) if it is stale.

    The stamp is written last, so an interrupted build is begun again; with
    `keep` it begins from what is there.
    """
    where = cache_dir(name)
    if is_made(name, recipe):
        return where
    with locked(name):
        if is_made(name, recipe):
            return where
        if not keep:
            shutil.rmtree(where, ignore_errors=True)
        os.makedirs(where, exist_ok=True)
        free = shutil.disk_usage(where).free
        if free < 4 << 30:
            raise BedError(f"only {free >> 20} MiB free for {where}; "
                           "4096 are needed")
        build(where)
        with open(stamp_path(name), "w", encoding="utf-8") as f:
            f.write(recipe)
    return where


def replace_once(path, old, new):
    """Change the one place of a text file that says `old`."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if text.count(old) != 1:
        raise BedError(f"{path} has '{old}' {text.count(old)} times, not once")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))


def remove_tree(path):
    """Remove a directory whose files may belong to root."""
    if os.path.exists(path):
        run(*as_root("rm", "-rf", "--one-file-system", path))


def ext4_image(tree, image, spare=16):
    """Write a tree into an ext4 image with some MiB to spare.

    There is no journal: it is only read, or thrown away with its guest. One
    that guests of another run begin to read is whole, the old or the new. As
    memory it has to be of even MiB.
    """
    need_tools("mke2fs")
    # What root made only root can read, and owns the image of.
    mine = os.stat(tree).st_uid == os.geteuid()
    root = (lambda *argv: argv) if mine else as_root
    mebibytes = int(run(*root("du", "-sm", tree)).split()[0])
    size = (mebibytes * 12 // 10 + spare) // 2 * 2
    new = f"{image}.new"
    if os.path.exists(new):
        os.unlink(new)
    run(*root(find_tool("mke2fs"), "-q", "-t", "ext4", "-m", "0",
              "-b", "4096", "-O", "^has_journal,^metadata_csum",
              "-E", "root_owner=0:0",
              "-d", tree, new, f"{size}M"))
    if not mine:
        run(*root("chown", f"{os.getuid()}:{os.getgid()}", new))
    os.replace(new, image)
