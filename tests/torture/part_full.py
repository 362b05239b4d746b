"""Disks that fill up and become free again under a running program: that of the store, and that of the output."""
import random
import time

from disks import Disk
from outcome import from_verdict, part
from part_sync import time_until_accepted
from subject import Subject, new_folder

STORE_MB, OUTPUT_MB = 24, 64
FULL_SECONDS = 1.5
DUPLICATES_EACH = 400
COMPLAINTS = ("no space", "No space", "is full")


@part("full")
def run(context):
    """Full, some time, free again: no restart, nothing lost, and records are accepted again at once."""
    cycles, chance = context.amount(2, 100), random.Random(context.seed)
    folder = new_folder(context.folder, "run")
    disks = {}
    try:
        disks["store"] = Disk(folder / "state", "tmpfs", STORE_MB)
        disks["output"] = Disk(folder / "out", "tmpfs", OUTPUT_MB)
        subject = Subject(folder, seed=context.seed)
        subject.begin_traffic()
        subject.start_and_flow()
        waits, told = [], 0
        for cycle in range(cycles):
            disk = disks["output" if cycle % 2 else "store"]
            subject.web.mode = "up" if cycle % 2 else "busy"   # busy: blocks must go to the store
            subject.log_start = subject.log.stat().st_size
            disk.fill()
            time.sleep(FULL_SECONDS)
            told += any(subject.said(text) for text in COMPLAINTS)
            subject.web.mode = "up"
            disk.empty()
            waits.append(time_until_accepted(subject))
        subject.log_start = 0
        wrong = subject.settle()
        if subject.starts > 1:
            wrong = "the process ended on a full disk"
        verdict = subject.verdict(whole=False, duplicates_allowed=cycles * DUPLICATES_EACH)
    finally:
        for disk in disks.values():
            disk.release()
    return from_verdict(verdict, told, wrong, **{
        "times full": cycles, "of them felt by the program": told, "longest until accepted again, s": round(max(waits), 2),
        "acknowledged records lost": verdict.figures["missing"]})
