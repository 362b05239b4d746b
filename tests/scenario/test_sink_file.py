"""Records on their way to files: packed, finished, removed, and on a disk that is full."""
import contextlib
import gzip
import json
import os
import re
import subprocess

import pytest

from conftest import files_below, wait_for
from streaming import Run, messages

CONFIG = """sources:
  - {{name: in, type: stdin}}
sinks:
  - {{name: out, type: file, {settings}}}
"""
TIMED = re.compile(r"\.\d{8}T\d{6}\.\d{3}Z")


class Feed:
    """A run whose input stays open."""

    def __init__(self, folder, settings):
        self.folder = folder
        self.run = Run(folder, CONFIG.format(settings=settings))
        self.run.start(stdin=subprocess.PIPE)

    def send(self, *lines):
        self.run.process.stdin.write("".join(line + "\n" for line in lines).encode())
        self.run.process.stdin.flush()

    def end(self):
        self.run.process.stdin.close()
        assert self.run.process.wait(timeout=180) == 0, self.run.log.read_text()


@pytest.fixture
def feed(tmp_path):
    feeds = []

    def start(settings):
        feeds.append(Feed(tmp_path, settings))
        return feeds[-1]

    yield start
    for one in feeds:
        one.run.__exit__()


def unpacked(path):
    """By gzip itself, which complains of anything that is not whole."""
    done = subprocess.run(["gzip", "-dc", str(path)], capture_output=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["message"] for line in done.stdout.splitlines()]


def out_files(folder):
    return [name for name in files_below(folder) if name.startswith("out/")]


def packed_so_far(folder):
    """What stands in packed files, those that are being written included."""
    got = set()
    for name in out_files(folder):
        done = subprocess.run(["gzip", "-dc"], input=(folder / name).read_bytes() if (folder / name).exists() else b"", capture_output=True, check=False)
        got.update(json.loads(line)["message"] for line in done.stdout[:done.stdout.rfind(b"\n") + 1].splitlines())
    return got


# --- Packed ---------------------------------------------------------------------------------------------------------------------


def test_a_packed_file_is_whole_after_every_block(feed, tmp_path):
    run = feed('path: "out/a.jsonl.gz", gzip: true')
    path = tmp_path / "out/a.jsonl.gz"
    for n in range(3):
        run.send(f"line {n}")
        wait_for(lambda n=n: path.exists() and len(path.read_bytes()) > 0 and len(unpacked(path)) == n + 1)
    run.end()
    assert unpacked(path) == [f"line {n}" for n in range(3)] == [json.loads(x)["message"] for x in gzip.open(path)]


@pytest.mark.parametrize("missing", [1, 30], ids=lambda n: f"{n} bytes")
def test_a_torn_member_is_cut_off_and_the_file_goes_on(feed, tmp_path, missing):
    path = tmp_path / "out/a.jsonl.gz"
    run = feed('path: "out/a.jsonl.gz", gzip: true')
    run.send("one")
    wait_for(lambda: path.exists() and path.stat().st_size > 0)
    whole = path.stat().st_size
    run.send("two")
    wait_for(lambda: path.stat().st_size > whole)
    run.run.kill()
    os.truncate(path, path.stat().st_size - missing)
    run = feed('path: "out/a.jsonl.gz", gzip: true')
    run.send("three")
    run.end()
    assert unpacked(path) == ["one", "three"]


@pytest.mark.parametrize("rest", [bytes(5000), None], ids=["zeros", "a wrong checksum"])
def test_what_a_loss_of_power_leaves_behind_a_packed_file_is_cut_off(feed, tmp_path, rest):
    path = tmp_path / "out/a.jsonl.gz"
    run = feed('path: "out/a.jsonl.gz", gzip: true')
    run.send("one")
    run.end()
    whole = path.read_bytes()
    path.write_bytes(whole + (rest or whole[:-12] + bytes(12)))
    run = feed('path: "out/a.jsonl.gz", gzip: true')
    run.send("two")
    run.end()
    assert unpacked(path) == ["one", "two"]


def test_a_file_that_another_program_packed_is_left_alone(feed, tmp_path):
    path = tmp_path / "out/a.jsonl.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(b'{"message":"mine"}\n'))
    run = feed('path: "out/a.jsonl.gz", gzip: true')
    run.send("one")
    run.end()
    assert unpacked(path) == ["one"]
    moved, = [name for name in out_files(tmp_path) if TIMED.search(name)]
    assert unpacked(tmp_path / moved) == ["mine"] and moved.endswith("Z.gz")


