"""A streaming run under the tests' control: started, killed, started again, and its output read back."""
import contextlib
import fcntl
import json
import os
import signal
import sqlite3
import struct
import subprocess
import termios
import urllib.request

from conftest import BINARY, PATIENCE, wait_for


class Run:
    """`lethe run` with a configuration; JSON log lines go to a file of its own."""

    def __init__(self, folder, config, **environment):
        self.folder = folder
        self.config = folder / "lethe.yaml"
        self.config.write_text(config)
        self.log = folder / "run.log"
        self.environment = {**os.environ, **environment}
        self.options = []
        self.prepare = None   # called in the new process before the program
        self.process = None
        self.starts = 0

    def start(self, stdin=subprocess.DEVNULL):
        self.starts += 1
        before = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BINARY, "run", "-c", str(self.config), *self.options], cwd=self.folder, stdin=stdin,
                                            stdout=subprocess.PIPE if stdin == subprocess.PIPE else subprocess.DEVNULL,
                                            stderr=log, env=self.environment, preexec_fn=self.prepare)
        wait_for(lambda: self.process.poll() is not None or '"running"' in self.log.read_text()[before:])
        assert self.process.poll() is None, self.log.read_text()[before:]
        return self

    def stop(self):
        """Stops in order; the exit code. Anything but 0 is shown with the end of the log, for whoever did not expect it."""
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self):
        """Waits for the end; as stop()."""
        try:
            code = self.process.wait(timeout=2 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.show("does not end")
            raise
        if code != 0:
            self.show(f"exit status {code}")
        return code

    def show(self, what):
        """Pytest shows what is printed with a test that fails."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        print(f"--- {self.log}: {what}", *lines[-40:], sep="\n")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=PATIENCE)

    def most_memory(self):
        """The most bytes that the process ever had in memory."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))

    def logged(self, text):
        return text in self.log.read_text()

    def __enter__(self):
        return self.start()

    def __exit__(self, failure=None, *_):
        if self.process is None:
            return
        if failure is not None or self.process.poll() not in (None, 0, -signal.SIGKILL):
            self.show(f"exit status {self.process.poll()}")
        if self.process.poll() is None:
            self.kill()


def records(path):
    """Whole lines of an output, as JSON."""
    if not path.exists():
        return []
    data = path.read_bytes()
    return [json.loads(line) for line in data[:data.rfind(b"\n") + 1].splitlines()]


def messages(path):
    return [r["message"] for r in records(path)]


def recount(path, expected):
    """What arrived against what had to: (missing, more than once, of those with another event id, unknown)."""
    ids = {}
    for r in records(path):
        ids.setdefault(r["message"], []).append(r["lethe_event_id"])
    missing = [m for m in expected if m not in ids]
    known = set(expected)
    twice = {m: i for m, i in ids.items() if len(i) > 1}
    return missing, twice, [m for m, i in twice.items() if len(set(i)) > 1], [m for m in ids if m not in known]


def metric(port, name):
    """One sample of a running program, by its name with labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=180) as answer:
        [value] = [line.split()[1] for line in answer.read().decode().splitlines() if line.startswith(name + " ")]
    return int(value)


def in_pipe(read_end):
    """Bytes in a pipe that were not read yet."""
    return struct.unpack("i", fcntl.ioctl(read_end, termios.FIONREAD, b"    "))[0]


def arrived(folder, *texts):
    """Waits until the messages are in the output."""
    wait_for(lambda: set(texts) <= set(messages(folder / "out.jsonl")))


def positions(folder):
    """How many of them are in the store; -1: it is busy."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{folder}/state/store.db?mode=ro", uri=True)) as db:
            return db.execute("select count(*) from position").fetchone()[0]
    except sqlite3.OperationalError:
        return -1
