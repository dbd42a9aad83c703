# SPDX-License-Identifier: GPL-2.0
"""What the person who watches sees: commands, output, a clock, a table."""

import contextlib
import os
import sys
import threading
import time

COLUMNS = (("transport", "<"), ("step", "<"), ("bytes", ">"),
           ("seconds", ">"), ("MiB/s", ">"), ("result", "<"))
CLOCK_AFTER = 1.0


class Clock(threading.Thread):
    """Counts the seconds of a command at the end of the screen."""

    def __init__(self, screen):
        super().__init__(daemon=True)
        self.screen = screen
        self.stopped = threading.Event()
        self.begin = time.monotonic()

    def run(self):
        while not self.stopped.wait(CLOCK_AFTER):
            self.screen.tick(time.monotonic() - self.begin)

    def stop(self):
        """Stop counting; return the seconds."""
        self.stopped.set()
        self.join()
        return time.monotonic() - self.begin


class Screen:
    """Standard output, with bold type and a running clock on a terminal."""

    def __init__(self):
        self.terminal = sys.stdout.isatty()
        self.bold = self.terminal and "NO_COLOR" not in os.environ
        self.lock = threading.Lock()
        self.clock_shown = False
        self.at_line_start = True

    def emphasize(self, text):
        """Return the text in bold type if that is possible."""
        return f"\033[1m{text}\033[0m" if self.bold else text

    def write(self, text):
        """Print, over the clock if that is there."""
        with self.lock:
            if self.clock_shown:
                sys.stdout.write("\r\033[K")
                self.clock_shown = False
            sys.stdout.write(text)
            sys.stdout.flush()
            self.at_line_start = text.endswith("\n")

    def tick(self, seconds):
        """Show how long the present command has taken."""
        with self.lock:
            if self.terminal and self.at_line_start:
                sys.stdout.write(f"\r\033[K    ... {seconds:.0f} s")
                sys.stdout.flush()
                self.clock_shown = True

    @contextlib.contextmanager
    def waiting(self, what):
        """Show the clock while something is prepared, then how long it took."""
        clock = Clock(self)
        clock.start()
        try:
            yield
        finally:
            seconds = clock.stop()
        self.write(f"    {what}: {seconds:.0f} s\n")

    def heading(self, text):
        """Begin a new part."""
        self.write(f"\n{self.emphasize(text)}\n\n")

    def command(self, where, text):
        """Show a command as one would have typed it there."""
        first, *more = text.split("\n")
        self.write(f"  {where}# {self.emphasize(first)}\n")
        for line in more:
            self.write(" " * (len(where) + 4) + self.emphasize(line) + "\n")

    def output(self, text):
        """Show a piece of what a command prints, indented."""
        for line in text.splitlines(keepends=True):
            begin = "    " if self.at_line_start else ""
            self.write(begin + line)

    def end_line(self):
        """Let the next thing begin on a line of its own."""
        if not self.at_line_start:
            self.write("\n")

    def table(self, rows):
        """Print the rows, each with a text for every column."""
        cells = [[name for name, _ in COLUMNS]] + rows
        widths = [max(len(row[i]) for row in cells)
                  for i in range(len(COLUMNS))]
        line = "  " + "  ".join("-" * width for width in widths) + "\n"
        for number, row in enumerate(cells):
            text = "  ".join(f"{cell:{align}{width}}" for cell, (_, align),
                             width in zip(row, COLUMNS, widths))
            if number == 0:
                text = self.emphasize(text)
            self.write("  " + text.rstrip() + "\n")
            if number == 0:
                self.write(line)
