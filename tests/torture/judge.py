"""The judge: recounts what arrived against the journal, looks for canaries everywhere, and says what is red.

It knows a run by its folder alone:

    out/*.jsonl   what sinks delivered; rotated: *.jsonl.TIME                log/     log lines
    state/        the store                                                 scrape/  metrics, status page, status.json
    temp/         TMPDIR of the process                                     core/    its working folder, where a core would be
    kept/         withheld records, sealed
"""
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import zlib

from journal import fingerprint

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("LETHE_BINARY", ROOT / "build/release/lethe"))
BUILD = BINARY.resolve().parent
LEAKSCAN = BUILD / "tests/torture/leakscan"
PLACES = ("out", "state", "log", "scrape", "temp", "core", "kept")
ORDERED = ("disk",)   # sinks that keep the order of a file or partition; requests over HTTP that were refused come again behind others
BLOCK_HEADER = 80   # bytes before the packed bytes of a block in the spool
IDENT = re.compile(r"\b[a-z0-9]+-[0-9]{8}-[0-9a-f]{16}\b")


class Count:
    """What one sink got."""

    def __init__(self):
        self.copies = {}          # id -> how often
        self.event_ids = {}       # id -> the first one
        self.last = {}            # stream -> highest number of a first copy
        self.unknown = self.altered = self.disordered = self.renamed = self.exposed = 0

    def line(self, journal, text):
        try:
            record = json.loads(text)
        except ValueError:
            self.unknown += 1
            return
        event = record.pop("lethe_event_id", None)
        record.pop("lethe_kind", None)
        found = IDENT.search(record.get("id") or record.get("message") or "") if isinstance(record, dict) else None
        ident = found.group() if found else None
        if ident not in journal.issued:
            self.unknown += 1
            return
        if journal.issued[ident] is None:
            self.exposed += 1
        elif fingerprint(record) != journal.issued[ident]:
            self.altered += 1
        self.seen(ident, event)

    def seen(self, ident, event):
        self.copies[ident] = self.copies.get(ident, 0) + 1
        if self.event_ids.setdefault(ident, event) != event:
            self.renamed += 1
        stream, number, _ = ident.split("-")
        if self.copies[ident] == 1 and stream.startswith(("file", "kafka")):
            self.disordered += int(number) < self.last.get(stream, 0)
            self.last[stream] = max(self.last.get(stream, 0), int(number))

    def duplicates(self):
        return sum(self.copies.values()) - len(self.copies)


class Reading:
    """An output that grows and is rotated (NAME.TIME): each call of more() counts the whole lines that are new."""

    def __init__(self, journal, path):
        self.journal, self.path, self.offsets, self.count = journal, path, {}, Count()

    def parts(self):
        return [*sorted(self.path.parent.glob(self.path.name + ".2*")), self.path]

    def more(self):
        for path in self.parts():
            try:
                with open(path, "rb") as file:
                    self.read(file)
            except FileNotFoundError:   # not there yet, or rotated since it was listed: the next time
                pass
        return self.count

    def read(self, file):
        inode = os.fstat(file.fileno()).st_ino
        file.seek(self.offsets.get(inode, 0))
        data = file.read()
        whole = data[:data.rfind(b"\n") + 1]
        for line in whole.splitlines():
            self.count.line(self.journal, line)
        self.offsets[inode] = self.offsets.get(inode, 0) + len(whole)

    def missing(self):
        return self.journal.deliverable() - self.more().copies.keys()


def sinks(folder, journal):
    return {path.stem: Reading(journal, path) for path in sorted((folder / "out").glob("*.jsonl"))}


def unpack(data, path):
    """Whether it could be: one that is sealed or damaged is scanned as it is."""
    try:
        path.write_bytes(zlib.decompressobj(-15).decompress(data[BLOCK_HEADER:]))
    except zlib.error:
        return False
    return True


def unpack_spool(folder):
    """Blocks of the spool as they were before they were packed, each in a file; how many."""
    target = folder / "unpacked"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    count = 0
    for database in sorted((folder / "state").glob("store.db*")):
        if not re.fullmatch(r"store\.db(\.damaged.*)?", database.name) or database.name.endswith(("-wal", "-shm")):
            continue
        copy = target / "copy.db"
        for suffix in ("", "-wal"):
            if pathlib.Path(f"{database}{suffix}").exists():
                shutil.copy(f"{database}{suffix}", f"{copy}{suffix}")
        try:
            with sqlite3.connect(copy) as db:
                for number, data in db.execute("SELECT seq, data FROM body"):
                    count += unpack(data, target / f"{count}-{number}")
        except sqlite3.Error:
            pass   # damaged on purpose; its bytes as they are get scanned as well
        for path in target.glob("copy.db*"):
            path.unlink()
    return count


