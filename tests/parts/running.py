"""What all parts share: a part that is missing, ports that stay free while a server is down, a server as a process."""
import contextlib
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
INSTALLED = pathlib.Path(os.environ.get("LETHE_PARTS", PROJECT / "build/parts"))   # what tests/parts/install fetched
PATIENCE = 180   # seconds until a part is given up: beside much else a broker takes more than a minute


class Missing(Exception):
    """A part that is not installed; its text begins with "no "."""


def needed(path, what):
    """The path, when it is there."""
    if not pathlib.Path(path).exists():
        raise Missing(f"no {what}: run tests/parts/install")
    return pathlib.Path(path)


def wait_until(condition, what, patience=PATIENCE):
    """Returns the condition's first true value."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {patience} s in vain for {what}")
        time.sleep(0.02)


_given = set()   # a port that was given out may be bound later, or again


def _ports():
    """Below those that the kernel gives to clients. Each of several processes of tests has a share of its own: what one was given
    and has not bound yet looks free to another."""
    worker, workers = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return range(20000 + worker, 32000, workers)


def free_port():
    """A port of 127.0.0.1 that nobody has and nobody else is given: a server can come to it, and come back."""
    while True:
        port = random.choice(_ports())
        if port in _given:
            continue
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


def is_listening(port):
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A server as a process of its own, which can be stopped, killed, paused and started again with the same command."""

    def __init__(self, command, log, ready, environment=None, folder=None):
        self.command = [str(word) for word in command]
        self.log = pathlib.Path(log)
        self.ready = ready   # a condition
        self.environment = environment
        self.folder = folder
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.environment, cwd=self.folder)
        try:
            wait_until(self._is_ready, self.command[0])
        except BaseException:
            self.kill()
            raise

    def _is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.command[0]} ended: {self.log.read_text(errors='replace')[-2000:]}")
        return self.ready()

    def stop(self):
        """Asks it to end, as an operator does; what does not is killed."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @contextlib.contextmanager
    def stopped(self, kill=False):
        """Down for the block, then up again."""
        if kill:
            self.kill()
        else:
            self.stop()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def paused(self):
        """For the block its connections stay open, yet nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)
