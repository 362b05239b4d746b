"""What the scenarios need: the program itself, started on files of their own."""
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from parts import *   # noqa: F403 -- the fixtures of the real parts

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("LETHE_BINARY", str(ROOT / "build/release/lethe"))
SANITIZER = os.environ.get("LETHE_SANITIZE", "")   # as given to the build: "", "address,undefined", "thread"
LONG = os.environ.get("LETHE_LONG") == "1"   # full-size amounts: records by the million
PATIENCE = 180   # seconds until a test gives up; none of them waits that long when the program works, on however busy a machine

# Who starts the tests in the background may have these ignored, and what they start would do so, too.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


class Lethe:
    """Runs the program in the test's own folder."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, *arguments, stdin=b"", **more):
        return subprocess.run([BINARY, *map(str, arguments)], input=stdin, cwd=self.folder, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=PATIENCE, **more)

    def redact(self, *arguments, **more):
        return self.run("redact", *arguments, **more)

    def start(self, *arguments):
        """The running program, its standard input open."""
        return subprocess.Popen([BINARY, *map(str, arguments)], cwd=self.folder, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def report(self, *arguments, **more):
        """Runs redact and returns its report."""
        self.redact(*arguments, "--report", "report.json", **more)
        return json.loads((self.folder / "report.json").read_text())


@pytest.fixture
def lethe(tmp_path):
    return Lethe(tmp_path)


@pytest.fixture
def small_disk(tmp_path):
    """A folder with room for 256 KiB."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], stderr=subprocess.DEVNULL,
                             check=False)
    if mounted.returncode != 0:
        pytest.skip("cannot mount a file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def wait_for(condition, patience=PATIENCE):
    """Returns as soon as the condition holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def files_below(folder):
    """Every file, hidden ones included, by its path from the folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
