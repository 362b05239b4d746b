"""lethe redact on input that is broken: one clear line on standard error, the record withheld, the rest done, and never
a byte of the payload in a message."""
import gzip
import json
import os
import pathlib
import resource
import subprocess

import pytest

from conftest import BINARY, SANITIZER, files_below

CANARY = b"canary7f3e91"   # stands in every broken record and must never be told
GOOD = b'{"n":1}\n'
LAST = b'{"n":2}\n'


def lines_about(stderr, word):
    return [line for line in stderr.decode().splitlines() if word in line]


# --- Records that cannot be examined ------------------------------------------------------------------------------------

BROKEN_RECORDS = {
    "truncated object": (b'{"a":"' + CANARY + b'"', "ends inside a string, an object or an array"),
    "truncated string": (b'{"a":"' + CANARY, "ends inside a string, an object or an array"),
    "syntax": (b'{"a":' + CANARY + b"}", "begins as json but is not valid json"),
    "invalid utf-8": (b'{"a":"' + CANARY + b'\xff"}', "is not valid utf-8"),
    "NUL in a string": (b'{"a":"' + CANARY + b'\0"}', "holds an unescaped control character in a string"),
    "too deep": (b'{"a":"' + CANARY + b'","b":' + b"[" * 200 + b"]" * 200 + b"}", "nests deeper than the limit"),
    "too long": (b'{"a":"' + CANARY * 200000 + b'"}', "is longer than the limit"),
    "binary line": (b"\x00\x01\x02\xfe" + CANARY + b"\x00\x03", "is not text"),
}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("name", BROKEN_RECORDS)
def test_a_broken_record_is_withheld_and_its_neighbours_are_not(lethe, tmp_path, name, jobs):
    record, explanation = BROKEN_RECORDS[name]
    (tmp_path / "in.jsonl").write_bytes(GOOD + record + b"\n" + LAST)
    run = lethe.redact("in.jsonl", "--jobs", jobs, "--report", "report.json")
    assert run.stdout == GOOD + LAST
    assert run.returncode == 3
    told = lines_about(run.stderr, "record withheld")
    assert len(told) == 1
    assert told[0].startswith(f"lethe: in.jsonl:2: record withheld: {explanation} (byte ")
    assert len(GOOD) <= int(told[0].split("(byte ")[1].rstrip(")")) <= len(GOOD) + len(record)
    assert CANARY not in run.stderr
    assert CANARY not in (tmp_path / "report.json").read_bytes()


def test_a_depth_of_one_million_is_withheld(lethe):
    deep = b"[" * 1000000 + b'"' + CANARY + b'"' + b"]" * 1000000
    run = lethe.redact("-", "--max-record", "4M", stdin=GOOD + deep + b"\n" + LAST)
    assert run.stdout == GOOD + LAST
    assert run.returncode == 3
    assert len(lines_about(run.stderr, "nests deeper than the limit")) == 1
    assert CANARY not in run.stderr


def test_the_byte_of_a_packed_input_is_that_of_the_unpacked_stream(lethe, tmp_path):
    (tmp_path / "in.gz").write_bytes(gzip.compress(GOOD * 1000 + b'{"a":"\xff"}\n'))
    run = lethe.redact("in.gz")
    assert lines_about(run.stderr, "record withheld") == [
        "lethe: in.gz:1001: record withheld: is not valid utf-8 (byte 8006)"]


def test_a_binary_file_gives_no_output_and_few_lines(lethe, tmp_path):
    (tmp_path / "in.bin").write_bytes(bytes(range(256)) * 4000 + CANARY)
    run = lethe.redact("in.bin")
    assert run.returncode == 3
    assert CANARY not in run.stderr
    assert len(lines_about(run.stderr, "record withheld")) <= 20


