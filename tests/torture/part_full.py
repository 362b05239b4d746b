"""Disks that fill up and become free again under a running program: that of the store, and that of the output."""
import random

from disks import Disk
from outcome import from_verdict, part
from part_sync import time_until_accepted
from subject import Subject, new_folder, wait_until

STORE_MB, OUTPUT_MB = 24, 768   # all that is delivered must find room, twice when it is judged
FELT_SECONDS = 180   # within which the program must notice
BURST = 200         # items a request, so that the log of the store, whose pages are written over, has to grow
DUPLICATES_EACH = 400


def felt(subject, store):
    """Whether the program meets the full disk, under traffic that needs it. That the store cannot be written is logged once a minute
    at most, so its metric tells."""
    before = subject.metric("lethe_spool_full_commits_total")

    def met():
        if not store:
            return subject.said("no space left"), None
        subject.post(BURST, timeout=1)
        return subject.metric("lethe_spool_full_commits_total") > before, None
    return wait_until(met, FELT_SECONDS)


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
            told += felt(subject, disk is disks["store"])
            subject.web.mode = "up"
            disk.empty()
            waits.append(time_until_accepted(subject))
        subject.log_start = 0
        wrong = subject.settle()
        if subject.starts > 1:
            wrong = "the process ended on a full disk"
        if told < cycles:
            wrong = wrong or f"{cycles - told} of {cycles} full disks were not noticed"
        verdict = subject.verdict(whole=False, duplicates_allowed=cycles * DUPLICATES_EACH)
    finally:
        for disk in disks.values():
            disk.release()
    return from_verdict(verdict, told, wrong, **{
        "times full": cycles, "of them felt by the program": told, "longest until accepted again, s": round(max(waits), 2),
        "acknowledged records lost": verdict.figures["missing"]})
