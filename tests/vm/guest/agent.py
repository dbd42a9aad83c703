# SPDX-License-Identifier: GPL-2.0
"""The runner's hand in a guest.

Lines of JSON go both ways over a virtio serial port. The runner says what to
run; output, result rows and exit status go back. Programs in the guest reach
the runner, and through it the other guest, by a socket (see bedctl.c).

Text from pipes travels as latin-1, so that any byte survives.
"""

import glob
import json
import os
import select
import socket
import subprocess
import threading

PORT_NAME = "unbd.agent"
SOCKET = "/run/bed/socket"
CHUNK = 65536


def find_port():
    """Return the path of the virtio port that the runner listens to."""
    for name in glob.glob("/sys/class/virtio-ports/*/name"):
        with open(name, encoding="ascii") as f:
            if f.read().strip() == PORT_NAME:
                return "/dev/" + name.split("/")[-2]
    raise SystemExit("agent: no port " + PORT_NAME)


class Agent:
    """Runs what it is told, and relays questions of local programs."""

    def __init__(self, port):
        self.port = port
        self.lock = threading.Lock()
        self.asking = {}
        self.asked = 0

    def send(self, **message):
        """Send one message to the runner."""
        data = json.dumps(message).encode() + b"\n"
        with self.lock:
            while data:
                data = data[os.write(self.port, data):]

    def serve(self):
        """Handle messages of the runner for ever."""
        threading.Thread(target=self.listen, daemon=True).start()
        self.send(ready=os.uname().release)
        rest = b""
        while True:
            data = os.read(self.port, CHUNK)
            if not data:  # the runner is not there (yet)
                threading.Event().wait(0.2)
                continue
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self.handle(json.loads(line))

    def handle(self, message):
        """Act on one message of the runner."""
        if "run" in message:
            threading.Thread(target=self.run, args=(message,),
                             daemon=True).start()
        elif "answer" in message:
            self.answer(message)

    def run(self, message):
        """Run a program to its end, passing on what it prints.

        What it leaves running may hold the pipes open for ever, so the end
        of the program counts, not the end of the pipes.
        """
        number = message["run"]
        rows_read, rows_write = os.pipe()
        env = dict(os.environ, BED_ROWS=str(rows_write),
                   **message.get("env", {}))
        process = subprocess.Popen(
            message["argv"], env=env, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, pass_fds=(rows_write,), cwd="/root")
        os.close(rows_write)
        stdin = message.get("stdin", "").encode("latin-1")
        threading.Thread(target=feed, args=(process.stdin, stdin),
                         daemon=True).start()
        self.relay(number, process, rows_read)
        self.send(id=number, exit=process.wait())
        os.close(rows_read)
        process.stdout.close()

    def relay(self, number, process, rows):
        """Forward output and rows until the program has ended."""
        out = process.stdout.fileno()
        ended = os.pidfd_open(process.pid)
        poll = select.poll()
        kinds = {out: "out", rows: "row"}
        for fd in (out, rows, ended):
            poll.register(fd, select.POLLIN)
        over = False
        while True:
            ready = [fd for fd, _ in poll.poll(0 if over else None)]
            data_ready = [fd for fd in ready if fd != ended]
            for fd in data_ready:
                data = os.read(fd, CHUNK)
                if data:
                    self.send(id=number, **{kinds[fd]: data.decode("latin-1")})
                else:
                    poll.unregister(fd)
            if over and not data_ready:
                break
            if ended in ready:
                over = True
                poll.unregister(ended)
        os.close(ended)

    def listen(self):
        """Accept programs of this guest that want to ask the runner."""
        listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(SOCKET):
            os.unlink(SOCKET)
        listener.bind(SOCKET)
        listener.listen(16)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self.ask, args=(connection,),
                             daemon=True).start()

    def ask(self, connection):
        """Read a question: count, arguments ending in NUL, then stdin."""
        data = b""
        while chunk := connection.recv(CHUNK):
            data += chunk
        count, rest = data.split(b"\n", 1)
        *argv, stdin = rest.split(b"\0", int(count))
        with self.lock:
            self.asked += 1
            number = self.asked
        self.asking[number] = connection
        self.send(ask=number, argv=[a.decode("latin-1") for a in argv],
                  stdin=stdin.decode("latin-1"))

    def answer(self, message):
        """Pass an answer on: O and a length before output, X and a status."""
        number = message["answer"]
        connection = self.asking.get(number)
        if not connection:
            return
        try:
            if "out" in message:
                data = message["out"].encode("latin-1")
                connection.sendall(b"O%d\n" % len(data) + data)
            if "exit" in message:
                connection.sendall(b"X%d\n" % message["exit"])
        except OSError:
            pass  # it has gone away, which is its own business
        if "exit" in message:
            del self.asking[number]
            connection.close()


def feed(pipe, data):
    """Write a program's standard input."""
    try:
        pipe.write(data)
        pipe.close()
    except BrokenPipeError:
        pass


if __name__ == "__main__":
    Agent(os.open(find_port(), os.O_RDWR)).serve()