def peak_kilobytes(program):
    """Of the program itself: what a finished process is charged with includes the moment before it was started, as a copy of us."""
    status = pathlib.Path(f"/proc/{program.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))


@pytest.mark.skipif(SANITIZER != "", reason="sanitizers need memory of their own")
def test_a_long_line_needs_no_more_memory_than_a_short_one(tmp_path):
    """One line of 256 MB: withheld, without being held."""
    with open(tmp_path / "out", "wb") as out:
        program = subprocess.Popen([BINARY, "redact", "-", "--jobs", "2"], stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE)
        program.stdin.write(GOOD + b'{"a":"')
        for _ in range(256):
            program.stdin.write(b"x" * 1000000)
        program.stdin.write(b'"}\n' + LAST)
        program.stdin.flush()
        peak = peak_kilobytes(program)
        program.stdin.close()
        stderr = program.stderr.read()
    assert program.wait() == 3
    assert (tmp_path / "out").read_bytes() == GOOD + LAST
    assert len(lines_about(stderr, "is longer than the limit")) == 1
    assert peak <= 64 * 1024


# --- Inputs that cannot be read -----------------------------------------------------------------------------------------

def test_a_missing_file_is_told_and_the_others_are_done(lethe, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    (tmp_path / "c.jsonl").write_bytes(LAST)
    run = lethe.redact("a.jsonl", "b.jsonl", "c.jsonl")
    assert run.stdout == GOOD + LAST
    assert run.returncode == 1
    assert "lethe: cannot open 'b.jsonl': no such file or directory" in run.stderr.decode().splitlines()


def test_a_pattern_without_a_match_is_told(lethe):
    run = lethe.redact("*.jsonl")
    assert run.returncode == 1
    assert b"cannot open '*.jsonl': no such file or directory" in run.stderr


def test_a_dangling_link_is_told(lethe, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").symlink_to("nowhere")
    (tmp_path / "in/b.jsonl").write_bytes(GOOD)
    run = lethe.redact("in")
    assert (run.returncode, run.stdout) == (1, GOOD)
    assert b"cannot open 'in/a.jsonl': no such file or directory" in run.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_told(lethe, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(GOOD)
    (tmp_path / "in.jsonl").chmod(0)
    run = lethe.redact("in.jsonl")
    assert run.returncode == 1
    assert b"cannot open 'in.jsonl': permission denied" in run.stderr


def test_unreadable_input_counts_more_than_withheld_records(lethe, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"a":\n')
    assert lethe.redact("a.jsonl", "missing").returncode == 1


BROKEN_GZIP = {
    "cut in the header": lambda packed: packed[:5],
    "cut in the data": lambda packed: packed[:len(packed) // 2],
    "cut in the checksum": lambda packed: packed[:-3],
    "wrong checksum": lambda packed: packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
    "wrong length": lambda packed: packed[:-1] + bytes([packed[-1] ^ 1]),
    "garbage behind": lambda packed: packed + CANARY,
    "cut in the second member": lambda packed: packed + packed[:12],
}


@pytest.mark.parametrize("name", BROKEN_GZIP)
def test_a_broken_gzip_is_told_and_what_could_be_read_is_done(lethe, tmp_path, name):
    records = b"".join(b'{"n":%d,"note":"plain words"}\n' % n for n in range(100000))
    (tmp_path / "in.gz").write_bytes(BROKEN_GZIP[name](gzip.compress(records)))
    run = lethe.redact("in.gz", "-o", "out.jsonl")
    assert run.returncode == 1
    told = lines_about(run.stderr, "cannot unpack 'in.gz'")
    assert len(told) == 1
    assert " of the gzip file" in told[0]
    assert CANARY not in run.stderr
    out = (tmp_path / "out.jsonl").read_bytes()
    assert records.startswith(out)
    if name not in ("cut in the header", "cut in the data"):
        assert out == records
    if name == "cut in the data":
        assert len(out) > len(records) // 4


# --- Outputs that cannot be written -------------------------------------------------------------------------------------

def test_a_missing_folder_of_the_output_is_told(lethe, tmp_path):
    run = lethe.redact("-", "-o", "missing/out.jsonl", stdin=GOOD)
    assert run.returncode == 1
    assert b"lethe: cannot write 'missing/out.jsonl': no such file or directory" in run.stderr


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_device_is_told(lethe, tmp_path, jobs):
    (tmp_path / "in.jsonl").write_bytes(GOOD * 500000)
    run = lethe.redact("in.jsonl", "-o", "/dev/full", "--jobs", jobs)
    assert run.returncode == 1
    assert lines_about(run.stderr, "cannot write") == ["lethe: cannot write '/dev/full': no space left on device"]


def test_standard_output_that_is_full_is_told(tmp_path):
    with open("/dev/full", "wb") as full:
        run = subprocess.run([BINARY, "redact", "-"], input=GOOD, stdout=full, stderr=subprocess.PIPE, check=False)
    assert run.returncode == 1
    assert b"cannot write '-': no space left on device" in run.stderr


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_output_without_room_is_removed_and_the_others_are_done(lethe, tmp_path, jobs):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_bytes(GOOD)
    (tmp_path / "in/b.jsonl").write_bytes(GOOD * 1000000)
    (tmp_path / "in/c.jsonl").write_bytes(LAST)
    run = lethe.redact("in", "-o", "out/", "--jobs", jobs,
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000000, 1000000)))
    assert run.returncode == 1
    assert lines_about(run.stderr, "cannot write") == ["lethe: cannot write 'out/b.jsonl': file too large"]
    assert files_below(tmp_path / "out") == ["a.jsonl", "c.jsonl"]
    assert (tmp_path / "out/c.jsonl").read_bytes() == LAST


def test_a_full_disk_loses_no_more_than_the_outputs_that_do_not_fit(lethe, tmp_path, small_disk):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_bytes(GOOD * 1000000)
    (tmp_path / "in/b.jsonl").write_bytes(LAST)
    run = lethe.redact("in", "-o", small_disk)
    assert run.returncode == 1
    assert b"no space left on device" in run.stderr
    assert files_below(small_disk) == ["b.jsonl"]


def test_a_report_that_cannot_be_written_is_told(lethe):
    run = lethe.redact("-", "--report", "missing/report.json", stdin=GOOD)
    assert (run.returncode, run.stdout) == (1, GOOD)
    assert b"cannot write 'missing/report.json'" in run.stderr


# --- Strict -------------------------------------------------------------------------------------------------------------

def test_strict_stops_at_the_first_withheld_record(lethe, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_bytes(GOOD)
    (tmp_path / "in/b.jsonl").write_bytes(GOOD + b'{"a":\n{"b":\n')
    (tmp_path / "in/c.jsonl").write_bytes(LAST)
    run = lethe.redact("in", "-o", "out/", "--strict")
    assert run.returncode == 3
    assert len(lines_about(run.stderr, "record withheld")) == 1
    assert files_below(tmp_path / "out") == ["a.jsonl"]


def test_strict_stops_at_the_first_unreadable_input(lethe, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_bytes(GOOD)
    (tmp_path / "in/b.jsonl").symlink_to("nowhere")
    (tmp_path / "in/c.jsonl").write_bytes(LAST)
    run = lethe.redact("in", "-o", "out/", "--strict")
    assert run.returncode == 1
    assert files_below(tmp_path / "out") == ["a.jsonl"]


def test_strict_leaves_no_common_output(lethe, tmp_path):
    run = lethe.redact("-", "-o", "out.jsonl", "--strict", stdin=GOOD + b'{"a":\n')
    assert run.returncode == 3
    assert files_below(tmp_path) == []


def test_strict_is_content_with_good_input(lethe):
    run = lethe.redact("-", "--strict", stdin=GOOD)
    assert (run.returncode, run.stdout) == (0, GOOD)


def test_the_report_tells_how_far_a_stopped_run_came(lethe, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"a":\n')
    (tmp_path / "b.jsonl").write_bytes(LAST)
    lethe.redact("a.jsonl", "b.jsonl", "--strict", "--jobs", "1", "--report", "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert [i["state"] for i in report["inputs"]] == ["not-read", "not-read"]