def test_no_record_is_missing_from_packed_files_whenever_a_run_is_killed(tmp_path):
    """Small files, so that kills meet rotations, too."""
    config = """sources:
  - {name: in, type: file, paths: ["in/*.log"], poll: 20ms}
store: state
sinks:
  - {name: out, type: file, path: "out/a.jsonl.gz", gzip: true, atomic: true, rotate_size: 20K, sync: never}
"""
    (tmp_path / "in").mkdir()
    lines = [f"line {n} {os.urandom(20).hex()}" for n in range(12_000)]
    with open(tmp_path / "in/a.log", "w") as log:
        run = Run(tmp_path, config)
        for start in range(0, len(lines), 4_000):
            before = len(out_files(tmp_path))
            run.start()
            for part in range(start, start + 4_000, 400):
                log.write("".join(line + "\n" for line in lines[part:part + 400]))
                log.flush()
            wait_for(lambda before=before: len(out_files(tmp_path)) > before)
            run.kill()
    with run:
        wait_for(lambda: lines[-1] in packed_so_far(tmp_path))
        assert run.stop() == 0
    got = [m for name in out_files(tmp_path) for m in unpacked(tmp_path / name)]
    assert set(got) == set(lines)
    assert [name for name in out_files(tmp_path) if name.endswith(".partial")] == []


# --- Names ----------------------------------------------------------------------------------------------------------------------


def test_an_atomic_file_has_its_name_only_when_it_is_finished(feed, tmp_path):
    run = feed('path: "out/a.jsonl", atomic: true, rotate_age: 1h')
    run.send("one")
    wait_for(lambda: messages(tmp_path / "out/a.jsonl.partial") == ["one"])
    assert out_files(tmp_path) == ["out/a.jsonl.partial"]
    run.end()
    assert out_files(tmp_path) == ["out/a.jsonl"] and messages(tmp_path / "out/a.jsonl") == ["one"]


def test_what_a_killed_run_left_is_finished_by_the_next(feed, tmp_path):
    run = feed('path: "out/a.jsonl", atomic: true, rotate_age: 1h')
    run.send("one")
    wait_for(lambda: messages(tmp_path / "out/a.jsonl.partial") == ["one"])
    run.run.kill()
    with open(tmp_path / "out/a.jsonl.partial", "a") as torn:
        torn.write('{"message":"half')
    run = feed('path: "out/a.jsonl", atomic: true, rotate_age: 1h')
    assert messages(tmp_path / "out/a.jsonl") == ["one"] and out_files(tmp_path) == ["out/a.jsonl"]
    run.send("two")
    run.end()
    timed, = [name for name in out_files(tmp_path) if TIMED.search(name)]
    assert messages(tmp_path / timed) == ["two"] and messages(tmp_path / "out/a.jsonl") == ["one"]


def test_a_file_is_finished_by_its_age_though_nothing_comes(feed, tmp_path):
    run = feed('path: "out/a.jsonl", rotate_age: 200ms')
    run.send("one")
    wait_for(lambda: any(TIMED.search(name) for name in out_files(tmp_path)))
    assert not (tmp_path / "out/a.jsonl").exists()
    run.end()


def written(folder):
    """What stands in each file; one that goes in between is none."""
    found = []
    for name in out_files(folder):
        with contextlib.suppress(FileNotFoundError):
            found.append(messages(folder / name))
    return found


def test_of_finished_files_so_many_stay_and_no_other_file_goes(feed, tmp_path):
    others = ["out/b.jsonl.20260101T000000.000Z", "out/a.jsonl.old", "out/a.jsonl.20260101T000000.000Z.gz", "out/a.jsonl.20260101T000000.000Zx"]
    (tmp_path / "out").mkdir()
    for name in others:
        (tmp_path / name).write_text('{"message":"not ours"}\n')
        os.utime(tmp_path / name, (1, 1))
    run = feed('path: "out/a.jsonl", rotate_size: 1, keep_files: 2')
    for n in range(6):
        run.send(f"line {n}")
        wait_for(lambda n=n: [f"line {n}"] in written(tmp_path))
    run.end()
    left = [name for name in out_files(tmp_path) if name not in others]
    assert sorted(m for name in left for m in messages(tmp_path / name)) == ["line 4", "line 5"]
    assert set(others) <= set(out_files(tmp_path))


