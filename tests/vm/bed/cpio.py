# SPDX-License-Identifier: GPL-2.0
"""Write an initramfs (cpio, newc) without root and without a tool."""

import stat


class Archive:
    """A cpio archive in memory; everything in it belongs to root."""

    def __init__(self):
        self.parts = []
        self.inode = 0

    def entry(self, name, mode, data=b"", major=0, minor=0):
        """Append one header, name and contents, each padded to 4 bytes."""
        self.inode += 1
        path = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0,
                  major, minor, len(path), 0)
        header = b"070701" + b"".join(b"%08X" % f for f in fields)
        for part in (header + path, data):
            self.parts.append(part + b"\0" * (-len(part) % 4))

    def directory(self, name):
        """Add a directory."""
        self.entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o644):
        """Add a regular file."""
        self.entry(name, stat.S_IFREG | mode, data)

    def device(self, name, major, minor):
        """Add a character device."""
        self.entry(name, stat.S_IFCHR | 0o600, b"", major, minor)

    def finish(self):
        """Return the whole archive."""
        self.entry("TRAILER!!!", 0)
        return b"".join(self.parts)
