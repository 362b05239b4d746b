"""Standard input that outlives the flow that reads it: what is half read when that flow ends."""
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import wait_for
from running import free_port
from streaming import Run, arrived, in_pipe, messages, metric, records

CONFIG = """sources:
  - {{name: console, type: stdin{more}}}
max_record: {longest}
sinks:
  - {{name: out, type: file, path: "{folder}/out.jsonl", metadata: true, sync: never}}
"""


def config(folder, more="", longest="1M"):
    return CONFIG.format(folder=folder, more=more, longest=longest)


class Piped(Run):
    """A run at a pipe that stays open. Nothing is written by the test before all was read."""

    def __init__(self, folder):
        super().__init__(folder, config(folder))
        self.read_end, self.write_end = os.pipe()

    def start(self, stdin=None):
        return super().start(self.read_end)

    def write(self, data):
        os.write(self.write_end, data)
        wait_for(lambda: in_pipe(self.read_end) == 0)

    def reload(self, text):
        self.config.write_text(text)
        before = self.log.read_text().count("running with the new configuration")
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.log.read_text().count("running with the new configuration") > before)

    def told_to_stop(self):
        before = self.log.read_text().count('"stopping"')
        self.process.send_signal(signal.SIGTERM)
        wait_for(lambda: self.log.read_text().count('"stopping"') > before)

    def __exit__(self, *_):
        super().__exit__()
        os.close(self.read_end)
        os.close(self.write_end)


@pytest.fixture
def piped(tmp_path):
    with Piped(tmp_path) as run:
        yield run


def test_what_is_half_read_at_a_reload_is_whole_afterwards(piped, tmp_path):
    """Also when the new flow puts lines together and takes shorter records only: that holds from what is read next on."""
    long = "x" * 900_000
    piped.write(b'one\n{"message":"tw')
    arrived(tmp_path, "one")
    piped.reload(config(tmp_path, longest="2K"))
    piped.write(b'o"}\n{"message":"three ')
    arrived(tmp_path, "two")
    piped.reload(config(tmp_path))
    for at in range(0, len(long), 30_000):
        piped.write(long[at:at + 30_000].encode())
    piped.reload(config(tmp_path, more=", multiline: traces, multiline_wait: 10ms", longest="64K"))
    piped.write(b'"}\n')
    wait_for(lambda: piped.logged("record withheld"))
    piped.write(b"four\n  at four\n")
    arrived(tmp_path, "four\n  at four")
    assert piped.stop() == 0
    assert messages(tmp_path / "out.jsonl") == ["one", "two", "four\n  at four"]   # the third is longer than the new limit: withheld
    assert len({r["lethe_event_id"] for r in records(tmp_path / "out.jsonl")}) == 3
    assert piped.log.read_text().count("record withheld") == 1


def signal_is_heard(process, number):
    """It is blocked, and waits until the run asks for it."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    waits = sum(int(re.search(rf"^{name}:\t([0-9a-f]+)$", status, re.M)[1], 16) for name in ("SigPnd", "ShdPnd"))
    return waits >> (number - 1) & 1 == 0


def test_a_stop_that_is_asked_for_during_a_reload_reads_a_line_to_its_end(piped, tmp_path):
    """The reload waits for the sink, which cannot write until the stop was heard."""
    (tmp_path / "out.jsonl").mkdir()
    piped.write(b"one\ntwo ha")
    piped.config.write_text(config(tmp_path, longest="2K"))
    piped.process.send_signal(signal.SIGHUP)
    wait_for(lambda: piped.logged("starting again with the new one"))
    piped.process.send_signal(signal.SIGTERM)
    wait_for(lambda: signal_is_heard(piped.process, signal.SIGTERM))
    os.write(piped.write_end, b"lf\nthree\n")
    (tmp_path / "out.jsonl").rmdir()
    assert piped.process.wait(60) == 0
    assert messages(tmp_path / "out.jsonl") == ["one", "two half"]
    assert in_pipe(piped.read_end) == len(b"three\n")


def test_a_run_whose_input_has_ended_waits_for_what_is_in_the_spool(tmp_path):
    """The sink cannot be written until the input has ended and all of it is in the store."""
    (tmp_path / "out.jsonl").mkdir()
    text = config(tmp_path) + f'store: {tmp_path}/state\nadmin: {{listen: "127.0.0.1:{(port := free_port())}"}}\n'
    run = Run(tmp_path, text)
    run.start(stdin=subprocess.PIPE)
    try:
        run.process.stdin.write(b"one\ntwo\n")
        run.process.stdin.close()
        wait_for(lambda: metric(port, "lethe_spool_blocks") > 0 and metric(port, "lethe_blocks_unsettled") == 0)
        (tmp_path / "out.jsonl").rmdir()
        assert run.process.wait(180) == 0
    finally:
        run.__exit__()
    assert messages(tmp_path / "out.jsonl") == ["one", "two"]


def test_at_a_stop_a_line_is_read_to_its_end_and_what_follows_is_left_to_the_next_process(piped, tmp_path):
    piped.write(b"one\ntwo ha")
    arrived(tmp_path, "one")
    piped.told_to_stop()
    os.write(piped.write_end, b"lf\nthree\nfo")
    assert piped.process.wait(180) == 0
    assert messages(tmp_path / "out.jsonl") == ["one", "two half"]
    assert in_pipe(piped.read_end) == len(b"three\nfo")
    piped.start()
    os.write(piped.write_end, b"ur\n")
    arrived(tmp_path, "three", "four")
    piped.write(b"five has no end")
    assert piped.stop() == 0   # within two seconds
    assert messages(tmp_path / "out.jsonl") == ["one", "two half", "three", "four", "five has no end"]