def test_dated_files_that_are_old_go_and_the_one_that_is_written_stays(feed, tmp_path):
    (tmp_path / "out").mkdir()
    for name in ("2024-01-01.jsonl", "2024-01-02.jsonl", "2024-01-0x.jsonl", "notes.jsonl"):
        (tmp_path / "out" / name).write_text("x\n")
        os.utime(tmp_path / "out" / name, (1, 1))
    run = feed('path: "out/{date}.jsonl", keep_age: 1d')
    run.send("one")
    wait_for(lambda: not (tmp_path / "out/2024-01-01.jsonl").exists() and not (tmp_path / "out/2024-01-02.jsonl").exists())
    run.end()
    assert {"out/2024-01-0x.jsonl", "out/notes.jsonl"} < set(out_files(tmp_path)) and len(out_files(tmp_path)) == 3


@pytest.mark.parametrize("mode, folder", [("600", 0o700), ("640", 0o750), ("664", 0o755)])
def test_permissions_are_those_asked_for_whatever_the_umask(feed, tmp_path, mode, folder):
    before = os.umask(0o077)
    try:
        run = feed(f'path: "out/deep/a.jsonl", mode: {mode}')
        run.send("one")
        run.end()
    finally:
        os.umask(before)
    assert (tmp_path / "out/deep/a.jsonl").stat().st_mode & 0o777 == int(mode, 8)
    assert (tmp_path / "out/deep").stat().st_mode & 0o777 == folder


@pytest.mark.parametrize("settings, text", [
    ('path: "a.jsonl", gzip: true', "ends in .gz"), ('path: "a.jsonl.gz"', "ends in .gz"), ('path: "a.jsonl", atomic: true', "atomic needs rotate_age"),
    ('path: "{wrong}.jsonl"', "a path may have"),
])
def test_settings_that_do_not_fit_are_told(lethe, tmp_path, settings, text):
    (tmp_path / "lethe.yaml").write_text(CONFIG.format(settings=settings))
    refused = lethe.run("check", "-c", "lethe.yaml")
    assert refused.returncode != 0 and text in refused.stderr.decode()


# --- A full disk ----------------------------------------------------------------------------------------------------------------


def whole_prefix(path, packed, lines):
    data = path.read_bytes()
    try:
        data = gzip.decompress(data) if packed else data
    except (EOFError, OSError):
        return False
    part = [json.loads(line)["message"] for line in data.splitlines()] if not data or data.endswith(b"\n") else None   # none: one block of all
    return part is not None and part == lines[:len(part)]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_a_full_disk_costs_nothing_once_there_is_room_again(feed, small_disk, packed):
    (small_disk / "ballast").write_bytes(os.urandom(200_000))
    path = small_disk / ("a.jsonl.gz" if packed else "a.jsonl")
    lines = [f"line {n} {os.urandom(200).hex()}" for n in range(300)]   # 120 KB, however packed
    run = feed(f'path: "{path}", gzip: {str(packed).lower()}')
    for start in range(0, len(lines), 10):
        run.send(*lines[start:start + 10])
    wait_for(lambda: run.run.logged("no space left on device") or run.run.logged("No space left on device"))
    wait_for(lambda: whole_prefix(path, packed, lines))   # not while it is being tried again
    (small_disk / "ballast").unlink()
    run.end()
    assert (unpacked(path) if packed else messages(path)) == lines


# --- Names that are too many or too long ------------------------------------------------------------------------------------------


def named(n, category, level="Warning"):
    return json.dumps({"time": "2026-03-14T09:40:00Z", "resourceId": "/SUBSCRIPTIONS/S/RESOURCEGROUPS/G/PROVIDERS/X/Y/Z", "category": category,
                       "operationName": f"op-{n}", "level": level, "resultType": "Success"})


def operations(folder):
    return {name: [json.loads(line)["operationName"] for line in (folder / name).read_text().splitlines()] for name in out_files(folder)}


def test_records_of_one_batch_for_more_files_than_may_be_open_all_arrive(feed, tmp_path):
    one = feed('path: "out/{category}.jsonl"')
    one.send(*(named(n, f"c{n}") for n in range(300)))
    one.end()
    got = operations(tmp_path)
    assert sorted(sum(got.values(), [])) == sorted(f"op-{n}" for n in range(300))
    assert all(len(ops) == 1 and name == f"out/c{ops[0][3:]}.jsonl" for name, ops in got.items() if name != "out/other.jsonl")


def test_a_record_that_makes_a_name_too_long_does_not_hold_up_others(feed, tmp_path):
    one = feed('path: "out/{category}-{level}-{category}.jsonl"')
    one.send(named(1, "c"), named(2, "x" * 100, "y" * 100), named(3, "c"))
    one.end()
    assert operations(tmp_path) == {"out/c-Warning-c.jsonl": ["op-1", "op-3"], "out/other-other-other.jsonl": ["op-2"]}
    assert not one.run.logged("xxxx")