def scan(journal_path, folder):
    """Pieces of canaries by place: {place: ["path form", ...]}, and how many bytes were looked at."""
    canaries = folder.parent / (folder.name + ".canaries")
    lines = journal_path.read_text().splitlines()
    canaries.write_text("".join(line.split()[1] + "\n" for line in lines if line.startswith("canary ")))
    unpack_spool(folder)
    found, scanned = {}, 0
    for place in (*PLACES, "unpacked"):
        if not (folder / place).is_dir():
            continue
        done = subprocess.run([LEAKSCAN, canaries, place], cwd=folder, capture_output=True, text=True, errors="replace", check=False)
        assert done.returncode in (0, 1), done.stderr
        *hits, total = done.stdout.splitlines()
        scanned += int(total.split()[3])
        for hit in hits:
            path, offset, form, _ = hit.split("\t")
            where = "names" if offset == "name" else "state" if place == "unpacked" else place
            found.setdefault(where, set()).add(f"{path if offset != 'name' else '(a name)'} {form}")
    canaries.unlink()
    return {place: sorted(hits) for place, hits in found.items()}, scanned


METRIC = re.compile(r"^(lethe_source_records_\w+_total)\{[^}]*\} (\d+)$", re.M)


def balance(folder):
    """Sums over all sources of the last scrape: received, clean, redacted, withheld."""
    path = folder / "scrape/metrics.txt"
    sums = {}
    for name, value in METRIC.findall(path.read_text() if path.exists() else ""):
        sums[name] = sums.get(name, 0) + int(value)
    return [sums.get(f"lethe_source_records_{what}_total", 0) for what in ("received", "clean", "redacted", "withheld")]


def unsealed(folder, audit_key):
    """Ids of the withheld records that can be opened, and of how many lines."""
    path = folder / "kept/withheld.jsonl"
    if not path.exists():
        return set(), 0
    done = subprocess.run([BINARY, "unseal", path, "--key-file", audit_key], capture_output=True, check=False)
    lines = done.stdout.splitlines()
    return {IDENT.search(json.loads(line)["raw"]).group() for line in lines}, len(lines)


class Verdict:
    """Figures for the table, and the names of the checks that are red."""

    def __init__(self):
        self.figures, self.red, self.details = {}, [], []

    def check(self, name, good, detail=""):
        if not good and name not in self.red:
            self.red.append(name)
            self.details.append(f"{name}: {detail}")


def judge(folder, journal, journal_path, duplicates_allowed=0, whole=True, audit_key=None):
    """`whole`: one process did all of it, so its counters must match what was sent. `audit_key`: of the withheld records, which must
    have been kept then."""
    v = Verdict()
    totals = {"missing": 0, "duplicates": 0, "unknown": 0, "altered": 0, "disordered": 0, "renamed": 0, "exposed": 0}
    readings = sinks(folder, journal)
    for name, reading in readings.items():
        missing, count = reading.missing(), reading.count
        totals["missing"] += len(missing)
        totals["duplicates"] += count.duplicates()
        for what in ("unknown", "altered", "renamed", "exposed"):
            totals[what] += getattr(count, what)
        totals["disordered"] += count.disordered if name in ORDERED else 0
        v.check("missing", not missing, f"{name} lacks {len(missing)}, the first {min(missing, default='')}")
    v.check("delivery", readings and all(reading.count.copies for reading in readings.values()), "a sink got nothing")
    v.check("duplicate", totals["duplicates"] <= duplicates_allowed, f"{totals['duplicates']} of at most {duplicates_allowed}")
    v.check("unknown", totals["unknown"] == 0, f"{totals['unknown']} records that were never sent")
    v.check("altered", totals["altered"] == 0, f"{totals['altered']} records are not what they must become")
    v.check("order", totals["disordered"] == 0, f"{totals['disordered']} records of files or partitions overtook others")
    v.check("event id", totals["renamed"] == 0, f"{totals['renamed']} copies have another event id")
    v.check("withheld", totals["exposed"] == 0, f"{totals['exposed']} records came that must be withheld")
    received, clean, redacted, withheld = balance(folder)
    v.check("accounting", received == clean + redacted + withheld, f"{received} != {clean} + {redacted} + {withheld}")
    sound = sum(1 for ident in journal.refused if journal.issued[ident] is not None)
    v.check("refusal", sound == 0, f"{sound} sound records were refused")
    if whole:
        answered = journal.owed | journal.refused
        due = sum(1 for ident in answered if journal.issued[ident] is None)
        v.check("accounting", (received, withheld) == (len(answered), due),
                f"{received} received of {len(answered)}, {withheld} withheld of {due}")
    if audit_key is not None:
        due, (opened, lines) = journal.withheld(), unsealed(folder, audit_key)
        v.check("sealed", due <= opened, f"{len(due - opened)} of {len(due)} withheld records are not kept")
        v.check("sealed", opened <= journal.issued.keys(), f"{len(opened - journal.issued.keys())} kept records were never sent")
        totals |= {"withheld and kept sealed": len(due & opened), "of them kept more than once": lines - len(opened)}
    leaks, scanned = scan(journal_path, folder)
    for place, hits in leaks.items():
        v.check(f"leak in {place}", False, "; ".join(hits[:3]))
    v.figures = {"issued": len(journal.issued), "owed": len(journal.owed), **totals,
                 "canary pieces": sum(map(len, leaks.values())), "MB scanned": round(scanned / 1e6, 1)}
    return v
