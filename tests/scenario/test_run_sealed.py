"""Withheld records of a streaming run, kept sealed."""
import json
import os
import subprocess

import pytest

from conftest import BINARY, wait_for
from running import free_port
from streaming import Run, messages, metric

CONFIG = """sources:
  - {{name: logs, type: file, paths: ["{folder}/in/*.log"], poll: 20ms}}
store: {folder}/state
sealed: {{path: "{folder}/kept/withheld.jsonl", key_file: "{folder}/audit.key.pub"{more}}}
admin: {{listen: "127.0.0.1:{port}"}}
sinks:
  - {{name: all, type: file, path: "{folder}/out.jsonl", sync: never}}
"""
BROKEN = '{"password": "Heron-Lake-4471", "a": tru}'


def broken(number, more=""):
    return BROKEN[:-1] + f', "{more}": {number}}}'


@pytest.fixture
def config(tmp_path):
    subprocess.run([BINARY, "keygen", "--seal", "-o", str(tmp_path / "audit.key")], check=True, capture_output=True, timeout=180)
    (tmp_path / "in").mkdir()

    def make(more=""):
        return CONFIG.format(folder=tmp_path, port=make.port, more=more)
    make.port = free_port()
    return make


def write(folder, *lines, name="a"):
    with open(folder / f"in/{name}.log", "a", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)


def opened(folder, name="kept/withheld.jsonl"):
    done = subprocess.run([BINARY, "unseal", folder / name, "--key-file", folder / "audit.key"], capture_output=True, timeout=180, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_withheld_record_can_be_opened_and_is_nowhere_in_the_clear(tmp_path, config):
    with Run(tmp_path, config()) as run:
        write(tmp_path, "one", BROKEN, "two")
        wait_for(lambda: messages(tmp_path / "out.jsonl") == ["one", "two"])
        assert run.stop() == 0
    [record] = opened(tmp_path)
    assert record["raw"] == BROKEN and record["line"] == 2 and record["source"] == f"{tmp_path}/in/a.log"
    assert os.stat(tmp_path / "kept/withheld.jsonl").st_mode & 0o777 == 0o600
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.parent.name != "in":
            assert b"Heron" not in file.read_bytes(), file


def test_it_is_kept_before_the_source_may_forget_it(tmp_path, config):
    """Killed at once when the next record has arrived: the withheld one before it is there, over several runs."""
    for number in range(3):
        with Run(tmp_path, config()) as run:
            write(tmp_path, broken(number), f"after {number}")
            wait_for(lambda: f"after {number}" in messages(tmp_path / "out.jsonl"))
            run.kill()
    assert {record["raw"] for record in opened(tmp_path)} == {broken(number) for number in range(3)}


def test_the_file_may_be_moved_away_and_a_torn_line_is_ended(tmp_path, config):
    with Run(tmp_path, config()) as run:
        write(tmp_path, broken(1), "one")
        wait_for(lambda: messages(tmp_path / "out.jsonl") == ["one"])
        (tmp_path / "kept/withheld.jsonl").rename(tmp_path / "kept/withheld.1")
        (tmp_path / "kept/withheld.jsonl").write_text('{"lethe_sealed":1,"key":"97')
        write(tmp_path, broken(2), "two")
        wait_for(lambda: messages(tmp_path / "out.jsonl") == ["one", "two"])
        assert run.stop() == 0
    assert [r["raw"] for r in opened(tmp_path, "kept/withheld.1")] == [broken(1)]
    assert [r["raw"] for r in opened(tmp_path)] == [broken(2)]


def test_what_cannot_be_kept_is_counted_and_holds_nothing_up(tmp_path, config):
    (tmp_path / "kept/withheld.jsonl").mkdir(parents=True)
    with Run(tmp_path, config()) as run:
        write(tmp_path, BROKEN, "one")
        wait_for(lambda: messages(tmp_path / "out.jsonl") == ["one"])
        assert metric(config.port, "lethe_sealed_failures_total") == 1
        assert metric(config.port, "lethe_sealed_records_total") == 0
        assert run.stop() == 0
    assert run.logged("cannot keep withheld records in") and not run.logged("Heron")


def test_beyond_its_limit_no_more_is_kept(tmp_path, config):
    with Run(tmp_path, config(", max_bytes: 1M")) as run:
        write(tmp_path, *[broken(n, "x" * 300000) for n in range(4)], "one")
        wait_for(lambda: messages(tmp_path / "out.jsonl") == ["one"])
        kept, lost = metric(config.port, "lethe_sealed_records_total"), metric(config.port, "lethe_sealed_failures_total")
        assert run.stop() == 0
    assert kept + lost == 4 and lost > 0 and run.logged("has reached its max_bytes")
    assert len(opened(tmp_path)) == kept


def test_a_key_that_is_none_is_told_before_anything_is_read(tmp_path, config):
    (tmp_path / "audit.key.pub").write_text("no key\n")
    (tmp_path / "lethe.yaml").write_text(config())
    done = subprocess.run([BINARY, "run", "-c", tmp_path / "lethe.yaml"], capture_output=True, timeout=180, check=False)
    assert done.returncode == 2 and b"audit.key.pub" in done.stderr
