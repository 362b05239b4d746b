"""Can the judge fail? A sound run is judged, then copies of it with one fault planted in each: exactly one check turns red."""
import base64
import gzip
import json
import re
import shutil
import sqlite3
import zlib

import judge
from outcome import Outcome, part
from subject import Subject, new_folder

WINDOW = 8


def lines_of(folder):
    return (folder / "out/disk.jsonl").read_bytes().splitlines(keepends=True)


def put_lines(folder, lines):
    (folder / "out/disk.jsonl").write_bytes(b"".join(lines))


def append(path, data):
    with open(path, "ab") as file:
        file.write(data)


def drop_a_line(folder, _):
    lines = lines_of(folder)
    put_lines(folder, lines[:7] + lines[8:])


def double_a_line(folder, _):
    lines = lines_of(folder)
    put_lines(folder, lines + [lines[5]])


def alter_a_byte(folder, _):
    lines = lines_of(folder)
    at = next(n for n, line in enumerate(lines) if b'"body": "' in line)
    record = json.loads(lines[at])
    record["body"] = record["body"].replace("e", "E", 1)
    lines[at] = json.dumps(record).encode() + b"\n"
    put_lines(folder, lines)


def add_a_stranger(folder, _):
    append(folder / "out/disk.jsonl", b'{"id":"file-00000001-0123456789abcdef","body":"never sent"}\n')


def swap_two(folder, _):
    lines = lines_of(folder)
    first, second = [n for n, line in enumerate(lines) if b"file0-" in line][3:5]
    lines[first], lines[second] = lines[second], lines[first]
    put_lines(folder, lines)


def miscount_the_withheld(folder, _):
    path = folder / "scrape/metrics.txt"
    path.write_text(re.sub(r'(withheld_total\{source="logs"\}) (\d+)', lambda m: f"{m[1]} {int(m[2]) - 1}", path.read_text()))


def canary_in_the_log(folder, canary):
    append(folder / "log/run.log", b'{"level":"debug","message":"read ' + canary + b'"}\n')


def window_in_packed_base64(folder, canary):
    """Two bytes stand before it in its group of three."""
    packed = gzip.compress(base64.b64encode(b"//" + canary[11:11 + WINDOW] + b"/"))
    append(folder / "temp/upload", b"body " + packed)


def window_in_utf16(folder, canary):
    append(folder / "core/core.4711", b"\x07\xfe" + canary[3:3 + WINDOW].decode().encode("utf-16le") + b"\xff")


def packed_in_the_spool(folder, canary):
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(b"some clean record and " + canary[5:5 + WINDOW] + b" in it") + packer.flush()
    with sqlite3.connect(folder / "state/store.db") as db:
        db.execute("INSERT INTO body VALUES(999999, ?)", (b"LTB1".ljust(judge.BLOCK_HEADER, b"\0") + packed,))


def reversed_in_the_metrics(folder, canary):
    append(folder / "scrape/metrics.txt", b'lethe_kinds{kind="' + canary[20:20 + WINDOW][::-1] + b'"} 1\n')


def in_a_file_name(folder, canary):
    (folder / "state" / f"part-{canary[:WINDOW].decode()}.tmp").write_bytes(b"")


def lose_a_sealed_record(folder, _):
    path = folder / "kept/withheld.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))


FAULTS = [(drop_a_line, "missing"), (double_a_line, "duplicate"), (alter_a_byte, "altered"), (add_a_stranger, "unknown"),
          (swap_two, "order"), (miscount_the_withheld, "accounting"), (canary_in_the_log, "leak in log"),
          (window_in_packed_base64, "leak in temp"), (window_in_utf16, "leak in core"), (packed_in_the_spool, "leak in state"),
          (reversed_in_the_metrics, "leak in scrape"), (in_a_file_name, "leak in names"), (lose_a_sealed_record, "sealed")]


@part("judge")
def run(context):
    """A sound run is green; each of the planted faults turns its own check red, and no other."""
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed, sealed=True)
    subject.start()
    for _ in range(40):
        subject.write_lines(10)
        subject.post(5)
    wrong = subject.settle()
    sound = subject.verdict()
    red = sound.details + ([wrong] if wrong else [])
    caught = 0
    for plant, expected in FAULTS:
        copy = context.folder / plant.__name__
        shutil.copytree(subject.folder, copy)
        plant(copy, subject.journal.canaries[17].encode())
        verdict = judge.judge(copy, subject.journal, subject.journal_path, audit_key=subject.keys / "audit.key")
        caught += verdict.red == [expected]
        if verdict.red != [expected]:
            red.append(f"{plant.__name__}: red is {verdict.red}, not {expected}")
        shutil.rmtree(copy)
    print(f"{caught} of {len(FAULTS)} planted faults caught")
    return Outcome(len(FAULTS), {"planted faults caught": f"{caught} of {len(FAULTS)}", **sound.figures}, red)
