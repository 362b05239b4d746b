"""Log files as they grow, rotate, shrink and go, through a whole streaming run."""
import gzip
import os
import random
import shutil
import signal

import pytest

from conftest import LONG, SANITIZER, wait_for
from streaming import Run, messages, recount, records

CONFIG = """sources:
  - {{name: logs, type: file, paths: ["{folder}/logs/*.log"], poll: 20ms, rotate_wait: {wait}}}
store: {folder}/state
sinks:
  - {{name: out, type: file, path: "{folder}/out.jsonl", metadata: true, sync: never}}
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "logs").mkdir()
    runner = Run(tmp_path, CONFIG.format(folder=tmp_path, wait="300ms"))
    yield runner
    runner.__exit__()


def append(path, *lines):
    with open(path, "a", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in lines))


def arrived(folder, *lines):
    wait_for(lambda: set(lines) <= set(messages(folder / "out.jsonl")))


def test_lines_arrive_once_and_clean(run, tmp_path):
    log = tmp_path / "logs/a.log"
    append(log, "one", "two password=Heron-Lake-4471")
    with run:
        arrived(tmp_path, "one")
        append(log, "three")
        arrived(tmp_path, "three")
        assert run.stop() == 0
    assert messages(tmp_path / "out.jsonl") == ["one", "two password=[redacted:sensitive-name]", "three"]
    assert b"Heron" not in run.log.read_bytes()


def test_a_last_line_waits_for_its_rest(run, tmp_path):
    log = tmp_path / "logs/a.log"
    with run:
        append(log, "whole")
        for piece in ("to", "geth", "er"):
            with open(log, "a", encoding="utf-8") as file:
                file.write(piece)
        append(tmp_path / "logs/b.log", "other")
        arrived(tmp_path, "whole", "other")
        assert "together" not in messages(tmp_path / "out.jsonl")
        append(log, "")
        arrived(tmp_path, "together")
        run.stop()
    assert sorted(messages(tmp_path / "out.jsonl")) == ["other", "together", "whole"]


def test_a_document_over_several_lines_is_one_record(run, tmp_path):
    with run:
        with open(tmp_path / "logs/a.log", "w", encoding="utf-8") as file:
            file.write('{\n  "message":')
            file.flush()
            append(tmp_path / "logs/b.log", "other")
            arrived(tmp_path, "other")
            file.write(' "pretty"\n}\n')
            file.flush()
            arrived(tmp_path, "pretty")
        run.stop()
    assert sorted(messages(tmp_path / "out.jsonl")) == ["other", "pretty"]


def test_a_renamed_file_is_read_to_its_end(run, tmp_path):
    log = tmp_path / "logs/a.log"
    with run:
        with open(log, "a", encoding="utf-8") as old:
            old.write("before\n")
            old.flush()
            arrived(tmp_path, "before")
            run.process.send_signal(signal.SIGSTOP)   # it waits for late lines, yet not for ever
            log.rename(tmp_path / "logs/a.log.1")
            append(log, "new file")
            old.write("late line\nunfinished")
        run.process.send_signal(signal.SIGCONT)
        arrived(tmp_path, "new file", "late line", "unfinished")
        run.stop()
    assert sorted(messages(tmp_path / "out.jsonl")) == ["before", "late line", "new file", "unfinished"]


def test_a_removed_file_is_read_to_its_end(run, tmp_path):
    log = tmp_path / "logs/a.log"
    with run:
        append(log, "first")
        arrived(tmp_path, "first")
        append(log, "second")
        log.unlink()
        append(log, "third")
        arrived(tmp_path, "third")
        run.stop()
    got = messages(tmp_path / "out.jsonl")
    assert sorted(got) in (["first", "second", "third"], ["first", "third"])   # the second could be gone before anybody looked
    assert got.count("first") == 1


def test_a_file_that_is_cut_is_read_from_its_beginning(run, tmp_path):
    log = tmp_path / "logs/a.log"
    with run:
        append(log, "old one", "old two")
        arrived(tmp_path, "old two")
        log.write_text("")
        append(log, "new")
        arrived(tmp_path, "new")
        run.stop()
    assert messages(tmp_path / "out.jsonl") == ["old one", "old two", "new"]
    assert run.logged("it was cut")


def test_a_writer_that_does_not_append_leaves_a_hole_that_is_passed_over(run, tmp_path):
    log = tmp_path / "logs/a.log"
    with run, open(log, "w", encoding="utf-8") as file:
        file.write("x" * 200000 + "\n")
        file.flush()
        wait_for(lambda: len(records(tmp_path / "out.jsonl")) == 1)
        os.truncate(log, 0)
        file.write("after the hole\n")
        file.flush()
        arrived(tmp_path, "after the hole")
        run.stop()
    assert len(records(tmp_path / "out.jsonl")) == 2


def test_a_restart_goes_on_where_the_last_run_ended(run, tmp_path):
    log = tmp_path / "logs/a.log"
    append(log, "one", "two")
    with run:
        arrived(tmp_path, "two")
        run.stop()
    append(log, "three")
    with run:
        arrived(tmp_path, "three")
        run.stop()
    assert messages(tmp_path / "out.jsonl") == ["one", "two", "three"]


def test_a_rotation_while_nobody_looks_loses_nothing(run, tmp_path):
    log = tmp_path / "logs/a.log"
    append(log, "one")
    with run:
        arrived(tmp_path, "one")
        run.stop()
    append(log, "two")
    log.rename(tmp_path / "logs/a.log.1")
    append(log, "three")
    with run:
        arrived(tmp_path, "two", "three")
        run.stop()
    assert sorted(messages(tmp_path / "out.jsonl")) == ["one", "three", "two"]


def test_a_file_packed_while_nobody_looks_is_read_on(run, tmp_path):
    log = tmp_path / "logs/a.log"
    append(log, *(f"line {n}" for n in range(100)))
    with run:
        arrived(tmp_path, "line 99")
        run.stop()
    append(log, "line 100")
    (tmp_path / "logs/a.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    append(log, "new file")
    with run:
        arrived(tmp_path, "line 100", "new file")
        run.stop()
    assert sorted(messages(tmp_path / "out.jsonl")) == sorted([f"line {n}" for n in range(101)] + ["new file"])


def copy_and_cut(log, copy):
    """As logrotate's copytruncate."""
    shutil.copyfile(log, copy)
    os.truncate(log, 0)


@pytest.mark.parametrize("down", [True, False], ids=["down", "running"])
def test_a_log_that_is_cut_twice_before_anybody_looks_is_read_whole_and_in_order(run, tmp_path, down):
    log, first, second = tmp_path / "logs/a.log", tmp_path / "logs/a.log.2.gz", tmp_path / "logs/a.log.1"
    append(log, "one", "two")
    run.start()
    arrived(tmp_path, "two")
    if down:
        assert run.stop() == 0
    else:
        run.process.send_signal(signal.SIGSTOP)
    append(log, "three")
    copy_and_cut(log, second)
    first.write_bytes(gzip.compress(second.read_bytes()))
    second.unlink()
    append(log, "four")
    copy_and_cut(log, second)
    append(log, "five", "six", "seven")
    if down:
        run.start()
    else:
        run.process.send_signal(signal.SIGCONT)
    arrived(tmp_path, "three", "four", "five", "six", "seven")
    assert run.stop() == 0
    assert messages(tmp_path / "out.jsonl") == ["one", "two", "three", "four", "five", "six", "seven"]


def test_content_that_changed_while_nobody_looked_is_read_again(run, tmp_path):
    log = tmp_path / "logs/a.log"
    append(log, "one", "two")
    with run:
        arrived(tmp_path, "two")
        run.stop()
    with open(log, "r+", encoding="utf-8") as file:   # the same inode, another content, longer than before
        file.write("ONE\nTWO\nTHREE\n")
    with run:
        arrived(tmp_path, "ONE", "TWO", "THREE")
        run.stop()
    assert run.logged("its content has changed")


def test_a_line_longer_than_the_limit_harms_no_other(run, tmp_path):
    log = tmp_path / "logs/a.log"
    with run:
        with open(log, "w", encoding="utf-8") as file:
            file.write("first\n" + "x" * (3 << 20) + "\nlast\n")
        arrived(tmp_path, "first", "last")
        run.stop()
    assert messages(tmp_path / "out.jsonl") == ["first", "last"]
    assert run.logged("record withheld: is longer than the limit")


def peak_kilobytes(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


@pytest.mark.skipif("address" in SANITIZER, reason="the address sanitizer takes memory of its own")
@pytest.mark.parametrize("what", ["hole", "line"])
def test_what_has_no_end_of_line_takes_no_memory(run, tmp_path, what):
    log, size = tmp_path / "logs/a.log", (10 << 30 if LONG else 128 << 20)
    with run:
        append(log, "first")
        arrived(tmp_path, "first")
        before = peak_kilobytes(run.process)
        if what == "hole":
            os.truncate(log, log.stat().st_size + size)
        else:
            with open(log, "ab") as file:
                for _ in range(min(size, 1 << 30) >> 20):
                    file.write(b"x" * (1 << 20))
        append(log, "", "last")
        arrived(tmp_path, "last")
        assert peak_kilobytes(run.process) - before < 16 << 10
        run.stop()
    assert messages(tmp_path / "out.jsonl") == ["first", "last"]


def test_a_thousand_files(run, tmp_path):
    expected = []
    for n in range(1000):
        append(tmp_path / f"logs/{n}.log", f"file {n} a", f"file {n} b")
        expected += [f"file {n} a", f"file {n} b"]
    with run:
        wait_for(lambda: len(records(tmp_path / "out.jsonl")) >= len(expected))
        run.stop()
    assert recount(tmp_path / "out.jsonl", expected) == ([], {}, [], [])


@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_lost_whatever_happens_to_files_and_process(run, tmp_path, seed):
    """Writing, rotating and killing in random order: every line arrives; what arrives twice has one event id."""
    choose, expected, kills, serial = random.Random(seed), [], 0, 0
    logs = [tmp_path / f"logs/{name}.log" for name in "abc"]
    run.start()
    for _ in range(40):
        log = choose.choice(logs)
        action = choose.choice(["write"] * 6 + ["rotate", "kill", "stop"])
        if action == "write":
            lines = [f"{log.name} {serial + n} {'pad' * choose.randrange(40)}" for n in range(choose.randrange(1, 400))]
            serial += len(lines)
            expected += lines
            append(log, *lines)
        elif action == "rotate" and log.exists():
            log.rename(log.with_suffix(f".log.{serial}"))
            serial += 1
        elif action == "kill":
            run.kill()
            kills += 1
            run.start()
        elif action == "stop":
            assert run.stop() == 0
            run.start()
    wait_for(lambda: not recount(tmp_path / "out.jsonl", expected)[0])
    assert run.stop() == 0
    missing, twice, other_ids, unknown = recount(tmp_path / "out.jsonl", expected)
    assert (missing, other_ids, unknown) == ([], [], [])
    assert kills > 0 and expected
    assert kills or not twice
